//! Why a poll lends nothing.

use std::fmt;
use std::io;

use crate::error::is_same;
use crate::wait::{Patience, Until};

/// Why a [`Poll`](super::Poll) lends nothing.
///
/// It becomes an [`io::Error`] by `?`: `Nothing` a `WouldBlock`, `Timeout` a `TimedOut`, `Stopped` an `Other`,
/// `Vacant` an `InvalidInput`, `Forked` a `PermissionDenied`.
///
/// # Examples
/// ```
/// use crossing::{Poll, PollError, Receiver};
///
/// let mut poll = Poll::<Receiver>::new()?;
/// assert_eq!(poll.next().err(), Some(PollError::Vacant));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum PollError {
    /// Nothing is ready now (only from `try_next`).
    Nothing,
    /// Nothing was ready before the deadline.
    Timeout,
    /// A [`Stopper`](crate::Stopper) has ended the wait.
    Stopped,
    /// The poll holds nothing that could become ready.
    Vacant,
    /// The poll belongs to the process that forked this one.
    Forked,
    /// The operating system refused for a reason of its own.
    Io(io::Error),
}

impl PollError {
    /// The error of a wait that is over.
    pub(super) fn over(patience: &Patience) -> PollError {
        match patience.until {
            Until::Now => PollError::Nothing,
            _ if patience.is_stopped() => PollError::Stopped,
            _ => PollError::Timeout,
        }
    }

    /// Whether nothing is wrong: [`Nothing`](PollError::Nothing) or [`Timeout`](PollError::Timeout).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, Poll};
    /// # let mut poll = Poll::new()?;
    /// # let (_here, there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// # poll.insert(there)?;
    /// let outcome = poll.try_next();
    /// assert!(outcome.is_err_and(|error| error.is_timeout()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_timeout(&self) -> bool {
        matches!(self, PollError::Nothing | PollError::Timeout)
    }
}

impl fmt::Display for PollError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PollError::Nothing => f.write_str("nothing is ready now"),
            PollError::Timeout => f.write_str("nothing was ready before the deadline"),
            PollError::Stopped => f.write_str("a stopper has ended the wait"),
            PollError::Vacant => f.write_str("there is nothing to wait for: insert a half first"),
            PollError::Forked => f.write_str("this poll belongs to the process that forked this one"),
            PollError::Io(error) => write!(f, "waiting failed: {error}"),
        }
    }
}

impl std::error::Error for PollError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let PollError::Io(error) = self { Some(error) } else { None }
    }
}

impl From<PollError> for io::Error {
    fn from(error: PollError) -> io::Error {
        let kind = match error {
            PollError::Io(error) => return error,
            PollError::Nothing => io::ErrorKind::WouldBlock,
            PollError::Timeout => io::ErrorKind::TimedOut,
            PollError::Stopped => io::ErrorKind::Other,
            PollError::Vacant => io::ErrorKind::InvalidInput,
            PollError::Forked => io::ErrorKind::PermissionDenied,
        };
        io::Error::new(kind, error)
    }
}

impl PartialEq for PollError {
    fn eq(&self, other: &PollError) -> bool {
        match (self, other) {
            (PollError::Io(one), PollError::Io(other)) => is_same(one, other),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}
