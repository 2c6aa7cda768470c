//! Endpoints: how two processes that do not share memory yet find each other.
//!
//! What travels is a rendezvous, never a live connection: its memory is sealed, and could not be mapped again.

use std::env;
use std::fmt;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::channel::Connection;
use crate::config::Config;
use crate::error::ConnectError;
use crate::mechanism::{Any, Kind, Mechanism};

/// Where a child finds its endpoint: `<kind>:<descriptor>`.
const VARIABLE: &str = "CROSSING_ENDPOINT";

/// One end of a rendezvous: not yet a connection, but a socket that can travel to another process.
///
/// A parent makes a [pair](Endpoint::pair), [spawns](Endpoint::spawn) a child with one end and connects the
/// other. Or a server [listens](Listener) at an [`Address`] that the client [knows](Endpoint::to). Each side
/// then calls [`connect`](Endpoint::connect), which does the handshake.
#[derive(Debug)]
pub struct Endpoint {
    kind: Kind,
    socket: OwnedFd,
}

impl Endpoint {
    /// Two ends that lead to each other.
    ///
    /// # Errors
    /// [`ConnectError::Io`] when the system has no more sockets to give.
    pub fn pair(kind: Kind) -> Result<(Endpoint, Endpoint), ConnectError> {
        let (here, there) =
            kind.rendezvous().map_err(ConnectError::io(format!("make a rendezvous for {kind}")))?;
        Ok((Endpoint { kind, socket: here }, Endpoint { kind, socket: there }))
    }

    /// The end that leads to whoever listens at `address`.
    ///
    /// # Errors
    /// [`ConnectError::Io`] when nobody listens there, or it may not be reached.
    pub fn to(address: &Address) -> Result<Endpoint, ConnectError> {
        let doing = || format!("connect to {address}");
        let socket = match address {
            Address::Path { kind, path } => {
                let socket = local_socket(*kind)?;
                let name = SocketAddrUnix::new(path).map_err(ConnectError::io(doing()))?;
                rustix::net::connect(&socket, &name).map_err(ConnectError::io(doing()))?;
                socket
            }
            Address::Tcp { host_port } => {
                let stream = TcpStream::connect(host_port)
                    .map_err(|source| ConnectError::Io { doing: doing(), source })?;
                stream.into()
            }
        };
        Ok(Endpoint { kind: address.kind(), socket })
    }

    /// Starts `command` and gives this end to the child, which takes it with [`Endpoint::inherited`]. Nothing
    /// of it stays in this process.
    ///
    /// # Errors
    /// What [`Command::spawn`] says.
    pub fn spawn(self, mut command: Command) -> io::Result<Child> {
        command.env(VARIABLE, format!("{}:{}", self.kind, self.socket.as_raw_fd()));
        crate::sys::spawn_with(command, self.socket)
    }

    /// The end that this process was started with. It can be taken once.
    ///
    /// # Errors
    /// [`ConnectError::NotInherited`] when there is none, or it was taken.
    pub fn inherited() -> Result<Endpoint, ConnectError> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        let refused = |why: String| ConnectError::NotInherited(why);
        let text = env::var(VARIABLE).map_err(|_| {
            refused(format!("{VARIABLE} is not set: this process must be started by Endpoint::spawn"))
        })?;
        let parsed = text.split_once(':').and_then(|(kind, fd)| Some((kind.parse().ok()?, fd.parse().ok()?)));
        let (kind, number) =
            parsed.ok_or_else(|| refused(format!("{VARIABLE}={text} is not <mechanism>:<descriptor>")))?;
        if TAKEN.swap(true, Ordering::Relaxed) {
            return Err(refused("it was taken already".into()));
        }
        let socket = crate::sys::take_inherited(number)
            .map_err(|errno| refused(format!("descriptor {number} of {VARIABLE}: {errno}")))?;
        Ok(Endpoint { kind, socket })
    }

    /// The mechanism that this end leads to.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Does the handshake, and makes the connection.
    ///
    /// # Errors
    /// [`Timeout`](ConnectError::Timeout) and [`Disconnected`](ConnectError::Disconnected) when the other end
    /// does not do its part; [`Refused`](ConnectError::Refused) when it is not what it should be;
    /// [`Config`](ConnectError::Config) when `config` cannot be met; [`Io`](ConnectError::Io).
    pub fn connect(self, config: &Config) -> Result<Connection, ConnectError> {
        self.connect_as::<Any>(config)
    }

    /// Like [`connect`](Endpoint::connect), for a mechanism known at compile time.
    ///
    /// # Errors
    /// Those of [`connect`](Endpoint::connect), and [`WrongKind`](ConnectError::WrongKind).
    pub fn connect_as<M: Mechanism>(self, config: &Config) -> Result<Connection<M>, ConnectError> {
        if !M::accepts(self.kind) {
            return Err(ConnectError::WrongKind { endpoint: self.kind });
        }
        config.check()?;
        Ok(Connection::new(M::open(self.kind, self.socket, config)?, config.wait))
    }
}

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

