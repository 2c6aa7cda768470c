//! The null entrant: the same work without a channel, in one process. Making and verifying a message, the
//! clock and the histogram cost this much in every row.

use std::hint::black_box;

use super::course::spent_since;
use super::payload::{check, fill};
use crate::job::PairJob;
use crate::plan::Workload;
use crate::request::SideOutcome;
use crate::stats::Histogram;
use crate::sys::usage::usage;

pub(crate) fn run(workload: Workload, job: &PairJob) -> SideOutcome {
    let clock = job.clock;
    let mut made = vec![0; job.size()];
    let mut samples = Histogram::new();
    let mut verified = 0;
    let mut cross = |seq| {
        fill(&mut made, seq, 0);
        check(black_box(&made), job.size(), seq).is_ok()
    };
    for seq in 0..job.warmup {
        black_box(cross(seq));
    }
    let before = usage();
    let first = clock.now();
    let mut began = first;
    for seq in job.warmup..job.warmup + job.messages {
        let mut ok = cross(seq);
        if workload == Workload::PingPong {
            ok &= cross(seq);
            let ended = clock.now();
            samples.record(clock.ns(ended.saturating_sub(began)) / 2);
            began = ended;
        }
        verified += u64::from(ok);
    }
    let ended = clock.now();
    let usage = spent_since(&before);
    SideOutcome { began: first, ended, verified, samples: samples.pairs(), usage, ..SideOutcome::default() }
}
