//! Rivals: programs outside of the project that run the same rounds (`rivals/README.md`).
//!
//! A rival brings its own two processes. It reads a job as one line of JSON, and answers by one
//! line. It verifies the same payload, and a round without every message verified gives no number.
//! Its times are its own claim, but they must fit: as many samples as round trips, which add up to
//! its time, and no more time than it ran.

mod guest;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crossing::{Kind, WaitStrategy};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::job::PairJob;
use crate::peer::PeerFault;
use crate::plan::{Workload, as_text};

pub use self::guest::end_guests;
use self::guest::{Guest, sentence};

/// How long a rival may take to describe itself.
const MEETING: Duration = Duration::from_secs(5);
/// The longest name, in characters.
const NAME_LIMIT: usize = 31;

/// A program that takes part, with its own description.
#[derive(Debug, Clone)]
pub(crate) struct Rival {
    program: PathBuf,
    can: Description,
}

#[derive(Debug, Clone, Deserialize)]
struct Description {
    name: String,
    kinds: Vec<String>,
    workloads: Vec<String>,
    waits: Vec<String>,
    /// Whether its two sides are processes or threads.
    #[serde(default)]
    ends: Ends,
    /// A note to show beside its rows.
    note: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Ends {
    #[default]
    Processes,
    /// Two threads of one process: a bound for what processes can reach.
    Threads,
}

#[derive(Debug, Serialize)]
struct GuestJob {
    #[serde(with = "as_text::one")]
    kind: Kind,
    workload: Workload,
    size_bytes: u32,
    messages: u64,
    warmup: u64,
    cores: Option<[usize; 2]>,
    wait: &'static str,
    clock: Clock,
}

/// The result of a rival's round.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct RivalOutcome {
    messages: u64,
    pub(crate) verified: u64,
    pub(crate) elapsed_ns: u64,
    pub(crate) latency_ns: Vec<(u64, u64)>,
}

/// The answer of a rival.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum RivalAnswer {
    Done(RivalOutcome),
    /// It cannot do this, and says so: a gap, not a failure.
    Unsupported {
        unsupported: String,
    },
}

impl Rival {
    /// Asks the program at `path` for its description.
    pub(crate) fn meet(path: &Path, stop: &AtomicBool) -> Result<Rival, PeerFault> {
        let fault =
            |why: &dyn std::fmt::Display| PeerFault::Failed(format!("rival {}: {why}", path.display()));
        let program = path.canonicalize().map_err(|error| fault(&error))?;
        let mut command = Command::new(&program);
        command.arg("--describe");
        let answer = answer_of(&mut command, Instant::now() + MEETING, stop).map_err(|why| match why {
            PeerFault::Stopped => PeerFault::Stopped,
            PeerFault::Environment(why) | PeerFault::Failed(why) => fault(&why),
        })?;
        let can: Description = serde_json::from_slice(&answer)
            .map_err(|error| fault(&format!("it does not describe itself as a rival does: {error}")))?;
        let plain = can.name.bytes().all(|byte| byte.is_ascii_graphic());
        if can.name.is_empty() || can.name.len() > NAME_LIMIT || !plain {
            return Err(fault(&format!("its name is not 1 to {NAME_LIMIT} plain letters")));
        }
        Ok(Rival { program, can })
    }

    /// Whether its two sides are threads of one process: a bound, not a way between processes.
    pub(crate) fn is_bound(&self) -> bool {
        self.can.ends == Ends::Threads
    }

    /// The notes that readers of its rows need.
    pub(crate) fn notes(&self) -> impl Iterator<Item = String> {
        let bound =
            self.is_bound().then(|| "two threads of one process: a bound, no way between processes".into());
        bound.into_iter().chain(self.can.note.as_deref().map(sentence))
    }

    pub(crate) fn name(&self) -> &str {
        &self.can.name
    }

    pub(crate) fn can(&self, kind: Kind, workload: Workload, wait: WaitStrategy) -> bool {
        let says = |list: &[String], word: &str| list.iter().any(|item| item == word);
        says(&self.can.kinds, kind.name())
            && says(&self.can.workloads, workload.name())
            && says(&self.can.waits, wait.name())
    }

