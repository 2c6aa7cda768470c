//! Why a message was not sent.

use std::fmt;
use std::io;

use super::same::is_same;
use super::violation::Violation;
use super::{FORKED, STOPPED};
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
/// # As an `io::Error`
///
/// `?` turns it into one. `Full` becomes `WouldBlock`, `Timeout` `TimedOut`, `Disconnected` `BrokenPipe`, `Reset`
/// `ConnectionReset`, `Poisoned` `InvalidData`, `TooLong` `InvalidInput`, `Forked` `PermissionDenied`; `Unfinished`
/// and `Stopped` become `Other`, because a program that reads `WouldBlock` or `Interrupted` makes the call again. The
/// inner error is the `SendError`. `Io` becomes the system's own error.
///
/// Two errors are equal when their variants and fields are. Of two `Io` the operating system's numbers are compared;
/// without one, the kinds.
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
///         Err(error) if error.is_full() => break,
///         Err(error) => return Err(error.into()),
///     }
/// }
/// for _ in 0..fitted {
///     assert_eq!(there.recv(&mut [0; 64])?, 5);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
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
    /// A stopper has ended the wait. The message was not taken.
    Stopped,
    /// The operating system refused for a reason of its own.
    Io(io::Error),
}

impl SendError {
    /// The error for a wait that is over: `Full` for a non-blocking form, else `Timeout`.
    pub(crate) fn timeout(patience: &Patience) -> Self {
        match patience.until {
            Until::Now => SendError::Full,
            _ if patience.is_stopped() => SendError::Stopped,
            _ => SendError::Timeout,
        }
    }

    /// Whether there was no room now: [`Full`](SendError::Full).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # while here.try_send(b"more").is_ok() {}
    /// let error = here.try_send(b"one more").unwrap_err();
    /// assert!(error.is_full()); // it was not taken: try again later
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_full(&self) -> bool {
        matches!(self, SendError::Full)
    }

    /// Whether the deadline came before there was room: [`Timeout`](SendError::Timeout).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use std::time::Duration;
    ///
    /// # while here.try_send(b"more").is_ok() {}
    /// let error = here.send_timeout(b"one more", Duration::from_millis(1)).unwrap_err();
    /// assert!(error.is_timeout()); // it was not taken
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_timeout(&self) -> bool {
        matches!(self, SendError::Timeout)
    }

    /// Whether the message was taken all the same: [`Unfinished`](SendError::Unfinished). After any other error it
    /// was not.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Pipe, &Config::default())?;
    /// let message = [7; 50_000];
    /// # here.send(&message)?;
    /// match here.try_send(&message) {
    ///     Err(error) if error.is_unfinished() => println!("taken: the rest goes with the next call"),
    ///     outcome => outcome?,
    /// }
    /// # assert_eq!(there.recv(&mut [0; 50_000])?, 50_000);
    /// # here.flush()?;
    /// # assert_eq!(there.recv(&mut [0; 50_000])?, 50_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_unfinished(&self) -> bool {
        matches!(self, SendError::Unfinished)
    }

    /// Whether the message is longer than any of this connection: [`TooLong`](SendError::TooLong).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// let error = here.send(&[0; 100_000]).unwrap_err();
    /// assert!(error.is_too_long()); // more than `Config::max_message` of one of the ends
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_too_long(&self) -> bool {
        matches!(self, SendError::TooLong { .. })
    }

    /// Whether the peer has died or receives no more: [`Disconnected`](SendError::Disconnected).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// drop(there);
    /// let error = here.send(b"is it there?").unwrap_err();
    /// assert!(error.is_disconnected());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_disconnected(&self) -> bool {
        matches!(self, SendError::Disconnected)
    }

    /// Whether a stopper has ended the wait: [`Stopped`](SendError::Stopped).
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
    /// # while here.try_send(b"more").is_ok() {}
    /// let error = here.send(b"one more").unwrap_err(); // it would have waited for room
    /// assert!(error.is_stopped() && !error.is_closed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_stopped(&self) -> bool {
        matches!(self, SendError::Stopped)
    }

    /// Whether nothing can be sent any more, for one of three reasons: [`Disconnected`](SendError::Disconnected),
    /// [`Reset`](SendError::Reset), [`Poisoned`](SendError::Poisoned).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// drop(there);
    /// let error = here.send(b"is it there?").unwrap_err();
    /// assert!(error.is_closed() && !error.is_full());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_closed(&self) -> bool {
        matches!(self, SendError::Disconnected | SendError::Reset | SendError::Poisoned(_))
    }
}

impl PartialEq for SendError {
    fn eq(&self, other: &Self) -> bool {
        use SendError::*;
        match (self, other) {
            (TooLong { len, max }, TooLong { len: other_len, max: other_max }) => {
                (len, max) == (other_len, other_max)
            }
            (Poisoned(one), Poisoned(other)) => one == other,
            (Io(one), Io(other)) => is_same(one, other),
            (
                Full
                | Timeout
                | Unfinished
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

impl Eq for SendError {}

impl From<Violation> for SendError {
    fn from(violation: Violation) -> Self {
        SendError::Poisoned(violation)
    }
}

impl From<SendError> for io::Error {
    fn from(error: SendError) -> io::Error {
        let kind = match error {
            SendError::Full => io::ErrorKind::WouldBlock,
            SendError::Timeout => io::ErrorKind::TimedOut,
            SendError::Unfinished | SendError::Stopped => io::ErrorKind::Other,
            SendError::TooLong { .. } => io::ErrorKind::InvalidInput,
            SendError::Disconnected => io::ErrorKind::BrokenPipe,
            SendError::Reset => io::ErrorKind::ConnectionReset,
            SendError::Poisoned(_) => io::ErrorKind::InvalidData,
            SendError::Forked => io::ErrorKind::PermissionDenied,
            SendError::Io(error) => return error,
        };
        io::Error::new(kind, error)
    }
}

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
            SendError::Stopped => f.write_str(STOPPED),
            SendError::Io(error) => write!(f, "sending failed: {error}"),
        }
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SendError::Io(error) => error.source(),
            _ => None,
        }
    }
}
