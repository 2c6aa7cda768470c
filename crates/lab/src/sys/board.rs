//! A board: one page of memory that every process which has it may write, as the textbooks' shared memory.
//!
//! It is words that are atomic, because that is what Rust has for memory that others change; it is shared in
//! every other respect.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicU64;

use super::mapping::{self, Mapping, PAGE_BYTES};

/// Words on a board.
pub const WORDS: usize = PAGE_BYTES / size_of::<AtomicU64>();

/// The board as this process has mapped it.
#[derive(Debug)]
pub struct Board(Mapping);

impl Board {
    /// Makes a board of zeros; the descriptor (close-on-exec) is for the processes that are to share it.
    ///
    /// # Errors
    /// As [`mapping::page`].
    pub fn create() -> io::Result<OwnedFd> {
        mapping::page("ipcscope-textbook")
    }

    /// Maps a board for reading and writing.
    ///
    /// # Errors
    /// As [`Mapping::page`].
    pub fn map(fd: impl AsFd) -> io::Result<Board> {
        Mapping::page(fd).map(Board)
    }

    /// All of it.
    pub fn words(&self) -> &[AtomicU64; WORDS] {
        self.0.words().first_chunk().expect("a page holds as many")
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
        assert_eq!(Board::map(file).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
