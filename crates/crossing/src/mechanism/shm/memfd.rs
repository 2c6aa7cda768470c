//! Memory with a descriptor, for regions and blobs. No other file makes it.
//!
//! Its size is checked before anything is made ([`room`](super::room)). Then it is made in steps,
//! and the memory that is left is checked again before each: other programs take memory too, and
//! one call must not run a machine dry meanwhile.

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, SeekFrom};
use rustix::io::Errno;

use super::room;
use crate::descriptor::above_stdio;

/// The name of such memory, which only displays and debuggers see.
const NAME: &CStr = c"crossing";
/// The beginning of the name under which /proc shows the file.
#[cfg(feature = "scene")]
pub const REGION_FILE: &str = "/memfd:crossing";

/// How much is made at a time, in bytes.
pub(super) const STEP: u64 = 16 << 20;

/// Makes `bytes` of it, all of them allocated: without that the first touch of a page could find no memory left, and kill
/// the process that touched it. `step` is called whenever a part is made and another follows.
///
/// # Errors
/// A [`Shortage`](super::Shortage), or the error of a call. Nothing of the memory is left then.
pub(super) fn create(bytes: u64, mut step: impl FnMut()) -> io::Result<OwnedFd> {
    room::check_file(bytes)?;
    room::check(bytes)?;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // MFD_NOEXEC_SEAL exists since Linux 6.3; before, a memfd is simply executable.
    let memfd = match rustix::fs::memfd_create(NAME, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => rustix::fs::memfd_create(NAME, flags),
        made => made,
    }?;
    let memfd = above_stdio(memfd)?;
    rustix::fs::ftruncate(&memfd, bytes)?;
    let mut made = 0;
    while made < bytes {
        if made > 0 {
            step();
            room::check(bytes - made)?;
        }
        let part = STEP.min(bytes - made);
        allocate(&memfd, made, part)?;
        made += part;
    }
    Ok(memfd)
}

/// Allocates a part. Where a signal ends the call (fallocate(2); Linux 6.18 lets only a deadly one do so), the kernel gives back
/// what the call had allocated: a shorter part gets further.
fn allocate(memfd: &OwnedFd, mut at: u64, mut bytes: u64) -> io::Result<()> {
    let least = rustix::param::page_size() as u64;
    let mut part = bytes;
    while bytes > 0 {
        match rustix::fs::fallocate(memfd, FallocateFlags::empty(), at, part) {
            Ok(()) => {
                (at, bytes) = (at + part, bytes - part);
                part = part.min(bytes);
            }
            Err(Errno::INTR) => part = (part / 2).max(least).min(bytes),
            // No file system is full: the kernel will not promise the memory.
            Err(Errno::NOSPC) => return Err(Errno::NOMEM.into()),
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// The fault in memory that another process has made.
pub(super) enum MemoryFault {
    /// The field at fault, and why.
    Theirs(&'static str, String),
    /// This side cannot check it now: the attempt, and the system's error.
    Here(&'static str, Errno),
}

/// The size in bytes of memory that has these seals at least, and no holes. The first read of a
/// hole allocates its page: at the reader's expense, or with SIGBUS if no memory is left.
///
/// The seals are read first, so that the properties they protect can no longer change while they
/// are checked. Holes are looked for by lseek(2), since pages behind the end of the file count as
/// allocated, too.
pub(super) fn check(memfd: &OwnedFd, seals: SealFlags) -> Result<u64, MemoryFault> {
    let found = match rustix::fs::fcntl_get_seals(memfd) {
        // The file is of a kind without seals, or the descriptor gives no access to it.
        Err(Errno::INVAL | Errno::BADF) => {
            return Err(MemoryFault::Theirs("file type", "this file cannot be sealed".to_owned()));
        }
        found => found.map_err(|errno| MemoryFault::Here("read the seals of the peer's memory", errno))?,
    };
    if !found.contains(seals) {
        return Err(MemoryFault::Theirs("seals", format!("{found:?}, which leaves it in the peer's power")));
    }
    let stat = rustix::fs::fstat(memfd)
        .map_err(|errno| MemoryFault::Here("read the size of the peer's memory", errno))?;
    let bytes = u64::try_from(stat.st_size).unwrap_or(0);
    if bytes > 0 {
        let hole = rustix::fs::seek(memfd, SeekFrom::Hole(0))
            .map_err(|errno| MemoryFault::Here("look for holes in the peer's memory", errno))?;
        if hole < bytes {
            return Err(MemoryFault::Theirs("allocation", format!("a hole at {hole} of {bytes} bytes")));
        }
    }
    Ok(bytes)
}
