//! The memory of a weak machine behind the seam: every word an atomic of the model checker, every grain of the ring a
//! cell whose races it detects, and a futex that orders nothing by itself.
//!
//! - **Words** are loaded and stored with acquire and release order, and with no more.
//! - **Bytes** are plain cells of eight: an access that is not ordered after the other side's is reported as a race.
//! - **The futex** is a lock and a condition variable for each word. It compares under the lock, with relaxed loads: the
//!   kernel's has barriers of its own, and a protocol that leaned on them would pass unseen if this one had them too.
//! - **membarrier(2)** is modelled as a sequentially consistent fence on both sides, which is what it amounts to when it
//!   is used as documented.
//!
//! Each [`Mutant`] is one mistake in what the seam promises. It is made here, so that the ring under test stays the real one.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use ::loom::cell::Cell;
use ::loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use ::loom::sync::{Condvar, Mutex, MutexGuard};

use super::super::memory::{Memory, Status, Word};
use super::super::plain::{self, Bed};
use super::super::ring::GRAIN;
use super::{read_grains, slot, write_grains};
use crate::wait::Patience;

/// One mistake in the order of things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutant {
    /// `tail` is stored without release: the bytes may come later.
    TailStoreRelaxed,
    /// `head` is stored without release: the copy may come later.
    HeadStoreRelaxed,
    /// `tail` is loaded without acquire.
    TailLoadRelaxed,
    /// `head` is loaded without acquire.
    HeadLoadRelaxed,
    /// The bytes are written after `tail`.
    TailBeforeBytes,
    /// `head` is stored before the bytes are copied out.
    HeadBeforeCopy,
    /// The publisher does not fence.
    NoLightFence,
    /// The sleeper does not fence.
    NoHeavyFence,
    /// Both fence, but not sequentially consistently.
    FencesAcquireRelease,
    /// The flag goes up only after the second look.
    FlagAfterLook,
    /// The flag counts sleeps instead of naming the index that was seen.
    FlagCountsSleeps,
    /// The publisher does not wake its peer.
    NoWake,
    /// The publisher does not ring its peer.
    NoRing,
    /// What was rung is taken only after the second look.
    HushAfterLook,
    /// The futex goes to sleep without comparing the peer's index.
    SleepWithoutComparing,
    /// The futex watches the peer's index, but not its status.
    SleepIgnoresStatus,
    /// The watcher notes the peer's end, but wakes no sleeper.
    WatcherDoesNotWake,
    /// The status is loaded without acquire.
    StatusLoadRelaxed,
    /// Once the peer is known to be gone, its index is not loaded again.
    NoLookAfterDeath,
    /// A plain sleeper does not announce itself.
    PlainUnannounced,
    /// A plain sleeper does not look at the status once more.
    PlainBlind,
    /// The two sides of a plain sleep do not fence.
    PlainNoFence,
    /// The watcher wakes a plain sleeper once, asleep or not yet.
    PlainWokenOnce,
}

struct Region {
    words: [AtomicU64; 4],
    grains: Box<[Cell<u64>]>,
}

struct World {
    mutant: Option<Mutant>,
    regions: [Region; 2],
    /// What each side knows of its peer.
    status: [AtomicU32; 2],
    futex: Mutex<()>,
    /// The sleepers on `tail`, and those on `head`.
    sleepers: [Condvar; 2],
    /// Whether the descriptor of each side is readable, and writable; under `futex`.
    ready: RefCell<[[bool; 2]; 2]>,
    /// Those that wait for that.
    polling: Condvar,
    /// Whether sleeps are plain ones, on the peer's index alone.
    plain: bool,
    /// What each side's plain sleepers have announced.
    announced: [[AtomicU32; 2]; 2],
}

impl World {
    fn lock(&self) -> MutexGuard<'_, ()> {
        self.futex.lock().expect("a panic ends the model")
    }
}

/// Both regions, as one side sees them.
#[derive(Clone)]
pub(super) struct Loom {
    world: Rc<World>,
    side: usize,
    /// What [`Mutant::TailBeforeBytes`] has not yet written.
    late: RefCell<Vec<(u64, u64)>>,
    /// How often [`Mutant::FlagCountsSleeps`] has slept.
    sleeps: RefCell<u64>,
    /// What [`Mutant::FlagAfterLook`] has not yet raised.
    flag: RefCell<Option<(Word, u64)>>,
    /// The last `tail` that was loaded, for [`Mutant::NoLookAfterDeath`].
    tail: RefCell<u64>,
}

