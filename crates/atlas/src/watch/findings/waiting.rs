//! Findings about which side waits for which.

use lab::units;

use super::super::report::{CallsSeen, WatchFinding, WatchReport, WatchedDirection, WatchedEnd};
use super::words::{FEW, ends_of, finding, mean_bytes, name, names, on_core, percent, share, so_many};
use crate::kind::EdgeKind;

/// A side that is on a core for this share of the time has no time left.
const BUSY: f64 = 0.7;
/// A side that waits for this share of the time has nothing else to do.
const WAITS: f64 = 0.7;
/// A writer is blocked that sleeps for this share of the time in its writes.
const BLOCKED: f64 = 0.4;
/// Reads that found nothing, for each that found something, of a reader that spins.
const EMPTY_READS: u64 = 10;
/// Linux acknowledges after 40 ms (TCP_DELACK_MIN of include/net/tcp.h) what it has no reason to acknowledge at once.
const DELAYED_ACK_NS: std::ops::Range<u64> = 38_000_000..60_000_000;
/// What is longer fills segments, and is sent without waiting.
const SEGMENT_BYTES: u64 = 16 << 10;

/// Small writes to TCP that take 40 ms: they wait for an acknowledgement that the other side holds back.
pub(super) fn nagle(report: &WatchReport, direction: &WatchedDirection) -> Option<WatchFinding> {
    let (writes, times) = (direction.writes.as_ref()?, direction.write_to_read_ns.as_ref()?);
    let late: u64 =
        times.histogram.iter().filter(|pair| DELAYED_ACK_NS.contains(&pair.0)).map(|pair| pair.1).sum();
    // What waits at the reader has arrived, so that the reader is late and not the kernel.
    let arrived = direction.queued.as_ref().and_then(|queued| queued.p50).is_some_and(|bytes| bytes > 0);
    let small = mean_bytes(writes) < SEGMENT_BYTES;
    if report.edge.kind != EdgeKind::Tcp || late < 10 || late * 20 < times.samples || arrived || !small {
        return None;
    }
    finding(
        "nagle",
        format!(
            "small writes of {} wait some 40 ms for an acknowledgement that the other side delays (Nagle)",
            names(report, &ends_of(report, direction, true))
        ),
        vec![
            so_many(writes, "write"),
            format!(
                "{} of {} took 38 to 60 ms from write to read",
                units::count(late),
                units::count(times.samples)
            ),
        ],
        "Set TCP_NODELAY (tcp(7)) in the process that writes, or write the whole message with one call",
    )
}

/// How long these ends slept in these calls, at least: they cannot have been on a core meanwhile.
fn slept_in(calls: &CallsSeen, ends: &[&WatchedEnd]) -> Option<u64> {
    Some(calls.total_ns.saturating_sub(on_core(ends)?))
}

/// The end that is in a write on the channel and will be for longer.
fn stuck<'a>(report: &WatchReport, ends: &[&'a WatchedEnd]) -> Option<(&'a WatchedEnd, u64, &'a str)> {
    ends.iter().find_map(|end| {
        let (call, for_ns) = end.in_call.as_ref()?;
        let ns = for_ns.unwrap_or(report.lasted_ns);
        let writes = ["write", "send", "splice", "sendfile", "mq_timedsend"];
        (writes.iter().any(|word| call.contains(word)) && share(report, ns) >= BLOCKED)
            .then_some((*end, ns, &**call))
    })
}

