//! Memory that lies behind the seam, and the auditor that checks what the ring does with the lies.
//!
//! The adversary knows where the indices stand, so that half of its answers are possible and lead further in; the others are
//! unaligned, a little too far, or noise. The auditor notes the first breach of these rules:
//!
//! - the ring reads only bytes between what was taken and the last `tail` that it accepted, and writes only bytes that are
//!   free given the last `head` that it accepted;
//! - **one fetch**: in one operation each word of the peer is loaded at most once, and a message's header and its bytes are
//!   read at most once. Exceptions, all stated in the ring: `tail` is loaded, and more of a message copied, once more after
//!   the (private) status has said that the peer sends no more; a flag is loaded once for each publication; and in a wait
//!   the count starts anew with each heavy fence, where a round begins. An operation that steps over messages reads the
//!   header of each, one behind the other;
//! - **bounded work**: at most 12 accesses in an operation, a round or up to a publication, four for each grain more where
//!   messages are stepped over, and no more rounds than the ring has grains, apart
//!   from those that slept. A wait beyond that panics, since it might never end.

use std::cell::{Cell, RefCell};
use std::io;

use super::super::memory::{Memory, Status, Word};
use super::super::ring::{GRAIN, START, frame};
use super::{Random, slot};
use crate::error::Violation;
use crate::wait::Patience;

/// The ring's size in bytes, in both directions.
pub(super) const CAPACITY: u64 = 128;
/// The longest message in bytes.
pub(super) const LONGEST: usize = 56;
/// How often a wait may sleep before the adversary lets the peer end, so that the test ends too.
const SLEEPS: u32 = 3;

/// Both regions and the private status, all of it the adversary's.
pub(super) struct Hostile {
    dice: RefCell<Random>,
    /// Up to here the reader has taken messages; the last `tail` shown to it, and the last it accepted.
    pub(super) taken: Cell<u64>,
    shown: Cell<u64>,
    accepted: Cell<u64>,
    /// Up to here the writer has staged and published; the last `head` shown to it, and the last it accepted.
    pub(super) staged: Cell<u64>,
    published: Cell<u64>,
    /// Up to here the message that is being staged is written.
    written: Cell<u64>,
    /// Whether what is being staged are frames, which bring their headers along.
    pub(super) frames: Cell<bool>,
    /// Whether messages are being stepped over, and where the last header was read.
    pub(super) steps_over: Cell<bool>,
    header_at: Cell<Option<u64>>,
    head_shown: Cell<u64>,
    head_accepted: Cell<u64>,
    /// What this operation, or this round of a wait, has done so far.
    loads: [Cell<u32>; 4],
    headers: Cell<u32>,
    copies: Cell<u32>,
    steps: Cell<u32>,
    rounds: Cell<u64>,
    sleeps: Cell<u32>,
    ended: Cell<bool>,
    /// The first thing the auditor found wrong.
    pub(super) fault: Cell<Option<&'static str>>,
}

fn add<T: Copy + std::ops::Add<Output = T>>(cell: &Cell<T>, more: T) -> T {
    cell.set(cell.get() + more);
    cell.get()
}

impl Hostile {
    /// An adversary whose answers follow from `seed`, which is not zero.
    pub(super) fn new(seed: u64) -> Hostile {
        let start = || Cell::new(START.wrapping_add((1 << 20) - 64));
        Hostile {
            dice: RefCell::new(Random(seed)),
            taken: start(),
            shown: start(),
            accepted: start(),
            staged: start(),
            published: start(),
            written: start(),
            frames: Cell::default(),
            steps_over: Cell::default(),
            header_at: Cell::default(),
            head_shown: start(),
            head_accepted: start(),
            loads: Default::default(),
            headers: Cell::default(),
            copies: Cell::default(),
            steps: Cell::default(),
            rounds: Cell::default(),
            sleeps: Cell::default(),
            ended: Cell::default(),
            fault: Cell::default(),
        }
    }

    /// A number below `limit`.
    pub(super) fn below(&self, limit: u64) -> u64 {
        self.dice.borrow_mut().below(limit)
    }

    fn noise(&self) -> u64 {
        self.dice.borrow_mut().next()
    }

    fn must(&self, holds: bool, fault: &'static str) {
        if !holds && self.fault.get().is_none() {
            self.fault.set(Some(fault));
        }
    }

    fn step(&self) {
        let more = if self.steps_over.get() { 4 * CAPACITY / GRAIN } else { 0 };
        self.must(add(&self.steps, 1) <= 12 + more as u32, "too many accesses in one operation");
    }

    /// The counts start anew.
    fn begin_round(&self) {
        self.loads.iter().chain([&self.headers, &self.copies, &self.steps]).for_each(|count| count.set(0));
        self.ended.set(false);
        self.header_at.set(None);
    }

    /// An operation begins.
    pub(super) fn begin(&self) {
        self.written.set(self.staged.get());
        self.begin_round();
        self.rounds.set(0);
        self.sleeps.set(0);
    }

    /// An index somewhere between two that are possible, or one that is not.
    fn index(&self, from: u64, upto: u64) -> u64 {
        match self.below(16) {
            0 => from,
            1 => upto,
            2 => upto.wrapping_add(self.below(17)).wrapping_sub(8),
            3 => from.wrapping_add(self.below(17)).wrapping_sub(8),
            4 => from.wrapping_add(1 << self.below(64)),
            5 => self.noise(),
            6 => 0,
            _ => from.wrapping_add(GRAIN * self.below(upto.wrapping_sub(from) / GRAIN + 1)),
        }
    }

