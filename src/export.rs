//! Files that appear whole or not at all, wherever the file system allows it.
//!
//! A place is checked before the race, so that an hour of measuring is not lost to a typing mistake. The bytes go to a file beside the
//! place, which then takes its name in one step; nothing half-written is ever seen or left behind. Where a name cannot be taken (a file
//! that is mounted into a container, a folder that belongs to another user, a file with several names) the file that is there is
//! written in place.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use tempfile::NamedTempFile;

use crate::outcome::{self, Failure};

/// How long a named pipe may be without a reader, and a reader without reading.
const PATIENCE: Duration = Duration::from_secs(30);

/// The mode of a new file of the person's own; the umask takes from it.
const OF_THE_PERSON: u32 = 0o666;

/// Where an export goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ExportTarget {
    /// `-`, or any other name of stdout.
    Stdout,
    /// A file that is replaced in one step, or written in place where that cannot be.
    File(PathBuf),
    /// Something that can only be written to: a device, a named pipe, a descriptor.
    Stream(PathBuf),
}

impl ExportTarget {
    /// Checks that `path` can be written, without leaving anything there.
    ///
    /// # Errors
    ///
    /// A sentence that names the path and what is wrong with it.
    pub(crate) fn check(path: &Path) -> Result<ExportTarget, Failure> {
        if ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name)) {
            return Ok(ExportTarget::Stdout);
        }
        ExportTarget::look(path).map_err(|error| refusal(path, &error))
    }

    fn look(path: &Path) -> io::Result<ExportTarget> {
        let facts = match fs::metadata(path) {
            Ok(facts) => facts,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let path = followed(path)?;
                beside(&path, OF_THE_PERSON)?;
                return Ok(ExportTarget::File(path));
            }
            Err(error) => return Err(error),
        };
        let kind = facts.file_type();
        if kind.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if kind.is_block_device() {
            return Err(io::Error::other("it is a disk, not a file"));
        }
        if is_stdout(&facts) {
            return Ok(ExportTarget::Stdout);
        }
        // A named pipe may get its reader later. Whatever else there is says now whether it can be written.
        if !kind.is_fifo() {
            open_for_writing(path)?;
        }
        // The file behind a descriptor keeps its place: its other users go on with it.
        let is_descriptor = ["/dev/fd", "/dev/stderr", "/proc"].iter().any(|folder| path.starts_with(folder));
        if kind.is_file() && !is_descriptor {
            Ok(ExportTarget::File(path.canonicalize()?))
        } else {
            Ok(ExportTarget::Stream(path.to_owned()))
        }
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    ///
    /// As [`outcome::print`] for stdout; else a sentence that names the path.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            ExportTarget::Stdout => outcome::print(bytes),
            ExportTarget::File(path) => replace(path, bytes).map_err(|error| refusal(path, &error)),
            ExportTarget::Stream(path) => stream(path, bytes).map_err(|error| refusal(path, &error)),
        }
    }
}

fn refusal(path: &Path, error: &io::Error) -> Failure {
    Failure::told(format_args!("cannot write {}: {error}", path.display()))
}

/// Where a file that is not there yet comes to be: through links, so that the link stays and leads to the file.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..40 {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let whole = folder.canonicalize()?.join(name);
        match fs::read_link(&whole) {
            Ok(to) => path = whole.with_file_name("").join(to),
            Err(_) => return Ok(whole),
        }
    }
    Err(rustix::io::Errno::LOOP.into())
}

/// Whether this is what stdout writes to: a file or a pipe, under another name. Two writers of one file would write over each other.
fn is_stdout(facts: &Metadata) -> bool {
    let kind = facts.file_type();
    let stdout = rustix::fs::fstat(io::stdout());
    !kind.is_char_device()
        && stdout.is_ok_and(|stdout| (stdout.st_dev, stdout.st_ino) == (facts.dev(), facts.ino()))
}

/// Opens what is there, without waiting for a reader.
fn open_for_writing(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new().write(true).custom_flags(flags.bits() as i32).open(path)
}

