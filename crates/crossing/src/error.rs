//! What can go wrong, in the field's own words.
//!
//! `Full`, `Empty` and `Timeout` are outcomes rather than faults: nothing was lost, and the call can be made
//! again. `Disconnected` ends a direction. `Reset` ends a connection, and messages may be lost. `Poisoned` ends a
//! connection, too: the peer broke the protocol. An end is told by the same word by every later call.

use std::fmt;
use std::io;

use rustix::io::Errno;

use crate::kind::Kind;
use crate::wait::{Patience, Until};

/// Why a message was not sent.
///
/// # What the kernel says, and what becomes of it
///
/// | from the kernel | pipe | Unix socket | TCP |
/// |---|---|---|---|
/// | end of the stream | `Disconnected` | `Disconnected` | `Disconnected`; `Reset` if the connection was reset |
/// | EPIPE | `Disconnected` | `Disconnected` | `Disconnected`; `Reset` if the connection was reset |
/// | ECONNRESET | – | `Disconnected`: what the peer had sent has been received | `Reset` |
/// | ECONNABORTED, ETIMEDOUT, ENETRESET, ECONNREFUSED | – | – | `Reset` |
/// | EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN | – | – | `Reset` |
/// | EAGAIN | waits, or `Full`, `Empty`, `Timeout` | the same | the same |
/// | EINTR | the call is made again | the same | the same |
/// | ENOMEM, ENOBUFS | `Io`; the connection goes on | the same | the same |
/// | any other, from a send | `Io`, the same every time: the connection is over | the same | the same |
/// | any other, from a receive | `Io` | the same | the same |
///
/// Shared memory asks the kernel only for sleeps and wake-ups; a sleep that is refused is `Io`, and its peer's death is told as
/// `Disconnected`. "–" never comes.
///
/// # Examples
/// ```
/// use crossing::{Config, Connection, Kind, SendError};
///
/// let (here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
/// let (mut sender, _receiver) = here.split();
/// let mut fitted = 0;
/// loop {
///     match sender.try_send(b"again") {
///         Ok(()) => fitted += 1,
///         // This one was not taken.
///         Err(SendError::Full) => break,
///         Err(error) => return Err(error.into()),
///     }
/// }
/// for _ in 0..fitted {
///     assert_eq!(there.recv(&mut [0; 64])?, 5);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub enum SendError {
    /// There is no room now (only from the non-blocking forms). The message was not taken.
    Full,
    /// The deadline came before there was room (only from the deadline forms). The message was not taken.
    Timeout,
    /// The message was taken, but a non-blocking or deadline form ended before the kernel had all of it, or the kernel had no memory
    /// for the rest (ENOMEM, ENOBUFS: from any form). The rest
    /// waits in this sender: it goes with the next send or [`flush`](crate::Sender::flush). Do not send the
    /// message again.
    Unfinished,
    /// The message is longer than both ends agreed on. Nothing was sent.
    TooLong {
        /// The message's length in bytes.
        len: usize,
        /// The longest message of this connection in bytes.
        max: usize,
    },
    /// The peer has died, or receives no more. Messages sent before may not have been received.
    Disconnected,
    /// The connection was cut (TCP only): by the other machine's kernel, by an administrator, or because nothing was answered
    /// for minutes. Messages sent before may not have been received. Told again by every later call.
    Reset,
    /// The peer broke the protocol. The connection is over.
    Poisoned(Violation),
    /// The connection belongs to the process that forked this one: see [Fork](crate#fork). Nothing was done.
    Forked,
    /// The operating system refused for a reason of its own.
    Io(io::Error),
}

/// Why no message was received.
///
/// # Examples
/// ```
/// use crossing::{Config, Connection, Kind, RecvError};
///
/// let (here, there) = Connection::pair(Kind::Pipe, &Config::default())?;
/// let (mut sender, _) = here.split();
/// let (_, mut receiver) = there.split();
/// let mut buffer = [0; 64];
/// assert!(matches!(receiver.try_recv(&mut buffer), Err(RecvError::Empty)));
///
/// sender.send(b"the last one")?;
/// drop(sender);
/// // What was sent before the end is received before the end is told.
/// assert_eq!(receiver.recv(&mut buffer)?, 12);
/// assert!(matches!(receiver.recv(&mut buffer), Err(RecvError::Disconnected)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub enum RecvError {
    /// There is no message now (only from the non-blocking forms).
    Empty,
    /// The deadline came before a message (only from the deadline forms). The peer may be stopped; it is not
    /// known to be dead.
    Timeout,
    /// The message does not fit into the buffer. It was not taken: receive again with a longer buffer. This is
    /// told as soon as the length is known; of a long message the end may still be to come, and a non-blocking
    /// form says [`Empty`](RecvError::Empty) until then.
    TooLong {
        /// The message's length in bytes.
        len: usize,
        /// The buffer's length in bytes.
        room: usize,
    },
    /// The peer has died or sends no more, and everything it had sent has been received.
    Disconnected,
    /// The connection was cut (TCP only): by the other machine's kernel, by an administrator, or because nothing was answered
    /// for minutes. What had arrived before has been received; messages behind it may be lost. Told again by every later call.
    Reset,
    /// The peer broke the protocol. The connection is over.
    Poisoned(Violation),
    /// The connection belongs to the process that forked this one: see [Fork](crate#fork). Nothing was done.
    Forked,
    /// The operating system refused for a reason of its own.
    Io(io::Error),
}

