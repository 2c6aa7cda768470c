//! The peer: which process is at the other end, as far as the kernel says, and whether it runs.
//!
//! Where two ends met at an address, the kernel has kept the credentials of the process that
//! connected, and of the one that began to listen (unix(7), `SO_PEERCRED`). Both are as they were
//! then: a process that has handed its end on since is not seen.
//!
//! The two ends of a pair were made by one process, and `SO_PEERCRED` names that one at both. So an
//! end of a Unix socket sends its credentials with its hello (`SCM_CREDENTIALS`). The kernel has
//! checked them: a process says only what it is, unless it has the right to say otherwise.
//!
//! A pidfd stays the same process when its number is another's. `SO_PEERPIDFD` gives one where the
//! ends met (Linux 6.5). On shared memory each process sends one of itself; it counts here only if
//! it is of the pid that the kernel has told.
//!
//! # References
//! unix(7), pidfd_open(2), proc_pid_stat(5).

use std::fmt;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::descriptor::above_stdio;
use crate::sys::Credentials;

/// The process at the other end of a connection, as far as the kernel says which it is.
///
/// | | pid, user, group | pidfd |
/// |---|---|---|
/// | met at a path or an abstract name | of the process that connected, or that began to listen, at that time | shared memory, Unix socket: since Linux 6.5 |
/// | a [pair](crate::Endpoint::pair) | of the process that shook hands | shared memory |
/// | TCP | unknown | none |
///
/// What is not known is `None`: a process without a number in this process's pid namespace (of a
/// pair also its user and group); a user or group without one in its user namespace; at the other
/// end of a pair a program of another make, which does not say what it is. A server that a service
/// manager has bound the socket for ([`Listener::activated`](crate::Listener::activated)) is met as
/// that manager.
///
/// # Examples
/// ```
/// use crossing::{Config, Connection, Kind};
///
/// let (here, _there) = Connection::pair(Kind::Shm, &Config::default())?;
/// let peer = here.peer();
/// assert_eq!(peer.pid(), Some(std::process::id()));
/// println!("process {:?} of user {:?}, group {:?}", peer.pid(), peer.uid(), peer.gid());
/// # Ok::<(), crossing::ConnectError>(())
/// ```
#[derive(Debug)]
pub struct Peer {
    identity: Identity,
    pidfd: Option<OwnedFd>,
}

/// What a process is doing, as far as it can be told from outside: see [`Peer::state`].
///
/// # Examples
/// ```
/// use crossing::{Config, Connection, Kind, PeerState};
///
/// let (here, _there) = Connection::pair(Kind::Shm, &Config::default())?;
/// let advice = match here.peer().state() {
///     PeerState::Running => "wait on",
///     PeerState::Stopped => "wait on, or kill it",
///     PeerState::Ended => "receive what it had sent, and go on without it",
///     _ => "only its silence tells",
/// };
/// # assert!(["wait on", "only its silence tells"].contains(&advice));
/// # Ok::<(), crossing::ConnectError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerState {
    /// It runs, or waits for something.
    Running,
    /// It was stopped, by a signal or by a debugger. It is late, and may go on.
    Stopped,
    /// It has ended.
    Ended,
    /// There is no pidfd of it, or /proc does not show it.
    Unknown,
}

impl Peer {
    /// Its number, in this process's pid namespace. After its end the number may be another's.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Connection, Kind};
    ///
    /// // The other end of this pair is in this process itself.
    /// let (here, _there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// assert_eq!(here.peer().pid(), Some(std::process::id()));
    /// // Of a process of another machine nothing is told.
    /// let (here, _there) = Connection::pair(Kind::Tcp, &Config::default())?;
    /// assert_eq!(here.peer().pid(), None);
    /// # Ok::<(), crossing::ConnectError>(())
    /// ```
    pub fn pid(&self) -> Option<u32> {
        self.identity.0.and_then(|it| u32::try_from(it.pid).ok()).filter(|pid| *pid != 0)
    }

