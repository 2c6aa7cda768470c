//! Dialling: from an address to a socket that leads there, within one deadline.
//!
//! The socket does not block while dialling, so only the deadline bounds the time: neither a
//! stopped server with a full queue (a Unix socket returns EAGAIN then, and cannot be polled for
//! room) nor a silent machine can extend it. Several addresses of one host are tried in turn, each
//! with its share of the remaining time.
//!
//! One call cannot be bounded: the name of a host is looked up by getaddrinfo(3), which waits as long as the machine's
//! configuration says (resolv.conf(5)). A numeric address is not looked up.
//!
//! # References
//! connect(2), unix(7), tcp(7).

use std::io::ErrorKind;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType, ipproto, sockopt};

use super::address::{Address, AddressPlace};
use crate::credentials::Peers;
use crate::deadline::{self, Pauses, wait};
use crate::descriptor::above_stdio;
use crate::error::ConnectError;
use crate::hello::Hello;
use crate::kind::Kind;
use crate::packet::{recv_hello, send_hello};

/// A socket that leads to `address`, and blocks.
pub(super) fn dial(address: &Address, deadline: Instant) -> Result<OwnedFd, ConnectError> {
    let doing = || format!("connect to {address}");
    let socket = match address.place() {
        AddressPlace::Path(_) | AddressPlace::Abstract(_) => local(address, deadline)?,
        AddressPlace::Tcp(host_port) => {
            let addresses =
                resolve(host_port).map_err(|source| ConnectError::Io { doing: doing(), source })?;
            in_turn(&addresses, deadline, &doing)?
        }
    };
    rustix::io::ioctl_fionbio(&socket, false).map_err(ConnectError::io(doing()))?;
    Ok(socket)
}

/// A Unix socket that does not block. Without a type there is none to make.
pub(super) fn local_socket(shape: Option<SocketType>) -> Result<OwnedFd, ConnectError> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    shape
        .ok_or(Errno::INVAL)
        .and_then(|shape| rustix::net::socket_with(AddressFamily::UNIX, shape, flags, None))
        .and_then(above_stdio)
        .map_err(ConnectError::io("make a Unix socket"))
}

fn local(address: &Address, deadline: Instant) -> Result<OwnedFd, ConnectError> {
    let name = address.socket_name()?;
    let socket = local_socket(address.kind().meets_at())?;
    let Err(errno) = connect_local(&socket, &name, deadline)? else { return Ok(socket) };
    // At a path the kernel says that the type is another. Abstract names it keeps apart by type: there it finds nothing.
    let perhaps_another =
        errno == Errno::PROTOTYPE || errno == Errno::CONNREFUSED && address.path().is_none();
    let another = || another_kind(address.kind(), &name, deadline);
    if let Some(named) = perhaps_another.then(another).flatten() {
        return Err(named);
    }
    let remedy = match (errno, address.path()) {
        (Errno::CONNREFUSED, None) => ": no server listens there",
        (Errno::CONNREFUSED, Some(path)) if !is_socket(path) => ": a file that is no socket is there",
        (Errno::CONNREFUSED, Some(_)) => ": a server that is gone has left it, or does not listen yet",
        (Errno::NOENT, _) => ": no server has made it yet",
        _ => "",
    };
    Err(ConnectError::io(format!("connect to {address}{remedy}"))(errno))
}

/// Whether a path leads to a socket.
pub(super) fn is_socket(path: &Path) -> bool {
    rustix::fs::stat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Socket)
}

/// The longest that a server of another kind is asked what it is.
const ASKING: Duration = Duration::from_secs(1);

/// The mechanism of a server whose socket has the other type than this mechanism's. The two
/// exchange hellos, so that the server learns of the mismatch as well. `None` if no server is
/// there.
fn another_kind(kind: Kind, name: &SocketAddrUnix, deadline: Instant) -> Option<ConnectError> {
    let (shape, is) = match kind.meets_at()? {
        SocketType::STREAM => (Some(SocketType::SEQPACKET), "a packet socket"),
        _ => (Some(SocketType::STREAM), "a stream socket"),
    };
    let local = Kind::ALL.into_iter().filter(|other| other.meets_at() == shape);
    let used_by = local.map(|other| format!("{other}:")).collect::<Vec<_>>().join(" or ");
    let unnamed = ConnectError::Refused {
        field: "mechanism",
        why: format!("{is} ({used_by}) listens there, and this end is {kind}"),
    };
    let until = deadline::after(ASKING).min(deadline);
    let ask = || {
        let socket = local_socket(shape)?;
        connect_local(&socket, name, until)?.map_err(ConnectError::io("ask what listens there"))?;
        Peers::default().check(&socket)?;
        send_hello(socket.as_fd(), Hello::bare(kind), until)?;
        recv_hello(socket.as_fd(), kind, until)
    };
    match ask() {
        Err(named @ ConnectError::Refused { field: "mechanism" | "version", .. }) => Some(named),
        Err(ConnectError::Io { source, .. }) if source.kind() == ErrorKind::ConnectionRefused => None,
        _ => Some(unnamed),
    }
}

