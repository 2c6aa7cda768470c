//! What is wrong with a text that should have been something.

use std::fmt;
use std::io;

/// Why a text is not an [`Address`](crate::Address), a [`Kind`](crate::Kind) or a
/// [`WaitStrategy`](crate::WaitStrategy).
///
/// # Examples
/// ```
/// use crossing::{Address, Kind};
///
/// let error = "shm:".parse::<Address>().unwrap_err();
/// assert_eq!((error.what(), error.text(), error.why()), ("address", "shm:", "its path is empty"));
/// assert_eq!(error.to_string(), "`shm:` is no address: its path is empty");
/// let error = "smoke".parse::<Kind>().unwrap_err();
/// assert_eq!(error.to_string(), "`smoke` is no mechanism: one of shm, pipe, unix, tcp");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    what: &'static str,
    text: String,
    why: String,
}

impl ParseError {
    pub(crate) fn new(what: &'static str, text: impl Into<String>, why: impl Into<String>) -> ParseError {
        ParseError { what, text: text.into(), why: why.into() }
    }

    /// What the text should have been: `address`, `mechanism`, `way of waiting`.
    ///
    /// # Examples
    /// ```
    /// use crossing::Kind;
    ///
    /// let error = "smoke".parse::<Kind>().unwrap_err();
    /// assert_eq!(error.what(), "mechanism");
    /// ```
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// The text.
    ///
    /// # Examples
    /// ```
    /// use crossing::WaitStrategy;
    ///
    /// let error = "hybrid:soon".parse::<WaitStrategy>().unwrap_err();
    /// assert_eq!(error.text(), "hybrid:soon");
    /// ```
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is wrong with it, or what it can be.
    ///
    /// # Examples
    /// ```
    /// use crossing::Kind;
    ///
    /// let error = "smoke".parse::<Kind>().unwrap_err();
    /// assert_eq!(error.why(), "one of shm, pipe, unix, tcp");
    /// ```
    pub fn why(&self) -> &str {
        &self.why
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ParseError { what, text, why } = self;
        // Control characters would break out of the line.
        write!(f, "`{}` is no {what}: {why}", text.escape_debug())
    }
}

impl std::error::Error for ParseError {}

impl From<ParseError> for io::Error {
    fn from(error: ParseError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}
