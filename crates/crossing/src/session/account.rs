//! The account of a session: how many messages have gone either way, whatever connection they took.
//!
//! Both ends keep one. A connection of the session is a *generation*; of an account only the last
//! one counts. A generation that is followed by another is over at that moment, also if its
//! connection still stands: its end may not have been noticed yet, and what lies in it unread will
//! be sent again. So a message counts as received only together with being returned, under the lock
//! under which the next generation is begun: it was returned and is counted, or neither.
//!
//! What is being sent is counted before it goes, because the other end may have it at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::stopper::Stopper;

/// What one end knows of a session.
#[derive(Debug, Default)]
pub(super) struct Account(Mutex<Tally>);

/// How many messages, from the first that this very process at the other end has to do with.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Which generation it is that counts. 0 before the first.
    pub(super) generation: u64,
    /// Sent to the other end, or just being sent.
    pub(super) sent: u64,
    /// Received from the other end, and returned.
    pub(super) received: u64,
    /// Ends the waits of the generation that counts.
    stopper: Option<Stopper>,
}

impl Account {
    pub(super) fn new() -> Arc<Account> {
        Arc::default()
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        // What a panic leaves there is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    /// Begins a generation: the one before it is over, and what waits there is woken.
    pub(super) fn begin(&mut self, generation: u64, stopper: &Stopper) {
        self.generation = generation;
        if let Some(before) = self.stopper.replace(stopper.clone()) {
            before.stop();
        }
    }

    /// The other end is another process, or remembers nothing: both begin with nothing.
    pub(super) fn forget(&mut self) {
        (self.sent, self.received) = (0, 0);
    }
}
