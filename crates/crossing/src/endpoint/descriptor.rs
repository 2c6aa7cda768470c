//! The numbers of descriptors that this library keeps.
//!
//! Numbers 0, 1 and 2 are written to and read from by whoever prints, and are replaced in a child before it starts. A process
//! that has closed one of them is given its number with the next thing that it opens. So what is kept, or handed over, is
//! moved to a number above them.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::io::Errno;

/// The first number that is not one of standard input, output and error.
pub(crate) const FIRST_FREE: RawFd = 3;

/// The same file under a number above 2. It costs a look at the number.
pub(crate) fn above_stdio(fd: OwnedFd) -> Result<OwnedFd, Errno> {
    if fd.as_raw_fd() >= FIRST_FREE { Ok(fd) } else { rustix::io::fcntl_dupfd_cloexec(fd, FIRST_FREE) }
}

/// The same, of two.
pub(crate) fn both_above_stdio((one, other): (OwnedFd, OwnedFd)) -> Result<(OwnedFd, OwnedFd), Errno> {
    Ok((above_stdio(one)?, above_stdio(other)?))
}
