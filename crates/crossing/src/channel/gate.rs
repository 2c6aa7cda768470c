//! The gate of a half: closed once the half may no longer be used.
//!
//! A gate is closed for one of two reasons. The peer broke the protocol: then it stays closed. Or
//! this process is a forked child of the one that made the connection. One load and one comparison
//! check both.

use crate::error::{RecvError, SendError, Violation};
use crate::owner::Owner;

/// Whether a half may be used.
#[derive(Debug)]
pub(super) struct Gate {
    /// The process that may go through; none once the peer has broken the protocol.
    owner: Owner,
    violation: Option<Violation>,
}

/// Why a gate is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// This process was forked by the one that made the connection.
    Forked,
    /// The peer broke the protocol.
    Poisoned(Violation),
}

impl Gate {
    /// Open to `owner`.
    pub(super) fn new(owner: Owner) -> Gate {
        Gate { owner, violation: None }
    }

    /// Whether this process may go through.
    #[inline(always)]
    pub(super) fn is_open(&self) -> bool {
        self.owner.is_me()
    }

    /// The same, with the reason why not.
    #[inline]
    pub(super) fn pass(&self) -> Result<(), Closed> {
        match self.violation {
            _ if self.is_open() => Ok(()),
            Some(violation) => Err(Closed::Poisoned(violation)),
            None => Err(Closed::Forked),
        }
    }

    /// Closes it for good: the peer broke the protocol.
    pub(super) fn poison(&mut self, violation: Violation) {
        self.owner = self.owner.nobody();
        self.violation = Some(violation);
    }
}

impl From<Closed> for SendError {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Forked => SendError::Forked,
            Closed::Poisoned(violation) => SendError::Poisoned(violation),
        }
    }
}

impl From<Closed> for RecvError {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Forked => RecvError::Forked,
            Closed::Poisoned(violation) => RecvError::Poisoned(violation),
        }
    }
}