/// A writer that sleeps until there is room: the reader is the bottleneck.
pub(super) fn blocked_writer(report: &WatchReport, direction: &WatchedDirection) -> Option<WatchFinding> {
    let (writers, readers) = (ends_of(report, direction, true), ends_of(report, direction, false));
    let mut evidence = Vec::new();
    if let Some((end, ns, call)) = stuck(report, &writers) {
        evidence.push(format!(
            "{} is in {call} at the end of the watch, for {}",
            name(report, end),
            units::duration(ns as f64)
        ));
    }
    let writes = direction.writes.as_ref();
    let sleeps = writes.and_then(|writes| slept_in(writes, &writers)).map_or(0.0, |ns| share(report, ns));
    if let Some(writes) = writes.filter(|_| sleeps >= BLOCKED) {
        evidence.push(format!("{} of the time asleep in {}", percent(sleeps), so_many(writes, "write")));
    }
    if evidence.is_empty() {
        return None;
    }
    if let Some(ns) = on_core(&readers) {
        evidence.push(format!(
            "{} on a core for {} of the time",
            names(report, &readers),
            percent(share(report, ns))
        ));
    }
    if let Some(queued) = direction.queued.as_ref().and_then(|queued| queued.p50) {
        evidence.push(format!("{} wait to be read in the median", units::bytes(queued)));
    }
    finding(
        "blocked-writer",
        format!(
            "{} waits for room: {} takes out less than could be put in, and is the bottleneck",
            names(report, &writers),
            names(report, &readers)
        ),
        evidence,
        "Make the reader faster, or let it read more at once; a larger buffer helps only against bursts",
    )
}

/// A reader that waits for a writer that has no time left: the writer is the bottleneck.
pub(super) fn slow_writer(report: &WatchReport, direction: &WatchedDirection) -> Option<WatchFinding> {
    let (writers, readers) = (ends_of(report, direction, true), ends_of(report, direction, false));
    let (writes, reads) = (direction.writes.as_ref()?, direction.reads.as_ref()?);
    let busy = share(report, on_core(&writers)?);
    let waited = readers.iter().filter_map(|end| end.waits.as_ref()).map(|waits| waits.total_ns).sum::<u64>();
    let waits = share(report, (reads.total_ns + waited).saturating_sub(on_core(&readers)?));
    if writers.is_empty() || writes.calls < FEW || busy < BUSY || waits < WAITS {
        return None;
    }
    finding(
        "slow-writer",
        format!(
            "{} waits for messages, and {} has no time left: it is the bottleneck",
            names(report, &readers),
            names(report, &writers)
        ),
        vec![
            format!("the writer on a core for {} of the time", percent(busy)),
            format!("the reader asleep for {} of it, waiting", percent(waits)),
            so_many(writes, "write"),
        ],
        "Look at what the writer does between its writes; another channel changes little",
    )
}

/// A reader that asks again and again.
pub(super) fn spinning_reader(report: &WatchReport, direction: &WatchedDirection) -> Option<WatchFinding> {
    let reads = direction.reads.as_ref()?;
    if reads.would_wait < 10 * FEW || reads.would_wait < EMPTY_READS * reads.calls {
        return None;
    }
    let readers = ends_of(report, direction, false);
    let mut evidence = vec![format!(
        "{} reads found nothing, {} found something",
        units::count(reads.would_wait),
        units::count(reads.calls)
    )];
    if let Some(ns) = on_core(&readers) {
        evidence.push(format!("on a core for {} of the time", percent(share(report, ns))));
    }
    finding(
        "spinning-reader",
        format!("{} asks again and again, and mostly finds nothing", names(report, &readers)),
        evidence,
        "Let it sleep in the read itself (without O_NONBLOCK), or in poll(2) or epoll(7), unless a core is there for it alone",
    )
}

/// Nothing went over the channel at all.
pub(super) fn idle(report: &WatchReport, _: &WatchedDirection) -> Option<WatchFinding> {
    let moved = |calls: &Option<CallsSeen>| calls.as_ref().map(|calls| calls.calls + calls.ends);
    let directions = &report.directions;
    let all: Option<Vec<u64>> =
        directions.iter().flat_map(|each| [moved(&each.writes), moved(&each.reads)]).collect();
    if report.lost_calls > 0 || all?.iter().any(|&calls| calls > 0) {
        return None;
    }
    let waits = report.ends.iter().filter_map(|end| {
        let (call, for_ns) = end.in_call.as_ref()?;
        let for_ns = for_ns
            .map_or_else(|| "before the watch".into(), |ns| format!("{} ago", units::duration(ns as f64)));
        Some(format!("{} is in {call} on it since {for_ns}", name(report, end)))
    });
    let mut evidence = vec![format!("no call moved a byte in {}", units::duration(report.lasted_ns as f64))];
    evidence.extend(waits);
    finding(
        "idle",
        "nothing went over this channel".into(),
        evidence,
        "Watch for longer; if one side should have sent, `ipcscope map` shows what else it is joined with",
    )
}

