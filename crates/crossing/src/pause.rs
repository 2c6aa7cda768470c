//! Sleeping for a time, where the kernel may refuse the call for it.

use std::time::Duration;

use rustix::event::{Timespec, poll};
use rustix::thread::{ClockId, NanosleepRelativeResult, clock_nanosleep_relative};

/// Sleeps for about this long. `std::thread::sleep` panics where clock_nanosleep(2) is refused;
/// this then uses ppoll(2) without descriptors, and returns at once where that is refused too.
/// Callers therefore check their condition again, and have a limit.
#[doc(hidden)]
pub fn pause(time: Duration) {
    let longest = Timespec { tv_sec: i64::MAX, tv_nsec: 0 };
    let mut left = Timespec::try_from(time).unwrap_or(longest);
    loop {
        match clock_nanosleep_relative(ClockId::Monotonic, &left) {
            NanosleepRelativeResult::Ok => return,
            NanosleepRelativeResult::Interrupted(rest) => left = rest,
            NanosleepRelativeResult::Err(_) => {
                // Refused, too: nothing is left to sleep by.
                let _ = poll(&mut [], Some(&left));
                return;
            }
        }
    }
}
