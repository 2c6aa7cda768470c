//! A page that is given to a pipe instead of being copied into it (vmsplice(2)).
#![allow(unsafe_code)]

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;

use rustix::io::Errno;
use rustix::pipe::{IoSliceRaw, SpliceFlags};

use super::mapping::{Mapping, PAGE_BYTES};

/// A page of this process's memory.
#[derive(Debug)]
pub struct GivenPage(Mapping);

impl GivenPage {
    /// A page that begins with `bytes`; what is longer than a page is cut.
    ///
    /// # Errors
    /// Those of mmap(2).
    pub fn holding(bytes: &[u8]) -> io::Result<GivenPage> {
        let page = GivenPage(Mapping::own_page()?);
        page.overwrite(0, bytes);
        Ok(page)
    }

    /// Writes `bytes` behind the first `from`; what does not fit on the page is cut.
    pub fn overwrite(&self, from: usize, bytes: &[u8]) {
        for (to, &byte) in self.0.bytes().iter().skip(from).zip(bytes) {
            to.store(byte, Ordering::Relaxed);
        }
    }

    /// Gives the first `bytes` of the page to a pipe: the pipe then refers to the page itself.
    ///
    /// # Errors
    /// Those of vmsplice(2); `WriteZero` when the pipe took only a part.
    pub fn give_to(&self, pipe: impl AsFd, bytes: usize) -> io::Result<()> {
        // SAFETY: the page stays mapped as long as `self`, and what is behind its end is never named. Without
        // SPLICE_F_GIFT it stays this process's own, to do with as it likes.
        let given = unsafe {
            let slice = std::slice::from_raw_parts(self.0.bytes().as_ptr().cast(), bytes.min(PAGE_BYTES));
            rustix::pipe::vmsplice(&pipe, &[IoSliceRaw::from_slice(slice)], SpliceFlags::empty())
        };
        match given {
            Ok(given) if given == bytes => Ok(()),
            Ok(_) => Err(io::ErrorKind::WriteZero.into()),
            Err(Errno::INTR) => self.give_to(pipe, bytes),
            Err(errno) => Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_after_it_was_given_arrives() {
        let (reading, writing) = rustix::pipe::pipe().unwrap();
        let page = GivenPage::holding(b"before").unwrap();
        page.give_to(&writing, 6).unwrap();
        page.overwrite(0, b"after!");
        let mut seen = [0; 6];
        rustix::io::read(&reading, &mut seen).unwrap();
        assert_eq!(&seen, b"after!");
    }
}
