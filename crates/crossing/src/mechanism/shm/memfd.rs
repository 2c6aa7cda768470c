//! Memory with a descriptor: what regions and blobs are made of.

use std::os::fd::OwnedFd;

use rustix::fs::{FallocateFlags, FileType, MemfdFlags, SealFlags};
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
pub(super) fn check(memfd: &OwnedFd, seals: SealFlags) -> Result<u64, Fault> {
    let stat = rustix::fs::fstat(memfd).map_err(|errno| ("file type", errno.to_string()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(("file type", "not a regular file".into()));
    }
    let found = rustix::fs::fcntl_get_seals(memfd);
    let found = found.map_err(|_| ("seals", "this file cannot be sealed".to_owned()))?;
    if !found.contains(seals) {
        return Err(("seals", format!("{found:?}, which leaves it in the peer's power")));
    }
    let bytes = u64::try_from(stat.st_size).unwrap_or(0);
    let allocated = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
    if allocated < bytes {
        return Err(("allocation", format!("{allocated} bytes of {bytes}")));
    }
    Ok(bytes)
}
