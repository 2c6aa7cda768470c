//! A claim: a message that is written where it goes out from.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::Sender;
use crate::error::SendError;
use crate::mechanism::{Any, Mechanism, Outbound};
use crate::wait::Until;

/// Room for one message, written in place. Dropped without a [commit](Claim::commit), it is given back and
/// nothing is sent.
///
/// In a child that was forked while there was a claim, its copy is memory of the child's own: what is written there goes
/// nowhere, and the commit says [`Forked`](SendError::Forked). On shared memory it begins as zeros.
pub struct Claim<'a, M: Mechanism = Any> {
    pub(super) sender: &'a mut Sender<M>,
    /// How long the form that granted it may wait.
    pub(super) until: Until,
}

impl<M: Mechanism> Claim<'_, M> {
    /// Sends the message that was written.
    ///
    /// A commit waits no longer than the form that granted the claim: after [`try_claim`](Sender::try_claim) never, after
    /// [`claim_deadline`](Sender::claim_deadline) until that deadline, after [`claim`](Sender::claim) as
    /// [`send`](Sender::send) does. On shared memory the room was there when it was granted, and no commit waits at all.
    ///
    /// # Errors
    /// [`Unfinished`](SendError::Unfinished) when the kernel has not taken all of the message within that time (on a pipe and on
    /// sockets): it counts as sent, waits in the sender's line, and goes with the next send or [`flush`](Sender::flush). Until it
    /// has gone, `try_claim` says [`Full`](SendError::Full): no more than one message waits so. Else those of
    /// [`send`](Sender::send).
    pub fn commit(self) -> Result<(), SendError> {
        let sender = &mut *self.sender;
        sender.gate.pass()?;
        sender.outbound.commit();
        match sender.flush_until(self.until) {
            Err(SendError::Full | SendError::Timeout | SendError::Io(_)) if sender.outbound.has_in_line() => {
                Err(SendError::Unfinished)
            }
            outcome => outcome,
        }
    }
}

impl<M: Mechanism> Drop for Claim<'_, M> {
    fn drop(&mut self) {
        // After a commit there is nothing to give back.
        self.sender.outbound.abandon();
    }
}

impl<M: Mechanism> Deref for Claim<'_, M> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.sender.outbound.claimed()
    }
}

impl<M: Mechanism> DerefMut for Claim<'_, M> {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.sender.outbound.claimed_mut()
    }
}

impl<M: Mechanism> fmt::Debug for Claim<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("bytes", &self.len()).finish()
    }
}
