//! A report, judged once: which rows may be compared, by which figure, which is best and by how
//! much, what is doubtful, and what follows. Terminal, page, HTML and Markdown draw this and judge
//! nothing.
//!
//! Rows stand together only when they share workload, size, placement and way of waiting; a ratio never leaves its group. The null
//! entrant, a bound and failed rows are in their group and are not judged. Of a race that was stopped before every entrant had a
//! round in a group, that group is shown and not judged.

mod beside;
mod claims;
mod frame;
mod groups;
mod rehearsed;
mod sentences;
#[cfg(test)]
mod tests;

use crossing::WaitStrategy;
use serde::Serialize;

pub use self::beside::{Beside, Versus, beside};
pub use self::claims::{ClaimRow, Claims};
pub(crate) use self::frame::marks;
pub use self::groups::{Advice, FIGURES, JudgedFigure, NONE};
use self::groups::{Placed, RowGroup, gather, in_short, slower, title};
pub(crate) use self::groups::{SPREAD, cpu, versus};
use crate::plan::{Placement, Workload};
use crate::report::{Entrant, Latency, Report, ReportRow};
use crate::scene::Scene;
use crate::stats::{Measure, Ratio, last_quantile};
use crate::units;

/// The titles of a row's cells, in this order.
pub const COLUMNS: [&str; 11] =
    ["entrant", "p50", "p90", "p99", "p99.9", "max", "msg/s", "CPU/msg", "switches", "verified", "vs best"];

/// A report, judged.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Judged {
    /// [`COLUMNS`].
    pub columns: [&'static str; 11],
    /// [`FIGURES`].
    pub figures: [JudgedFigure; 5],
    /// Why no figure of it is one to quote: `quick race`, `stopped early`.
    pub marks: Vec<&'static str>,
    /// Where and how it ran.
    pub above: Vec<String>,
    /// Rows that may be compared, in the order of the report.
    pub groups: Vec<JudgedGroup>,
    /// What you must know to read the figures.
    pub below: Vec<String>,
    /// Doubts about rows: each note once, with the rows that it is about.
    pub doubts: Vec<String>,
    /// What befell the race as a whole.
    pub befell: Vec<String>,
    /// The conclusions.
    pub advice: Vec<Advice>,
    /// The textbooks' figures beside the measured ones; `None` if none of them was measured.
    pub claims: Option<Claims>,
}

/// Rows that share workload, size, placement and way of waiting.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct JudgedGroup {
    /// `ping-pong, 64 B, spin`.
    pub title: String,
    /// The rows' workload.
    pub workload: Workload,
    /// Their size.
    pub size_bytes: u32,
    /// Their way of waiting.
    #[serde(with = "crate::plan::as_text::one")]
    #[cfg_attr(feature = "schemars", schemars(with = "crate::schema_text::WaitText"))]
    pub wait: WaitStrategy,
    /// Their placement.
    #[serde(with = "crate::plan::as_text::one")]
    #[cfg_attr(feature = "schemars", schemars(with = "crate::schema_text::PlacementText"))]
    pub placement: Placement,
    /// The figure that they are judged by.
    pub measure: Measure,
    /// Every row, in the order of the report, unless sorted.
    pub rows: Vec<JudgedRow>,
    /// Places in `rows` of those that are judged, the best first; none where the race was stopped too soon.
    pub ranked: Vec<usize>,
    /// The best by each figure that matters, a sentence each.
    pub verdicts: Vec<String>,
    /// Doubts about its rows.
    pub doubts: Vec<String>,
}

/// One row, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct JudgedRow {
    /// Its index in the report.
    pub row: usize,
    /// Its title.
    pub title: String,
    /// The mechanism's place among the scenes; `None` for other entrants.
    pub scene: Option<usize>,
    /// Whether no other entrant of the group was better.
    pub best: bool,
    /// How far behind the best, without the spread: `9×`, or `≈` if the launches overlap; `None` for
    /// the best, and if there is no ratio.
    pub behind: Option<String>,
    /// The last quantile that its samples support; `None` if they do not support the median.
    pub last_quantile: Option<f64>,
    /// One cell for each of [`COLUMNS`]; the first alone when the row failed.
    pub cells: Vec<String>,
    /// One for each of [`FIGURES`].
    pub figures: [Option<Shown>; 5],
    /// Why there are no numbers.
    pub failed: Option<String>,
}

