//! The kernel's monotonic clocks as plain nanoseconds, so that two processes can compare what they read.
//! (`std::time::Instant` reads one of them too, but its value cannot leave the process.)

use rustix::time::{ClockId, clock_gettime};

/// CLOCK_MONOTONIC, in nanoseconds since an arbitrary point that all processes of the machine share.
#[inline]
pub fn monotonic_ns() -> u64 {
    read_ns(ClockId::Monotonic)
}

/// CLOCK_MONOTONIC_RAW: the same, but never slewed towards an outside time source.
pub fn monotonic_raw_ns() -> u64 {
    read_ns(ClockId::MonotonicRaw)
}

#[inline]
fn read_ns(clock: ClockId) -> u64 {
    // The kernel has both clocks, and answers in the vDSO; where it refuses, `Instant::now` ends the program as well.
    let time = clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_run_backwards() {
        let (monotonic, raw) = (monotonic_ns(), monotonic_raw_ns());
        assert!(monotonic > 0 && raw > 0);
        assert!(monotonic_ns() >= monotonic && monotonic_raw_ns() >= raw);
    }
}
