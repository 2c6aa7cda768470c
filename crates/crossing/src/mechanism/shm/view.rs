//! The view: both regions as one half of a connection sees them, and the real end of the seam.
//!
//! This is the only file that touches a region once it is made; why that is sound is argued in [`region`](super::region).
//! Places in a ring are indices that never wrap: the mask makes offsets of them, and the ring is mapped twice in a row, so that
//! no message wraps in the address space either.
//!
//! # References
//! membarrier(2), futex(2), futex_waitv in Documentation/userspace-api/futex2.rst.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::c_void;
use std::fmt;
use std::io;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, compiler_fence, fence};
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::MembarrierCommand;
use rustix::thread::futex::{self, Timespec, Wait, WaitFlags, WaitPtr, WaitvFlags};

use super::memory::{Memory, Status, Word};
use super::plain::{self, Bed, Known};
use super::region::{Own, Theirs, offset};
use super::{opaque, sleeping};
use crate::stopper::{self, Stopper};
use crate::tuning::{self, PART_BYTES};
use crate::wait::Patience;

/// What keeps the mappings alive, and has the bells of both ends: see [`Memory::ring`] and [`Memory::hush`].
pub(crate) trait Rings {
    fn ring(&self, word: Word);
    fn hush(&self, word: Word);
}

/// Both regions and the peer's status, as one half of a connection sees them.
pub(crate) struct View<L> {
    own_words: *mut u8,
    own_ring: *mut u8,
    own_mask: u64,
    their_words: *const u8,
    their_ring: *const u8,
    their_mask: u64,
    /// Whether both processes registered for membarrier(2), so that the publisher's fence may cost nothing.
    asymmetric: bool,
    /// Whether lines that were read are better let go.
    lets_go: bool,
    known: *const Known,
    sent: *const AtomicBool,
    /// Keeps the mappings and the status alive.
    link: Arc<L>,
}

// SAFETY: the addresses point into mappings and a status that `link` keeps alive, and that any thread may
// use; which half stores to which word is fixed by the ring.
unsafe impl<L: Send + Sync> Send for View<L> {}

impl<L> View<L> {
    /// A view of what `link` holds.
    pub(crate) fn new(
        link: Arc<L>,
        parts: impl FnOnce(&L) -> (&Own, &Theirs, &Known, &AtomicBool),
        asymmetric: bool,
    ) -> View<L> {
        let (own, theirs, known, sent) = parts(&link);
        View {
            own_words: own.mapping.header(),
            own_ring: own.mapping.ring(),
            own_mask: own.layout().capacity - 1,
            their_words: theirs.mapping.header(),
            their_ring: theirs.mapping.ring(),
            their_mask: theirs.layout().capacity - 1,
            asymmetric,
            lets_go: theirs.layout().capacity <= tuning::letting_go_pays_up_to(),
            known: ptr::from_ref(known),
            sent: ptr::from_ref(sent),
            link,
        }
    }

    /// The link, which keeps all of it alive.
    pub(crate) fn link(&self) -> &L {
        &self.link
    }

    /// A place in my own ring that was claimed and is not published.
    pub(crate) fn place(&self, at: u64, len: usize) -> &[u8] {
        assert!(len as u64 <= self.own_mask, "a message is shorter than its ring");
        // SAFETY: the place starts inside the ring and is shorter than a ring, so it ends before the second
        // copy of the ring does. Only this process may write it, and only through `place_mut` of the sending
        // half's view.
        unsafe { std::slice::from_raw_parts(self.own_ring.add(index(at, self.own_mask)), len) }
    }

    /// The same, to write to.
    pub(crate) fn place_mut(&mut self, at: u64, len: usize) -> &mut [u8] {
        assert!(len as u64 <= self.own_mask, "a message is shorter than its ring");
        // SAFETY: the place starts inside the ring and is shorter than a ring, so it ends before the second copy of the ring
        // does. Only this process may write it, and only through this slice: `&mut self` is the sending half's view, and the receiving
        // half's never touches the own ring.
        unsafe { std::slice::from_raw_parts_mut(self.own_ring.add(index(at, self.own_mask)), len) }
    }

