//! Addresses: where two processes can meet, as a value and as text.
//!
//! A path is any bytes but NUL; text is not. Bytes that text cannot show are written as `%` and two
//! hexadecimal digits, as in a URL: bytes that are not UTF-8, control characters, and `%` itself.
//! So every address survives being printed and parsed, and none can break out of the line it is
//! printed in.

use std::ffi::OsString;
use std::fmt::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::net::SocketAddrUnix;

use crate::error::ConnectError;
use crate::kind::Kind;
use crate::parse::ParseError;

/// The longest path of a Unix socket, and the longest abstract name, in bytes. See unix(7).
const LONGEST: usize = 107;

/// A place where two processes can meet.
///
/// | text | place |
/// |---|---|
/// | `shm:<path>`, `pipe:<path>`, `unix:<path>` | a Unix socket in the file system; for shared memory and pipes, descriptors travel over it |
/// | `shm:@<name>`, `pipe:@<name>`, `unix:@<name>` | a Unix socket in Linux's abstract namespace: without a file, and so without a mode that keeps others away |
/// | `tcp://<host>:<port>` | a TCP port, an IPv6 host in brackets |
///
/// In paths and names `%41` stands for the byte 0x41, so `%` itself is `%25`, and a file called `@x` is `%40x`.
///
/// # Examples
/// ```
/// use std::path::Path;
/// use crossing::{Address, Kind};
///
/// let address: Address = "shm:/run/user/1000/sensor.sock".parse()?;
/// assert_eq!(address.kind(), Kind::Shm);
/// assert_eq!(address, Address::at_path(Kind::Shm, "/run/user/1000/sensor.sock")?);
/// assert!("shm:".parse::<Address>().is_err());
/// assert!(Address::at_path(Kind::Tcp, "/run/x.sock").is_err());
///
/// let address: Address = "unix:/tmp/100%25.sock".parse()?;
/// assert_eq!(address.path(), Some(Path::new("/tmp/100%.sock")));
/// # Ok::<(), crossing::ParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    kind: Kind,
    place: AddressPlace,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum AddressPlace {
    Path(PathBuf),
    Abstract(Vec<u8>),
    Tcp(String),
}

impl Address {
    /// A socket in the file system, at which `kind` is spoken.
    ///
    /// # Errors
    /// A [`ParseError`]: TCP has no path; a path has 1 to 107 bytes, none of them NUL.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Address, Kind};
    ///
    /// let folder = std::env::temp_dir();
    /// let address = Address::at_path(Kind::Shm, folder.join("sensor.sock"))?;
    /// assert_eq!(address.kind(), Kind::Shm);
    ///
    /// let error = Address::at_path(Kind::Shm, "x".repeat(108)).unwrap_err();
    /// assert!(error.to_string().contains("has 108 bytes"));
    /// # Ok::<(), crossing::ParseError>(())
    /// ```
    pub fn at_path(kind: Kind, path: impl Into<PathBuf>) -> Result<Address, ParseError> {
        let path = path.into();
        let address = Address { kind, place: AddressPlace::Path(path.clone()) };
        address.check_local("path", path.as_os_str().as_bytes())?;
        Ok(address)
    }

    /// A socket in Linux's abstract namespace, at which `kind` is spoken. It has no file: it is gone with its listener, and any
    /// user of the same network namespace may connect to it, or take the name first. What keeps strangers out is the check of
    /// the peer's credentials alone: see [`Peers`](crate::Peers).
    ///
    /// # Errors
    /// A [`ParseError`]: TCP has no such names; a name has 1 to 107 bytes, none of them NUL.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Address, Kind};
    ///
    /// // One for each user of the machine.
    /// let user = 1000;
    /// let address = Address::in_abstract(Kind::Shm, format!("sensor-{user}"))?;
    /// assert_eq!(address.to_string(), "shm:@sensor-1000");
    /// # Ok::<(), crossing::ParseError>(())
    /// ```
    pub fn in_abstract(kind: Kind, name: impl Into<Vec<u8>>) -> Result<Address, ParseError> {
        let name = name.into();
        let address = Address { kind, place: AddressPlace::Abstract(name.clone()) };
        address.check_local("name", &name)?;
        Ok(address)
    }

