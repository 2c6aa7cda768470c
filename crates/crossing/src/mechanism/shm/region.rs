//! A region: memory that one process writes and the other can only read.
//!
//! # Why this is safe against the peer
//!
//! Every side makes its own memfd, gives it its size, allocates it, writes its header, maps it for writing,
//! and then seals it with `SHRINK | GROW | FUTURE_WRITE | SEAL`. From then on nobody, the owner included, can
//! map it for writing again, write(2) to it, change its size or punch holes into it: the one writable mapping
//! is the one that exists. (`SHRINK | GROW | SEAL` alone would be a trap: a peer could still punch a hole,
//! and bytes would turn to zero under the reader.) The peer maps it for reading. A wild store by either
//! process faults the process that strayed. Since the size is sealed, no access within it can raise SIGBUS.
//!
//! A fork would hand the right to write to the child, so the writable mapping is not inherited
//! (`MADV_DONTFORK`).
//!
//! # Why this is sound in Rust
//!
//! Rust has no agreed model for memory that another process changes at will. So the peer's region never
//! becomes Rust memory: it comes from a raw mmap, no reference, slice or atomic is ever made over it, and it
//! is touched only from this file, in two ways (`opaque.rs`). Header words are loaded and stored, and messages
//! copied, by plain instructions in `asm!` blocks, which the compiler must take to read and write anything.
//! The last bytes of a message, and everything on processors without such a block, are copied by volatile
//! accesses of aligned 8-byte words, which std permits for memory outside of any Rust allocation. What is read
//! is a number or a byte, for which every bit pattern is valid, and is
//! judged only as private copy. My own region is written the same way; in addition a [`Claim`](crate::Claim)
//! lends a part of it as `&mut [u8]`, which is sound because no other process can write it, and the part is
//! not published while it is lent. A message of the peer is lent as `&[u8]` only by [`TrustedReceiver`](crate::TrustedReceiver),
//! whose maker has promised that the peer keeps its hands off. This is argued, not proven: there is no theorem about inline assembly and
//! volatile accesses across processes to lean on.
//!
//! # References
//! memfd_create(2), fcntl(2) "File sealing", madvise(2), mm/memfd.c and mm/shmem.c of the kernel.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, compiler_fence, fence};

use rustix::fs::SealFlags;
use rustix::mm::{Advice, MapFlags, ProtFlags};
use rustix::thread::MembarrierCommand;
use rustix::thread::futex::{self, Wait, WaitFlags, WaitPtr, WaitvFlags};

use super::memory::{Memory, Status, Word};
use super::{memfd, opaque, rules};
use crate::error::ConnectError;
use crate::wait::Patience;

/// Bytes before the ring: one page of header.
const HEADER_BYTES: usize = 4096;
/// The largest ring that will be made or accepted, in bytes.
pub(crate) const CAPACITY_LIMIT: u64 = 1 << 30;
/// The smallest, in bytes: rings are mapped in whole pages.
pub(crate) const CAPACITY_LEAST: u64 = 4096;
/// Rings up to this size are brought into memory at once, in bytes.
const POPULATE_LIMIT: u64 = 4 << 20;
/// The parts in which long messages are published, in bytes.
const PART_BYTES: usize = 16 << 10;
/// What the sealed end must have.
const SEALS: SealFlags = {
    let seals = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);
    if rules::SEAL { seals.union(SealFlags::FUTURE_WRITE) } else { seals }
};
/// How the peer's region is mapped.
const THEIRS: ProtFlags = if rules::SEAL { ProtFlags::READ } else { ProtFlags::READ.union(ProtFlags::WRITE) };

/// Where a word stands in the header. Each has a pair of cache lines to itself: processors fetch lines in
/// pairs.
const fn offset(word: Word) -> usize {
    match word {
        Word::Tail => 128,
        Word::Head => 256,
        Word::SenderAsleep => 384,
        Word::ReceiverAsleep => 512,
    }
}

/// The part of the header that never changes: what a peer checks before it maps. Little-endian, from byte 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The ring's size in bytes.
    pub(crate) capacity: u64,
    /// A random number that both the handshake and the region carry, so that one belongs to the other.
    pub(crate) nonce: u64,
}