    /// A message that the peer has published, where it stands.
    ///
    /// # Safety
    /// The peer does not write to it while the slice is there.
    pub(crate) unsafe fn published(&self, at: u64, len: usize) -> &[u8] {
        assert!(len as u64 <= self.their_mask, "a message is shorter than its ring");
        // SAFETY: the place starts inside the ring and is shorter than a ring, so it ends before
        // the second copy of the ring does; the pages cannot go away. The peer does not write to it
        // while the slice is there, as this function requires.
        unsafe { std::slice::from_raw_parts(self.their_ring.add(index(at, self.their_mask)), len) }
    }

    fn sent(&self) -> &AtomicBool {
        // SAFETY: it points to private memory that `link` keeps alive.
        unsafe { &*self.sent }
    }

    fn known(&self) -> &Known {
        // SAFETY: it points to private memory that `link` keeps alive.
        unsafe { &*self.known }
    }
}

impl<L> Clone for View<L> {
    fn clone(&self) -> Self {
        View { link: self.link.clone(), ..*self }
    }
}

impl<L> fmt::Debug for View<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("own", &self.own_words).field("theirs", &self.their_words).finish()
    }
}

#[inline]
fn index(at: u64, mask: u64) -> usize {
    (at & mask) as usize
}

impl<L: Rings> Memory for View<L> {
    const PART: usize = PART_BYTES;

    #[inline]
    fn store(&self, word: Word, value: u64) {
        // SAFETY: an aligned word of my own header, which this process alone writes.
        unsafe { opaque::store_release(self.own_words.add(offset(word)).cast(), value) }
    }

    #[inline]
    fn load(&self, word: Word) -> u64 {
        // SAFETY: an aligned word of the peer's header, whose pages cannot go away (sealed).
        unsafe { opaque::load_acquire(self.their_words.add(offset(word)).cast()) }
    }

    #[inline]
    fn light_fence(&self) {
        if self.asymmetric { compiler_fence(Ordering::SeqCst) } else { fence(Ordering::SeqCst) }
    }

    #[inline]
    fn heavy_fence(&self) {
        // The kernel makes every core that runs one of the registered processes pass a full barrier, so the
        // peer's publication is either visible now or comes after it sees my flag. See membarrier(2),
        // GLOBAL_EXPEDITED.
        if self.asymmetric {
            match rustix::thread::membarrier(MembarrierCommand::GlobalExpedited) {
                Ok(()) => return,
                // It was allowed when both agreed on it.
                Err(_) => sleeping::note_no_barrier(),
            }
        }
        fence(Ordering::SeqCst);
    }

    #[inline]
    fn write_word(&self, at: u64, value: u64) {
        // SAFETY: a multiple of 8 below the ring's end, in my own ring.
        unsafe { self.own_ring.add(index(at, self.own_mask)).cast::<u64>().write_volatile(value.to_le()) }
    }

    #[inline]
    fn read_word(&self, at: u64) -> u64 {
        // SAFETY: a multiple of 8 below the ring's end, in pages that cannot go away.
        u64::from_le(unsafe { self.their_ring.add(index(at, self.their_mask)).cast::<u64>().read_volatile() })
    }

    #[inline(always)]
    fn write(&self, at: u64, message: &[u8]) {
        // SAFETY: the ring claimed these bytes and their padding in my own region; a message is at most a ring long, and
        // the ring is mapped twice.
        unsafe { opaque::write(self.own_ring.wrapping_add(index(at, self.own_mask)), message) }
    }

    #[inline(always)]
    fn read(&self, at: u64, message: &mut [u8]) {
        // SAFETY: the ring checked that these bytes and their padding were published; it is mapped twice, and cannot go
        // away.
        unsafe { opaque::read(self.their_ring.wrapping_add(index(at, self.their_mask)), message) }
    }

