//! Windows into two processes: the descriptors that are the ends of their channel.
//!
//! They are found by what they are and by what the other process has, through /proc/PID/fd: a process may have
//! inherited others of the same kind from the program that started the lab. They are looked at through a copy that is
//! taken for the moment (pidfd_getfd(2)); a copy that was kept would keep a pipe or a connection open when its
//! process dies.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use crossing::Kind;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

/// The first descriptor that is not one of the three standard streams.
const FIRST: i32 = 3;

/// A process that is looked into.
#[derive(Debug)]
pub(crate) struct Window {
    pidfd: OwnedFd,
    /// The descriptor that the process sends by.
    pub(crate) outbound: i32,
    /// The descriptor that it receives by; the same one for a socket. In shared memory both are the
    /// region that it owns.
    pub(crate) inbound: i32,
}

/// A descriptor that may be an end of the channel.
#[derive(Debug)]
pub(crate) struct ChannelEnd {
    pub(super) number: i32,
    pub(super) sends: bool,
    pub(super) receives: bool,
    /// The file that it leads to: the same text in two processes means the same file.
    pub(super) link: String,
    /// The file that its other end, at the peer, leads to, if that can be told.
    pub(super) far: Option<String>,
}

/// How the ends of a mechanism are found among the descriptors of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndFinder {
    /// The beginning of the link in /proc/PID/fd of a descriptor that may be an end.
    pub(super) link: &'static str,
    /// Looks closer at such a descriptor, given its link in /proc/PID/fd; `None` when it is no end.
    pub(super) end: fn(String, &OwnedFd) -> Option<ChannelEnd>,
}

impl ChannelEnd {
    /// An end that leads to `link`, for both directions.
    pub(super) fn both_ways(link: String) -> ChannelEnd {
        ChannelEnd { number: 0, sends: true, receives: true, link, far: None }
    }

    /// Whether it comes out at the peer, and nowhere in this process.
    fn leads_over(&self, own: &[ChannelEnd], peers: &[ChannelEnd], back: fn(&ChannelEnd) -> bool) -> bool {
        let leads_to = |ends: &[ChannelEnd], link: &str| ends.iter().any(|end| end.link == link && back(end));
        match &self.far {
            Some(far) => leads_to(peers, far) && !leads_to(own, far),
            // A file that both processes have was inherited by both.
            None => !peers.iter().any(|end| end.link == self.link),
        }
    }
}

impl Window {
    /// Opens windows into two processes between which there is a channel of `kind`.
    ///
    /// # Errors
    /// When the kernel refuses access, or there is no such channel.
    pub(super) fn open_both(kind: Kind, finder: &EndFinder, pids: [u32; 2]) -> io::Result<[Window; 2]> {
        let [first, second] = [pidfd(pids[0])?, pidfd(pids[1])?];
        let [here, there] = [ends(finder, pids[0], &first)?, ends(finder, pids[1], &second)?];
        Ok([Window::of(kind, first, &here, &there)?, Window::of(kind, second, &there, &here)?])
    }

    fn of(kind: Kind, pidfd: OwnedFd, own: &[ChannelEnd], peers: &[ChannelEnd]) -> io::Result<Window> {
        let find = |way: fn(&ChannelEnd) -> bool, back: fn(&ChannelEnd) -> bool| {
            let is = |end: &&ChannelEnd| way(end) && end.leads_over(own, peers, back);
            let missing = || io::Error::new(io::ErrorKind::NotFound, format!("there is no {kind} channel"));
            own.iter().rev().find(is).map(|end| end.number).ok_or_else(missing)
        };
        let sends = |end: &ChannelEnd| end.sends;
        let receives = |end: &ChannelEnd| end.receives;
        Ok(Window { pidfd, outbound: find(sends, receives)?, inbound: find(receives, sends)? })
    }

    /// A copy of one of its descriptors, for the moment.
    pub(crate) fn take(&self, number: i32) -> io::Result<OwnedFd> {
        copy(&self.pidfd, number)
    }
}

/// A copy of one of this process's own descriptors.
pub(super) fn own(number: i32) -> io::Result<OwnedFd> {
    copy(&pidfd(std::process::id())?, number)
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
fn ends(finder: &EndFinder, pid: u32, pidfd: &OwnedFd) -> io::Result<Vec<ChannelEnd>> {
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
        if link.starts_with(finder.link) {
            let end = (finder.end)(link, &copy(pidfd, number)?);
            found.extend(end.map(|end| ChannelEnd { number, ..end }));
        }
    }
    found.sort_unstable_by_key(|end| end.number);
    Ok(found)
}
