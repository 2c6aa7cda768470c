//! Why there is no connection.

use std::fmt;
use std::io;

use rustix::io::Errno;

use super::same::is_same;
use crate::kind::Kind;
use crate::parse::ParseError;

/// Why there is no connection.
///
/// `?` turns it into an `io::Error`, whose inner error it is: of the kind of the system's error for `Io`, else of the
/// kind that fits (`TimedOut`, `ConnectionRefused`, `InvalidData`, `InvalidInput`, …).
///
/// # Examples
/// ```
/// use std::io;
/// use crossing::{Config, Connection};
///
/// fn meet() -> io::Result<Connection> {
///     Ok(Connection::dial(&"unix:/nowhere/x.sock".parse()?, &Config::default())?)
/// }
/// let error = meet().unwrap_err();
/// assert_eq!(error.kind(), io::ErrorKind::NotFound);
/// assert!(error.downcast::<crossing::ConnectError>().is_ok());
/// ```
#[derive(Debug)]
#[non_exhaustive]
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
        /// The mechanism that was asked for.
        wanted: Kind,
    },
    /// The configuration cannot be met.
    Config(String),
    /// What stands in the text is not what it should be.
    Parse(ParseError),
    /// The address does not fit this call.
    Address {
        /// The address as text.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// More peers were in their handshakes than the listener's
    /// [`half_open_limit`](crate::ListenOptions::half_open_limit), and this was the oldest.
    Shed {
        /// The limit.
        limit: usize,
    },
    /// Nothing was handed over to this process, or it was taken already.
    NotInherited(String),
    /// The descriptor is not what it was said to be: its family, its type or its state is another.
    Descriptor(String),
    /// A [`Stopper`](crate::Stopper) has ended the wait for a peer.
    Stopped,
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
    ///
    /// # Examples
    /// ```
    /// use std::io;
    /// use crossing::ConnectError;
    ///
    /// let refused = |kind: io::ErrorKind| ConnectError::Io { doing: "make a region".into(), source: kind.into() };
    /// assert!(refused(io::ErrorKind::OutOfMemory).is_shortage()); // a server waits a moment, and goes on
    /// assert!(!refused(io::ErrorKind::PermissionDenied).is_shortage());
    /// ```
    pub fn is_shortage(&self) -> bool {
        let ConnectError::Io { source, .. } = self else { return false };
        // A `Shortage` has no errno: it is noticed before the kernel is asked.
        source.kind() == io::ErrorKind::OutOfMemory
            || Errno::from_io_error(source).is_some_and(|errno| shortage(errno).is_some())
    }

    /// Whether a stopper has ended the wait: [`Stopped`](ConnectError::Stopped).
    ///
    /// # Examples
    /// ```
    /// use crossing::{Listener, Stopper};
    ///
    /// # use std::fs;
    /// # let folder = std::env::temp_dir().join(format!("crossing-stopped-{}", std::process::id()));
    /// # fs::create_dir_all(&folder)?;
    /// # let address = format!("unix:{}/s", folder.display()).parse()?;
    /// let mut listener = Listener::bind(&address)?;
    /// let stopper = Stopper::new()?;
    /// listener.set_stopper(&stopper);
    /// stopper.stop();
    /// assert!(listener.accept().is_err_and(|error| error.is_stopped()));
    /// # drop(listener);
    /// # fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_stopped(&self) -> bool {
        matches!(self, ConnectError::Stopped)
    }

    /// Whether the deadline came first: [`Timeout`](ConnectError::Timeout).
    ///
    /// # Examples
    /// ```
    /// use std::{os::unix::net::UnixStream, time::Duration};
    /// use crossing::{Config, Endpoint, Kind};
    ///
    /// let (socket, _silent) = UnixStream::pair()?;
    /// let config = Config::default().connect_timeout(Duration::from_millis(10));
    /// let outcome = Endpoint::from_fd(Kind::Unix, socket.into())?.connect(&config);
    /// assert!(outcome.is_err_and(|error| error.is_timeout()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_timeout(&self) -> bool {
        matches!(self, ConnectError::Timeout)
    }

    /// Whether the other end went away during the handshake: [`Disconnected`](ConnectError::Disconnected).
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Endpoint, Kind};
    ///
    /// let (here, there) = Endpoint::pair(Kind::Unix)?;
    /// drop(there); // a child, say, that ended before it connected
    /// let outcome = here.connect(&Config::default());
    /// assert!(outcome.is_err_and(|error| error.is_disconnected()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_disconnected(&self) -> bool {
        matches!(self, ConnectError::Disconnected)
    }

    /// Whether one end refused the other: [`Refused`](ConnectError::Refused), [`PeerRefused`](ConnectError::PeerRefused).
    ///
    /// # Examples
    /// ```
    /// use std::{io::Write, os::unix::net::UnixStream};
    /// use crossing::{Config, Endpoint, Kind};
    ///
    /// let (socket, mut stranger) = UnixStream::pair()?;
    /// stranger.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    /// let outcome = Endpoint::from_fd(Kind::Unix, socket.into())?.connect(&Config::default());
    /// assert!(outcome.is_err_and(|error| error.is_refused()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_refused(&self) -> bool {
        matches!(self, ConnectError::Refused { .. } | ConnectError::PeerRefused { .. })
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

