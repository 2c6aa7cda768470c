//! Refusals: an end that will not connect says why, so that the other does not have to guess.
//!
//! A refusal looks like a hello (`docs/wire.md`) with flag 0x80, and a number where a hello has its
//! `max_message`. On a stream it comes in place of the hello, on a rendezvous also in place of any
//! later packet. The number stands for one of the sentences below, so that programs at this end
//! never show text from the other.

use std::io;

use rustix::io::Errno;

use crate::error::ConnectError;

/// The flag that makes a hello a refusal.
pub(crate) const FLAG: u8 = 0x80;

/// Why an end will not connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusalReason {
    Stranger = 1,
    Descriptors = 2,
    Memory = 3,
    Protocol = 4,
    Config = 5,
    System = 6,
}

impl RefusalReason {
    const ALL: [RefusalReason; 6] = [
        RefusalReason::Stranger,
        RefusalReason::Descriptors,
        RefusalReason::Memory,
        RefusalReason::Protocol,
        RefusalReason::Config,
        RefusalReason::System,
    ];

    /// The refusal to send for an error; `None` if no peer can receive one.
    pub(crate) fn of(error: &ConnectError) -> Option<RefusalReason> {
        match error {
            ConnectError::Refused { field: STRANGER, .. } => Some(RefusalReason::Stranger),
            ConnectError::Refused { .. } => Some(RefusalReason::Protocol),
            ConnectError::Config(_) => Some(RefusalReason::Config),
            ConnectError::Io { source, .. } => Some(match (Errno::from_io_error(source), source.kind()) {
                (Some(Errno::MFILE | Errno::NFILE | Errno::TOOMANYREFS), _) => RefusalReason::Descriptors,
                (Some(Errno::NOBUFS), _) | (_, io::ErrorKind::OutOfMemory) => RefusalReason::Memory,
                _ => RefusalReason::System,
            }),
            _ => None,
        }
    }

    /// As the end says that hears of it.
    fn says(self) -> &'static str {
        match self {
            RefusalReason::Stranger => "it does not talk to the processes of this user",
            RefusalReason::Descriptors => "it has run out of descriptors",
            RefusalReason::Memory => "it has not got the memory",
            RefusalReason::Protocol => "it did not accept what this end said",
            RefusalReason::Config => "its configuration does not allow it",
            RefusalReason::System => "a call of its operating system failed",
        }
    }
}

/// The field that is named when a peer is another's.
pub(crate) const STRANGER: &str = "peer credentials";

/// The sentence for the number in a refusal.
pub(crate) fn sentence(number: u32) -> &'static str {
    let known = RefusalReason::ALL.into_iter().find(|reason| *reason as u32 == number);
    known.map_or("it has a reason that this version does not know", RefusalReason::says)
}
