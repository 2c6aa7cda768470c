//! Endpoints: how two processes that do not share memory yet find each other.
//!
//! A process is given a rendezvous, never a live connection: a connection's memory is sealed, and
//! could not be mapped again.

pub(crate) mod activation;
mod address;
mod adopt;
mod bind;
mod birth;
mod dial;
mod folder;
mod half_open;
mod inherit;
pub(crate) mod listen_options;
pub(crate) mod listener;
pub(crate) mod spawn;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Instant;

pub use self::address::Address;
use self::half_open::Seat;
use self::inherit::How;
use crate::channel::Connection;
use crate::config::Config;
use crate::deadline;
use crate::error::ConnectError;
use crate::halves::{Any, Mechanism, Opened};
use crate::hello;
use crate::kind::Kind;
use crate::sys::SignalsBlocked;

/// One end of a rendezvous: not yet a connection, but a socket that can travel to another process.
///
/// A parent makes a [pair](Endpoint::pair), [spawns](Endpoint::spawn) a child with one end and connects the
/// other. Or a server [listens](crate::Listener) at an [`Address`] that the client [knows](Endpoint::dial). Each side
/// then calls [`connect`](Endpoint::connect), which does the handshake.
///
/// # Examples
/// ```
/// use std::process::Command;
/// use crossing::{Config, Endpoint, Kind};
///
/// // The child is this program itself.
/// if let Ok(end) = Endpoint::inherited() {
///     end.connect(&Config::default())?.send(b"here I am")?;
///     return Ok(());
/// }
/// let (here, there) = Endpoint::pair(Kind::Shm)?;
/// let mut child = there.spawn(Command::new(std::env::current_exe()?))?;
/// let mut connection = here.connect(&Config::default())?;
/// assert_eq!(connection.recv(&mut [0; 64])?, 9);
/// # assert!(child.wait()?.success());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Endpoint {
    kind: Kind,
    /// Its number is above those of standard input, output and error.
    socket: OwnedFd,
    how: How,
    /// Its place among the accepted peers with an unfinished handshake.
    seat: Option<Seat>,
}

impl Endpoint {
    fn new(kind: Kind, socket: OwnedFd, how: How) -> Endpoint {
        Endpoint { kind, socket, how, seat: None }
    }

    fn accepted(kind: Kind, socket: OwnedFd, seat: Option<Seat>) -> Endpoint {
        Endpoint { kind, socket, how: How::Met, seat }
    }

