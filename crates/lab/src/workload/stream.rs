//! Stream: one message after the other, each by a `send` of its own, or all through a cork.
//!
//! The clock starts just before the first message that counts is made, when the receiver has verified the
//! whole warm-up; it stops when the **receiver** has verified the last. One message in 64 carries the time of
//! its own `send`: those are the latency samples, and they hold the time spent queueing behind the messages
//! before.

use crossing::{Connection, Mechanism, SendError};

use super::course::{
    Broken, POINTS, await_signal, receive_warmup, send_warmup, signal, spent_since, stretches,
};
use super::payload::{check, fill};
use crate::job::PairJob;
use crate::request::SideOutcome;
use crate::stats::Histogram;
use crate::sys::usage::usage;

/// One message in this many is stamped.
const STAMP_EVERY: u64 = 64;

pub(super) fn send<M: Mechanism>(
    connection: &mut Connection<M>,
    job: &PairJob,
) -> Result<SideOutcome, Broken> {
    send_warmup(connection, job, &mut vec![0; job.size()])?;
    let sent = offer(job, |message| connection.send(message))?;
    // Stays until the receiver has it all: an end that goes early would be part of what the receiver measures.
    await_signal(connection, job)?;
    Ok(sent)
}

pub(super) fn send_corked<M: Mechanism>(
    connection: &mut Connection<M>,
    job: &PairJob,
) -> Result<SideOutcome, Broken> {
    send_warmup(connection, job, &mut vec![0; job.size()])?;
    let mut cork = connection.cork();
    let sent = offer(job, |message| cork.send(message))?;
    cork.flush()?;
    drop(cork);
    await_signal(connection, job)?;
    Ok(sent)
}

/// Makes every message that counts, and gives it to `send`.
#[inline(always)]
fn offer(job: &PairJob, mut send: impl FnMut(&[u8]) -> Result<(), SendError>) -> Result<SideOutcome, Broken> {
    let clock = job.clock;
    let mut message = vec![0; job.size()];
    let before = usage();
    let began = clock.now();
    for seq in job.warmup..job.warmup + job.messages {
        let stamp = if seq.is_multiple_of(STAMP_EVERY) { clock.now() } else { 0 };
        fill(&mut message, seq, stamp);
        send(&message)?;
    }
    Ok(SideOutcome { began, ended: clock.now(), usage: spent_since(&before), ..SideOutcome::default() })
}

/// Also receives what is paced: there every message is stamped, with the time it was due.
pub(super) fn receive<M: Mechanism>(
    connection: &mut Connection<M>,
    job: &PairJob,
) -> Result<SideOutcome, Broken> {
    let clock = job.clock;
    let mut message = vec![0; job.size()];
    let mut samples = Histogram::new();
    let mut progress = Vec::with_capacity(POINTS as usize);
    receive_warmup(connection, job, &mut message)?;
    let before = usage();
    let began = clock.now();
    signal(connection, job)?;
    for stretch in stretches(job) {
        let end = stretch.end;
        for seq in stretch {
            let len = connection.recv(&mut message)?;
            let stamp = check(&message[..len], job.size(), seq)?;
            if stamp != 0 {
                samples.record(clock.ns(clock.now().saturating_sub(stamp)));
            }
        }
        progress.push((clock.now(), end - job.warmup));
    }
    let ended = clock.now();
    let usage = spent_since(&before);
    signal(connection, job)?;
    Ok(SideOutcome {
        began,
        ended,
        verified: job.messages,
        samples: samples.pairs(),
        progress,
        usage,
        ..SideOutcome::default()
    })
}
