//! Frames: messages over a stream of bytes, for the pipe and both sockets.
//!
//! A message is its length as four little-endian bytes, and its bytes (`docs/wire.md`). The sender
//! gathers a frame in one buffer and hands it to the kernel in one call; a corked sender gathers many. The
//! receiver reads as much as has come, up to a whole buffer, so that one call brings many small messages.
//!
//! A receiver that reads so is faster than any sender of single messages. Left to itself it would look, or fall
//! asleep, after each message, and the sender would pay for it: with a lock that the look holds, with a wake-up.
//! So it lingers for some microseconds after a read that brought a burst, and finds the next burst. A message that came
//! alone is never followed by a pause: a lone one is late, by those microseconds, only right behind a burst.
//!
//! The way of a lone message is kept short: on one core nearly all of it is cold after each switch of processes. What comes
//! after a call that did not do all at once stands in functions of its own, out of line.
//!
//! What differs between the streams is small and stands behind [`Wire`]: how to read, to write, and to close
//! one direction.

use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::deadline::timespec;
use crate::error::{RecvError, SendError, Violation};
use crate::mechanism::{Inbound, Outbound};
use crate::owner::Owner;
use crate::wait::Patience;

/// The length before each message, in bytes.
const HEADER_BYTES: usize = 4;

/// How much a receiver reads at once, in bytes.
const BUFFER_BYTES: usize = 64 << 10;

/// So many messages in one read are a burst: its sender sends faster than one message a look.
const BURST: usize = 4;

/// So many bytes in one read are the doing of a sender that gathers, and of whom one look costs nothing.
const GATHERED_BYTES: usize = 8 << 10;

/// One direction of a stream.
pub trait Wire: Send {
    /// How much a corked sender gathers, in bytes.
    const LINE_BYTES: usize;

    /// Reads into `buffer`; 0 at the end of the stream. With `now` it never waits, and says EAGAIN instead.
    fn read(&mut self, buffer: &mut [u8], now: bool) -> Result<usize, Errno>;

    /// Writes from `bytes`. With `now` it never waits, and says EAGAIN instead. Never raises SIGPIPE.
    fn write(&mut self, bytes: &[u8], now: bool) -> Result<usize, Errno>;

    /// How large the kernel's buffer of this direction is, in bytes, as the kernel counts.
    fn buffer_bytes(&self) -> Result<usize, Errno>;

    /// What can be polled; EPIPE after a hang-up.
    fn fd(&self) -> Result<BorrowedFd<'_>, Errno>;

    /// Ends this direction, and tells the peer as far as the mechanism can.
    fn close(&mut self);

    /// Ends both directions.
    fn hang_up(&mut self);
}

