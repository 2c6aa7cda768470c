//! Frames: messages over a stream of bytes, for the pipe and both sockets.
//!
//! A message is its length as four little-endian bytes, and its bytes (`docs/wire.md`). The [sender](sender::FrameSender)
//! gathers a frame in one buffer and hands it to the kernel in one call; a corked sender gathers many. The
//! [receiver](receiver::FrameReceiver) reads as much as has come, up to a whole buffer, so that one call brings many small messages.
//!
//! A receiver that reads so is faster than any sender of single messages. Left to itself it would look, or fall
//! asleep, after each message, and the sender would pay for it: with a lock that the look holds, with a wake-up.
//! So it lingers for some microseconds after a read that brought a burst, and finds the next burst. A message that came
//! alone is never followed by a pause: a lone one is late, by those microseconds, only right behind a burst.
//!
//! The way of a lone message is kept short: on one core nearly all of it is cold after each switch
//! of processes. The code that finishes an incomplete call stands in functions of its own, out of
//! line.
//!
//! **Memory.** A sender keeps one line, a receiver one read. A long message goes out from where the
//! program has it, and comes in where the program wants it, as long as the call may wait for all of
//! it. A larger buffer (for the rest of an unfinished message, a claim, or a message that comes
//! while its receiver has a deadline) is freed as soon as its content was sent or taken.
//!
//! **The end.** A sender that closes says so by a last word, [`END`]. A stream that ends without it was not closed: its writer
//! died, or gave up. An end is told the same way every time it is asked for.
//!
//! The streams differ in little, which stands behind [`Wire`]: how to read, to write and to close
//! one direction, and what an error means for the connection.

pub(crate) mod receiver;
#[cfg(test)]
mod script;
pub(crate) mod sender;

use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::deadline::timespec;
use crate::wait::Patience;

/// The length before each message, in bytes.
const HEADER_BYTES: usize = 4;

/// The header of a message of `len` bytes: its length, at most `max_message`, far below 2^32.
#[inline(always)]
pub(crate) const fn header(len: usize) -> [u8; HEADER_BYTES] {
    (len as u32).to_le_bytes()
}

/// From how many places one call writes, at most: a frame's header, and the parts of its message.
const PARTS: usize = 16;

/// The last word, in place of a length: no more messages come. Longer than any message.
const END: u32 = u32::MAX;

/// How a stream broke off, as told by an error or the end of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The other end of the stream is gone. Everything it had written was read, or still can be.
    Gone,
    /// The connection was reset. Messages on their way, in either direction, may be lost.
    Reset,
}

/// One direction of a stream.
pub trait Wire: Send {
    /// How much a corked sender gathers, in bytes.
    const LINE_BYTES: usize;

    /// Reads into `buffer`; 0 at the end of the stream. With `now` it never waits, and says EAGAIN instead.
    fn read(&mut self, buffer: &mut [u8], now: bool) -> Result<usize, Errno>;

    /// Writes from `bytes`. With `now` it never waits, and says EAGAIN instead. Never raises SIGPIPE.
    fn write(&mut self, bytes: &[u8], now: bool) -> Result<usize, Errno>;

    /// The same from several places, one after the other: from [`PARTS`] at most.
    fn write_parts(&mut self, parts: &[IoSlice<'_>], now: bool) -> Result<usize, Errno>;

    /// How an error of [`Wire::read`] or [`Wire::write`] ended the stream; `None` when it did not.
    fn cut(&self, errno: Errno) -> Option<Cut>;

    /// How the stream broke off when a read finds its end.
    fn cut_at_end(&self) -> Cut;

    /// How many bytes can be read without a wait.
    fn unread_bytes(&self) -> Result<usize, Errno>;

    /// How large the kernel's buffer of this direction is, in bytes, as the kernel counts.
    fn buffer_bytes(&self) -> Result<usize, Errno>;

    /// The descriptor to poll. After a hang-up it is ready.
    fn fd(&self) -> BorrowedFd<'_>;

    /// The stream, if it is a Unix socket, which knows the process at its other end.
    fn unix_socket(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Ends this direction, and tells the peer as far as the mechanism can. With `clean` everything that was to go has gone.
    fn close(&mut self, clean: bool);

    /// Ends both directions.
    fn hang_up(&mut self);
}

/// Waits until `wire` is ready for `events`, or patience ends. Only for strategies that may sleep.
fn sleep(wire: &impl Wire, events: PollFlags, patience: &Patience) -> Result<(), Errno> {
    let timeout = patience.left().map(timespec);
    let wire = PollFd::from_borrowed_fd(wire.fd(), events);
    let woken = match patience.stopper() {
        Some(stopper) => poll(&mut [wire, PollFd::new(stopper, PollFlags::IN)], timeout.as_ref()),
        None => poll(&mut [wire], timeout.as_ref()),
    };
    match woken {
        Ok(_) | Err(Errno::INTR | Errno::AGAIN) => Ok(()),
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
                // Another process that shares the descriptor has made it non-blocking: wait by polling.
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

/// Copies a message into `to`, which has its length. A short message is copied as two halves that overlap: in a stream of short
/// messages a call of `memcpy` for each is a tenth of the cost.
#[inline(always)]
fn copy(message: &[u8], to: &mut [u8]) {
    #[inline(always)]
    fn halves<const BYTES: usize>(message: &[u8], to: &mut [u8]) -> Option<()> {
        let (first, last) = (*message.first_chunk::<BYTES>()?, *message.last_chunk::<BYTES>()?);
        *to.first_chunk_mut()? = first;
        *to.last_chunk_mut()? = last;
        Some(())
    }
    let copied = match message.len() {
        8..=16 => halves::<8>(message, to),
        17..=32 => halves::<16>(message, to),
        33..=64 => halves::<32>(message, to),
        65..=128 => halves::<64>(message, to),
        _ => None,
    };
    if copied.is_none() {
        to.copy_from_slice(message);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_copy_is_whole_whatever_its_length() {
        let message: Vec<u8> = (0..200).collect();
        for len in 0..=message.len() {
            let mut to = vec![0xff; len + 1];
            super::copy(&message[..len], &mut to[..len]);
            assert_eq!((&to[..len], to[len]), (&message[..len], 0xff), "{len} bytes");
        }
    }
}
