//! Where to look: which descriptors of a process belong to its channel.
//!
//! They are found by what they are, through /proc/PID/fd, and looked at through a copy that is taken for the
//! moment (pidfd_getfd(2)): a copy that was kept would keep a pipe or a connection open when its process dies.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use crossing::Kind;
use rustix::fs::OFlags;
use rustix::net::AddressFamily;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

/// The first descriptor that is not one of the three standard streams.
const FIRST: i32 = 3;

/// A process that is looked into.
#[derive(Debug)]
pub(crate) struct Window {
    pidfd: OwnedFd,
    /// What the process sends by.
    pub(crate) outbound: i32,
    /// What it receives by; the same one for a socket.
    pub(crate) inbound: i32,
}

impl Window {
    /// Opens a window into the process `pid`, which has its end of a channel of `kind`.
    ///
    /// # Errors
    /// When the kernel does not let us look, or there is no such channel.
    pub(crate) fn open(kind: Kind, pid: u32) -> io::Result<Window> {
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
        let pidfd = pidfd_open(raw, PidfdFlags::empty())?;
        let (mut outbound, mut inbound) = (None, None);
        for (number, link) in links(pid)? {
            let candidate = match kind {
                Kind::Shm => link.starts_with("/memfd:crossing"),
                Kind::Pipe => link.starts_with("pipe:"),
                Kind::Unix | Kind::Tcp => link.starts_with("socket:"),
            };
            if !candidate {
                continue;
            }
            let Some((sends, receives)) = ways(kind, &copy(&pidfd, number)?) else { continue };
            // What was inherited from whoever started the lab has the lower numbers.
            outbound = if sends { Some(number) } else { outbound };
            inbound = if receives { Some(number) } else { inbound };
        }
        let missing =
            || io::Error::new(io::ErrorKind::NotFound, format!("process {pid} has no {kind} channel"));
        // One's region is written by oneself; the peer's is mapped, and its descriptor closed.
        let inbound = inbound.or(if kind == Kind::Shm { outbound } else { None });
        Ok(Window { pidfd, outbound: outbound.ok_or_else(missing)?, inbound: inbound.ok_or_else(missing)? })
    }

    /// A copy of one of its descriptors, for the moment.
    pub(crate) fn take(&self, number: i32) -> io::Result<OwnedFd> {
        copy(&self.pidfd, number)
    }
}

fn copy(pidfd: &OwnedFd, number: i32) -> io::Result<OwnedFd> {
    Ok(pidfd_getfd(pidfd, number, PidfdGetfdFlags::empty())?)
}

/// The open descriptors of a process with what they lead to, without the standard streams and without further
/// copies of its standard input, which is its line to the lab.
fn links(pid: u32) -> io::Result<Vec<(i32, String)>> {
    let folder = format!("/proc/{pid}/fd");
    let lab = fs::read_link(format!("{folder}/0")).ok();
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)?.flatten() {
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        // One that was closed meanwhile is none.
        let Ok(link) = fs::read_link(entry.path()) else { continue };
        match number {
            Some(number) if number >= FIRST && Some(&link) != lab.as_ref() => {
                found.push((number, link.to_string_lossy().into_owned()));
            }
            _ => {}
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Whether a process sends and whether it receives by this descriptor; `None` when it is of no use to the
/// mechanism.
fn ways(kind: Kind, fd: &OwnedFd) -> Option<(bool, bool)> {
    let family = |family| {
        let domain = rustix::net::sockopt::socket_domain(fd).ok()?;
        let connected = rustix::net::getpeername(fd).ok()?.is_some() || family == AddressFamily::UNIX;
        (domain == family && connected && !rustix::net::sockopt::socket_acceptconn(fd).ok()?)
            .then_some((true, true))
    };
    match kind {
        Kind::Shm => Some((true, false)),
        Kind::Unix => family(AddressFamily::UNIX),
        Kind::Tcp => family(AddressFamily::INET),
        Kind::Pipe => match rustix::fs::fcntl_getfl(fd).ok()? & OFlags::RWMODE {
            OFlags::WRONLY => Some((true, false)),
            OFlags::RDONLY => Some((false, true)),
            _ => None,
        },
    }
}