/// How the direction from the peer ended, once a receive has reported its end: see
/// [`Receiver::end`](crate::Receiver::end).
///
/// | | `Closed` | `Abrupt` | `Reset` |
/// |---|---|---|---|
/// | shared memory | its sender was dropped | its process died; or a dropped sender left messages in line | never |
/// | pipe, Unix socket | its sender was dropped | its process died; or its sender gave up after its linger | never |
/// | TCP | its sender was dropped | the same, and nothing that it had sent is missing | something may be missing |
///
/// A sender closes with a last word behind its last message (`docs/wire.md`). The word is missing
/// if the process was killed, exited without dropping its sender, or dropped it into a channel that
/// stayed full for longer than [`Config::linger`](crate::Config::linger). What such a sender had in
/// line is missing as well; what it had published is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// The peer dropped its sender. Every message given to it has been received.
    Closed,
    /// The peer's sender ended without closing. Every message published by it has been received.
    Abrupt,
    /// The connection was cut ([`RecvError::Reset`]). Messages may be lost.
    Reset,
}

/// How a peer broke the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// Why there is no connection.
#[derive(Debug)]
pub enum ConnectError {
    /// A call of the operating system failed.
    Io {
        /// The attempted call, as a clause: `bind /run/x.sock`.
        doing: String,
        /// The system's error.
        source: io::Error,
    },
    /// The other end does not speak this protocol, or not with terms that this end accepts.
    Refused {
        /// The field at fault.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The other end refused, and said why. If it lacked a resource, a later attempt may succeed.
    PeerRefused {
        /// Its reason, as a clause: `it has run out of descriptors`.
        why: &'static str,
    },
    /// The other end could not be reached, or said nothing, until the deadline.
    Timeout,
    /// The other end went away during the handshake.
    Disconnected,
    /// The endpoint leads to another mechanism than the one that was asked for.
    WrongKind {
        /// The mechanism that the endpoint leads to.
        endpoint: Kind,
    },
    /// The configuration cannot be met.
    Config(String),
    /// The text is not an address, or the address does not fit this call.
    Address {
        /// The address as text.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// More peers were in their handshakes than [`ListenConfig`](crate::ListenConfig) allows, and this was the oldest.
    Shed {
        /// The limit.
        limit: usize,
    },
    /// Nothing was handed over to this process, or it was taken already.
    NotInherited(String),
}

impl SendError {
    /// The error for a wait that is over: `Full` for a non-blocking form, else `Timeout`.
    pub(crate) fn timeout(patience: &Patience) -> Self {
        if patience.until == Until::Now { SendError::Full } else { SendError::Timeout }
    }
}

impl RecvError {
    /// The error for a wait that is over: `Empty` for a non-blocking form, else `Timeout`.
    pub(crate) fn timeout(patience: &Patience) -> Self {
        if patience.until == Until::Now { RecvError::Empty } else { RecvError::Timeout }
    }
}

impl ConnectError {
    /// Whether it only says that the other end has given up.
    pub(crate) fn is_the_peers(&self) -> bool {
        matches!(self, ConnectError::PeerRefused { .. } | ConnectError::Disconnected | ConnectError::Timeout)
    }

    /// Turns an errno into an error that names the attempt: `doing` is a clause such as `bind
    /// /run/x.sock`.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(Errno) -> ConnectError {
        move |errno| ConnectError::Io { doing: doing.into(), source: errno.into() }
    }

    /// Whether this process or this machine has run out of a resource, such as descriptors or
    /// memory. A later attempt may succeed.
    pub fn is_shortage(&self) -> bool {
        let ConnectError::Io { source, .. } = self else { return false };
        // A `Shortage` has no errno: it is noticed before the kernel is asked.
        source.kind() == io::ErrorKind::OutOfMemory
            || Errno::from_io_error(source).is_some_and(|errno| shortage(errno).is_some())
    }
}

/// The exhausted resource, and its owner.
pub(crate) fn shortage(errno: Errno) -> Option<String> {
    match errno {
        Errno::MFILE => {
            let most = crate::sys::limit(rustix::process::Resource::Nofile);
            Some(most.map_or_else(
                || "this process has as many descriptors as it may have (RLIMIT_NOFILE)".into(),
                |most| format!("this process may have {most} descriptors (RLIMIT_NOFILE), and has no more"),
            ))
        }
        Errno::TOOMANYREFS => Some("this user has too many descriptors on their way (RLIMIT_NOFILE)".into()),
        Errno::NFILE => Some("this machine has no more descriptors (/proc/sys/fs/file-max)".into()),
        Errno::NOMEM | Errno::NOBUFS => {
            Some("this machine, or the memory limit of this process's group, has no more memory".into())
        }
        _ => None,
    }
}

impl From<End> for RecvError {
    fn from(end: End) -> Self {
        match end {
            End::Closed | End::Abrupt => RecvError::Disconnected,
            End::Reset => RecvError::Reset,
        }
    }
}

impl From<Violation> for SendError {
    fn from(violation: Violation) -> Self {
        SendError::Poisoned(violation)
    }
}

impl From<Violation> for RecvError {
    fn from(violation: Violation) -> Self {
        RecvError::Poisoned(violation)
    }
}

/// What both sides of a connection say of [`SendError::Forked`] and [`RecvError::Forked`].
const FORKED: &str = "this connection belongs to the process that forked this one: connect after the fork";

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Full => write!(f, "there is no room for the message now"),
            SendError::Timeout => write!(f, "there was no room for the message before the deadline"),
            SendError::Unfinished => {
                write!(
                    f,
                    "the kernel has not all of the message yet; the rest goes with the next send or flush"
                )
            }
            SendError::TooLong { len, max } => {
                write!(f, "a message of {len} bytes is longer than the {max} bytes both ends agreed on")
            }
            SendError::Disconnected => write!(f, "the peer receives no more"),
            SendError::Reset => write!(f, "the connection was cut; messages sent before may be lost"),
            SendError::Poisoned(violation) => write!(f, "the peer broke the protocol: {violation}"),
            SendError::Forked => f.write_str(FORKED),
            SendError::Io(error) => write!(f, "sending failed: {error}"),
        }
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecvError::Empty => write!(f, "there is no message now"),
            RecvError::Timeout => write!(f, "there was no message before the deadline"),
            RecvError::TooLong { len, room } => {
                write!(f, "the message has {len} bytes and the buffer {room}; it is still there")
            }
            RecvError::Disconnected => write!(f, "the peer sends no more"),
            RecvError::Reset => write!(f, "the connection was cut; messages may be lost"),
            RecvError::Poisoned(violation) => write!(f, "the peer broke the protocol: {violation}"),
            RecvError::Forked => f.write_str(FORKED),
            RecvError::Io(error) => write!(f, "receiving failed: {error}"),
        }
    }
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

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Io { doing, source } => {
                write!(f, "cannot {doing}: {source}")?;
                let whose = Errno::from_io_error(source).and_then(shortage);
                whose.map_or(Ok(()), |whose| write!(f, ": {whose}"))
            }
            ConnectError::Refused { field, why } => write!(f, "the other end was refused: {field}: {why}"),
            ConnectError::PeerRefused { why } => write!(f, "the other end refused this one: {why}"),
            ConnectError::Timeout => {
                write!(f, "the other end could not be reached, or did not answer, in time")
            }
            ConnectError::Disconnected => write!(f, "the other end went away during the handshake"),
            ConnectError::WrongKind { endpoint } => {
                write!(f, "this endpoint leads to {endpoint}, not to the mechanism that was asked for")
            }
            ConnectError::Config(why) => write!(f, "the configuration cannot be met: {why}"),
            ConnectError::Address { address, why } => write!(f, "`{address}` is no address for this: {why}"),
            ConnectError::Shed { limit } => {
                write!(f, "{limit} others came during the handshake, and no more may wait (ListenConfig)")
            }
            ConnectError::NotInherited(why) => write!(f, "no endpoint was handed over: {why}"),
        }
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SendError::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl std::error::Error for RecvError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RecvError::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl std::error::Error for Violation {}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ConnectError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