    /// An operation ended, and this is what the ring refused; what it did not refuse, it accepted.
    pub(super) fn judged(&self, violation: Option<Violation>) {
        match violation {
            Some(Violation::Tail { .. }) => self.shown.set(self.accepted.get()),
            Some(Violation::Head { .. }) => self.head_shown.set(self.head_accepted.get()),
            Some(Violation::Length { .. } | Violation::Blob { .. }) | None => {}
        }
        self.accepted.set(self.shown.get());
        self.head_accepted.set(self.head_shown.get());
    }

    fn may_read(&self, at: u64, bytes: u64) {
        let published = self.shown.get().wrapping_sub(self.taken.get());
        let end = u128::from(at.wrapping_sub(self.taken.get())) + u128::from(bytes);
        self.must(published <= CAPACITY && end <= u128::from(published), "reads what was not published");
    }

    fn may_write(&self, at: u64, bytes: u64) {
        let end = u128::from(at.wrapping_sub(self.head_shown.get())) + u128::from(bytes);
        self.must(end <= u128::from(CAPACITY), "writes over what was not read");
    }
}

impl Memory for &Hostile {
    const PART: usize = 16;

    fn store(&self, word: Word, value: u64) {
        self.step();
        if word == Word::Head && self.steps_over.get() {
            self.loads[slot(Word::SenderAsleep)].set(0);
        }
        if word == Word::Tail {
            // Whether the reader sleeps is asked once for each publication; a long message has several.
            let forwards = value != self.published.get();
            self.must(forwards, "publishes nothing");
            self.loads[slot(Word::ReceiverAsleep)].set(0);
            self.steps.set(0);
            self.published.set(value);
        }
    }

    fn load(&self, word: Word) -> u64 {
        self.step();
        let again = u32::from(word == Word::Tail && self.ended.get());
        self.must(add(&self.loads[slot(word)], 1) <= 1 + again, "fetches a word twice");
        match word {
            Word::Tail => {
                // A ring that loads `tail` again has accepted the value that it saw before.
                if self.loads[slot(word)].get() > 1 {
                    self.accepted.set(self.shown.get());
                }
                let full = self.taken.get().wrapping_add(CAPACITY);
                self.shown.set(self.index(self.accepted.get(), full));
                self.shown.get()
            }
            Word::Head => {
                self.head_shown.set(self.index(self.head_accepted.get(), self.published.get()));
                self.head_shown.get()
            }
            Word::SenderAsleep | Word::ReceiverAsleep => self.noise() >> self.below(64),
            Word::BlobsTaken => unreachable!("the ring knows nothing of blobs"),
        }
    }

    fn light_fence(&self) {}

    fn heavy_fence(&self) {
        self.begin_round();
        // A claim that was refused would have ended the wait.
        self.judged(None);
        let bound = CAPACITY / GRAIN + u64::from(SLEEPS) + 2;
        assert!(add(&self.rounds, 1) <= bound, "waits without end for what does not come");
    }

    fn write_word(&self, at: u64, _: u64) {
        self.step();
        self.must(at == self.staged.get(), "writes a header out of line");
        self.may_write(at, GRAIN);
    }

    fn read_word(&self, at: u64) -> u64 {
        self.step();
        self.must(at % GRAIN == 0, "reads a header that is not aligned");
        let behind = self
            .header_at
            .replace(Some(at))
            .is_none_or(|last| at.wrapping_sub(last) <= CAPACITY && at != last);
        let goes_on = self.steps_over.get() && behind;
        self.must(add(&self.headers, 1) <= 1 || goes_on, "fetches a header twice");
        self.may_read(at, GRAIN);
        match self.below(4) {
            0 => self.noise() >> self.below(64),
            1 => self.shown.get().wrapping_sub(at).wrapping_add(self.below(17)).wrapping_sub(16),
            _ => self.below(LONGEST as u64 + 2),
        }
    }

    fn write(&self, at: u64, message: &[u8]) {
        self.step();
        // The first part of a message, or the only one, stands behind its header; each other behind the one before.
        let first = self.written.get() == self.staged.get() && !self.frames.get();
        let place = self.written.get().wrapping_add(if first { GRAIN } else { 0 });
        self.must(at == place, "writes a message out of line");
        self.written.set(at.wrapping_add(frame(message.len()) - GRAIN));
        self.may_write(at, frame(message.len()) - GRAIN);
    }

    fn read(&self, at: u64, message: &mut [u8]) {
        self.step();
        let again = u32::from(self.ended.get());
        self.must(add(&self.copies, 1) <= 1 + again, "copies a message twice");
        self.must(message.len() <= LONGEST, "reads a message longer than agreed");
        self.may_read(at, frame(message.len()) - GRAIN);
        message.fill(self.below(256) as u8);
    }

    fn status(&self) -> Status {
        self.step();
        let status = match self.below(32) {
            _ if self.sleeps.get() >= SLEEPS => Status::GONE,
            // Any of the seven combinations.
            0 => Status(1 + self.below(7) as u32),
            _ => Status(0),
        };
        let ended = status.intersects(Status::GONE | Status::SENDER_CLOSED);
        self.ended.set(self.ended.get() || ended);
        status
    }

    fn wake(&self, _: Word) {
        self.step();
    }

    fn ring(&self, _: Word) {}

    fn hush(&self, _: Word) {}

    fn sleep(&self, _: Word, _: u64, _: Status, _: &Patience) -> io::Result<()> {
        add(&self.sleeps, 1);
        // After a sleep the ring looks again, as at the beginning of a round.
        self.begin_round();
        self.judged(None);
        Ok(())
    }
}
