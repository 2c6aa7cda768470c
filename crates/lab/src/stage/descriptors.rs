//! Where to look: which descriptors of two processes are the ends of their channel.
//!
//! They are found by what they are and by what the other process has, through /proc/PID/fd: a process may have
//! inherited others of the same kind from whoever started the lab. They are looked at through a copy that is
//! taken for the moment (pidfd_getfd(2)); a copy that was kept would keep a pipe or a connection open when its
//! process dies.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use crossing::Kind;
use rustix::fs::OFlags;
use rustix::net::{AddressFamily, getpeername, getsockname, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

/// The first descriptor that is not one of the three standard streams.
const FIRST: i32 = 3;

/// A process that is looked into.
#[derive(Debug)]
pub(crate) struct Window {
    pidfd: OwnedFd,
    /// What the process sends by.
    pub(crate) outbound: i32,
    /// What it receives by; the same one for a socket. In shared memory both are the region that it owns.
    pub(crate) inbound: i32,
}

/// A descriptor that may be an end of the channel.
#[derive(Debug)]
struct Candidate {
    number: i32,
    sends: bool,
    receives: bool,
    /// What /proc says it leads to: the same text in two processes means the same file.
    link: String,
    /// Of a TCP connection: its own address, and its peer's.
    addresses: Option<[SocketAddr; 2]>,
}

impl Window {
    /// Opens windows into two processes between which there is a channel of `kind`.
    ///
    /// # Errors
    /// When the kernel does not let us look, or there is no such channel.
    pub(crate) fn open_both(kind: Kind, pids: [u32; 2]) -> io::Result<[Window; 2]> {
        let [first, second] = [pidfd(pids[0])?, pidfd(pids[1])?];
        let [here, there] = [candidates(kind, pids[0], &first)?, candidates(kind, pids[1], &second)?];
        Ok([Window::of(kind, first, &here, &there)?, Window::of(kind, second, &there, &here)?])
    }

    fn of(kind: Kind, pidfd: OwnedFd, own: &[Candidate], peers: &[Candidate]) -> io::Result<Window> {
        let end = |way: fn(&Candidate) -> bool, back: fn(&Candidate) -> bool| {
            let is = |candidate: &&Candidate| way(candidate) && leads_over(kind, candidate, own, peers, back);
            let missing = || io::Error::new(io::ErrorKind::NotFound, format!("there is no {kind} channel"));
            own.iter().rev().find(is).map(|candidate| candidate.number).ok_or_else(missing)
        };
        let sends = |candidate: &Candidate| candidate.sends;
        let receives = |candidate: &Candidate| candidate.receives;
        Ok(Window { pidfd, outbound: end(sends, receives)?, inbound: end(receives, sends)? })
    }

    /// A copy of one of its descriptors, for the moment.
    pub(crate) fn take(&self, number: i32) -> io::Result<OwnedFd> {
        copy(&self.pidfd, number)
    }
}

/// A copy of one of this process's own descriptors.
pub(crate) fn own(number: i32) -> io::Result<OwnedFd> {
    copy(&pidfd(std::process::id())?, number)
}

/// Whether what `candidate` leads to comes out at the peer, and nowhere in this process.
fn leads_over(
    kind: Kind,
    candidate: &Candidate,
    own: &[Candidate],
    peers: &[Candidate],
    back: fn(&Candidate) -> bool,
) -> bool {
    let same = |other: &&Candidate| other.link == candidate.link;
    match kind {
        // One that both have was inherited by both.
        Kind::Shm | Kind::Unix => !peers.iter().any(|peer| same(&peer)),
        Kind::Pipe => {
            let at_both = |list: &[Candidate]| list.iter().filter(same).any(back);
            at_both(peers) && !at_both(own)
        }
        Kind::Tcp => {
            let crossed = candidate.addresses.map(|[here, there]| [there, here]);
            crossed.is_some() && peers.iter().any(|peer| peer.addresses == crossed)
        }
    }
}

fn pidfd(pid: u32) -> io::Result<OwnedFd> {
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
    Ok(pidfd_open(raw, PidfdFlags::empty())?)
}

fn copy(pidfd: &OwnedFd, number: i32) -> io::Result<OwnedFd> {
    Ok(pidfd_getfd(pidfd, number, PidfdGetfdFlags::empty())?)
}

/// The open descriptors of a process that may be ends, without the standard streams and without further copies
/// of its standard input, which is its line to the lab.
fn candidates(kind: Kind, pid: u32, pidfd: &OwnedFd) -> io::Result<Vec<Candidate>> {
    let folder = format!("/proc/{pid}/fd");
    let lab = fs::read_link(format!("{folder}/0")).ok();
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)?.flatten() {
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok()).unwrap_or(0);
        // One that was closed meanwhile is none.
        let Ok(link) = fs::read_link(entry.path()) else { continue };
        if number < FIRST || Some(&link) == lab.as_ref() {
            continue;
        }
        let link = link.to_string_lossy().into_owned();
        let may_be = match kind {
            Kind::Shm => link.starts_with("/memfd:crossing"),
            Kind::Pipe => link.starts_with("pipe:"),
            Kind::Unix | Kind::Tcp => link.starts_with("socket:"),
        };
        if may_be {
            found.extend(candidate(kind, number, link, &copy(pidfd, number)?));
        }
    }
    found.sort_unstable_by_key(|candidate| candidate.number);
    Ok(found)
}

/// Looks closer; `None` when the mechanism has no use for it.
fn candidate(kind: Kind, number: i32, link: String, fd: &OwnedFd) -> Option<Candidate> {
    let both = Candidate { number, sends: true, receives: true, link, addresses: None };
    match kind {
        // The files of two regions have the same name: what tells them apart is the number.
        Kind::Shm => Some(Candidate { link: rustix::fs::fstat(fd).ok()?.st_ino.to_string(), ..both }),
        Kind::Pipe => match rustix::fs::fcntl_getfl(fd).ok()? & OFlags::RWMODE {
            OFlags::WRONLY => Some(Candidate { receives: false, ..both }),
            OFlags::RDONLY => Some(Candidate { sends: false, ..both }),
            _ => None,
        },
        Kind::Unix => {
            let is_one = sockopt::socket_domain(fd).ok()? == AddressFamily::UNIX;
            // It is connected, and does not listen.
            (is_one && getpeername(fd).is_ok() && !sockopt::socket_acceptconn(fd).ok()?).then_some(both)
        }
        Kind::Tcp => {
            let here = SocketAddr::try_from(getsockname(fd).ok()?).ok()?;
            let there = SocketAddr::try_from(getpeername(fd).ok()??).ok()?;
            Some(Candidate { addresses: Some([here, there]), ..both })
        }
    }
}