    /// Two ends that lead to each other.
    ///
    /// # Errors
    /// [`ConnectError::Io`] when the system has no more sockets to give.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Endpoint, Kind};
    ///
    /// let (here, there) = Endpoint::pair(Kind::Shm)?;
    /// // One end goes to another process (`there.spawn(…)`), or as here to another thread.
    /// let thread = std::thread::spawn(move || there.connect(&Config::default()));
    /// let mut here = here.connect(&Config::default())?;
    /// let mut there = thread.join().expect("no panic")?;
    /// here.send(b"hello")?;
    /// assert_eq!(there.recv(&mut [0; 64])?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pair(kind: Kind) -> Result<(Endpoint, Endpoint), ConnectError> {
        let (here, there) =
            kind.rendezvous().map_err(ConnectError::io(format!("make a rendezvous for {kind}")))?;
        Ok((Endpoint::new(kind, here, How::Given), Endpoint::new(kind, there, How::Given)))
    }

    /// Dials the listener at `address`, and says nothing yet. Takes at most the
    /// [`connect_timeout`](Config::connect_timeout) of `config`; the handshake, by
    /// [`connect`](Endpoint::connect), then has one of its own. [`Connection::dial`] has one
    /// deadline for both.
    ///
    /// A host that is not a numeric address is looked up first, by getaddrinfo(3), which no deadline
    /// can end. Several addresses of one host are tried in turn.
    ///
    /// # Errors
    /// [`ConnectError::Io`] if nothing listens there or it may not be reached;
    /// [`ConnectError::Timeout`] if there is no answer or the listener's queue stays full.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Endpoint};
    ///
    /// # let path = std::env::temp_dir().join(format!("crossing-dial-{}.sock", std::process::id()));
    /// # let address = crossing::Address::at_path(crossing::Kind::Shm, path)?;
    /// # let listener = crossing::Listener::bind(&address)?;
    /// # let server = std::thread::spawn(move || listener.accept()?.connect(&Config::default()));
    /// let config = Config::default();
    /// let endpoint = Endpoint::dial(&address, &config)?;      // shm:/run/user/1000/sensor.sock
    /// let mut connection = endpoint.connect(&config)?;
    /// connection.send(b"hello")?;
    /// # assert_eq!(server.join().expect("no panic")?.recv(&mut [0; 64])?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn dial(address: &Address, config: &Config) -> Result<Endpoint, ConnectError> {
        Endpoint::dial_until(address, config.connect_deadline())
    }

    fn dial_until(address: &Address, deadline: Instant) -> Result<Endpoint, ConnectError> {
        Ok(Endpoint::new(address.kind(), dial::dial(address, deadline)?, How::Met))
    }

    /// The end that this process was started with, by [`Endpoint::spawn`]. It can be taken once.
    ///
    /// The variable that names the descriptor outlives it, and every process started later inherits
    /// it. So a descriptor that is not the very socket that was handed over is left alone.
    ///
    /// # Errors
    /// [`ConnectError::NotInherited`] when there is none, or it was taken.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, ConnectError, Endpoint};
    ///
    /// match Endpoint::inherited() {
    ///     Ok(end) => end.connect(&Config::default())?.send(b"here I am")?,
    ///     // It was started by hand.
    ///     Err(ConnectError::NotInherited(why)) => println!("{why}"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # if std::env::var_os("CROSSING_ENDPOINT").is_some() {
    /// #     return Ok(());
    /// # }
    /// # let (here, there) = Endpoint::pair(crossing::Kind::Shm)?;
    /// # let mut child = there.spawn(std::process::Command::new(std::env::current_exe()?))?;
    /// # assert_eq!(here.connect(&Config::default())?.recv(&mut [0; 64])?, 9);
    /// # assert!(child.wait()?.success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn inherited() -> Result<Endpoint, ConnectError> {
        Endpoint::inherit(None)
    }

    /// The end of this name that this process was started with, by
    /// [`Spawn::give`](crate::Spawn::give) or [`Endpoint::give`]. It can be taken once; any other
    /// descriptor is left alone.
    ///
    /// # Errors
    /// [`ConnectError::NotInherited`] when there is none of this name, or it was taken.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Endpoint};
    ///
    /// # if std::env::var_os("CROSSING_ENDPOINT_frames").is_none() {
    /// #     let (frames, theirs) = Endpoint::pair(crossing::Kind::Shm)?;
    /// #     let (control, other) = Endpoint::pair(crossing::Kind::Unix)?;
    /// #     let program = std::process::Command::new(std::env::current_exe()?);
    /// #     let spawn = crossing::Spawn::new(program).give("frames", theirs).give("control", other);
    /// #     let mut child = spawn.spawn()?;
    /// #     let mut frames = frames.connect(&Config::default())?;
    /// #     control.connect(&Config::default())?.send(b"start")?;
    /// #     assert_eq!(frames.recv(&mut [0; 64])?, 7);
    /// #     assert!(child.wait()?.success());
    /// #     return Ok(());
    /// # }
    /// // In a child with two ends.
    /// let mut frames = Endpoint::inherited_named("frames")?.connect(&Config::default())?;
    /// let mut control = Endpoint::inherited_named("control")?.connect(&Config::default())?;
    /// control.recv(&mut [0; 64])?;
    /// frames.send(b"a frame")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn inherited_named(name: &str) -> Result<Endpoint, ConnectError> {
        Endpoint::inherit(Some(name))
    }

    fn inherit(name: Option<&str>) -> Result<Endpoint, ConnectError> {
        let (legacy, socket) = inherit::take(name).map_err(ConnectError::NotInherited)?;
        Ok(Endpoint::new(legacy.kind, socket, legacy.how))
    }

    fn how(&self) -> How {
        self.how
    }

    /// An end of `kind` that leads over this socket: one end of a pair, or one that was connected
    /// or accepted by other means. It is taken for one that met at an address, and its peer checked
    /// by [`Config::peers`], if either end of it has a name.
    ///
    /// | kind | socket |
    /// |---|---|
    /// | shared memory, pipe | a Unix packet socket, `SOCK_SEQPACKET` |
    /// | Unix socket | a Unix stream socket |
    /// | TCP | a TCP socket, whether IPv4 or IPv6 |
    ///
    /// # Errors
    /// [`ConnectError::Descriptor`] when it is another socket, listens, is not connected, or is no
    /// socket; then it is closed.
    ///
    /// # Examples
    /// ```
    /// use std::os::fd::OwnedFd;
    /// use std::os::unix::net::UnixStream;
    /// use crossing::{Config, Endpoint, Kind};
    ///
    /// let (here, there) = UnixStream::pair()?;
    /// let here = Endpoint::from_fd(Kind::Unix, here.into())?;
    /// let there = Endpoint::from_fd(Kind::Unix, there.into())?;
    /// let there = std::thread::spawn(move || there.connect(&Config::default()));
    /// let mut here = here.connect(&Config::default())?;
    /// here.send(b"hello")?;
    /// # there.join().expect("no panic")?;
    ///
    /// // Another kind of socket is refused by what it is.
    /// let (one, _other) = UnixStream::pair()?;
    /// let error = Endpoint::from_fd(Kind::Shm, one.into()).unwrap_err();
    /// assert!(error.to_string().contains("it is a Unix stream socket"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_fd(kind: Kind, fd: OwnedFd) -> Result<Endpoint, ConnectError> {
        let (socket, how) = adopt::end(kind, fd)?;
        Ok(Endpoint::new(kind, socket, how))
    }

    /// The mechanism that this end leads to.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Endpoint, Kind};
    ///
    /// let (here, there) = Endpoint::pair(Kind::Pipe)?;
    /// assert_eq!((here.kind(), there.kind()), (Kind::Pipe, Kind::Pipe));
    /// # Ok::<(), crossing::ConnectError>(())
    /// ```
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Does the handshake, and makes the connection. Where both have met at an address, the other's process is checked
    /// first: see [`Peers`](crate::Peers).
    ///
    /// # Errors
    /// [`Timeout`](ConnectError::Timeout) and [`Disconnected`](ConnectError::Disconnected) when the
    /// other end does not do its part; [`Refused`](ConnectError::Refused) when its protocol or
    /// terms do not fit; [`Shed`](ConnectError::Shed) when too many others came meanwhile;
    /// [`Config`](ConnectError::Config) when `config` cannot be met; [`Io`](ConnectError::Io).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use crossing::{Config, ConnectError, Endpoint, Kind};
    ///
    /// let (here, there) = Endpoint::pair(Kind::Shm)?;
    /// // The other process takes its time: not more than this.
    /// let config = Config::default().connect_timeout(Duration::from_millis(1));
    /// match here.connect(&config) {
    ///     Err(ConnectError::Timeout) => println!("it does not answer"),
    ///     Err(ConnectError::Refused { field, why }) => println!("another {field}: {why}"),
    ///     Err(error) => return Err(error),
    ///     Ok(connection) => println!("connected to {:?}", connection.peer()),
    /// }
    /// # drop(there);
    /// # Ok::<(), ConnectError>(())
    /// ```
    pub fn connect(self, config: &Config) -> Result<Connection, ConnectError> {
        self.connect_as::<Any>(config)
    }

    /// Like [`connect`](Endpoint::connect), for a mechanism known at compile time.
    ///
    /// # Errors
    /// Those of [`connect`](Endpoint::connect), and [`WrongKind`](ConnectError::WrongKind).
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, ConnectError, Endpoint, Kind, Shm};
    ///
    /// let (here, there) = Endpoint::pair(Kind::Shm)?;
    /// # let thread = std::thread::spawn(move || there.connect(&Config::default()));
    /// // No match on the mechanism when it sends, and what only shared memory has.
    /// let mut connection = here.connect_as::<Shm>(&Config::default())?;
    /// # let mut there = thread.join().expect("no panic")?;
    /// connection.send(b"hello")?;
    /// # assert_eq!(there.recv(&mut [0; 64])?, 5);
    ///
    /// let (pipe, _) = Endpoint::pair(Kind::Pipe)?;
    /// let outcome = pipe.connect_as::<Shm>(&Config::default()).map(drop);
    /// assert_eq!(outcome, Err(ConnectError::WrongKind { endpoint: Kind::Pipe, wanted: Kind::Shm }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect_as<M: Mechanism>(self, config: &Config) -> Result<Connection<M>, ConnectError> {
        let Endpoint { kind, socket, how, seat } = self;
        check_kind::<M>(kind)?;
        config.check()?;
        let met = match how {
            How::Met => Some(hello::telling(&socket, kind, config.peers.check(&socket))?),
            How::Given => None,
        };
        // A parent or a listener may have made the shared description non-blocking: undo that.
        rustix::io::ioctl_fionbio(&socket, false).map_err(ConnectError::io("make a socket block"))?;
        let opened = M::open(kind, socket, config);
        if let Some(seat) = seat {
            let limit = seat.limit();
            if seat.leave() {
                return Err(ConnectError::Shed { limit });
            }
        }
        let opened = opened?;
        // Where the ends met, the kernel knows of the meeting; a pair's would be the process that
        // made it.
        let identity = met.unwrap_or(opened.identity);
        Ok(Connection::new(kind, Opened { identity, ..opened }, config))
    }
}

