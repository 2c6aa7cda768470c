//! The copy proof: hardware watchpoints on one byte of the message, wherever it is.
//!
//! The processor has registers that stop it, for a moment, after any instruction that touched a byte. One is set on
//! the byte in the sender's memory, one in the receiver's, and one on the kernel's own copy: then every instruction
//! that reads or writes that byte is known, with the function it stands in. A copy reads the byte in one place and
//! writes it in another. So two copies touch the kernel's byte twice, once to write and once to read it; a third
//! would have touched it once more.
//!
//! The place of the message is a forecast (`aim.rs`). Only messages for which it came true count.

use std::io;
use std::sync::atomic::AtomicBool;

use super::aim::Aim;
use super::bench::{InstrumentFault, ProbeSetup};
use super::learn::Guess;
use super::stream::EventStream;
use super::symbols::Symbols;
use super::touch::{BytePlace, Life, touch};
use super::tracefs::Tracefs;

/// Messages that are kept.
const KEEP: usize = 8;
/// The shortest message that has a byte to be watched.
pub const LEAST_BYTES: u32 = 40;
/// Pages of each ring.
const PAGES: usize = 256;

/// The findings of the watchpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// The messages in which every watchpoint was where the byte was.
    pub lives: Vec<Life>,
    /// Whether the kernel's own copy was among the places; shared memory has none. A long message
    /// goes to the kernel in pieces, whose places are not learnt.
    pub whole: bool,
    /// The places that were watched.
    pub places: Vec<(BytePlace, u64)>,
    /// From `send` to `recv` under the watchpoints, the median.
    pub flight_ns_p50: Option<u64>,
    /// The two processes.
    pub pids: [u32; 2],
    /// The cores they were read back on.
    pub cores: Option<[usize; 2]>,
}

impl Proof {
    /// Copies by the kernel of all those messages.
    pub fn copies(&self) -> Option<u64> {
        let copies: usize = self.lives.iter().map(Life::kernel_copies).sum();
        (!self.lives.is_empty()).then_some(copies as u64)
    }

    /// Copies by the kernel for each message, on average.
    pub fn copies_per_message(&self) -> Option<f64> {
        Some(self.copies()? as f64 / self.lives.len() as f64)
    }
}

/// Watches one byte of a few messages over a connection of its own. Without `tracefs` only what the processes do
/// themselves is seen, which takes no privilege.
///
/// # Errors
/// When the kernel does not let us watch, and as [`Bench::send`](super::Bench::send).
pub fn prove(
    setup: &ProbeSetup,
    tracefs: Option<&Tracefs>,
    stop: &AtomicBool,
) -> Result<Proof, InstrumentFault> {
    let _held = Symbols::kernel();
    let mut aim = Aim::take(setup, tracefs, stop)?;
    let mut best: Option<Proof> = None;
    for guess in aim.guesses() {
        let watched = watch(&mut aim, guess, stop)?;
        if watched.whole {
            return Ok(watched);
        }
        best = best.or(Some(watched));
    }
    Ok(best.ok_or_else(|| io::Error::other("nothing was watched"))?)
}

/// Watches a row.
fn watch(aim: &mut Aim, guess: Option<Guess>, stop: &AtomicBool) -> Result<Proof, InstrumentFault> {
    let mut places: Vec<(BytePlace, u64)> =
        aim.places(guess).into_iter().map(|(place, _, address)| (place, address)).collect();
    places.sort_unstable();
    let mut stream =
        EventStream::open(&aim.wants(guess, |place| place), PAGES, aim.privileged(), aim.privileged())?;
    stream.begin()?;
    let row = aim.send(stop)?;
    let told = stream.end()?;
    let pids = aim.bench().pids();
    let lives = row.windows().map(|window| {
        let inside = told.events.iter().filter(|seen| (window.0..=window.1).contains(&seen.sample.t_ns));
        Life { window, touches: inside.map(|seen| touch(seen.key, &seen.sample, &pids)).collect() }
    });
    let lives: Vec<Life> = lives.collect();
    let met: Vec<Life> = lives.iter().filter(|life| life.kernel_was_met()).cloned().collect();
    let shared = places
        .iter()
        .any(|(place, _)| matches!(place, BytePlace::SharedBySender | BytePlace::SharedByReceiver));
    let whole = if guess.is_some() { !met.is_empty() } else { shared };
    let mut lives = if guess.is_some() && whole { met } else { lives };
    lives.truncate(KEEP);
    let cores = aim.bench().cores();
    Ok(Proof { lives, whole, places, flight_ns_p50: row.flight_ns_p50, pids, cores })
}
