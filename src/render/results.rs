//! What a report says, in words and cells. How they are laid out is the business of each form.
//!
//! Rows stand together only when they share workload, size, placement and way of waiting; a ratio never leaves its
//! group.

use std::collections::HashMap;

use crossing::WaitStrategy;
use lab::Report;
use lab::plan::{Placement, Workload};
use lab::report::{Entrant, Row};
use lab::stats::{Measure, Verdict, ratio};

use super::grid::Column;
use lab::units;

use super::frame;

/// The cells of a row, in this order.
pub(crate) const COLUMNS: [Column; 11] = [
    Column { title: "entrant", gives_way: 0 },
    Column { title: "p50", gives_way: 0 },
    Column { title: "p90", gives_way: 1 },
    Column { title: "p99", gives_way: 6 },
    Column { title: "p99.9", gives_way: 5 },
    Column { title: "max", gives_way: 2 },
    Column { title: "msg/s", gives_way: 0 },
    Column { title: "CPU/msg", gives_way: 4 },
    Column { title: "switches", gives_way: 3 },
    Column { title: "verified", gives_way: 7 },
    Column { title: "vs best", gives_way: 8 },
];

/// A figure that there is none of.
const NONE: &str = "–";

/// A report in words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sheet {
    /// Where and how it ran.
    pub(crate) above: Vec<String>,
    /// Rows that may be compared.
    pub(crate) groups: Vec<Group>,
    /// What a reader must know to read the figures.
    pub(crate) below: Vec<String>,
}

/// Rows that share workload, size, placement and way of waiting.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    /// `ping-pong, 64 B, spin`.
    pub(crate) title: String,
    pub(crate) lines: Vec<Line>,
}

/// One row in words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    /// The row's index in the report.
    pub(crate) row: usize,
    /// Whether no other entrant of the group was better.
    pub(crate) best: bool,
    /// One cell for each of [`COLUMNS`]; the first alone when the row failed.
    pub(crate) cells: Vec<String>,
    /// Why there are no numbers.
    pub(crate) failed: Option<String>,
}

/// Puts a report into words; `sort` puts the best of a group first.
pub(crate) fn sheet(report: &Report, sort: bool) -> Sheet {
    let mut groups: Vec<Vec<Placed<'_>>> = Vec::new();
    let mut places = HashMap::new();
    for (index, row) in report.rows.iter().enumerate() {
        let place = *places.entry(shared(row)).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push((index, row));
    }
    Sheet {
        above: frame::above(report),
        groups: groups.into_iter().map(|rows| group(rows, sort)).collect(),
        below: frame::below(report),
    }
}

/// A row, and its index in the report.
type Placed<'a> = (usize, &'a Row);

/// What rows must share to stand in one group.
fn shared(row: &Row) -> (Workload, u32, Placement, WaitStrategy) {
    (row.workload, row.size_bytes, row.placement, row.wait)
}

fn group(mut rows: Vec<Placed<'_>>, sort: bool) -> Group {
    let (_, first) = rows[0];
    let title = format!("{}, {}, {}", first.workload, units::bytes(first.size_bytes), first.wait);
    let judged = rows.iter().map(|(_, row)| *row).filter(|row| goodness(row).is_some());
    let best = judged.max_by(|a, b| by_goodness(a, b));
    if sort {
        rows.sort_by(|(_, a), (_, b)| by_goodness(b, a));
    }
    Group { title, lines: rows.into_iter().map(|row| line(row, best)).collect() }
}

/// What an entrant is judged by, more is better: the rate of a stream, else the median latency.
fn goodness(row: &Row) -> Option<f64> {
    if matches!(row.entrant, Entrant::Null | Entrant::Bound) {
        return None;
    }
    figure(row)
}

/// The figure by which a row stands, judged or not.
fn figure(row: &Row) -> Option<f64> {
    if row.entrant == Entrant::Null || row.failed.is_some() {
        return None;
    }
    let measure = Measure::of(row.workload);
    let figure = measure.figure_of(row)?;
    Some(if measure.more_is_better() { figure } else { -figure })
}