impl PartialEq for ConnectError {
    fn eq(&self, other: &Self) -> bool {
        use ConnectError::*;
        match (self, other) {
            (Io { doing, source }, Io { doing: other_doing, source: other_source }) => {
                doing == other_doing && is_same(source, other_source)
            }
            (Refused { field, why }, Refused { field: other_field, why: other_why }) => {
                (field, why) == (other_field, other_why)
            }
            (PeerRefused { why }, PeerRefused { why: other }) => why == other,
            (
                WrongKind { endpoint, wanted },
                WrongKind { endpoint: other_endpoint, wanted: other_wanted },
            ) => (endpoint, wanted) == (other_endpoint, other_wanted),
            (Config(why), Config(other))
            | (NotInherited(why), NotInherited(other))
            | (Descriptor(why), Descriptor(other)) => why == other,
            (Parse(error), Parse(other)) => error == other,
            (Address { address, why }, Address { address: other_address, why: other_why }) => {
                (address, why) == (other_address, other_why)
            }
            (Shed { limit }, Shed { limit: other }) => limit == other,
            (
                Timeout
                | Disconnected
                | Stopped
                | Io { .. }
                | Refused { .. }
                | PeerRefused { .. }
                | WrongKind { .. }
                | Config(_)
                | NotInherited(_)
                | Descriptor(_)
                | Parse(_)
                | Address { .. }
                | Shed { .. },
                other,
            ) => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Eq for ConnectError {}

impl From<ParseError> for ConnectError {
    fn from(error: ParseError) -> Self {
        ConnectError::Parse(error)
    }
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> io::Error {
        let kind = match &error {
            ConnectError::Io { source, .. } => source.kind(),
            ConnectError::Refused { .. } => io::ErrorKind::InvalidData,
            ConnectError::PeerRefused { .. } => io::ErrorKind::ConnectionRefused,
            ConnectError::Timeout => io::ErrorKind::TimedOut,
            ConnectError::Disconnected => io::ErrorKind::ConnectionAborted,
            ConnectError::WrongKind { .. }
            | ConnectError::Config(_)
            | ConnectError::Parse(_)
            | ConnectError::Descriptor(_)
            | ConnectError::Address { .. } => io::ErrorKind::InvalidInput,
            ConnectError::Shed { .. } => io::ErrorKind::ResourceBusy,
            ConnectError::NotInherited(_) => io::ErrorKind::NotFound,
            ConnectError::Stopped => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
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
            ConnectError::WrongKind { endpoint, wanted } => {
                write!(f, "this endpoint leads to {endpoint}, and {wanted} was asked for")
            }
            ConnectError::Config(why) => write!(f, "the configuration cannot be met: {why}"),
            ConnectError::Parse(error) => write!(f, "{error}"),
            ConnectError::Address { address, why } => write!(f, "`{address}` is no address for this: {why}"),
            ConnectError::Shed { limit } => {
                let option = "ListenOptions::half_open_limit";
                write!(f, "{limit} others came during the handshake, and no more may wait ({option})")
            }
            ConnectError::NotInherited(why) => write!(f, "no endpoint was handed over: {why}"),
            ConnectError::Descriptor(why) => write!(f, "the descriptor is {why}"),
            ConnectError::Stopped => f.write_str("a stopper has ended the wait for a peer"),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ConnectError::Io { source, .. } => source.source(),
            _ => None,
        }
    }
}
