//! Reports of watches that never were, for the tests of the findings.

use super::super::report::{
    CallsSeen, Distribution, WATCH_FORMAT, WATCH_SCHEMA, WatchFinding, WatchInstrument, WatchReport,
    WatchedDirection, WatchedEnd,
};
use crate::edge::{Edge, EdgeEnd, EdgeId};
use crate::kind::EdgeKind;
use crate::process::ProcessId;

pub(super) const SECOND: u64 = 1_000_000_000;

pub(super) fn spread(pairs: &[(u64, u64)]) -> Option<Distribution> {
    Distribution::of_pairs(pairs.to_vec())
}

/// Calls, each of this many bytes and nanoseconds.
pub(super) fn calls(calls: u64, bytes: u64, ns: u64) -> CallsSeen {
    CallsSeen {
        calls,
        bytes: calls * bytes,
        sizes: spread(&[(bytes, calls)]),
        time_ns: spread(&[(ns, calls)]),
        total_ns: calls * ns,
        ..Default::default()
    }
}

fn process(pid: i32) -> ProcessId {
    ProcessId { pid, started: 1 }
}

/// Another end of the channel.
pub(super) fn add_end(report: &mut WatchReport, pid: i32, side: u8, reads: bool, writes: bool) {
    report.edge.ends.push(EdgeEnd {
        process: process(pid),
        side,
        address: None,
        descriptors: vec![3],
        reads,
        writes,
        queued_bytes: None,
        queued_messages: None,
        unacknowledged_bytes: None,
        by_last_call: false,
    });
    report.ends.push(WatchedEnd {
        process: process(pid),
        side,
        moved: Some([0, 0]),
        waits: Some(CallsSeen::default()),
        on_core_ns: Some(SECOND / 5),
        slept: Some(1000),
        preempted: Some(1),
        all_channels: None,
        doing: Default::default(),
        in_call: None,
    });
}

/// A channel without ends.
fn bare(kind: EdgeKind, directions: Vec<WatchedDirection>) -> WatchReport {
    WatchReport {
        format: WATCH_FORMAT.into(),
        schema: WATCH_SCHEMA,
        began_unix_ms: 0,
        lasted_ns: SECOND,
        edge: Edge {
            id: EdgeId("sample:1".into()),
            kind,
            name: None,
            ends: Vec::new(),
            capacity_bytes: Some(65536),
            tcp: None,
            beyond: None,
            unread: Vec::new(),
        },
        processes: Vec::new(),
        instrument: WatchInstrument::Calls,
        lost_calls: 0,
        directions,
        ends: Vec::new(),
        ended_by: None,
        traffic: None,
        unavailable: Vec::new(),
        findings: Vec::new(),
    }
}

/// Two processes that ask and answer 20 000 times, each asleep while the other works.
pub(super) fn ping_pong(kind: EdgeKind) -> WatchReport {
    let direction = |from| WatchedDirection {
        from,
        writes: Some(calls(20_000, 64, 3_000)),
        reads: Some(calls(20_000, 64, 35_000)),
        write_to_read_ns: spread(&[(18_000, 20_000)]),
        queued: spread(&[(0, 99), (64, 1)]),
        queued_over_time: vec![(0, 0), (SECOND / 2, 64), (SECOND, 0)],
    };
    let mut report = bare(kind, vec![direction(0), direction(1)]);
    for side in [0, 1] {
        add_end(&mut report, 10 + i32::from(side), side, true, true);
        report.ends[usize::from(side)].moved = Some([20_000, 20_000]);
    }
    report
}

/// A pipe of 64 KiB from process 10 to process 11, with these calls.
pub(super) fn pipe(writes: CallsSeen, reads: CallsSeen) -> WatchReport {
    let moved = [reads.calls, writes.calls];
    let direction = WatchedDirection {
        from: 0,
        writes: Some(writes),
        reads: Some(reads),
        write_to_read_ns: spread(&[(5_000, 1_000)]),
        queued: spread(&[(0, 60), (4096, 40)]),
        queued_over_time: vec![(0, 0), (SECOND / 2, 4096), (SECOND, 0)],
    };
    let mut report = bare(EdgeKind::Pipe, vec![direction]);
    add_end(&mut report, 10, 0, false, true);
    add_end(&mut report, 11, 1, true, false);
    report.ends[0].moved = Some([0, moved[1]]);
    report.ends[1].moved = Some([moved[0], 0]);
    report
}

/// What was found, by its kind.
pub(super) fn ids(found: &[WatchFinding]) -> Vec<&str> {
    found.iter().map(|one| &*one.id).collect()
}
