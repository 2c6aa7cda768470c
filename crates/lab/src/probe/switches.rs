//! Switches: when each process gave up its core, by the scheduler's own records. They are given to everybody for
//! his own processes, where perf is allowed at all.
//!
//! Only what falls into a call of the channel counts, so that the sender's pauses are no sleeps of its.

use std::io;
use std::sync::atomic::AtomicBool;

use super::bench::{Bench, ProbeError, Row};
use super::wakes::within;
use crate::sys::perf::{Counter, Records, Ring, Said, Watched, Whom};

/// Pages of each ring: some thousands of records, and little enough for everybody to lock.
const PAGES: usize = 32;
/// Messages whose records find room in it.
const MOST: u64 = 250;

/// How often a side went to sleep, and how often it was put aside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outs {
    /// It had nothing to do.
    pub slept: u64,
    /// It could have gone on.
    pub preempted: u64,
}

/// Sends a row of at most `messages`, and counts what both sides gave up their cores for within the calls of the channel.
///
/// # Errors
/// [`io::Error`] when the kernel does not let us look, or records were lost. Inside, as [`Bench::send`].
pub fn count(
    bench: &mut Bench,
    messages: u64,
    stop: &AtomicBool,
) -> io::Result<Result<([Outs; 2], Row), ProbeError>> {
    let records = Records { switches: true, ..Records::default() };
    let mut rings = Vec::new();
    for pid in bench.pids() {
        let bearer = Counter::open(Watched::Nothing, Whom::Thread(pid), records, false)?;
        bearer.enable()?;
        rings.push(Ring::of(bearer, PAGES)?);
    }
    let row = match bench.send_with_times(messages.min(MOST), stop) {
        Ok(row) => row,
        Err(error) => return Ok(Err(error)),
    };
    let mut outs = [Outs::default(); 2];
    let mut lost = false;
    for ((ring, outs), calls) in rings.iter_mut().zip(&mut outs).zip([&row.sends, &row.recvs]) {
        let mut told = false;
        let full = ring.drain(|record| match record.read(records) {
            Some(Said::Switch { t_ns, out: true, preempted, .. }) if within(calls, t_ns) => {
                if preempted {
                    outs.preempted += 1;
                } else {
                    outs.slept += 1;
                }
            }
            Some(Said::Lost(_)) => told = true,
            _ => {}
        });
        lost |= told || full;
    }
    if lost {
        return Err(io::Error::other("switch records found no room in the ring"));
    }
    Ok(Ok((outs, row)))
}
