//! The sending half of a stream: frames in line, and what the kernel does not take at once.

use std::io::IoSlice;
use std::iter;
use std::os::fd::BorrowedFd;

use rustix::event::PollFlags;
use rustix::io::Errno;

use super::{Cut, END, HEADER_BYTES, PARTS, Wire, again, copy, header};
use crate::error::SendError;
use crate::halves::Outbound;
use crate::owner::Owner;
use crate::parts;
use crate::ready::Ready;
use crate::wait::Patience;

/// The sending half of a stream.
#[derive(Debug)]
pub struct FrameSender<W: Wire> {
    wire: W,
    max_message: usize,
    /// `buffer[..end]` holds whole frames in line; the kernel has taken those before `sent`. Empty, it is no longer than a line.
    buffer: Box<[u8]>,
    sent: usize,
    end: usize,
    /// The length of the message that is being written in place, at the line's end.
    claimed: Option<usize>,
    /// How the connection ended, once that was told.
    over: Option<SenderEnd>,
    /// Whether the last word has gone.
    closed: bool,
    owner: Owner,
}

/// How a connection ended, as its sender tells it every time.
#[derive(Debug, Clone, Copy)]
enum SenderEnd {
    Cut(Cut),
    Failed(Errno),
}

impl<W: Wire> FrameSender<W> {
    pub(crate) fn new(wire: W, max_message: usize, owner: Owner) -> Self {
        let buffer = Box::default();
        let (claimed, over) = (None, None);
        FrameSender { wire, max_message, buffer, sent: 0, end: 0, claimed, over, closed: false, owner }
    }

    /// Hands everything in line to the kernel. `Full` or `Timeout` when patience ends first.
    #[inline]
    fn write_out(&mut self, patience: &mut Patience) -> Result<(), SendError> {
        let rest = &self.buffer[self.sent..self.end];
        if rest.is_empty() {
            return Ok(());
        }
        match self.wire.write(rest, !patience.waits_in_calls()) {
            Ok(bytes) if bytes == rest.len() => {
                self.forget();
                Ok(())
            }
            written => self.write_rest(written, patience),
        }
    }

    /// Goes on after a write that ended so.
    #[inline(never)]
    fn write_rest(
        &mut self,
        mut written: Result<usize, Errno>,
        patience: &mut Patience,
    ) -> Result<(), SendError> {
        loop {
            if let Err(Errno::AGAIN | Errno::INTR) = written {
                let rest = &self.buffer[self.sent..self.end];
                let write = |wire: &mut W, now| wire.write(rest, now);
                let outcome = again(&mut self.wire, PollFlags::OUT, patience, write);
                written = outcome.ok_or_else(|| SendError::timeout(patience))?;
            }
            self.sent += written.map_err(|errno| self.fail(errno))?;
            if self.sent == self.end {
                self.forget();
                return Ok(());
            }
            let rest = &self.buffer[self.sent..self.end];
            written = self.wire.write(rest, !patience.waits_in_calls());
        }
    }

    /// The error of a call that failed with `errno`. A passing shortage leaves the line as it is.
    /// Any other error ends the connection, and every later call tells it again.
    #[cold]
    fn fail(&mut self, errno: Errno) -> SendError {
        if self.over.is_none() && matches!(errno, Errno::NOMEM | Errno::NOBUFS) {
            return SendError::Io(errno.into());
        }
        let over = *self.over.get_or_insert_with(|| {
            let cut = self.wire.cut(errno);
            if cut.is_none() {
                // How much of a frame has gone is not known: nothing may follow it.
                self.wire.hang_up();
            }
            cut.map_or(SenderEnd::Failed(errno), SenderEnd::Cut)
        });
        self.forget();
        match over {
            SenderEnd::Cut(Cut::Gone) => SendError::Disconnected,
            SenderEnd::Cut(Cut::Reset) => SendError::Reset,
            SenderEnd::Failed(errno) => SendError::Io(errno.into()),
        }
    }

    /// Sends a message for which something must be done first.
    #[inline(never)]
    fn send_slowly(&mut self, message: &[u8], patience: &mut Patience) -> Result<(), SendError> {
        self.abandon();
        self.write_out(patience)?;
        if self.goes_alone(message.len()) {
            return self.send_long(&[IoSlice::new(message)], message.len(), patience);
        }
        if !self.push(message) {
            self.make_room(message.len())?;
            self.push(message);
        }
        self.send_line(patience)
    }