impl Layout {
    const BYTES: usize = 56;
    const MAGIC: u64 = u64::from_le_bytes(*b"CROSSREG");

    /// The fields by name, in the order in which they stand, each eight bytes.
    fn fields(self) -> [(&'static str, u64); Self::BYTES / 8] {
        let place = |word| offset(word) as u64;
        [
            ("region magic", Self::MAGIC),
            ("region version and byte order", 0x0102_0304_0000_0001),
            ("region words", place(Word::Tail) | place(Word::Head) << 16 | place(Word::SenderAsleep) << 32),
            (
                "region words",
                place(Word::ReceiverAsleep) | (HEADER_BYTES as u64) << 16 | (PART_BYTES as u64) << 32,
            ),
            ("region start index", super::ring::START),
            ("region capacity", self.capacity),
            ("region nonce", self.nonce),
        ]
    }

    fn encode(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (place, (_, value)) in bytes.chunks_exact_mut(8).zip(self.fields()) {
            place.copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    /// Holds a peer's header against what it must be.
    fn check(self, bytes: &[u8; Self::BYTES]) -> Result<(), ConnectError> {
        for (found, (field, expected)) in bytes.chunks_exact(8).zip(self.fields()) {
            if found != expected.to_le_bytes() {
                let why = format!("{found:02x?} where {:02x?} belongs", expected.to_le_bytes());
                return Err(ConnectError::Refused { field, why });
            }
        }
        Ok(())
    }

    fn file_bytes(self) -> u64 {
        HEADER_BYTES as u64 + self.capacity
    }
}

/// My region: mapped for writing before it was sealed.
#[derive(Debug)]
pub(crate) struct Own {
    mapping: Mapping,
    memfd: OwnedFd,
    layout: Layout,
}

impl Own {
    /// Makes, allocates, maps and seals a region.
    pub(crate) fn create(layout: Layout) -> Result<Own, ConnectError> {
        let memfd = memfd::create(layout.file_bytes())
            .map_err(ConnectError::io(format!("make {} bytes of shared memory", layout.file_bytes())))?;
        rustix::io::pwrite(&memfd, &layout.encode(), 0)
            .map_err(ConnectError::io("write the header of shared memory"))?;
        let mapping = Mapping::new(memfd.as_fd(), layout.capacity, ProtFlags::READ | ProtFlags::WRITE)?;
        mapping.keep_from_children()?;
        for word in [Word::Tail, Word::Head] {
            // SAFETY: the word lies in the mapping just made, which nobody else has yet.
            unsafe { opaque::store_release(mapping.word(word), super::ring::START) };
        }
        rustix::fs::fcntl_add_seals(&memfd, SEALS).map_err(ConnectError::io("seal shared memory"))?;
        Ok(Own { mapping, memfd, layout })
    }

    /// The descriptor that the peer maps for reading.
    pub(crate) fn memfd(&self) -> BorrowedFd<'_> {
        self.memfd.as_fd()
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }
}

/// The peer's region: mapped for reading, after everything about it was checked.
#[derive(Debug)]
pub(crate) struct Theirs {
    mapping: Mapping,
    layout: Layout,
}

impl Theirs {
    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// Checks what the peer handed over, and maps it.
    pub(crate) fn open(memfd: OwnedFd, layout: Layout) -> Result<Theirs, ConnectError> {
        fn refused<T>(field: &'static str, why: String) -> Result<T, ConnectError> {
            Err(ConnectError::Refused { field, why })
        }
        if !layout.capacity.is_power_of_two() || !(CAPACITY_LEAST..=CAPACITY_LIMIT).contains(&layout.capacity)
        {
            return refused("capacity", format!("{} bytes", layout.capacity));
        }
        let size = memfd::check(&memfd, SEALS).or_else(|(field, why)| refused(field, why))?;
        if size != layout.file_bytes() {
            return refused("size", format!("{size} bytes where {} belong", layout.file_bytes()));
        }
        let mut header = [0; Layout::BYTES];
        let read = rustix::io::pread(&memfd, &mut header, 0)
            .map_err(ConnectError::io("read the header of the peer's shared memory"))?;
        if read != header.len() {
            return refused("header", format!("only {read} bytes"));
        }
        layout.check(&header)?;
        let mapping = Mapping::new(memfd.as_fd(), layout.capacity, THEIRS)?;
        Ok(Theirs { mapping, layout })
    }
}

/// A region's pages in this process: the header, the ring, and the ring once more behind it, so that no
/// message ever wraps in the address space.
#[derive(Debug)]
struct Mapping {
    base: *mut u8,
    bytes: usize,
}

// SAFETY: a mapping is an address range; it belongs to the process, not to a thread.
unsafe impl Send for Mapping {}
// SAFETY: its methods only compute addresses; who may store through them is decided by the ring.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(memfd: BorrowedFd<'_>, capacity: u64, protection: ProtFlags) -> Result<Mapping, ConnectError> {
        let too_large = || ConnectError::Config(format!("a ring of {capacity} bytes does not fit here"));
        let ring = usize::try_from(capacity).map_err(|_| too_large())?;
        let bytes =
            ring.checked_mul(2).and_then(|ring| ring.checked_add(HEADER_BYTES)).ok_or_else(too_large)?;
        let failed = || ConnectError::io(format!("map {bytes} bytes of shared memory"));
        // SAFETY: a new range at a place of the kernel's choice; nothing that exists is touched.
        let base = unsafe {
            rustix::mm::mmap_anonymous(ptr::null_mut(), bytes, ProtFlags::empty(), MapFlags::PRIVATE)
        }
        .map_err(failed())?
        .cast::<u8>();
        let mapping = Mapping { base, bytes };
        let mut flags = MapFlags::SHARED | MapFlags::FIXED;
        if capacity <= POPULATE_LIMIT {
            flags |= MapFlags::POPULATE;
        }
        // The file (header and ring) first, then the ring once more.
        for (at, length, from) in
            [(0, HEADER_BYTES + ring, 0), (HEADER_BYTES + ring, ring, HEADER_BYTES as u64)]
        {
            // SAFETY: `at .. at + length` lies in the range reserved above, which nobody else knows.
            unsafe { rustix::mm::mmap(base.add(at).cast(), length, protection, flags, memfd, from) }
                .map_err(failed())?;
        }
        Ok(mapping)
    }