    /// Runs one round.
    pub(crate) fn run(
        &self,
        workload: Workload,
        job: &PairJob,
        stop: &AtomicBool,
    ) -> Result<RivalAnswer, PeerFault> {
        let PairJob { kind, size_bytes, messages, warmup, cores, clock, .. } = *job;
        let wait = job.wait.name();
        let told = GuestJob { kind, workload, size_bytes, messages, warmup, cores, wait, clock };
        let mut line = serde_json::to_vec(&told).map_err(|error| PeerFault::Failed(error.to_string()))?;
        line.push(b'\n');
        let began = Instant::now();
        let guest = Guest::start(&mut Command::new(&self.program), Some(&line))
            .map_err(|error| PeerFault::spawn(&error))?;
        let answer = guest.answer(began + job.time(), stop)?;
        let lied = |why: String| PeerFault::Failed(format!("rival {}: {why}", self.name()));
        match serde_json::from_slice(&answer) {
            Ok(RivalAnswer::Unsupported { unsupported }) => {
                Ok(RivalAnswer::Unsupported { unsupported: sentence(&unsupported) })
            }
            Ok(RivalAnswer::Done(outcome)) => match outcome.fault(workload, job, began.elapsed()) {
                Some(why) => Err(lied(why)),
                None => Ok(RivalAnswer::Done(outcome)),
            },
            Err(error) => Err(lied(format!("it answered what is no answer: {error}"))),
        }
    }
}

impl RivalOutcome {
    /// The first thing in it that cannot be true. Verification of every message is checked for all
    /// entrants alike.
    fn fault(&self, workload: Workload, job: &PairJob, ran: Duration) -> Option<String> {
        if self.messages != job.messages {
            return Some(format!(
                "it tells of {} messages, and {} were asked for",
                self.messages, job.messages
            ));
        }
        let time = Duration::from_nanos(self.elapsed_ns);
        if time > ran {
            return Some(format!("it claims to have sent for {time:?}, and ran for {ran:?}"));
        }
        if workload != Workload::PingPong {
            return (!self.latency_ns.is_empty())
                .then(|| "it has latencies of a workload without any".into());
        }
        let samples: u128 = self.latency_ns.iter().map(|&(_, count)| u128::from(count)).sum();
        if samples != u128::from(self.messages) {
            return Some(format!("it has {samples} samples of {} round trips", self.messages));
        }
        let half = |&(ns, count): &(u64, u64)| u128::from(ns) * u128::from(count);
        let halves: u128 = self.latency_ns.iter().map(half).sum();
        // Each half is rounded by up to half a nanosecond.
        let (whole, told) = (2 * halves, u128::from(self.elapsed_ns));
        let slack = u128::from(self.messages) + told / 1000;
        (whole.abs_diff(told) > slack)
            .then(|| format!("its round trips add up to {whole} ns, its time is {told} ns"))
    }
}

/// The output of a program that reads nothing, until it ends.
pub(crate) fn answer_of(
    command: &mut Command,
    deadline: Instant,
    stop: &AtomicBool,
) -> Result<Vec<u8>, PeerFault> {
    let guest = Guest::start(command, None).map_err(|error| PeerFault::Failed(error.to_string()))?;
    guest.answer(deadline, stop)
}

/// The name of a rival that has not told its own: that of its file.
pub(crate) fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let plain = name.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' });
    plain.take(NAME_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Task;

    fn job() -> PairJob {
        let task = Task::Race(Workload::PingPong);
        let job = PairJob::new(task, Kind::Pipe, WaitStrategy::Block, None, 64, Clock::Monotonic);
        PairJob { messages: 10, ..job }
    }

    #[test]
    fn what_cannot_be_true_is_found() {
        let honest = RivalOutcome {
            messages: 10,
            verified: 10,
            elapsed_ns: 20_009,
            latency_ns: vec![(900, 5), (1_101, 5)],
        };
        let ran = Duration::from_millis(1);
        let fault = |outcome: &RivalOutcome, workload| outcome.fault(workload, &job(), ran);
        assert_eq!(fault(&honest, Workload::PingPong), None);
        let streamed = RivalOutcome { latency_ns: Vec::new(), ..honest.clone() };
        assert_eq!(fault(&streamed, Workload::Stream), None);
        for lie in [
            RivalOutcome { messages: 11, ..honest.clone() },
            RivalOutcome { elapsed_ns: 2_000_000, ..honest.clone() },
            RivalOutcome { elapsed_ns: 15_000, ..honest.clone() },
            RivalOutcome { latency_ns: vec![(1_000, 9)], ..honest.clone() },
            RivalOutcome { latency_ns: vec![(u64::MAX, 10)], ..honest.clone() },
            RivalOutcome { latency_ns: vec![(u64::MAX, u64::MAX), (u64::MAX, u64::MAX)], ..honest.clone() },
            streamed,
        ] {
            assert!(fault(&lie, Workload::PingPong).is_some(), "{lie:?}");
        }
        assert!(fault(&honest, Workload::Stream).is_some());
    }
}