    #[inline]
    fn mark_sent(&self) {
        // Written only when it changes anything: with two threads the line would otherwise travel with every
        // message.
        if !self.sent().load(Ordering::Relaxed) {
            self.sent().store(true, Ordering::Relaxed);
        }
    }

    #[inline]
    fn take_sent(&self) -> bool {
        let sent = self.sent().load(Ordering::Relaxed);
        if sent {
            self.sent().store(false, Ordering::Relaxed);
        }
        sent
    }

    fn let_go(&self, from: u64, to: u64) {
        if self.lets_go {
            let (from, to) = (from & !63, to & !63);
            for line in (0..to.wrapping_sub(from)).step_by(64) {
                let place = self.their_ring.wrapping_add(index(from.wrapping_add(line), self.their_mask));
                // SAFETY: a line within the ring, which is mapped; what it holds does not change.
                unsafe { opaque::evict(place) };
            }
        }
    }

    #[inline]
    fn expect(&self, at: u64) {
        opaque::prefetch(self.their_ring.wrapping_add(index(at, self.their_mask)));
    }

    #[inline]
    fn status(&self) -> Status {
        Status(self.known().status.load(Ordering::Acquire))
    }

    #[cold]
    fn wake(&self, word: Word) {
        // SAFETY: the low half of an aligned word of my own header; an atomic there is only handed to the
        // kernel.
        let low = unsafe { AtomicU32::from_ptr(low_half(self.own_words.add(offset(word)))) };
        // It cannot fail on an aligned, mapped address; a sleeper that was not woken finds the
        // index changed.
        let _ = futex::wake(low, futex::Flags::empty(), 1);
    }

    #[cold]
    fn ring(&self, word: Word) {
        self.link.ring(word);
    }

    fn hush(&self, word: Word) {
        self.link.hush(word);
    }

    fn looks_after_barrier(&self) -> u32 {
        if self.asymmetric { sleeping::LOOKS_AFTER_BARRIER } else { 0 }
    }

    fn sleep(&self, word: Word, seen: u64, status: Status, patience: &Patience) -> io::Result<()> {
        if !self.asymmetric {
            return self.sleep_once(word, seen, status, patience, None).map(drop);
        }
        let longest = sleeping::longest_nap();
        let first = longest.unwrap_or(sleeping::FIRST_NAP);
        let timed_out = self.sleep_once(word, seen, status, patience, Some(first))?;
        // The kernel compares the index once more.
        let again = timed_out && longest.is_none() && patience.left().is_none_or(|left| !left.is_zero());
        if again { self.sleep_once(word, seen, status, patience, None).map(drop) } else { Ok(()) }
    }
}

impl<L> View<L> {
    /// One sleep, no longer than `longest`. Whether it came to its end by time.
    fn sleep_once(
        &self,
        word: Word,
        seen: u64,
        status: Status,
        patience: &Patience,
        longest: Option<Duration>,
    ) -> io::Result<bool> {
        let deadline = patience.deadline(longest);
        let place = SleepPlace {
            seen: seen as u32,
            deadline,
            ..SleepPlace::new(self.their_words, self.known(), word)
        };
        if !sleeping::waitv_is_refused() && place.sleep_on_all(status, patience.stopper()).is_ok() {
            return Ok(place.timed_out.get());
        }
        let deadline = patience.deadline(longest.into_iter().chain(patience.nap()).min());
        let place = SleepPlace { deadline, ..place };
        plain::sleep(&place, status).map(|()| place.timed_out.get())
    }
}

/// The place where one half sleeps: a word of the peer's region.
struct SleepPlace<'a> {
    /// The low half of the peer's index.
    index: *mut u32,
    known: &'a Known,
    announced: &'a AtomicU32,
    /// The index that was seen.
    seen: u32,
    deadline: Option<Timespec>,
    /// Whether the last sleep came to its end by time.
    timed_out: Cell<bool>,
}

