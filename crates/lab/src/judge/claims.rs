//! The textbooks' latency of each mechanism beside the measured one under each way of waiting, and
//! why they differ.

use serde::Serialize;

use super::groups::{NONE, title};
use crate::plan::{Placement, Workload};
use crate::report::{Entrant, Report, ReportRow};
use crate::scene::Scene;
use crate::stats::{Measure, Verdict, ratio};
use crate::units::{bytes, duration, list, parse_duration, times};

/// The size to assume if textbooks name none.
const LEAST_BYTES: u32 = 64;

/// A factor that is worth a sentence.
const TOLD: f64 = 1.5;

/// The claims, and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Claims {
    /// The workload that was measured.
    pub workload: Workload,
    /// The same with the size and the placement: `ping-pong, 64 B, cross-core`.
    pub setting: String,
    /// The titles of a claim's cells.
    pub columns: Vec<String>,
    /// One for each mechanism of which something was measured.
    pub rows: Vec<ClaimRow>,
    /// Why the two differ.
    pub why: Vec<String>,
}

/// The claim about one mechanism.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ClaimRow {
    /// Its place among the scenes.
    pub scene: usize,
    /// One cell for each of the columns.
    pub cells: Vec<String>,
}

/// A mechanism, and the rows that test the claim about it.
struct MechanismRows<'a> {
    scene: &'a Scene,
    quoted_ns: Option<f64>,
    /// One for each way of waiting.
    measured: Vec<Option<&'a ReportRow>>,
}

pub(super) fn claims(report: &Report, scenes: &[Scene]) -> Option<Claims> {
    let own = || report.rows.iter().filter(|row| row.entrant == Entrant::Mechanism && row.failed.is_none());
    let timed = |row: &&ReportRow| Measure::of(row.workload) == Measure::LatencyP50 && p50(row).is_some();
    let all = [Workload::PingPong, Workload::Paced];
    let workload =
        all.into_iter().find(|&workload| own().filter(timed).any(|row| row.workload == workload))?;
    let size = own().map(|row| row.size_bytes).filter(|&size| size >= LEAST_BYTES).min();
    let mut waits = Vec::new();
    for row in &report.rows {
        if !waits.contains(&row.wait) {
            waits.push(row.wait);
        }
    }
    let rows: Vec<(usize, MechanismRows<'_>)> = scenes
        .iter()
        .enumerate()
        .map(|(place, scene)| {
            let find = |wait| {
                own().filter(timed).find(|row| {
                    row.kind == scene.kind
                        && row.workload == workload
                        && row.wait == wait
                        && size.is_none_or(|size| row.size_bytes == size)
                })
            };
            let measured = waits.iter().map(|&wait| find(wait)).collect();
            let quoted_ns = parse_duration(&scene.quoted.latency).filter(|&ns| ns > 0.0);
            (place, MechanismRows { scene, quoted_ns, measured })
        })
        .filter(|(_, held)| held.measured.iter().any(Option::is_some))
        .collect();
    if rows.is_empty() {
        return None;
    }
    let waits: Vec<String> = waits.iter().map(ToString::to_string).collect();
    let measured = waits.iter().map(|wait| format!("measured, {wait}"));
    let ends = |first: [&str; 2], last: [&str; 3], middle: Vec<String>| -> Vec<String> {
        let [first, last] = [&first[..], &last[..]].map(|all| all.iter().map(|&text| text.to_owned()));
        first.chain(middle).chain(last).collect()
    };
    let claim = |(place, held): &(usize, MechanismRows<'_>)| {
        let text = |row: &Option<&ReportRow>| row.and_then(p50).map_or_else(|| NONE.into(), duration);
        let quoted = &held.scene.quoted;
        ClaimRow {
            scene: *place,
            cells: ends(
                [&held.scene.title, &quoted.latency],
                [&quoted.copies, &quoted.syscalls, &quoted.use_when],
                held.measured.iter().map(text).collect(),
            ),
        }
    };
    let size_text = size.map(|size| format!(", {}", bytes(size))).unwrap_or_default();
    Some(Claims {
        workload,
        setting: format!("{workload}{size_text}, {}", report.plan.placement),
        columns: ends(
            ["mechanism", "quoted"],
            ["quoted copies", "quoted calls", "use it for"],
            measured.collect(),
        ),
        why: [
            waiting(&rows),
            no_constant(&rows, &waits),
            Some(placement(report.plan.placement)),
            batched(report, scenes),
        ]
        .into_iter()
        .flatten()
        .collect(),
        rows: rows.iter().map(claim).collect(),
    })
}

fn p50(row: &ReportRow) -> Option<f64> {
    Measure::LatencyP50.figure_of(row).filter(|&ns| ns > 0.0)
}

/// One mechanism under several ways of waiting: the one that they set farthest apart.
fn waiting(rows: &[(usize, MechanismRows<'_>)]) -> Option<String> {
    let span = |held: &MechanismRows<'_>| {
        let values = held.measured.iter().flatten().filter_map(|row| p50(row));
        values.fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), ns| (low.min(ns), high.max(ns)))
    };
    let spans = rows.iter().map(|(_, held)| (held.scene, span(held)));
    let (scene, (low, high)) = spans.max_by(|(_, a), (_, b)| (a.1 / a.0).total_cmp(&(b.1 / b.0)))?;
    (high / low > TOLD).then(|| {
        format!(
            "The way of waiting: {} takes {} or {}, with nothing changed but how both ends wait. A figure that does not say how \
             one waits can be off by that, {} here.",
            scene.title,
            duration(low),
            duration(high),
            times(high / low)
        )
    })
}

