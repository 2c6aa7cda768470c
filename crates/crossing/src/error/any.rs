//! One error for a function that does several things.

use std::fmt;
use std::io;

use super::connect::ConnectError;
use super::recv::RecvError;
use super::same::is_same;
use super::send::SendError;
use crate::parse::ParseError;

/// Any error of this crate: what `?` makes of each in a function that connects, sends and receives.
///
/// It shows what the error inside shows, and nothing more. `?` turns it into an `io::Error` as it turns that.
///
/// # Examples
/// ```
/// use crossing::{Address, Config, Connection, Error, Kind};
///
/// fn ask(question: &[u8], answer: &mut [u8]) -> Result<usize, Error> {
///     let address: Address = "shm:/nowhere/oracle.sock".parse()?;
///     let mut connection = Connection::dial(&address, &Config::default())?;
///     connection.send(question)?;
///     Ok(connection.recv(answer)?)
/// }
/// let error = ask(b"what is it?", &mut [0; 64]).unwrap_err();
/// assert!(matches!(error, Error::Connect(_)) && !error.is_timeout());
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Something was not sent.
    Send(SendError),
    /// Something was not received.
    Recv(RecvError),
    /// There is no connection.
    Connect(ConnectError),
    /// What stands in a text is not what it should be.
    Parse(ParseError),
    /// The operating system refused something else.
    Io(io::Error),
}

impl Error {
    /// Whether there was no room now. See [`SendError::is_full`].
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use crossing::Error;
    ///
    /// # while here.try_send(b"more").is_ok() {}
    /// let error: Error = here.try_send(b"one more").unwrap_err().into();
    /// assert!(error.is_full()); // it was not taken: try again later
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_full(&self) -> bool {
        matches!(self, Error::Send(error) if error.is_full())
    }

    /// Whether there was no message now. See [`RecvError::is_empty`].
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use crossing::Error;
    ///
    /// let error: Error = here.receiver().try_skip().unwrap_err().into();
    /// assert!(error.is_empty()); // no fault: there is no message now
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        matches!(self, Error::Recv(error) if error.is_empty())
    }

    /// Whether a deadline came first, whatever was waited for.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use std::time::Duration;
    /// use crossing::Error;
    ///
    /// let error: Error = here.recv_timeout(&mut [0; 64], Duration::from_millis(1)).unwrap_err().into();
    /// assert!(error.is_timeout()); // the peer is late, and not known to be dead
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_timeout(&self) -> bool {
        match self {
            Error::Send(error) => error.is_timeout(),
            Error::Recv(error) => error.is_timeout(),
            Error::Connect(error) => error.is_timeout(),
            Error::Parse(_) | Error::Io(_) => false,
        }
    }

    /// Whether a stopper has ended the wait.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use crossing::{Error, Stopper};
    ///
    /// let stopper = Stopper::new()?;
    /// here.set_stopper(&stopper);
    /// stopper.stop();
    /// let error: Error = here.recv(&mut [0; 64]).unwrap_err().into();
    /// assert!(error.is_stopped() && !error.is_closed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_stopped(&self) -> bool {
        match self {
            Error::Send(error) => error.is_stopped(),
            Error::Recv(error) => error.is_stopped(),
            Error::Connect(error) => error.is_stopped(),
            Error::Parse(_) | Error::Io(_) => false,
        }
    }

    /// Whether the peer has died, or has ended what was asked of it.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use crossing::Error;
    ///
    /// drop(there);
    /// let error: Error = here.recv(&mut [0; 64]).unwrap_err().into();
    /// assert!(error.is_disconnected());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_disconnected(&self) -> bool {
        match self {
            Error::Send(error) => error.is_disconnected(),
            Error::Recv(error) => error.is_disconnected(),
            Error::Connect(error) => error.is_disconnected(),
            Error::Parse(_) | Error::Io(_) => false,
        }
    }

    /// Whether the connection is over. See [`SendError::is_closed`] and [`RecvError::is_closed`].
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use crossing::Error;
    ///
    /// fn serve(client: &mut crossing::Connection) -> Result<(), Error> {
    ///     let mut request = Vec::new();
    ///     loop {
    ///         client.recv_vec(&mut request)?;
    ///         client.send(&request)?;
    ///     }
    /// }
    /// # drop(there);
    /// // A client that has gone is no fault.
    /// let outcome = serve(&mut here);
    /// assert!(outcome.is_err_and(|error| error.is_closed()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_closed(&self) -> bool {
        match self {
            Error::Send(error) => error.is_closed(),
            Error::Recv(error) => error.is_closed(),
            Error::Connect(_) | Error::Parse(_) | Error::Io(_) => false,
        }
    }

    fn inside(&self) -> &(dyn std::error::Error + 'static) {
        match self {
            Error::Send(error) => error,
            Error::Recv(error) => error,
            Error::Connect(error) => error,
            Error::Parse(error) => error,
            Error::Io(error) => error,
        }
    }
}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Error::Send(one), Error::Send(other)) => one == other,
            (Error::Recv(one), Error::Recv(other)) => one == other,
            (Error::Connect(one), Error::Connect(other)) => one == other,
            (Error::Parse(one), Error::Parse(other)) => one == other,
            (Error::Io(one), Error::Io(other)) => is_same(one, other),
            (Error::Send(_) | Error::Recv(_) | Error::Connect(_) | Error::Parse(_) | Error::Io(_), _) => {
                false
            }
        }
    }
}

impl Eq for Error {}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Error::Send(error)
    }
}

impl From<RecvError> for Error {
    fn from(error: RecvError) -> Self {
        Error::Recv(error)
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        Error::Connect(error)
    }
}

impl From<ParseError> for Error {
    fn from(error: ParseError) -> Self {
        Error::Parse(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Io(error)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        match error {
            Error::Send(error) => error.into(),
            Error::Recv(error) => error.into(),
            Error::Connect(error) => error.into(),
            Error::Parse(error) => error.into(),
            Error::Io(error) => error,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.inside(), f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inside().source()
    }
}
