//! Waiting for another process: every wait of the lab has a deadline, and ends when the lab is told to stop.
//!
//! The lab sleeps in the kernel, and looks up four times a second. A look that comes much later than it should says that this
//! process was stopped itself, or the machine was: what was measured meanwhile is not a measurement.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, Timespec, poll};
use rustix::io::Errno;

/// How often the lab looks up while it waits: the latest that a Ctrl-C is seen.
const LOOK_UP: Duration = Duration::from_millis(250);

/// Why a wait ended without that for which it waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitCut {
    /// The lab was told to stop.
    Stopped,
    /// The deadline has passed.
    Late,
    /// The kernel does not let us wait.
    Refused(Errno),
}

/// Waits until one of `fds` is ready.
pub(crate) fn wait(
    fds: &mut [PollFd<'_>],
    deadline: Option<Instant>,
    stop: &AtomicBool,
) -> Result<(), WaitCut> {
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(WaitCut::Stopped);
        }
        let before = Instant::now();
        if deadline.is_some_and(|deadline| before >= deadline) {
            return Err(WaitCut::Late);
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(before));
        let nap = left.map_or(LOOK_UP, |left| left.min(LOOK_UP));
        let ready = poll(fds, Some(&Timespec { tv_sec: 0, tv_nsec: nap.as_nanos() as i64 }));
        note_gap(before.elapsed().saturating_sub(nap));
        match ready {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(WaitCut::Refused(errno)),
        }
    }
}

thread_local! {
    /// The longest delay of a look of this thread since it was last asked for.
    static LONGEST: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

fn note_gap(late: Duration) {
    LONGEST.with(|longest| longest.set(longest.get().max(late)));
}

/// By how much the latest look of this thread came too late, since this was last asked.
pub(crate) fn longest_gap() -> Duration {
    LONGEST.with(Cell::take)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::PollFlags;

    #[test]
    fn a_wait_ends_by_what_it_waits_for_by_its_deadline_and_by_the_stop_flag() {
        let (here, there) = rustix::pipe::pipe().unwrap();
        let fds = || [PollFd::new(&here, PollFlags::IN)];
        let (go, stop) = (AtomicBool::new(false), AtomicBool::new(true));
        let soon = Instant::now() + Duration::from_millis(20);
        assert_eq!(wait(&mut fds(), Some(soon), &go), Err(WaitCut::Late));
        assert_eq!(wait(&mut fds(), None, &stop), Err(WaitCut::Stopped));
        rustix::io::write(&there, b"x").unwrap();
        assert_eq!(wait(&mut fds(), None, &go), Ok(()));
    }

    #[test]
    fn a_late_look_is_remembered_once() {
        longest_gap();
        note_gap(Duration::from_secs(3));
        note_gap(Duration::from_secs(2));
        assert_eq!((longest_gap(), longest_gap()), (Duration::from_secs(3), Duration::ZERO));
    }
}
