//! Jobs: what a measured process is told first. Both processes of a pair are told the same; only their roles differ.

use std::time::Duration;

use crossing::{Kind, WaitStrategy};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::plan::{Workload, as_text};

/// The time limit for starting, connecting and ending.
pub(crate) const SETUP: Duration = Duration::from_secs(30);
/// The time allowed for one message, far above anything seen: the slowest takes a time slice each
/// way.
const PER_MESSAGE: Duration = Duration::from_millis(20);
/// The time limit for all messages together, however many they are.
const LONGEST: Duration = Duration::from_secs(3600);

/// Which end of a channel a process plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// Sends first, and stamps round trips.
    Initiator,
    /// Answers, or receives.
    Responder,
}

/// The purpose of a pair of processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Task {
    /// A workload over the channel.
    Race(Workload),
    /// A workload without a channel, in the initiator alone.
    Null(Workload),
    /// Rows of single messages, to be looked at from outside.
    Probe,
    /// One process of a stage: it does what it is told, order by order.
    Stage,
}

/// The job of both processes of a pair.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct PairJob {
    pub(crate) task: Task,
    #[serde(with = "as_text::one")]
    pub(crate) kind: Kind,
    #[serde(with = "as_text::one")]
    pub(crate) wait: WaitStrategy,
    /// The initiator's core, and the responder's.
    pub(crate) cores: Option<[usize; 2]>,
    pub(crate) size_bytes: u32,
    /// Messages before those that count.
    pub(crate) warmup: u64,
    /// Messages that count.
    pub(crate) messages: u64,
    /// Time between two messages when they are paced.
    pub(crate) interval_ns: u64,
    /// How long the messages may take together, where their number does not say.
    #[serde(default)]
    pub(crate) patience_ns: Option<u64>,
    /// How much room the channel is asked to have; `None`: its own choice.
    pub(crate) capacity_bytes: Option<u32>,
    pub(crate) clock: Clock,
}

impl PairJob {
    /// A job without messages of its own: they are asked for later, or set beside.
    pub(crate) fn new(
        task: Task,
        kind: Kind,
        wait: WaitStrategy,
        cores: Option<[usize; 2]>,
        size_bytes: u32,
        clock: Clock,
    ) -> PairJob {
        PairJob {
            task,
            kind,
            wait,
            cores,
            size_bytes,
            warmup: 0,
            messages: 0,
            interval_ns: 0,
            patience_ns: None,
            capacity_bytes: None,
            clock,
        }
    }

    /// The job of one of the two.
    pub(crate) fn for_role(self, role: Role) -> Job {
        Job { role, pair: self }
    }

    /// Bytes in each message.
    pub(crate) fn size(&self) -> usize {
        self.size_bytes as usize
    }

    /// How long the round may take before it is given up.
    pub(crate) fn time(&self) -> Duration {
        let paced = Duration::from_nanos(self.interval_ns.saturating_mul(self.messages));
        let messages = u32::try_from(self.messages + self.warmup).unwrap_or(u32::MAX);
        let all = self.patience_ns.map_or(PER_MESSAGE.saturating_mul(messages), Duration::from_nanos);
        SETUP + paced + all.min(LONGEST)
    }
}

/// Everything a process needs to know; the first line it gets. The floor's memory comes beside it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) role: Role,
    pub(crate) pair: PairJob,
}

impl Job {
    /// The core this process is to run on.
    pub(crate) fn core(&self) -> Option<usize> {
        self.pair.cores.map(|[first, second]| if self.role == Role::Initiator { first } else { second })
    }
}
