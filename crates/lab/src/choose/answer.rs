//! The answer: mechanisms with their reasons, as data.

use serde::Serialize;

use crate::plan::Workload;
use crate::report::ReportRow;
use crate::scene::Budget;

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Best first.
    pub answers: Vec<Answer>,
    /// The mechanisms that do not meet the needs, and why.
    pub excluded: Vec<Excluded>,
    /// The race that would measure the missing rows.
    pub missing: Option<MissingRace>,
}

/// A mechanism that meets the needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Its short name.
    pub kind: String,
    /// Its title.
    pub title: String,
    /// The way of waiting that fits, as on the command line.
    pub wait: String,
    /// Why.
    pub reasons: Vec<ChoiceReason>,
}

/// A mechanism that does not meet them.
#[derive(Debug, Clone, PartialEq)]
pub struct Excluded {
    /// Its short name.
    pub kind: String,
    /// Its title.
    pub title: String,
    /// Why not.
    pub why: ChoiceReason,
}

/// A fact, and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct ChoiceReason {
    /// The fact.
    pub fact: ChoiceFact,
    /// The row that it rests on; `None` for a fact of the scene.
    pub source: Option<Source>,
}

/// A row of a race on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The run's id.
    pub run: String,
    /// The row's index in it.
    pub row: usize,
    /// Why it is not one to quote: `quick race`, `stopped early`.
    pub marks: Vec<&'static str>,
}

/// The fact of a reason.
#[derive(Debug, Clone, PartialEq)]
pub enum ChoiceFact {
    /// A median latency.
    Latency {
        /// In nanoseconds.
        p50_ns: u64,
        /// The row, for the words around the figure.
        row: Box<ReportRow>,
        /// Whether its launches overlap with those of the best one, that does not differ then.
        like_the_best: bool,
        /// Whether the other process is to be elsewhere, which a race on one machine does not show.
        loopback_only: bool,
    },
    /// A rate, beside the one that is needed.
    Rate {
        /// The measured rate.
        messages_per_s: f64,
        /// The row.
        row: Box<ReportRow>,
        /// The rate that is needed.
        wanted_per_s: u32,
    },
    /// Time on a core for each message, both sides together.
    Cpu {
        /// In nanoseconds.
        ns: f64,
    },
    /// Nothing was measured here yet.
    NotMeasured,
    /// The other process may be on another machine.
    CrossesHosts,
    /// It may not.
    OneHostOnly,
    /// One connection carries messages both ways.
    BothWays,
    /// Each way takes one of its own.
    OneWayEach,
    /// Each process writes only memory that the other cannot write.
    OwnMemoryOnly,
    /// The kernel carries every message; no memory is shared.
    NoSharedMemory,
    /// The cost of a message by design.
    Cost(Box<Budget>),
}

/// A race that is lacking.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct MissingRace {
    /// All kinds that would run in it, so that their rows compare.
    pub kinds: Vec<String>,
    /// The workloads to run.
    pub workloads: Vec<Workload>,
    /// The size that was asked for.
    pub sizes: Vec<u32>,
    /// The ways of waiting that may be chosen from.
    pub waits: Vec<&'static str>,
    /// For a channel that mostly idles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_s: Option<u32>,
    /// Fewer messages than usual, where they are slow in coming.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}
