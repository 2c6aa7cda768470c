//! Waiting for a moment, where nothing else tells it.

use std::time::Duration;

use crate::clock::Clock;

/// One that may sleep wakes this long before the moment and spins the rest: longer than a timer is late.
const WAKE_EARLY: Duration = Duration::from_micros(200);

/// Waits for `due`, in ticks of `clock`, with a sleep on the way if it may and there is time for one.
pub(super) fn wait_until(due: u64, clock: &Clock, may_sleep: bool) {
    if may_sleep {
        let left = Duration::from_nanos(clock.ns(due.saturating_sub(clock.now())));
        if let Some(sleep) = left.checked_sub(WAKE_EARLY).filter(|sleep| !sleep.is_zero()) {
            crossing::pause(sleep);
        }
    }
    while clock.now() < due {
        std::hint::spin_loop();
    }
}
