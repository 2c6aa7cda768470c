//! Memory that is mapped for as long as a value lives: shared with other processes, shared with the kernel, or a page of
//! this process's own.
//!
//! Others change it, so it is read and written as atomics, whatever it holds. That makes everything but the mapping itself
//! safe code.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

/// The size of a shared page, in bytes.
pub const PAGE_BYTES: usize = 4096;

/// Some pages, readable and writable.
#[derive(Debug)]
pub struct Mapping {
    at: NonNull<u8>,
    bytes: usize,
}

/// Makes a page of zeros for processes to share; the descriptor is close-on-exec, and the page cannot be taken away.
///
/// # Errors
/// Those of memfd_create(2), ftruncate(2) or fcntl(2).
pub fn page(name: &str) -> io::Result<OwnedFd> {
    let fd = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&fd, PAGE_BYTES as u64)?;
    fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(fd)
}

impl Mapping {
    /// Maps what [`page`] made, here or in another process.
    ///
    /// # Errors
    /// `InvalidData` when the file is no such page; else those of mmap(2).
    pub fn page(fd: impl AsFd) -> io::Result<Mapping> {
        let fd = fd.as_fd();
        let sealed = fcntl_get_seals(fd).is_ok_and(|seals| seals.contains(SealFlags::SHRINK));
        if !sealed || fstat(fd)?.st_size != PAGE_BYTES as i64 {
            let what = "not a page to share: a memfd of 4096 bytes, sealed against shrinking, was expected";
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Mapping::shared(fd, PAGE_BYTES, MapFlags::POPULATE)
    }

    /// Maps the first `bytes` that the kernel shares through a descriptor of its own, such as a perf event's.
    ///
    /// # Errors
    /// Those of mmap(2).
    pub fn of_kernel(fd: impl AsFd, bytes: usize) -> io::Result<Mapping> {
        Mapping::shared(fd, bytes, MapFlags::empty())
    }

    fn shared(fd: impl AsFd, bytes: usize, flags: MapFlags) -> io::Result<Mapping> {
        let rights = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice replaces no memory that is in use.
        let at = unsafe { mmap(ptr::null_mut(), bytes, rights, MapFlags::SHARED | flags, fd, 0) }?;
        Mapping::at(at.cast(), bytes)
    }

    /// A page of zeros of this process's own.
    ///
    /// # Errors
    /// Those of mmap(2).
    pub fn own_page() -> io::Result<Mapping> {
        let rights = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice replaces no memory that is in use.
        let at = unsafe { mmap_anonymous(ptr::null_mut(), PAGE_BYTES, rights, MapFlags::PRIVATE) }?;
        Mapping::at(at.cast(), PAGE_BYTES)
    }

    fn at(at: *mut u8, bytes: usize) -> io::Result<Mapping> {
        let at = NonNull::new(at).ok_or_else(|| io::Error::other("mmap gave the null page"))?;
        Ok(Mapping { at, bytes })
    }

    /// All of it, as bytes.
    pub fn bytes(&self) -> &[AtomicU8] {
        // SAFETY: the mapping is `bytes` long and lives as long as `self`. Its pages cannot go away: a shared page is
        // sealed against shrinking, and the others are the kernel's or this process's. Any byte is a valid atomic.
        unsafe { slice::from_raw_parts(self.at.as_ptr().cast(), self.bytes) }
    }

    /// All of it, as words.
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is `bytes` long and lives as long as `self`. Its pages cannot go away: a shared page is
        // sealed against shrinking, and the others are the kernel's or this process's. It begins with a page, so it is
        // aligned, and any eight bytes are a valid atomic.
        unsafe { slice::from_raw_parts(self.at.as_ptr().cast(), self.bytes / size_of::<AtomicU64>()) }
    }
}

/// Pages that the kernel alone writes.
#[derive(Debug)]
pub struct ReadOnly(Mapping);

impl ReadOnly {
    /// Maps `bytes` of what the kernel shares through a descriptor of its own, from `offset` on.
    ///
    /// # Errors
    /// Those of mmap(2).
    pub fn of_kernel(fd: impl AsFd, offset: u64, bytes: usize) -> io::Result<ReadOnly> {
        // SAFETY: a new mapping at an address of the kernel's choice replaces no memory that is in use.
        let at = unsafe { mmap(ptr::null_mut(), bytes, ProtFlags::READ, MapFlags::SHARED, fd, offset) }?;
        Mapping::at(at.cast(), bytes).map(ReadOnly)
    }

    /// The word `index`; `None` behind the end.
    pub fn load(&self, index: usize, ordering: Ordering) -> Option<u64> {
        // Of a word of the machine's size every processor loads atomically from pages that it may not write.
        self.0.words().get(index).map(|word| word.load(ordering))
    }
}

// SAFETY: the mapping belongs to the process and not to a thread, and is reached through atomics only.
unsafe impl Send for Mapping {}
// SAFETY: the mapping belongs to the process and not to a thread, and is reached through atomics only.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly what mmap returned, and no reference into it outlives `self`.
        let _ = unsafe { munmap(self.at.as_ptr().cast(), self.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_file_is_refused() {
        let short = memfd_create("short", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        fcntl_add_seals(&short, SealFlags::SHRINK).unwrap();
        let unsealed = memfd_create("unsealed", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&unsealed, PAGE_BYTES as u64).unwrap();
        let disk = std::fs::File::open("/proc/self/exe").unwrap();
        for fd in [short.as_fd(), unsealed.as_fd(), disk.as_fd()] {
            assert_eq!(Mapping::page(fd).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }
}