/// What the kernel says once the server's queue has a place.
pub(super) fn connect_local(
    socket: &OwnedFd,
    name: &SocketAddrUnix,
    deadline: Instant,
) -> Result<Result<(), Errno>, ConnectError> {
    let mut pauses = Pauses::new();
    loop {
        match rustix::net::connect(socket, name) {
            Ok(()) | Err(Errno::ISCONN) => return Ok(Ok(())),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => pauses.pause(Some(deadline))?,
            Err(errno) => return Ok(Err(errno)),
        }
    }
}

/// The addresses of a host, at least one.
pub(super) fn resolve(host_port: &str) -> std::io::Result<Vec<SocketAddr>> {
    if let Ok(numeric) = host_port.parse() {
        return Ok(vec![numeric]);
    }
    let addresses: Vec<_> = host_port.to_socket_addrs()?.collect();
    if addresses.is_empty() {
        return Err(std::io::Error::new(std::io::ErrorKind::NotFound, "the host has no address"));
    }
    Ok(addresses)
}

/// The first that can be reached; else what the last one said.
fn in_turn(
    addresses: &[SocketAddr],
    deadline: Instant,
    doing: &impl Fn() -> String,
) -> Result<OwnedFd, ConnectError> {
    let mut outcome = Err(ConnectError::Timeout);
    for (index, address) in addresses.iter().enumerate() {
        let share = deadline::left(deadline) / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let until = deadline::after(share).min(deadline);
        outcome = tcp(address, until, doing);
        if outcome.is_ok() {
            return outcome;
        }
    }
    outcome
}

fn tcp(
    address: &SocketAddr,
    deadline: Instant,
    doing: &impl Fn() -> String,
) -> Result<OwnedFd, ConnectError> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))
        .and_then(above_stdio)
        .map_err(ConnectError::io("make a TCP socket"))?;
    connect_tcp(&socket, address, deadline)?.map_err(ConnectError::io(doing()))?;
    Ok(socket)
}

/// What the kernel says once it knows.
fn connect_tcp(
    socket: &OwnedFd,
    address: &SocketAddr,
    deadline: Instant,
) -> Result<Result<(), Errno>, ConnectError> {
    match rustix::net::connect(socket, address) {
        Ok(()) => {}
        // Interrupted or not: it goes on without us.
        Err(Errno::INPROGRESS | Errno::INTR | Errno::ALREADY) => {
            wait(socket.as_fd(), PollFlags::OUT, Some(deadline))?;
            if let Err(errno) = sockopt::socket_error(socket).unwrap_or_else(Err) {
                return Ok(Err(errno));
            }
        }
        Err(errno) => return Ok(Err(errno)),
    }
    // A socket that dials a free port of this machine may be given that very port: then it has reached itself, and no server
    // can listen there any more.
    Ok(if leads_to_itself(socket) { Err(Errno::CONNREFUSED) } else { Ok(()) })
}

/// Whether a socket's own address is that of its peer.
fn leads_to_itself(socket: &OwnedFd) -> bool {
    let address = |name: SocketAddrAny| SocketAddr::try_from(name).ok();
    let here = rustix::net::getsockname(socket).ok().and_then(address);
    let there = rustix::net::getpeername(socket).ok().flatten().and_then(address);
    here.is_some() && here == there
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use rustix::net::bind;

    use super::*;

    fn soon() -> Instant {
        deadline::after(Duration::from_secs(60))
    }

    #[test]
    fn a_socket_that_reaches_itself_is_refused() {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let family = AddressFamily::INET;
        let socket =
            rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::NONBLOCK, None).unwrap();
        bind(&socket, &free).unwrap();
        assert_eq!(connect_tcp(&socket, &free, soon()).unwrap(), Err(Errno::CONNREFUSED));
        // The control: the kernel says nothing against it.
        assert!(leads_to_itself(&socket));
    }

    #[test]
    fn the_addresses_of_a_host_are_tried_in_turn() {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let there = server.local_addr().unwrap();
        let doing = || "connect".to_owned();
        assert!(in_turn(&[free, free, there], soon(), &doing).is_ok());
        let error = in_turn(&[free, free], soon(), &doing).unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");
    }

    #[test]
    fn a_numeric_address_is_not_looked_up() {
        assert_eq!(resolve("[::1]:7").unwrap(), [SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 7))]);
        assert!(resolve("no-such-host.invalid:7").is_err());
    }
}
