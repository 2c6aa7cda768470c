//! A region: memory that one process writes and the other can only read.
//!
//! # Why this is safe against the peer
//!
//! Every side makes its own memfd, gives it its size, allocates it, writes its header, maps it for
//! writing, and then seals it with `SHRINK | GROW | FUTURE_WRITE | SEAL`. From then on no process,
//! the owner included, can map it for writing again, write(2) to it, change its size or punch holes
//! into it: the existing writable mapping stays the only one. (`SHRINK | GROW | SEAL` alone would
//! be a trap: a peer could still punch a hole, and bytes would turn to zero under the reader.) The
//! peer maps it for reading. A wild store by either process faults the process that strayed. Since
//! the size is sealed and every page is there before it is sealed, no access within it can raise
//! SIGBUS. The receiver of a region checks both, in this order (`memfd.rs`).
//!
//! **Why it is all there from the beginning.** Pages could come as the ring first reaches them, and
//! an idle connection would hold less. But then a reader would have to see, each time, that the
//! writer has brought them, since a hole is filled at the reader's expense: for that it would keep
//! the writer's memfd open (lseek(2); mincore(2) does not tell one user about another's file), one
//! descriptor more an end. And a send, which can fail for want of room or of a peer only, could
//! fail for want of memory, or have the OOM killer called in the middle of a message. So all memory
//! is asked for at the one moment at which it can be refused by name; connections that are many and
//! carry little have [small](crate::Config::small) rings.
//!
//! A fork would hand the right to write to the child, so the writable mapping is not inherited
//! (`MADV_DONTFORK`), and may not be written before that is said.
//!
//! # Why this is sound in Rust
//!
//! Rust has no agreed model for memory that another process changes at will. So the peer's region never
//! becomes Rust memory: it comes from a raw mmap, no reference, slice or atomic is ever made over it (but for an atomic whose
//! address is handed to the kernel, for futex(2), and which is never loaded), and it
//! is touched only from `view.rs`, in two ways (`opaque.rs`). Header words are loaded and stored, and messages
//! copied, by plain instructions in `asm!` blocks, which the compiler must take to read and write anything.
//! The length before a message, its last bytes as they are written, and everything on processors without such a block, go by volatile
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

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr;

use rustix::fs::SealFlags;
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};

use super::memfd::{self, MemoryFault};
use super::memory::Word;
use super::{opaque, rules};
use crate::error::ConnectError;
use crate::owner::{self, Owner};
use crate::tuning::PART_BYTES;

/// The largest ring that will be made or accepted, in bytes.
pub(crate) const CAPACITY_LIMIT: u64 = 1 << 30;
/// What the sealed end must have.
const SEALS: SealFlags = {
    let seals = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);
    if rules::SEAL { seals.union(SealFlags::FUTURE_WRITE) } else { seals }
};
/// How the peer's region is mapped.
const THEIRS: MprotectFlags = if rules::SEAL { MprotectFlags::READ } else { OWN };
/// How my own is.
const OWN: MprotectFlags = MprotectFlags::READ.union(MprotectFlags::WRITE);

/// Where a word stands in the header. Each has a pair of cache lines to itself: processors fetch lines in
/// pairs.
pub(super) const fn offset(word: Word) -> usize {
    match word {
        Word::Tail => 128,
        Word::Head => 256,
        Word::SenderAsleep => 384,
        Word::ReceiverAsleep => 512,
        Word::BlobsTaken => 640,
    }
}

/// The size of a page of memory, in bytes: 4 KiB on x86-64, up to 64 KiB elsewhere. Rings are mapped in whole pages, so it is
/// the size of a region's header, and the smallest ring.
///
/// A debug build takes a larger one from the variable `CROSSING_PAGE_BYTES`, so that tests on a machine of small pages lay regions
/// out as a machine of large ones does.
pub(crate) fn page_bytes() -> u64 {
    let page = rustix::param::page_size() as u64;
    let emulated = cfg!(debug_assertions).then(|| std::env::var("CROSSING_PAGE_BYTES").ok()?.parse().ok());
    emulated.flatten().filter(|larger: &u64| larger.is_power_of_two()).map_or(page, |larger| larger.max(page))
}

/// The part of the header that never changes: what a peer checks before it maps. Little-endian, from byte 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RegionLayout {
    /// Bytes before the ring: a page of the machine, on which both ends must agree. See [`page_bytes`].
    pub(crate) header_bytes: u64,
    /// The ring's size in bytes.
    pub(crate) capacity: u64,
    /// A random number that both the handshake and the region carry, so that one belongs to the other.
    pub(crate) nonce: u64,
}

impl RegionLayout {
    pub(super) const BYTES: usize = 64;
    const MAGIC: u64 = u64::from_le_bytes(*b"CROSSREG");

