//! What lies ahead in a ring: messages that are counted, or stepped over, without being copied.
//!
//! A step over a message is the step of a receive: the index moves, and nothing of the message is read but its length. How far
//! one call goes is fixed by one look, so that a writer that is as fast cannot keep it going.

use super::super::super::memory::Memory;
use super::{Consumer, Frame};
use crate::error::{RecvError, Violation};

impl<M: Memory> Consumer<M> {
    /// Looks how far the writer has come, if something is there already. If nothing is, what follows looks anyway.
    pub(crate) fn catch_up(&mut self) -> Result<(), Violation> {
        if self.head != self.tail {
            self.look()?;
        }
        Ok(())
    }

    /// Steps over every message behind which another whole one was there at the last look, after one was
    /// [found](Consumer::try_find). How many that were.
    pub(crate) fn leave_stale(&mut self) -> usize {
        let mut passed = 0;
        while let Some(behind) = self.whole_at(self.head.wrapping_add(self.last.bytes)) {
            self.leave_found();
            // It was read, so it is not read again.
            self.header = Some(behind.len as u64);
            self.last = behind;
            passed += 1;
        }
        passed
    }

    /// How many messages were there whole at the last look, and how many bytes they and the beginning of another have with
    /// their lengths.
    pub(crate) fn count(&mut self) -> Result<(usize, usize), RecvError> {
        let mut messages = 0;
        match self.try_find() {
            Ok(_) => {
                let mut at = self.head.wrapping_add(self.last.bytes);
                messages += 1;
                while let Some(behind) = self.whole_at(at) {
                    at = at.wrapping_add(behind.bytes);
                    messages += 1;
                }
            }
            Err(RecvError::Empty) => {}
            Err(error) => return Err(error),
        }
        Ok((messages, self.tail.wrapping_sub(self.head) as usize))
    }

    /// The message at `at`, if all of it was published before my last look. One that is none is told by the receive that
    /// comes to it.
    fn whole_at(&self, at: u64) -> Option<Frame> {
        let there = self.tail.wrapping_sub(at);
        if there == 0 {
            return None;
        }
        let header = usize::try_from(self.memory.read_word(at)).ok()?;
        let frame = Frame::of(Some(header).filter(|&len| len <= self.max_message)?);
        (frame.bytes <= there).then_some(frame)
    }
}
