//! Adoption: a socket that this library has not made becomes an end or a listener, once it has
//! shown that it can be one.
//!
//! It may come from a service manager, over another socket, or from a library of another kind. Its
//! family, its type and its state are asked of the kernel; a descriptor that does not fit is
//! refused by what it is, and closed.
//!
//! # References
//! socket(7): SO_DOMAIN, SO_TYPE, SO_ACCEPTCONN.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;

use rustix::io::{Errno, FdFlags};
use rustix::net::{AddressFamily, SocketAddrAny, SocketAddrUnix, SocketType, sockopt};

use super::address::Address;
use super::inherit::How;
use crate::descriptor::above_stdio;
use crate::error::ConnectError;
use crate::kind::Kind;

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Listens,
    Leads,
}

/// A connected socket as an end of `kind`, and how its two ends came together.
pub(super) fn end(kind: Kind, fd: OwnedFd) -> Result<(OwnedFd, How), ConnectError> {
    let socket = adopt(kind, Use::Leads, fd)?;
    let is_named = |name: Option<SocketAddrAny>| {
        let name = name.and_then(|name| SocketAddrUnix::try_from(name).ok());
        name.is_some_and(|it| {
            it.path_bytes().is_some() || it.abstract_name().is_some_and(|it| !it.is_empty())
        })
    };
    // Two that were made as a pair have no names. Where a listener was, it had one.
    let has_listened = is_named(rustix::net::getsockname(&socket).ok());
    let has_dialled = is_named(rustix::net::getpeername(&socket).ok().flatten());
    let how = if kind.meets_at().is_none() || has_listened || has_dialled { How::Met } else { How::Given };
    Ok((socket, how))
}

/// A listening socket as one of `kind`, and where it listens.
pub(super) fn listener(kind: Kind, fd: OwnedFd) -> Result<(OwnedFd, Address), ConnectError> {
    let socket = adopt(kind, Use::Listens, fd)?;
    let doing = || ConnectError::io("ask where a descriptor listens");
    let name = rustix::net::getsockname(&socket).map_err(doing())?;
    let address = match kind.meets_at() {
        None => Address::tcp(SocketAddr::try_from(name).map_err(doing())?.to_string())?,
        Some(_) => {
            let name = SocketAddrUnix::try_from(name).map_err(doing())?;
            match (name.path_bytes(), name.abstract_name()) {
                (Some(path), _) => Address::at_path(kind, OsString::from_vec(path.to_vec()))?,
                (None, Some(name)) if !name.is_empty() => Address::in_abstract(kind, name)?,
                _ => return Err(refused(kind, Use::Listens, "it has no name")),
            }
        }
    };
    rustix::io::ioctl_fionbio(&socket, true).map_err(ConnectError::io(format!("listen at {address}")))?;
    Ok((socket, address))
}

/// The same descriptor, above those of standard input, output and error and closed by exec(2), if
/// it is such a socket.
fn adopt(kind: Kind, due: Use, fd: OwnedFd) -> Result<OwnedFd, ConnectError> {
    let refused = |why: &str| Err(refused(kind, due, why));
    let family = match sockopt::socket_domain(&fd) {
        Err(Errno::NOTSOCK) => return refused("it is no socket"),
        family => family.map_err(ConnectError::io("ask what a descriptor is"))?,
    };
    let shape = sockopt::socket_type(&fd).map_err(ConnectError::io("ask what a descriptor is"))?;
    let (families, shapes, wanted): (&[AddressFamily], SocketType, &str) = match kind.meets_at() {
        None => (&[AddressFamily::INET, AddressFamily::INET6], SocketType::STREAM, "a TCP socket"),
        Some(SocketType::STREAM) => (&[AddressFamily::UNIX], SocketType::STREAM, "a Unix stream socket"),
        Some(other) => (&[AddressFamily::UNIX], other, "a Unix packet socket (SOCK_SEQPACKET)"),
    };
    if !families.contains(&family) || shape != shapes {
        return refused(&format!("it is {}, and {kind} needs {wanted}", named(family, shape)));
    }
    let listens =
        sockopt::socket_acceptconn(&fd).map_err(ConnectError::io("ask whether a descriptor listens"))?;
    match due {
        Use::Listens if !listens => return refused("it does not listen"),
        Use::Leads if listens => return refused("it listens: it is for Listener::from_fd"),
        Use::Leads if rustix::net::getpeername(&fd).is_err() => return refused("it is not connected"),
        _ => {}
    }
    let fd = above_stdio(fd).map_err(ConnectError::io("keep a descriptor"))?;
    rustix::io::fcntl_setfd(&fd, FdFlags::CLOEXEC).map_err(ConnectError::io("keep a descriptor"))?;
    Ok(fd)
}

fn refused(kind: Kind, due: Use, why: &str) -> ConnectError {
    let due = match due {
        Use::Listens => "listener",
        Use::Leads => "end",
    };
    ConnectError::Descriptor(format!("no {due} of {kind}: {why}"))
}

/// A kind of socket in words.
fn named(family: AddressFamily, shape: SocketType) -> String {
    let family = match family {
        AddressFamily::UNIX => "a Unix",
        AddressFamily::INET | AddressFamily::INET6 => "an IP",
        _ => "another",
    };
    let shape = match shape {
        SocketType::STREAM => "stream",
        SocketType::DGRAM => "datagram",
        SocketType::SEQPACKET => "packet",
        _ => "raw",
    };
    format!("{family} {shape} socket")
}
