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
        let now = Instant::now();
        if deadline.is_some_and(|deadline| now >= deadline) {
            return Err(WaitCut::Late);
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
        let nap = left.map_or(LOOK_UP, |left| left.min(LOOK_UP));
        let ready = poll(fds, Some(&Timespec { tv_sec: 0, tv_nsec: nap.as_nanos() as i64 }));
        looked(nap);
        match ready {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(WaitCut::Refused(errno)),
        }
    }
}

thread_local! {
    /// When this thread looked last, and the longest delay of a look since it was last asked for.
    static LOOKS: Cell<(Option<Instant>, Duration)> = const { Cell::new((None, Duration::ZERO)) };
}

/// A look, due `nap` after the one before it at the latest. What the lab does between two naps takes next to no time, so a stop
/// is seen there, too.
fn looked(nap: Duration) {
    let now = Instant::now();
    let (last, longest) = LOOKS.get();
    let late = last.map_or(Duration::ZERO, |last| now.duration_since(last).saturating_sub(nap));
    LOOKS.set((Some(now), longest.max(late)));
}

/// By how much the latest look of this thread came too late, since this was last asked: asking is a look.
pub(crate) fn longest_gap() -> Duration {
    looked(Duration::ZERO);
    let (last, longest) = LOOKS.get();
    LOOKS.set((last, Duration::ZERO));
    longest
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
    fn a_late_look_is_remembered_once_wherever_the_thread_was() {
        const AWAY: Duration = Duration::from_millis(20);
        longest_gap();
        std::thread::sleep(AWAY);
        let (here, there) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&there, b"x").unwrap();
        // What it waits for is there already: this look is late because the thread slept before it, but for its own nap.
        let nap = Instant::now() + Duration::from_millis(1);
        wait(&mut [PollFd::new(&here, PollFlags::IN)], Some(nap), &AtomicBool::new(false)).unwrap();
        let gap = longest_gap();
        assert!(gap >= AWAY - Duration::from_millis(1), "{gap:?}");
        std::thread::sleep(AWAY);
        let gap = longest_gap();
        assert!(gap >= AWAY, "asking is a look: {gap:?}");
    }
}
