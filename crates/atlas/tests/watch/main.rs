//! Watches of channels between processes that count what they do themselves: the watch must say the same, to the call.

// The processes are made with fork(2), and use channels by calls that Rust's library does not have.
#![allow(unsafe_code)]

#[path = "../../../crossing/tests/process/cannot_run.rs"]
mod cannot_run;
mod channels;
mod child;
mod programs;
mod strange;

use std::collections::BTreeSet;
use std::os::fd::RawFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

use atlas::{CallsSeen, Edge, EdgeKind, ProgramMap, Scope, WatchInstrument, WatchOptions, WatchReport};

use cannot_run::{Lacks, cannot_run};
use channels::Channel;
use child::{Child, STAMPS, Seen, Tally, alone, now, read, write};

/// No watch here lasts longer: each ends as soon as its processes are done.
pub(crate) const LIMIT: Duration = Duration::from_secs(600);

/// Messages of a conversation.
const ROUNDS: usize = 1500;

/// The calls in which a process waits for a message.
pub(crate) const READS: [libc::c_long; 3] = [libc::SYS_read, libc::SYS_recvfrom, libc::SYS_mq_timedreceive];

/// The map of these processes, and the edge of this kind that they have, and none but this one.
pub(crate) fn edge_of(pids: &[i32], kind: EdgeKind) -> (ProgramMap, Edge) {
    let pids: BTreeSet<i32> = pids.iter().copied().collect();
    let map = ProgramMap::take(&Scope::Processes(pids.clone()));
    let own = std::process::id() as i32;
    // They have inherited what this process writes its results to.
    let of = |edge: &Edge| -> BTreeSet<i32> {
        edge.ends.iter().map(|end| end.process.pid).filter(|&pid| pid != own).collect()
    };
    let edge = map.edges.iter().find(|edge| edge.kind == kind && of(edge) == pids);
    let edge = edge.unwrap_or_else(|| panic!("no {kind:?} joins {pids:?}: {:#?}", map.edges)).clone();
    (map, edge)
}

/// Watches by calls, for as long as `goes_on` says so; `None` where this machine has no such instrument.
pub(crate) fn watch_calls(
    map: &ProgramMap,
    edge: &Edge,
    goes_on: impl FnMut(u64) -> bool,
) -> Option<WatchReport> {
    let options = WatchOptions { lasts: LIMIT, instrument: Some(WatchInstrument::Calls) };
    match atlas::watch(map, edge, &options, goes_on) {
        Ok(report) => Some(report),
        Err(error) => {
            cannot_run(Lacks::Right, error);
            None
        }
    }
}

/// Watches two processes: the second begins, and the first as soon as the second sleeps in a read, so that the watch knows which
/// byte is the first. It ends when both are done.
pub(crate) fn watch_both(tally: &Tally, kind: EdgeKind, both: &[Child; 2]) -> Option<WatchReport> {
    let (map, edge) = edge_of(&[both[0].pid(), both[1].pid()], kind);
    let report = watch_calls(&map, &edge, |_| {
        tally.release(1);
        if both[1].is_in(&READS) {
            tally.release(0);
        }
        !(tally.is_done(0) && tally.is_done(1))
    })?;
    assert!(tally.is_done(0) && tally.is_done(1), "{kind:?}: they did not end: {report:#?}");
    Some(report)
}

/// The side of a process.
pub(crate) fn side(report: &WatchReport, child: &Child) -> usize {
    let end = report.ends.iter().find(|end| end.process.pid == child.pid()).expect("it is watched");
    usize::from(end.side)
}

fn counted(calls: &Option<CallsSeen>) -> [u64; 2] {
    let calls = calls.as_ref().expect("recorded");
    [calls.calls, calls.bytes]
}

/// What the watch says of what `from` wrote and the other read, and what they say: calls and bytes of each.
pub(crate) fn both_counts(report: &WatchReport, at: usize, from: &Seen, to: &Seen) -> ([u64; 4], [u64; 4]) {
    let direction = &report.directions[at];
    let ([a, b], [c, d]) = (counted(&direction.writes), counted(&direction.reads));
    let ([writes, written, ..], [.., reads, read]) = (from.all(), to.all());
    ([a, b, c, d], [writes, written, reads, read])
}

