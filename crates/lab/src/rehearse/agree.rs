//! Whether the rehearsal repeats what was watched, by the row that is most like it.

use crossing::{Kind, WaitStrategy};

use crate::mechanism;
use crate::plan::Workload;
use crate::rehearsal::{AgreedFigure, Agreement, WatchedTraffic};
use crate::report::{Report, ReportRow};
use crate::stats::{Measure, median};
use crate::traffic::SeenWait;

/// How well the rows of `report` agree with what was watched.
pub(super) fn of(watched: &WatchedTraffic, report: &Report) -> Agreement {
    let open = |why: String| Agreement { open: Some(why), ..Agreement::default() };
    let Some(edge) = &watched.edge else {
        return open("the watch does not say what joined the two programs".into());
    };
    let Some((kind, own)) = mechanism::of_edge(edge) else {
        return open(format!("no mechanism here is near to `{edge}`, which joined the two programs"));
    };
    let mut unlike = Vec::new();
    if !own {
        unlike.push(format!("`{edge}` is not rehearsed itself: {kind} is nearest to it"));
    }
    let spins = waits(watched, report, &mut unlike);
    let Some((index, row)) = row(report, kind, spins) else {
        return open(format!("no row of {kind} came to its end"));
    };
    let figures = figures(watched, row);
    let agrees = !figures.is_empty() && figures.iter().all(AgreedFigure::agrees);
    let open = figures.is_empty().then(|| "the watch tells no time to compare with".into());
    Agreement { row: Some(index), unlike, figures, agrees, open }
}

/// Whether the row that stands for the programs is one that spins. Both sides of a row wait alike.
fn waits(watched: &WatchedTraffic, report: &Report, unlike: &mut Vec<String>) -> bool {
    let spinning = watched.waits.map(|wait| wait == SeenWait::Spinning);
    if spinning[0] != spinning[1] && watched.waits.iter().all(|wait| *wait != SeenWait::NotSeen) {
        unlike.push("one side spun and the other slept, and both sides of a row wait alike".into());
    }
    if watched.waits.contains(&SeenWait::ByDescriptor) {
        unlike.push(
            "a side waited by a call for several descriptors before it read, and a row waits in the read itself, which is a call less"
                .into(),
        );
    }
    let spins = spinning.contains(&true)
        && watched.waits.iter().all(|wait| matches!(wait, SeenWait::Spinning | SeenWait::NotSeen));
    if spins && !report.plan.waits.contains(&WaitStrategy::Spin) {
        unlike.push("it spun, and no row spins here".into());
        return false;
    }
    spins
}

/// The plain row of this mechanism and way of waiting; another that sleeps where there is none that blocks.
fn row(report: &Report, kind: Kind, spins: bool) -> Option<(usize, &ReportRow)> {
    let of_kind = |row: &ReportRow| {
        row.kind == kind.name() && row.workload == Workload::Rehearsed && row.failed.is_none()
    };
    let rows = || report.rows.iter().enumerate().filter(|(_, row)| of_kind(row));
    let first = if spins { WaitStrategy::Spin } else { WaitStrategy::Block };
    rows().find(|(_, row)| row.wait == first).or_else(|| rows().next())
}