    /// Sends the lone message in line.
    #[inline(always)]
    fn send_line(&mut self, patience: &mut Patience) -> Result<(), SendError> {
        let frame = &self.buffer[..self.end];
        match self.wire.write(frame, !patience.waits_in_calls()) {
            Ok(bytes) if bytes == frame.len() => {
                self.end = 0;
                Ok(())
            }
            written => self.finish(written, patience),
        }
    }

    /// Goes on with a lone message after a write that ended so.
    #[inline(never)]
    fn finish(&mut self, written: Result<usize, Errno>, patience: &mut Patience) -> Result<(), SendError> {
        match self.write_rest(written, patience) {
            Ok(()) => Ok(()),
            // It waits in line.
            Err(_) if self.sent > 0 => Err(SendError::Unfinished),
            Err(error) => {
                self.forget();
                Err(error)
            }
        }
    }

    /// Sends a message of `len` bytes that is longer than a line from where its parts are. What must wait is kept,
    /// if patience ends or a passing error comes.
    #[inline(never)]
    fn send_long(
        &mut self,
        parts: &[IoSlice<'_>],
        len: usize,
        patience: &mut Patience,
    ) -> Result<(), SendError> {
        let header = header(len);
        let rest = |mut gone: usize| {
            let mut rest = [&[][..]; PARTS];
            let parts = parts.iter().map(|part| &**part);
            for (rest, part) in rest.iter_mut().zip(iter::once(&header[..]).chain(parts)) {
                let skipped = gone.min(part.len());
                gone -= skipped;
                *rest = &part[skipped..];
            }
            rest
        };
        let mut gone = 0;
        while gone < HEADER_BYTES + len {
            let places = 1 + parts.len();
            let write = |wire: &mut W, now| wire.write_parts(&rest(gone).map(IoSlice::new)[..places], now);
            let mut written = write(&mut self.wire, !patience.waits_in_calls());
            if let Err(Errno::AGAIN | Errno::INTR) = written {
                written = again(&mut self.wire, PollFlags::OUT, patience, write).unwrap_or(Err(Errno::AGAIN));
            }
            let error = match written {
                Ok(bytes) => {
                    gone += bytes;
                    continue;
                }
                Err(Errno::AGAIN) => SendError::timeout(patience),
                Err(errno) => self.fail(errno),
            };
            if gone == 0 || self.over.is_some() {
                return Err(error);
            }
            self.buffer = rest(gone).concat().into_boxed_slice();
            self.end = self.buffer.len();
            return Err(SendError::Unfinished);
        }
        Ok(())
    }

    #[inline]
    fn forget(&mut self) {
        (self.sent, self.end) = (0, 0);
        if self.buffer.len() > W::LINE_BYTES {
            self.let_go();
        }
    }

    #[cold]
    fn let_go(&mut self) {
        self.buffer = Box::default();
    }

    /// The frame of a message of `len` bytes at the line's end, if there is room for it; not in line yet. Only a message that is
    /// alone may be longer than a line.
    #[inline(always)]
    fn frame(&mut self, len: usize) -> Option<&mut [u8]> {
        if self.end > 0 && self.end + HEADER_BYTES + len > W::LINE_BYTES {
            return None;
        }
        let frame = self.buffer.get_mut(self.end..)?.get_mut(..HEADER_BYTES + len)?;
        frame[..HEADER_BYTES].copy_from_slice(&header(len));
        Some(frame)
    }

    /// Puts a message in line, if there is room for it.
    #[inline(always)]
    fn push(&mut self, message: &[u8]) -> bool {
        let Some(frame) = self.frame(message.len()) else { return false };
        copy(message, &mut frame[HEADER_BYTES..]);
        self.end += HEADER_BYTES + message.len();
        true
    }

    /// Sees to it that a message of `len` bytes can be put in line. `Full` if it has to wait for those before it.
    #[cold]
    fn make_room(&mut self, len: usize) -> Result<(), SendError> {
        let bytes = self.end + HEADER_BYTES + len;
        if bytes > W::LINE_BYTES && self.end > 0 {
            return Err(SendError::Full);
        }
        if bytes > self.buffer.len() {
            let mut larger = vec![0; bytes.max(W::LINE_BYTES)].into_boxed_slice();
            larger[..self.end].copy_from_slice(&self.buffer[..self.end]);
            self.buffer = larger;
        }
        Ok(())
    }

    /// Reserves room for a message at the line's end.
    fn open(&mut self, len: usize) -> Result<(), SendError> {
        if self.frame(len).is_none() {
            self.make_room(len)?;
            self.frame(len);
        }
        self.end += HEADER_BYTES + len;
        self.claimed = Some(len);
        Ok(())
    }
}

impl<W: Wire> Outbound for FrameSender<W> {
    fn max_message(&self) -> usize {
        self.max_message
    }

