//! A folder of ours alone, for the moment in which two ends meet at a path in it.
//!
//! A socket's path has room for 107 bytes (unix(7), `sun_path`), and a job's `TMPDIR` may be longer, missing or closed. The first
//! place that serves is taken.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The most bytes of a socket's path: `sun_path` holds 108, and the last is a zero.
const LONGEST: usize = 107;

/// How many names are tried in one place. A program that takes more of them away does not keep the lab busy.
const TRIES: usize = 100;

/// Where there is room for such a folder on nearly every machine, in short.
const USUAL: [&str; 4] = ["/tmp", "/dev/shm", "/var/tmp", "/run"];

/// The folder, which is gone when this value is.
pub(super) struct Meeting(PathBuf);

impl Meeting {
    /// A folder in the first place that serves: the person's own, then those of the machine.
    ///
    /// # Errors
    /// What the first place said that was tried, or that there is none.
    pub(super) fn create() -> io::Result<Meeting> {
        let own = [std::env::var_os("XDG_RUNTIME_DIR"), std::env::var_os("TMPDIR")];
        let own = own.into_iter().flatten().map(PathBuf::from);
        Meeting::create_in(own.chain(USUAL.map(PathBuf::from)))
    }

    fn create_in(places: impl Iterator<Item = PathBuf>) -> io::Result<Meeting> {
        let mut refused = None;
        for place in places {
            match Meeting::at(&place) {
                Ok(meeting) => return Ok(meeting),
                Err(error) => drop(refused.get_or_insert(error)),
            }
        }
        Err(refused.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
    }

    fn at(place: &Path) -> io::Result<Meeting> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // A path of an order is text, and one that is not absolute means something else to another process.
        if !place.is_absolute() || place.to_str().is_none() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        for _ in 0..TRIES {
            let next = NEXT.fetch_add(1, Ordering::Relaxed);
            let folder = place.join(format!("ipcscope-{}-{next}", std::process::id()));
            if socket_in(&folder).as_os_str().len() > LONGEST {
                return Err(io::ErrorKind::InvalidFilename.into());
            }
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => return Ok(Meeting(folder)),
                // Left by a process of the same pid, perhaps another user's.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Where the two ends meet.
    pub(super) fn socket(&self) -> String {
        socket_in(&self.0).to_string_lossy().into_owned()
    }
}

fn socket_in(folder: &Path) -> PathBuf {
    folder.join("ipc.sock")
}

impl Drop for Meeting {
    fn drop(&mut self) {
        // What cannot be removed is an empty folder of ours in a place for such things.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_place_that_is_too_long_closed_or_strange_gives_way_to_the_next() {
        use std::os::unix::ffi::OsStringExt;
        let base = std::env::temp_dir().join(format!("ipcscope-meeting-{}", std::process::id()));
        let (long, file) = (base.join("x".repeat(90)), base.join("file"));
        fs::create_dir_all(&long).unwrap();
        fs::write(&file, "").unwrap();
        let strange = std::ffi::OsString::from_vec(b"/tmp/\xff".to_vec());
        let places =
            [PathBuf::new(), "tmp".into(), strange.into(), base.join("missing"), file, long, base.clone()];
        let meeting = Meeting::create_in(places.into_iter()).unwrap();
        assert!(meeting.socket().starts_with(base.to_str().unwrap()) && meeting.socket().len() <= LONGEST);
        UnixListener::bind(meeting.socket()).unwrap();
        let folder = meeting.0.clone();
        drop(meeting);
        assert!(!folder.exists() && Meeting::create_in([base.join("missing")].into_iter()).is_err());
        fs::remove_dir_all(&base).unwrap();
    }
}
