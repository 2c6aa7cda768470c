//! A stream that does what a test has written down: for outcomes that a kernel gives only now and then.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use super::{Cut, PARTS, Wire};
use crate::wait::{Patience, Until, WaitStrategy};

/// One direction of such a stream.
#[derive(Debug, Default)]
pub(super) struct Script {
    /// The outcomes of the next writes: a number of bytes taken, or an error. After the last one,
    /// writes take everything.
    pub(super) takes: VecDeque<Result<usize, Errno>>,
    /// What was taken.
    pub(super) taken: Vec<u8>,
    /// What the next reads bring. The end of the stream when nothing is left.
    pub(super) gives: VecDeque<Result<Vec<u8>, Errno>>,
}

impl Wire for Script {
    const LINE_BYTES: usize = 64 << 10;

    fn read(&mut self, buffer: &mut [u8], _: bool) -> Result<usize, Errno> {
        let Some(gives) = self.gives.pop_front() else { return Ok(0) };
        let mut bytes = gives?;
        let rest = bytes.split_off(bytes.len().min(buffer.len()));
        if !rest.is_empty() {
            self.gives.push_front(Ok(rest));
        }
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn write(&mut self, bytes: &[u8], _: bool) -> Result<usize, Errno> {
        let most = self.takes.pop_front().unwrap_or(Ok(usize::MAX))?.min(bytes.len());
        self.taken.extend_from_slice(&bytes[..most]);
        Ok(most)
    }

    fn write_parts(&mut self, parts: &[IoSlice<'_>], now: bool) -> Result<usize, Errno> {
        assert!(parts.len() <= PARTS);
        self.write(&parts.iter().map(|part| &**part).collect::<Vec<_>>().concat(), now)
    }

    fn cut(&self, errno: Errno) -> Option<Cut> {
        match errno {
            Errno::PIPE => Some(Cut::Gone),
            Errno::CONNRESET | Errno::CONNABORTED => Some(Cut::Reset),
            _ => None,
        }
    }

    fn cut_at_end(&self) -> Cut {
        Cut::Gone
    }

    fn unread_bytes(&self) -> Result<usize, Errno> {
        Ok(self.gives.iter().filter_map(|gives| gives.as_ref().ok()).map(Vec::len).sum())
    }

    fn buffer_bytes(&self) -> Result<usize, Errno> {
        Err(Errno::NOTSUP)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        unreachable!("its patience never sleeps")
    }

    fn close(&mut self, _: bool) {}

    fn hang_up(&mut self) {}
}

/// A patience that never sleeps.
pub(super) fn patience(until: Until) -> Patience {
    Patience::new(WaitStrategy::Spin, false).until(until).clone()
}

/// A message, and its frame.
pub(super) fn message(len: usize) -> (Vec<u8>, Vec<u8>) {
    let message: Vec<u8> = (0..len).map(|index| (index % 251) as u8).collect();
    let frame = [&(len as u32).to_le_bytes(), &message[..]].concat();
    (message, frame)
}
