//! A page that is given to a pipe instead of being copied into it (vmsplice(2)).
#![allow(unsafe_code)]

use std::io;
use std::os::fd::AsFd;
use std::ptr::NonNull;

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};
use rustix::pipe::{IoSliceRaw, SpliceFlags};

const BYTES: usize = 4096;

/// A page of this process's memory.
#[derive(Debug)]
pub struct Page {
    at: NonNull<u8>,
}

impl Page {
    /// A page that begins with `bytes`; what is longer than a page is cut.
    ///
    /// # Errors
    /// What mmap(2) says.
    pub fn holding(bytes: &[u8]) -> io::Result<Page> {
        let rights = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice replaces no memory that anyone uses.
        let at =
            unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), BYTES, rights, MapFlags::PRIVATE) }?;
        let at = NonNull::new(at.cast()).ok_or_else(|| io::Error::other("mmap gave the null page"))?;
        let page = Page { at };
        page.overwrite(0, bytes);
        Ok(page)
    }

    /// Writes `bytes` behind the first `from`; what does not fit on the page is cut.
    pub fn overwrite(&self, from: usize, bytes: &[u8]) {
        for (i, &byte) in bytes.iter().enumerate().take(BYTES.saturating_sub(from)) {
            // SAFETY: within the page, to which no reference exists. The kernel may be reading it: to Rust that
            // is another process.
            unsafe { self.at.as_ptr().add(from + i).write_volatile(byte) };
        }
    }

    /// Gives the first `bytes` of the page to a pipe: the pipe then refers to the page itself.
    ///
    /// # Errors
    /// What vmsplice(2) says; `WriteZero` when the pipe took only a part.
    pub fn give_to(&self, pipe: impl AsFd, bytes: usize) -> io::Result<()> {
        // SAFETY: the page stays mapped as long as `self`, and what is behind its end is never named. Without
        // SPLICE_F_GIFT it stays this process's own, to do with as it likes.
        let given = unsafe {
            let slice = std::slice::from_raw_parts(self.at.as_ptr(), bytes.min(BYTES));
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

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: exactly what mmap returned, to which nothing refers; a pipe holds its own reference to the
        // physical page.
        let _ = unsafe { rustix::mm::munmap(self.at.as_ptr().cast(), BYTES) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_after_it_was_given_arrives() {
        let (reading, writing) = rustix::pipe::pipe().unwrap();
        let page = Page::holding(b"before").unwrap();
        page.give_to(&writing, 6).unwrap();
        page.overwrite(0, b"after!");
        let mut seen = [0; 6];
        rustix::io::read(&reading, &mut seen).unwrap();
        assert_eq!(&seen, b"after!");
    }
}
