//! What the table of figures is made of: what is measured, and what is promised of it. The table itself stands in
//! `rivals/figures`, since it names whom the promises are against.

use std::fmt;

use crossing::{Kind, WaitStrategy};
use lab::plan::{Placement, Workload};
use lab::report::State;
use serde::Serialize;

use crate::limit::Limit;

/// One promise.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Rows of one group stand together.
    pub(crate) group: &'static str,
    /// What is measured.
    pub(crate) what: String,
    /// What it is held against.
    pub(crate) against: &'static str,
    pub(crate) ours: Value,
    /// The best of these counts: the one to whom ours stands worst.
    pub(crate) theirs: Vec<Value>,
    pub(crate) target: Target,
    /// Where the promise was made.
    pub(crate) at: Place,
}

/// How ours must stand to the best of theirs. All figures are such that less is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Target {
    /// Ours takes at most so many times as much.
    AtMost(f64),
    /// Ours is at least so many times as fast.
    Times(f64),
    /// Ours is at most so many bytes; there is nothing to hold it against.
    Bytes(u64),
}

impl Target {
    /// What is promised of `ours`; of bytes, ours itself.
    pub(crate) fn ratio(self, ours: f64, theirs: f64) -> f64 {
        match self {
            Target::AtMost(_) => ours / theirs,
            Target::Times(_) => theirs / ours,
            Target::Bytes(_) => ours,
        }
    }

    /// Whichever of the two, by its ratio, is farther from what is promised.
    pub(crate) fn worse<T>(self, a: T, b: T, ratio: impl Fn(&T) -> f64) -> T {
        let less = ratio(&a) <= ratio(&b);
        let a_is_worse = if let Target::Times(_) = self { less } else { !less };
        if a_is_worse { a } else { b }
    }

    pub(crate) fn holds(self, ratio: f64) -> bool {
        match self {
            Target::AtMost(limit) => ratio <= limit,
            Target::Times(least) => ratio >= least,
            Target::Bytes(limit) => ratio <= limit as f64,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::AtMost(limit) => write!(f, "≤ {limit:.2} ×"),
            Target::Times(least) => write!(f, "≥ {least} × as fast"),
            Target::Bytes(limit) => write!(f, "≤ {} KiB", limit >> 10),
        }
    }
}

/// A figure of a series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value(pub(crate) Figure, pub(crate) Series);

/// What is read off a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Figure {
    /// The median latency.
    P50,
    P99,
    /// The time for a message of a stream.
    Each,
    /// The receiver's time on a core, for a message.
    Cpu,
    /// Memory.
    Bytes,
}

/// Runs of the same thing, one a round.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Series {
    /// A row of a race: the race's name, who (`shm`, `NAME/shm`), and how both ends wait.
    Race(&'static str, String, &'static str),
    /// A measure without the making of messages, by its name.
    Limit(&'static str),
    /// The same by a build in which a rule is left out.
    Without(String, &'static str),
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Series::Race(race, who, wait) => write!(f, "{race}: {who} {wait}"),
            Series::Limit(limit) => f.write_str(limit),
            Series::Without(rule, limit) => write!(f, "{limit}, without {rule}"),
        }
    }
}

/// Where a run was, by the floor before it and after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Place {
    Near,
    Far,
    /// There is no floor: one core, or nothing that takes time.
    NoFloor,
    /// The cores moved while it ran, again and again: it counts for nothing.
    Moved,
}

impl Place {
    /// By two looks at the floor.
    pub(crate) fn of(floors_ns: Option<[f64; 2]>) -> Place {
        let Some([before, after]) = floors_ns else { return Place::NoFloor };
        match State::of(&[before, after]) {
            _ if before.max(after) > lab::race::MOVED * before.min(after) => Place::Moved,
            Some(State::Near) => Place::Near,
            Some(State::Far) => Place::Far,
            Some(State::Mixed) | None => Place::Moved,
        }
    }
}

/// A race, by this library's own runner: the same workload, payload and verification for all.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Race {
    pub(crate) name: &'static str,
    #[serde(serialize_with = "words")]
    pub(crate) kinds: &'static [Kind],
    /// Programs by their names; with no `kinds` they run with every kind that they can.
    pub(crate) rivals: &'static [&'static str],
    pub(crate) workload: Workload,
    pub(crate) size_bytes: u32,
    #[serde(serialize_with = "word")]
    pub(crate) placement: Placement,
    #[serde(serialize_with = "words")]
    pub(crate) waits: &'static [WaitStrategy],
    /// Messages of each entrant in each round.
    pub(crate) messages: u64,
    pub(crate) rate_per_s: u32,
    pub(crate) capacity_bytes: Option<u32>,
    /// It runs in every so many-th round, because it takes long and is far from its limit.
    pub(crate) every: u32,
}

fn word<S: serde::Serializer>(value: impl fmt::Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&value)
}

fn words<S: serde::Serializer>(values: &[impl fmt::Display], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(values.iter().map(ToString::to_string))
}

/// Everything that can be measured, and everything that is promised.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) races: Vec<Race>,
    /// Those of one list are measured right after each other.
    pub(crate) limits: Vec<Vec<Limit>>,
    pub(crate) rows: Vec<Row>,
}
