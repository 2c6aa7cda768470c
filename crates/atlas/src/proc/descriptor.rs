//! The descriptors of a process by which it may be joined with others: /proc/PID/fd and /proc/PID/fdinfo.
//!
//! The link says what a descriptor is of, and the link's own rights say whether it may be read and written.

use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, FileType, OFlags, SealFlags, Statx, StatxFlags};
use rustix::io::{Errno, Result};

use super::file;

/// No more descriptors of a process are looked at.
const MOST: usize = 1 << 20;

/// MQUEUE_MAGIC of include/uapi/linux/magic.h.
const MESSAGE_QUEUES: u64 = 0x1980_0202;

/// Major numbers of Unix98 pseudo-terminals: Documentation/admin-guide/devices.txt.
const TERMINALS: std::ops::RangeInclusive<u32> = 136..=143;

/// A descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldDescriptor {
    pub(crate) fd: i32,
    pub(crate) object: HeldObject,
    pub(crate) reads: bool,
    pub(crate) writes: bool,
}

/// What a descriptor is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeldObject {
    /// A pipe, by its inode.
    Pipe(u64),
    /// A pipe with a name.
    Fifo { file: FileId, path: String },
    /// A socket, by its inode.
    Socket(u64),
    /// An eventfd, by its number, with its counter.
    Eventfd { id: u64, count: u64 },
    /// A memfd, or a file in /dev/shm. A sealed one is written by none of its descriptors.
    Memory { file: FileId, name: String, size_bytes: u64, sealed: bool },
    /// A POSIX message queue, with the bytes that are in it.
    Queue { file: FileId, name: String, queued_bytes: Option<u64> },
    /// The master of the pseudo-terminal with this number, in the file system of this device.
    Master { index: u32, device: Option<(u32, u32)> },
    /// A pseudo-terminal.
    Terminal { index: u32, device: (u32, u32) },
}

/// A file: its device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FileId {
    pub(crate) device: (u32, u32),
    pub(crate) inode: u64,
}

impl FileId {
    fn of(stat: &Statx) -> FileId {
        FileId { device: (stat.stx_dev_major, stat.stx_dev_minor), inode: stat.stx_ino }
    }
}

impl std::fmt::Display for FileId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let FileId { device: (major, minor), inode } = self;
        write!(f, "{major:02x}:{minor:02x}:{inode}")
    }
}

/// The descriptors of the process whose folder is `at`, and whether there were more than are looked at. One that is closed
/// meanwhile is left out.
pub(super) fn all(at: BorrowedFd<'_>) -> Result<(Vec<HeldDescriptor>, bool)> {
    let folder = file::folder(at, "fd")?;
    let mut numbers = file::numbers(folder.as_fd())?;
    numbers.sort_unstable();
    let cut = numbers.len() > MOST;
    numbers.truncate(MOST);
    let of = DescriptorFolder { process: at, folder: folder.as_fd() };
    let mut held = Vec::new();
    for fd in numbers {
        match of.one(fd) {
            // Root may list the descriptors of any process, and not always look at them.
            Err(error @ (Errno::ACCESS | Errno::PERM)) => return Err(error),
            one => held.extend(one.ok().flatten()),
        }
    }
    Ok((held, cut))
}

/// The folder of a process, and its `fd`.
struct DescriptorFolder<'a> {
    process: BorrowedFd<'a>,
    folder: BorrowedFd<'a>,
}