/// Refuses an endpoint that leads to another mechanism.
fn check_kind<M: Mechanism>(endpoint: Kind) -> Result<(), ConnectError> {
    match M::KIND {
        Some(wanted) if wanted != endpoint => Err(ConnectError::WrongKind { endpoint, wanted }),
        _ => Ok(()),
    }
}

impl AsFd for Endpoint {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Endpoint {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// The socket, to be passed on: over another socket, or to a program that starts children by
/// itself. [`Endpoint::from_fd`] makes an end of it again.
impl From<Endpoint> for OwnedFd {
    fn from(endpoint: Endpoint) -> OwnedFd {
        endpoint.socket
    }
}

impl Connection<Any> {
    /// Two connected ends in this process: for threads, and for tests.
    ///
    /// # Errors
    /// See [`Endpoint::connect`].
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Connection, Kind};
    ///
    /// let (mut here, mut there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// let thread = std::thread::spawn(move || there.recv(&mut [0; 64]));
    /// here.send(b"to a thread")?;
    /// assert_eq!(thread.join().expect("no panic")?, 11);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pair(kind: Kind, config: &Config) -> Result<(Connection, Connection), ConnectError> {
        Connection::pair_as(kind, config)
    }

    /// Connects to the listener at `address`: dialling and handshake together take at most
    /// [`connect_timeout`](Config::connect_timeout).
    ///
    /// # Errors
    /// Those of [`Endpoint::dial`] and [`Endpoint::connect`].
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use crossing::{Config, Connection};
    ///
    /// # let path = std::env::temp_dir().join(format!("crossing-connection-dial-{}.sock", std::process::id()));
    /// # let address = crossing::Address::at_path(crossing::Kind::Shm, path)?;
    /// # let listener = crossing::Listener::bind(&address)?;
    /// # let server = std::thread::spawn(move || listener.accept()?.connect(&Config::default()));
    /// let config = Config::default().connect_timeout(Duration::from_secs(5));
    /// let mut connection = Connection::dial(&address, &config)?;      // shm:/run/user/1000/sensor.sock
    /// connection.send(b"hello")?;
    /// # assert_eq!(server.join().expect("no panic")?.recv(&mut [0; 64])?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn dial(address: &Address, config: &Config) -> Result<Connection, ConnectError> {
        Connection::dial_as(address, config)
    }
}