/// Rows that are not judged come last.
fn by_goodness(a: &Row, b: &Row) -> std::cmp::Ordering {
    let of = |row| goodness(row).unwrap_or(f64::NEG_INFINITY);
    of(a).total_cmp(&of(b))
}

fn line((index, row): Placed<'_>, best: Option<&Row>) -> Line {
    if let Some(why) = &row.failed {
        return Line { row: index, best: false, cells: vec![row.kind.clone()], failed: Some(why.clone()) };
    }
    let is_best = best.is_some_and(|best| std::ptr::eq(best, row));
    let percentile = |pick: fn(&lab::report::Latency) -> Option<u64>| {
        let ns = row.latency_ns.as_ref().and_then(pick);
        ns.map_or_else(|| NONE.into(), |ns| units::duration(ns as f64))
    };
    let cells = vec![
        row.kind.clone(),
        percentile(|latency| latency.p50),
        percentile(|latency| latency.p90),
        percentile(|latency| latency.p99),
        percentile(|latency| latency.p999),
        percentile(|latency| Some(latency.max)),
        row.messages_per_s.map_or_else(|| NONE.into(), units::rate),
        cpu(row),
        switches(row),
        verified(row),
        match best {
            _ if is_best => "best".into(),
            Some(best) if figure(row).is_some() => standing(row, best),
            _ => NONE.into(),
        },
    ];
    Line { row: index, best: is_best, cells, failed: None }
}

/// Time on a core for each message, sender + receiver.
fn cpu(row: &Row) -> String {
    let Some(sides) = row.sides.filter(|_| row.messages > 0) else { return NONE.into() };
    units::durations(sides.map(|side| (side.user_ns + side.system_ns) as f64 / row.messages as f64))
}

/// Context switches for each message, sender + receiver, of its own will or not.
fn switches(row: &Row) -> String {
    let Some(sides) = row.sides.filter(|_| row.messages > 0) else { return NONE.into() };
    sides
        .map(|side| (side.voluntary_switches + side.involuntary_switches) as f64 / row.messages as f64)
        .map(units::each)
        .join("+")
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

/// How many times slower a row is than the best of its group, with the spread of their launches.
fn standing(row: &Row, best: &Row) -> String {
    let slower = if Measure::of(row.workload).more_is_better() { ratio(best, row) } else { ratio(row, best) };
    let Some(slower) = slower else { return NONE.into() };
    let times = units::times(slower.value);
    match slower.verdict {
        Verdict::Different => {
            let least = units::times(slower.min);
            format!(
                "{times} ({}–{})",
                least.trim_end_matches('×'),
                units::times(slower.max).trim_end_matches('×')
            )
        }
        Verdict::NoDifference => format!("{times} ≈"),
        Verdict::Unknown => format!("{times} ?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn rows_that_differ_in_waiting_or_size_never_share_a_group() {
        let report = sample();
        for group in &sheet(&report, false).groups {
            assert!(group.lines.iter().filter(|line| line.best).count() <= 1, "{}", group.title);
        }
        let mut other = report.rows[0].clone();
        other.size_bytes += 1;
        assert_ne!(shared(&report.rows[0]), shared(&other));
    }

    #[test]
    fn the_null_entrant_a_bound_and_failed_rows_are_not_judged() {
        let mut row = sample().rows[0].clone();
        assert!(goodness(&row).is_some());
        row.entrant = Entrant::Null;
        assert!(goodness(&row).is_none());
        row.entrant = Entrant::Bound;
        assert!(goodness(&row).is_none() && figure(&row).is_some());
        row.entrant = Entrant::Mechanism;
        row.failed = Some("the peer died".into());
        assert!(goodness(&row).is_none());
    }

    #[test]
    fn sorting_puts_the_best_first() {
        for group in sheet(&sample(), true).groups {
            if group.lines.iter().any(|line| line.best) {
                assert!(group.lines[0].best, "{group:?}");
            }
        }
    }
}
