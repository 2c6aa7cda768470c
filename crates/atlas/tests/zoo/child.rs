//! A process that is forked, keeps some descriptors, and waits to be ended.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::animals::Animal;

/// A forked process has what every test has open at that moment: one test at a time.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A forked process. It goes with this value.
pub(crate) struct Child(libc::pid_t);

impl Child {
    pub(crate) fn pid(&self) -> i32 {
        self.0
    }

    /// Forks a process that has the other ends of the animals, and waits until each process has its own only.
    pub(crate) fn fork(animals: &mut [Animal]) -> Child {
        let closes: Vec<RawFd> =
            animals.iter().flat_map(|animal| animal.here.iter().map(AsRawFd::as_raw_fd)).collect();
        let protects: Vec<(usize, usize)> =
            animals.iter().filter_map(|animal| animal.memory.filter(|_| animal.protects)).collect();
        let queues: Vec<i32> = animals.iter().filter_map(|animal| animal.sysv_queue).collect();
        let child = Child::holding(&closes, || {
            for &(at, length) in &protects {
                // SAFETY: the mapping was made by this program, and stays as long as the process.
                unsafe { libc::mprotect(at as *mut libc::c_void, length, libc::PROT_READ) };
            }
            for &queue in &queues {
                let mut message = [0_u64; 8];
                // SAFETY: the message has room for its type and 56 bytes more.
                unsafe { libc::msgrcv(queue, message.as_mut_ptr().cast(), 56, 0, libc::IPC_NOWAIT) };
            }
        });
        for animal in animals {
            animal.there.clear();
        }
        child
    }

    /// Forks a process that closes these descriptors and does this, in which it may make system calls only.
    pub(crate) fn holding(closes: &[RawFd], does: impl Fn()) -> Child {
        let (ready, tell) = io::pipe().expect("a pipe");
        let (ready, tell) = (OwnedFd::from(ready), OwnedFd::from(tell));
        let (read, write) = (ready.as_raw_fd(), tell.as_raw_fd());
        // SAFETY: the child makes system calls only, allocates nothing, and never returns.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "{}", io::Error::last_os_error());
        if pid == 0 {
            // SAFETY: the descriptors are those of a process that ends without using them again.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                for &fd in closes {
                    libc::close(fd);
                }
                does();
                libc::close(read);
                libc::close(write);
                loop {
                    libc::pause();
                }
            }
        }
        let child = Child(pid);
        drop(tell);
        // It ends when the child has closed its copy.
        let mut nothing = [0; 1];
        assert_eq!(rustix::io::read(&ready, &mut nothing), Ok(0));
        child
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: it takes numbers, and the process is a child that was not waited for.
        unsafe { libc::kill(self.0, signal) };
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(libc::SIGKILL);
        // SAFETY: it takes numbers, and a null pointer for what is not asked.
        unsafe { libc::waitpid(self.0, std::ptr::null_mut(), 0) };
    }
}
