//! One mechanism of a race beside the others, for a stage that waits and sits like it.

use crossing::WaitStrategy;
use serde::Serialize;

use super::frame;
use super::groups::{NONE, RowGroup, gather, title, versus};
use crate::plan::{Placement, Workload};
use crate::report::{Entrant, Report, ReportRow};
use crate::scene::Scene;
use crate::stats::{Measure, ratio};
use crate::units;

/// The result of a race for one mechanism.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Beside {
    /// The workload.
    pub workload: Workload,
    /// `64 B`: of the sizes that were measured, the nearest.
    pub size: String,
    /// Its median.
    pub p50: String,
    /// How many samples that rests on.
    pub samples: u64,
    /// How many launches.
    pub launches: u32,
    /// Why it is not one to quote: `quick race`, `stopped early`.
    pub marks: Vec<&'static str>,
    /// It against each of the others.
    pub versus: Vec<Versus>,
}

/// One mechanism against another.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Versus {
    /// The other's place among the scenes; `None` if it has no scene.
    pub scene: Option<usize>,
    /// The other's title.
    pub title: String,
    /// How many times the time of the other a message takes.
    pub ratio: String,
}

/// The result of `kind` in `report` with this waiting and placement, at the nearest size that it ran
/// with; `None` if there is none.
pub fn beside(
    report: &Report,
    scenes: &[Scene],
    kind: &str,
    (wait, placement, size_bytes): (WaitStrategy, Placement, u32),
) -> Option<Beside> {
    let is_like = |group: &RowGroup<'_>| {
        let first = group.first();
        first.wait == wait && first.placement == placement && group.measure() == Measure::LatencyP50
    };
    let has_figures = |row: &ReportRow| row.entrant == Entrant::Mechanism && row.failed.is_none();
    let is_own = |row: &ReportRow| has_figures(row) && row.kind == kind && row.latency_ns.is_some();
    let far = |group: &RowGroup<'_>| {
        (f64::from(group.first().size_bytes) / f64::from(size_bytes.max(1))).ln().abs()
    };
    let groups = gather(report);
    let like = groups.iter().filter(|group| is_like(group) && group.rows.iter().any(|(_, row)| is_own(row)));
    let group = like.min_by(|a, b| far(a).total_cmp(&far(b)))?;
    let rows = || group.rows.iter().map(|(_, row)| *row).filter(|row| has_figures(row));
    let own = rows().find(|row| is_own(row))?;
    let latency = own.latency_ns.as_ref()?;
    let against = |other: &ReportRow| Versus {
        scene: scenes.iter().position(|scene| scene.kind == other.kind),
        title: title(other, scenes),
        ratio: versus(ratio(own, other)),
    };
    Some(Beside {
        workload: own.workload,
        size: units::bytes(own.size_bytes),
        p50: latency.p50.map_or_else(|| NONE.into(), |ns| units::duration(ns as f64)),
        samples: latency.samples,
        launches: own.launches,
        marks: frame::marks(report),
        versus: rows().filter(|other| !std::ptr::eq(*other, own)).map(against).collect(),
    })
}
