//! How a direction ended.

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
#[non_exhaustive]
pub enum End {
    /// The peer dropped its sender. Every message given to it has been received.
    Closed,
    /// The peer's sender ended without closing. Every message published by it has been received.
    Abrupt,
    /// The connection was cut ([`RecvError::Reset`](crate::RecvError::Reset)). Messages may be lost.
    Reset,
}
