//! The receiving half of a stream: what has come, message by message, and how it ends.

mod ahead;

use std::os::fd::BorrowedFd;

use rustix::event::PollFlags;
use rustix::io::Errno;

use super::{Cut, END, HEADER_BYTES, Wire, again, copy, header};
use crate::error::{End, RecvError, Violation};
use crate::halves::Inbound;
use crate::owner::Owner;
use crate::place::MessagePlace;
use crate::ready::Ready;
use crate::tuning::{BURST, GATHERED_BYTES, READ_BYTES};
use crate::wait::{Patience, Until};

/// The act of a receiver before it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    /// Nothing.
    Nothing,
    /// It lingers: the last read brought a burst.
    Linger,
    /// It tells again that the direction is over. There is no other read.
    Tell,
}

/// The receiving half of a stream.
#[derive(Debug)]
pub struct FrameReceiver<W: Wire> {
    wire: W,
    max_message: usize,
    /// `buffer[start..end]` has arrived and was not taken yet. A buffer longer than [`READ_BYTES`]
    /// is as long as the one frame that it holds and the next header, at most.
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// The act before the next read.
    first: First,
    /// How the direction ended, once that was told.
    over: Option<End>,
    owner: Owner,
}

impl<W: Wire> FrameReceiver<W> {
    pub(crate) fn new(wire: W, max_message: usize, owner: Owner) -> Self {
        FrameReceiver {
            wire,
            max_message,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            first: First::Nothing,
            over: None,
            owner,
        }
    }

    /// The length of the next message, if its header has come.
    #[inline(always)]
    fn next_len(&self) -> Option<usize> {
        self.len_at(self.start)
    }

    /// The length that stands there.
    #[inline(always)]
    fn len_at(&self, at: usize) -> Option<usize> {
        let header = self.buffer.get(at..self.end)?.first_chunk()?;
        Some(u32::from_le_bytes(*header) as usize)
    }

    /// Copies the next message to `place`, if all of it has come and it fits.
    #[inline(always)]
    fn take<P: MessagePlace + ?Sized>(&mut self, place: &mut P) -> Option<usize> {
        let len = self.next_len()?;
        if len > self.max_message {
            return None;
        }
        let end = self.start + HEADER_BYTES + len;
        let frame = self.buffer[..self.end].get(self.start..end)?;
        place.admit(len).ok()?;
        copy(&frame[HEADER_BYTES..], place.part(len));
        self.start = end;
        Some(len)
    }

    /// The same. An error if no message comes, or one that is too long.
    #[inline]
    fn possible_len(&mut self) -> Result<Option<usize>, RecvError> {
        let len = self.next_len();
        match len {
            // Nothing follows.
            Some(len) if len == END as usize => {
                (self.start, self.end) = (0, 0);
                Err(self.over(End::Closed))
            }
            Some(len) if len > self.max_message => {
                Err(Violation::Length { claimed: len as u64, limit: self.max_message }.into())
            }
            _ => Ok(len),
        }
    }

    /// Keeps what has come of the next message, which cannot be taken yet. An error if it can never be taken, or not to
    /// `place`. Its length, if it can as well be received straight to that.
    #[cold]
    fn keep<P: MessagePlace + ?Sized>(
        &mut self,
        place: &mut P,
        patience: &Patience,
    ) -> Result<Option<usize>, RecvError> {
        let len = self.possible_len()?;
        if let Some(len) = len {
            place.admit(len)?;
            if HEADER_BYTES + len > READ_BYTES && patience.until == Until::Forever {
                return Ok(Some(len));
            }
        }
        self.gather(len.unwrap_or(0));
        Ok(None)
    }

    /// Keeps what has come of a message of `len` bytes at the front; in a larger buffer, at most twice what has come, if it
    /// fills this one.
    fn gather(&mut self, len: usize) {
        let (frame, size) = (HEADER_BYTES + len, self.buffer.len());
        let full = self.end - self.start == size;
        self.move_to(if full { (size * 2).min(frame) } else { size.min(frame.max(READ_BYTES)) });
    }

    /// Moves what has come to the front, in a buffer of `size` bytes.
    fn move_to(&mut self, size: usize) {
        let come = self.start..self.end;
        (self.start, self.end) = (0, come.len());
        if size == self.buffer.len() {
            self.buffer.copy_within(come, 0);
        } else {
            let mut other = vec![0; size].into_boxed_slice();
            other[..come.len()].copy_from_slice(&self.buffer[come]);
            self.buffer = other;
        }
    }

    /// Receives the next message of `len` bytes straight to `place`, behind what has come of it.
    #[inline(never)]
    fn recv_long<P: MessagePlace + ?Sized>(
        &mut self,
        len: usize,
        place: &mut P,
        patience: &mut Patience,
    ) -> Result<usize, RecvError> {
        let come = &self.buffer[self.start..self.end][HEADER_BYTES..];
        place.part(come.len()).copy_from_slice(come);
        let mut at = come.len();
        self.let_go();
        self.first = First::Nothing;
        while at < len {
            let upto = place.reach(at, len);
            let rest = &mut place.part(upto)[at..];
            let mut read = self.wire.read(rest, !patience.waits_in_calls());
            if let Err(Errno::AGAIN | Errno::INTR) = read {
                let outcome =
                    again(&mut self.wire, PollFlags::IN, patience, |wire, now| wire.read(rest, now));
                read = outcome.unwrap_or(Err(Errno::AGAIN));
            }
            match read {
                Ok(bytes @ 1..) => at += bytes,
                ended => {
                    let error = self.fail(ended);
                    if self.over.is_none() {
                        // It passes: what has come is kept for the next call.
                        self.buffer = [&header(len), &*place.part(at)].concat().into_boxed_slice();
                        self.end = self.buffer.len();
                    }
                    return Err(error);
                }
            }
        }
        Ok(len)
    }

