//! A report, judged once: which rows may be compared, by which figure, who is best and by how much, what is doubtful, and what
//! follows. Terminal, page, HTML and Markdown draw this and judge nothing.
//!
//! Rows stand together only when they share workload, size, placement and way of waiting; a ratio never leaves its group. The null
//! entrant, a bound and failed rows are in their group and are not judged.

mod beside;
mod claims;
mod frame;
mod sentences;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crossing::WaitStrategy;
use serde::Serialize;

pub use self::beside::{Beside, Versus, beside};
pub use self::claims::{Claim, Claims};
use crate::plan::{Placement, Workload};
use crate::report::{Entrant, Latency, Report, Row};
use crate::scene::Scene;
use crate::stats::{Measure, Ratio, Verdict, ratio};
use crate::units;

/// What the cells of a row say, in this order.
pub const COLUMNS: [&str; 11] =
    ["entrant", "p50", "p90", "p99", "p99.9", "max", "msg/s", "CPU/msg", "switches", "verified", "vs best"];

/// A figure that there is none of.
pub const NONE: &str = "–";

/// A report, judged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judged {
    /// [`COLUMNS`].
    pub columns: [&'static str; 11],
    /// [`FIGURES`].
    pub figures: [Figure; 5],
    /// Where and how it ran.
    pub above: Vec<String>,
    /// Rows that may be compared, in the order of the report.
    pub groups: Vec<JudgedGroup>,
    /// What you must know to read the figures.
    pub below: Vec<String>,
    /// What makes rows doubtful: each note once, with the rows that it is about.
    pub doubts: Vec<String>,
    /// What follows.
    pub advice: Vec<Advice>,
    /// What textbooks say beside what was measured; `None` where nothing of it was measured.
    pub claims: Option<Claims>,
}

/// Rows that share workload, size, placement and way of waiting.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JudgedGroup {
    /// `ping-pong, 64 B, spin`.
    pub title: String,
    /// The rows' workload.
    pub workload: Workload,
    /// Their size.
    pub size_bytes: u32,
    /// Their way of waiting.
    #[serde(with = "crate::plan::as_text::one")]
    pub wait: WaitStrategy,
    /// Their placement.
    #[serde(with = "crate::plan::as_text::one")]
    pub placement: Placement,
    /// What they are judged by.
    pub measure: Measure,
    /// Every row, in the order of the report, unless sorted.
    pub rows: Vec<JudgedRow>,
    /// Places in `rows` of those that are judged, the best first.
    pub ranked: Vec<usize>,
    /// The best by each figure that matters, a sentence each.
    pub verdicts: Vec<String>,
    /// What makes its rows doubtful.
    pub doubts: Vec<String>,
}

/// One row, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JudgedRow {
    /// Its index in the report.
    pub row: usize,
    /// What people call it.
    pub title: String,
    /// The mechanism's place among the scenes; `None` for what is none of them.
    pub scene: Option<usize>,
    /// Whether no other entrant of the group was better.
    pub best: bool,
    /// One cell for each of [`COLUMNS`]; the first alone when the row failed.
    pub cells: Vec<String>,
    /// One for each of [`FIGURES`].
    pub figures: [Option<Shown>; 5],
    /// Why there are no numbers.
    pub failed: Option<String>,
}

/// A figure of a row, and its text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// In the figure's unit.
    pub value: f64,
    /// `4.21 µs`.
    pub text: String,
}

/// A sentence that follows from rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Advice {
    /// The sentence.
    pub text: String,
    /// The indices of the rows that it rests on.
    pub rows: Vec<usize>,
}

/// What rows can be drawn by.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Figure {
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
    #[serde(skip)]
    most: &'static str,
    #[serde(skip)]
    of: fn(&Row) -> Option<f64>,
}

impl PartialEq for Figure {
    fn eq(&self, other: &Figure) -> bool {
        self.by == other.by
    }
}