#[cfg(test)]
mod tests {
    use super::super::of;
    use super::super::sample::{SECOND, calls, ids, ping_pong, pipe, spread};
    use super::*;

    #[test]
    fn forty_milliseconds_over_tcp_are_found() {
        let mut report = ping_pong(EdgeKind::Tcp);
        let slow = |report: &mut WatchReport| {
            report.directions[0].writes = Some(calls(50, 64, 3_000));
            report.directions[0].reads = Some(calls(25, 128, 40_000_000));
            report.directions[0].write_to_read_ns = spread(&[(20_000, 25), (41_000_000, 25)]);
        };
        slow(&mut report);
        assert!(ids(&of(&report)).contains(&"nagle"), "{:?}", of(&report));
        let mut late_reader = report.clone();
        late_reader.directions[0].queued = spread(&[(64, 100)]);
        let mut other = ping_pong(EdgeKind::UnixStream);
        slow(&mut other);
        for report in [late_reader, other, ping_pong(EdgeKind::Tcp)] {
            assert!(!ids(&of(&report)).contains(&"nagle"));
        }
    }

    #[test]
    fn a_writer_that_sleeps_in_its_writes_is_blocked() {
        let mut report = pipe(calls(1_000, 4096, 900_000), calls(1_000, 4096, 900));
        report.ends[0].on_core_ns = Some(SECOND / 10);
        report.ends[1].on_core_ns = Some(SECOND);
        let found = of(&report);
        assert_eq!(ids(&found), ["blocked-writer"]);
        assert!(found[0].sentence.contains("?[11] takes out less"), "{found:?}");
        // One that copies in its writes is on a core meanwhile.
        report.ends[0].on_core_ns = Some(SECOND);
        assert_eq!(of(&report), []);
        // One call that does not come back, and was never seen to.
        let mut report = pipe(calls(0, 0, 0), calls(0, 0, 0));
        report.ends[0].in_call = Some(("write".into(), None));
        assert_eq!(ids(&of(&report)), ["blocked-writer", "idle"]);
    }

    #[test]
    fn a_reader_that_waits_for_a_busy_writer_is_told_which_is_slow() {
        let mut report = pipe(calls(1_000, 4096, 900), calls(1_000, 4096, 950_000));
        report.ends[1].on_core_ns = Some(SECOND / 50);
        assert_eq!(of(&report), [], "the writer has time left");
        report.ends[0].on_core_ns = Some(SECOND);
        let found = of(&report);
        assert_eq!(ids(&found), ["slow-writer"]);
        // Nor does it matter in which call the reader waits.
        report.directions[0].reads = Some(calls(1_000, 4096, 900));
        report.ends[1].waits = Some(calls(1_000, 0, 950_000));
        assert_eq!(ids(&of(&report)), ["slow-writer"]);
    }

    #[test]
    fn a_reader_that_spins_is_found_and_one_that_reads_until_it_is_empty_is_not() {
        let mut report = pipe(calls(100, 64, 900), calls(100, 64, 900));
        let empty = |report: &mut WatchReport, would_wait| {
            report.directions[0].reads.as_mut().unwrap().would_wait = would_wait;
        };
        empty(&mut report, 100_000);
        assert_eq!(ids(&of(&report)), ["spinning-reader"]);
        empty(&mut report, 100);
        assert_eq!(of(&report), []);
    }

    #[test]
    fn a_channel_that_nothing_goes_over_is_idle_unless_calls_were_lost_or_not_seen() {
        let mut report = pipe(calls(0, 0, 0), calls(0, 0, 0));
        report.ends[1].in_call = Some(("read".into(), None));
        let found = of(&report);
        assert_eq!(ids(&found), ["idle"]);
        assert!(found[0].evidence[1].contains("?[11] is in read"), "{found:?}");
        report.lost_calls = 1;
        assert_eq!(of(&report), []);
        report.lost_calls = 0;
        report.directions[0].reads = None;
        assert_eq!(of(&report), []);
    }
}
