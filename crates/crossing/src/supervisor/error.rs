//! Why a supervisor has no connection.

use std::fmt;
use std::io;
use std::process::ExitStatus;

use crate::error::ConnectError;

/// Why a [`Supervisor`](crate::Supervisor) has no connection.
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
