//! Switches: when each process gave up its core, by the scheduler's own records. They are given to everybody for
//! his own processes, where perf is allowed at all.

use std::io;
use std::sync::atomic::AtomicBool;

use super::bench::{Bench, ProbeError, Row};
use crate::sys::perf::{Counter, Records, Ring, Said, Watched, Whom};

/// Pages of each ring: some thousands of records, and little enough for everybody to lock.
const PAGES: usize = 32;

/// How often a side went to sleep, and how often it was put aside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outs {
    /// It had nothing to do.
    pub slept: u64,
    /// It could have gone on.
    pub preempted: u64,
}

/// Sends a row, and counts what both sides' cores were given up for meanwhile: from the first call of the channel to
/// the last.
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
    let row = match bench.send_with_times(messages, stop) {
        Ok(row) => row,
        Err(error) => return Ok(Err(error)),
    };
    let mut outs = [Outs::default(); 2];
    let mut lost = false;
    for ((ring, outs), calls) in rings.iter_mut().zip(&mut outs).zip([&row.sends, &row.recvs]) {
        let (Some(first), Some(last)) = (calls.first(), calls.last()) else { continue };
        let window = first.0..=last.1;
        let mut told = false;
        let full = ring.drain(|record| match record.read(records) {
            Some(Said::Switch { t_ns, out: true, preempted, .. }) if window.contains(&t_ns) => {
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