/// Waits until `wire` is ready for `events`, or patience ends. Only for those who may sleep.
fn sleep(wire: &impl Wire, events: PollFlags, patience: &Patience) -> Result<(), Errno> {
    let timeout = patience.left().map(timespec);
    match poll(&mut [PollFd::from_borrowed_fd(wire.fd()?, events)], timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Makes `call` again, which has just said EAGAIN or EINTR, as patience allows: it may wait in the kernel, or is made again
/// and again without waiting. Says neither of the two; `None` when patience has ended.
#[inline]
fn again<W: Wire>(
    wire: &mut W,
    events: PollFlags,
    patience: &mut Patience,
    mut call: impl FnMut(&mut W, bool) -> Result<usize, Errno>,
) -> Option<Result<usize, Errno>> {
    if patience.waits_in_calls() {
        loop {
            match call(wire, false) {
                Err(Errno::INTR) => {}
                // Somebody who shares the descriptor has made it non-blocking: wait by polling.
                Err(Errno::AGAIN) => break,
                outcome => return Some(outcome),
            }
        }
    }
    let look = |wire: &mut W| match call(wire, true) {
        Err(Errno::AGAIN | Errno::INTR) => None,
        other => Some(other),
    };
    patience
        .wait_on(wire, look, |wire, patience| sleep(wire, events, patience))
        .unwrap_or_else(|errno| Some(Err(errno)))
}

/// The sending half of a stream.
#[derive(Debug)]
pub struct FrameSender<W: Wire> {
    wire: W,
    max_message: usize,
    /// `buffer[..end]` holds whole frames in line; the kernel has taken those before `sent`.
    buffer: Box<[u8]>,
    sent: usize,
    end: usize,
    /// The length of the message that is being written in place, at the line's end.
    claimed: Option<usize>,
    owner: Owner,
}

impl<W: Wire> FrameSender<W> {
    pub(crate) fn new(wire: W, max_message: usize, owner: Owner) -> Self {
        FrameSender { wire, max_message, buffer: Box::default(), sent: 0, end: 0, claimed: None, owner }
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
            match written {
                Ok(bytes) => self.sent += bytes,
                Err(Errno::PIPE | Errno::CONNRESET | Errno::TIMEDOUT) => {
                    self.forget();
                    return Err(SendError::Disconnected);
                }
                Err(errno) => {
                    // Nobody can say how much of a frame has gone: nothing may follow it.
                    self.wire.hang_up();
                    return Err(SendError::Io(errno.into()));
                }
            }
            if self.sent == self.end {
                self.forget();
                return Ok(());
            }
            let rest = &self.buffer[self.sent..self.end];
            written = self.wire.write(rest, !patience.waits_in_calls());
        }
    }

    /// Puts a message in line, which then holds nothing else.
    #[inline(never)]
    fn put_alone(&mut self, message: &[u8], patience: &mut Patience) -> Result<(), SendError> {
        self.abandon();
        self.write_out(patience)?;
        if !self.push(message) {
            self.make_room(message.len())?;
            self.push(message);
        }
        Ok(())
    }

    /// Goes on with a lone message after a write that ended so.
    #[inline(never)]
    fn finish(&mut self, written: Result<usize, Errno>, patience: &mut Patience) -> Result<(), SendError> {
        match self.write_rest(written, patience) {
            Ok(()) => Ok(()),
            Err(SendError::Full | SendError::Timeout) if self.sent > 0 => Err(SendError::Unfinished),
            Err(error) => {
                self.forget();
                Err(error)
            }
        }
    }

    fn forget(&mut self) {
        (self.sent, self.end) = (0, 0);
    }

    /// The frame of a message of `len` bytes at the line's end, if there is room for it; not in line yet. Only a message that is
    /// alone may be longer than a line, however large the buffer is that such a one has left.
    #[inline(always)]
    fn frame(&mut self, len: usize) -> Option<&mut [u8]> {
        if self.end > 0 && self.end + HEADER_BYTES + len > W::LINE_BYTES {
            return None;
        }
        let frame = self.buffer.get_mut(self.end..)?.get_mut(..HEADER_BYTES + len)?;
        // `len` is at most `max_message`, which is far below 2^32.
        frame[..HEADER_BYTES].copy_from_slice(&(len as u32).to_le_bytes());
        Some(frame)
    }

    /// Puts a message in line, if there is room for it.
    #[inline(always)]
    fn push(&mut self, message: &[u8]) -> bool {
        let Some(frame) = self.frame(message.len()) else { return false };
        frame[HEADER_BYTES..].copy_from_slice(message);
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
}

impl<W: Wire> Outbound for FrameSender<W> {
    fn max_message(&self) -> usize {
        self.max_message
    }

    #[inline(always)]
    fn send(&mut self, message: &[u8], patience: &mut Patience) -> Result<(), SendError> {
        if !(self.end == 0 && self.push(message)) {
            self.put_alone(message, patience)?;
        }
        let frame = &self.buffer[..self.end];
        match self.wire.write(frame, !patience.waits_in_calls()) {
            Ok(bytes) if bytes == frame.len() => {
                self.end = 0;
                Ok(())
            }
            written => self.finish(written, patience),
        }
    }

    #[inline(always)]
    fn stage_at_once(&mut self, message: &[u8]) -> bool {
        self.claimed.is_none() && self.push(message)
    }

    fn stage(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.claim(message.len())?;
        self.claimed_mut().copy_from_slice(message);
        self.commit();
        Ok(())
    }

    fn claim(&mut self, len: usize) -> Result<(), SendError> {
        self.abandon();
        if self.frame(len).is_none() {
            self.make_room(len)?;
            self.frame(len);
        }
        self.end += HEADER_BYTES + len;
        self.claimed = Some(len);
        Ok(())
    }

    fn claimed(&self) -> &[u8] {
        &self.buffer[self.end - self.claimed.unwrap_or(0)..self.end]
    }

    fn claimed_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.end - self.claimed.unwrap_or(0)..self.end]
    }

    fn commit(&mut self) {
        self.claimed = None;
    }

    #[inline]
    fn abandon(&mut self) {
        // Also before anything else is put in line: a claim can be leaked, and nothing of it may ever be sent.
        if let Some(len) = self.claimed.take() {
            self.end -= HEADER_BYTES + len;
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

    fn hang_up(&mut self) {
        self.wire.hang_up();
    }
}

impl<W: Wire> Drop for FrameSender<W> {
    fn drop(&mut self) {
        if self.owner.is_me() {
            // The rest of an unfinished message, if the kernel takes it without a wait.
            self.abandon();
            if self.sent < self.end {
                let _ = self.wire.write(&self.buffer[self.sent..self.end], true);
            }
            self.wire.close();
        }
    }
}

/// The receiving half of a stream.
#[derive(Debug)]
pub struct FrameReceiver<W: Wire> {
    wire: W,
    max_message: usize,
    /// What has come and was not taken is `buffer[start..end]`.
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Whether the last read brought a burst.
    burst: bool,
    owner: Owner,
}

impl<W: Wire> FrameReceiver<W> {
    pub(crate) fn new(wire: W, max_message: usize, owner: Owner) -> Self {
        FrameReceiver {
            wire,
            max_message,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            burst: false,
            owner,
        }
    }

    /// The length of the next message, if its header has come.
    #[inline(always)]
    fn next_len(&self) -> Option<usize> {
        let header = self.buffer.get(self.start..self.end)?.first_chunk()?;
        Some(u32::from_le_bytes(*header) as usize)
    }

    /// Copies the next message into `buffer`, if all of it has come and it fits.
    #[inline(always)]
    fn take(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let len = self.next_len()?;
        if len > self.max_message {
            return None;
        }
        let end = self.start + HEADER_BYTES + len;
        let frame = self.buffer[..self.end].get(self.start..end)?;
        buffer.get_mut(..len)?.copy_from_slice(&frame[HEADER_BYTES..]);
        self.start = end;
        Some(len)
    }

    /// Keeps what has come of the next message, which cannot be taken yet, at the front; in a larger buffer, at most twice
    /// what has come, if it fills this one. An error if it can never be taken, or not into `room` bytes.
    #[cold]
    fn keep(&mut self, room: usize) -> Result<(), RecvError> {
        if let Some(len) = self.next_len() {
            if len > self.max_message {
                let claimed = len as u64;
                return Err(Violation::Length { claimed, limit: self.max_message }.into());
            }
            if len > room {
                return Err(RecvError::TooLong { len, room });
            }
        }
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end == self.buffer.len() {
            let limit = (self.max_message + HEADER_BYTES).max(BUFFER_BYTES);
            let mut larger = vec![0; (self.buffer.len() * 2).min(limit)].into_boxed_slice();
            larger[..self.end].copy_from_slice(&self.buffer[..self.end]);
            self.buffer = larger;
        }
        Ok(())
    }

    /// So many bytes have been read.
    #[inline]
    fn came(&mut self, bytes: usize) {
        self.end += bytes;
        let frame = self.next_len().map(|len| HEADER_BYTES + len);
        self.burst = bytes < GATHERED_BYTES && frame.is_some_and(|frame| bytes >= BURST * frame);
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
            // A frame that its writer did not live to finish was never sent.
            Ok(0) | Err(Errno::TIMEDOUT) => Err(RecvError::Disconnected),
            Ok(bytes) => {
                self.came(bytes);
                Ok(())
            }
            // What came before a reset is still there behind it: read on, until the end.
            Err(Errno::CONNRESET) => Ok(()),
            Err(errno) => Err(RecvError::Io(errno.into())),
        }
    }
}

impl<W: Wire> Inbound for FrameReceiver<W> {
    fn max_message(&self) -> usize {
        self.max_message
    }

    #[inline(always)]
    fn recv_at_once(&mut self, buffer: &mut [u8]) -> Option<usize> {
        self.take(buffer)
    }

    #[inline(always)]
    fn recv(&mut self, buffer: &mut [u8], patience: &mut Patience) -> Result<usize, RecvError> {
        loop {
            if let Some(len) = self.take(buffer) {
                return Ok(len);
            }
            if self.start < self.end {
                self.keep(buffer.len())?;
            } else {
                (self.start, self.end) = (0, 0);
            }
            if self.burst {
                patience.linger();
            }
            match self.wire.read(&mut self.buffer[self.end..], !patience.waits_in_calls()) {
                Ok(bytes @ 1..) => self.came(bytes),
                read => self.read_again(read, patience)?,
            }
        }
    }

    fn hang_up(&mut self) {
        self.wire.hang_up();
    }
}

impl<W: Wire> Drop for FrameReceiver<W> {
    fn drop(&mut self) {
        if self.owner.is_me() {
            self.wire.close();
        }
    }
}