/// All of them. The first and the third are the two that workloads are judged by ([`Measure`]).
pub const FIGURES: [Figure; 5] = [
    Figure {
        by: "p50",
        label: "median",
        name: "median latency",
        unit: "ns",
        less: true,
        most: "lowest median latency",
        of: |row| Measure::LatencyP50.figure_of(row),
    },
    Figure {
        by: "p99",
        label: "p99",
        name: "p99 latency",
        unit: "ns",
        less: true,
        most: "lowest p99 latency",
        of: |row| row.latency_ns.as_ref()?.p99.map(|ns| ns as f64),
    },
    Figure {
        by: "rate",
        label: "rate",
        name: "messages a second",
        unit: "/s",
        less: false,
        most: "most messages a second",
        of: |row| Measure::MessagesPerS.figure_of(row),
    },
    Figure {
        by: "cpu",
        label: "CPU",
        name: "CPU time a message",
        unit: "ns",
        less: true,
        most: "least CPU time a message",
        of: |row| Some(cpu(row)?.iter().sum()),
    },
    Figure {
        by: "bandwidth",
        label: "bytes a second",
        name: "bytes a second",
        unit: "B/s",
        less: false,
        most: "most bytes a second",
        of: |row| Some(row.messages_per_s? * f64::from(row.size_bytes)),
    },
];

impl Figure {
    /// A row's figure, where it has one.
    fn of_row(&self, row: &Row) -> Option<f64> {
        let figure = (self.of)(row).filter(|_| row.failed.is_none() && row.entrant != Entrant::Null)?;
        (figure.is_finite() && figure > 0.0).then_some(figure)
    }

    fn text(&self, value: f64) -> String {
        match self.unit {
            "ns" => units::duration(value),
            unit => format!("{}{unit}", units::rate(value)),
        }
    }
}

/// Judges a report; `scenes` are the mechanisms that it may be about.
pub fn judge(report: &Report, scenes: &[Scene]) -> Judged {
    let groups = gather(report);
    Judged {
        columns: COLUMNS,
        figures: FIGURES,
        above: frame::above(report),
        below: frame::below(report),
        doubts: frame::doubts(report.rows.iter(), frame::name),
        advice: sentences::advice(report, &groups, scenes),
        claims: claims::claims(report, scenes),
        groups: groups.iter().map(|group| group.judged(scenes)).collect(),
    }
}

impl Judged {
    /// The same with the best of each group first, and what is not judged last.
    pub fn sorted(mut self) -> Judged {
        for group in &mut self.groups {
            let place = |place: usize| group.ranked.iter().position(|&ranked| ranked == place);
            let mut order: Vec<usize> = (0..group.rows.len()).collect();
            order.sort_by_key(|&at| place(at).unwrap_or(usize::MAX));
            let mut rows: Vec<Option<JudgedRow>> = group.rows.drain(..).map(Some).collect();
            group.rows = order.into_iter().filter_map(|at| rows[at].take()).collect();
            group.ranked = (0..group.ranked.len()).collect();
        }
        self
    }
}

/// A row, and its index in the report.
type Placed<'a> = (usize, &'a Row);

/// Rows that may be compared, before anything is said of them.
struct Group<'a> {
    rows: Vec<Placed<'a>>,
}

fn gather(report: &Report) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places = HashMap::new();
    for (index, row) in report.rows.iter().enumerate() {
        let place = *places.entry(shared(row)).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Group { rows: Vec::new() });
        }
        groups[place].rows.push((index, row));
    }
    groups
}

/// What rows must share to stand in one group.
fn shared(row: &Row) -> (Workload, u32, Placement, WaitStrategy) {
    (row.workload, row.size_bytes, row.placement, row.wait)
}

impl<'a> Group<'a> {
    fn first(&self) -> &'a Row {
        self.rows[0].1
    }

    fn measure(&self) -> Measure {
        Measure::of(self.first().workload)
    }

    /// The rows that are judged and have the figure, the best first.
    fn ranked(&self, figure: &Figure) -> Vec<Placed<'a>> {
        let judged = self.rows.iter().filter(|(_, row)| row.entrant != Entrant::Bound);
        let mut found: Vec<(f64, Placed<'a>)> =
            judged.filter_map(|&placed| Some((figure.of_row(placed.1)?, placed))).collect();
        found.sort_by(|(a, _), (b, _)| if figure.less { a.total_cmp(b) } else { b.total_cmp(a) });
        found.into_iter().map(|(_, placed)| placed).collect()
    }

    /// The same by the figure that judges.
    fn judged_order(&self) -> Vec<Placed<'a>> {
        self.ranked(self.measure().figure())
    }

    fn judged(&self, scenes: &[Scene]) -> JudgedGroup {
        let first = self.first();
        let ranked = self.judged_order();
        let best = ranked.first().copied();
        let place = |(index, _): &Placed<'_>| self.rows.iter().position(|(other, _)| other == index);
        JudgedGroup {
            title: format!("{}, {}, {}", first.workload, units::bytes(first.size_bytes), first.wait),
            workload: first.workload,
            size_bytes: first.size_bytes,
            wait: first.wait,
            placement: first.placement,
            measure: self.measure(),
            rows: self.rows.iter().map(|&placed| judged_row(placed, best, scenes)).collect(),
            ranked: ranked.iter().filter_map(place).collect(),
            verdicts: sentences::verdicts(self, scenes),
            doubts: frame::doubts(self.rows.iter().map(|(_, row)| *row), |row| title(row, scenes)),
        }
    }
}

