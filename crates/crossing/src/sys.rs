//! The three calls that neither std nor rustix offers as safe ones.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use rustix::io::{Errno, FdFlags};

/// Starts `command`, which inherits `fd` under the same number. This process keeps nothing of it.
pub(crate) fn spawn_with(mut command: Command, fd: OwnedFd) -> io::Result<Child> {
    let number = fd.as_raw_fd();
    let keep = move || {
        // SAFETY: `spawn` runs this in the child while `fd` is still open in the parent, so the number means
        // the same file.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        Ok(rustix::io::fcntl_setfd(fd, FdFlags::empty())?)
    };
    // SAFETY: between fork and exec the closure makes one system call and touches no memory of the parent.
    unsafe { command.pre_exec(keep) };
    command.spawn()
}

/// Takes the descriptor that the parent left under `number`, once it is seen to be open.
///
/// The caller must see to it that each number is taken only once.
pub(crate) fn take_inherited(number: RawFd) -> Result<OwnedFd, Errno> {
    if number < 0 {
        return Err(Errno::BADF);
    }
    // SAFETY: only asks whether the number is open; a closed one is answered by EBADF.
    let flags = rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) })?;
    // SAFETY: open, and by the agreement between parent and child it is ours alone.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::io::fcntl_setfd(fd.as_fd(), flags | FdFlags::CLOEXEC)?;
    Ok(fd)
}

/// Makes a write to a closed pipe an error rather than a deadly signal, unless the program has said what it
/// wants.
///
/// Rust programs ignore SIGPIPE from their first instruction; this is for a program that is not Rust's own,
/// on a kernel before 6.18, which cannot be asked for each write.
pub(crate) fn ignore_sigpipe() {
    const SIGPIPE: c_int = 13;
    const SIG_DFL: usize = 0;
    const SIG_IGN: usize = 1;
    unsafe extern "C" {
        fn signal(number: c_int, action: usize) -> usize;
    }
    // SAFETY: signal(2) of the C library that std links; both actions are constants of its ABI, and no
    // handler is installed. A handler that was there is put back.
    unsafe {
        let before = signal(SIGPIPE, SIG_IGN);
        if before != SIG_DFL && before != SIG_IGN {
            signal(SIGPIPE, before);
        }
    }
}
