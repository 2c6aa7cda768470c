//! Entrants: everything that runs in a race, and the job that each has in its rounds.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crossing::{Kind, WaitStrategy};

use crate::clock::Clock;
use crate::job::{PairJob, Task};
use crate::mechanism;
use crate::peer::{LATE, PeerFault};
use crate::plan::{CAPACITY_LIMIT, Plan, Workload};
use crate::report;
use crate::rival::{self, Rival};
use crate::score::Score;

/// The runner of a round.
#[derive(Debug, Clone)]
pub(crate) enum Runner {
    Mechanism(Kind),
    Null,
    Rival(Rival, Kind),
    /// A rival that could not say what it can do; its file's name.
    Absent(String),
}

impl Runner {
    /// The `kind` of its rows.
    pub(crate) fn kind(&self) -> String {
        match self {
            Runner::Mechanism(kind) => kind.to_string(),
            Runner::Null => "null".into(),
            Runner::Rival(rival, kind) => format!("{}/{kind}", rival.name()),
            Runner::Absent(name) => name.clone(),
        }
    }
}

/// One entrant: a runner and the conditions of its rounds.
#[derive(Debug, Clone)]
pub(crate) struct RaceEntrant {
    pub(crate) runner: Runner,
    pub(crate) workload: Workload,
    pub(crate) size_bytes: u32,
    pub(crate) wait: WaitStrategy,
    /// What it rehearses, if it does.
    pub(crate) score: Option<Arc<Score>>,
}

/// How much a roomy channel is asked to hold, in bytes: what an unprivileged process may give a pipe (/proc/sys/fs/pipe-max-size). It
/// holds two of the longest messages at least.
const ROOMY_BYTES: u32 = 1 << 20;

impl RaceEntrant {
    /// The name of its row.
    pub(crate) fn label(&self) -> String {
        report::label(&self.runner.kind(), self.workload, self.size_bytes, self.wait)
    }

    /// The job of its processes in its round of `launch`.
    pub(crate) fn job(&self, plan: &Plan, launch: u32, cores: Option<[usize; 2]>, clock: Clock) -> PairJob {
        let RaceEntrant { workload, size_bytes, wait, .. } = *self;
        let launches = u64::from(plan.launches);
        let share = plan.count / launches + u64::from(u64::from(launch) < plan.count % launches);
        let (kind, task) = match &self.runner {
            Runner::Mechanism(kind) | Runner::Rival(_, kind) => (*kind, Task::Race(workload)),
            // One that is absent runs no round, and null sends nothing: any channel will do.
            Runner::Null | Runner::Absent(_) => (Kind::ALL[0], Task::Null(workload)),
        };
        PairJob {
            warmup: warmup(share, size_bytes),
            patience_ns: self.score.as_ref().map(|score| score.patience_ns()),
            // A round trip is two messages.
            messages: if workload == Workload::PingPong { share.div_ceil(2) } else { share },
            interval_ns: match workload {
                Workload::Paced => 1_000_000_000 / u64::from(plan.rate_per_s),
                Workload::PingPong | Workload::Stream | Workload::Corked => 0,
                Workload::Rehearsed | Workload::RehearsedCorked | Workload::RehearsedRoomy => 0,
            },
            capacity_bytes: match workload {
                Workload::RehearsedRoomy => {
                    Some(size_bytes.saturating_mul(2).clamp(ROOMY_BYTES, CAPACITY_LIMIT))
                }
                _ => plan.capacity_bytes,
            },
            ..PairJob::new(task, kind, wait, cores, size_bytes, clock)
        }
    }
}

impl RaceEntrant {
    /// A possible cause of its failure, to be said behind it.
    pub(crate) fn possible_cause(&self, job: &PairJob, why: &str) -> Option<String> {
        match (&self.runner, &self.score) {
            (Runner::Mechanism(_), None) => narrow(job),
            (Runner::Mechanism(_), Some(_)) if why == LATE => Some(CROSSED.into()),
            _ => None,
        }
    }
}

/// What two programs may do to each other through a channel that holds less than the one they have.
const CROSSED: &str = "; perhaps each side waited for room while neither received: these programs may need more room than this \
                       channel has, or receive while they send";

