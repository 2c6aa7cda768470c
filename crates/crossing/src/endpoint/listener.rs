//! The listener: a place where others can find this process.
//!
//! [`bind`](super::bind) takes its place. It counts accepted peers with an unfinished handshake:
//! see [`half_open`](super::half_open).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::SocketFlags;

use super::bind::{Bound, SocketFile, bind};
use super::half_open::HalfOpen;
use super::{Address, Endpoint};
use crate::deadline::{self, Pauses, wait};
use crate::descriptor::above_stdio;
use crate::error::{ConnectError, shortage};
use crate::kind::Kind;

/// How long [`Listener::accept`] waits for descriptors to come free before it says that there are none.
const SHORTAGE: Duration = Duration::from_secs(1);

/// What a listener may choose for itself.
///
/// # Examples
/// ```
/// use crossing::{ListenConfig, Listener};
///
/// let everywhere = "tcp://0.0.0.0:0".parse()?;
/// assert!(Listener::bind(&everywhere).is_err());
/// let asked_for = ListenConfig { allow_remote: true, ..ListenConfig::default() };
/// let listener = Listener::bind_with(&everywhere, &asked_for)?;
/// # Ok::<(), crossing::ConnectError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenConfig {
    /// TCP: whether other machines may connect. There is no authentication and no encryption: every
    /// client that reaches the port is served. `false` by default: then every address must be a
    /// loopback one (127.0.0.0/8 or `::1`), and any user of this machine can still connect.
    pub allow_remote: bool,
    /// How many peers may be between [`Listener::accept`] and the end of their handshake. When one more comes, the oldest of them
    /// is shed: its handshake ends with [`ConnectError::Shed`]. At least 1. 64 by default.
    pub half_open_limit: usize,
}

impl Default for ListenConfig {
    fn default() -> Self {
        ListenConfig { allow_remote: false, half_open_limit: 64 }
    }
}

/// Waits for peers at an [`Address`]. A socket in the file system is made for its owner alone (mode 0600),
/// and is removed when the listener is dropped, by the process that made it, if it is still there.
///
/// # Examples
/// ```
/// use crossing::{Address, Config, Endpoint, Kind, Listener};
///
/// let path = std::env::temp_dir().join(format!("crossing-example-{}", std::process::id()));
/// let address = Address::at_path(Kind::Unix, path)?;
/// let listener = Listener::bind(&address)?;
/// let client = Endpoint::dial(&address, &Config::default())?;
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
    /// The socket does not block: poll(2) does the waiting, because it takes a deadline.
    socket: OwnedFd,
    address: Address,
    half_open: Arc<HalfOpen>,
    /// Dropped with the listener.
    _made: Option<SocketFile>,
}

impl Listener {
    /// Listens at `address`. A path must not exist yet; port 0 lets the system choose (see
    /// [`Listener::address`]).
    ///
    /// # Errors
    /// [`ConnectError::Io`] when the path exists or cannot be made, or the port is in use or not ours to take;
    /// [`ConnectError::Address`] when a TCP address can be reached from other machines.
    pub fn bind(address: &Address) -> Result<Listener, ConnectError> {
        Listener::bind_with(address, &ListenConfig::default())
    }

    /// Like [`bind`](Listener::bind), with choices.
    ///
    /// # Errors
    /// Those of [`bind`](Listener::bind).
    pub fn bind_with(address: &Address, config: &ListenConfig) -> Result<Listener, ConnectError> {
        let Bound { socket, address, made } = bind(address, config.allow_remote)?;
        let half_open = HalfOpen::new(config.half_open_limit);
        Ok(Listener { kind: address.kind(), socket, address, half_open, _made: made })
    }

    /// Where it listens, with the port that the system chose. A path is absolute, unless it would be too long.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Waits for the next peer. The handshake happens in [`Endpoint::connect`], so that a slow peer
    /// does not delay the others.
    ///
    /// A server lives on by going on with its loop after an error that [is a shortage](ConnectError::is_shortage): a peer that
    /// is waiting is still there the next time, and this has waited for a second before it said so.
    ///
    /// # Errors
    /// [`ConnectError::Io`], for instance when this process has too many descriptors open.
    pub fn accept(&self) -> Result<Endpoint, ConnectError> {
        self.accept_until(None)
    }

    /// Waits for the next peer until `deadline`.
    ///
    /// # Errors
    /// Those of [`accept`](Listener::accept), and [`Timeout`](ConnectError::Timeout).
    pub fn accept_deadline(&self, deadline: Instant) -> Result<Endpoint, ConnectError> {
        self.accept_until(Some(deadline))
    }

    /// Takes the next peer, if there is one now.
    ///
    /// # Errors
    /// Those of [`accept`](Listener::accept). A shortage is told at once.
    pub fn try_accept(&self) -> Result<Option<Endpoint>, ConnectError> {
        loop {
            match self.take() {
                Ok(endpoint) => return Ok(Some(endpoint)),
                Err(Errno::AGAIN) => return Ok(None),
                Err(errno) if gave_up(errno) => {}
                Err(errno) if shortage(errno).is_some() && self.half_open.shed_oldest() => {}
                Err(errno) => return Err(self.failed(errno)),
            }
        }
    }

    fn accept_until(&self, deadline: Option<Instant>) -> Result<Endpoint, ConnectError> {
        let mut lasting = None;
        let mut pauses = Pauses::new();
        loop {
            match self.take() {
                Ok(endpoint) => return Ok(endpoint),
                Err(Errno::AGAIN) => wait(self.as_fd(), PollFlags::IN, deadline)?,
                Err(errno) if gave_up(errno) => {}
                // The peer that has stood there longest makes room.
                Err(errno) if shortage(errno).is_some() && self.half_open.shed_oldest() => {}
                Err(errno) if shortage(errno).is_some() => {
                    let end = *lasting.get_or_insert_with(|| deadline::after(SHORTAGE));
                    let end = deadline.map_or(end, |deadline| end.min(deadline));
                    pauses.pause(Some(end)).map_err(|_| self.failed(errno))?;
                }
                Err(errno) => return Err(self.failed(errno)),
            }
        }
    }

    fn take(&self) -> Result<Endpoint, Errno> {
        let socket = above_stdio(rustix::net::accept_with(&self.socket, SocketFlags::CLOEXEC)?)?;
        let place = self.half_open.admit(&socket)?;
        Ok(Endpoint::accepted(self.kind, socket, place))
    }

    fn failed(&self, errno: Errno) -> ConnectError {
        ConnectError::io(format!("accept at {}", self.address))(errno)
    }
}

/// A peer that gave up, or whose network failed, before it was accepted does not count. See
/// accept(2).
fn gave_up(errno: Errno) -> bool {
    const GAVE_UP: [Errno; 8] = [
        Errno::INTR,
        Errno::CONNABORTED,
        Errno::PROTO,
        Errno::NETDOWN,
        Errno::NONET,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
        Errno::NETUNREACH,
    ];
    GAVE_UP.contains(&errno)
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
