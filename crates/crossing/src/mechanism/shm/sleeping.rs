//! Which way this process may sleep on shared memory.
//!
//! A sleeper waits for two things: the peer's index, in the peer's region, and the peer's end,
//! which the watcher notes in a word of private memory. futex_waitv(2) sleeps on both at once.
//! Containers refuse it, with EPERM where their seccomp profile is older than the call, and with
//! ENOSYS where it is newer than the refusal; so it is tried before it is needed, by a call that
//! never waits. EPERM and ENOSYS stay true for as long as the process and its forks live, so they
//! are remembered. No other answer is.
//!
//! # References
//! futex(2), futex_waitv in Documentation/userspace-api/futex2.rst, seccomp(2).

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::futex::{self, Wait, WaitFlags, WaitPtr, WaitvFlags};

use crate::error::ConnectError;

/// How this process sleeps on shared memory: see [`sleeping`].
///
/// # Examples
/// ```
/// use crossing::{Kind, Sleeping, sleeping};
///
/// // A program that must run in any container.
/// let kind = match sleeping() {
///     Sleeping::Waitv | Sleeping::Futex => Kind::Shm,
///     Sleeping::Refused => Kind::Unix,
/// };
/// # let mut pair = crossing::Connection::pair(kind, &crossing::Config::default())?;
/// # pair.0.send(b"hello")?;
/// # assert_eq!(pair.1.recv(&mut [0; 64])?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sleeping {
    /// By futex_waitv(2), on the peer's index and on the peer's status at once.
    Waitv,
    /// By futex(2), on the peer's index, since futex_waitv(2) is refused here. The thread that watches for the peer's end wakes
    /// it.
    Futex,
    /// Not at all: both calls are refused, and shared memory cannot be connected.
    Refused,
}

impl Sleeping {
    /// The name in reports: `futex_waitv`, `futex`, `refused`.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Sleeping, sleeping};
    ///
    /// println!("shared memory sleeps by {}", sleeping().name());
    /// assert_eq!(Sleeping::Waitv.name(), "futex_waitv");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Sleeping::Waitv => "futex_waitv",
            Sleeping::Futex => "futex",
            Sleeping::Refused => "refused",
        }
    }
}

impl fmt::Display for Sleeping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How this process sleeps on shared memory. Asks the kernel, by calls that never wait.
///
/// # Examples
/// ```
/// use crossing::{Sleeping, sleeping};
///
/// assert!(sleeping() != Sleeping::Refused, "allow futex_waitv(2) in the container's seccomp profile");
/// ```
pub fn sleeping() -> Sleeping {
    if try_futex().is_err() {
        return Sleeping::Refused;
    }
    if try_waitv().is_ok() { Sleeping::Waitv } else { Sleeping::Futex }
}

/// Whether futex_waitv(2) has been refused for good.
static WAITV_REFUSED: AtomicBool = AtomicBool::new(false);

/// Notes an answer of futex_waitv(2). `Ok` for every answer of a call that works.
pub(super) fn judge_waitv(answer: Result<usize, Errno>) -> Result<(), Errno> {
    match answer {
        // Woken; or the words had changed, a signal came, the deadline was over: the caller looks again.
        Ok(_) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => Ok(()),
        Err(errno) => {
            if matches!(errno, Errno::PERM | Errno::ACCESS | Errno::NOSYS) {
                WAITV_REFUSED.store(true, Ordering::Relaxed);
            }
            Err(errno)
        }
    }
}

/// Whether futex_waitv(2) is known to be refused.
#[inline]
pub(super) fn waitv_is_refused() -> bool {
    WAITV_REFUSED.load(Ordering::Relaxed)
}

/// Tries futex_waitv(2) on a word that has changed already.
fn try_waitv() -> Result<(), Errno> {
    if waitv_is_refused() {
        return Err(Errno::PERM);
    }
    let word = AtomicU32::new(0);
    let mut wait = Wait::new();
    wait.uaddr = WaitPtr::new(word.as_ptr().cast());
    wait.val = 1;
    wait.flags = WaitFlags::SIZE_U32 | WaitFlags::PRIVATE;
    judge_waitv(futex::waitv(&[wait], WaitvFlags::empty(), None, futex::ClockId::Monotonic))
}

