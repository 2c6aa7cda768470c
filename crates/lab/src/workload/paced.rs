//! Paced: a message at every tick of a fixed rate, whatever the channel does (open loop).
//!
//! Latency counts from the moment a message was *due*, not from when it could be sent, so a stall shows in every message it
//! held up. A message that is sent more than one interval late is counted as missed, and still sent.

use std::thread;
use std::time::Duration;

use crossing::{Connection, Mechanism, WaitStrategy};

use super::payload::{check, fill};
use super::{Broken, Course, await_signal, signal};
use crate::clock::Clock;
use crate::control::SideOutcome;
use crate::stats::Histogram;
use crate::sys::usage::usage;

/// A sender that may sleep wakes this long before a message is due and spins the rest: longer than a timer is late.
const WAKE_EARLY: Duration = Duration::from_micros(200);

pub(super) fn send<M: Mechanism>(
    connection: &mut Connection<M>,
    course: &Course,
) -> Result<SideOutcome, Broken> {
    let clock = course.clock;
    let mut message = vec![0; course.size];
    for seq in 0..course.warmup {
        fill(&mut message, seq, 0);
        connection.send(&message)?;
    }
    await_signal(connection, course)?;
    let interval = clock.ticks(course.interval_ns).max(1);
    let mut missed = 0;
    let before = usage();
    let began = clock.now();
    for count in 0..course.messages {
        let due = began + count * interval;
        wait_until(due, &clock, course.wait);
        missed += u64::from(clock.now().saturating_sub(due) > interval);
        fill(&mut message, course.warmup + count, due);
        connection.send(&message)?;
    }
    let usage = usage().since(&before);
    await_signal(connection, course)?;
    Ok(SideOutcome { began, ended: clock.now(), missed, usage, ..SideOutcome::default() })
}

pub(super) fn receive<M: Mechanism>(
    connection: &mut Connection<M>,
    course: &Course,
) -> Result<SideOutcome, Broken> {
    let clock = course.clock;
    let mut message = vec![0; course.size];
    let mut samples = Histogram::new();
    for seq in 0..course.warmup {
        let len = connection.recv(&mut message)?;
        check(&message[..len], course.size, seq)?;
    }
    let before = usage();
    let began = clock.now();
    signal(connection, course)?;
    for seq in course.warmup..course.warmup + course.messages {
        let len = connection.recv(&mut message)?;
        let now = clock.now();
        let due = check(&message[..len], course.size, seq)?;
        // A message too short for a stamp has no latency.
        if due != 0 {
            samples.record(clock.ns(now.saturating_sub(due)));
        }
    }
    let ended = clock.now();
    let usage = usage().since(&before);
    signal(connection, course)?;
    Ok(SideOutcome {
        began,
        ended,
        verified: course.messages,
        samples: samples.pairs(),
        usage,
        ..SideOutcome::default()
    })
}

/// Waits for `due` in the way the row waits: a spinning row spins, another sleeps most of the time.
fn wait_until(due: u64, clock: &Clock, wait: WaitStrategy) {
    if wait != WaitStrategy::Spin {
        let left = Duration::from_nanos(clock.ns(due.saturating_sub(clock.now())));
        if let Some(sleep) = left.checked_sub(WAKE_EARLY).filter(|sleep| !sleep.is_zero()) {
            thread::sleep(sleep);
        }
    }
    while clock.now() < due {
        std::hint::spin_loop();
    }
}
