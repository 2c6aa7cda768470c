//! The listener: a place where others can find this process.
//!
//! [`bind`](super::bind) takes its place. It counts accepted peers with an unfinished handshake:
//! see [`half_open`](super::half_open).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::SocketFlags;

use super::activation::{self, Activated, Environment};
use super::bind::{Bound, SocketFile, bind, take_over};
use super::half_open::HalfOpen;
use super::listen_options::ListenOptions;
use super::{Address, Endpoint};
use crate::deadline::{self, Pauses, wait, wait_for_any};
use crate::descriptor::above_stdio;
use crate::error::{ConnectError, shortage};
use crate::kind::Kind;
use crate::stopper::Stopper;

/// How long [`Listener::accept`] waits for descriptors to come free before it says that there are none.
const SHORTAGE: Duration = Duration::from_secs(1);

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
    /// Dropped first: while the socket is open no other file can be this one, and no process takes
    /// it for one that was left.
    made: Option<SocketFile>,
    /// The socket does not block: poll(2) does the waiting, because it takes a deadline.
    socket: OwnedFd,
    address: Address,
    half_open: Arc<HalfOpen>,
    stopper: Option<Stopper>,
}

impl Listener {
    /// Listens at `address`. A path must not exist yet, but see
    /// [`reclaim`](ListenOptions::reclaim); port 0 lets the system choose (see
    /// [`Listener::address`]).
    ///
    /// # Errors
    /// [`ConnectError::Io`] when the path exists or cannot be made, or the port is in use or not ours to take;
    /// [`ConnectError::Address`] when a TCP address can be reached from other machines.
    ///
    /// # Examples
    /// ```
    /// use std::io::ErrorKind;
    /// use crossing::{Address, ConnectError, Kind, Listener};
    ///
    /// # let path = std::env::temp_dir().join(format!("crossing-bind-{}", std::process::id()));
    /// let address = Address::at_path(Kind::Shm, path)?;
    /// let listener = Listener::bind(&address)?;
    /// match Listener::bind(&address) {
    ///     Err(ConnectError::Io { source, .. }) => assert_eq!(source.kind(), ErrorKind::AddrInUse),
    ///     other => panic!("two servers at one place: {other:?}"),
    /// }
    /// # drop(listener);
    /// # Ok::<(), ConnectError>(())
    /// ```
    pub fn bind(address: &Address) -> Result<Listener, ConnectError> {
        Listener::options().bind(address)
    }

    /// What a listener may choose for itself, to be ended by [`bind`](ListenOptions::bind).
    ///
    /// # Examples
    /// ```
    /// use crossing::{Address, Kind, Listener};
    ///
    /// # let path = std::env::temp_dir().join(format!("crossing-listener-options-{}", std::process::id()));
    /// let address = Address::at_path(Kind::Shm, path)?;
    /// let listener = Listener::options()
    ///     .mode(0o660)            // which users may connect
    ///     .reclaim(true)          // also where a server that was killed has left its socket
    ///     .half_open_limit(16)    // how many silent peers there may be
    ///     .bind(&address)?;
    /// # drop(listener);
    /// # Ok::<(), crossing::ConnectError>(())
    /// ```
    pub fn options() -> ListenOptions {
        ListenOptions::default()
    }

    /// A listener of `kind` over a socket that listens already: one that another program has bound,
    /// such as a [service manager](Listener::activated). The socket is what [`Endpoint::from_fd`]
    /// says for each kind. Its file, if it has one, stays when the listener is dropped.
    ///
    /// From here on the socket does not block, for every process that shares it.
    ///
    /// # Errors
    /// [`ConnectError::Descriptor`] when it is another socket, does not listen, or is no socket;
    /// then it is closed. [`ConnectError::Address`] when other machines can reach it over TCP,
    /// unless [`ListenOptions::from_fd`] is told that they may.
    ///
    /// # Examples
    /// ```
    /// use std::os::unix::net::UnixListener;
    /// use crossing::{Kind, Listener};
    ///
    /// # let path = std::env::temp_dir().join(format!("crossing-from-fd-{}", std::process::id()));
    /// let bound = UnixListener::bind(&path)?;
    /// let listener = Listener::from_fd(Kind::Unix, bound.into())?;
    /// assert_eq!(listener.address().path(), Some(path.as_path()));
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_fd(kind: Kind, fd: OwnedFd) -> Result<Listener, ConnectError> {
        Listener::options().from_fd(kind, fd)
    }