impl Loom {
    /// Two sides, each with a ring of `capacity` bytes whose indices stand at `start`.
    pub(super) fn pair(capacity: u64, start: u64, mutant: Option<Mutant>, plain: bool) -> [Loom; 2] {
        let word = |word| AtomicU64::new(if slot(word) < 2 { start } else { 0 });
        let region = || Region {
            words: [Word::Tail, Word::Head, Word::SenderAsleep, Word::ReceiverAsleep].map(word),
            grains: (0..capacity / GRAIN).map(|_| Cell::new(0)).collect(),
        };
        let world = Rc::new(World {
            mutant,
            regions: [region(), region()],
            status: [AtomicU32::new(0), AtomicU32::new(0)],
            futex: Mutex::new(()),
            sleepers: [Condvar::new(), Condvar::new()],
            ready: RefCell::default(),
            polling: Condvar::new(),
            plain,
            announced: [0; 2].map(|_| [AtomicU32::new(0), AtomicU32::new(0)]),
        });
        let side = |side| Loom {
            world: world.clone(),
            side,
            late: RefCell::default(),
            sleeps: RefCell::default(),
            flag: RefCell::default(),
            tail: RefCell::new(start),
        };
        [side(0), side(1)]
    }

    /// Tells this side that its peer is gone, as the watcher does.
    pub(super) fn peer_is_gone(&self) {
        self.world.status[self.side].store(Status::GONE.0, Ordering::Release);
        if self.world.plain {
            let unaware =
                |word| plain::wake_unaware(&Berth { loom: self, word, seen: 0, known: Status::GONE });
            while unaware(Word::Tail) | unaware(Word::Head) {
                if self.is(Mutant::PlainWokenOnce) {
                    break;
                }
                ::loom::thread::yield_now();
            }
        } else if !self.is(Mutant::WatcherDoesNotWake) {
            let _guard = self.world.lock();
            self.world.sleepers.iter().for_each(Condvar::notify_all);
            // The watcher ends the bell, which makes it ready for everything.
            self.world.ready.borrow_mut()[self.side] = [true; 2];
            self.world.polling.notify_all();
        }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.world.mutant == Some(mutant)
    }

    fn unless(&self, mutant: Mutant, order: Ordering) -> Ordering {
        if self.is(mutant) { Ordering::Relaxed } else { order }
    }

    fn own(&self) -> &Region {
        &self.world.regions[self.side]
    }

    fn theirs(&self) -> &Region {
        &self.world.regions[1 - self.side]
    }

    fn fence(&self, without: Mutant) {
        if self.is(Mutant::FencesAcquireRelease) {
            fence(Ordering::AcqRel);
        } else if !self.is(without) {
            fence(Ordering::SeqCst);
        }
    }
}

impl Region {
    fn grain(&self, at: u64) -> &Cell<u64> {
        assert!(at % GRAIN == 0, "{at} is not the start of a grain");
        &self.grains[(at / GRAIN % self.grains.len() as u64) as usize]
    }
}

impl Memory for Loom {
    const PART: usize = 8;

    fn store(&self, word: Word, mut value: u64) {
        let order = match word {
            Word::Tail => self.unless(Mutant::TailStoreRelaxed, Ordering::Release),
            Word::Head => self.unless(Mutant::HeadStoreRelaxed, Ordering::Release),
            Word::BlobsTaken => unreachable!("the ring knows nothing of blobs"),
            Word::SenderAsleep | Word::ReceiverAsleep => {
                if self.is(Mutant::FlagAfterLook) && value % 2 == 1 {
                    *self.flag.borrow_mut() = Some((word, value));
                    return;
                }
                if self.is(Mutant::FlagCountsSleeps) && value % 2 == 1 {
                    *self.sleeps.borrow_mut() += 2;
                    value = *self.sleeps.borrow() + 1;
                }
                Ordering::Release
            }
        };
        self.own().words[slot(word)].store(value, order);
        for (at, value) in self.late.take() {
            self.own().grain(at).set(value);
        }
    }

    fn load(&self, word: Word) -> u64 {
        let order = match word {
            Word::Tail => self.unless(Mutant::TailLoadRelaxed, Ordering::Acquire),
            Word::Head => self.unless(Mutant::HeadLoadRelaxed, Ordering::Acquire),
            Word::SenderAsleep | Word::ReceiverAsleep | Word::BlobsTaken => Ordering::Acquire,
        };
        if self.is(Mutant::NoLookAfterDeath) && word == Word::Tail {
            if self.status() == Status::GONE {
                return *self.tail.borrow();
            }
            *self.tail.borrow_mut() = self.theirs().words[slot(word)].load(order);
            return *self.tail.borrow();
        }
        self.theirs().words[slot(word)].load(order)
    }

    fn light_fence(&self) {
        self.fence(Mutant::NoLightFence);
    }

    fn heavy_fence(&self) {
        self.fence(Mutant::NoHeavyFence);
    }