/// Of the n-th message.
pub(crate) fn size(n: usize) -> usize {
    1 + n * 37 % 1400
}

#[test]
fn a_conversation_is_counted_to_the_call_and_joined_message_by_message() {
    let _alone = alone();
    for channel in channels::two_ways() {
        let (first, second) = channel.numbers();
        let tally = Tally::new();
        // A first question that finds nothing: after it, it is known which byte of the answers is the first.
        let asks = |seen: &Seen| {
            let mut buffer = [0; 4096];
            // SAFETY: the buffer lives as long as the call.
            let empty = unsafe { libc::recv(first, buffer.as_mut_ptr().cast(), 1, libc::MSG_DONTWAIT) };
            child::counted_read(empty, seen);
            for n in 0..ROUNDS {
                tally.wrote_at[n].store(now(), Ordering::Relaxed);
                write(first, &buffer[..size(n)], seen);
                receive(first, size(n + 1), &mut buffer, seen);
            }
        };
        let answers = |seen: &Seen| {
            let mut buffer = [0; 4096];
            for n in 0..ROUNDS {
                receive(second, size(n), &mut buffer, seen);
                tally.read_at[n].store(now(), Ordering::Relaxed);
                write(second, &buffer[..size(n + 1)], seen);
            }
        };
        let both = [Child::fork(tally, 0, &[second], asks), Child::fork(tally, 1, &[first], answers)];
        let Channel { what, kind, .. } = channel;
        drop((channel.first, channel.second));
        let Some(report) = watch_both(tally, kind, &both) else { return };
        let at = side(&report, &both[0]);
        for (at, from, to) in [(at, 0, 1), (1 - at, 1, 0)] {
            let (watched, own) = both_counts(&report, at, &tally.seen[from], &tally.seen[to]);
            assert_eq!(watched, own, "{what}: {report:#?}");
            let joined = report.directions[at].write_to_read_ns.as_ref().expect("joined").samples;
            assert_eq!(joined, ROUNDS as u64, "{what}, from {from}");
            let sizes = report.directions[at].writes.as_ref().unwrap().sizes.as_ref().unwrap();
            let mut expected: Vec<u64> = (0..ROUNDS).map(|n| size(n + from) as u64).collect();
            expected.sort_unstable();
            let found = sizes.histogram.iter().flat_map(|&(bytes, count)| vec![bytes; count as usize]);
            // More than 512 sizes are kept to three digits.
            let wrong = found.zip(&expected).filter(|(found, own)| found.abs_diff(**own) * 1000 > **own);
            assert_eq!(wrong.count(), 0, "{what}");
        }
        assert_eq!(tally.seen[0].would_wait.load(Ordering::Relaxed), 1);
        assert_eq!(report.directions[1 - at].reads.as_ref().unwrap().would_wait, 1, "{what}");
        in_order(&report, at, what);
        agrees_with_stamps(&report, at, tally, what);
    }
}

/// A whole message: of a stream it may come in parts.
fn receive(fd: RawFd, len: usize, buffer: &mut [u8], seen: &Seen) {
    let mut had = 0;
    while had < len {
        let most = buffer.len().min(len - had);
        match read(fd, &mut buffer[..most], seen) {
            some @ 1.. => had += some as usize,
            _ => return,
        }
    }
}

/// The traffic is question and answer, each with its size.
fn in_order(report: &WatchReport, asks: usize, what: &str) {
    let traffic = report.traffic.as_ref().expect("joined");
    let messages = &traffic.messages;
    let first = 2 * ROUNDS - messages.len();
    assert!(first < 10, "{what}: {first} messages came before the traffic began");
    for (n, message) in (first..).zip(messages) {
        let (of, round) = (n % 2, n / 2);
        let expected = (if of == 0 { asks } else { 1 - asks }, size(round + of) as u64);
        assert_eq!((usize::from(message.side), message.bytes), expected, "{what}: message {n}");
    }
}

