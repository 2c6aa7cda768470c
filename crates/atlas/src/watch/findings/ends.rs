//! Findings about which processes hold which end, and what they do with it.

use std::collections::BTreeSet;

use lab::units;

use super::super::report::{WatchFinding, WatchReport, WatchedDirection, WatchedEnd};
use super::words::{FEW, ends_of, finding, names};
use crate::kind::EdgeKind;
use crate::process::ProcessId;

/// A process holds the writing end of a pipe and never writes: as long as it does, the reader is not told that the others are done.
pub(super) fn leaked_end(report: &WatchReport, direction: &WatchedDirection) -> Option<WatchFinding> {
    if !matches!(report.edge.kind, EdgeKind::Pipe | EdgeKind::Fifo) || report.lost_calls > 0 {
        return None;
    }
    let holds = |writes: bool| -> BTreeSet<ProcessId> {
        let of = |end: &&crate::edge::EdgeEnd| if writes { end.writes } else { end.reads };
        report.edge.ends.iter().filter(of).map(|end| end.process).collect()
    };
    let (writers, readers) = (holds(true), holds(false));
    let wrote = |end: &&WatchedEnd| end.moved.is_some_and(|[_, writes]| writes > 0);
    let written: BTreeSet<ProcessId> = report.ends.iter().filter(wrote).map(|end| end.process).collect();
    // A process that is in a write has something to write.
    let in_write = |id: &ProcessId| {
        let in_it = |end: &WatchedEnd| end.in_call.as_ref().is_some_and(|(call, _)| call.contains("write"));
        report.ends.iter().any(|end| end.process == *id && in_it(end))
    };
    report.ends.iter().map(|end| end.moved).collect::<Option<Vec<_>>>()?;
    let silent: BTreeSet<ProcessId> =
        writers.iter().filter(|id| !written.contains(id) && !in_write(id)).copied().collect();
    let of = |ids: &BTreeSet<ProcessId>| {
        let mut seen = BTreeSet::new();
        let ends: Vec<&WatchedEnd> =
            report.ends.iter().filter(|end| ids.contains(&end.process) && seen.insert(end.process)).collect();
        names(report, &ends)
    };
    let own: BTreeSet<ProcessId> = silent.intersection(&readers).copied().collect();
    let remedy = "Close the writing end in each process that does not write: after fork(2), or with O_CLOEXEC before exec";
    if written.is_empty() {
        // No other process is left that could write, and the reader sleeps.
        let waits = report.ends.iter().any(|end| {
            own.contains(&end.process) && end.in_call.as_ref().is_some_and(|(call, _)| call.contains("read"))
        });
        let alone = own == writers && waits;
        return alone.then(|| of(&own)).and_then(|own| {
            finding(
                "leaked-end",
                format!("{own} reads a pipe whose writing end it alone still holds: no end ever comes"),
                vec![format!(
                    "no other process has the writing end; {own} is in a read at the end of the watch"
                )],
                remedy,
            )
        });
    }
    if silent.is_empty() {
        return None;
    }
    let how = if own.is_empty() { "" } else { ", the reader itself among them" };
    finding(
        "leaked-end",
        format!("{} holds the writing end and wrote nothing{how}", of(&silent)),
        vec![
            format!("{} wrote {}", of(&written), units::plural(direction.writes.as_ref()?.calls, "time")),
            format!("{} cannot be told of the end before it is closed there, too", of(&readers)),
        ],
        remedy,
    )
}

/// What was written waits, and no read takes it.
pub(super) fn nothing_reads(report: &WatchReport, direction: &WatchedDirection) -> Option<WatchFinding> {
    let queued = direction.queued.as_ref().filter(|queued| queued.samples >= 20)?;
    let least = queued.histogram.first()?.0;
    let grows = direction.queued_over_time.windows(2).all(|pair| pair[0].1 <= pair[1].1);
    let unread = match &direction.reads {
        Some(reads) => reads.calls == 0 && report.lost_calls == 0,
        None => grows,
    };
    if least == 0 || !unread {
        return None;
    }
    let readers = ends_of(report, direction, false);
    let stopped: Vec<&WatchedEnd> = readers
        .iter()
        .filter(|end| end.doing.get("stopped").is_some_and(|share| *share > 0.5))
        .copied()
        .collect();
    let mut evidence = vec![format!(
        "{} wait, and at none of {} looks were there fewer than {}",
        units::bytes(queued.max),
        units::count(queued.samples),
        units::bytes(least)
    )];
    evidence.push(match &direction.reads {
        Some(_) => "no read was seen".into(),
        None => "what waits never became less".into(),
    });
    if !stopped.is_empty() {
        evidence.push(format!("{} is stopped", names(report, &stopped)));
    }
    let remedy = match stopped.is_empty() {
        true => {
            "See what the reading process does instead (its threads are above); if it needs no messages, close the descriptor"
        }
        false => "Let it go on: `kill -CONT` its number, or leave the debugger",
    };
    finding(
        "nothing-reads",
        format!("{} does not read what waits for it", names(report, &readers)),
        evidence,
        remedy,
    )
}