    /// The sockets that a service manager has started this process with (sd_listen_fds(3)), in the
    /// manager's order; none when it was started by other means. All are taken, once, and no child
    /// of this process inherits them.
    ///
    /// A packet socket can serve shared memory or pipes, so the caller says which:
    /// [`Listener::from_fd`] checks that the socket fits. In a unit of systemd
    /// `ListenSequentialPacket=` is for these two, `ListenStream=` for Unix sockets and TCP.
    ///
    /// A client sees the manager's user in place of the server's: the kernel tells which process
    /// began to listen. Let its [`Config::peers`](crate::Config::peers) allow that user, root by
    /// default.
    ///
    /// # Errors
    /// [`ConnectError::NotInherited`] when they were taken already, or the environment
    /// (`LISTEN_PID`, `LISTEN_FDS`, `LISTEN_FDNAMES`) says that they are for this process and they
    /// are not there. Then none is taken: a descriptor that this process has opened since is left
    /// alone.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Kind, Listener};
    ///
    /// let listener = match Listener::activated()?.into_iter().next() {
    ///     Some(socket) => Listener::from_fd(Kind::Shm, socket.into())?,
    ///     None => Listener::bind(&"shm:@crossing-example-activated".parse()?)?,
    /// };
    /// # Ok::<(), crossing::ConnectError>(())
    /// ```
    pub fn activated() -> Result<Vec<Activated>, ConnectError> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        activation::take(&Environment::of_this_process(), std::process::id(), &TAKEN)
    }

    /// Where it listens, with the port that the system chose. A path is absolute, unless it would be too long.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Endpoint, Listener};
    ///
    /// let listener = Listener::bind(&"tcp://127.0.0.1:0".parse()?)?;
    /// let client = Endpoint::dial(listener.address(), &Config::default())?;
    /// # drop(client);
    /// # Ok::<(), crossing::ConnectError>(())
    /// ```
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
    ///
    /// # Examples
    /// ```
    /// use std::thread;
    /// use crossing::{Config, Connection, Error, Listener};
    ///
    /// fn serve(listener: Listener) -> Result<(), Error> {
    ///     loop {
    ///         match listener.accept() {
    ///             Ok(endpoint) => drop(thread::spawn(|| greet(endpoint))),
    ///             Err(error) if error.is_shortage() => {}     // some descriptors come free later
    ///             Err(error) => return Err(error.into()),
    ///         }
    ///     }
    /// }
    /// fn greet(endpoint: crossing::Endpoint) -> Result<(), Error> {
    ///     Ok(endpoint.connect(&Config::default())?.send(b"hello")?)
    /// }
    /// # let listener = Listener::bind(&"tcp://127.0.0.1:0".parse()?)?;
    /// # let address = listener.address().clone();
    /// # thread::spawn(|| serve(listener));
    /// # assert_eq!(Connection::dial(&address, &Config::default())?.recv(&mut [0; 64])?, 5);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn accept(&self) -> Result<Endpoint, ConnectError> {
        self.accept_until(None)
    }

    /// Waits for the next peer until `deadline`.
    ///
    /// # Errors
    /// Those of [`accept`](Listener::accept), and [`Timeout`](ConnectError::Timeout).
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, Instant};
    /// use crossing::{ConnectError, Listener};
    ///
    /// // A child was started that dials. It may take five seconds for that.
    /// let listener = Listener::bind(&"tcp://127.0.0.1:0".parse()?)?;
    /// let deadline = Instant::now() + Duration::from_secs(5);
    /// # let deadline = Instant::now();
    /// match listener.accept_deadline(deadline) {
    ///     Err(ConnectError::Timeout) => println!("it has not come"),
    ///     outcome => drop(outcome?),
    /// }
    /// # assert!(listener.accept_deadline(deadline).is_err_and(|error| error.is_timeout()));
    /// # Ok::<(), ConnectError>(())
    /// ```
    pub fn accept_deadline(&self, deadline: Instant) -> Result<Endpoint, ConnectError> {
        self.accept_until(Some(deadline))
    }

    /// Waits for the next peer for `timeout`.
    ///
    /// # Errors
    /// Those of [`accept_deadline`](Listener::accept_deadline).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use crossing::{ConnectError, Listener};
    ///
    /// let listener = Listener::bind(&"tcp://127.0.0.1:0".parse()?)?;
    /// let outcome = listener.accept_timeout(Duration::from_millis(1));
    /// assert!(outcome.is_err_and(|error| error.is_timeout()));
    /// # Ok::<(), ConnectError>(())
    /// ```
    pub fn accept_timeout(&self, timeout: Duration) -> Result<Endpoint, ConnectError> {
        self.accept_deadline(deadline::after(timeout))
    }

    /// Takes the next peer, if there is one now.
    ///
    /// # Errors
    /// Those of [`accept`](Listener::accept). A shortage is told at once.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Endpoint, Listener};
    ///
    /// let listener = Listener::bind(&"tcp://127.0.0.1:0".parse()?)?;
    /// let _client = Endpoint::dial(listener.address(), &Config::default())?;
    /// // In a loop of your own, whenever its descriptor is readable.
    /// let mut peers = Vec::new();
    /// while let Some(peer) = listener.try_accept()? {
    ///     peers.push(peer);
    /// }
    /// assert_eq!(peers.len(), 1);
    /// # Ok::<(), crossing::ConnectError>(())
    /// ```
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
                Err(Errno::AGAIN) => self.wait(deadline)?,
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

    /// Waits until there is a peer.
    fn wait(&self, deadline: Option<Instant>) -> Result<(), ConnectError> {
        let Some(stopper) = &self.stopper else { return wait(self.as_fd(), PollFlags::IN, deadline) };
        wait_for_any(&[self.as_fd(), stopper.as_fd()], PollFlags::IN, deadline)?;
        if stopper.is_stopped() { Err(ConnectError::Stopped) } else { Ok(()) }
    }

    /// Lets `stopper` end waits for a peer from now on: they say [`Stopped`](ConnectError::Stopped). A peer that is there is
    /// accepted all the same.
    ///
    /// # Examples
    /// ```
    /// use crossing::{ConnectError, Listener, Stopper};
    ///
    /// let mut listener = Listener::bind(&"tcp://127.0.0.1:0".parse()?)?;
    /// let stopper = Stopper::new()?;
    /// listener.set_stopper(&stopper);
    /// let accepting = std::thread::spawn(move || listener.accept().map(drop));
    /// stopper.stop();
    /// assert_eq!(accepting.join().expect("no panic"), Err(ConnectError::Stopped));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_stopper(&mut self, stopper: &Stopper) {
        self.stopper = Some(stopper.clone());
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