    #[inline(always)]
    fn send(&mut self, message: &[u8], patience: &mut Patience) -> Result<(), SendError> {
        if !(self.end == 0 && self.push(message)) {
            return self.send_slowly(message, patience);
        }
        self.send_line(patience)
    }

    fn goes_alone(&self, len: usize) -> bool {
        HEADER_BYTES + len > W::LINE_BYTES
    }

    #[inline(always)]
    fn stage_at_once(&mut self, message: &[u8]) -> bool {
        self.claimed.is_none() && self.push(message)
    }

    fn stage(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.abandon();
        let len = message.len();
        self.open(len)?;
        self.claimed_mut(len).copy_from_slice(message);
        self.commit(len);
        Ok(())
    }

    fn send_vectored(
        &mut self,
        parts: &[IoSlice<'_>],
        len: usize,
        patience: &mut Patience,
    ) -> Result<(), SendError> {
        self.abandon();
        self.write_out(patience)?;
        if self.goes_alone(len) && parts.len() < PARTS {
            return self.send_long(parts, len, patience);
        }
        self.open(len)?;
        parts::copy(parts, self.claimed_mut(len));
        self.commit(len);
        self.send_line(patience)
    }

    fn claim_in_line(&mut self, len: usize) -> Result<(), SendError> {
        self.abandon();
        self.open(len)
    }

    fn claimed_in_line(&self, len: usize) -> &[u8] {
        self.claimed(len)
    }

    fn claimed_in_line_mut(&mut self, len: usize) -> &mut [u8] {
        self.claimed_mut(len)
    }

    fn commit_in_line(&mut self, len: usize) {
        self.commit(len);
    }

    fn claim(&mut self, len: usize) -> Result<(), SendError> {
        self.abandon();
        // Bytes that the kernel has not taken go first, so at most one claimed message waits behind
        // a line.
        if self.end > 0 { Err(SendError::Full) } else { self.open(len) }
    }

    fn claimed(&self, len: usize) -> &[u8] {
        &self.buffer[self.end - len..self.end]
    }

    fn claimed_mut(&mut self, len: usize) -> &mut [u8] {
        &mut self.buffer[self.end - len..self.end]
    }

    fn commit(&mut self, _: usize) -> bool {
        self.claimed = None;
        false
    }

    fn has_in_line(&self) -> bool {
        self.sent < self.end
    }

    #[inline]
    fn abandon(&mut self) {
        // Also before anything else is put in line: a claim can be leaked, and nothing of it may ever be sent.
        if let Some(len) = self.claimed.take() {
            self.end -= HEADER_BYTES + len;
            if self.end == 0 {
                self.forget();
            }
        }
    }

    fn publish(&mut self, patience: &mut Patience) -> Result<(), SendError> {
        self.abandon();
        self.write_out(patience)
    }

    fn wait_room(&mut self, _: usize, patience: &mut Patience) -> Result<(), SendError> {
        self.write_out(patience)
    }

    fn capacity_bytes(&self) -> Option<usize> {
        self.wire.buffer_bytes().ok()
    }

    fn close(&mut self, patience: &mut Patience) {
        if !self.owner.is_me() || self.over.is_some() {
            return;
        }
        self.abandon();
        let rest = &self.buffer[self.sent..self.end];
        self.buffer = [rest, &END.to_le_bytes()].concat().into_boxed_slice();
        (self.sent, self.end) = (0, self.buffer.len());
        // A last word that does not go is missed by the peer: so it learns that something may be missing.
        self.closed = self.write_out(patience).is_ok();
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.wire.fd()
    }

    fn arm(&mut self, _: usize) -> Ready {
        if self.over.is_some() { Ready::Now } else { Ready::Wait }
    }

    fn hang_up(&mut self) {
        self.wire.hang_up();
    }
}

impl<W: Wire> Drop for FrameSender<W> {
    fn drop(&mut self) {
        if self.owner.is_me() {
            self.wire.close(self.closed);
        }
    }
}

#[cfg(test)]
mod tests;
