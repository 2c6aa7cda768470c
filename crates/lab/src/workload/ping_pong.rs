//! Ping-pong: one message there, one back, and again. Every round trip is a sample.
//!
//! The clock is read once for each round trip: the end of one is the start of the next. So a sample holds,
//! beside the channel, making and verifying both messages, one reading of the clock and one entry into the
//! histogram.

use crossing::{Connection, Mechanism};

use super::course::{Broken, POINTS, spent_since, stretches};
use super::payload::{check, fill};
use crate::job::PairJob;
use crate::request::SideOutcome;
use crate::stats::Histogram;
use crate::sys::usage::usage;

pub(super) fn initiate<M: Mechanism>(
    connection: &mut Connection<M>,
    job: &PairJob,
) -> Result<SideOutcome, Broken> {
    let clock = job.clock;
    let mut ping = vec![0; job.size()];
    let mut pong = vec![0; job.size()];
    let mut samples = Histogram::new();
    let mut progress = Vec::with_capacity(POINTS as usize);
    let mut round_trip = |seq| -> Result<(), Broken> {
        fill(&mut ping, seq, 0);
        connection.send(&ping)?;
        let len = connection.recv(&mut pong)?;
        check(&pong[..len], job.size(), seq)?;
        Ok(())
    };
    for seq in 0..job.warmup {
        round_trip(seq)?;
    }
    let before = usage();
    let first = clock.now();
    let mut began = first;
    for stretch in stretches(job) {
        let end = stretch.end;
        for seq in stretch {
            round_trip(seq)?;
            let ended = clock.now();
            samples.record(clock.ns(ended.saturating_sub(began)) / 2);
            began = ended;
        }
        progress.push((began, end - job.warmup));
    }
    let usage = spent_since(&before);
    Ok(SideOutcome {
        began: first,
        ended: began,
        verified: job.messages,
        samples: samples.pairs(),
        progress,
        usage,
        ..SideOutcome::default()
    })
}

pub(super) fn respond<M: Mechanism>(
    connection: &mut Connection<M>,
    job: &PairJob,
) -> Result<SideOutcome, Broken> {
    let mut ping = vec![0; job.size()];
    let mut pong = vec![0; job.size()];
    let mut answer = |seq| -> Result<(), Broken> {
        let len = connection.recv(&mut ping)?;
        check(&ping[..len], job.size(), seq)?;
        fill(&mut pong, seq, 0);
        connection.send(&pong)?;
        Ok(())
    };
    for seq in 0..job.warmup {
        answer(seq)?;
    }
    let before = usage();
    let began = job.clock.now();
    for seq in job.warmup..job.warmup + job.messages {
        answer(seq)?;
    }
    let ended = job.clock.now();
    let usage = spent_since(&before);
    Ok(SideOutcome { began, ended, verified: job.messages, usage, ..SideOutcome::default() })
}
