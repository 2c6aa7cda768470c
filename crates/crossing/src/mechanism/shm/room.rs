//! Room: how much memory may be asked for before a process has to die for it.
//!
//! The kernel promises memory that it does not have. A process that takes too much learns it late,
//! from the OOM killer, which may end another process than the one that asked. So before memory is
//! made, its size is compared with what three limits leave: the process's own limit on files,
//! beyond which the kernel sends a deadly signal (SIGXFSZ; a memfd is a file); each control group
//! that the process is in; and the machine. A sixteenth of what is left stays with other programs.
//!
//! A limit that cannot be read is not applied: without /proc only the kernel's refusals remain.
//!
//! # References
//! proc_meminfo(5), cgroups(7), Documentation/admin-guide/cgroup-v2.rst "Memory Interface Files", getrlimit(2).

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::Resource;

use crate::error::Error;

/// For requests up to this size, in bytes, the memory left is not read again while the
/// [credit](CREDIT) lasts.
const SMALL: u64 = 1 << 20;
/// The most credit that one reading gives, in bytes.
const CREDIT_LIMIT: u64 = 16 << 20;

/// The bytes that small requests may still take before the memory left is read again: a 64th of it.
/// Reading costs as much as making a small blob.
static CREDIT: AtomicU64 = AtomicU64::new(0);

/// Why shared memory was not made: it is the inner error of the `io::Error` that says so. Nothing of the memory is left.
///
/// # Examples
/// ```
/// use crossing::{BlobMut, MemoryLimit, Shortage};
///
/// let error = BlobMut::new(1 << 40).unwrap_err();
/// let shortage: &Shortage = error.get_ref().unwrap().downcast_ref().unwrap();
/// assert_eq!(shortage.wanted_bytes, 1 << 40);
/// assert_eq!(shortage.limit, MemoryLimit::Configured);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shortage {
    /// The request in bytes.
    pub wanted_bytes: u64,
    /// The bytes that would have been granted.
    pub left_bytes: u64,
    /// The limit that was hit.
    pub limit: MemoryLimit,
}

/// A limit on the shared memory that this process can make.
///
/// # Examples
/// ```
/// use crossing::{BlobMut, MemoryLimit, Shortage};
///
/// let error = BlobMut::with_limit(5000, 4096).unwrap_err();
/// let shortage = error.get_ref().and_then(|inner| inner.downcast_ref::<Shortage>());
/// match shortage.map(|it| (&it.limit, it.left_bytes)) {
///     Some((MemoryLimit::Configured, left)) => assert_eq!(left, 4096),
///     Some((MemoryLimit::FileSize, left)) => println!("ulimit -f leaves {left} bytes"),
///     Some((MemoryLimit::ControlGroup(path), left)) => println!("{} leaves {left} bytes", path.display()),
///     Some((MemoryLimit::Machine, left)) => println!("the machine has {left} bytes left"),
///     _ => println!("{error}"),
/// }
/// # assert!(shortage.is_some_and(|it| it.limit == MemoryLimit::Configured));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemoryLimit {
    /// The program's own choice: [`BlobMut::with_limit`](crate::BlobMut::with_limit).
    Configured,
    /// This process's limit on the size of files (`RLIMIT_FSIZE`, `ulimit -f`).
    FileSize,
    /// The memory that a control group may have: a container's, or a service's.
    ControlGroup(PathBuf),
    /// The memory that the machine has left.
    Machine,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shortage { wanted_bytes, left_bytes, limit } = self;
        match limit {
            MemoryLimit::Configured => {
                write!(
                    f,
                    "{wanted_bytes} bytes are more than the limit of {left_bytes} that this program chose"
                )
            }
            MemoryLimit::FileSize => {
                write!(
                    f,
                    "{wanted_bytes} bytes are more than the {left_bytes} that a file of this process may have; \
                     raise RLIMIT_FSIZE (ulimit -f)"
                )
            }
            MemoryLimit::ControlGroup(path) => {
                write!(
                    f,
                    "{wanted_bytes} bytes are more than the {left_bytes} that the control group {} has left for \
                     this process",
                    path.display()
                )
            }
            MemoryLimit::Machine => {
                write!(f, "{wanted_bytes} bytes are more than the {left_bytes} that this machine has left")
            }
        }
    }
}

impl std::error::Error for Shortage {}

impl From<Shortage> for Error {
    fn from(shortage: Shortage) -> Error {
        Error::Io(shortage.into())
    }
}

impl From<Shortage> for io::Error {
    fn from(shortage: Shortage) -> io::Error {
        let kind = match shortage.limit {
            MemoryLimit::Configured => io::ErrorKind::InvalidInput,
            MemoryLimit::FileSize => io::ErrorKind::FileTooLarge,
            MemoryLimit::ControlGroup(_) | MemoryLimit::Machine => io::ErrorKind::OutOfMemory,
        };
        io::Error::new(kind, shortage)
    }
}

/// Whether a file may be so large.
pub(super) fn check_file(bytes: u64) -> Result<(), Shortage> {
    match crate::sys::limit(Resource::Fsize) {
        Some(most) if bytes > most => {
            Err(Shortage { wanted_bytes: bytes, left_bytes: most, limit: MemoryLimit::FileSize })
        }
        _ => Ok(()),
    }
}

/// Whether this much memory may be made now.
pub(super) fn check(bytes: u64) -> Result<(), Shortage> {
    let takes = |credit: u64| credit.checked_sub(bytes);
    if bytes <= SMALL && CREDIT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, takes).is_ok() {
        return Ok(());
    }
    let left = check_at(Path::new("/"), bytes)?;
    CREDIT.store(CREDIT_LIMIT.min(left.saturating_sub(bytes) / 64), Ordering::Relaxed);
    Ok(())
}