    /// Its effective user.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// let (here, _there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// match here.peer().uid() {
    ///     Some(0) => println!("root asks"),
    ///     Some(user) => println!("user {user} asks"),
    ///     None => println!("nothing is known of it: serve what any user may have"),
    /// }
    /// # use std::os::unix::fs::MetadataExt;
    /// # let mine = std::fs::metadata("/proc/self")?.uid();
    /// # assert!(here.peer().uid().is_none_or(|user| user == mine));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn uid(&self) -> Option<u32> {
        self.identity.0.map(|it| it.uid).filter(|&uid| !may_be_anybody("uid", uid))
    }

    /// Its effective group.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # const VIDEO: u32 = 44;
    /// let (here, _there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// let may_see = here.peer().gid() == Some(VIDEO);
    /// # use std::os::unix::fs::MetadataExt;
    /// # let mine = std::fs::metadata("/proc/self")?.gid();
    /// # assert!(here.peer().gid().is_none_or(|group| group == mine));
    /// # assert!(!may_see || mine == VIDEO);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn gid(&self) -> Option<u32> {
        self.identity.0.map(|it| it.gid).filter(|&gid| !may_be_anybody("gid", gid))
    }

    /// A descriptor of the process (pidfd_open(2)): it becomes readable when the process has ended,
    /// and is never another's.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Address, Config, Connection, Kind, Listener};
    ///
    /// # let path = std::env::temp_dir().join(format!("crossing-pidfd-{}", std::process::id()));
    /// let address = Address::at_path(Kind::Unix, path)?;
    /// let listener = Listener::bind(&address)?;
    /// # let client = std::thread::spawn(move || Connection::dial(&address, &Config::default()));
    /// let server = listener.accept()?.connect(&Config::default())?;
    /// let peer = server.peer();
    /// if let Some(pidfd) = peer.pidfd() {
    ///     // For poll(2) beside other descriptors, or pidfd_send_signal(2).
    ///     println!("{pidfd:?}");
    /// }
    /// # client.join().expect("no panic")?;
    /// # Ok::<(), crossing::ConnectError>(())
    /// ```
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// What the process is doing now. Only a process of which there is a [pidfd](Peer::pidfd) is
    /// looked at, since a number alone may be another's.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Connection, Kind, PeerState};
    ///
    /// let (here, _there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// // A timeout alone does not tell why there was no answer.
    /// match here.peer().state() {
    ///     PeerState::Stopped => println!("it is stopped: wait, or kill it"),
    ///     PeerState::Running => println!("it is busy"),
    ///     PeerState::Ended => println!("what it had sent can still be received"),
    ///     _ => println!("on this mechanism only its silence tells"),
    /// }
    /// # Ok::<(), crossing::ConnectError>(())
    /// ```
    pub fn state(&self) -> PeerState {
        let (Some(pidfd), Some(pid)) = (&self.pidfd, self.pid()) else { return PeerState::Unknown };
        if has_ended(pidfd) {
            return PeerState::Ended;
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
        let letter = stat.ok().and_then(|stat| stat.rsplit_once(") ")?.1.chars().next());
        match letter {
            // By now the number may be another's: only one whose process lives is believed.
            _ if has_ended(pidfd) => PeerState::Ended,
            // See proc_pid_stat(5).
            Some('T' | 't') => PeerState::Stopped,
            Some('Z' | 'X' | 'x') => PeerState::Ended,
            Some(_) if pid_of(pidfd) == Some(pid) => PeerState::Running,
            _ => PeerState::Unknown,
        }
    }

    /// The peer with this `identity`. It met at the other end of `socket`, if there is one; `sent`
    /// is a pidfd that came from it.
    pub(crate) fn new(
        identity: Identity,
        socket: Option<BorrowedFd<'_>>,
        sent: Option<BorrowedFd<'_>>,
    ) -> Peer {
        let peer = Peer { identity, pidfd: None };
        let is_its = |fd: &OwnedFd| peer.pid().is_some() && pid_of(fd) == peer.pid();
        let of_socket = || crate::sys::peer_pidfd(socket?).and_then(above_stdio).ok();
        let of_handshake = || rustix::io::fcntl_dupfd_cloexec(sent?, crate::descriptor::FIRST_FREE).ok();
        let pidfd = of_socket().filter(is_its).or_else(|| of_handshake().filter(is_its));
        Peer { pidfd, ..peer }
    }
}