/// Every entrant of the plan; beside one that cannot take part, why.
pub(crate) fn of_plan(plan: &Plan, stop: &AtomicBool) -> Vec<(RaceEntrant, Option<String>)> {
    let met: Vec<_> = plan.rivals.iter().map(|path| (path, Rival::meet(path, stop))).collect();
    let mut entrants = Vec::new();
    for &workload in &plan.workloads {
        for &size_bytes in &plan.sizes {
            for &wait in &plan.waits {
                let mut add = |runner, absent| {
                    entrants.push((RaceEntrant { runner, workload, size_bytes, wait, score: None }, absent));
                };
                plan.kinds.iter().for_each(|&kind| add(Runner::Mechanism(kind), None));
                for (path, rival) in &met {
                    let rival = match rival {
                        Ok(rival) => rival,
                        Err(PeerFault::Stopped) => continue,
                        Err(fault) => {
                            add(Runner::Absent(rival::name_of(path)), Some(fault.to_string()));
                            continue;
                        }
                    };
                    let kinds = if plan.kinds.is_empty() { &Kind::ALL[..] } else { &plan.kinds };
                    let takes_part = kinds.iter().filter(|&&kind| rival.can(kind, workload, wait));
                    takes_part.for_each(|&kind| add(Runner::Rival(rival.clone(), kind), None));
                }
            }
            if workload != Workload::Paced {
                let (runner, wait) = (Runner::Null, plan.waits[0]);
                entrants.push((RaceEntrant { runner, workload, size_bytes, wait, score: None }, None));
            }
        }
    }
    entrants
}

/// A possible cause of a failure, if a small capacity was asked for. TCP waits for its timers when
/// a buffer is far shorter than a segment, and does not end in time.
fn narrow(job: &PairJob) -> Option<String> {
    let (asked, size) = (job.capacity_bytes?, job.size_bytes);
    let waits_for_timers = asked < mechanism::of(job.kind).flows_from_bytes;
    (waits_for_timers || asked < size.saturating_mul(2)).then(|| {
        format!(
            "; its channel was asked to hold {asked} bytes, too few for messages of {size}: ask for more room"
        )
    })
}

/// Messages before those that count: a tenth, within reason in number and in bytes.
fn warmup(messages: u64, size_bytes: u32) -> u64 {
    const BYTES: u64 = 64 << 20;
    (messages / 10).clamp(64, 10_000).min((BYTES / u64::from(size_bytes)).max(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_when_the_channel_was_narrow() {
        let with = |kind, capacity_bytes, size_bytes| {
            let task = Task::Race(Workload::Stream);
            let job = PairJob::new(task, kind, WaitStrategy::Block, None, size_bytes, Clock::Monotonic);
            narrow(&PairJob { messages: 1, capacity_bytes, ..job })
        };
        let told = with(Kind::Pipe, Some(4096), 65_536).unwrap();
        assert!(told.contains("4096 bytes, too few for messages of 65536"), "{told}");
        assert!(with(Kind::Tcp, Some(8192), 1024).is_some());
        assert_eq!(with(Kind::Tcp, Some(32 << 10), 1024), None);
        assert_eq!([with(Kind::Pipe, Some(4096), 2048), with(Kind::Tcp, None, 65_536)], [None, None]);
    }

    #[test]
    fn a_rehearsal_that_is_late_may_lack_room() {
        let score = Score { sides: [vec![], vec![]], least_ns: 0, elapsed_ns: 0 };
        let (workload, wait) = (Workload::Rehearsed, WaitStrategy::Block);
        let runner = Runner::Mechanism(Kind::Pipe);
        let entrant = RaceEntrant { runner, workload, size_bytes: 1, wait, score: Some(Arc::new(score)) };
        let job = PairJob::new(Task::Race(workload), Kind::Pipe, wait, None, 1, Clock::Monotonic);
        assert!(entrant.possible_cause(&job, LATE).is_some_and(|cause| cause.contains("waited for room")));
        assert_eq!(entrant.possible_cause(&job, "it died"), None);
    }

    #[test]
    fn warm_up_is_bounded_in_number_and_in_bytes() {
        assert_eq!(warmup(10, 64), 64);
        assert_eq!(warmup(100_000, 64), 10_000);
        assert_eq!(warmup(100_000, 1 << 20), 64);
        assert_eq!(warmup(100_000, 64 << 20), 4);
    }
}
