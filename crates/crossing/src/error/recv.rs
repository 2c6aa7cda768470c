//! Why no message was received.

use std::fmt;
use std::io;

use super::end::End;
use super::same::is_same;
use super::violation::Violation;
use super::{FORKED, STOPPED};
use crate::wait::{Patience, Until};

/// Why no message was received.
///
/// # As an `io::Error`
///
/// `?` turns it into one. `Empty` becomes `WouldBlock`, `Timeout` `TimedOut`, `Disconnected` `UnexpectedEof`, `Reset`
/// `ConnectionReset`, `Poisoned` `InvalidData`, `TooLong` `InvalidInput`, `Forked` `PermissionDenied`, `Stopped`
/// `Other` (a program that reads `Interrupted` makes the call again). The inner error is the `RecvError`. `Io` becomes
/// the system's own error.
///
/// Two errors are equal when their variants and fields are. Of two `Io` the operating system's numbers are compared;
/// without one, the kinds.
///
/// # Examples
/// ```
/// use crossing::{Config, Connection, Kind, RecvError};
///
/// let (here, there) = Connection::pair(Kind::Pipe, &Config::default())?;
/// let (mut sender, _) = here.split();
/// let (_, mut receiver) = there.split();
/// let mut buffer = [0; 64];
/// assert_eq!(receiver.try_recv(&mut buffer), Err(RecvError::Empty));
///
/// sender.send(b"the last one")?;
/// drop(sender);
/// // What was sent before the end is received before the end is told.
/// assert_eq!(receiver.recv(&mut buffer)?, 12);
/// assert_eq!(receiver.recv(&mut buffer), Err(RecvError::Disconnected));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
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
    /// A stopper has ended the wait. Nothing was taken.
    Stopped,
    /// The operating system refused for a reason of its own.
    Io(io::Error),
}

impl RecvError {
    /// The error for a wait that is over: `Empty` for a non-blocking form, else `Timeout`.
    pub(crate) fn timeout(patience: &Patience) -> Self {
        match patience.until {
            Until::Now => RecvError::Empty,
            _ if patience.is_stopped() => RecvError::Stopped,
            _ => RecvError::Timeout,
        }
    }

    /// Whether there was no message now: [`Empty`](RecvError::Empty).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// let error = here.try_recv(&mut [0; 64]).unwrap_err();
    /// assert!(error.is_empty()); // no fault: there is no message now
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        matches!(self, RecvError::Empty)
    }

    /// Whether the deadline came before a message: [`Timeout`](RecvError::Timeout).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use std::time::Duration;
    ///
    /// let error = here.recv_timeout(&mut [0; 64], Duration::from_millis(1)).unwrap_err();
    /// assert!(error.is_timeout() && !error.is_closed()); // late, and not known to be dead
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_timeout(&self) -> bool {
        matches!(self, RecvError::Timeout)
    }

    /// Whether the message needs a longer buffer: [`TooLong`](RecvError::TooLong).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// here.send(b"longer than a tiny buffer")?;
    /// let mut buffer = vec![0; 4];
    /// if there.recv(&mut buffer).is_err_and(|error| error.is_too_long()) {
    ///     buffer.resize(there.max_message(), 0);
    ///     assert_eq!(there.recv(&mut buffer)?, 25); // it was kept
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_too_long(&self) -> bool {
        matches!(self, RecvError::TooLong { .. })
    }

    /// Whether the peer has died or sends no more: [`Disconnected`](RecvError::Disconnected).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// drop(there);
    /// let error = here.recv(&mut [0; 64]).unwrap_err();
    /// assert!(error.is_disconnected()); // all that the peer had sent was received
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_disconnected(&self) -> bool {
        matches!(self, RecvError::Disconnected)
    }

    /// Whether a stopper has ended the wait: [`Stopped`](RecvError::Stopped).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use crossing::Stopper;
    ///
    /// let stopper = Stopper::new()?;
    /// here.set_stopper(&stopper);
    /// stopper.stop();
    /// let error = here.recv(&mut [0; 64]).unwrap_err();
    /// assert!(error.is_stopped() && !error.is_closed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_stopped(&self) -> bool {
        matches!(self, RecvError::Stopped)
    }

    /// Whether no message will ever come, for one of three reasons: [`Disconnected`](RecvError::Disconnected),
    /// [`Reset`](RecvError::Reset), [`Poisoned`](RecvError::Poisoned).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// drop(there);
    /// let error = here.recv(&mut [0; 64]).unwrap_err();
    /// assert!(error.is_closed() && !error.is_timeout());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_closed(&self) -> bool {
        matches!(self, RecvError::Disconnected | RecvError::Reset | RecvError::Poisoned(_))
    }
}

impl PartialEq for RecvError {
    fn eq(&self, other: &Self) -> bool {
        use RecvError::*;
        match (self, other) {
            (TooLong { len, room }, TooLong { len: other_len, room: other_room }) => {
                (len, room) == (other_len, other_room)
            }
            (Poisoned(one), Poisoned(other)) => one == other,
            (Io(one), Io(other)) => is_same(one, other),
            (
                Empty
                | Timeout
                | Disconnected
                | Reset
                | Forked
                | Stopped
                | TooLong { .. }
                | Poisoned(_)
                | Io(_),
                other,
            ) => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Eq for RecvError {}

impl From<End> for RecvError {
    fn from(end: End) -> Self {
        match end {
            End::Closed | End::Abrupt | End::Unknown => RecvError::Disconnected,
            End::Reset => RecvError::Reset,
        }
    }
}

impl From<Violation> for RecvError {
    fn from(violation: Violation) -> Self {
        RecvError::Poisoned(violation)
    }
}

impl From<RecvError> for io::Error {
    fn from(error: RecvError) -> io::Error {
        let kind = match error {
            RecvError::Empty => io::ErrorKind::WouldBlock,
            RecvError::Timeout => io::ErrorKind::TimedOut,
            RecvError::TooLong { .. } => io::ErrorKind::InvalidInput,
            RecvError::Disconnected => io::ErrorKind::UnexpectedEof,
            RecvError::Reset => io::ErrorKind::ConnectionReset,
            RecvError::Poisoned(_) => io::ErrorKind::InvalidData,
            RecvError::Forked => io::ErrorKind::PermissionDenied,
            RecvError::Stopped => io::ErrorKind::Other,
            RecvError::Io(error) => return error,
        };
        io::Error::new(kind, error)
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
            RecvError::Stopped => f.write_str(STOPPED),
            RecvError::Io(error) => write!(f, "receiving failed: {error}"),
        }
    }
}

impl std::error::Error for RecvError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RecvError::Io(error) => error.source(),
            _ => None,
        }
    }
}
