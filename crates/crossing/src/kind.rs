//! The kinds of mechanism, by name and by number. What each of them does stands in [`mechanism`](crate::mechanism).

use std::fmt;
use std::str::FromStr;

use rustix::net::SocketType;

use crate::parse::ParseError;

/// The enum, and the list of its variants: one text makes both, so that no mechanism can be missing from the list.
macro_rules! kinds {
    ($(#[$about:meta])* pub enum Kind { $($(#[$what:meta])* $kind:ident,)* }) => {
        $(#[$about])*
        pub enum Kind { $($(#[$what])* $kind,)* }

        impl Kind {
            /// Every mechanism, in the order in which tables show them.
            ///
            /// # Examples
            /// ```
            /// use crossing::{Config, Connection, Kind};
            ///
            /// for kind in Kind::ALL {
            ///     let (mut here, mut there) = Connection::pair(kind, &Config::default())?;
            ///     here.send(b"over each of them")?;
            ///     assert_eq!(there.recv(&mut [0; 64])?, 17);
            /// }
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub const ALL: [Kind; [$(Kind::$kind),*].len()] = [$(Kind::$kind),*];
        }
    };
}

kinds! {
    /// Which mechanism: the run-time name of a [`Mechanism`](crate::Mechanism).
    ///
    /// # Examples
    /// ```
    /// use crossing::Kind;
    ///
    /// let kind: Kind = "shm".parse()?; // as it is typed
    /// assert_eq!(kind, Kind::Shm);
    /// assert_eq!(kind.to_string(), "shm");
    /// # Ok::<(), crossing::ParseError>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum Kind {
        /// Shared memory: a ring in memory that each process owns and the other may only read.
        Shm,
        /// A pipe each way.
        Pipe,
        /// A Unix stream socket.
        Unix,
        /// A TCP connection.
        Tcp,
    }
}

impl Kind {
    /// The short name, on the command line, in addresses and in JSON.
    ///
    /// # Examples
    /// ```
    /// use crossing::Kind;
    ///
    /// let names = Kind::ALL.map(Kind::name);
    /// assert_eq!(names.join(", "), "shm, pipe, unix, tcp");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Shm => "shm",
            Kind::Pipe => "pipe",
            Kind::Unix => "unix",
            Kind::Tcp => "tcp",
        }
    }

    /// The number in a handshake.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Kind::Shm => 1,
            Kind::Pipe => 2,
            Kind::Unix => 3,
            Kind::Tcp => 4,
        }
    }

    /// The type of Unix socket at which two ends meet. `None` where they meet at a port.
    pub(crate) const fn meets_at(self) -> Option<SocketType> {
        match self {
            Kind::Shm | Kind::Pipe => Some(SocketType::SEQPACKET),
            Kind::Unix => Some(SocketType::STREAM),
            Kind::Tcp => None,
        }
    }

    /// Whether each end owns a region of memory, of which its hello speaks.
    pub(crate) const fn has_regions(self) -> bool {
        match self {
            Kind::Shm => true,
            Kind::Pipe | Kind::Unix | Kind::Tcp => false,
        }
    }

    /// Whether a connection can be reset, and so needs a farewell.
    pub(crate) const fn can_be_reset(self) -> bool {
        match self {
            Kind::Shm | Kind::Pipe | Kind::Unix => false,
            Kind::Tcp => true,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        Kind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let names = Kind::ALL.map(Kind::name).join(", ");
            ParseError::new("mechanism", text, format!("one of {names}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_codes_are_distinct() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            assert_eq!(Kind::ALL.iter().filter(|other| other.code() == kind.code()).count(), 1);
        }
        assert!("smoke".parse::<Kind>().unwrap_err().why().contains(&Kind::ALL.map(Kind::name).join(", ")));
    }
}
