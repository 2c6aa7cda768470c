//! The aim: where one byte of the next message will be, for watchpoints on it.
//!
//! It is a forecast from a few messages before (`learn.rs`). A row of messages is sent, and the
//! watchpoints tell whether the forecast came true.

use std::sync::atomic::AtomicBool;

use super::bench::{Bench, BenchRow, InstrumentFault, ProbeError, ProbeSetup};
use super::counters::cores;
use super::learn::{Guess, Learnt, WATCH, learn};
use super::stream::Want;
use super::touch::BytePlace;
use super::tracefs::Tracefs;
use crate::sys::perf::{PerfEvent, Whom};

/// A bench, and the place of the next message's byte on it.
#[derive(Debug)]
pub(super) struct Aim {
    bench: Bench,
    learnt: Learnt,
    privileged: bool,
    /// Messages since the places were learnt.
    sent: u64,
}

impl Aim {
    /// Starts the two, lets them exchange a few messages, and learns from them.
    pub(super) fn take(
        setup: &ProbeSetup,
        tracefs: Option<&Tracefs>,
        stop: &AtomicBool,
    ) -> Result<Aim, InstrumentFault> {
        let mut bench = Bench::start_apart(setup, stop)?;
        let learnt = learn(&mut bench, setup, tracefs, stop)?;
        Ok(Aim { bench, learnt, privileged: tracefs.is_some(), sent: 0 })
    }

    /// Whether the kernel's own acts are seen, too.
    pub(super) fn privileged(&self) -> bool {
        self.privileged
    }

    /// The bench.
    pub(super) fn bench(&self) -> &Bench {
        &self.bench
    }

    /// Possible places of the kernel's copy; one `None` if it has none.
    pub(super) fn guesses(&self) -> Vec<Option<Guess>> {
        match self.learnt.kernel.is_empty() {
            true => vec![None],
            false => self.learnt.kernel.iter().copied().map(Some).collect(),
        }
    }

    /// How many messages are watched at once: in a ring the place moves on with each.
    fn messages(&self) -> u64 {
        if self.learnt.stride == 0 { WATCH } else { 1 }
    }

    /// The places of the byte in the next row.
    pub(super) fn places(&self, guess: Option<Guess>) -> Vec<(BytePlace, Option<usize>, u64)> {
        let moved = |place, address| match place {
            BytePlace::SharedBySender | BytePlace::SharedByReceiver => {
                address + self.learnt.stride * self.sent
            }
            _ => address,
        };
        let users = self.learnt.users.iter();
        let users = users.map(|&(place, side, address)| (place, Some(side), moved(place, address)));
        let kernel = guess.map(|guess| (BytePlace::Kernel, None, guess.after(self.sent)));
        users.chain(kernel).collect()
    }

    /// The events of a stream that show every touch of the byte in the next row, each named by
    /// `key`.
    pub(super) fn wants<K>(&self, guess: Option<Guess>, key: impl Fn(BytePlace) -> K) -> Vec<Want<K>> {
        let pids = self.bench.pids();
        let mut wants = Vec::new();
        for (place, side, address) in self.places(guess) {
            let whom = match side {
                Some(side) => vec![Whom::Thread(pids[side])],
                // Every touch of it, on any core on which the two may run.
                None => cores(&self.bench).into_iter().map(Whom::Core).collect(),
            };
            let watched = PerfEvent::Byte { address, reads: true };
            wants.extend(whom.into_iter().map(|whom| Want { key: key(place), watched, whom, only: None }));
        }
        wants
    }

    /// Sends the row.
    pub(super) fn send(&mut self, stop: &AtomicBool) -> Result<BenchRow, ProbeError> {
        let messages = self.messages();
        self.sent += messages;
        self.bench.send_with_times(messages, stop)
    }
}
