//! Switches: when each process gave up its core, by the scheduler's own records. Every user gets
//! them for their own processes, where perf is allowed at all.
//!
//! Only what falls into a call of the channel counts, so that the sender's pauses are no sleeps of its.

use std::io;
use std::sync::atomic::AtomicBool;

use super::bench::{Bench, BenchRow, InstrumentFault};
use super::wakes::within;
use crate::sys::perf::{Counter, PerfEvent, Records, Ring, Said, Whom};

/// Pages of each ring: room for some thousands of records, and few enough that every user may lock
/// two rings.
const PAGES: usize = 64;
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

/// The records of one thread.
#[derive(Debug)]
pub(super) struct SwitchWatch(Ring);

const RECORDS: Records = Records { samples: false, stack: false, fields: false, switches: true };

impl SwitchWatch {
    /// From now on.
    pub(super) fn of(tid: u32) -> io::Result<SwitchWatch> {
        let bearer = Counter::open(PerfEvent::Nothing, Whom::Thread(tid), RECORDS, false)?;
        bearer.enable()?;
        Ok(SwitchWatch(Ring::of(bearer, PAGES)?))
    }

    /// How often it gave up its core at a time that counts.
    pub(super) fn outs(&mut self, counts: impl Fn(u64) -> bool) -> io::Result<Outs> {
        let mut outs = Outs::default();
        let mut lost = false;
        let full = self.0.drain(|record| match record.read(RECORDS) {
            Some(Said::Switch { t_ns, out: true, preempted, .. }) if counts(t_ns) => {
                if preempted {
                    outs.preempted += 1;
                } else {
                    outs.slept += 1;
                }
            }
            Some(Said::Lost(_)) => lost = true,
            _ => {}
        });
        if lost || full {
            Err(io::Error::other("switch records found no room in the ring"))
        } else {
            Ok(outs)
        }
    }
}

/// Sends a row of at most `messages`, and counts what both sides gave up their cores for within the calls of the channel.
///
/// # Errors
/// [`io::Error`] when the kernel does not let us look, or records were lost. Inside, as [`Bench::send`].
pub fn count(
    bench: &mut Bench,
    messages: u64,
    stop: &AtomicBool,
) -> Result<([Outs; 2], BenchRow), InstrumentFault> {
    let [sender, receiver] = bench.pids();
    let (mut sender, mut receiver) = (SwitchWatch::of(sender)?, SwitchWatch::of(receiver)?);
    let row = bench.send_with_times(messages.min(MOST), stop)?;
    let outs =
        [sender.outs(|t_ns| within(&row.sends, t_ns))?, receiver.outs(|t_ns| within(&row.recvs, t_ns))?];
    Ok((outs, row))
}