    /// The fields by name, in the order in which they stand, each eight bytes.
    fn fields(self) -> [(&'static str, u64); Self::BYTES / 8] {
        let place = |word| offset(word) as u64;
        let words = [Word::Tail, Word::Head, Word::SenderAsleep, Word::ReceiverAsleep];
        [
            ("region magic", Self::MAGIC),
            ("region version and byte order", 0x0102_0304_0000_0002),
            ("region words", words.into_iter().rev().fold(0, |packed, word| packed << 16 | place(word))),
            ("region words", place(Word::BlobsTaken) | (PART_BYTES as u64) << 32),
            ("region start index", super::ring::START),
            ("region capacity", self.capacity),
            ("region nonce", self.nonce),
            ("region header and page size", self.header_bytes),
        ]
    }

    fn encode(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (place, (_, value)) in bytes.chunks_exact_mut(8).zip(self.fields()) {
            place.copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    /// The layout that a header speaks of; `None` if it is no header of this version.
    #[cfg(feature = "scene")]
    pub(super) fn decode(bytes: &[u8; Self::BYTES]) -> Option<RegionLayout> {
        let field = |place: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[place * 8 + i]));
        let layout = RegionLayout { capacity: field(5), nonce: field(6), header_bytes: field(7) };
        let powers = layout.capacity.is_power_of_two() && layout.header_bytes.is_power_of_two();
        (powers && layout.check(bytes).is_ok()).then_some(layout)
    }

    /// Holds a peer's header against what it must be.
    fn check(self, bytes: &[u8; Self::BYTES]) -> Result<(), ConnectError> {
        for (found, (field, expected)) in bytes.chunks_exact(8).zip(self.fields()) {
            if found != expected.to_le_bytes() {
                let found = found.iter().rev().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
                let why = format!("{found} ({found:#x}) where {expected} ({expected:#x}) belongs");
                return Err(ConnectError::Refused { field, why });
            }
        }
        Ok(())
    }

    pub(super) fn file_bytes(self) -> u64 {
        self.header_bytes + self.capacity
    }

    /// What a process maps of it, in bytes: the ring twice.
    pub(super) fn mapped_bytes(self) -> u64 {
        self.file_bytes() + self.capacity
    }
}

/// My region: mapped for writing before it was sealed.
#[derive(Debug)]
pub(crate) struct Own {
    pub(super) mapping: RegionMapping,
    memfd: OwnedFd,
    layout: RegionLayout,
}

impl Own {
    /// Makes, allocates, maps and seals a region. `step` is called whenever a [part](super::work) of it is done and another
    /// follows.
    pub(crate) fn create(layout: RegionLayout, step: &mut dyn FnMut()) -> Result<Own, ConnectError> {
        let memfd = memfd::create(layout.file_bytes(), &mut *step).map_err(|source| {
            let doing = format!("make {} bytes of shared memory", layout.file_bytes());
            ConnectError::Io { doing, source }
        })?;
        rustix::io::pwrite(&memfd, &layout.encode(), 0)
            .map_err(ConnectError::io("write the header of shared memory"))?;
        let mut mapping = RegionMapping::new(memfd.as_fd(), layout)?;
        mapping.keep_from_children()?;
        mapping.open(OWN, Advice::LinuxPopulateWrite, step)?;
        for word in [Word::Tail, Word::Head] {
            // SAFETY: the word lies in the mapping just made, which nothing else uses yet.
            unsafe { opaque::store_release(mapping.word(word), super::ring::START) };
        }
        rustix::fs::fcntl_add_seals(&memfd, SEALS).map_err(ConnectError::io("seal shared memory"))?;
        Ok(Own { mapping, memfd, layout })
    }

    /// The descriptor that the peer maps for reading.
    pub(crate) fn memfd(&self) -> BorrowedFd<'_> {
        self.memfd.as_fd()
    }

    pub(crate) fn layout(&self) -> RegionLayout {
        self.layout
    }
}

/// The peer's region: mapped for reading, after everything about it was checked.
#[derive(Debug)]
pub(crate) struct Theirs {
    pub(super) mapping: RegionMapping,
    layout: RegionLayout,
}

impl Theirs {
    pub(crate) fn layout(&self) -> RegionLayout {
        self.layout
    }

    /// Checks what the peer handed over, and maps it. `layout` is what it must be, of which the peer has said the capacity and the
    /// nonce; `step` as in [`Own::create`].
    pub(crate) fn open(
        memfd: OwnedFd,
        layout: RegionLayout,
        step: &mut dyn FnMut(),
    ) -> Result<Theirs, ConnectError> {
        let size = memfd::check(&memfd, SEALS).map_err(|fault| match fault {
            MemoryFault::Theirs(field, why) => ConnectError::Refused { field, why },
            MemoryFault::Here(doing, errno) => ConnectError::io(doing)(errno),
        })?;
        let mut header = [0; RegionLayout::BYTES];
        let read = rustix::io::pread(&memfd, &mut header, 0)
            .map_err(ConnectError::io("read the header of the peer's shared memory"))?;
        // What is too short for a header is too short for anything.
        if read == header.len() {
            layout.check(&header)?;
        }
        if size != layout.file_bytes() {
            let why = format!("{size} bytes where {} belong", layout.file_bytes());
            return Err(ConnectError::Refused { field: "size", why });
        }
        let mapping = RegionMapping::new(memfd.as_fd(), layout)?;
        mapping.open(THEIRS, Advice::LinuxPopulateRead, step)?;
        Ok(Theirs { mapping, layout })
    }
}

