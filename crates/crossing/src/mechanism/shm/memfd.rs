//! Memory with a descriptor: what regions and blobs are made of.

use std::os::fd::OwnedFd;

use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, SeekFrom};
use rustix::io::Errno;

/// Makes `bytes` of it, all of them allocated: without that the first touch of a page could find no memory left, and kill
/// the process that touched it.
pub(super) fn create(bytes: u64) -> Result<OwnedFd, Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // MFD_NOEXEC_SEAL exists since Linux 6.3; before, a memfd is simply executable.
    let memfd = match rustix::fs::memfd_create(c"crossing", flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => rustix::fs::memfd_create(c"crossing", flags),
        made => made,
    }?;
    rustix::fs::ftruncate(&memfd, bytes)?;
    if bytes > 0 {
        rustix::fs::fallocate(&memfd, FallocateFlags::empty(), 0, bytes)?;
    }
    Ok(memfd)
}

/// What is wrong with memory that somebody else has made: the field at fault, and why.
pub(super) type Fault = (&'static str, String);

/// The size in bytes of memory that has these seals at least, and no holes. A hole would be filled by whoever reads it
/// first: at our expense, or with SIGBUS when no memory is left.
///
/// The seals are read first: what they keep from changing is looked at when nobody can change it any more. Holes are looked for
/// by lseek(2), since pages behind the end of the file count as allocated, too.
pub(super) fn check(memfd: &OwnedFd, seals: SealFlags) -> Result<u64, Fault> {
    let found = rustix::fs::fcntl_get_seals(memfd);
    let found = found.map_err(|_| ("file type", "this file cannot be sealed".to_owned()))?;
    if !found.contains(seals) {
        return Err(("seals", format!("{found:?}, which leaves it in the peer's power")));
    }
    let stat = rustix::fs::fstat(memfd).map_err(|errno| ("size", errno.to_string()))?;
    let bytes = u64::try_from(stat.st_size).unwrap_or(0);
    if bytes > 0 {
        let hole =
            rustix::fs::seek(memfd, SeekFrom::Hole(0)).map_err(|errno| ("allocation", errno.to_string()))?;
        if hole < bytes {
            return Err(("allocation", format!("a hole at {hole} of {bytes} bytes")));
        }
    }
    Ok(bytes)
}
