//! The listener: a place where others can find this process.

use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{SocketAddrUnix, SocketFlags};

use super::{Address, Endpoint, How, above_stdio, local_socket};
use crate::error::ConnectError;
use crate::mechanism::Kind;

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
                Ok(socket) => {
                    let socket = above_stdio(socket).map_err(ConnectError::io("keep a new peer's socket"))?;
                    return Ok(Endpoint::new(self.kind, socket, How::Met));
                }
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
