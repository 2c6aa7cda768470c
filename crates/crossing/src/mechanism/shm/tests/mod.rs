//! The ring's inner proofs. Every one runs the very [`Producer`] and [`Consumer`] that run between two
//! processes; only the memory behind the seam differs.
//!
//! - [`heap`]: ordinary memory, two threads that sleep and wake each other;
//! - [`property`]: random histories against a queue that cannot be wrong;
//! - [`exhaustive`]: every claim that a peer can make, against arithmetic without wrapping;
//! - [`hostile`]: memory that answers each load with bits of an adversary's choice;
//! - [`loom`]: every interleaving and every stale value that the memory model allows, up to a bound on preemptions, and
//!   seeded mistakes in the ordering that must be caught.

mod exhaustive;
mod heap;
mod hostile;
mod hostile_memory;
mod loom;
mod loom_memory;
mod property;
#[path = "../../../../tests/process/seed.rs"]
mod seed;

use crate::error::{RecvError, SendError};
use crate::wait::{Patience, WaitStrategy};

use super::memory::{Memory, Word};
use super::ring::consumer::Consumer;
use super::ring::producer::Producer;
use super::ring::{GRAIN, frame};

/// Sleeps at once, for ever: what never looks at a clock. Nor does it poll first, as if the peer shared its only core.
fn block() -> Patience {
    Patience::new(WaitStrategy::Block, true)
}

/// Writes a message word by word; the bytes up to the next grain become `spoilt`.
fn write_grains(memory: &impl Memory, at: u64, message: &[u8], spoilt: u8) {
    for (i, chunk) in (0..).zip(message.chunks(8)) {
        let mut grain = [spoilt; 8];
        grain[..chunk.len()].copy_from_slice(chunk);
        memory.write_word(at.wrapping_add(i * GRAIN), u64::from_le_bytes(grain));
    }
}

/// Reads a message word by word.
fn read_grains(memory: &impl Memory, at: u64, message: &mut [u8]) {
    for (i, chunk) in (0..).zip(message.chunks_mut(8)) {
        let grain = memory.read_word(at.wrapping_add(i * GRAIN)).to_le_bytes();
        chunk.copy_from_slice(&grain[..chunk.len()]);
    }
}

/// Sends as the sending half of a connection does.
fn send<M: Memory>(ring: &mut Producer<M>, message: &[u8], patience: &mut Patience) -> Result<(), SendError> {
    loop {
        match ring.stage(message) {
            Ok(()) => {
                ring.publish();
                return Ok(());
            }
            Err(SendError::Full) => ring.wait_room(frame(message.len()), patience)?,
            Err(error) => return Err(error),
        }
    }
}

/// Sends by a claim, as the sending half of a connection does.
fn claim<M: Memory>(
    ring: &mut Producer<M>,
    message: &[u8],
    patience: &mut Patience,
) -> Result<(), SendError> {
    loop {
        match make_room(ring, message.len()) {
            Ok(()) => {
                ring.write_claimed(message);
                ring.commit(message.len());
                return Ok(());
            }
            Err(SendError::Full) => ring.wait_room(frame(message.len()), patience)?,
            Err(error) => return Err(error),
        }
    }
}

/// Claims room for a message of `len` bytes, as the sending half of a connection does.
fn make_room<M: Memory>(ring: &mut Producer<M>, len: usize) -> Result<(), SendError> {
    if ring.claim_at_once(len) { Ok(()) } else { ring.claim(len) }
}

/// Receives as the receiving half of a connection does.
fn recv<M: Memory>(
    ring: &mut Consumer<M>,
    buffer: &mut [u8],
    patience: &mut Patience,
) -> Result<usize, RecvError> {
    let mut part = 0;
    loop {
        match ring.try_recv(buffer, &mut part, true) {
            Err(RecvError::Empty) => ring.wait(patience)?,
            outcome => return outcome,
        }
    }
}

/// Receives as one that reads in place does; the bytes are read before the place is given back.
fn recv_in_place<M: Memory>(
    ring: &mut Consumer<M>,
    buffer: &mut [u8],
    patience: &mut Patience,
) -> Result<usize, RecvError> {
    loop {
        match ring.try_find() {
            Err(RecvError::Empty) => ring.wait(patience)?,
            Err(error) => return Err(error),
            Ok((place, len)) => {
                ring.memory().read(place, &mut buffer[..len]);
                ring.leave_found();
                return Ok(len);
            }
        }
    }
}

/// Messages as they stand together in the ring.
fn frames<'a>(messages: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut frames = Vec::new();
    for message in messages {
        frames.extend_from_slice(&(message.len() as u64).to_le_bytes());
        frames.extend_from_slice(message);
        frames.resize(frames.len().next_multiple_of(GRAIN as usize), 0);
    }
    frames
}

/// Where a word stands in a test's array of words.
fn slot(word: Word) -> usize {
    match word {
        Word::Tail => 0,
        Word::Head => 1,
        Word::SenderAsleep => 2,
        Word::ReceiverAsleep => 3,
        Word::BlobsTaken => unreachable!("the ring knows nothing of blobs"),
    }
}

/// A small generator of numbers that look random (xorshift64*), so that a campaign is the same on every
/// machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`, which is not zero.
    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