/// The two mechanisms that textbooks set farthest apart, and their ratio here.
fn no_constant(rows: &[(usize, MechanismRows<'_>)], waits: &[String]) -> Option<String> {
    let mut quoted: Vec<(f64, &MechanismRows<'_>)> =
        rows.iter().filter_map(|(_, held)| Some((held.quoted_ns?, held))).collect();
    quoted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let [(low_ns, low), .., (high_ns, high)] = quoted[..] else { return None };
    let found = |((wait, a), b): ((&String, &Option<&ReportRow>), &Option<&ReportRow>)| {
        let found = ratio((*a)?, (*b)?)?;
        let alike = if found.verdict == Verdict::NoDifference { " (no difference)" } else { "" };
        Some(format!("{} by {wait}{alike}", times(found.value)))
    };
    let here: Vec<String> = waits.iter().zip(&high.measured).zip(&low.measured).filter_map(found).collect();
    (!here.is_empty()).then(|| {
        format!(
            "A ratio is not a constant: textbooks have {} at {} of {}; here it is {}.",
            high.scene.title,
            times(high_ns / low_ns),
            low.scene.title,
            list(&here)
        )
    })
}

fn placement(placement: Placement) -> String {
    let place = match placement {
        Placement::SameCore => "on the same core".into(),
        Placement::CrossCore => "on two cores".into(),
        other => other.to_string(),
    };
    format!(
        "The placement: these processes ran {place}. A message that must wake a core pays for that, whatever carries it."
    )
}

/// The channel that gains most where none has to be answered first.
fn batched(report: &Report, scenes: &[Scene]) -> Option<String> {
    let rate = |row: &ReportRow| Measure::MessagesPerS.figure_of(row).filter(|_| row.failed.is_none());
    let own = || report.rows.iter().filter(|row| row.entrant == Entrant::Mechanism);
    let gains = own().filter(|row| row.workload == Workload::Stream).filter_map(|row| {
        let alone = own().find(|other| {
            other.workload == Workload::PingPong
                && (&other.kind, other.wait, other.size_bytes, other.placement)
                    == (&row.kind, row.wait, row.size_bytes, row.placement)
        })?;
        Some((rate(row)? / rate(alone)?, row))
    });
    let (factor, row) = gains.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (factor > TOLD && factor.is_finite()).then(|| {
        format!(
            "One at a time, or many on their way: {} ({}, {}) carries {} as many messages a second when none has to be \
             answered first.",
            title(row, scenes),
            bytes(row.size_bytes),
            row.wait,
            times(factor)
        )
    })
}
