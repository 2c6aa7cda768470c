//! Addresses: where two processes can meet, as text and as a value.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::mechanism::Kind;

/// A place where two processes can meet: `shm:/run/user/1000/x.sock`, `pipe:…`, `unix:…` or `tcp://host:port`.
///
/// For shared memory and pipes the path is that of a Unix socket over which descriptors travel.
///
/// # Examples
/// ```
/// use crossing::{Address, Kind};
///
/// let address: Address = "shm:/run/user/1000/sensor.sock".parse()?;
/// assert_eq!(address.kind(), Kind::Shm);
/// assert!("shm:".parse::<Address>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A socket in the file system.
    Path {
        /// What is spoken there; not [`Kind::Tcp`].
        kind: Kind,
        /// Where it is. At most 107 bytes.
        path: PathBuf,
    },
    /// A TCP port.
    Tcp {
        /// `host:port`, with an IPv6 host in brackets.
        host_port: String,
    },
}

impl Address {
    /// The mechanism that is spoken there.
    pub fn kind(&self) -> Kind {
        match self {
            Address::Path { kind, .. } => *kind,
            Address::Tcp { .. } => Kind::Tcp,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Path { kind, path } => write!(f, "{kind}:{}", path.display()),
            Address::Tcp { host_port } => write!(f, "tcp://{host_port}"),
        }
    }
}

impl FromStr for Address {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let fault =
            || format!("`{text}` is no address: shm:<path>, pipe:<path>, unix:<path> or tcp://<host>:<port>");
        if let Some(host_port) = text.strip_prefix("tcp://") {
            let port = host_port.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
            port.and_then(|port| port.parse::<u16>().ok()).ok_or_else(fault)?;
            return Ok(Address::Tcp { host_port: host_port.into() });
        }
        let (kind, path) = text.split_once(':').ok_or_else(fault)?;
        let kind: Kind = kind.parse().map_err(|_| fault())?;
        if kind == Kind::Tcp || path.is_empty() {
            return Err(fault());
        }
        Ok(Address::Path { kind, path: path.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_back() {
        for text in
            ["shm:/a/b", "pipe:x.sock", "unix:/tmp/with:colon", "tcp://127.0.0.1:80", "tcp://[::1]:80"]
        {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in
            ["", "shm", "shm:", "tcp:/x", "tcp://", "tcp://host", "tcp://:80", "tcp://h:99999", "smoke:/x"]
        {
            assert!(text.parse::<Address>().unwrap_err().contains("is no address"), "{text}");
        }
    }
}
