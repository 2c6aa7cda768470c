//! Activation: a service manager listens for a server, and starts it with the sockets.
//!
//! The manager leaves the sockets open from number 3 on, and says so in the environment:
//! `LISTEN_FDS` is how many there are, `LISTEN_PID` which process they are for, `LISTEN_FDNAMES`
//! what each is called. An environment is inherited further than descriptors are, so the pid is
//! held against this process's, and a descriptor that was not left open by exec(2) is not touched:
//! it was opened later, by another part of this program.
//!
//! # References
//! sd_listen_fds(3), systemd.socket(5).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::FdFlags;

use crate::error::ConnectError;

/// The number of the first.
const FIRST: RawFd = 3;
/// What one is called for which the manager has no name.
const UNNAMED: &str = "unknown";

/// A socket that this process was started with: see
/// [`Listener::activated`](crate::Listener::activated).
///
/// It becomes a listener by [`Listener::from_fd`](crate::Listener::from_fd). A manager may also
/// hand over a connected socket (`Accept=yes`), which is for
/// [`Endpoint::from_fd`](crate::Endpoint::from_fd).
///
/// # Examples
/// ```
/// use std::os::fd::OwnedFd;
/// use crossing::{ConnectError, Kind, Listener};
///
/// /// One listener for each socket of the unit, by the name that it has there.
/// fn listeners() -> Result<Vec<(String, Listener)>, ConnectError> {
///     let mut listeners = Vec::new();
///     for socket in Listener::activated()? {
///         let kind = if socket.name() == "frames" { Kind::Shm } else { Kind::Unix };
///         let name = socket.name().to_owned();
///         listeners.push((name, Listener::from_fd(kind, OwnedFd::from(socket))?));
///     }
///     Ok(listeners)
/// }
/// // No service manager has started this process.
/// assert!(listeners()?.is_empty());
/// # Ok::<(), ConnectError>(())
/// ```
#[derive(Debug)]
pub struct Activated {
    name: String,
    fd: OwnedFd,
}

impl Activated {
    /// What the manager calls it (`FileDescriptorName=`), `unknown` if it has not said.
    ///
    /// # Examples
    /// ```
    /// use crossing::Listener;
    ///
    /// // FileDescriptorName=frames stands in the unit of one of the sockets.
    /// let frames = Listener::activated()?.into_iter().find(|socket| socket.name() == "frames");
    /// assert!(frames.is_none(), "no service manager has started this process");
    /// # Ok::<(), crossing::ConnectError>(())
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl AsFd for Activated {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Activated {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl From<Activated> for OwnedFd {
    fn from(activated: Activated) -> OwnedFd {
        activated.fd
    }
}

/// What the environment says.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub(super) pid: Option<String>,
    pub(super) count: Option<String>,
    pub(super) names: Option<String>,
}

impl Environment {
    pub(super) fn of_this_process() -> Environment {
        let read = |name| std::env::var(name).ok();
        Environment { pid: read("LISTEN_PID"), count: read("LISTEN_FDS"), names: read("LISTEN_FDNAMES") }
    }
}

/// Takes all that `environment` says to be for process `me`, if they were not `taken` yet. None
/// where there are none for it.
pub(super) fn take(
    environment: &Environment,
    me: u32,
    taken: &AtomicBool,
) -> Result<Vec<Activated>, ConnectError> {
    let refused = |why: String| Err(ConnectError::NotInherited(why));
    let Environment { pid: Some(pid), count: Some(count), names } = environment else {
        return Ok(Vec::new());
    };
    match pid.parse::<u32>() {
        Ok(pid) if pid == me => {}
        Ok(_) => return Ok(Vec::new()),
        Err(_) => return refused(format!("LISTEN_PID={} is no pid", pid.escape_debug())),
    }
    let Ok(count) = count.parse::<u16>() else {
        return refused(format!("LISTEN_FDS={} is no number from 0 to 65535", count.escape_debug()));
    };
    let numbers = FIRST..FIRST + RawFd::from(count);
    let names: Vec<&str> = match names {
        Some(names) if count > 0 => names.split(':').collect(),
        _ => vec![UNNAMED; count.into()],
    };
    if names.len() != usize::from(count) {
        return refused(format!("LISTEN_FDNAMES has {} names, and LISTEN_FDS is {count}", names.len()));
    }
    if taken.load(Ordering::Relaxed) {
        return refused("the sockets of LISTEN_FDS were taken already".into());
    }
    for number in numbers.clone() {
        match crate::sys::with_number(number, |fd| rustix::io::fcntl_getfd(fd)) {
            Ok(flags) if !flags.contains(FdFlags::CLOEXEC) => {}
            Ok(_) => {
                return refused(format!(
                    "descriptor {number} of LISTEN_FDS was opened by this process itself"
                ));
            }
            Err(_) => return refused(format!("descriptor {number} of LISTEN_FDS is not open")),
        }
    }
    // It publishes no data: the thread that sets the flag takes the descriptors.
    if taken.swap(true, Ordering::Relaxed) {
        return refused("the sockets of LISTEN_FDS were taken already".into());
    }
    let take = |(number, name): (RawFd, &str)| {
        let fd = crate::sys::take_inherited(number)
            .map_err(ConnectError::io(format!("take descriptor {number} of LISTEN_FDS")))?;
        Ok(Activated { name: name.to_owned(), fd })
    };
    numbers.zip(names).map(take).collect()
}
