//! A rehearsal in a report: the traffic that its rows repeat, and how well the rows on the programs' own mechanism agree with it.
//!
//! A rehearsal is a model of two programs. It is believed as far as it tells what is known already: where it does not repeat what was
//! seen on the mechanism that the programs have, nothing is concluded from what it finds on another.

use serde::{Deserialize, Serialize};

use crate::traffic::SeenWait;
use crate::units;

/// How far a rehearsal may be from what was watched, as a share of that.
pub const TOLERANCE: f64 = 0.2;

/// What a report says of the traffic that it rehearses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Rehearsal {
    /// What was watched.
    pub watched: WatchedTraffic,
    /// Whether the rehearsal repeats it.
    pub agreement: Agreement,
}

/// What was watched, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct WatchedTraffic {
    /// The kind of edge that joins the two programs, in the words of `ipcscope map`; `None` where the watch does not name it.
    pub edge: Option<String>,
    /// Messages that are rehearsed, of side 0 and of side 1.
    pub messages: [u64; 2],
    /// How many more there were.
    pub not_kept: u64,
    /// The bytes of those that are rehearsed.
    pub bytes: u64,
    /// How many of them had none. They are sent as messages without bytes.
    pub empty: u64,
    /// How each side waited.
    pub waits: [SeenWait; 2],
    /// From the first call to the last, in nanoseconds.
    pub elapsed_ns: u64,
    /// The part of that in which no message was on its way: the programs' own thinking, in nanoseconds.
    pub thought_ns: u64,
    /// The median time of each direction's messages, from write to read, in nanoseconds.
    pub median_ns: [Option<u64>; 2],
}

/// How well the row on the programs' own mechanism agrees with what was watched.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Agreement {
    /// The row that is most like what was watched: its mechanism and way of waiting, and nothing else changed.
    pub row: Option<usize>,
    /// How that row is not quite what was watched, if so.
    pub unlike: Vec<String>,
    /// What was compared.
    pub figures: Vec<AgreedFigure>,
    /// Whether every figure is within the limit. Where not, nothing is concluded.
    pub agrees: bool,
    /// Why there is nothing to compare, if so.
    pub open: Option<String>,
}

/// One figure, watched and rehearsed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct AgreedFigure {
    /// In words.
    pub what: String,
    /// As it was watched, in nanoseconds.
    pub watched_ns: u64,
    /// As it was rehearsed.
    pub rehearsed_ns: u64,
}

impl AgreedFigure {
    /// How far the rehearsed figure is from the watched one, as a share of that.
    pub fn off(&self) -> f64 {
        match self.watched_ns {
            0 => f64::INFINITY,
            watched => self.rehearsed_ns as f64 / watched as f64 - 1.0,
        }
    }

    /// Whether that is within [`TOLERANCE`].
    pub fn agrees(&self) -> bool {
        self.off().abs() <= TOLERANCE
    }

    /// `the whole took 1.2 s, and 1.1 s when watched (8% less)`.
    pub fn words(&self) -> String {
        let [rehearsed, watched] = [self.rehearsed_ns, self.watched_ns].map(|ns| units::duration(ns as f64));
        let percent = (self.off() * 100.0).round();
        let by = match percent {
            percent if !percent.is_finite() => "no share of nothing".into(),
            0.0 => "the same to a percent".into(),
            percent => format!("{:.0}% {}", percent.abs(), if percent > 0.0 { "more" } else { "less" }),
        };
        format!("{} took {rehearsed}, and {watched} when watched ({by})", self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_agrees_within_a_fifth() {
        let figure = |watched_ns, rehearsed_ns| AgreedFigure { what: "it".into(), watched_ns, rehearsed_ns };
        for (rehearsed, agrees) in [(1_000, true), (1_200, true), (800, true), (1_201, false), (799, false)] {
            assert_eq!(figure(1_000, rehearsed).agrees(), agrees, "{rehearsed}");
        }
        assert!(!figure(0, 0).agrees());
        assert_eq!(figure(1_000, 1_100).words(), "it took 1.10 µs, and 1.00 µs when watched (10% more)");
        assert!(figure(1_000, 900).words().ends_with("(10% less)"));
        assert!(figure(1_000, 1_001).words().ends_with("(the same to a percent)"));
    }
}
