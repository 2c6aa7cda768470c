//! Endpoints: how two processes that do not share memory yet find each other.
//!
//! What travels is a rendezvous, never a live connection: its memory is sealed, and could not be mapped again.

mod address;
mod birth;
mod descriptor;
mod inherit;
mod listener;

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Child, Command};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

pub use self::address::Address;
pub(crate) use self::descriptor::{above_stdio, both_above_stdio};
pub use self::listener::Listener;

use self::inherit::{File, Legacy, VARIABLE};
use crate::channel::Connection;
use crate::config::Config;
use crate::error::ConnectError;
use crate::mechanism::{Any, Kind, Mechanism};

/// One end of a rendezvous: not yet a connection, but a socket that can travel to another process.
///
/// A parent makes a [pair](Endpoint::pair), [spawns](Endpoint::spawn) a child with one end and connects the
/// other. Or a server [listens](Listener) at an [`Address`] that the client [knows](Endpoint::to). Each side
/// then calls [`connect`](Endpoint::connect), which does the handshake.
#[derive(Debug)]
pub struct Endpoint {
    kind: Kind,
    /// Its number is above those of standard input, output and error.
    socket: OwnedFd,
    how: How,
}

/// How an end came to lead to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// Both were made at once, and each was given to whom it is for.
    Given,
    /// They met at an address, where anybody may come.
    Met,
}

impl How {
    fn name(self) -> &'static str {
        match self {
            How::Given => "given",
            How::Met => "met",
        }
    }

    fn named(name: &str) -> Option<How> {
        [How::Given, How::Met].into_iter().find(|how| how.name() == name)
    }
}

impl Endpoint {
    fn new(kind: Kind, socket: OwnedFd, how: How) -> Endpoint {
        Endpoint { kind, socket, how }
    }

    /// Two ends that lead to each other.
    ///
    /// # Errors
    /// [`ConnectError::Io`] when the system has no more sockets to give.
    pub fn pair(kind: Kind) -> Result<(Endpoint, Endpoint), ConnectError> {
        let (here, there) =
            kind.rendezvous().map_err(ConnectError::io(format!("make a rendezvous for {kind}")))?;
        Ok((Endpoint::new(kind, here, How::Given), Endpoint::new(kind, there, How::Given)))
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
        let socket = above_stdio(socket).map_err(ConnectError::io(doing()))?;
        Ok(Endpoint::new(address.kind(), socket, How::Met))
    }

    /// Starts `command` and gives this end to the child, which takes it with [`Endpoint::inherited`]. Nothing
    /// of it stays in this process, and no other child inherits it.
    ///
    /// The time it takes does not depend on how much memory this process has, unless the command asks for what takes a fork(2):
    /// `pre_exec`, another user or group. A thread of this library sleeps until the child has ended: for the kernel it is the
    /// child's parent, so a child that asks to be killed with its parent (prctl(2), `PR_SET_PDEATHSIG`) lives as long as this
    /// process, whatever becomes of the thread that called.
    ///
    /// # Errors
    /// What [`Command::spawn`] says.
    pub fn spawn(self, command: Command) -> io::Result<Child> {
        birth::spawn(self.order(command)?)
    }

    fn order(self, command: Command) -> io::Result<birth::Order> {
        let Endpoint { kind, socket, how } = self;
        let file = File::of(&socket)?;
        let text = Legacy { kind, how, number: socket.as_raw_fd(), file }.to_string();
        Ok(birth::Order { command, fd: socket, variable: VARIABLE, text })
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

fn local_socket(kind: Kind) -> Result<OwnedFd, ConnectError> {
    let shape = if kind == Kind::Unix { SocketType::STREAM } else { SocketType::SEQPACKET };
    rustix::net::socket_with(AddressFamily::UNIX, shape, SocketFlags::CLOEXEC, None)
        .map_err(ConnectError::io("make a Unix socket"))
}