impl Measure {
    /// The figure that it is drawn by.
    fn figure(self) -> &'static Figure {
        match self {
            Measure::LatencyP50 => &FIGURES[0],
            Measure::MessagesPerS => &FIGURES[2],
        }
    }
}

/// What people call an entrant.
fn title(row: &Row, scenes: &[Scene]) -> String {
    match row.entrant {
        Entrant::Mechanism => scenes
            .iter()
            .find(|scene| scene.kind == row.kind)
            .map_or_else(|| row.kind.clone(), |scene| scene.title.clone()),
        Entrant::Null => "no channel".into(),
        Entrant::Rival | Entrant::Bound => row.kind.clone(),
    }
}

fn judged_row((index, row): Placed<'_>, best: Option<Placed<'_>>, scenes: &[Scene]) -> JudgedRow {
    let is_best = best.is_some_and(|(best, _)| best == index);
    let scene = scenes.iter().position(|scene| row.entrant == Entrant::Mechanism && scene.kind == row.kind);
    let shown = |figure: &Figure| {
        let value = figure.of_row(row)?;
        Some(Shown { value, text: figure.text(value) })
    };
    JudgedRow {
        row: index,
        title: title(row, scenes),
        scene,
        best: is_best,
        cells: if row.failed.is_some() { vec![row.kind.clone()] } else { cells(row, is_best, best) },
        figures: FIGURES.each_ref().map(shown),
        failed: row.failed.clone(),
    }
}

fn cells(row: &Row, is_best: bool, best: Option<Placed<'_>>) -> Vec<String> {
    let percentile = |pick: fn(&Latency) -> Option<u64>| {
        let ns = row.latency_ns.as_ref().and_then(pick);
        ns.map_or_else(|| NONE.into(), |ns| units::duration(ns as f64))
    };
    let has_figure = Measure::of(row.workload).figure().of_row(row).is_some();
    vec![
        row.kind.clone(),
        percentile(|latency| latency.p50),
        percentile(|latency| latency.p90),
        percentile(|latency| latency.p99),
        percentile(|latency| latency.p999),
        percentile(|latency| Some(latency.max)),
        row.messages_per_s.map_or_else(|| NONE.into(), units::rate),
        cpu(row).map_or_else(|| NONE.into(), units::durations),
        switches(row).map_or_else(|| NONE.into(), |[a, b]| format!("{}+{}", units::each(a), units::each(b))),
        verified(row),
        match best {
            _ if is_best => "best".into(),
            Some((_, best)) if has_figure => versus(slower(row, best)),
            _ => NONE.into(),
        },
    ]
}

/// Time on a core for each message, of the sender and of the receiver, in nanoseconds.
fn cpu(row: &Row) -> Option<[f64; 2]> {
    let sides = row.sides.filter(|_| row.messages > 0)?;
    Some(sides.map(|side| (side.user_ns as f64 + side.system_ns as f64) / row.messages as f64))
}

/// Context switches for each message, of the sender and of the receiver, of its own will or not.
fn switches(row: &Row) -> Option<[f64; 2]> {
    let sides = row.sides.filter(|_| row.messages > 0)?;
    let of_side =
        |side: crate::report::SideUse| side.voluntary_switches as f64 + side.involuntary_switches as f64;
    Some(sides.map(|side| of_side(side) / row.messages as f64))
}

fn verified(row: &Row) -> String {
    if row.messages == 0 {
        NONE.into()
    } else if row.verified == row.messages {
        units::count(row.verified)
    } else {
        format!("{} of {}", units::count(row.verified), units::count(row.messages))
    }
}

/// How many times slower a row is than the best of its group.
fn slower(row: &Row, best: &Row) -> Option<Ratio> {
    if Measure::of(row.workload).more_is_better() { ratio(best, row) } else { ratio(row, best) }
}

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
