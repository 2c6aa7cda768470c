//! Paced: a message at every tick of a fixed rate, whatever the channel does (open loop).
//!
//! Latency counts from the moment a message was *due*, not from when it could be sent, so a stall shows in
//! every message it held up. Each message carries its due time; it is received as a stream is. A message that
//! is sent more than one interval late is counted as missed, and still sent.

use crossing::{Connection, Mechanism, WaitStrategy};

use super::course::{Broken, await_signal, send_warmup, spent_since};
use super::pacing::wait_until;
use super::payload::fill;
use crate::job::PairJob;
use crate::request::SideOutcome;
use crate::sys::usage::usage;

pub(super) fn send<M: Mechanism>(
    connection: &mut Connection<M>,
    job: &PairJob,
) -> Result<SideOutcome, Broken> {
    let clock = job.clock;
    let mut message = vec![0; job.size()];
    send_warmup(connection, job, &mut message)?;
    let interval = clock.ticks(job.interval_ns).max(1);
    let mut missed = 0;
    let before = usage();
    let began = clock.now();
    for count in 0..job.messages {
        let due = began + count * interval;
        // A spinning row spins, another sleeps most of the time.
        wait_until(due, &clock, job.wait != WaitStrategy::Spin);
        missed += u64::from(clock.now().saturating_sub(due) > interval);
        fill(&mut message, job.warmup + count, due);
        connection.send(&message)?;
    }
    let usage = spent_since(&before);
    await_signal(connection, job)?;
    Ok(SideOutcome { began, ended: clock.now(), missed, usage, ..SideOutcome::default() })
}
