//! The deadline of meeting: one point in time until which two ends must have found each other and agreed.
//!
//! It is set once, when an end begins to dial or to shake hands, and everything that waits meanwhile waits here: until a descriptor
//! is ready, or for a pause before something is tried again. Signals that are handled meanwhile cost a look at the clock.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::error::ConnectError;

/// The point in time after `timeout`. Beyond what the clock can count, a year is for ever.
pub(crate) fn after(timeout: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or_else(|| now + Duration::from_secs(365 * 24 * 3600))
}

/// How much is left.
pub(crate) fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

pub(crate) fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}

/// Waits until `fd` is ready for `events`, has ended, or has failed. Without a deadline it waits as long as it takes.
pub(crate) fn wait(
    fd: BorrowedFd<'_>,
    events: PollFlags,
    deadline: Option<Instant>,
) -> Result<(), ConnectError> {
    wait_for_any(&[fd], events, deadline)
}

/// The same, until one of several is.
pub(crate) fn wait_for_any<const N: usize>(
    fds: &[BorrowedFd<'_>; N],
    events: PollFlags,
    deadline: Option<Instant>,
) -> Result<(), ConnectError> {
    loop {
        let left = deadline.map(left);
        let mut polled = fds.each_ref().map(|fd| PollFd::from_borrowed_fd(*fd, events));
        match poll(&mut polled, left.map(timespec).as_ref()) {
            Ok(0) if left.is_some_and(|left| left.is_zero()) => return Err(ConnectError::Timeout),
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(ConnectError::io("wait for the other end")(errno)),
        }
    }
}

/// Waits until `fd` can be read, or has ended.
pub(crate) fn wait_readable(fd: BorrowedFd<'_>, deadline: Instant) -> Result<(), ConnectError> {
    wait(fd, PollFlags::IN, Some(deadline))
}

/// What cannot be waited for is tried again, after pauses that grow.
#[derive(Debug)]
pub(crate) struct Pauses {
    next: Duration,
}

impl Pauses {
    const LONGEST: Duration = Duration::from_millis(64);

    pub(crate) fn new() -> Pauses {
        Pauses { next: Duration::from_millis(1) }
    }

    /// Sleeps for the next pause, at most until the deadline. `Timeout` when that has come already.
    pub(crate) fn pause(&mut self, deadline: Option<Instant>) -> Result<(), ConnectError> {
        let left = deadline.map_or(Duration::MAX, left);
        if left.is_zero() {
            return Err(ConnectError::Timeout);
        }
        crate::pause::pause(self.next.min(left));
        self.next = (self.next * 2).min(Self::LONGEST);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_deadline_that_has_come_ends_what_waits() {
        let (reading, _writing) = rustix::pipe::pipe().unwrap();
        let now = Instant::now();
        assert!(matches!(wait(reading.as_fd(), PollFlags::IN, Some(now)), Err(ConnectError::Timeout)));
        assert!(matches!(Pauses::new().pause(Some(now)), Err(ConnectError::Timeout)));
        assert!(after(Duration::MAX) > now + Duration::from_secs(1_000_000));
    }

    #[test]
    fn pauses_grow_to_their_limit() {
        let mut pauses = Pauses::new();
        let mut lengths = Vec::new();
        for _ in 0..4 {
            lengths.push(pauses.next);
            pauses.pause(None).unwrap();
        }
        assert!(lengths.is_sorted() && lengths[3] == lengths[0] * 8);
        let mut last = Pauses { next: Pauses::LONGEST };
        last.pause(Some(after(Duration::from_millis(1)))).unwrap();
        assert_eq!(last.next, Pauses::LONGEST);
    }
}
