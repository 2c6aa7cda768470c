//! Findings about how much each call moves.

use lab::units;

use super::super::report::{WatchFinding, WatchReport, WatchedDirection};
use super::words::{FEW, ends_of, finding, mean_bytes, names, percent, share, so_many};
use crate::kind::EdgeKind;

/// Writes of up to this many bytes are small: moving them costs less than the call.
const SMALL_BYTES: u64 = 512;
/// One read takes this many writes, or more.
const WRITES_A_READ: u64 = 4;
/// This many reads' worth waits, or more.
const READS_THAT_WAIT: u64 = 8;
/// Reads of up to this many bytes take less than they could.
const PAGE_BYTES: u64 = 4096;

/// Many small writes, of which one read takes several: the reader would not notice if they came together.
pub(super) fn tiny_writes(report: &WatchReport, direction: &WatchedDirection) -> Option<WatchFinding> {
    let (writes, reads) = (direction.writes.as_ref()?, direction.reads.as_ref()?);
    let several = reads.calls > 0 && writes.calls >= WRITES_A_READ * reads.calls;
    let streams = !report.edge.kind.is_of_messages() && report.edge.kind.keeps_bytes();
    if !streams || !several || writes.calls < FEW || mean_bytes(writes) > SMALL_BYTES {
        return None;
    }
    let each = writes.calls as f64 / reads.calls as f64;
    finding(
        "tiny-writes",
        format!(
            "{} writes small pieces, and one read takes {} of them",
            names(report, &ends_of(report, direction, true)),
            units::each(each)
        ),
        vec![so_many(writes, "write"), so_many(reads, "read")],
        "Gather what is written in a buffer, or pass the pieces to one writev(2): each write is a call, and may wake the reader",
    )
}

/// Small reads from a long queue: each message costs a call, although many wait.
pub(super) fn one_call_a_message(report: &WatchReport, direction: &WatchedDirection) -> Option<WatchFinding> {
    let (reads, queued) = (direction.reads.as_ref()?, direction.queued.as_ref()?);
    let waits = queued.p50?;
    let streams = !report.edge.kind.is_of_messages() && report.edge.kind.keeps_bytes();
    let each = mean_bytes(reads);
    if !streams || reads.calls < FEW || each == 0 || each > PAGE_BYTES || waits < READS_THAT_WAIT * each {
        return None;
    }
    finding(
        "one-call-a-message",
        format!(
            "{} reads {} a call, while {} wait in the median",
            names(report, &ends_of(report, direction, false)),
            units::bytes(each),
            units::bytes(waits)
        ),
        vec![
            so_many(reads, "read"),
            format!(
                "waiting to be read: {} in the median, {} at most",
                units::bytes(waits),
                units::bytes(queued.max)
            ),
        ],
        "Read into a larger buffer, and take the messages out of that: one call then fetches all that wait",
    )
}

/// Writes that are longer than the pipe: each sleeps until the reader has made room, at least once.
pub(super) fn small_pipe(report: &WatchReport, direction: &WatchedDirection) -> Option<WatchFinding> {
    let (writes, capacity) = (direction.writes.as_ref()?, report.edge.capacity_bytes?);
    let sizes = writes.sizes.as_ref()?;
    let longer: u64 = sizes.histogram.iter().filter(|pair| pair.0 > capacity).map(|pair| pair.1).sum();
    let in_writes = share(report, writes.total_ns);
    let is_pipe = matches!(report.edge.kind, EdgeKind::Pipe | EdgeKind::Fifo);
    if !is_pipe || longer < 10 || longer * 10 < sizes.samples || in_writes < 0.1 {
        return None;
    }
    finding(
        "small-pipe",
        format!(
            "{} writes more at once than the pipe holds, and has to wait in the middle",
            names(report, &ends_of(report, direction, true))
        ),
        vec![
            format!(
                "{} of {} writes are longer than the pipe's {}, the longest {}",
                units::count(longer),
                units::count(sizes.samples),
                units::bytes(capacity),
                units::bytes(sizes.max)
            ),
            format!("{} of the time in writes", percent(in_writes)),
        ],
        "Make the pipe larger with F_SETPIPE_SZ of fcntl(2), up to /proc/sys/fs/pipe-max-size, or write less at once",
    )
}

#[cfg(test)]
mod tests {
    use super::super::of;
    use super::super::sample::{calls, ids, ping_pong, pipe, spread};
    use super::*;

    #[test]
    fn small_writes_are_found_where_a_read_takes_several() {
        let found = of(&pipe(calls(100_000, 10, 900), calls(1_000, 1_000, 3_000)));
        assert_eq!(ids(&found), ["tiny-writes"]);
        assert!(found[0].sentence.contains("?[10]") && found[0].sentence.contains("100"), "{found:?}");
        // One read a write; large writes; few; datagrams, of which each is a message.
        assert_eq!(of(&pipe(calls(100_000, 10, 900), calls(100_000, 10, 900))), []);
        assert_eq!(of(&pipe(calls(100_000, 4096, 900), calls(10_000, 40_960, 3_000))), []);
        assert_eq!(of(&pipe(calls(50, 10, 900), calls(5, 100, 3_000))), []);
        let mut datagrams = ping_pong(EdgeKind::UnixDatagram);
        datagrams.directions[0].reads = Some(calls(1_000, 64, 35_000));
        assert_eq!(of(&datagrams), []);
    }

    #[test]
    fn small_reads_are_found_where_many_wait() {
        let mut report = pipe(calls(10_000, 1_000, 900), calls(100_000, 100, 900));
        assert_eq!(of(&report), [], "nothing waits");
        report.directions[0].queued = spread(&[(0, 10), (60_000, 90)]);
        assert_eq!(ids(&of(&report)), ["one-call-a-message"]);
        report.directions[0].reads = Some(calls(1_000, 10_000, 900));
        assert_eq!(of(&report), [], "each read takes much");
    }

    #[test]
    fn writes_longer_than_the_pipe_are_found() {
        let found = of(&pipe(calls(1_000, 1 << 20, 500_000), calls(16_000, 65536, 20_000)));
        assert!(ids(&found).contains(&"small-pipe"), "{found:?}");
        let found = of(&pipe(calls(1_000, 65536, 500_000), calls(1_000, 65536, 20_000)));
        assert!(!ids(&found).contains(&"small-pipe"), "they fit: {found:?}");
    }
}
