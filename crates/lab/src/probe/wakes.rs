//! Wake-ups: how often the receiver was made runnable while it was in a call of the channel, by whomever.
//!
//! The line to the lab wakes it too, and so does much else that has nothing to do with messages. So each wake-up is
//! taken with its time, and only those within a `recv` count.

use std::io;
use std::sync::atomic::AtomicBool;

use super::bench::{Bench, BenchRow, InstrumentFault};
use super::counters::cores;
use super::stream::{EventStream, Want};
use super::tracefs::Tracefs;
use crate::sys::perf::{PerfEvent, Whom};

/// Pages of each ring, and messages whose wake-ups find room in it many times over.
const PAGES: usize = 128;
const MOST: u64 = 500;

/// Sends a row of at most `messages`, and counts.
///
/// # Errors
/// [`io::Error`] when the kernel does not let us look, or events were lost. Inside, as [`Bench::send`].
pub fn count(
    bench: &mut Bench,
    tracefs: &Tracefs,
    messages: u64,
    stop: &AtomicBool,
) -> Result<(u64, BenchRow), InstrumentFault> {
    let watched = PerfEvent::Tracepoint(tracefs.tracepoint("sched/sched_waking")?.id);
    let only = Some(format!("pid == {}", bench.pids()[1]));
    // Any waker counts: usually the sender, but an interrupt may come in between.
    let wants = cores(bench).into_iter().map(|core| Want {
        key: (),
        watched,
        whom: Whom::Core(core),
        only: only.clone(),
    });
    let mut stream = EventStream::open(&wants.collect::<Vec<_>>(), PAGES, false, true)?;
    stream.begin()?;
    let row = bench.send_with_times(messages.min(MOST), stop)?;
    let told = stream.end()?;
    if told.lost {
        return Err(io::Error::other("wake-ups found no room in the ring").into());
    }
    let count = told.events.iter().filter(|seen| within(&row.recvs, seen.sample.t_ns)).count() as u64;
    Ok((count, row))
}

/// Whether `t_ns` falls into one of `calls`, which follow each other.
pub(super) fn within(calls: &[(u64, u64)], t_ns: u64) -> bool {
    let begun = calls.partition_point(|(began, _)| *began <= t_ns);
    begun > 0 && t_ns <= calls[begun - 1].1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_between_two_calls_is_of_neither() {
        let calls = [(10, 20), (30, 40)];
        let found = [9, 10, 20, 21, 29, 30, 40, 41].map(|t_ns| within(&calls, t_ns));
        assert_eq!(found, [false, true, true, false, false, true, true, false]);
        assert!(!within(&[], 5));
    }
}
