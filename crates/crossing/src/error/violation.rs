//! A peer that breaks the protocol.

use std::fmt;

/// How a peer broke the protocol.
///
/// # Examples
/// ```
/// use crossing::{RecvError, Violation};
///
/// # use std::{io::{Read, Write}, os::unix::net::UnixStream};
/// # use crossing::{Config, Connection, Endpoint, Kind};
/// # let (socket, mut stranger) = UnixStream::pair()?;
/// # stranger.write_all(b"CROSSING\x03\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")?;
/// # stranger.write_all(&1_000_000_u32.to_le_bytes())?;
/// # let mut connection = Endpoint::from_fd(Kind::Unix, socket.into())?.connect(&Config::default())?;
/// // The peer announces a message of 1 MB, where 64 KiB were agreed on.
/// let Err(RecvError::Poisoned(violation)) = connection.recv(&mut [0; 64]) else { panic!("it is no fault") };
/// assert_eq!(violation, Violation::Length { claimed: 1_000_000, limit: 64 << 10 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// Its read index is past what was sent, or went backwards.
    Head {
        /// Its index now, in bytes.
        claimed: u64,
        /// The last index that was accepted.
        last: u64,
    },
    /// Its write index is past what fits, or went backwards.
    Tail {
        /// Its index now, in bytes.
        claimed: u64,
        /// The last index that was accepted.
        last: u64,
    },
    /// It announced a message longer than agreed, or longer than what it wrote.
    Length {
        /// The announced length in bytes.
        claimed: u64,
        /// The longest message of this connection in bytes.
        limit: usize,
    },
    /// It sent something else than a blob.
    Blob {
        /// The fault, as a sentence.
        why: &'static str,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::Head { claimed, last } => {
                write!(f, "its read index went from {last:#x} to {claimed:#x}, which is impossible")
            }
            Violation::Tail { claimed, last } => {
                write!(f, "its write index went from {last:#x} to {claimed:#x}, which is impossible")
            }
            Violation::Length { claimed, limit } => {
                write!(
                    f,
                    "it announced a message of {claimed} bytes: longer than the limit of {limit}, or than what it wrote"
                )
            }
            Violation::Blob { why } => write!(f, "it sent something else than a blob: {why}"),
        }
    }
}

impl std::error::Error for Violation {}