/// Waits for peers at an [`Address`]. A socket in the file system is made for its owner alone (mode 0600),
/// and is removed when the listener is dropped.
///
/// # Examples
/// ```
/// use crossing::{Address, Config, Endpoint, Kind, Listener};
///
/// let path = std::env::temp_dir().join(format!("crossing-example-{}", std::process::id()));
/// let address = Address::Path { kind: Kind::Unix, path };
/// let listener = Listener::bind(&address)?;
/// let client = Endpoint::to(&address)?;
/// let server = listener.accept()?;
/// // The handshake takes two: here a thread is the other process.
/// let client = std::thread::spawn(move || client.connect(&Config::default()));
/// let mut server = server.connect(&Config::default())?;
/// let mut client = client.join().expect("no panic")?;
///
/// client.send(b"hello")?;
/// assert_eq!(server.recv(&mut [0; 64])?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Listener {
    kind: Kind,
    socket: OwnedFd,
    address: Address,
}

impl Listener {
    /// Listens at `address`. A path must not exist yet; port 0 lets the system choose (see
    /// [`Listener::address`]).
    ///
    /// # Errors
    /// [`ConnectError::Io`] when the path exists or cannot be made, or the port is in use or not ours to take.
    pub fn bind(address: &Address) -> Result<Listener, ConnectError> {
        let kind = address.kind();
        match address {
            Address::Path { path, .. } => {
                let doing = || format!("listen at {address}");
                let socket = local_socket(kind)?;
                // Before it is bound: the file is never open to others, not for a moment.
                rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR).map_err(ConnectError::io(doing()))?;
                let name = SocketAddrUnix::new(path).map_err(ConnectError::io(doing()))?;
                rustix::net::bind(&socket, &name).map_err(|errno| match errno {
                    Errno::ADDRINUSE => ConnectError::io(format!(
                        "listen at {address}: the path exists (remove it if no one listens there)"
                    ))(errno),
                    errno => ConnectError::io(doing())(errno),
                })?;
                let listener = Listener { kind, socket, address: address.clone() };
                rustix::net::listen(&listener.socket, 128).map_err(ConnectError::io(doing()))?;
                Ok(listener)
            }
            Address::Tcp { host_port } => {
                let failed = |source| ConnectError::Io { doing: format!("listen at {address}"), source };
                let listener = TcpListener::bind(host_port).map_err(failed)?;
                let address = Address::Tcp { host_port: listener.local_addr().map_err(failed)?.to_string() };
                Ok(Listener { kind, socket: listener.into(), address })
            }
        }
    }

    /// Where it listens, with the port that the system chose.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Waits for the next peer. The handshake is left to [`Endpoint::connect`], so that a slow peer keeps
    /// nobody waiting.
    ///
    /// # Errors
    /// [`ConnectError::Io`], for instance when this process has too many descriptors open.
    pub fn accept(&self) -> Result<Endpoint, ConnectError> {
        loop {
            match rustix::net::accept_with(&self.socket, SocketFlags::CLOEXEC) {
                Ok(socket) => return Ok(Endpoint { kind: self.kind, socket }),
                // A peer that gave up before it was accepted is none.
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(errno) => return Err(ConnectError::io(format!("accept at {}", self.address))(errno)),
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Address::Path { path, .. } = &self.address {
            // Someone else may have removed it first.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn local_socket(kind: Kind) -> Result<OwnedFd, ConnectError> {
    let shape = if kind == Kind::Unix { SocketType::STREAM } else { SocketType::SEQPACKET };
    rustix::net::socket_with(AddressFamily::UNIX, shape, SocketFlags::CLOEXEC, None)
        .map_err(ConnectError::io("make a Unix socket"))
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
