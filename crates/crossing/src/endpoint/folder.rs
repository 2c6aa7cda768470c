//! The folder of a socket file: what stands there, and the lock under which that changes.
//!
//! The name of a socket outlives its server. Taking it over is three steps: look, remove, bind.
//! Another process that does the same at the same moment could find its new socket removed by the
//! second step of the first. So each listener holds the lock of the folder meanwhile (flock(2)),
//! one that removes alone, and one that only binds together with others: its socket refuses
//! connections from bind(2) to listen(2), and must not be taken for one that was left.
//!
//! The lock belongs to an open folder and not to a process: it also keeps two threads apart, and
//! the kernel drops it when its holder dies. A folder that may not be read cannot be locked. Every
//! user that may read it can hold its lock, so no wait for it is unlimited.
//!
//! # References
//! flock(2), unix(7).

use std::ffi::OsString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat, flock, statat, unlinkat};
use rustix::io::Errno;

use super::address::Address;
use super::dial::{connect_local, local_socket};
use crate::deadline::{self, Pauses};
use crate::error::ConnectError;

/// How long a listener that removes a file waits for the lock.
const ALONE: Duration = Duration::from_secs(2);
/// How long one that only binds does, before it goes on without.
const TOGETHER: Duration = Duration::from_millis(200);

/// The folder of a socket file, held open.
pub(super) struct Folder {
    fd: OwnedFd,
    name: OsString,
}

/// The lock of a folder. Dropping it unlocks, also where a forked child has a copy of the
/// descriptor.
pub(super) struct FolderLock<'a>(&'a Folder);

impl Drop for FolderLock<'_> {
    fn drop(&mut self) {
        // Fails on no descriptor that was locked.
        let _ = flock(&self.0.fd, FlockOperation::Unlock);
    }
}

/// What stands at a path.
#[derive(Debug, PartialEq, Eq)]
enum There {
    Nothing,
    /// A socket of this user at which no process listens: device and inode.
    Left(u64, u64),
    /// What must stay, as a clause.
    Stays(String),
}

impl Folder {
    /// The folder of an absolute path.
    pub(super) fn of(path: &Path) -> Result<Folder, Errno> {
        let (folder, name) = path.parent().zip(path.file_name()).ok_or(Errno::ISDIR)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(folder, flags, Mode::empty())?;
        Ok(Folder { fd, name: name.into() })
    }

    fn lock(&self, how: FlockOperation, until: Instant) -> Result<FolderLock<'_>, Errno> {
        let mut pauses = Pauses::new();
        loop {
            match flock(&self.fd, how) {
                Ok(()) => return Ok(FolderLock(self)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => pauses.pause(Some(until)).map_err(|_| Errno::AGAIN)?,
                Err(errno) => return Err(errno),
            }
        }
    }

    /// The lock, for one that binds. `None` where there is none to be had.
    pub(super) fn lock_together(&self) -> Option<FolderLock<'_>> {
        self.lock(FlockOperation::NonBlockingLockShared, deadline::after(TOGETHER)).ok()
    }

    /// Locks the folder, and removes the socket that a server has left at `address`, which leads
    /// into this folder.
    pub(super) fn clear(&self, address: &Address) -> Result<FolderLock<'_>, ConnectError> {
        let failed = |why: &str, errno| ConnectError::io(format!("listen at {address}{why}"))(errno);
        let until = deadline::after(ALONE);
        let locked =
            self.lock(FlockOperation::NonBlockingLockExclusive, until).map_err(|errno| match errno {
                Errno::AGAIN => failed(": another process holds the lock of its folder", errno),
                errno => failed(": its folder cannot be locked (flock), so nothing there is removed", errno),
            })?;
        match self.look(address)? {
            There::Nothing => {}
            There::Stays(what) => return Err(failed(&format!(": {what}"), Errno::ADDRINUSE)),
            There::Left(device, inode) => {
                let now = self.stat().map_err(|errno| failed("", errno))?;
                if (now.st_dev, now.st_ino) != (device, inode) {
                    return Err(failed(": another file has come there meanwhile", Errno::ADDRINUSE));
                }
                unlinkat(&self.fd, &self.name, AtFlags::empty())
                    .map_err(|errno| failed(": the socket that was left there cannot be removed", errno))?;
            }
        }
        Ok(locked)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        statat(&self.fd, &self.name, AtFlags::SYMLINK_NOFOLLOW)
    }

    fn look(&self, address: &Address) -> Result<There, ConnectError> {
        let stays = |what: &str| Ok(There::Stays(what.to_owned()));
        let stat = match self.stat() {
            Err(Errno::NOENT) => return Ok(There::Nothing),
            stat => stat.map_err(ConnectError::io(format!("look at what stands at {address}")))?,
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Socket => {}
            FileType::Symlink => return stays("a symbolic link is there, and is never taken over"),
            FileType::Directory => return stays("a directory is there"),
            _ => return stays("a file that is no socket is there"),
        }
        let me = crate::sys::own_user().map_err(ConnectError::io("ask for the user of this process"))?;
        if stat.st_uid != me {
            let owner = stat.st_uid;
            return stays(&format!("a socket of user {owner} is there, and this process is user {me}'s"));
        }
        match listens(address)? {
            Ok(()) => stays("a server listens there"),
            Err(Errno::CONNREFUSED) => Ok(There::Left(stat.st_dev, stat.st_ino)),
            Err(errno) => {
                let doing = format!("listen at {address}: ask whether a server is there");
                Err(ConnectError::io(doing)(errno))
            }
        }
    }
}

/// Whether a server listens at an address: what the kernel says to one that connects. A full queue
/// and a socket of another type are servers, too.
pub(super) fn listens(address: &Address) -> Result<Result<(), Errno>, ConnectError> {
    let socket = local_socket(address.kind().meets_at())?;
    // The deadline has come already: nothing is waited for.
    Ok(match connect_local(&socket, &address.socket_name()?, Instant::now()) {
        Ok(Err(Errno::PROTOTYPE)) | Err(ConnectError::Timeout) => Ok(()),
        outcome => outcome?,
    })
}

/// Gives a socket file that this process has just bound the mode that it asked for. Its umask, and
/// what the folder prescribes, may have left fewer bits.
pub(super) fn set_mode(path: &Path, made: (u64, u64), mode: Mode) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    if (stat.st_dev, stat.st_ino) != made || FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
        return Err(Errno::STALE);
    }
    // The very file, whatever its name leads to by now.
    rustix::fs::chmod(format!("/proc/self/fd/{}", file.as_raw_fd()), mode)
}
