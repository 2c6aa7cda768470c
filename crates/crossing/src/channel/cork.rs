//! A cork: messages that share one publication.

use std::fmt;

use super::{Receiver, Sender};
use crate::error::{RecvError, SendError};
use crate::mechanism::{Any, Mechanism, Outbound};
use crate::wait::Until;

/// Messages that are gathered and published together. Dropping it publishes what it holds, and waits for room
/// if it must.
pub struct Cork<'a, M: Mechanism = Any> {
    pub(super) sender: &'a mut Sender<M>,
}

impl<M: Mechanism> Cork<'_, M> {
    /// Puts a message in line. When the line is full it is published, and waits for room.
    ///
    /// # Errors
    /// Those of [`Sender::send`].
    #[inline(always)]
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        let sender = &mut *self.sender;
        let staged = sender.may_send(message.len()) && sender.outbound.stage_at_once(message);
        if staged { Ok(()) } else { self.send_slowly(message) }
    }

    #[inline(never)]
    fn send_slowly(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.sender.with_room(message.len(), Until::Forever, |outbound| outbound.stage(message))
    }

    /// Publishes everything in line.
    ///
    /// # Errors
    /// Those of [`Sender::send`].
    pub fn flush(&mut self) -> Result<(), SendError> {
        self.sender.flush()
    }
}

impl<M: Mechanism> Drop for Cork<'_, M> {
    fn drop(&mut self) {
        // Who wants to know flushes.
        let _ = self.flush();
    }
}

impl<M: Mechanism> fmt::Debug for Cork<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cork").finish_non_exhaustive()
    }
}

/// A connection whose sends are gathered: see [`Connection::cork`](crate::Connection::cork).
pub struct CorkedConnection<'a, M: Mechanism = Any> {
    pub(super) cork: Cork<'a, M>,
    pub(super) receiver: &'a mut Receiver<M>,
}

impl<M: Mechanism> CorkedConnection<'_, M> {
    /// See [`Cork::send`].
    ///
    /// # Errors
    /// See there.
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.cork.send(message)
    }

    /// See [`Cork::flush`].
    ///
    /// # Errors
    /// See there.
    pub fn flush(&mut self) -> Result<(), SendError> {
        self.cork.flush()
    }

    /// Publishes everything in line, then waits for the next message as [`Receiver::recv`] does: who waits
    /// for an answer has asked first.
    ///
    /// # Errors
    /// Those of [`Receiver::recv`].
    pub fn recv(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        // That it cannot be sent any more is told by the next send; what has come can still be received.
        let _ = self.flush();
        self.receiver.recv(buffer)
    }
}

impl<M: Mechanism> fmt::Debug for CorkedConnection<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CorkedConnection").finish_non_exhaustive()
    }
}
