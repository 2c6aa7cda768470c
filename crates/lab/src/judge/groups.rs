//! The rows of a report in groups that may be compared, and the figures by which they are ranked.

use std::collections::HashMap;

use crossing::{Kind, WaitStrategy};
use serde::Serialize;

use crate::plan::{Placement, Workload};
use crate::report::{Entrant, Report, ReportRow};
use crate::scene::Scene;
use crate::stats::{Measure, Ratio, Verdict, ratio};
use crate::units;

/// A figure that there is none of.
pub const NONE: &str = "–";

/// A sentence that follows from rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Advice {
    /// The sentence.
    pub text: String,
    /// The indices of the rows that it rests on.
    pub rows: Vec<usize>,
}

/// The figures that rows can be drawn by.
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct JudgedFigure {
    /// Its short name.
    pub by: &'static str,
    /// The same in a word.
    pub label: &'static str,
    /// In words.
    pub name: &'static str,
    /// `ns`, `/s` or `B/s`.
    pub unit: &'static str,
    /// Whether less is better.
    pub less: bool,
    /// Whether the rows of a group are drawn by it, a bar each.
    pub by_row: bool,
    /// Whether it is drawn by the size of the message.
    pub by_size: bool,
    #[serde(skip)]
    pub(super) most: &'static str,
    #[serde(skip)]
    pub(super) of: fn(&ReportRow) -> Option<f64>,
}

impl PartialEq for JudgedFigure {
    fn eq(&self, other: &JudgedFigure) -> bool {
        self.by == other.by
    }
}

/// All of them. The first and the third are the two that workloads are judged by ([`Measure`]).
pub const FIGURES: [JudgedFigure; 5] = [
    JudgedFigure {
        by: "p50",
        label: "median",
        name: "median latency",
        unit: "ns",
        less: true,
        by_row: true,
        by_size: true,
        most: "lowest median latency",
        of: |row| Measure::LatencyP50.figure_of(row),
    },
    JudgedFigure {
        by: "p99",
        label: "p99",
        name: "p99 latency",
        unit: "ns",
        less: true,
        by_row: true,
        by_size: false,
        most: "lowest p99 latency",
        of: |row| row.latency_ns.as_ref()?.p99.map(|ns| ns as f64),
    },
    JudgedFigure {
        by: "rate",
        label: "rate",
        name: "messages a second",
        unit: "/s",
        less: false,
        by_row: true,
        by_size: true,
        most: "most messages a second",
        of: |row| Measure::MessagesPerS.figure_of(row),
    },
    JudgedFigure {
        by: "cpu",
        label: "CPU",
        name: "CPU time a message",
        unit: "ns",
        less: true,
        by_row: true,
        by_size: false,
        most: "least CPU time a message",
        of: |row| Some(cpu(row)?.iter().sum()),
    },
    JudgedFigure {
        by: "bandwidth",
        label: "bytes a second",
        name: "bytes a second",
        unit: "B/s",
        less: false,
        by_row: false,
        by_size: true,
        most: "most bytes a second",
        of: |row| Some(row.messages_per_s? * f64::from(row.size_bytes)),
    },
];

impl JudgedFigure {
    /// A row's figure, where it has one.
    pub(super) fn of_row(&self, row: &ReportRow) -> Option<f64> {
        let figure = (self.of)(row).filter(|_| row.failed.is_none() && row.entrant != Entrant::Null)?;
        (figure.is_finite() && figure > 0.0).then_some(figure)
    }

    pub(super) fn text(&self, value: f64) -> String {
        match self.unit {
            "ns" => units::duration(value),
            unit => format!("{}{unit}", units::rate(value)),
        }
    }
}

/// A row, and its index in the report.
pub(super) type Placed<'a> = (usize, &'a ReportRow);

/// Rows that may be compared, before anything is said of them.
pub(super) struct RowGroup<'a> {
    pub(super) rows: Vec<Placed<'a>>,
    /// Whether every entrant of the plan had a round here. Without that the best is whichever happened to run.
    pub(super) is_whole: bool,
}

pub(super) fn gather(report: &Report) -> Vec<RowGroup<'_>> {
    let mut groups: Vec<RowGroup<'_>> = Vec::new();
    let mut places = HashMap::new();
    for (index, row) in report.rows.iter().enumerate() {
        let place = *places.entry(shared(row)).or_insert(groups.len());
        if place == groups.len() {
            groups.push(RowGroup { rows: Vec::new(), is_whole: true });
        }
        groups[place].rows.push((index, row));
    }
    // No entrant begins its second round before each has had its first. A report does not say which rivals were to come.
    if report.interrupted && report.rows.iter().all(|row| row.launches < 2) {
        for group in &mut groups {
            group.is_whole = report.plan.rivals.is_empty() && group.absent(report).next().is_none();
        }
    }
    groups
}