/// The results of futex(2) for a wake without a sleeper, and for a wait on a changed word.
fn try_futex() -> Result<(), Errno> {
    let word = AtomicU32::new(0);
    futex::wake(&word, futex::Flags::PRIVATE, 1)?;
    judge_futex(futex::wait_bitset(&word, futex::Flags::PRIVATE, 1, None, ANYBODY))
}

/// Whether it is an answer of a call that works.
pub(super) fn judge_futex(answer: Result<(), Errno>) -> Result<(), Errno> {
    match answer {
        // As above.
        Ok(()) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => Ok(()),
        refused => refused,
    }
}

/// The error once neither call is allowed any more.
pub(super) fn refusal(errno: Errno) -> io::Error {
    let error = io::Error::from(errno);
    io::Error::new(error.kind(), format!("{SLEEPING}: {error}"))
}

/// The attempt that fails when both calls are refused, and the remedy.
const SLEEPING: &str = "sleep on shared memory: futex_waitv(2) and futex(2) are refused to this process; allow one of them, and \
                        waking by futex(2), in the container's seccomp profile";

/// Refuses a process that may not sleep, or may not wake its peer.
pub(super) fn check() -> Result<(), ConnectError> {
    try_futex().map_err(ConnectError::io(SLEEPING))?;
    // Whether it works is known from now on; if not, the other call does.
    let _ = try_waitv();
    Ok(())
}

/// Whether membarrier(2) was refused to an end that was about to sleep.
static NO_BARRIER: AtomicBool = AtomicBool::new(false);

/// membarrier(2) has become refused since both ends agreed on it. The peer's publications make no fence of their own, so one may
/// cross this end's last look unseen.
pub(super) fn note_no_barrier() {
    NO_BARRIER.store(true, Ordering::Relaxed);
}

/// The longest sleep that relies on membarrier(2); `None` for no limit. A sleeper that could miss a
/// publication wakes to look.
pub(super) fn longest_nap() -> Option<Duration> {
    NO_BARRIER.load(Ordering::Relaxed).then_some(Duration::from_millis(10))
}

/// The longest first sleep of a wait that relies on membarrier(2).
///
/// **The kernel's barrier can miss a publisher.** Once a thread of a registered process has ended on a core,
/// MEMBARRIER_CMD_GLOBAL_EXPEDITED leaves that core out until another process has run there. (The likely cause: `exit_mm()` clears
/// what the core knows of the registration, and a switch between threads of one process does not set it again;
/// kernel/sched/membarrier.c.) A publication may then still be on its way from the publisher's core when the sleeper looks, while
/// the publisher has looked for the sleeper's flag before it went up. What is on its way arrives soon, since a core holds back
/// some tens of stores; so a sleeper looks once more after its first nap, with its flag up all the time, and then sleeps as long
/// as it takes.
///
/// Measured on two cores of an AMD EPYC (family 26, a KVM guest), Linux 6.18, spinning, one trial a store: of three times 300 000
/// trials none was missed without such an end of a thread; with one, and 64 written lines in front of the store, 70 876 to
/// 89 144 of 300 000. They arrived within 9 and 36 µs, in one run within 243 µs.
pub(super) const FIRST_NAP: Duration = Duration::from_millis(10);

/// How many looks an armed end makes meanwhile, which cannot look again: 53 µs on that machine (median of 500 arms).
pub(super) const LOOKS_AFTER_BARRIER: u32 = 2000;

/// FUTEX_BITSET_MATCH_ANY: woken by every wake.
pub(super) const ANYBODY: std::num::NonZeroU32 = std::num::NonZeroU32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_a_call_that_works_is_no_refusal() {
        for errno in [Errno::AGAIN, Errno::INTR, Errno::TIMEDOUT] {
            assert_eq!((judge_waitv(Err(errno)), judge_futex(Err(errno))), (Ok(()), Ok(())));
        }
        // An error that may pass is reported, and not remembered.
        assert_eq!(judge_waitv(Err(Errno::NOMEM)), Err(Errno::NOMEM));
        assert!(!waitv_is_refused());
    }
}
