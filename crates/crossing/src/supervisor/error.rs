//! Why a supervisor has no connection.

use std::fmt;
use std::io;
use std::process::ExitStatus;

use crate::error::ConnectError;

/// Why a [`Supervisor`](crate::Supervisor) has no connection.
///
/// # Examples
/// ```
/// use crossing::{Backoff, Config, Supervisor, SupervisorError};
///
/// # let nowhere = format!("shm:@crossing-error-{}", std::process::id()).parse()?;
/// let supervisor = Supervisor::dialling(&nowhere).backoff(Backoff::default().limit(2));
/// // A configuration that no end can have.
/// let mut supervisor = supervisor.config(Config::default().max_message(usize::MAX));
/// match supervisor.next_generation().map(drop) {
///     Ok(()) => {}
///     Err(SupervisorError::GaveUp { failures, last }) => println!("{failures} times: {last}"),
///     Err(SupervisorError::Hopeless(error)) => println!("mend the program: {error}"),
///     Err(SupervisorError::Timeout) => println!("not yet"),
///     Err(error) => println!("{error}"),
/// }
/// # assert!(matches!(supervisor.next_generation(), Err(SupervisorError::Hopeless(_))));
/// # Ok::<(), crossing::ParseError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum SupervisorError {
    /// Too many attempts in a row have failed, and no more are made. Asked again, it begins anew.
    GaveUp {
        /// How many: one more than [`Backoff::limit`](crate::Backoff::limit).
        failures: u32,
        /// How the last one failed.
        last: SupervisedEnd,
    },
    /// What is asked for cannot be had, however often it is tried: the configuration, the address.
    Hopeless(ConnectError),
    /// The deadline came before there was a connection. Asked again, it goes on where it was.
    Timeout,
}

/// How one attempt of a supervisor failed, or one connection ended too soon.
///
/// # Examples
/// ```
/// use std::process::Command;
/// use crossing::{Backoff, Kind, SupervisedEnd, Supervisor, SupervisorError};
///
/// // A plug-in that fails at once.
/// let mut supervisor = Supervisor::spawning(Kind::Shm, |_| Command::new("false"))
///     .backoff(Backoff::default().limit(0));
/// let Err(SupervisorError::GaveUp { last, .. }) = supervisor.next_generation() else { panic!() };
/// match last {
///     SupervisedEnd::Spawn(error) => println!("it is not there: {error}"),
///     SupervisedEnd::Child(status) => assert_eq!(status.code(), Some(1)),
///     SupervisedEnd::Connect(error) => println!("it does not talk: {error}"),
///     SupervisedEnd::Brief(status) => println!("it did not stay: {status:?}"),
///     _ => {}
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum SupervisedEnd {
    /// The child could not be started.
    Spawn(io::Error),
    /// The child ended before there was a connection.
    Child(ExitStatus),
    /// There was no connection.
    Connect(ConnectError),
    /// There was one, and it lasted shorter than [`Backoff::stable`](crate::Backoff::stable): with
    /// how the child ended, if there is a child and it was not this process that ended it.
    Brief(Option<ExitStatus>),
}

impl SupervisorError {
    /// Whether the deadline came first: [`Timeout`](SupervisorError::Timeout).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use crossing::Supervisor;
    ///
    /// # let nowhere = format!("shm:@crossing-is-timeout-{}", std::process::id()).parse()?;
    /// let mut supervisor = Supervisor::dialling(&nowhere);
    /// match supervisor.next_generation_timeout(Duration::from_millis(1)) {
    ///     Ok(generation) => println!("connection {}", generation.number()),
    ///     Err(error) if error.is_timeout() => println!("ask again"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_timeout(&self) -> bool {
        matches!(self, SupervisorError::Timeout)
    }
}

impl fmt::Display for SupervisorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SupervisorError::GaveUp { failures, last } => {
                write!(f, "{failures} attempts in a row have failed (Backoff::limit); the last: {last}")
            }
            SupervisorError::Hopeless(error) => write!(f, "trying again cannot help: {error}"),
            SupervisorError::Timeout => f.write_str("there was no connection before the deadline"),
        }
    }
}

impl fmt::Display for SupervisedEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SupervisedEnd::Spawn(error) => write!(f, "the child cannot be started: {error}"),
            SupervisedEnd::Child(status) => {
                write!(f, "the child ended before it was connected: {status}")
            }
            SupervisedEnd::Connect(error) => write!(f, "{error}"),
            SupervisedEnd::Brief(Some(status)) => {
                write!(f, "the child ended soon after it was connected: {status}")
            }
            SupervisedEnd::Brief(None) => f.write_str("the connection was given up soon after it was made"),
        }
    }
}

impl std::error::Error for SupervisorError {}

impl From<SupervisorError> for io::Error {
    fn from(error: SupervisorError) -> io::Error {
        let kind = match &error {
            SupervisorError::GaveUp { last: SupervisedEnd::Spawn(error), .. } => error.kind(),
            SupervisorError::GaveUp { .. } => io::ErrorKind::ConnectionAborted,
            SupervisorError::Hopeless(_) => io::ErrorKind::InvalidInput,
            SupervisorError::Timeout => io::ErrorKind::TimedOut,
        };
        io::Error::new(kind, error)
    }
}
