//! The greeting: the first message of each end of a generation, by which both learn where they are.
//!
//! | byte | length | field |
//! |---:|---:|---|
//! | 0 | 8 | `SESSION1` in ASCII |
//! | 8 | 16 | the session: drawn by the end that makes the connections |
//! | 24 | 16 | the other end's number: drawn by the end that they come to, anew when it begins with nothing |
//! | 40 | 8 | the generation, from 1 |
//! | 48 | 8 | how many messages of the session the end that says this has received |
//!
//! The end that makes the connection speaks first, with the number that it knows of the other end,
//! zeros at first. The other answers with its own. If they are the same, both go on where they
//! were; if not, one of the two does not know the other, and both begin with nothing.

use std::time::Instant;

use crate::channel::Connection;
use crate::error::{ConnectError, RecvError, SendError};

/// A number that none other has: drawn at random.
pub(super) type Id = [u8; 16];

/// The number of no end.
pub(super) const NONE: Id = [0; 16];

/// A new one.
pub(super) fn draw() -> Result<Id, ConnectError> {
    let mut id = NONE;
    rustix::rand::getrandom(&mut id, rustix::rand::GetRandomFlags::empty())
        .map_err(ConnectError::io("draw a random number"))?;
    Ok(id)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionGreeting {
    pub(super) session: Id,
    pub(super) other: Id,
    pub(super) generation: u64,
    pub(super) received: u64,
}

const MAGIC: &[u8; 8] = b"SESSION1";

/// What is wrong with a greeting.
pub(super) fn refused(why: impl Into<String>) -> ConnectError {
    ConnectError::Refused { field: "session", why: why.into() }
}

impl SessionGreeting {
    const BYTES: usize = 56;

    fn encode(&self) -> [u8; Self::BYTES] {
        let SessionGreeting { session, other, generation, received } = self;
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..24].copy_from_slice(session);
        bytes[24..40].copy_from_slice(other);
        bytes[40..48].copy_from_slice(&generation.to_le_bytes());
        bytes[48..].copy_from_slice(&received.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<SessionGreeting> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().ok()?;
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let id = |at: usize| std::array::from_fn(|i| bytes[at + i]);
        let greeting =
            SessionGreeting { session: id(8), other: id(24), generation: number(40), received: number(48) };
        (bytes[..8] == *MAGIC && greeting.generation > 0).then_some(greeting)
    }

    pub(super) fn send(&self, connection: &mut Connection, deadline: Instant) -> Result<(), ConnectError> {
        connection.send_deadline(&self.encode(), deadline).map_err(|error| match error {
            SendError::Timeout | SendError::Unfinished => ConnectError::Timeout,
            SendError::TooLong { max, .. } => ConnectError::Config(format!(
                "a session needs messages of 56 bytes, and {max} were agreed on"
            )),
            SendError::Io(source) => ConnectError::Io { doing: "greet in a session".into(), source },
            SendError::Poisoned(violation) => refused(violation.to_string()),
            _ => ConnectError::Disconnected,
        })
    }

    pub(super) fn recv(
        connection: &mut Connection,
        deadline: Instant,
    ) -> Result<SessionGreeting, ConnectError> {
        let mut bytes = [0; Self::BYTES];
        let len = connection.recv_deadline(&mut bytes, deadline).map_err(|error| match error {
            RecvError::Timeout => ConnectError::Timeout,
            RecvError::TooLong { len, .. } => refused(format!("a message of {len} bytes is no greeting")),
            RecvError::Io(source) => ConnectError::Io { doing: "greet in a session".into(), source },
            RecvError::Poisoned(violation) => refused(violation.to_string()),
            _ => ConnectError::Disconnected,
        })?;
        SessionGreeting::decode(&bytes[..len])
            .ok_or_else(|| refused(format!("a message of {len} bytes is no greeting")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_read_back_and_nothing_else_is_one() {
        let greeting = SessionGreeting { session: [7; 16], other: [9; 16], generation: 1, received: 1 << 40 };
        let bytes = greeting.encode();
        assert_eq!(SessionGreeting::decode(&bytes), Some(greeting));
        for wrong in [&bytes[..55], &[], &[0; 56], &[bytes, bytes].concat()] {
            assert_eq!(SessionGreeting::decode(wrong), None);
        }
        assert_eq!(SessionGreeting::decode(&SessionGreeting { generation: 0, ..greeting }.encode()), None);
    }
}