/// TCP between two processes of this machine.
pub(super) fn tcp_within_the_machine(report: &WatchReport, _: &WatchedDirection) -> Option<WatchFinding> {
    let both = [0, 1].iter().all(|side| report.edge.ends.iter().any(|end| end.side == *side));
    let of = |direction: &WatchedDirection| direction.writes.as_ref().map_or(0, |writes| writes.calls);
    let writes: u64 = report.directions.iter().map(of).sum();
    if report.edge.kind != EdgeKind::Tcp || !both || report.edge.beyond.is_some() || writes < FEW {
        return None;
    }
    let rate = writes as f64 / (report.lasted_ns.max(1) as f64 / 1e9);
    finding(
        "tcp-within-the-machine",
        "both ends of this TCP connection are on this machine".into(),
        vec![format!(
            "{} writes, {} a second, each through the whole of TCP and IP",
            units::count(writes),
            units::rate(rate)
        )],
        "A Unix socket does the same for less, if both programs can be told to use one; `ipcscope race unix tcp` measures how much",
    )
}

#[cfg(test)]
mod tests {
    use super::super::of;
    use super::super::sample::{SECOND, add_end, calls, ids, ping_pong, pipe, spread};
    use super::*;
    use crate::edge::{Beyond, BeyondKind};

    #[test]
    fn a_process_that_holds_the_writing_end_and_never_writes_is_found() {
        let mut report = pipe(calls(1_000, 4096, 900), calls(1_000, 4096, 900));
        assert_eq!(of(&report), []);
        add_end(&mut report, 12, 0, false, true);
        let found = of(&report);
        assert_eq!(ids(&found), ["leaked-end"]);
        assert!(found[0].sentence.starts_with("?[12] holds"), "{found:?}");
        // A second writer is none.
        report.ends[2].moved = Some([0, 5]);
        assert_eq!(of(&report), []);
        // Nor may it be said when a write may have been lost, or one is under way.
        report.ends[2].moved = Some([0, 0]);
        report.ends[2].in_call = Some(("writev".into(), Some(5)));
        assert_eq!(of(&report), []);
        report.ends[2].in_call = None;
        report.lost_calls = 1;
        assert_eq!(of(&report), []);
    }

    #[test]
    fn a_reader_that_holds_its_own_writing_end_is_found() {
        let mut report = pipe(calls(1_000, 4096, 900), calls(1_000, 4096, 900));
        add_end(&mut report, 11, 0, false, true);
        let found = of(&report);
        assert_eq!(ids(&found), ["leaked-end"]);
        assert!(found[0].sentence.contains("the reader itself"), "{found:?}");
        // The writer has ended: only its own copy is left.
        let mut report = pipe(calls(0, 0, 0), calls(0, 0, 0));
        report.edge.ends[0].process = report.edge.ends[1].process;
        report.ends[0].process = report.ends[1].process;
        assert_eq!(ids(&of(&report)), ["idle"], "a pipe by which a process wakes itself");
        report.ends[1].in_call = Some(("read".into(), None));
        assert_eq!(ids(&of(&report)), ["leaked-end", "idle"]);
    }

    #[test]
    fn what_waits_and_is_never_read_is_found() {
        let mut report = pipe(calls(1_000, 10, 900), calls(0, 0, 0));
        report.directions[0].queued = spread(&[(0, 1), (10_000, 99)]);
        assert_eq!(of(&report), [], "at one moment nothing waited");
        report.directions[0].queued = spread(&[(10, 1), (10_000, 99)]);
        assert_eq!(ids(&of(&report)), ["nothing-reads"]);
        // By looks alone.
        report.directions[0].reads = None;
        report.directions[0].queued_over_time = vec![(0, 10), (SECOND, 10_000)];
        assert_eq!(ids(&of(&report)), ["nothing-reads"]);
        report.directions[0].queued_over_time = vec![(0, 10_000), (SECOND, 10)];
        assert_eq!(of(&report), []);
        report.directions[0].reads = Some(calls(0, 0, 0));
        report.ends[1].doing.insert("stopped".into(), 1.0);
        assert!(of(&report)[0].remedy.contains("CONT"));
    }

    #[test]
    fn tcp_between_two_processes_of_the_machine_is_found() {
        let mut report = ping_pong(EdgeKind::Tcp);
        assert_eq!(ids(&of(&report)), ["tcp-within-the-machine"], "and said once");
        report.edge.beyond = Some(Beyond { kind: BeyondKind::Elsewhere, address: None });
        assert_eq!(of(&report), []);
    }
}