    /// Forgets what has come, and lets go of a buffer that was made longer for it.
    #[inline]
    fn let_go(&mut self) {
        (self.start, self.end) = (0, 0);
        if self.buffer.len() != READ_BYTES {
            self.shrink();
        }
    }

    #[cold]
    fn shrink(&mut self) {
        self.buffer = vec![0; READ_BYTES].into_boxed_slice();
    }

    /// Reads what has come, behind what is kept.
    #[inline(always)]
    fn fetch(&mut self, patience: &mut Patience) -> Result<(), RecvError> {
        if self.first != First::Nothing {
            self.before_read(patience)?;
        }
        match self.wire.read(&mut self.buffer[self.end..], !patience.waits_in_calls()) {
            Ok(bytes @ 1..) => {
                self.came(bytes);
                Ok(())
            }
            read => self.read_again(read, patience),
        }
    }

    /// Reads more of the next message, which is kept until all of it has come.
    fn fetch_more(&mut self, patience: &mut Patience) -> Result<(), RecvError> {
        if self.start < self.end {
            let len = self.possible_len()?;
            self.gather(len.unwrap_or(0));
        } else {
            self.let_go();
        }
        self.fetch(patience)
    }

    /// Takes note of a read that brought `bytes` bytes.
    #[inline]
    fn came(&mut self, bytes: usize) {
        self.end += bytes;
        let frame = self.next_len().map(|len| HEADER_BYTES + len);
        let burst = bytes < GATHERED_BYTES && frame.is_some_and(|frame| bytes >= BURST * frame);
        self.first = if burst { First::Linger } else { First::Nothing };
    }

    /// Goes on after a read that brought nothing and ended so.
    #[inline(never)]
    fn read_again(&mut self, read: Result<usize, Errno>, patience: &mut Patience) -> Result<(), RecvError> {
        let read = if let Err(Errno::AGAIN | Errno::INTR) = read {
            let room = &mut self.buffer[self.end..];
            let outcome = again(&mut self.wire, PollFlags::IN, patience, |wire, now| wire.read(room, now));
            outcome.ok_or_else(|| RecvError::timeout(patience))?
        } else {
            read
        };
        match read {
            Ok(bytes @ 1..) => {
                self.came(bytes);
                Ok(())
            }
            ended => Err(self.fail(ended)),
        }
    }

    /// The error of a read that brought nothing: the direction has ended, or the read may succeed
    /// later.
    #[cold]
    fn fail(&mut self, ended: Result<usize, Errno>) -> RecvError {
        let cut = match ended {
            Ok(_) => self.wire.cut_at_end(),
            Err(errno) => match self.wire.cut(errno) {
                Some(cut) => cut,
                None => return RecvError::Io(errno.into()),
            },
        };
        // A frame that its writer did not live to finish was never sent.
        self.over(if cut == Cut::Reset { End::Reset } else { End::Abrupt })
    }

    /// Ends the direction.
    fn over(&mut self, end: End) -> RecvError {
        self.over = Some(end);
        self.first = First::Tell;
        end.into()
    }

    /// Does what must precede a read: tells a known end again, or lingers.
    #[inline(never)]
    fn before_read(&self, patience: &Patience) -> Result<(), RecvError> {
        if self.first == First::Tell {
            return Err(self.end().into());
        }
        patience.linger();
        Ok(())
    }
}

impl<W: Wire> Inbound for FrameReceiver<W> {
    fn max_message(&self) -> usize {
        self.max_message
    }

    fn bytes_ahead(&self) -> usize {
        self.end - self.start
    }

    #[inline(always)]
    fn recv_at_once<P: MessagePlace + ?Sized>(&mut self, place: &mut P) -> Option<usize> {
        self.take(place)
    }

    #[inline(always)]
    fn recv<P: MessagePlace + ?Sized>(
        &mut self,
        place: &mut P,
        patience: &mut Patience,
    ) -> Result<usize, RecvError> {
        loop {
            if let Some(len) = self.take(place) {
                if self.start == self.end {
                    self.let_go();
                }
                return Ok(len);
            }
            if self.start < self.end {
                if let Some(len) = self.keep(place, patience)? {
                    return self.recv_long(len, place, patience);
                }
            } else {
                self.let_go();
            }
            self.fetch(patience)?;
        }
    }

    fn skip(&mut self, patience: &mut Patience) -> Result<usize, RecvError> {
        self.step_over(patience)
    }

    fn skip_stale(&mut self, patience: &mut Patience) -> Result<usize, RecvError> {
        self.step_over_stale(patience)
    }

    fn pending(&mut self, patience: &mut Patience) -> Result<(usize, usize), RecvError> {
        self.count(patience)
    }

    fn end(&self) -> End {
        self.over.unwrap_or(End::Abrupt)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.wire.fd()
    }

    fn ties(&self) -> (Option<BorrowedFd<'_>>, Option<BorrowedFd<'_>>) {
        (self.wire.unix_socket(), None)
    }

    fn is_ready(&mut self) -> bool {
        // A length that is none is told by the next receive.
        let whole = |len| len > self.max_message || self.end - self.start >= HEADER_BYTES + len;
        self.over.is_some() || self.next_len().is_some_and(whole)
    }

    fn arm(&mut self) -> Ready {
        if self.is_ready() { Ready::Now } else { Ready::Wait }
    }

    fn hang_up(&mut self) {
        self.wire.hang_up();
    }
}

impl<W: Wire> Drop for FrameReceiver<W> {
    fn drop(&mut self) {
        if self.owner.is_me() {
            self.wire.close(true);
        }
    }
}

#[cfg(test)]
mod tests;
