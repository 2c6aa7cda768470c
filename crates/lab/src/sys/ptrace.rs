//! ptrace(2), as far as it takes to see every system call of a process of our own: no privilege is needed for a
//! child that has not changed its user.
//!
//! All calls for one process must come from the thread that seized it.
//!
//! # References
//! ptrace(2) (PTRACE_SEIZE, PTRACE_GET_SYSCALL_INFO: Linux 5.3), waitid(2).
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;

/// A thread that is traced by the calling one. Dropping it lets it go.
#[derive(Debug)]
pub struct Traced {
    tid: libc::pid_t,
    /// Whether it stands still, and can be let go.
    stopped: bool,
    /// The signal that stopped it, which is still to be delivered; 0 when it was none.
    signal: i32,
    gone: bool,
}

/// The status of a thread that stands at the door of the kernel (PTRACE_O_TRACESYSGOOD).
const CALL: i32 = libc::SIGTRAP | 0x80;

/// Why a traced thread stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// At the door of the kernel, on its way in.
    Entry {
        /// The call's number.
        call: u64,
        /// Its arguments.
        args: [u64; 6],
    },
    /// … on its way out.
    Exit {
        /// What the call returned: a negative number is an error.
        result: i64,
    },
    /// For something else; go on.
    Other,
    /// It does not: it is gone. It was not reaped.
    Gone,
}

impl Traced {
    /// Begins to trace the thread `tid`, and stops it.
    ///
    /// # Errors
    /// `EPERM` when it is not ours to trace, or is traced already; `ESRCH` when it is gone.
    pub fn seize(tid: u32) -> io::Result<Traced> {
        let tid = tid as libc::pid_t;
        let options = (libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACEEXIT) as usize;
        request(libc::PTRACE_SEIZE, tid, 0, options)?;
        request(libc::PTRACE_INTERRUPT, tid, 0, 0)?;
        Ok(Traced { tid, stopped: false, signal: 0, gone: false })
    }

    /// Waits until it stands still, and says why.
    ///
    /// # Errors
    /// Those of waitid(2) or ptrace(2).
    pub fn wait(&mut self) -> io::Result<Stop> {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        let all = libc::WEXITED | libc::WSTOPPED | libc::__WALL;
        // SAFETY: `info` has the size that the kernel writes to, and nothing else refers to it. What has ended is
        // left for its parent to reap.
        let done = unsafe {
            libc::waitid(libc::P_PID, self.tid as libc::id_t, info.as_mut_ptr(), all | libc::WNOWAIT)
        };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the fields are plain numbers, for which the zeroes it was made of are valid too.
        let (code, status) = unsafe {
            let info = info.assume_init();
            (info.si_code, info.si_status())
        };
        if matches!(code, libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED) {
            self.gone = true;
            return Ok(Stop::Gone);
        }
        let taken = libc::WSTOPPED | libc::__WALL | libc::WNOHANG;
        // SAFETY: waitid(2) writes a siginfo_t to `info`, which is one, and looks at a thread of our own tracing by its number. It takes
        // a stop off the list, which ends nothing.
        unsafe { libc::waitid(libc::P_PID, self.tid as libc::id_t, info.as_mut_ptr(), taken) };
        self.stopped = true;
        self.signal = 0;
        match status {
            CALL => self.syscall(),
            signal if signal >> 8 == 0 => {
                self.signal = signal;
                Ok(Stop::Other)
            }
            _ => Ok(Stop::Other),
        }
    }

    fn syscall(&self) -> io::Result<Stop> {
        let mut info = MaybeUninit::<libc::ptrace_syscall_info>::zeroed();
        let size = size_of::<libc::ptrace_syscall_info>();
        request(libc::PTRACE_GET_SYSCALL_INFO, self.tid, size, info.as_mut_ptr().expose_provenance())?;
        // SAFETY: every field is a plain number, for which zeroes are valid; the kernel wrote what `op` says.
        let info = unsafe { info.assume_init() };
        Ok(match info.op {
            // SAFETY: `op` says that this is the part that was written.
            libc::PTRACE_SYSCALL_INFO_ENTRY => unsafe {
                Stop::Entry { call: info.u.entry.nr, args: info.u.entry.args }
            },
            libc::PTRACE_SYSCALL_INFO_EXIT => {
                // SAFETY: `op` says that this is the part that was written.
                Stop::Exit { result: unsafe { info.u.exit.sval } }
            }
            _ => Stop::Other,
        })
    }

    /// Lets it run to its next system call, or out of one.
    ///
    /// # Errors
    /// `ESRCH` when it is gone.
    pub fn go_on(&mut self) -> io::Result<()> {
        self.stopped = false;
        request(libc::PTRACE_SYSCALL, self.tid, 0, self.signal as usize)
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if self.gone {
            return;
        }
        // It can be let go only while it stands still. What fails here fails because it is gone.
        if !self.stopped && request(libc::PTRACE_INTERRUPT, self.tid, 0, 0).is_ok() {
            let _ = self.wait();
        }
        let _ = request(libc::PTRACE_DETACH, self.tid, 0, self.signal as usize);
    }
}

fn request(request: libc::c_uint, tid: libc::pid_t, address: usize, data: usize) -> io::Result<()> {
    // SAFETY: of the requests of this file one alone writes to our memory, through `data`: PTRACE_GET_SYSCALL_INFO, at
    // most `address` bytes, which is the size of what its caller gives.
    let done = unsafe { libc::ptrace(request as _, tid, address, data) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cannot_run::{Lacks, cannot_run};
    use std::process::{Command, Stdio};

    #[test]
    fn the_calls_of_a_child_are_seen_and_its_end_is_left_for_its_parent() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut traced = match Traced::seize(child.id()) {
            Ok(traced) => traced,
            // A sandbox may forbid it, and the lab says so then.
            Err(error) => {
                drop(child.stdin.take());
                child.wait().unwrap();
                return cannot_run(Lacks::by(&error), error);
            }
        };
        drop(child.stdin.take());
        let mut calls = Vec::new();
        loop {
            match traced.wait().unwrap() {
                Stop::Entry { call, .. } => calls.push(call),
                Stop::Gone => break,
                Stop::Exit { .. } | Stop::Other => {}
            }
            traced.go_on().unwrap();
        }
        assert!(calls.contains(&(libc::SYS_exit_group as u64)), "{calls:?}");
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn nobody_is_not_traced() {
        assert_eq!(Traced::seize(i32::MAX as u32).unwrap_err().raw_os_error(), Some(libc::ESRCH));
    }
}