    /// A TCP port: `host:port`, with an IPv6 host in brackets. There is no authentication and no encryption.
    ///
    /// # Errors
    /// A [`ParseError`]: it is not of that form.
    ///
    /// # Examples
    /// ```
    /// use crossing::Address;
    ///
    /// let address = Address::tcp("localhost:4000")?;
    /// assert_eq!(address.to_string(), "tcp://localhost:4000");
    /// assert!(Address::tcp("[::1]:4000").is_ok());
    /// assert!(Address::tcp("::1:4000").is_err());
    /// # Ok::<(), crossing::ParseError>(())
    /// ```
    pub fn tcp(host_port: impl Into<String>) -> Result<Address, ParseError> {
        let host_port = host_port.into();
        let fault = check_host_port(&host_port);
        let address = Address { kind: Kind::Tcp, place: AddressPlace::Tcp(host_port) };
        fault.map_or(Ok(()), |why| Err(refused(address.to_string(), why)))?;
        Ok(address)
    }

    /// The mechanism that is spoken there.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Address, Kind};
    ///
    /// let address: Address = "pipe:/run/x.sock".parse()?;
    /// if address.kind() == Kind::Tcp {
    ///     println!("what goes there can be read by others on its way");
    /// }
    /// # assert_eq!(address.kind(), Kind::Pipe);
    /// # Ok::<(), crossing::ParseError>(())
    /// ```
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The path, if it is a socket in the file system.
    ///
    /// # Examples
    /// ```
    /// use std::path::Path;
    /// use crossing::Address;
    ///
    /// let address: Address = "shm:/run/sensor/frames.sock".parse()?;
    /// // Before a server binds there, its folder must be.
    /// let folder = address.path().and_then(Path::parent);
    /// assert_eq!(folder, Some(Path::new("/run/sensor")));
    /// assert_eq!("shm:@frames".parse::<Address>()?.path(), None);
    /// # Ok::<(), crossing::ParseError>(())
    /// ```
    pub fn path(&self) -> Option<&Path> {
        if let AddressPlace::Path(path) = &self.place { Some(path) } else { None }
    }

    /// The name, if it is a socket in the abstract namespace.
    ///
    /// # Examples
    /// ```
    /// use crossing::Address;
    ///
    /// let address: Address = "unix:@log".parse()?;
    /// assert_eq!(address.abstract_name(), Some(&b"log"[..]));
    /// assert_eq!("unix:/run/log".parse::<Address>()?.abstract_name(), None);
    /// # Ok::<(), crossing::ParseError>(())
    /// ```
    pub fn abstract_name(&self) -> Option<&[u8]> {
        if let AddressPlace::Abstract(name) = &self.place { Some(name) } else { None }
    }

    /// Host and port, if it is a TCP port.
    ///
    /// # Examples
    /// ```
    /// use crossing::Listener;
    ///
    /// // Port 0 lets the system choose: it is told here.
    /// let listener = Listener::bind(&"tcp://127.0.0.1:0".parse()?)?;
    /// let host_port = listener.address().host_port();
    /// assert!(host_port.is_some_and(|it| it.starts_with("127.0.0.1:") && it != "127.0.0.1:0"));
    /// # Ok::<(), crossing::ConnectError>(())
    /// ```
    pub fn host_port(&self) -> Option<&str> {
        if let AddressPlace::Tcp(host_port) = &self.place { Some(host_port) } else { None }
    }

    pub(super) fn place(&self) -> &AddressPlace {
        &self.place
    }

