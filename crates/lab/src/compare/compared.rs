//! The result of a comparison: plain data.

use serde::Serialize;

use crate::stats::{Measure, Ratio, Verdict};

/// The titles of a row's cells, in this order.
pub const COLUMNS: [&str; 6] = ["row", "by", "a", "b", "b / a", "b is"];

/// Two reports compared: `a` is the baseline, `b` is judged.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Comparison {
    /// [`COLUMNS`].
    pub columns: [&'static str; 6],
    /// Every row of `a` in its order, then those that only `b` has.
    pub rows: Vec<Compared>,
    /// How the cells are read.
    pub below: [String; 2],
    /// Sentences that a reader must know.
    pub warnings: Vec<String>,
    /// The warnings that fail a gate: the machines, or the channels' capacities, differ.
    #[serde(skip)]
    pub unlike: Vec<String>,
    /// Those that say that a race was cut short.
    #[serde(skip)]
    pub cut_short: Vec<String>,
}

/// One row of both.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Compared {
    /// `pipe ping-pong 64 B spin cross-core`.
    pub label: String,
    /// The figures of `a`; `None` when it has no such row, or the row failed.
    pub a: Option<Figures>,
    /// The figures of `b`.
    pub b: Option<Figures>,
    /// The medians: `b` divided by `a`.
    pub latency_ratio: Option<Change>,
    /// The rates: `b` divided by `a`.
    pub throughput_ratio: Option<Change>,
    /// The report that alone has this row.
    pub only_in: Option<Side>,
    /// Why one of them, or both, have no figures.
    pub failed: Option<String>,
    /// Which of the two this workload is judged by.
    pub judged_by: Measure,
    /// As it is shown: by that figure, then by the other one if either report has it.
    pub lines: Vec<ComparedLine>,
    /// Why a gate cannot judge this row; `None` where it can, and where `a` has nothing that could become worse.
    #[serde(skip)]
    pub(crate) open: Option<NoVerdict>,
}

/// One figure of a row of both, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ComparedLine {
    /// One cell for each of [`COLUMNS`].
    pub cells: Vec<String>,
    /// The judgement on `b`; `None` where the figures cannot be compared.
    pub verdict: Option<Judgement>,
}

/// Why a row that stands in both reports is not judged.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NoVerdict {
    /// It cannot be judged, and may be let pass.
    Unjudged(String),
    /// The reports state something impossible or ambiguous. It is never let pass.
    Broken(String),
}

/// One of the two reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(rename = "ComparedSide"))]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

/// The compared figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Figures {
    /// The median latency.
    pub latency_ns_p50: Option<u64>,
    /// Messages a second.
    pub messages_per_s: Option<f64>,
}

/// One figure of `b` divided by that of `a`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Change {
    /// The quotient of the rows' figures.
    pub ratio: f64,
    /// The least quotient of any two launches.
    pub low: f64,
    /// The greatest.
    pub high: f64,
    /// The judgement on `b`.
    pub verdict: Judgement,
}

/// How `b` stands to `a`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// All launches of `b` are better than all of `a`.
    Better,
    /// All are worse.
    Worse,
    /// The ranges overlap.
    NoDifference,
    /// One of them had one launch only: no spread is known.
    Unknown,
}

impl Compared {
    /// The change that this row is judged by.
    pub fn change(&self) -> Option<Change> {
        self.change_by(self.judged_by)
    }

    pub(super) fn change_by(&self, by: Measure) -> Option<Change> {
        match by {
            Measure::LatencyP50 => self.latency_ratio,
            Measure::MessagesPerS => self.throughput_ratio,
        }
    }
}

impl From<Ratio> for Change {
    fn from(ratio: Ratio) -> Change {
        let more_is_better = ratio.measure.more_is_better();
        let verdict = match ratio.verdict {
            Verdict::NoDifference => Judgement::NoDifference,
            Verdict::Unknown => Judgement::Unknown,
            Verdict::Different if (ratio.min > 1.0) == more_is_better => Judgement::Better,
            Verdict::Different => Judgement::Worse,
        };
        Change { ratio: ratio.value, low: ratio.min, high: ratio.max, verdict }
    }
}