/// Puts a file with `bytes` in the place of `path`.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let facts = fs::metadata(path).ok();
    if facts.as_ref().is_some_and(|facts| !is_ours_alone(facts)) {
        return in_place(path, bytes);
    }
    let mode = facts.as_ref().map_or(OF_THE_PERSON, |facts| facts.permissions().mode() & 0o777);
    match take_name(path, bytes, facts.map(|facts| facts.permissions()), mode) {
        Err(error) if keeps_its_name(&error) && path.exists() => in_place(path, bytes),
        done => done,
    }
}

/// Whether a file could be written, but not replaced: something is mounted on it, or its folder is another's.
fn keeps_its_name(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let reasons = [
        Errno::BUSY,
        Errno::XDEV,
        Errno::PERM,
        Errno::ACCESS,
        Errno::ROFS,
        Errno::NAMETOOLONG,
        Errno::OPNOTSUPP,
        Errno::INVAL,
        Errno::TXTBSY,
    ];
    reasons.iter().any(|reason| error.raw_os_error() == Some(reason.raw_os_error()))
}

/// Whether a new file in its place would look the same to every program: it has one name, and this
/// user owns it.
fn is_ours_alone(facts: &Metadata) -> bool {
    facts.nlink() == 1 && facts.uid() == rustix::process::geteuid().as_raw()
}

/// Writes a file beside `path`, which then takes its name.
fn take_name(path: &Path, bytes: &[u8], permissions: Option<Permissions>, mode: u32) -> io::Result<()> {
    let beside = beside(path, mode)?;
    beside.as_file().write_all(bytes)?;
    if let Some(permissions) = permissions {
        beside.as_file().set_permissions(permissions)?;
    }
    // A disk may only now find out that it is full.
    beside.as_file().sync_all()?;
    beside.persist(path)?;
    Ok(())
}

/// Writes over the file that is there. A disk that is full loses what was in it; where this is needed there is no other way.
fn in_place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).truncate(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Writes to what takes bytes one after the other, for as long as it takes any.
fn stream(path: &Path, mut bytes: &[u8]) -> io::Result<()> {
    let mut to = opened(path)?;
    if to.metadata()?.is_file() {
        to.set_len(0)?;
    }
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_for_room(&to)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Opens a stream. A named pipe that has no reader yet is given time for one.
fn opened(path: &Path) -> io::Result<File> {
    let began = Instant::now();
    loop {
        match open_for_writing(path) {
            Err(error)
                if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error())
                    && fs::metadata(path)?.file_type().is_fifo() =>
            {
                if began.elapsed() > PATIENCE {
                    return Err(io::Error::other(format!(
                        "it has had no reader for {} s",
                        PATIENCE.as_secs()
                    )));
                }
                crossing::pause(Duration::from_millis(20));
            }
            opened => return opened,
        }
    }
}

fn wait_for_room(to: &impl AsFd) -> io::Result<()> {
    let patience = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
    match poll(&mut [PollFd::new(to, PollFlags::OUT)], Some(&patience)) {
        Ok(0) => Err(io::Error::other(format!("its reader has taken nothing for {} s", PATIENCE.as_secs()))),
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Puts a file with `bytes` and this mode at `path`, where there must be none yet.
pub(crate) fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let beside = beside(path, mode)?;
    beside.as_file().write_all(bytes)?;
    beside.as_file().sync_all()?;
    match beside.persist_noclobber(path).map_err(|refused| refused.error) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            // Some file systems can neither rename without replacing nor give a file a second name.
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
            let written = file.write_all(bytes).and_then(|()| file.sync_all());
            written.inspect_err(|_| drop(fs::remove_file(path)))
        }
        kept => kept.map(drop),
    }
}