/// The share of the memory left that may be taken.
fn portion(left: u64) -> u64 {
    left - left / 16
}

/// The memory left by the limits under `root`, if it is enough for `bytes`.
fn check_at(root: &Path, bytes: u64) -> Result<u64, Shortage> {
    let machine = MachineMemory::look(root);
    let mut least = u64::MAX;
    let groups = groups(root).into_iter().map(|group| {
        let left = group.left(bytes, machine.swap);
        (left, MemoryLimit::ControlGroup(group.path))
    });
    for (left, limit) in [(machine.left(), MemoryLimit::Machine)].into_iter().chain(groups) {
        let Some(left) = left else { continue };
        if bytes > portion(left) {
            return Err(Shortage { wanted_bytes: bytes, left_bytes: portion(left), limit });
        }
        least = least.min(left);
    }
    Ok(least)
}

/// The memory that the machine has left, in bytes.
struct MachineMemory {
    available: Option<u64>,
    swap: u64,
}

impl MachineMemory {
    fn look(root: &Path) -> MachineMemory {
        let text = fs::read_to_string(root.join("proc/meminfo")).unwrap_or_default();
        let kib = |name| field(&text, name).map(|kib| kib.saturating_mul(1024));
        MachineMemory { available: kib("MemAvailable:"), swap: kib("SwapFree:").unwrap_or(0) }
    }

    fn left(&self) -> Option<u64> {
        self.available.map(|available| available.saturating_add(self.swap))
    }
}

/// The number that stands behind `name` at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().map(str::split_ascii_whitespace);
    lines.find_map(|mut words| (words.next()? == name).then(|| words.next()?.parse().ok())?)
}

/// A control group that limits memory, or may.
#[derive(Debug, PartialEq, Eq)]
struct MemoryGroup {
    /// The folder of its files.
    folder: PathBuf,
    /// The group's path.
    path: PathBuf,
    names: &'static Names,
}

/// The names of a hierarchy's files, and the used memory that the kernel can reclaim.
#[derive(Debug, PartialEq, Eq)]
struct Names {
    limit: &'static str,
    used: &'static str,
    /// Lines of memory.stat: what the kernel lets go of before it kills.
    reclaimable: &'static [&'static str],
    /// The limit and the use of swap, where it is counted apart.
    swap: Option<[&'static str; 2]>,
}

const UNIFIED: Names = Names {
    limit: "memory.max",
    used: "memory.current",
    reclaimable: &["inactive_file", "active_file", "slab_reclaimable"],
    swap: Some(["memory.swap.max", "memory.swap.current"]),
};

const LEGACY: Names = Names {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    reclaimable: &["total_inactive_file", "total_active_file"],
    swap: None,
};

impl MemoryGroup {
    /// The bytes left of its limit. Reclaimable memory is counted only if `wanted` does not fit
    /// without it, so the true rest may be larger.
    fn left(&self, wanted: u64, free_swap: u64) -> Option<u64> {
        let read = |name| fs::read_to_string(self.folder.join(name)).ok();
        let number = |name| read(name)?.trim().parse::<u64>().ok();
        // "max" is not a number, and means no limit.
        let left = number(self.names.limit)?.saturating_sub(number(self.names.used)?);
        if wanted <= portion(left) {
            return Some(left);
        }
        let stat = read("memory.stat").unwrap_or_default();
        let back: u64 = self.names.reclaimable.iter().filter_map(|name| field(&stat, name)).sum();
        let swap = self.names.swap.and_then(|[limit, used]| {
            let most = number(limit).unwrap_or(u64::MAX);
            Some(most.saturating_sub(number(used)?).min(free_swap))
        });
        Some(left.saturating_add(back).saturating_add(swap.unwrap_or(0)))
    }
}

/// The control groups that this process is in, from its own up to those that hold it, in both hierarchies.
fn groups(root: &Path) -> Vec<MemoryGroup> {
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
    let (mounts, memberships) = (read("proc/self/mountinfo"), read("proc/self/cgroup"));
    let mut groups = Vec::new();
    for (names, path) in memberships.lines().filter_map(membership) {
        let Some((shown, at)) = mounts.lines().find_map(|line| mount(line, names)) else { continue };
        // If the mount shows another part of the tree, its root is the nearest group that can be
        // seen.
        let within = Path::new(path).strip_prefix(shown).unwrap_or(Path::new(""));
        for within in within.ancestors() {
            let folder = root.join(at.trim_start_matches('/')).join(within);
            groups.push(MemoryGroup { folder, path: Path::new(shown).join(within), names });
        }
    }
    groups
}

/// A line of /proc/self/cgroup, if it is of a hierarchy that counts memory.
fn membership(line: &str) -> Option<(&'static Names, &str)> {
    let mut parts = line.splitn(3, ':');
    let (id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    if id == "0" && controllers.is_empty() {
        return Some((&UNIFIED, path));
    }
    controllers.split(',').any(|name| name == "memory").then_some((&LEGACY, path))
}

/// The part of the hierarchy that a line of /proc/self/mountinfo shows, and its mount point, if it
/// is the hierarchy with these `names`.
fn mount<'a>(line: &'a str, names: &Names) -> Option<(&'a str, &'a str)> {
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (shown, at) = (place.next()?, place.next()?);
    let mut kind = kind.split(' ');
    let (kind, options) = (kind.next()?, kind.nth(1)?);
    let right = match kind {
        "cgroup2" => *names == UNIFIED,
        "cgroup" => *names == LEGACY && options.split(',').any(|option| option == "memory"),
        _ => false,
    };
    right.then_some((shown, at))
}

#[cfg(test)]
mod tests;