/// The properties that the rows of one group share.
pub(super) fn shared(row: &ReportRow) -> (Workload, u32, Placement, WaitStrategy) {
    (row.workload, row.size_bytes, row.placement, row.wait)
}

impl<'a> RowGroup<'a> {
    pub(super) fn first(&self) -> &'a ReportRow {
        self.rows[0].1
    }

    pub(super) fn measure(&self) -> Measure {
        Measure::of(self.first().workload)
    }

    /// The settings in words: `ping-pong, 64 B, spin`.
    pub(super) fn setting(&self) -> String {
        let first = self.first();
        let up_to = if first.workload.is_rehearsed() { "up to " } else { "" };
        format!("{}, {up_to}{}, {}", first.workload, units::bytes(first.size_bytes), first.wait)
    }

    /// The planned mechanisms that have no row here.
    pub(super) fn absent<'b>(&self, report: &'b Report) -> impl Iterator<Item = &'b Kind> {
        let ran: Vec<&str> = self.rows.iter().map(|(_, row)| &row.kind[..]).collect();
        report.plan.kinds.iter().filter(move |kind| !ran.contains(&kind.name()))
    }

    /// The rows that are judged and have the figure, the best first.
    pub(super) fn ranked(&self, figure: &JudgedFigure) -> Vec<Placed<'a>> {
        let judged = self.rows.iter().filter(|(_, row)| row.entrant != Entrant::Bound);
        let mut found: Vec<(f64, Placed<'a>)> =
            judged.filter_map(|&placed| Some((figure.of_row(placed.1)?, placed))).collect();
        found.sort_by(|(a, _), (b, _)| if figure.less { a.total_cmp(b) } else { b.total_cmp(a) });
        found.into_iter().map(|(_, placed)| placed).collect()
    }

    /// The same by the figure that judges; none of a group that is not whole.
    pub(super) fn judged_order(&self) -> Vec<Placed<'a>> {
        if self.is_whole { self.ranked(self.measure().figure()) } else { Vec::new() }
    }
}

impl Measure {
    /// The figure that it is drawn by.
    pub(super) fn figure(self) -> &'static JudgedFigure {
        match self {
            Measure::LatencyP50 => &FIGURES[0],
            Measure::MessagesPerS => &FIGURES[2],
        }
    }
}

/// The title of an entrant.
pub(super) fn title(row: &ReportRow, scenes: &[Scene]) -> String {
    match row.entrant {
        Entrant::Mechanism => title_of(&row.kind, scenes),
        Entrant::Null => "no channel".into(),
        Entrant::Rival | Entrant::Bound => row.kind.clone(),
    }
}

/// The title of a mechanism.
pub(super) fn title_of(kind: &str, scenes: &[Scene]) -> String {
    scenes.iter().find(|scene| scene.kind == kind).map_or_else(|| kind.into(), |scene| scene.title.clone())
}

/// Time on a core for each message, of the sender and of the receiver, in nanoseconds.
pub(crate) fn cpu(row: &ReportRow) -> Option<[f64; 2]> {
    let sides = row.sides.filter(|_| row.messages > 0)?;
    Some(sides.map(|side| (side.user_ns as f64 + side.system_ns as f64) / row.messages as f64))
}

/// How many times slower a row is than the best of its group.
pub(super) fn slower(row: &ReportRow, best: &ReportRow) -> Option<Ratio> {
    if Measure::of(row.workload).more_is_better() { ratio(best, row) } else { ratio(row, best) }
}

/// What the marks of [`versus`] say.
pub(crate) const SPREAD: &str =
    "≈ the launches overlap, no difference; ? one launch only, no spread is known";

/// A ratio in a cell, with the spread of the launches: `1.31× (1.24–1.37)`, `1.02× ≈`, `1.31× ?`.
pub(crate) fn versus(ratio: Option<Ratio>) -> String {
    let Some(Ratio { value, min, max, verdict, .. }) = ratio else { return NONE.into() };
    let bare = |factor| units::times(factor).trim_end_matches('×').to_owned();
    match verdict {
        Verdict::Different => format!("{} ({}–{})", units::times(value), bare(min), bare(max)),
        Verdict::NoDifference => format!("{} ≈", units::times(value)),
        Verdict::Unknown => format!("{} ?", units::times(value)),
    }
}

/// The same without the spread: `9×`, `≈`.
pub(super) fn in_short(ratio: Ratio) -> String {
    match ratio.verdict {
        Verdict::NoDifference => "≈".into(),
        Verdict::Different | Verdict::Unknown => units::times(ratio.value),
    }
}
