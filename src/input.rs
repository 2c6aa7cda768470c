//! Input: a file, or a stream that can be read once, from a pipe or from stdin (`-`).
//!
//! It is read once, in one place, up to a limit; a device or an endless pipe ends there. The bytes
//! are then text ([`lab::text`]), in whichever encoding they were saved.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

/// A report or a trace longer than this was not written by us: 64 MiB.
pub(crate) const LIMIT_BYTES: u64 = 64 << 20;

/// How long a named pipe may be without a writer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The kind of file system on which unnamed pipes are (magic.h).
const PIPEFS: i64 = 0x5049_5045;

/// The text that was typed as `path`: that of a file, of a pipe such as `<(…)`, or of stdin.
///
/// # Errors
///
/// The fault; [`io::ErrorKind::NotFound`] when there is nothing.
pub(crate) fn text(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let bytes = bytes(path, limit)?;
    let plain = lab::text::plain(&bytes).map_err(refusal)?;
    let mark = bytes.len() - plain.len();
    Ok(if mark == 0 { bytes } else { bytes[mark..].to_vec() })
}

/// Whether the two are one thing that can be read only once.
pub(crate) fn is_one_stream(a: &Path, b: &Path) -> bool {
    identity(a).is_some_and(|of_a| identity(b) == Some(of_a))
}

/// A whole file that is one, unless it is longer than `limit`.
pub(crate) fn file(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let kind = fs::metadata(path)?.file_type();
    if !kind.is_file() {
        return Err(refusal(format!("it is not a file but {}", named(kind))));
    }
    all(&File::open(path)?, limit)
}

fn bytes(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if is_stdin(path) {
        return all(&io::stdin(), limit);
    }
    let kind = fs::metadata(path)?.file_type();
    if kind.is_fifo() { pipe(path, limit) } else { file(path, limit) }
}

fn is_stdin(path: &Path) -> bool {
    ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].iter().any(|name| path == Path::new(name))
}

/// The identity of a stream, equal for two names of it; `None` for a file, which can be read again.
fn identity(path: &Path) -> Option<(u64, u64)> {
    if is_stdin(path) {
        let facts = rustix::fs::fstat(io::stdin()).ok()?;
        return Some((facts.st_dev, facts.st_ino));
    }
    let facts = fs::metadata(path).ok()?;
    facts.file_type().is_fifo().then(|| (facts.dev(), facts.ino()))
}

/// Reads a pipe until its last writer has closed it. A named one may get its writer later.
fn pipe(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let pipe = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
    let has_name = rustix::fs::fstatfs(&pipe)?.f_type as i64 != PIPEFS;
    whole(WaitingReader { from: &pipe, writer_by: has_name.then(|| Instant::now() + PATIENCE) }, limit)
}

fn all(from: &impl AsFd, limit: u64) -> io::Result<Vec<u8>> {
    whole(WaitingReader { from, writer_by: None }, limit)
}

/// Everything that there is to read.
fn whole(from: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(refusal(format!("it is longer than {} MiB", limit >> 20)));
    }
    Ok(bytes)
}

/// A reader that waits for more, even if another program has made the file non-blocking.
struct WaitingReader<'a, T> {
    from: &'a T,
    /// Until when a named pipe may be without a writer; `None` once there was one. Without it an empty pipe has ended.
    writer_by: Option<Instant>,
}

impl<T: AsFd> Read for WaitingReader<'_, T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match (rustix::io::read(self.from, &mut *into), self.writer_by) {
                (Err(Errno::INTR), _) => {}
                (Err(Errno::AGAIN), _) => {
                    self.writer_by = None;
                    self.wait(None)?;
                }
                (Err(Errno::ISDIR), _) => return Err(refusal("it is not a file but a directory".into())),
                (Ok(0), Some(by)) => {
                    let left = by.saturating_duration_since(Instant::now());
                    let left =
                        Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
                    let ready = self.wait(Some(&left))?;
                    if ready.is_empty() {
                        let seconds = PATIENCE.as_secs();
                        return Err(refusal(format!(
                            "nothing has been written to this pipe for {seconds} s"
                        )));
                    }
                    self.writer_by = None;
                }
                (read, _) => {
                    self.writer_by = None;
                    return Ok(read?);
                }
            }
        }
    }
}

impl<T: AsFd> WaitingReader<'_, T> {
    /// Waits until there is something to read, or an end.
    fn wait(&self, at_most: Option<&Timespec>) -> io::Result<PollFlags> {
        loop {
            let mut fds = [PollFd::new(self.from, PollFlags::IN)];
            match poll(&mut fds, at_most) {
                Ok(_) => return Ok(fds[0].revents()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn named(kind: FileType) -> &'static str {
    match () {
        () if kind.is_dir() => "a directory",
        () if kind.is_char_device() => "a device",
        () if kind.is_block_device() => "a disk",
        () if kind.is_socket() => "a socket",
        () if kind.is_fifo() => "a pipe",
        () => "something else",
    }
}

fn refusal(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// What the build has packed into the program.
pub(crate) fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut bytes).expect("the build packed it");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use tempfile::tempdir;

    fn named_pipe(folder: &tempfile::TempDir) -> std::path::PathBuf {
        let path = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        path
    }

    #[test]
    fn a_named_pipe_may_get_its_writer_later_and_its_text_in_parts() {
        let folder = tempdir().unwrap();
        let path = named_pipe(&folder);
        let other = path.clone();
        let reader = std::thread::spawn(move || text(&other, 1_000));
        let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
        writer.write_all(b"\xef\xbb\xbfone ").unwrap();
        std::thread::yield_now();
        writer.write_all(b"two").unwrap();
        drop(writer);
        assert_eq!(reader.join().unwrap().unwrap(), b"one two");
        assert!(is_one_stream(&path, &path));
    }

    #[test]
    fn a_pipe_that_never_ends_is_read_up_to_the_limit() {
        let folder = tempdir().unwrap();
        let path = named_pipe(&folder);
        let other = path.clone();
        let reader = std::thread::spawn(move || text(&other, 1_000).unwrap_err().to_string());
        let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
        while writer.write_all(&[b' '; 500]).is_ok() {}
        assert_eq!(reader.join().unwrap(), "it is longer than 0 MiB");
    }

    #[test]
    fn a_file_is_no_stream_and_what_is_none_is_named() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "text").unwrap();
        assert!(!is_one_stream(&path, &path));
        assert_eq!(text(&path, 4).unwrap(), b"text");
        assert!(text(&path, 3).unwrap_err().to_string().contains("longer"));
        assert!(text(folder.path(), 9).unwrap_err().to_string().contains("a directory"));
        assert!(text(Path::new("/dev/zero"), 9).unwrap_err().to_string().contains("a device"));
        assert_eq!(text(&folder.path().join("none"), 9).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