    fn keep_from_children(&self) -> Result<(), ConnectError> {
        // SAFETY: the range is ours; the advice changes what a fork inherits, not what is there.
        unsafe { rustix::mm::madvise(self.base.cast(), self.bytes, Advice::LinuxDontFork) }
            .map_err(ConnectError::io("keep shared memory from forked children"))
    }

    fn word(&self, word: Word) -> *mut u64 {
        self.base.wrapping_add(offset(word)).cast()
    }

    fn ring(&self) -> *mut u8 {
        self.base.wrapping_add(HEADER_BYTES)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was reserved by `new`; views of it hold the link that owns this mapping alive.
        // A failure would leak address space, nothing else.
        let _ = unsafe { rustix::mm::munmap(self.base.cast(), self.bytes) };
    }
}

/// Both regions and what is known of the peer, as one half of a connection sees them.
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
    status: *const AtomicU32,
    sent: *const AtomicBool,
    /// Keeps the mappings and the status alive.
    link: std::sync::Arc<L>,
}

// SAFETY: the addresses point into mappings and a status that `link` keeps alive, and that any thread may
// use; which half stores to which word is fixed by the ring.
unsafe impl<L: Send + Sync> Send for View<L> {}

impl<L> View<L> {
    /// A view of what `link` holds.
    pub(crate) fn new(
        link: std::sync::Arc<L>,
        parts: impl FnOnce(&L) -> (&Own, &Theirs, &AtomicU32, &AtomicBool),
        asymmetric: bool,
    ) -> View<L> {
        let (own, theirs, status, sent) = parts(&link);
        View {
            own_words: own.mapping.base,
            own_ring: own.mapping.ring(),
            own_mask: own.layout.capacity - 1,
            their_words: theirs.mapping.base,
            their_ring: theirs.mapping.ring(),
            their_mask: theirs.layout.capacity - 1,
            asymmetric,
            lets_go: theirs.layout.capacity <= opaque::letting_go_pays_up_to(),
            status: ptr::from_ref(status),
            sent: ptr::from_ref(sent),
            link,
        }
    }