impl DescriptorFolder<'_> {
    /// One descriptor, if processes can be joined by what it is of.
    fn one(&self, fd: i32) -> Result<Option<HeldDescriptor>> {
        let mut name = [0_u8; 16];
        let name = text(&mut name, fd).ok_or(Errno::INVAL)?;
        let mut link = [0; 4096];
        let length = rustix::fs::readlinkat_raw(self.folder, name, &mut link)?;
        let Some(object) = self.object(name, &link[..length]) else { return Ok(None) };
        let rights = rustix::fs::statat(self.folder, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode;
        let (reads, writes) = (rights & 0o400 != 0, rights & 0o200 != 0);
        Ok(Some(HeldDescriptor { fd, object, reads, writes }))
    }

    /// What the link says that the descriptor is of, if processes can be joined by such a thing.
    fn object(&self, name: &str, link: &[u8]) -> Option<HeldObject> {
        if link.starts_with(b"pipe:[") {
            return number_in(link, "pipe:[").map(HeldObject::Pipe);
        }
        if link.starts_with(b"socket:[") {
            return number_in(link, "socket:[").map(HeldObject::Socket);
        }
        if link == b"anon_inode:[eventfd]" {
            return eventfd(&self.info(name)?);
        }
        // What begins otherwise is of another sort that has no file, such as an epoll.
        link.starts_with(b"/").then(|| self.file(name, link)).flatten()
    }

    fn file(&self, name: &str, link: &[u8]) -> Option<HeldObject> {
        // What is known is enough: a file system over a network is not asked, for it may not answer.
        let wanted = StatxFlags::TYPE | StatxFlags::INO | StatxFlags::SIZE;
        let stat = rustix::fs::statx(self.folder, name, AtFlags::STATX_DONT_SYNC, wanted).ok()?;
        let path = || String::from_utf8_lossy(link.strip_suffix(b" (deleted)").unwrap_or(link)).into_owned();
        let id = FileId::of(&stat);
        match FileType::from_raw_mode(stat.stx_mode.into()) {
            FileType::Fifo => Some(HeldObject::Fifo { file: id, path: path() }),
            FileType::CharacterDevice if (stat.stx_rdev_major, stat.stx_rdev_minor) == (5, 2) => {
                let index = u32::try_from(field(&self.info(name)?, "tty-index:", 10)?).ok()?;
                Some(HeldObject::Master { index, device: self.terminals(index) })
            }
            FileType::CharacterDevice if TERMINALS.contains(&stat.stx_rdev_major) => {
                let index = (stat.stx_rdev_major - TERMINALS.start()) * 256 + stat.stx_rdev_minor;
                Some(HeldObject::Terminal { index, device: id.device })
            }
            FileType::RegularFile if link.starts_with(b"/memfd:") || link.starts_with(b"/dev/shm/") => {
                Some(HeldObject::Memory {
                    file: id,
                    name: path(),
                    size_bytes: stat.stx_size,
                    sealed: self.is_sealed(name),
                })
            }
            // A queue's name is one word. Of its file only its file system says that it is one.
            FileType::RegularFile if !link[1..].contains(&b'/') && self.is_queue(name) => {
                Some(HeldObject::Queue { file: id, name: path(), queued_bytes: self.queued(name) })
            }
            _ => None,
        }
    }

    /// The device of the file system in which the process finds the pseudo-terminal with this number.
    fn terminals(&self, index: u32) -> Option<(u32, u32)> {
        let path = format!("root/dev/pts/{index}");
        let stat = rustix::fs::statx(self.process, path, AtFlags::STATX_DONT_SYNC, StatxFlags::INO).ok()?;
        Some(FileId::of(&stat).device)
    }

    fn is_queue(&self, name: &str) -> bool {
        let file =
            rustix::fs::openat(self.folder, name, OFlags::PATH | OFlags::CLOEXEC, rustix::fs::Mode::empty());
        let system = file.and_then(|file| rustix::fs::fstatfs(&file));
        system.is_ok_and(|system| system.f_type as u64 == MESSAGE_QUEUES)
    }

    /// Whether a memfd can be written by its mappings only, or not at all: F_ADD_SEALS of fcntl(2).
    fn is_sealed(&self, name: &str) -> bool {
        let seals = file::open(self.folder, name, OFlags::empty())
            .and_then(|file| rustix::fs::fcntl_get_seals(&file));
        seals.is_ok_and(|seals| seals.intersects(SealFlags::WRITE | SealFlags::FUTURE_WRITE))
    }

    /// How many bytes are in a queue, from its file.
    fn queued(&self, name: &str) -> Option<u64> {
        field(&file::read(self.folder, name, 256).ok()?, "QSIZE:", 10)
    }

    fn info(&self, name: &str) -> Option<Vec<u8>> {
        file::read(self.process, format!("fdinfo/{name}"), 4096).ok()
    }
}

/// A number as text, in a place of the caller's.
fn text(place: &mut [u8; 16], number: i32) -> Option<&str> {
    let mut rest = &mut place[..];
    write!(rest, "{number}").ok()?;
    let left = rest.len();
    str::from_utf8(&place[..place.len() - left]).ok()
}

fn eventfd(info: &[u8]) -> Option<HeldObject> {
    let (id, count) = (field(info, "eventfd-id:", 10)?, field(info, "eventfd-count:", 16)?);
    Some(HeldObject::Eventfd { id, count })
}

/// The number behind `begins` in a link such as `pipe:[4711]`.
pub(super) fn number_in(link: &[u8], begins: &str) -> Option<u64> {
    let at = link.windows(begins.len()).position(|window| window == begins.as_bytes())?;
    str::from_utf8(link[at + begins.len()..].strip_suffix(b"]")?).ok()?.parse().ok()
}

/// The number behind a word of such a file as /proc/PID/fdinfo/N.
fn field(info: &[u8], word: &str, radix: u32) -> Option<u64> {
    let text = str::from_utf8(info).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(word))?;
    u64::from_str_radix(rest.split_ascii_whitespace().next()?, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_links_and_no_other_text() {
        assert_eq!(number_in(b"pipe:[4711]", "pipe:["), Some(4711));
        for nonsense in [
            &b"pipe:["[..],
            b"pipe:[]",
            b"pipe:[-1]",
            b"pipe:[9",
            b"pipe:[99999999999999999999]",
            b"\xff",
            b"",
        ] {
            assert_eq!(number_in(nonsense, "pipe:["), None);
        }
    }

    #[test]
    fn an_eventfd_is_read_and_a_cut_one_is_none() {
        let info = b"pos:\t0\nflags:\t02\nmnt_id:\t15\nino:\t1033\neventfd-count:                1f\neventfd-id: 27\neventfd-semaphore: 0\n";
        assert_eq!(eventfd(info), Some(HeldObject::Eventfd { id: 27, count: 0x1f }));
        for end in 0..info.len() - 24 {
            let cut = eventfd(&info[..end]);
            assert!(
                cut.is_none() || matches!(cut, Some(HeldObject::Eventfd { id: 2 | 27, .. })),
                "{end}: {cut:?}"
            );
        }
        assert_eq!(field(b"QSIZE:129        NOTIFY:0     SIGNO:0\n", "QSIZE:", 10), Some(129));
    }

    #[test]
    fn a_number_is_written_as_it_is() {
        assert_eq!(text(&mut [0; 16], 1_048_576), Some("1048576"));
        assert_eq!(text(&mut [0; 16], i32::MIN), Some("-2147483648"));
    }
}