/// Which process the peer is, as its socket tells. Empty where nothing is told.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Identity(pub(crate) Option<Credentials>);

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(Credentials { pid, uid, .. }) => write!(f, "process {pid} of user {uid}"),
            None => f.write_str("a process of which nothing is told"),
        }
    }
}

impl Identity {
    /// That of the process which has connected to this end, or began to listen at the other. Of
    /// what is no Unix socket nothing is known.
    pub(crate) fn of_socket(socket: impl AsFd) -> Result<Identity, Errno> {
        let family = rustix::net::sockopt::socket_domain(&socket)?;
        let told = || crate::sys::peer_credentials(socket.as_fd());
        (family == rustix::net::AddressFamily::UNIX).then(told).transpose().map(Identity)
    }
}

fn has_ended(pidfd: &OwnedFd) -> bool {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&at_once)) == Ok(1)
}

/// The number of the process behind a pidfd, as /proc has it.
fn pid_of(pidfd: &OwnedFd) -> Option<u32> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).ok()?;
    info.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok()
}

/// Whether this number, of a user (`uid`) or a group (`gid`), is the one under which those are
/// shown that have none in this process's user namespace. See user_namespaces(7).
pub(crate) fn may_be_anybody(what: &str, number: u32) -> bool {
    let overflow = fs::read_to_string(format!("/proc/sys/kernel/overflow{what}"));
    let overflow = overflow.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(65534);
    let map = || fs::read_to_string(format!("/proc/self/{what}_map")).unwrap_or_default();
    number == overflow && !has_every_number(&map())
}

/// Whether a namespace with this /proc/PID/uid_map has a number for every user, so that none needs
/// the overflow number.
fn has_every_number(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use rustix::process::{PidfdFlags, pidfd_open};

    use super::*;

    #[test]
    fn a_number_that_stands_for_many_is_of_none() {
        assert!(has_every_number("         0          0 4294967295\n"));
        for map in ["", "0 1000 1\n", "0 0 65536\n", "0 0 1\n1 1 4294967294\n"] {
            assert!(!has_every_number(map), "{map}");
        }
    }

    #[test]
    fn a_pidfd_counts_only_for_the_process_that_the_kernel_names() {
        let me = crate::sys::own_pid().unwrap();
        let parent = rustix::process::getppid().unwrap();
        let of = |pid| pidfd_open(pid, PidfdFlags::empty()).unwrap();
        let identity = Identity(Some(Credentials { pid: me.as_raw_nonzero().get(), uid: 0, gid: 0 }));
        let mine = of(me);
        assert!(Peer::new(identity, None, Some(mine.as_fd())).pidfd().is_some());
        assert_eq!(Peer::new(identity, None, Some(mine.as_fd())).state(), PeerState::Running);
        assert!(Peer::new(identity, None, Some(of(parent).as_fd())).pidfd().is_none());
        let file = fs::File::open("/dev/null").unwrap();
        assert!(Peer::new(identity, None, Some(file.as_fd())).pidfd().is_none());
        let nothing = Peer::new(Identity(None), None, Some(mine.as_fd()));
        assert!(nothing.pidfd().is_none() && nothing.pid().is_none() && nothing.uid().is_none());
        assert_eq!(nothing.state(), PeerState::Unknown);
    }
}