impl<'a> SleepPlace<'a> {
    fn new(their_words: *const u8, known: &'a Known, word: Word) -> SleepPlace<'a> {
        let announced = if word == Word::Head { &known.sender } else { &known.receiver };
        let index = low_half(their_words.wrapping_add(offset(word)).cast_mut());
        SleepPlace { index, known, announced, seen: 0, deadline: None, timed_out: Cell::new(false) }
    }

    fn index(&self) -> &AtomicU32 {
        // SAFETY: an aligned word of the peer's header, which is mapped as long as its owner's `known` is there. It is never
        // loaded or stored through: an atomic there is only handed to the kernel.
        unsafe { AtomicU32::from_ptr(self.index) }
    }

    /// Sleeps on the index, on the status and on a stopper at once. An error when the kernel does not do it.
    fn sleep_on_all(&self, status: Status, stopper: Option<&Stopper>) -> Result<(), Errno> {
        // Never FUTEX_PRIVATE on the shared word: the kernel would wait on another key, and no wake
        // would reach it.
        let mut theirs = Wait::new();
        theirs.uaddr = WaitPtr::new(self.index.cast::<c_void>());
        theirs.val = u64::from(self.seen);
        theirs.flags = WaitFlags::SIZE_U32;
        let mut mine = Wait::new();
        mine.uaddr = WaitPtr::new(self.known.status.as_ptr().cast::<c_void>());
        mine.val = u64::from(status.0);
        mine.flags = WaitFlags::SIZE_U32 | WaitFlags::PRIVATE;
        let mut stop = Wait::new();
        stop.val = u64::from(stopper::GOING);
        stop.flags = mine.flags;
        let waits = [theirs, mine, stop];
        let waits = match stopper {
            Some(stopper) => {
                stop.uaddr = WaitPtr::new(stopper.word().as_ptr().cast::<c_void>());
                &[theirs, mine, stop][..]
            }
            None => &waits[..2],
        };
        let (deadline, clock) = (self.deadline.as_ref(), futex::ClockId::Monotonic);
        let answer = futex::waitv(waits, WaitvFlags::empty(), deadline, clock);
        self.timed_out.set(answer == Err(Errno::TIMEDOUT));
        sleeping::judge_waitv(answer)
    }
}

impl Bed for SleepPlace<'_> {
    fn announce(&self, value: u32) {
        self.announced.store(value, Ordering::Release);
    }

    fn announced(&self) -> u32 {
        self.announced.load(Ordering::Acquire)
    }

    fn status(&self) -> Status {
        Status(self.known.status.load(Ordering::Acquire))
    }

    fn fence(&self) {
        fence(Ordering::SeqCst);
    }

    fn sleep(&self) -> io::Result<()> {
        let (flags, deadline) = (futex::Flags::empty(), self.deadline.as_ref());
        let answer = futex::wait_bitset(self.index(), flags, self.seen, deadline, sleeping::ANYBODY);
        self.timed_out.set(answer == Err(Errno::TIMEDOUT));
        sleeping::judge_futex(answer).map_err(sleeping::refusal)
    }

    fn wake(&self) {
        // As in `View::wake`.
        let _ = futex::wake(self.index(), futex::Flags::empty(), i32::MAX as u32);
    }
}

/// Wakes the halves that sleep on words of `theirs` and do not know the peer's present status.
/// Returns whether there were any: see [`plain::wake_unaware`].
pub(super) fn wake_unaware(theirs: &Theirs, known: &Known) -> bool {
    let at = |word| plain::wake_unaware(&SleepPlace::new(theirs.mapping.header(), known, word));
    // Both, not the first of them.
    at(Word::Tail) | at(Word::Head)
}

/// The 32 bits of a word that every publication changes: a futex is 32 bits wide, a ring far below 4 GiB.
fn low_half(word: *mut u8) -> *mut u32 {
    if cfg!(target_endian = "little") { word.cast() } else { word.wrapping_add(4).cast() }
}