    /// What keeps it all alive.
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
        // SAFETY: as above; the receiving half's view never touches the own ring.
        unsafe { std::slice::from_raw_parts_mut(self.own_ring.add(index(at, self.own_mask)), len) }
    }

    /// A message that the peer has published, where it stands.
    ///
    /// # Safety
    /// The peer does not write to it while the slice is there.
    pub(crate) unsafe fn published(&self, at: u64, len: usize) -> &[u8] {
        assert!(len as u64 <= self.their_mask, "a message is shorter than its ring");
        // SAFETY: the place starts inside the ring and is shorter than a ring, so it ends before the second copy of the
        // ring does; the pages cannot go away. That nobody writes it is the caller's.
        unsafe { std::slice::from_raw_parts(self.their_ring.add(index(at, self.their_mask)), len) }
    }

    fn sent(&self) -> &AtomicBool {
        // SAFETY: it points to private memory that `link` keeps alive.
        unsafe { &*self.sent }
    }

    fn status_word(&self) -> &AtomicU32 {
        // SAFETY: it points to private memory that `link` keeps alive.
        unsafe { &*self.status }
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

impl<L> Memory for View<L> {
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
        if !self.asymmetric || rustix::thread::membarrier(MembarrierCommand::GlobalExpedited).is_err() {
            fence(Ordering::SeqCst);
        }
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
        #[cfg(target_arch = "x86_64")]
        {
            let place = self.their_ring.wrapping_add(index(at, self.their_mask));
            // SAFETY: a prefetch never faults, and changes nothing that a program can see.
            unsafe {
                std::arch::asm!(
                    "prefetcht0 [{place}]",
                    "prefetcht0 [{place} + 64]",
                    place = in(reg) place,
                    options(nostack, preserves_flags, readonly)
                );
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = at;
    }

    #[inline]
    fn status(&self) -> Status {
        Status(self.status_word().load(Ordering::Acquire))
    }

    #[cold]
    fn wake(&self, word: Word) {
        // SAFETY: the low half of an aligned word of my own header; an atomic there is only handed to the
        // kernel.
        let low = unsafe { AtomicU32::from_ptr(low_half(self.own_words.add(offset(word)))) };
        // It cannot fail on an aligned address that is mapped; and who was not woken finds the index changed.
        let _ = futex::wake(low, futex::Flags::empty(), 1);
    }

    fn sleep(&self, word: Word, seen: u64, status: Status, patience: &Patience) {
        // Never FUTEX_PRIVATE on the shared word: the kernel would wait on another key and nobody would wake
        // it.
        let mut theirs = Wait::new();
        theirs.uaddr =
            WaitPtr::new(low_half(self.their_words.wrapping_add(offset(word)).cast_mut()).cast::<c_void>());
        theirs.val = seen & u64::from(u32::MAX);
        theirs.flags = WaitFlags::SIZE_U32;
        let mut mine = Wait::new();
        mine.uaddr = WaitPtr::new(self.status.cast_mut().cast::<c_void>());
        mine.val = u64::from(status.0);
        mine.flags = WaitFlags::SIZE_U32 | WaitFlags::PRIVATE;
        let deadline = patience.deadline();
        // Whatever ends it (a change, a wake, a signal, the deadline), the caller looks again.
        let _ = futex::waitv(
            &[theirs, mine],
            WaitvFlags::empty(),
            deadline.as_ref(),
            rustix::thread::futex::ClockId::Monotonic,
        );
    }
}

/// The 32 bits of a word that every publication changes: a futex is 32 bits wide, a ring far below 4 GiB.
fn low_half(word: *mut u8) -> *mut u32 {
    if cfg!(target_endian = "little") { word.cast() } else { word.wrapping_add(4).cast() }
}