impl ListenOptions {
    /// Listens at `address`, with these choices.
    ///
    /// # Errors
    /// Those of [`Listener::bind`]; [`ConnectError::Config`] for a mode that is none, or a mode
    /// where there is no file; with [`reclaim`](ListenOptions::reclaim) also [`ConnectError::Io`]
    /// with what stands at the path and is not taken over.
    ///
    /// # Examples
    /// ```
    /// use crossing::{ConnectError, Listener};
    ///
    /// let options = Listener::options().mode(0o660);
    /// // A port has no file, and so no mode that could keep users away.
    /// match options.bind(&"tcp://127.0.0.1:0".parse()?) {
    ///     Err(ConnectError::Config(why)) => assert!(why.contains("has no file")),
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok::<(), crossing::ParseError>(())
    /// ```
    pub fn bind(&self, address: &Address) -> Result<Listener, ConnectError> {
        Ok(self.listener(bind(address, self)?))
    }

    /// Like [`Listener::from_fd`]. Of these choices only
    /// [`allow_remote`](ListenOptions::allow_remote) and
    /// [`half_open_limit`](ListenOptions::half_open_limit) still matter for a socket that listens
    /// already.
    ///
    /// # Errors
    /// Those of [`Listener::from_fd`].
    ///
    /// # Examples
    /// ```
    /// use std::net::TcpListener;
    /// use crossing::{Kind, Listener};
    ///
    /// let options = Listener::options().half_open_limit(16);
    /// let bound = TcpListener::bind("127.0.0.1:0")?;
    /// let listener = options.from_fd(Kind::Tcp, bound.into())?;
    /// assert!(listener.address().host_port().is_some());
    ///
    /// let everywhere = TcpListener::bind("0.0.0.0:0")?;
    /// assert!(options.from_fd(Kind::Tcp, everywhere.into()).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_fd(&self, kind: Kind, fd: OwnedFd) -> Result<Listener, ConnectError> {
        Ok(self.listener(take_over(kind, fd, self)?))
    }

    fn listener(&self, bound: Bound) -> Listener {
        let Bound { socket, address, made } = bound;
        let half_open = HalfOpen::new(self.half_open_limit);
        Listener { kind: address.kind(), made, socket, address, half_open, stopper: None }
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

/// Becomes readable when a peer waits to be accepted.
impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The socket, which still listens, but does not block. Its file, if it has one, stays where it is.
impl From<Listener> for OwnedFd {
    fn from(listener: Listener) -> OwnedFd {
        listener.made.into_iter().for_each(SocketFile::leave);
        listener.socket
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