/// The processes' own stamps stand around the calls, so that no time of the watch may be longer: sorted, each of its times has a
/// longer one beside it. A wrong join is off by a message and breaks that.
fn agrees_with_stamps(report: &WatchReport, asks: usize, tally: &Tally, what: &str) {
    let stamp = |n: usize| {
        let at = |of: &[std::sync::atomic::AtomicU64; STAMPS]| of[n].load(Ordering::Relaxed);
        at(&tally.read_at) - at(&tally.wrote_at)
    };
    let mut own: Vec<u64> = (0..ROUNDS).map(stamp).collect();
    own.sort_unstable();
    let times = report.directions[asks].write_to_read_ns.as_ref().expect("joined");
    let watched: Vec<u64> =
        times.histogram.iter().flat_map(|&(ns, count)| vec![ns; count as usize]).collect();
    // Times are kept to three digits, rounded up.
    let longer =
        |watched: &[u64]| watched.iter().zip(&own).filter(|(one, own)| **one > **own + **own / 500).count();
    assert_eq!((watched.len(), longer(&watched)), (ROUNDS, 0), "{what}");
    // The control: joined with the answer to the next question, times are a round longer.
    let mut wrong: Vec<u64> = (0..ROUNDS - 1)
        .map(|n| tally.read_at[n + 1].load(Ordering::Relaxed) - tally.wrote_at[n].load(Ordering::Relaxed))
        .collect();
    wrong.sort_unstable();
    assert!(longer(&wrong) > 0, "{what}: a wrong join was not caught");
    let at = ROUNDS / 2;
    println!("{what}: from write to read {} ns by the watch, {} ns by the processes", watched[at], own[at]);
}

#[test]
fn a_stream_one_way_is_counted_to_the_call_and_every_write_is_joined() {
    let _alone = alone();
    for channel in channels::one_way() {
        let (first, second) = channel.numbers();
        let tally = Tally::new();
        let total: usize = (0..ROUNDS).map(size).sum();
        let both = [
            Child::fork(tally, 0, &[second], |seen| {
                for n in 0..ROUNDS {
                    write(first, &[1; 4096][..size(n)], seen);
                }
            }),
            Child::fork(tally, 1, &[first], |seen| receive(second, total, &mut [0; 4096], seen)),
        ];
        let Channel { what, kind, .. } = channel;
        drop((channel.first, channel.second));
        let Some(report) = watch_both(tally, kind, &both) else { return };
        let (watched, own) = both_counts(&report, 0, &tally.seen[0], &tally.seen[1]);
        assert_eq!(watched, own, "{what}: {report:#?}");
        let joined = report.directions[0].write_to_read_ns.as_ref().expect("joined").samples;
        assert_eq!((joined, report.lost_calls), (watched[0], 0), "{what}");
        assert_eq!(report.directions.len(), 1, "{what}");
    }
}

#[test]
fn a_queue_of_messages_is_counted_by_message() {
    let _alone = alone();
    let Some(channel) = channels::posix_queue() else {
        return cannot_run(Lacks::Part, "this kernel has no POSIX message queues");
    };
    let (first, second) = channel.numbers();
    let tally = Tally::new();
    let both = [
        Child::fork(tally, 0, &[second], |seen| {
            let buffer = [1_u8; 4096];
            for n in 0..ROUNDS {
                // SAFETY: the buffer is longer than any message, and lives as long as the call.
                let done = unsafe { libc::mq_send(first, buffer.as_ptr().cast(), size(n), 0) };
                child::counted_write(done as isize, seen);
                seen.written.fetch_add(size(n) as u64, Ordering::Relaxed);
            }
        }),
        Child::fork(tally, 1, &[first], |seen| {
            let mut buffer = [0_u8; 4096];
            for _ in 0..ROUNDS {
                // SAFETY: as above.
                let done = unsafe {
                    libc::mq_receive(second, buffer.as_mut_ptr().cast(), buffer.len(), std::ptr::null_mut())
                };
                child::counted_read(done, seen);
            }
        }),
    ];
    drop((channel.first, channel.second));
    let Some(report) = watch_both(tally, EdgeKind::PosixQueue, &both) else { return };
    let ([writes, _, reads, read], own) = both_counts(&report, 0, &tally.seen[0], &tally.seen[1]);
    assert_eq!([writes, reads, read], [own[0], own[2], own[3]], "{report:#?}");
}
