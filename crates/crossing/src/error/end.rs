//! How a direction ended.

/// How a direction ended, once a call has reported its end: [`Receiver::end`](crate::Receiver::end)
/// for the direction from the peer, [`Sender::end`](crate::Sender::end) for the one to it.
///
/// To a receiver:
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
///
/// To a sender:
///
/// | | `Closed` | `Abrupt` | `Reset` | `Unknown` |
/// |---|---|---|---|---|
/// | shared memory | the peer's receiver was dropped | its process died | never | never |
/// | pipe, Unix socket | never | never | never | the peer receives no more |
/// | TCP | never | never | the connection was cut | the peer receives no more |
///
/// A pipe and a socket have no word for a receiver that closes: the kernel says the same of one
/// that was dropped and of one whose process died. Where the peer sends as well, its own direction
/// tells the difference. In none of these cases is it known which of the last messages were
/// received.
///
/// # Examples
/// ```
/// # use crossing::{Config, Connection, Kind};
/// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
/// use crossing::{End, RecvError};
///
/// # drop(there);
/// assert_eq!(here.recv(&mut [0; 64]), Err(RecvError::Disconnected));
/// match here.end() {
///     Some(End::Closed) => println!("the peer has said all"),
///     end => println!("the peer ended in the middle: {end:?}"),
/// }
/// # assert_eq!(here.end(), Some(End::Closed));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum End {
    /// The peer dropped its half. Every message given to its sender has been received.
    Closed,
    /// The peer's half ended without closing. Every message published by its sender has been
    /// received.
    Abrupt,
    /// The connection was cut ([`RecvError::Reset`](crate::RecvError::Reset)). Messages may be lost.
    Reset,
    /// The peer's receiver is gone, and this mechanism does not tell its sender how.
    Unknown,
}