/// A figure of a row, and its text.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Shown {
    /// In the figure's unit.
    pub value: f64,
    /// `4.21 µs`.
    pub text: String,
}

/// Judges a report; `scenes` are the mechanisms that it may be about.
pub fn judge(report: &Report, scenes: &[Scene]) -> Judged {
    let groups = gather(report);
    Judged {
        columns: COLUMNS,
        figures: FIGURES,
        marks: frame::marks(report),
        above: frame::above(report),
        below: frame::below(report),
        doubts: frame::doubts(report.rows.iter(), ReportRow::label),
        befell: frame::befell(report),
        advice: sentences::advice(report, &groups, scenes),
        claims: claims::claims(report, scenes),
        groups: groups.iter().map(|group| group.judged(report, scenes)).collect(),
    }
}

impl Judged {
    /// The same with the best of each group first, and rows that are not judged last.
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

impl RowGroup<'_> {
    fn judged(&self, report: &Report, scenes: &[Scene]) -> JudgedGroup {
        let first = self.first();
        let ranked = self.judged_order();
        let best = ranked.first().copied();
        let place = |(index, _): &Placed<'_>| self.rows.iter().position(|(other, _)| other == index);
        JudgedGroup {
            title: self.setting(),
            workload: first.workload,
            size_bytes: first.size_bytes,
            wait: first.wait,
            placement: first.placement,
            measure: self.measure(),
            rows: self.rows.iter().map(|&placed| judged_row(placed, best, scenes)).collect(),
            ranked: ranked.iter().filter_map(place).collect(),
            verdicts: sentences::verdicts(self, report, scenes),
            doubts: frame::doubts(self.rows.iter().map(|(_, row)| *row), |row| title(row, scenes)),
        }
    }
}

fn judged_row((index, row): Placed<'_>, best: Option<Placed<'_>>, scenes: &[Scene]) -> JudgedRow {
    let is_best = best.is_some_and(|(best, _)| best == index);
    let scene = scenes.iter().position(|scene| row.entrant == Entrant::Mechanism && scene.kind == row.kind);
    let shown = |figure: &JudgedFigure| {
        let value = figure.of_row(row)?;
        Some(Shown { value, text: figure.text(value) })
    };
    let has_figure = Measure::of(row.workload).figure().of_row(row).is_some();
    let behind = best.filter(|_| has_figure).and_then(|(_, best)| slower(row, best));
    JudgedRow {
        row: index,
        title: title(row, scenes),
        scene,
        best: is_best,
        behind: behind.filter(|_| !is_best).map(in_short),
        last_quantile: row.latency_ns.as_ref().and_then(|latency| last_quantile(latency.samples)),
        cells: if row.failed.is_some() { vec![row.kind.clone()] } else { cells(row, is_best, behind) },
        figures: FIGURES.each_ref().map(shown),
        failed: row.failed.clone(),
    }
}

fn cells(row: &ReportRow, is_best: bool, behind: Option<Ratio>) -> Vec<String> {
    let percentile = |pick: fn(&Latency) -> Option<u64>| {
        let ns = row.latency_ns.as_ref().and_then(pick);
        ns.map_or_else(|| NONE.into(), |ns| units::duration(ns as f64))
    };
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
        if is_best { "best".into() } else { versus(behind) },
    ]
}

/// Context switches for each message, of the sender and of the receiver, of its own will or not.
fn switches(row: &ReportRow) -> Option<[f64; 2]> {
    let sides = row.sides.filter(|_| row.messages > 0)?;
    let of_side =
        |side: crate::report::SideUse| side.voluntary_switches as f64 + side.involuntary_switches as f64;
    Some(sides.map(|side| of_side(side) / row.messages as f64))
}

fn verified(row: &ReportRow) -> String {
    if row.messages == 0 {
        NONE.into()
    } else if row.verified == row.messages {
        units::count(row.verified)
    } else {
        format!("{} of {}", units::count(row.verified), units::count(row.messages))
    }
}
