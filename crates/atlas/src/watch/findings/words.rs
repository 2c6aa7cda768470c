//! What the rules of the findings share: figures and names in words.

use lab::units;

use super::super::report::{CallsSeen, WatchFinding, WatchReport, WatchedDirection, WatchedEnd};

/// With fewer calls than this nothing is said about them.
pub(super) const FEW: u64 = 100;

pub(super) fn finding(
    id: &str,
    sentence: String,
    evidence: Vec<String>,
    remedy: &str,
) -> Option<WatchFinding> {
    Some(WatchFinding { id: id.into(), sentence, evidence, remedy: remedy.into() })
}

/// The ends that read what goes in this direction, or those that write it.
pub(super) fn ends_of<'a>(
    report: &'a WatchReport,
    direction: &WatchedDirection,
    writing: bool,
) -> Vec<&'a WatchedEnd> {
    let side = if writing { direction.from } else { 1 - direction.from };
    report.ends.iter().filter(|end| end.side == side).collect()
}

/// `redis-server[812]`.
pub(super) fn name(report: &WatchReport, end: &WatchedEnd) -> String {
    let found = report.processes.iter().find(|process| process.id == end.process);
    format!("{}[{}]", found.map_or("?", |process| process.name.as_str()), end.process.pid)
}

/// The processes of these ends, at most three by name.
pub(super) fn names(report: &WatchReport, ends: &[&WatchedEnd]) -> String {
    let mut names: Vec<String> = ends.iter().map(|end| name(report, end)).collect();
    names.dedup();
    match names.len() {
        0 => "its process".into(),
        1..=3 => units::list(&names),
        more => format!("{}, {} and {} more", names[0], names[1], more - 2),
    }
}

/// The time that these ends spent on a core; `None` if one of them did not tell.
pub(super) fn on_core(ends: &[&WatchedEnd]) -> Option<u64> {
    ends.iter().map(|end| end.on_core_ns).sum()
}

/// A part of the watch's time, from 0 to 1 and above with several threads.
pub(super) fn share(report: &WatchReport, ns: u64) -> f64 {
    ns as f64 / report.lasted_ns.max(1) as f64
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// What one call moved, in the mean.
pub(super) fn mean_bytes(calls: &CallsSeen) -> u64 {
    calls.bytes / calls.calls.max(1)
}

/// `1 000 writes of 12 B in the mean`.
pub(super) fn so_many(calls: &CallsSeen, what: &str) -> String {
    format!(
        "{} of {} in the mean",
        format_args!("{} {what}{}", units::count(calls.calls), if calls.calls == 1 { "" } else { "s" }),
        units::bytes(mean_bytes(calls))
    )
}
