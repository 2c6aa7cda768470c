//! What a watch has seen, for the terminal and as JSON. Every name in it is a stranger's.

use atlas::{CallsSeen, Distribution, WatchReport, WatchedDirection, WatchedEnd};
use lab::units;

use super::grid::wrap;
use super::{Ink, foreign};

/// All of it for a terminal of `width` characters.
pub(crate) fn text(report: &WatchReport, width: usize, ink: Ink) -> String {
    let mut out = String::new();
    let mut line = |indent: usize, text: String| {
        let text = foreign::clean(&text).into_owned();
        out += &format!("{}{}\n", " ".repeat(indent), wrap(&text, width.saturating_sub(indent), indent + 2));
    };
    line(0, head(report));
    line(0, format!("looked with: {}; price: {}", report.instrument.words(), report.instrument.price()));
    if report.lost_calls > 0 {
        let lost = units::plural(report.lost_calls, "call");
        line(
            0,
            format!(
                "{lost} came faster than they were taken and were not recorded: each count is at least what it says"
            ),
        );
    }
    let seconds = report.lasted_ns as f64 / 1e9;
    for direction in &report.directions {
        line(0, String::new());
        line(0, format!("{} → {}", side(report, direction.from), side(report, 1 - direction.from)));
        for (name, calls) in [("writes", &direction.writes), ("reads", &direction.reads)] {
            if let Some(calls) = calls {
                line(2, format!("{name}: {}", moved(calls, seconds)));
            }
        }
        of_channel(direction).into_iter().for_each(|text| line(2, text));
    }
    line(0, String::new());
    for end in &report.ends {
        line(0, format!("{}: {}", process(report, end), did(end)));
    }
    line(0, String::new());
    for finding in &report.findings {
        line(0, format!("found: {} ({}). {}", finding.sentence, finding.evidence.join("; "), finding.remedy));
    }
    for gone in &report.unavailable {
        line(0, format!("not to be had: {}: {}; {}", gone.what, gone.why, gone.remedy));
    }
    let ended = report.ended_by.as_ref().map(|why| format!(", then {why}")).unwrap_or_default();
    line(0, format!("watched for {seconds:.2} s{ended}; the bytes themselves were not read"));
    let _ = ink;
    out
}

/// The watch as JSON (docs/watch.schema.json).
pub(crate) fn json(report: &WatchReport) -> String {
    // A watch holds no keys that are not text or numbers, the one thing that JSON cannot hold.
    let text = serde_json::to_string(report).unwrap_or_else(|error| unreachable!("{error}"));
    foreign::json(text + "\n")
}

fn head(report: &WatchReport) -> String {
    let edge = &report.edge;
    let name = edge.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
    let capacity =
        edge.capacity_bytes.map(|bytes| format!(", holds {}", units::bytes(bytes))).unwrap_or_default();
    format!("{}{name} ({}){capacity}", edge.kind.name(), edge.id)
}

/// The processes of a side.
pub(crate) fn side(report: &WatchReport, side: u8) -> String {
    let mut names: Vec<String> =
        report.ends.iter().filter(|end| end.side == side).map(|end| process(report, end)).collect();
    names.dedup();
    match (names.len(), &report.edge.beyond) {
        (0, Some(beyond)) => beyond.address.clone().unwrap_or_else(|| beyond.kind.words().into()),
        (0, None) => "all of them".into(),
        (1..=3, _) => names.join(", "),
        (n, _) => format!("{}, {} and {} more", names[0], names[1], n - 2),
    }
}

pub(crate) fn process(report: &WatchReport, end: &WatchedEnd) -> String {
    let found = report.processes.iter().find(|process| process.id == end.process);
    format!("{}[{}]", found.map_or("?", |process| process.name.as_str()), end.process.pid)
}

pub(crate) fn moved(calls: &CallsSeen, seconds: f64) -> String {
    let rate = |count: u64| units::rate(count as f64 / seconds.max(1e-9));
    let mut parts =
        vec![format!("{} ({})", units::count(calls.calls), rate(calls.calls)), units::bytes(calls.bytes)];
    if let Some(sizes) = &calls.sizes {
        let median = sizes.p50.map(|p50| format!("{} each", units::bytes(p50)));
        parts.push(format!(
            "{}, at most {}",
            median.unwrap_or_else(|| "few".into()),
            units::bytes(sizes.max)
        ));
    }
    if let Some(times) = &calls.time_ns {
        parts.push(format!("took {}", spread(times)));
    }
    for (count, words) in [(calls.would_wait, "found nothing to do"), (calls.ends, "met the end")] {
        if count > 0 {
            parts.push(format!("{} {words}", units::count(count)));
        }
    }
    let failed: u64 = calls.failed.values().sum();
    if failed > 0 {
        parts.push(format!("{} failed", units::count(failed)));
    }
    let names: Vec<String> =
        calls.by_name.iter().map(|(name, count)| format!("{name} {}", units::count(*count))).collect();
    if !names.is_empty() {
        parts.push(names.join(", "));
    }
    parts.join("; ")
}

pub(crate) fn spread(times: &Distribution) -> String {
    let ns = |ns: u64| units::duration(ns as f64);
    match (times.p50, times.p99) {
        (Some(p50), Some(p99)) => format!("{} (p99 {}, at most {})", ns(p50), ns(p99), ns(times.max)),
        (Some(p50), None) => format!("{} (at most {})", ns(p50), ns(times.max)),
        _ => format!("at most {}", ns(times.max)),
    }
}

fn of_channel(direction: &WatchedDirection) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(times) = &direction.write_to_read_ns {
        let joined = units::count(times.samples);
        lines.push(format!("from write to read: {}; {joined} joined byte by byte", spread(times)));
    }
    if let Some(queued) = &direction.queued {
        let median =
            queued.p50.map(|p50| format!("{} in the median, ", units::bytes(p50))).unwrap_or_default();
        lines.push(format!("waiting to be read: {median}{} at most", units::bytes(queued.max)));
    }
    lines
}

pub(crate) fn did(end: &WatchedEnd) -> String {
    let mut parts = Vec::new();
    if let Some(ns) = end.on_core_ns {
        parts.push(format!("{} on a core", units::duration(ns as f64)));
    }
    if let (Some(slept), Some(preempted)) = (end.slept, end.preempted) {
        parts.push(format!("slept {} times, lost its core {}", units::count(slept), units::count(preempted)));
    }
    if let Some(waits) = end.waits.as_ref().filter(|waits| waits.calls + waits.would_wait > 0) {
        let names: Vec<String> =
            waits.by_name.iter().map(|(name, count)| format!("{name} {}", units::count(*count))).collect();
        parts.push(format!("waited {} in {}", units::duration(waits.total_ns as f64), names.join(", ")));
    }
    let mut doing: Vec<(&String, &f64)> = end.doing.iter().collect();
    doing.sort_by(|one, other| other.1.total_cmp(one.1));
    let doing: Vec<String> =
        doing.iter().take(3).map(|(what, share)| format!("{what} {:.0} %", *share * 100.0)).collect();
    if !doing.is_empty() {
        parts.push(format!("its threads: {}", doing.join(", ")));
    }
    if let Some((call, for_ns)) = &end.in_call {
        let for_ns = for_ns.map_or_else(|| "longer than the watch".into(), |ns| units::duration(ns as f64));
        parts.push(format!("at the end in {call} on it, for {for_ns}"));
    }
    if parts.is_empty() { "ended, or not to be looked at".into() } else { parts.join("; ") }
}
