//! What is measured, and what is promised of it, as `promises.toml` says it.

use std::collections::BTreeMap;
use std::fmt;

use lab::plan::Workload;
use lab::report::State;
use serde::de::IntoDeserializer;
use serde::{Deserialize, Serialize};

use crate::Failed;

/// The build in which every rule of safety is left out.
const EVERY_RULE: &str = "all";

/// Everything that can be measured, and everything that is promised.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    pub(crate) races: Vec<Race>,
    /// Those of one list are measured right after each other.
    pub(crate) limits: Vec<Vec<Limit>>,
    /// Many series under one name.
    sets: BTreeMap<String, Vec<String>>,
    groups: Vec<Group>,
}

/// Rows that stand together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Group {
    name: String,
    /// Its rows are there once for each rule of safety, which these are not.
    each_rule_but: Option<Vec<String>>,
    rows: Vec<Row>,
}

/// One promise. The record holds what it says, and not what it is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    #[serde(skip_deserializing)]
    pub(crate) group: String,
    /// What is measured.
    pub(crate) what: String,
    /// What it is held against.
    pub(crate) against: String,
    #[serde(rename(serialize = "promised"))]
    pub(crate) target: Target,
    /// Where the promise was made.
    #[serde(default)]
    pub(crate) at: Place,
    #[serde(skip_serializing)]
    pub(crate) ours: Value,
    /// The best of these counts: the one against which ours stands worst.
    #[serde(skip_serializing)]
    pub(crate) theirs: Vec<Value>,
}

impl Table {
    pub(crate) fn read() -> Result<Table, Failed> {
        Ok(toml::from_str(include_str!("../promises.toml"))?)
    }

    /// Every row, or those in whose group, what and against the words `only` stand. `without`: the rules of which a build
    /// without them is there; all of them together has its rows in any case.
    pub(crate) fn rows(&self, without: &[String], only: Option<&str>) -> Result<Vec<Row>, Failed> {
        let mut rows = Vec::new();
        for group in &self.groups {
            let Some(no_safety) = &group.each_rule_but else {
                rows.extend(group.rows.iter().map(|row| self.whole(row, group, "")));
                continue;
            };
            let safety = without.iter().filter(|rule| *rule != EVERY_RULE && !no_safety.contains(rule));
            for rule in safety.map(String::as_str).chain([EVERY_RULE]) {
                rows.extend(group.rows.iter().map(|row| self.whole(row, group, rule)));
            }
        }
        let wanted = |row: &Row| {
            only.is_none_or(|words| format!("{} {} {}", row.group, row.what, row.against).contains(words))
        };
        rows.retain(wanted);
        if rows.is_empty() { Err("no row has these words".into()) } else { Ok(rows) }
    }

    /// A row with its group's name, for `rule`, and with every series of the sets that it names.
    fn whole(&self, row: &Row, group: &Group, rule: &str) -> Row {
        let of_rule = |text: &str| text.replace("{rule}", rule);
        let value = |figure, series: &String| Value { figure, series: of_rule(series) };
        let each = |Value { figure, series }: &Value| match self.sets.get(series) {
            Some(set) => set.iter().map(|series| value(*figure, series)).collect(),
            None => vec![value(*figure, series)],
        };
        Row {
            group: group.name.clone(),
            what: of_rule(&row.what),
            ours: value(row.ours.figure, &row.ours.series),
            theirs: row.theirs.iter().flat_map(each).collect(),
            ..row.clone()
        }
    }
}

impl Row {
    /// Ours first.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        std::iter::once(&self.ours).chain(&self.theirs)
    }
}

/// How ours must stand to the best of theirs. All figures are such that less is better.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Target {
    /// Ours is at most this many times theirs.
    AtMost(f64),
    /// Ours is at least this many times as fast.
    Times(f64),
    /// Ours is at most this many bytes; it is compared with nothing.
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

    /// How much better than promised `ratio` is; less than nothing where the promise is not kept.
    pub(crate) fn margin(self, ratio: f64) -> f64 {
        match self {
            Target::AtMost(most) => most - ratio,
            Target::Times(least) => ratio - least,
            Target::Bytes(most) => most as f64 - ratio,
        }
    }
}

impl Serialize for Target {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
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

/// A figure of a series: `p50 round trips: shm spin`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Value {
    pub(crate) figure: Figure,
    /// Runs of the same thing, one a round: a row of a race, or a limit.
    pub(crate) series: String,
}

impl TryFrom<String> for Value {
    type Error = serde::de::value::Error;

    fn try_from(text: String) -> Result<Value, Self::Error> {
        let (figure, series) = text.split_once(' ').unwrap_or((&text, ""));
        Ok(Value { figure: Figure::deserialize(figure.into_deserializer())?, series: series.into() })
    }
}

/// What is read off a run.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
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

/// Where a run was, by the floor before it and after it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Place {
    #[default]
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

    /// As it stands in a sentence.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Place::Near => "near",
            Place::Far => "far",
            Place::NoFloor => "without a floor",
            Place::Moved => "moved",
        }
    }
}

/// A race, by this library's own runner: the same workload, payload and verification for all.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Race {
    pub(crate) name: String,
    pub(crate) kinds: Vec<String>,
    /// Programs by their names; with no `kinds` they run with every kind that they can.
    pub(crate) rivals: Vec<String>,
    pub(crate) workload: Workload,
    pub(crate) size_bytes: u32,
    pub(crate) placement: String,
    pub(crate) waits: Vec<String>,
    /// Messages of each entrant in each round.
    pub(crate) messages: u64,
    pub(crate) rate_per_s: u32,
    pub(crate) capacity_bytes: Option<u32>,
    /// It runs in every n-th round only, because it takes long and is far from its limit.
    pub(crate) every: u32,
}

impl Default for Race {
    fn default() -> Race {
        Race {
            name: String::new(),
            kinds: vec!["shm".into()],
            rivals: Vec::new(),
            workload: Workload::Stream,
            size_bytes: 64,
            placement: "cross-core".into(),
            waits: vec!["spin".into()],
            messages: 1_000_000,
            rate_per_s: 10_000,
            capacity_bytes: None,
            every: 1,
        }
    }
}

/// A measure without the making of messages, and with what.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limit {
    pub(crate) name: String,
    pub(crate) measure: String,
    pub(crate) size_bytes: usize,
    pub(crate) messages: u64,
    /// 0: the channel's own.
    pub(crate) ring_bytes: usize,
    pub(crate) wait: String,
    pub(crate) payload: String,
    /// Fresh pairs of processes in each round.
    pub(crate) times: usize,
}

impl Default for Limit {
    fn default() -> Limit {
        Limit {
            name: String::new(),
            measure: String::new(),
            size_bytes: 64,
            messages: 1,
            ring_bytes: 0,
            wait: "spin".into(),
            payload: "ends".into(),
            times: 3,
        }
    }
}
