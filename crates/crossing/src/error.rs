//! What can go wrong, in the field's own words.
//!
//! `Full`, `Empty`, `Timeout` and `Stopped` are outcomes rather than faults: nothing was lost, and the call can be
//! made again. `Disconnected` ends a direction. `Reset` ends a connection, and messages may be lost. `Poisoned` ends
//! a connection, too: the peer broke the protocol. An end is told by the same word by every later call.
//!
//! Each form of a call has its own type of error, and [`Error`] is any of them. A message says the cause once: an
//! error with a system's error inside shows it, and does not name it as its source again.

mod any;
mod connect;
mod end;
mod recv;
mod same;
mod send;
mod violation;

pub use self::any::Error;
pub use self::connect::ConnectError;
pub(crate) use self::connect::shortage;
pub use self::end::End;
pub use self::recv::RecvError;
pub(crate) use self::same::is_same;
pub use self::send::SendError;
pub use self::violation::Violation;

/// What both sides of a connection say of [`SendError::Forked`] and [`RecvError::Forked`].
const FORKED: &str = "this connection belongs to the process that forked this one: connect after the fork";

/// What both sides say of [`SendError::Stopped`] and [`RecvError::Stopped`].
const STOPPED: &str = "a stopper has ended the wait";
