//! A board: one page of memory that every process which has it may write, as the textbooks' shared memory.
//!
//! It is words that are atomic, because that is what Rust has for memory that others change; it is shared in
//! every other respect.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create};

const BYTES: usize = 4096;

/// Words on a board.
pub const WORDS: usize = BYTES / size_of::<AtomicU64>();

/// The board as this process has mapped it.
#[derive(Debug)]
pub struct Board {
    words: NonNull<[AtomicU64; WORDS]>,
}

impl Board {
    /// Makes a board of zeros; the descriptor (close-on-exec) is for the processes that are to share it.
    ///
    /// # Errors
    /// What memfd_create(2), ftruncate(2) or fcntl(2) say.
    pub fn create() -> io::Result<OwnedFd> {
        let fd = memfd_create("ipcscope-textbook", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&fd, BYTES as u64)?;
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok(fd)
    }

    /// Maps a board for reading and writing.
    ///
    /// # Errors
    /// `InvalidData` when the file is not one that [`Board::create`] made; else what mmap(2) says.
    pub fn map(fd: impl AsFd) -> io::Result<Board> {
        let fd = fd.as_fd();
        let sealed = fcntl_get_seals(fd).is_ok_and(|seals| seals.contains(SealFlags::SHRINK));
        if !sealed || fstat(fd)?.st_size != BYTES as i64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a board"));
        }
        // SAFETY: a new mapping at an address of the kernel's choice replaces no memory that anyone uses.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let words = NonNull::new(at.cast()).ok_or_else(|| io::Error::other("mmap gave the null page"))?;
        Ok(Board { words })
    }

    /// All of it.
    pub fn words(&self) -> &[AtomicU64; WORDS] {
        // SAFETY: the mapping lives as long as `self`, is page-aligned and as long as the array, and cannot
        // lose its page since the file is sealed against shrinking; any bytes are valid for atomic words.
        unsafe { self.words.as_ref() }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        // SAFETY: exactly what mmap returned for BYTES, and no reference into it outlives `self`.
        unsafe { libc::munmap(self.words.as_ptr().cast(), BYTES) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn both_who_have_it_may_write_it() {
        let fd = Board::create().unwrap();
        let (one, two) = (Board::map(&fd).unwrap(), Board::map(&fd).unwrap());
        one.words()[7].store(1, Ordering::Release);
        two.words()[WORDS - 1].store(2, Ordering::Release);
        assert_eq!(two.words()[7].load(Ordering::Acquire), 1);
        assert_eq!(one.words()[WORDS - 1].load(Ordering::Acquire), 2);
    }

    #[test]
    fn a_foreign_file_is_refused() {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        assert_eq!(Board::map(&file).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