    /// What the kernel calls a place on this machine.
    pub(super) fn socket_name(&self) -> Result<SocketAddrUnix, ConnectError> {
        match &self.place {
            AddressPlace::Path(path) => SocketAddrUnix::new(path),
            AddressPlace::Abstract(name) => SocketAddrUnix::new_abstract_name(name),
            AddressPlace::Tcp(_) => Err(rustix::io::Errno::INVAL),
        }
        .map_err(ConnectError::io(format!("name {self}")))
    }

    fn check_local(&self, what: &str, bytes: &[u8]) -> Result<(), ParseError> {
        let why = if self.kind.meets_at().is_none() {
            "TCP is spoken at tcp://<host>:<port>".into()
        } else if bytes.is_empty() {
            format!("its {what} is empty")
        } else if bytes.contains(&0) {
            format!("its {what} has a NUL byte in it")
        } else if bytes.len() > LONGEST {
            format!("its {what} has {} bytes, and a Unix socket's has at most {LONGEST}", bytes.len())
        } else {
            return Ok(());
        };
        Err(refused(self.to_string(), why))
    }
}

fn refused(address: impl Into<String>, why: impl Into<String>) -> ParseError {
    ParseError::new("address", address, why)
}

/// What is wrong with it, if anything is.
fn check_host_port(host_port: &str) -> Option<&'static str> {
    let Some((host, port)) = host_port.rsplit_once(':') else { return Some("it has no port") };
    // Not what u16 would take as well: a sign.
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) || port.parse::<u16>().is_err() {
        return Some("its port is not a number from 0 to 65535");
    }
    let (inner, is_bracketed) = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) => (inner, true),
        None => (host, false),
    };
    if inner.is_empty() {
        return Some("it has no host");
    }
    if !inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte)) {
        return Some("its host has characters that no host's name has");
    }
    if is_bracketed != inner.contains(':') {
        return Some("brackets belong around an IPv6 address, and around nothing else");
    }
    None
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { kind, place } = self;
        match place {
            AddressPlace::Path(path) => {
                write!(f, "{kind}:")?;
                let bytes = path.as_os_str().as_bytes();
                // Else it would be read back as an abstract name.
                let rest = match bytes.strip_prefix(b"@") {
                    Some(rest) => f.write_str("%40").map(|()| rest)?,
                    None => bytes,
                };
                escape(rest, f)
            }
            AddressPlace::Abstract(name) => {
                write!(f, "{kind}:@")?;
                escape(name, f)
            }
            AddressPlace::Tcp(host_port) => {
                f.write_str("tcp://")?;
                host_port.chars().try_for_each(|c| if c.is_control() { Ok(()) } else { f.write_char(c) })
            }
        }
    }
}

/// Bytes as text from which [`unescape`] gets them back.
fn escape(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let hex =
        |f: &mut fmt::Formatter<'_>, bytes: &[u8]| bytes.iter().try_for_each(|byte| write!(f, "%{byte:02X}"));
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() || c == '%' {
                hex(f, c.encode_utf8(&mut [0; 4]).as_bytes())?;
            } else {
                f.write_char(c)?;
            }
        }
        hex(f, chunk.invalid())?;
    }
    Ok(())
}

/// The bytes that a text stands for; `None` where a `%` is not followed by two hexadecimal digits.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        bytes.push(if byte == b'%' {
            let value = digit(rest.next())? * 16 + digit(rest.next())?;
            u8::try_from(value).ok()?
        } else {
            byte
        });
    }
    Some(bytes)
}