/// A new file beside `path`, gone with its value unless it takes a name. Its mode is never wider than `mode`, not for a moment.
///
/// It is opened here and written through [`NamedTempFile::as_file`]: the errors of tempfile's own calls have lost the
/// kernel's number, and name the hidden file.
fn beside(path: &Path, mode: u32) -> io::Result<NamedTempFile> {
    if path.file_name().is_none() {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new()
        .prefix(".ipcscope-")
        .suffix(".part")
        .make_in(folder, |path| OpenOptions::new().write(true).create_new(true).mode(mode).open(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::{TempDir, tempdir};

    fn names(folder: &TempDir) -> Vec<std::ffi::OsString> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_check_leaves_nothing() {
        let folder = tempdir().unwrap();
        ExportTarget::check(&folder.path().join("a.json")).unwrap();
        assert!(names(&folder).is_empty());
    }

    #[test]
    fn the_file_is_whole_and_alone() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(&path, "something longer than the new content").unwrap();
        ExportTarget::check(&path).unwrap().write(b"{}").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"{}");
        assert_eq!(names(&folder), ["a.json"]);
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempdir().unwrap();
        fs::write(folder.path().join("real"), "old").unwrap();
        std::os::unix::fs::symlink("real", folder.path().join("link")).unwrap();
        ExportTarget::check(&folder.path().join("link")).unwrap().write(b"new").unwrap();
        assert!(fs::symlink_metadata(folder.path().join("link")).unwrap().is_symlink());
        assert_eq!(fs::read(folder.path().join("real")).unwrap(), b"new");
    }

    #[test]
    fn a_full_device_is_told_and_stays_a_device() {
        let full = Path::new("/dev/full");
        let place = ExportTarget::check(full).unwrap();
        assert!(place.write(b"x").is_err());
        assert!(!fs::metadata(full).unwrap().is_file());
    }

    #[test]
    fn a_link_that_leads_nowhere_yet_stays_a_link() {
        let folder = tempdir().unwrap();
        std::os::unix::fs::symlink("real", folder.path().join("link")).unwrap();
        ExportTarget::check(&folder.path().join("link")).unwrap().write(b"new").unwrap();
        assert!(fs::symlink_metadata(folder.path().join("link")).unwrap().is_symlink());
        assert_eq!(fs::read(folder.path().join("real")).unwrap(), b"new");
        assert_eq!(
            ExportTarget::check(&folder.path().join("link")),
            ExportTarget::check(&folder.path().join("./real")),
            "one file"
        );
        std::os::unix::fs::symlink("round", folder.path().join("round")).unwrap();
        assert!(ExportTarget::check(&folder.path().join("round")).is_err());
    }

    #[test]
    fn a_file_with_two_names_is_written_in_place() {
        let folder = tempdir().unwrap();
        fs::write(folder.path().join("a"), "something longer than the new content").unwrap();
        fs::hard_link(folder.path().join("a"), folder.path().join("b")).unwrap();
        ExportTarget::check(&folder.path().join("a")).unwrap().write(b"new").unwrap();
        assert_eq!(fs::read(folder.path().join("b")).unwrap(), b"new");
        assert_eq!(names(&folder), ["a", "b"]);
    }

    #[test]
    fn the_person_s_modes_are_kept() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "old").unwrap();
        for mode in [0o600, 0o644, 0o666] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            replace(&path, b"new").unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        }
        let fresh = folder.path().join("fresh");
        replace(&fresh, b"new").unwrap();
        fs::write(folder.path().join("plain"), "").unwrap();
        let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode("fresh"), mode("plain"), "what the umask leaves");
        create(&folder.path().join("kept"), b"", 0o600).unwrap();
        assert_eq!(mode("kept") & 0o777, 0o600);
    }

    #[test]
    fn a_named_pipe_may_get_its_reader_later() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let place = ExportTarget::check(&path).unwrap();
        assert_eq!(place, ExportTarget::Stream(path.clone()));
        let reader = std::thread::spawn(move || fs::read(path));
        let bytes = vec![7; 1 << 20];
        place.write(&bytes).unwrap();
        assert!(reader.join().unwrap().unwrap() == bytes);
    }

    #[test]
    fn folders_and_missing_folders_are_refused() {
        let folder = tempdir().unwrap();
        assert!(ExportTarget::check(folder.path()).is_err());
        assert!(ExportTarget::check(&folder.path().join("missing/a.json")).is_err());
        assert!(ExportTarget::check(Path::new("")).is_err());
    }
}