    fn write_word(&self, at: u64, value: u64) {
        if self.is(Mutant::TailBeforeBytes) {
            self.late.borrow_mut().push((at, value));
        } else {
            self.own().grain(at).set(value);
        }
    }

    fn read_word(&self, at: u64) -> u64 {
        self.theirs().grain(at).get()
    }

    fn write(&self, at: u64, message: &[u8]) {
        write_grains(self, at, message, 0);
    }

    fn read(&self, at: u64, message: &mut [u8]) {
        if self.is(Mutant::HeadBeforeCopy) {
            self.store(Word::Head, at.wrapping_add((message.len() as u64).next_multiple_of(GRAIN)));
        }
        read_grains(self, at, message);
    }

    fn status(&self) -> Status {
        let order = self.unless(Mutant::StatusLoadRelaxed, Ordering::Acquire);
        Status(self.world.status[self.side].load(order))
    }

    fn wake(&self, word: Word) {
        if !self.is(Mutant::NoWake) {
            let _guard = self.world.lock();
            self.world.sleepers[slot(word)].notify_all();
        }
    }

    fn ring(&self, word: Word) {
        if !self.is(Mutant::NoRing) {
            let _guard = self.world.lock();
            self.world.ready.borrow_mut()[1 - self.side][slot(word)] = true;
            self.world.polling.notify_all();
        }
    }

    fn hush(&self, word: Word) {
        if !self.is(Mutant::HushAfterLook) {
            self.silence(word);
        }
    }

    fn sleep(&self, word: Word, seen: u64, status: Status, _: &Patience) -> io::Result<()> {
        if let Some((flag, value)) = self.flag.take() {
            self.own().words[slot(flag)].store(value, Ordering::Release);
        }
        if self.world.plain {
            return plain::sleep(&Berth { loom: self, word, seen, known: status }, status);
        }
        let ignores_status = self.is(Mutant::SleepIgnoresStatus);
        self.futex(word, seen, || {
            ignores_status || self.world.status[self.side].load(Ordering::Relaxed) == status.0
        });
        Ok(())
    }
}

impl Loom {
    fn silence(&self, word: Word) {
        let _guard = self.world.lock();
        self.world.ready.borrow_mut()[self.side][slot(word)] = false;
    }

    /// Waits, as poll(2) does, until this side's descriptor is ready after a change of the peer's `word`.
    pub(super) fn poll(&self, word: Word) {
        if let Some((flag, value)) = self.flag.take() {
            self.own().words[slot(flag)].store(value, Ordering::Release);
        }
        if self.is(Mutant::HushAfterLook) {
            self.silence(word);
        }
        let mut guard = self.world.lock();
        while !self.world.ready.borrow()[self.side][slot(word)] {
            guard = self.world.polling.wait(guard).expect("a panic ends the model");
        }
    }

    /// Sleeps on the peer's index, if it is what was seen and `still` holds.
    fn futex(&self, word: Word, seen: u64, still: impl Fn() -> bool) {
        let guard = self.world.lock();
        let index = self.theirs().words[slot(word)].load(Ordering::Relaxed);
        let moved = index as u32 != seen as u32 && !self.is(Mutant::SleepWithoutComparing);
        if moved || !still() {
            return;
        }
        drop(self.world.sleepers[slot(word)].wait(guard).expect("a panic ends the model"));
    }
}

/// Where a half of this side sleeps plainly.
struct Berth<'a> {
    loom: &'a Loom,
    word: Word,
    seen: u64,
    /// What the sleeper knows, for [`Mutant::PlainBlind`].
    known: Status,
}

impl Berth<'_> {
    fn words(&self) -> &AtomicU32 {
        &self.loom.world.announced[self.loom.side][slot(self.word)]
    }
}

impl Bed for Berth<'_> {
    fn announce(&self, value: u32) {
        if !self.loom.is(Mutant::PlainUnannounced) {
            self.words().store(value, Ordering::Release);
        }
    }

    fn announced(&self) -> u32 {
        self.words().load(Ordering::Acquire)
    }

    fn status(&self) -> Status {
        if self.loom.is(Mutant::PlainBlind) {
            return self.known;
        }
        Status(self.loom.world.status[self.loom.side].load(Ordering::Acquire))
    }

    fn fence(&self) {
        if !self.loom.is(Mutant::PlainNoFence) {
            fence(Ordering::SeqCst);
        }
    }

    fn sleep(&self) -> io::Result<()> {
        self.loom.futex(self.word, self.seen, || true);
        Ok(())
    }

    fn wake(&self) {
        let _guard = self.loom.world.lock();
        self.loom.world.sleepers[slot(self.word)].notify_all();
    }
}
