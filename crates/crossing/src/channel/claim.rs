//! A claim: a message that is written where it goes out from.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::Sender;
use crate::error::SendError;
use crate::mechanism::{Any, Mechanism, Outbound};

/// Room for one message, written in place. Dropped without a [commit](Claim::commit), it is given back and
/// nothing is sent.
///
/// In a child that was forked while there was a claim, its copy is memory of the child's own: what is written there goes
/// nowhere, and the commit says [`Forked`](SendError::Forked). On shared memory it begins as zeros.
pub struct Claim<'a, M: Mechanism = Any> {
    pub(super) sender: &'a mut Sender<M>,
}

impl<M: Mechanism> Claim<'_, M> {
    /// Sends the message that was written.
    ///
    /// # Errors
    /// Those of [`Sender::send`].
    pub fn commit(self) -> Result<(), SendError> {
        self.sender.gate.pass()?;
        self.sender.outbound.commit();
        self.sender.flush()
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
