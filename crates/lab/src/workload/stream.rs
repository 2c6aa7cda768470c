//! Stream: one message after the other, each by a `send` of its own, or all through a cork.
//!
//! The clock starts just before the first message that counts is made, when the receiver has verified the
//! whole warm-up; it stops when the **receiver** has verified the last. One message in 64 carries the time of
//! its own `send`: those are the latency samples, and they hold the time spent queueing behind the messages
//! before.

use crossing::{Connection, Mechanism, SendError};

use super::payload::{check, fill};
use super::{Broken, Course, POINTS, await_signal, receive_warmup, send_warmup, signal, stretches};
use crate::control::SideOutcome;
use crate::stats::Histogram;
use crate::sys::usage::usage;

/// Every so many messages one is stamped.
const STAMP_EVERY: u64 = 64;

pub(super) fn send<M: Mechanism>(
    connection: &mut Connection<M>,
    course: &Course,
) -> Result<SideOutcome, Broken> {
    send_warmup(connection, course, &mut vec![0; course.size])?;
    let sent = offer(course, |message| connection.send(message))?;
    // Stays until the receiver has it all: an end that goes early would be part of what the receiver measures.
    await_signal(connection, course)?;
    Ok(sent)
}

pub(super) fn send_corked<M: Mechanism>(
    connection: &mut Connection<M>,
    course: &Course,
) -> Result<SideOutcome, Broken> {
    send_warmup(connection, course, &mut vec![0; course.size])?;
    let mut cork = connection.cork();
    let sent = offer(course, |message| cork.send(message))?;
    cork.flush()?;
    drop(cork);
    await_signal(connection, course)?;
    Ok(sent)
}

/// Makes every message that counts, and gives it to `send`.
#[inline(always)]
fn offer(
    course: &Course,
    mut send: impl FnMut(&[u8]) -> Result<(), SendError>,
) -> Result<SideOutcome, Broken> {
    let clock = course.clock;
    let mut message = vec![0; course.size];
    let before = usage();
    let began = clock.now();
    for seq in course.warmup..course.warmup + course.messages {
        let stamp = if seq.is_multiple_of(STAMP_EVERY) { clock.now() } else { 0 };
        fill(&mut message, seq, stamp);
        send(&message)?;
    }
    Ok(SideOutcome { began, ended: clock.now(), usage: usage().since(&before), ..SideOutcome::default() })
}

/// Also receives what is paced: there every message is stamped, with the time it was due.
pub(super) fn receive<M: Mechanism>(
    connection: &mut Connection<M>,
    course: &Course,
) -> Result<SideOutcome, Broken> {
    let clock = course.clock;
    let mut message = vec![0; course.size];
    let mut samples = Histogram::new();
    let mut progress = Vec::with_capacity(POINTS as usize);
    receive_warmup(connection, course, &mut message)?;
    let before = usage();
    let began = clock.now();
    signal(connection, course)?;
    for stretch in stretches(course) {
        let end = stretch.end;
        for seq in stretch {
            let len = connection.recv(&mut message)?;
            let stamp = check(&message[..len], course.size, seq)?;
            if stamp != 0 {
                samples.record(clock.ns(clock.now().saturating_sub(stamp)));
            }
        }
        progress.push((clock.now(), end - course.warmup));
    }
    let ended = clock.now();
    let usage = usage().since(&before);
    signal(connection, course)?;
    Ok(SideOutcome {
        began,
        ended,
        verified: course.messages,
        samples: samples.pairs(),
        progress,
        usage,
        ..SideOutcome::default()
    })
}
