//! Binding: a listener takes its place, and removes the socket file that it made.
//!
//! The name of such a socket outlives the process that made it, and another process can take it
//! over. So the listener remembers which file it made, and removes that file and no other. A file
//! that was there before it removes only when it is asked to, under the lock of the
//! [folder](super::folder): a server that is gone and one that is about to take its place look
//! alike.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode};
use rustix::io::Errno;

use super::address::{Address, AddressPlace};
use super::adopt;
use super::dial::{is_socket, local_socket, resolve};
use super::folder::{Folder, listens, set_mode};
use super::listen_options::ListenOptions;
use crate::descriptor::above_stdio;
use crate::error::ConnectError;
use crate::kind::Kind;
use crate::owner::{self, Owner};

/// A place that was taken.
pub(super) struct Bound {
    /// It listens, and does not block.
    pub(super) socket: OwnedFd,
    /// Where, with the port that the system chose. A path is absolute, unless it would be too long.
    pub(super) address: Address,
    /// The file that was made.
    pub(super) made: Option<SocketFile>,
}

/// Takes the place that `address` names.
pub(super) fn bind(address: &Address, options: &ListenOptions) -> Result<Bound, ConnectError> {
    options.check(address)?;
    match address.place() {
        AddressPlace::Path(path) => {
            let (socket, made) = bind_path(address, path, options)?;
            Ok(Bound { socket, address: absolute(address), made: Some(made) })
        }
        AddressPlace::Abstract(_) => {
            let socket = local_socket(address.kind().meets_at())?;
            bind_local(address, &socket)?;
            rustix::net::listen(&socket, options.queue()).map_err(listening(address))?;
            Ok(Bound { socket, address: address.clone(), made: None })
        }
        AddressPlace::Tcp(host_port) => {
            let (socket, address) = bind_tcp(address, host_port, options)?;
            Ok(Bound { socket, address, made: None })
        }
    }
}

fn listening(address: &Address) -> impl Fn(Errno) -> ConnectError {
    move |errno| ConnectError::io(format!("listen at {address}"))(errno)
}

fn bind_path(
    address: &Address,
    path: &Path,
    options: &ListenOptions,
) -> Result<(OwnedFd, SocketFile), ConnectError> {
    let owner = Owner::me().map_err(ConnectError::io(owner::NOTICING))?;
    // By now: the folder that this process works in may change before it is removed.
    let path = std::path::absolute(path)
        .map_err(|source| ConnectError::Io { doing: format!("listen at {address}"), source })?;
    let socket = local_socket(address.kind().meets_at())?;
    // Before it is bound: the file is never open to more users than it is made for, not for a
    // moment.
    rustix::fs::fchmod(&socket, options.file_mode()).map_err(listening(address))?;
    let folder = Folder::of(&path);
    let _locked = if options.reclaim {
        Some(folder.as_ref().map_err(|errno| listening(address)(*errno))?.clear(address)?)
    } else {
        folder.as_ref().ok().and_then(Folder::lock_together)
    };
    bind_local(address, &socket)?;
    let stat = rustix::fs::lstat(&path).map_err(listening(address))?;
    let file = SocketFile { path, file: (stat.st_dev, stat.st_ino), owner };
    if Mode::from_raw_mode(stat.st_mode) != options.file_mode() {
        set_mode(&file.path, file.file, options.file_mode())
            .map_err(ConnectError::io(format!("set the mode of the socket at {address}")))?;
    }
    // From here on it can be connected to.
    rustix::net::listen(&socket, options.queue()).map_err(listening(address))?;
    Ok((socket, file))
}

fn bind_local(address: &Address, socket: &OwnedFd) -> Result<(), ConnectError> {
    let name = address.socket_name()?;
    rustix::net::bind(socket, &name).map_err(|errno| match errno {
        Errno::ADDRINUSE => {
            ConnectError::io(format!("listen at {address}: {}", what_is_there(address)))(errno)
        }
        errno => listening(address)(errno),
    })
}

/// What stands in the way at a place that is taken, and what to do about it.
fn what_is_there(address: &Address) -> &'static str {
    if address.path().is_some_and(|path| !is_socket(path)) {
        return "a file that is no socket is there";
    }
    match listens(address) {
        Ok(Err(Errno::CONNREFUSED)) => {
            "a server that is gone has left its socket there (remove it, or let ListenOptions::reclaim do it)"
        }
        Ok(Err(Errno::ACCESS)) => "a socket is there that this process may not connect to",
        _ => "a server listens there",
    }
}

fn bind_tcp(
    address: &Address,
    host_port: &str,
    options: &ListenOptions,
) -> Result<(OwnedFd, Address), ConnectError> {
    let failed = |source| ConnectError::Io { doing: format!("listen at {address}"), source };
    let addresses = resolve(host_port).map_err(failed)?;
    check_remote(address, &addresses, options)?;
    let listener = TcpListener::bind(&addresses[..]).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    rustix::net::listen(&listener, options.queue()).map_err(listening(address))?;
    let address = Address::tcp(listener.local_addr().map_err(failed)?.to_string())?;
    Ok((above_stdio(listener.into()).map_err(listening(&address))?, address))
}

/// Refuses addresses that other machines can reach, unless that is asked for.
fn check_remote(
    address: &Address,
    addresses: &[SocketAddr],
    options: &ListenOptions,
) -> Result<(), ConnectError> {
    let remote = addresses.iter().find(|there| !there.ip().to_canonical().is_loopback());
    let Some(remote) = remote.filter(|_| !options.allow_remote) else { return Ok(()) };
    let why = format!(
        "other machines can reach {}, and TCP has no authentication: ListenOptions::allow_remote allows it",
        remote.ip()
    );
    Err(ConnectError::Address { address: address.to_string(), why })
}

/// A place that another program has taken, by the socket that listens there.
pub(super) fn take_over(kind: Kind, fd: OwnedFd, options: &ListenOptions) -> Result<Bound, ConnectError> {
    let (socket, address) = adopt::listener(kind, fd)?;
    if let Some(Ok(numeric)) = address.host_port().map(str::parse) {
        check_remote(&address, &[numeric], options)?;
    }
    Ok(Bound { socket, address, made: None })
}

/// The same address, wherever this process works.
fn absolute(address: &Address) -> Address {
    let absolute = address.path().and_then(|path| std::path::absolute(path).ok());
    absolute.and_then(|path| Address::at_path(address.kind(), path).ok()).unwrap_or_else(|| address.clone())
}

/// A file that this process has made. Dropping it removes the file, if it still is that one, and this process is.
#[derive(Debug)]
pub(super) struct SocketFile {
    /// Absolute.
    path: PathBuf,
    /// Device and inode. No other file gets the inode while its socket is open.
    file: (u64, u64),
    owner: Owner,
}

fn file_at(path: &Path) -> Result<(u64, u64), Errno> {
    let stat = rustix::fs::lstat(path)?;
    Ok((stat.st_dev, stat.st_ino))
}

impl SocketFile {
    /// Leaves the file where it is.
    pub(super) fn leave(mut self) {
        self.owner = self.owner.nobody();
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.owner.is_me() && file_at(&self.path) == Ok(self.file) {
            // Another process may remove it first.
            let _ = rustix::fs::unlinkat(CWD, &self.path, rustix::fs::AtFlags::empty());
        }
    }
}