impl FromStr for Address {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let refused = |why: &str| refused(text, why);
        if let Some(host_port) = text.strip_prefix("tcp://") {
            return Address::tcp(host_port);
        }
        let form = "it is not shm:<path>, pipe:<path>, unix:<path> or tcp://<host>:<port>";
        let (kind, place) = text.split_once(':').ok_or_else(|| refused(form))?;
        let kind: Kind = kind.parse().map_err(|_| refused(form))?;
        let bytes = |text| {
            unescape(text).ok_or_else(|| refused("after % belong two hexadecimal digits; % itself is %25"))
        };
        match place.strip_prefix('@') {
            Some(name) => Address::in_abstract(kind, bytes(name)?),
            None => Address::at_path(kind, OsString::from_vec(bytes(place)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_read_back() {
        for text in [
            "shm:/a/b",
            "pipe:x.sock",
            "unix:/tmp/with:colon",
            "unix:/tmp/with space",
            "unix:@name",
            "shm:@%FF",
            "pipe:%40name",
            "unix:/100%25",
            "unix:/line%0Abreak",
            "unix:/ä",
            "tcp://127.0.0.1:80",
            "tcp://[::1]:80",
            "tcp://a-host.example:0",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_place_is_a_path_a_name_or_a_port_and_no_two_of_them() {
        let places = |text: &str| {
            let address: Address = text.parse().unwrap();
            let path = address.path().map(Path::to_path_buf);
            (path, address.abstract_name().map(<[u8]>::to_vec), address.host_port().map(str::to_owned))
        };
        assert_eq!(places("pipe:%40name"), (Some("@name".into()), None, None));
        assert_eq!(places("shm:@%FF"), (None, Some(vec![0xff]), None));
        assert_eq!(places("tcp://[::1]:80"), (None, None, Some("[::1]:80".into())));
    }

    #[test]
    fn what_is_no_address_is_refused_by_its_name() {
        let long = format!("unix:/{}", "x".repeat(LONGEST));
        let long_name = format!("unix:@{}", "x".repeat(LONGEST + 1));
        for (text, why) in [
            ("", "it is not shm:"),
            ("shm", "it is not shm:"),
            ("smoke:/x", "it is not shm:"),
            ("shm:", "empty"),
            ("shm:@", "empty"),
            ("tcp:/x", "TCP is spoken at"),
            ("tcp:@x", "TCP is spoken at"),
            ("unix:/a%00", "NUL"),
            ("unix:/a%", "%25"),
            ("unix:/a%4", "%25"),
            ("unix:/a%zz", "%25"),
            ("unix:/a%+1", "%25"),
            (&long, "108 bytes, and a Unix socket's has at most 107"),
            (&long_name, "108 bytes, and a Unix socket's has at most 107"),
            ("tcp://", "no port"),
            ("tcp://host", "no port"),
            ("tcp://:80", "no host"),
            ("tcp://[]:80", "no host"),
            ("tcp://h:99999", "port"),
            ("tcp://h:+80", "port"),
            ("tcp://h:", "port"),
            ("tcp://a b:80", "characters"),
            ("tcp://a\n:80", "characters"),
            ("tcp://::1:80", "brackets"),
            ("tcp://[host]:80", "brackets"),
        ] {
            let error = text.parse::<Address>().unwrap_err();
            let said = error.to_string();
            assert!(said.contains("is no address") && said.contains(why), "{text}: {said}");
            assert!(!said.contains('\n'), "{said:?}");
        }
        let error = Address::at_path(Kind::Tcp, "/tmp/x").unwrap_err().to_string();
        assert!(error.contains("TCP is spoken at tcp://"), "{error}");
    }

    proptest! {
        #[test]
        fn every_path_and_every_name_survives_being_text(
            bytes in vec(1_u8.., 1..=LONGEST),
            kind in prop::sample::select(Kind::ALL.into_iter().filter(|kind| kind.meets_at().is_some()).collect::<Vec<_>>()),
        ) {
            let path = Address::at_path(kind, OsString::from_vec(bytes.clone())).unwrap();
            let name = Address::in_abstract(kind, bytes).unwrap();
            prop_assert_ne!(&path, &name);
            for address in [path, name] {
                let text = address.to_string();
                prop_assert!(!text.contains(char::is_control), "{text:?}");
                prop_assert_eq!(text.parse::<Address>().unwrap(), address);
            }
        }
    }
}
