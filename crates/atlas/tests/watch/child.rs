//! Processes that use a channel, and count what they do themselves.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A forked process has what every test has open at that moment: one test at a time.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many stamps of each kind a process may leave.
pub(crate) const STAMPS: usize = 8192;

/// What the processes of a test tell each other and the test, in memory that all of them have.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Each process waits for its own.
    pub(crate) go: [AtomicU64; 8],
    ready: [AtomicU64; 8],
    pub(crate) done: [AtomicU64; 8],
    pub(crate) seen: [Seen; 8],
    pub(crate) wrote_at: [AtomicU64; STAMPS],
    pub(crate) read_at: [AtomicU64; STAMPS],
}

/// What one process has done.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) writes: AtomicU64,
    pub(crate) written: AtomicU64,
    pub(crate) reads: AtomicU64,
    pub(crate) read: AtomicU64,
    pub(crate) would_wait: AtomicU64,
}

impl Tally {
    pub(crate) fn new() -> &'static Tally {
        let size = size_of::<Tally>();
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping, never unmapped, of zeros, which are a valid tally.
        unsafe {
            let at = libc::mmap(std::ptr::null_mut(), size, protection, flags, -1, 0);
            assert_ne!(at, libc::MAP_FAILED, "{}", io::Error::last_os_error());
            &*at.cast::<Tally>()
        }
    }

    /// Lets one process begin.
    pub(crate) fn release(&self, who: usize) {
        self.go[who].store(1, Ordering::Release);
    }

    pub(crate) fn is_done(&self, who: usize) -> bool {
        self.done[who].load(Ordering::Acquire) != 0
    }
}

impl Seen {
    /// Calls and bytes of its writes, and of its reads.
    pub(crate) fn all(&self) -> [u64; 4] {
        [&self.writes, &self.written, &self.reads, &self.read].map(|count| count.load(Ordering::Acquire))
    }
}

/// Waits until the test says so, in system calls only.
pub(crate) fn wait_for(go: &AtomicU64) {
    while go.load(Ordering::Acquire) == 0 {
        // SAFETY: it takes a number.
        unsafe { libc::usleep(500) };
    }
}

pub(crate) fn now() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes one timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// One write, counted. The number of bytes, or a negative number.
pub(crate) fn write(fd: RawFd, bytes: &[u8], seen: &Seen) -> isize {
    // SAFETY: the slice is borrowed for as long as the call.
    counted_write(unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) }, seen)
}

pub(crate) fn counted_write(done: isize, seen: &Seen) -> isize {
    if done >= 0 {
        seen.writes.fetch_add(1, Ordering::Relaxed);
        seen.written.fetch_add(done as u64, Ordering::Relaxed);
    }
    done
}

/// One read, counted.
pub(crate) fn read(fd: RawFd, into: &mut [u8], seen: &Seen) -> isize {
    // SAFETY: the slice is borrowed for as long as the call.
    counted_read(unsafe { libc::read(fd, into.as_mut_ptr().cast(), into.len()) }, seen)
}

pub(crate) fn counted_read(done: isize, seen: &Seen) -> isize {
    match done {
        1.. => {
            seen.reads.fetch_add(1, Ordering::Relaxed);
            seen.read.fetch_add(done as u64, Ordering::Relaxed);
        }
        0 => {}
        _ => {
            seen.would_wait.fetch_add(1, Ordering::Relaxed);
        }
    }
    done
}

/// A forked process. It goes with this value.
pub(crate) struct Child(libc::pid_t);

impl Child {
    /// Forks process `who`, which closes these descriptors, waits until it may begin, does this, in which it may make system calls
    /// only, says that it is done, and sleeps.
    pub(crate) fn fork(tally: &Tally, who: usize, closes: &[RawFd], does: impl Fn(&Seen)) -> Child {
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
                tally.ready[who].store(1, Ordering::Release);
                wait_for(&tally.go[who]);
                does(&tally.seen[who]);
                tally.done[who].store(1, Ordering::Release);
                loop {
                    libc::pause();
                }
            }
        }
        // It has closed what it does not keep.
        wait_for(&tally.ready[who]);
        Child(pid)
    }

    pub(crate) fn pid(&self) -> i32 {
        self.0
    }

    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: it takes numbers, and the process is a child that was not waited for.
        unsafe { libc::kill(self.0, signal) };
    }

    /// Whether it sleeps in one of these calls.
    pub(crate) fn is_in(&self, calls: &[libc::c_long]) -> bool {
        let line = std::fs::read_to_string(format!("/proc/{}/syscall", self.0)).unwrap_or_default();
        let number = line.split(' ').next().and_then(|word| word.parse::<libc::c_long>().ok());
        number.is_some_and(|number| calls.contains(&number))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(libc::SIGKILL);
        // SAFETY: it takes numbers, and a null pointer for what is not asked.
        unsafe { libc::waitpid(self.0, std::ptr::null_mut(), 0) };
    }
}