impl<M: Mechanism> Connection<M> {
    /// Like [`Connection::pair`], for a mechanism known at compile time.
    ///
    /// # Errors
    /// See [`Endpoint::connect`].
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Connection, Kind, Shm};
    ///
    /// let (mut here, mut there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// here.send(b"hello")?;
    /// assert_eq!(there.recv(&mut [0; 64])?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pair_as(kind: Kind, config: &Config) -> Result<(Connection<M>, Connection<M>), ConnectError> {
        let (here, there) = Endpoint::pair(kind)?;
        std::thread::scope(|scope| {
            let there = {
                let _blocked = SignalsBlocked::new();
                let thread = std::thread::Builder::new().name("crossing-pair".into());
                let there = thread.spawn_scoped(scope, || there.connect_as::<M>(config));
                let doing = "start the thread that connects the other end of a pair";
                there.map_err(|source| ConnectError::Io { doing: doing.into(), source })?
            };
            let here = here.connect_as::<M>(config);
            // A panic there is a bug of this crate, not caused by a peer.
            let there = there.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            match (here, there) {
                // Both ends are in this process. The end that failed has the reason; the other
                // knows only that its peer failed.
                (Err(told), Err(cause)) if told.is_the_peers() => Err(cause),
                (here, there) => Ok((here?, there?)),
            }
        })
    }

    /// Like [`Connection::dial`], for a mechanism known at compile time.
    ///
    /// # Errors
    /// Those of [`Connection::dial`], and [`WrongKind`](ConnectError::WrongKind).
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Connection, Listener, Unix};
    ///
    /// # let name = format!("unix:@crossing-dial-as-{}", std::process::id());
    /// let listener = Listener::bind(&name.parse()?)?;
    /// # let address = listener.address().clone();
    /// # let server = std::thread::spawn(move || listener.accept()?.connect(&Config::default()));
    /// let mut connection = Connection::<Unix>::dial_as(&address, &Config::default())?;
    /// connection.send(b"hello")?;
    /// # assert_eq!(server.join().expect("no panic")?.recv(&mut [0; 64])?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn dial_as(address: &Address, config: &Config) -> Result<Connection<M>, ConnectError> {
        check_kind::<M>(address.kind())?;
        let deadline = config.connect_deadline();
        let endpoint = Endpoint::dial_until(address, deadline)?;
        // The handshake gets the time that dialling has left.
        let left = deadline::left(deadline);
        endpoint.connect_as(&Config { connect_timeout: left, ..config.clone() })
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Ends of every two mechanisms over every kind of rendezvous: whatever they are given, each names the other.
    #[test]
    fn ends_of_different_mechanisms_that_were_given_one_pair_name_each_other() {
        for rendezvous in [Kind::Shm, Kind::Unix, Kind::Tcp] {
            for one in Kind::ALL {
                for other in Kind::ALL.into_iter().filter(|other| *other != one) {
                    let (here, there) = rendezvous.rendezvous().unwrap();
                    let (here, there) = thread::scope(|scope| {
                        let there = Endpoint::new(other, there, How::Given);
                        let there = scope.spawn(move || there.connect(&Config::default()));
                        let here = Endpoint::new(one, here, How::Given).connect(&Config::default());
                        (here.unwrap_err().to_string(), there.join().unwrap().unwrap_err().to_string())
                    });
                    let named = |it, other| format!("mechanism: {other}, and this end is {it}");
                    assert!(here.contains(&named(one, other)), "{one} and {other} over {rendezvous}: {here}");
                    assert!(
                        there.contains(&named(other, one)),
                        "{other} and {one} over {rendezvous}: {there}"
                    );
                }
            }
        }
    }
}