/// A region's pages in this process: the header, the ring, and the ring once more behind it, so that no
/// message ever wraps in the address space.
#[derive(Debug)]
pub(super) struct RegionMapping {
    base: *mut u8,
    bytes: usize,
    header_bytes: usize,
    /// The process that alone has it, if a forked child does not inherit it.
    owner: Option<Owner>,
}

// SAFETY: a mapping is an address range; it belongs to the process, not to a thread.
unsafe impl Send for RegionMapping {}
// SAFETY: its methods only compute addresses; the ring decides which end may store through them.
unsafe impl Sync for RegionMapping {}

impl RegionMapping {
    /// Maps a region. Nothing may be done to it yet.
    fn new(memfd: BorrowedFd<'_>, layout: RegionLayout) -> Result<RegionMapping, ConnectError> {
        let here = |bytes: u64| {
            let too_large =
                || ConnectError::Config(format!("a ring of {} bytes does not fit here", layout.capacity));
            usize::try_from(bytes).map_err(|_| too_large())
        };
        let (header_bytes, ring) = (here(layout.header_bytes)?, here(layout.capacity)?);
        let bytes = here(layout.mapped_bytes())?;
        let failed = || ConnectError::io(format!("map {bytes} bytes of shared memory"));
        // SAFETY: a new range at a place of the kernel's choice; nothing that exists is touched.
        let base = unsafe {
            rustix::mm::mmap_anonymous(ptr::null_mut(), bytes, ProtFlags::empty(), MapFlags::PRIVATE)
        }
        .map_err(failed())?
        .cast::<u8>();
        let mapping = RegionMapping { base, bytes, header_bytes, owner: None };
        let (nothing, flags) = (ProtFlags::empty(), MapFlags::SHARED | MapFlags::FIXED);
        // The file (header and ring) first, then the ring once more.
        for (at, length, from) in
            [(0, header_bytes + ring, 0), (header_bytes + ring, ring, layout.header_bytes)]
        {
            // SAFETY: `at .. at + length` lies in the range reserved above, whose address has not
            // left this function.
            unsafe { rustix::mm::mmap(base.add(at).cast(), length, nothing, flags, memfd, from) }
                .map_err(failed())?;
        }
        Ok(mapping)
    }

    fn keep_from_children(&mut self) -> Result<(), ConnectError> {
        self.owner = Some(Owner::me().map_err(ConnectError::io(owner::NOTICING))?);
        // SAFETY: the range was reserved by `new`; the advice changes what a fork inherits, not what is there.
        unsafe { rustix::mm::madvise(self.base.cast(), self.bytes, Advice::LinuxDontFork) }
            .map_err(ConnectError::io("keep shared memory from forked children"))
    }

    /// Allows what `protection` says, and brings every page in.
    fn open(
        &self,
        protection: MprotectFlags,
        populate: Advice,
        step: &mut dyn FnMut(),
    ) -> Result<(), ConnectError> {
        let failed = || ConnectError::io(format!("bring {} bytes of shared memory in", self.bytes));
        // SAFETY: the range was reserved by `new`, and is not used yet: nothing holds an address in it.
        unsafe { rustix::mm::mprotect(self.base.cast(), self.bytes, protection) }.map_err(failed())?;
        for at in (0..self.bytes).step_by(memfd::STEP as usize) {
            if at > 0 {
                step();
            }
            let part = self.bytes.min(at + memfd::STEP as usize) - at;
            // SAFETY: `at .. at + part` lies in the range that `new` has reserved; the advice brings pages in and changes nothing that
            // is there.
            unsafe { rustix::mm::madvise(self.base.add(at).cast(), part, populate) }.map_err(failed())?;
        }
        Ok(())
    }

    fn word(&self, word: Word) -> *mut u64 {
        self.header().wrapping_add(offset(word)).cast()
    }

    /// Where the header begins: its words are at their [`offset`].
    pub(super) fn header(&self) -> *mut u8 {
        self.base
    }

    /// Where the ring begins, once more behind itself.
    pub(super) fn ring(&self) -> *mut u8 {
        self.base.wrapping_add(self.header_bytes)
    }
}

impl Drop for RegionMapping {
    fn drop(&mut self) {
        // In a forked child what was kept from it is not there, and something else may be.
        if self.owner.is_none_or(Owner::is_me) {
            // SAFETY: the range was reserved by `new`; views of it hold the link that owns this mapping alive.
            // A failure would leak address space, nothing else.
            let _ = unsafe { rustix::mm::munmap(self.base.cast(), self.bytes) };
        }
    }
}

#[cfg(test)]
mod tests;
