//! Blobs: memory that nobody can write any more, and that goes from process to process without a copy.
//!
//! A message is copied into the ring and out of it. Bytes that are many, or that go to many, can stay where they are: a
//! [`BlobMut`] is filled, then [sealed](BlobMut::seal), and from then on neither its maker nor anybody else can write to
//! it (`F_SEAL_WRITE`), for as long as it exists. So a [`Blob`] can be read as a plain slice even when the process that
//! made it is not trusted. What travels is a descriptor.
//!
//! # References
//! memfd_create(2), fcntl(2) "File sealing", unix(7) SCM_RIGHTS.

#![allow(unsafe_code)]

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};

use rustix::fs::SealFlags;
use rustix::mm::{Advice, MapFlags, ProtFlags};

use super::memfd;

/// What a blob must have: its size stays, and its bytes stay.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::WRITE);

/// Memory that is being filled to become a [`Blob`]. It begins as zeros.
///
/// # Examples
/// ```
/// use crossing::{BlobMut, Config, Connection, Kind, Shm};
///
/// let (here, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
/// let mut picture = BlobMut::new(3 << 20)?;
/// picture[0] = 7;
/// here.split().0.send_blob(&picture.seal()?)?;
///
/// let picture = there.split().1.recv_blob()?;
/// assert_eq!((picture.len(), picture[0]), (3 << 20, 7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BlobMut {
    pages: Pages,
    memfd: OwnedFd,
}

impl BlobMut {
    /// Makes `len` bytes of memory, and brings them in.
    ///
    /// # Errors
    /// What memfd_create(2), fallocate(2) and mmap(2) say: mostly that there is not so much memory.
    pub fn new(len: usize) -> io::Result<BlobMut> {
        let memfd = memfd::create(len as u64)?;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let pages = Pages::map(&memfd, len, protection, MapFlags::SHARED | MapFlags::POPULATE)?;
        pages.keep_from_children()?;
        Ok(BlobMut { pages, memfd })
    }

    /// Nobody writes to it from now on.
    ///
    /// # Errors
    /// What fcntl(2) and mmap(2) say.
    pub fn seal(self) -> io::Result<Blob> {
        let BlobMut { pages, memfd } = self;
        // A file that is mapped for writing cannot be sealed.
        drop(pages);
        rustix::fs::fcntl_add_seals(&memfd, SEALS | SealFlags::SEAL)?;
        Blob::open(memfd)
    }
}

impl Deref for BlobMut {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: the pages are mapped, and no other process has the descriptor.
        unsafe { self.pages.bytes() }
    }
}

impl DerefMut for BlobMut {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and mapped for writing.
        unsafe { std::slice::from_raw_parts_mut(self.pages.base.as_ptr(), self.pages.len) }
    }
}

/// Memory that nobody can write to: see [`Sender::send_blob`](crate::Sender::send_blob). It can be sent to many.
pub struct Blob {
    pages: Pages,
    memfd: OwnedFd,
}

impl Blob {
    /// A blob of what somebody handed over, if it is sealed as a blob is. This is how one that came by another way, say
    /// over a Unix socket of one's own, is read.
    ///
    /// # Errors
    /// `InvalidData` when its writer could still change it, take it away, or let its reader pay for it; what mmap(2) says.
    pub fn open(memfd: OwnedFd) -> io::Result<Blob> {
        let bytes = memfd::check(&memfd, SEALS)
            .map_err(|(field, why)| io::Error::new(io::ErrorKind::InvalidData, format!("{field}: {why}")))?;
        let len = usize::try_from(bytes).map_err(|_| io::ErrorKind::OutOfMemory)?;
        // A private mapping for reading shows the file's own pages. A shared one of a file that is sealed against writing
        // exists since Linux 6.7.
        let pages = Pages::map(&memfd, len, ProtFlags::READ, MapFlags::PRIVATE)?;
        Ok(Blob { pages, memfd })
    }
}

impl Deref for Blob {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: the pages are mapped, cannot go away (sealed), and nobody can write to them (sealed).
        unsafe { self.pages.bytes() }
    }
}

impl AsFd for Blob {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.memfd.as_fd()
    }
}

/// Pages of a file in this process.
struct Pages {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: pages are an address range; they belong to the process, not to a thread.
unsafe impl Send for Pages {}
// SAFETY: through a shared reference they are only read.
unsafe impl Sync for Pages {}

impl Pages {
    fn map(memfd: &OwnedFd, len: usize, protection: ProtFlags, flags: MapFlags) -> io::Result<Pages> {
        if len == 0 {
            return Ok(Pages { base: NonNull::dangling(), len });
        }
        // SAFETY: a new range at a place of the kernel's choice; nothing that exists is touched.
        let base = unsafe { rustix::mm::mmap(ptr::null_mut(), len, protection, flags, memfd, 0) }?;
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Pages { base, len })
    }

    /// A child that inherited the right to write would keep the file from being sealed.
    fn keep_from_children(&self) -> io::Result<()> {
        if self.len > 0 {
            // SAFETY: the range is ours; the advice changes what a fork inherits, not what is there.
            unsafe { rustix::mm::madvise(self.base.as_ptr().cast(), self.len, Advice::LinuxDontFork) }?;
        }
        Ok(())
    }

    /// # Safety
    /// Nobody writes to them while the slice is there.
    unsafe fn bytes(&self) -> &[u8] {
        // SAFETY: they are mapped as long as this value exists; the rest is the caller's.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: mapped by `map`, and whoever lent them is gone. A failure would leak address space, nothing else.
            let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) };
        }
    }
}

impl fmt::Debug for BlobMut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobMut").field("bytes", &self.pages.len).finish()
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob").field("bytes", &self.pages.len).finish()
    }
}
