//! The ring: messages of any length through memory that one side writes and the other may only read.
//!
//! Each side owns one region. It holds what that side writes: the bytes it sends, its `tail` (how far it has
//! written), its `head` for the *other* ring (how far it has read there), and two flags that say whether it
//! sleeps. No process ever writes a word that another one writes, so there is nothing to lock and nothing to
//! repair after a kill.
//!
//! ```text
//!   my region (I write, you read)          your region (you write, I read)
//!   tail ───────────┐                      head  ◄── what you have taken of mine
//!   bytes           │  one message after the other, each a header word and its bytes, padded to 8
//!   ┌───────┬───────▼──────┬───────────┐
//!   │ taken │ not yet read │   free    │   free = capacity − (tail − head)
//!   └───────┴──────────────┴───────────┘
//! ```
//!
//! **Indices** count bytes, never wrap to the capacity, and overflow at 2⁶⁴; the place in the ring
//! is `index & (capacity − 1)`. They start a mebibyte below the overflow, so that every ring passes
//! it within its first mebibyte.
//!
//! **Publication** is one release store of `tail`, paired with one acquire load of it at the reader: a kill at any
//! instruction leaves a message published or not published. The reader publishes `head` rarely (a quarter of
//! the ring at a time), because each publication takes the line away from the writer. No flush is needed for
//! that: a message is at most half the ring, so a writer that finds no room sees more than half of it used,
//! of which less than a quarter can be read but unpublished; the reader still has something to read, and
//! publishes as it goes.
//!
//! **A long message** is published in parts of [`Memory::PART`] bytes while it is being written, so that its reader copies
//! one part while the writer fills the next. It counts as published with its last part: until then it is not there, and
//! a receiver whose patience ends, or whose peer dies, has taken nothing of it. A writer that shares its only core with
//! the reader publishes it whole.
//!
//! **A stream leaves the reader's cache**, on processors where a writer pays dearly for lines that another core holds
//! ([`Memory::let_go`]): when the looks have found much at a time, the reader puts out what it has read before it tells the
//! writer. A lone message is left alone.
//!
//! **What the peer says is a claim.** Its index is loaded once per look, checked against what is
//! possible (not backwards, not beyond the capacity, a multiple of 8), and kept in private memory.
//! A length is read once, checked against what was published and against the largest message, and
//! the bytes are copied out before they are parsed. A claim that cannot be true ends the connection
//! with a [`Violation`].
//!
//! **Sleeping.** An end that finds nothing raises its flag, passes the heavy half of an asymmetric
//! barrier, looks again, and sleeps on the peer's index. An end that publishes passes the light
//! half and looks at the flag. One of the two must see the other. The flag is the index that the
//! sleeper has seen, made odd; awake it is zero. So the publisher can tell whether its publication
//! ends this very sleep: a flag may have gone up after the message was taken, and a wake-up that
//! comes then ends nothing. And one sleep is ended by one system call, however many messages follow
//! before the sleeper runs.
//!
//! **Arming.** An end that waits for many things at once does not sleep here. It *arms* its
//! descriptor: it raises the same flag, with one more bit, passes the same barrier and looks again.
//! The publisher then [rings](super::memory::Memory::ring) instead of waking. All that is said above of sleeping holds, and an
//! end that is not armed is never rung. A sleeper looks again after its first nap, should the barrier have missed the publisher;
//! an armed end cannot, and looks [some more times](super::memory::Memory::looks_after_barrier) before it says that it waits.

pub(crate) mod consumer;
pub(crate) mod producer;

use super::memory::{Memory, Status, Word};
use super::rules;

/// Where both indices start: a mebibyte below the overflow.
pub(crate) const START: u64 = 0_u64.wrapping_sub(1 << 20);

/// The grain of the ring in bytes: the header word, and what messages are padded to.
pub(crate) const GRAIN: u64 = 8;

/// The flag of an end that is awake.
const AWAKE: u64 = 0;

/// The bit that turns an index into a flag: indices are multiples of 8, so their lowest bit is
/// free.
const ASLEEP: u64 = 1;

/// The bit beside it of an end that sleeps elsewhere, and has armed its descriptor.
const ARMED: u64 = 2;

/// Whether publishing the index `published` ends the sleep that `flag` tells of, if `woken` is the last one
/// ended.
#[inline]
fn ends_sleep(flag: u64, published: u64, woken: u64) -> bool {
    flag & ASLEEP == ASLEEP && flag & !ARMED != published | ASLEEP && flag != woken
}

/// Ends the sleep that `flag` tells of: my `word` has changed.
#[cold]
fn rouse(memory: &impl Memory, flag: u64, word: Word) {
    if flag & ARMED == ARMED { memory.ring(word) } else { memory.wake(word) }
}

/// The bytes that a message of `len` bytes takes in the ring.
pub(crate) const fn frame(len: usize) -> u64 {
    GRAIN + (len as u64).next_multiple_of(GRAIN)
}

impl Status {
    #[inline]
    pub(super) fn ends_sending(self) -> bool {
        rules::DEATH && self.intersects(Status::GONE | Status::RECEIVER_CLOSED)
    }

    #[inline]
    pub(super) fn ends_receiving(self) -> bool {
        rules::DEATH && self.intersects(Status::GONE | Status::SENDER_CLOSED)
    }
}
