//! Files that appear whole or not at all.
//!
//! A place is checked before the race, so that an hour of measuring is not lost to a typing mistake. The bytes go to a
//! file beside the place, which then takes its name in one step; nothing half-written is ever seen or left behind.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::outcome::{self, Failure};

/// Where an export goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// `-`.
    Stdout,
    /// A file that is replaced in one step.
    File(PathBuf),
    /// Something that can only be written to: a device, a named pipe.
    Stream(PathBuf),
}

impl Place {
    /// Checks that `path` can be written, without leaving anything there.
    ///
    /// # Errors
    ///
    /// A sentence that names the path and what is wrong with it.
    pub(crate) fn check(path: &Path) -> Result<Place, Failure> {
        if path == Path::new("-") {
            return Ok(Place::Stdout);
        }
        Place::look(path).map_err(|error| refusal(path, &error))
    }

    fn look(path: &Path) -> io::Result<Place> {
        // Through a link, so that the link stays and the file behind it is replaced.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        match fs::metadata(&path) {
            Ok(facts) if facts.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(facts) if !facts.is_file() => return Ok(Place::Stream(path)),
            Ok(_) => drop(OpenOptions::new().write(true).open(&path)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Beside::create(&path)?;
        Ok(Place::File(path))
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    ///
    /// As [`outcome::print`] for stdout; else a sentence that names the path.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Place::Stdout => outcome::print(bytes),
            Place::File(path) => replace(path, bytes).map_err(|error| refusal(path, &error)),
            Place::Stream(path) => OpenOptions::new()
                .write(true)
                .open(path)
                .and_then(|mut stream| stream.write_all(bytes))
                .map_err(|error| refusal(path, &error)),
        }
    }
}

fn refusal(path: &Path, error: &io::Error) -> Failure {
    Failure::told(format_args!("cannot write {}: {error}", path.display()))
}

/// Puts a file with `bytes` in the place of `path`.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = Beside::create(path)?;
    if let Ok(facts) = fs::metadata(path) {
        beside.file.set_permissions(facts.permissions())?;
    }
    beside.file.write_all(bytes)?;
    // A disk may only now find out that it is full.
    beside.file.sync_all()?;
    fs::rename(&beside.path, path)
}

/// Puts a file with `bytes` at `path`, where there must be none yet.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = Beside::create(path)?;
    beside.file.write_all(bytes)?;
    beside.file.sync_all()?;
    fs::hard_link(&beside.path, path)
}

/// A file that is gone when this value is, unless it took another name.
struct Beside {
    path: PathBuf,
    file: File,
}

impl Beside {
    fn create(path: &Path) -> io::Result<Beside> {
        if path.file_name().is_none() {
            return Err(io::ErrorKind::InvalidFilename.into());
        }
        let unlike_any = RandomState::new().build_hasher().finish();
        let path = path.with_file_name(format!(".ipcscope-{unlike_any:016x}.part"));
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok(Beside { path, file })
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A fresh folder that is gone afterwards.
    pub(crate) struct Folder(pub(crate) PathBuf);

    impl Folder {
        pub(crate) fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("ipcscope-export-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn names(&self) -> Vec<std::ffi::OsString> {
            let mut names: Vec<_> =
                fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_check_leaves_nothing() {
        let folder = Folder::new("check");
        Place::check(&folder.0.join("a.json")).unwrap();
        assert!(folder.names().is_empty());
    }

    #[test]
    fn the_file_is_whole_and_alone() {
        let folder = Folder::new("whole");
        let path = folder.0.join("a.json");
        fs::write(&path, "something longer than the new content").unwrap();
        Place::check(&path).unwrap().write(b"{}").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"{}");
        assert_eq!(folder.names(), ["a.json"]);
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = Folder::new("link");
        fs::write(folder.0.join("real"), "old").unwrap();
        std::os::unix::fs::symlink("real", folder.0.join("link")).unwrap();
        Place::check(&folder.0.join("link")).unwrap().write(b"new").unwrap();
        assert!(fs::symlink_metadata(folder.0.join("link")).unwrap().is_symlink());
        assert_eq!(fs::read(folder.0.join("real")).unwrap(), b"new");
    }

    #[test]
    fn a_full_device_is_told_and_stays_a_device() {
        let full = Path::new("/dev/full");
        let place = Place::check(full).unwrap();
        assert!(matches!(place.write(b"x"), Err(Failure::Told(_))));
        assert!(!fs::metadata(full).unwrap().is_file());
    }

    #[test]
    fn folders_and_missing_folders_are_refused() {
        let folder = Folder::new("refused");
        assert!(Place::check(&folder.0).is_err());
        assert!(Place::check(&folder.0.join("missing/a.json")).is_err());
        assert!(Place::check(Path::new("")).is_err());
    }
}