/// What can be compared: the whole, and each direction.
fn figures(watched: &WatchedTraffic, row: &ReportRow) -> Vec<AgreedFigure> {
    let figure =
        |what: &str, watched_ns, rehearsed_ns| AgreedFigure { what: what.into(), watched_ns, rehearsed_ns };
    let messages: u64 = watched.messages.iter().sum();
    // The launch in the middle: one that the machine has disturbed is not what was watched.
    let rates = Measure::MessagesPerS.figures_of_launches(row);
    let elapsed = median(&rates).map(|rate| (messages as f64 * 1e9 / rate).round() as u64);
    let whole = elapsed.filter(|_| watched.elapsed_ns > 0);
    let mut figures: Vec<_> =
        whole.map(|ns| figure("the whole", watched.elapsed_ns, ns)).into_iter().collect();
    let directions = row.directions_ns_p50.unwrap_or_default();
    let names = ["a message from side 0 to side 1 (median)", "a message from side 1 to side 0 (median)"];
    for ((name, seen), found) in names.into_iter().zip(watched.median_ns).zip(directions) {
        figures.extend(seen.zip(found).map(|(seen, found)| figure(name, seen, found)));
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Launch;

    fn report(waits: &[WaitStrategy]) -> Report {
        let mut report = Report::read(include_bytes!("../../../../tests/cli/sample.json")).unwrap();
        let of = |&wait: &WaitStrategy, kind: Kind| ReportRow {
            kind: kind.to_string(),
            workload: Workload::Rehearsed,
            wait,
            messages_per_s: Some(2e5),
            // The last of them was disturbed.
            each_launch: [1.1e6, 1e6, 1e5]
                .map(|rate| Launch { latency_ns_p50: Some(1_000), messages_per_s: Some(rate) })
                .to_vec(),
            directions_ns_p50: Some([Some(1_000), None]),
            failed: None,
            ..report.rows[0].clone()
        };
        let rows = waits.iter().flat_map(|wait| Kind::ALL.map(|kind| of(wait, kind)));
        report.rows = rows.collect();
        report.plan.waits = waits.to_vec();
        report
    }

    /// 1 000 messages in a millisecond, of a microsecond each.
    fn watched(edge: &str, waits: [SeenWait; 2]) -> WatchedTraffic {
        WatchedTraffic {
            edge: Some(edge.into()),
            messages: [1_000, 0],
            not_kept: 0,
            bytes: 0,
            empty: 0,
            waits,
            elapsed_ns: 1_000_000,
            thought_ns: 0,
            median_ns: [Some(1_000), None],
        }
    }

    #[test]
    fn the_row_is_of_the_programs_own_mechanism_and_way_of_waiting() {
        let report = report(&[WaitStrategy::Block, WaitStrategy::Spin]);
        for (edge, waits, spins, unlike) in [
            ("unix-stream", [SeenWait::InTheCall, SeenWait::NotSeen], false, 0),
            ("unix-stream", [SeenWait::InTheCall, SeenWait::ByDescriptor], false, 1),
            ("tcp", [SeenWait::Spinning, SeenWait::NotSeen], true, 0),
            ("fifo", [SeenWait::NotSeen; 2], false, 0),
            ("memfd", [SeenWait::Spinning; 2], true, 1),
            ("udp", [SeenWait::Spinning, SeenWait::InTheCall], false, 2),
        ] {
            let found = of(&watched(edge, waits), &report);
            let row = &report.rows[found.row.unwrap()];
            assert_eq!(row.kind, mechanism::of_edge(edge).unwrap().0.name());
            assert_eq!(row.wait == WaitStrategy::Spin, spins, "{edge}");
            assert_eq!(found.unlike.len(), unlike, "{found:?}");
            assert!(found.agrees, "{found:?}");
        }
    }

    #[test]
    fn one_figure_that_is_off_is_no_agreement() {
        let report = report(&[WaitStrategy::Block]);
        let fine = watched("pipe", [SeenWait::NotSeen; 2]);
        assert_eq!(of(&fine, &report).figures.len(), 2);
        let slow = WatchedTraffic { elapsed_ns: 2_000_000, ..fine.clone() };
        let far = WatchedTraffic { median_ns: [Some(10), None], ..fine.clone() };
        for off in [slow, far] {
            let found = of(&off, &report);
            assert!(!found.agrees && found.open.is_none() && found.figures.len() == 2, "{found:?}");
        }
    }

    #[test]
    fn where_nothing_can_be_compared_nothing_agrees() {
        let whole = report(&[WaitStrategy::Block]);
        let mut failed = whole.clone();
        failed.rows.iter_mut().for_each(|row| row.failed = Some("it died".into()));
        let fine = watched("pipe", [SeenWait::NotSeen; 2]);
        let unnamed = WatchedTraffic { edge: None, ..fine.clone() };
        let untimed = WatchedTraffic { elapsed_ns: 0, median_ns: [None; 2], ..fine.clone() };
        let foreign = WatchedTraffic { edge: Some("pigeon".into()), ..fine.clone() };
        for (watched, report) in
            [(&fine, &failed), (&unnamed, &whole), (&untimed, &whole), (&foreign, &whole)]
        {
            let found = of(watched, report);
            assert!(!found.agrees && found.open.is_some(), "{found:?}");
        }
    }
}
