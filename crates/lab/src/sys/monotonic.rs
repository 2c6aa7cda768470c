//! The kernel's monotonic clocks as plain nanoseconds, so that two processes can compare what they read.
//! (`std::time::Instant` reads one of them too, but its value cannot leave the process.)
#![allow(unsafe_code)]

/// CLOCK_MONOTONIC, in nanoseconds since an arbitrary point that all processes of the machine share.
#[inline]
pub fn monotonic_ns() -> u64 {
    read_ns(libc::CLOCK_MONOTONIC)
}

/// CLOCK_MONOTONIC_RAW: the same, but never slewed towards an outside time source.
pub fn monotonic_raw_ns() -> u64 {
    read_ns(libc::CLOCK_MONOTONIC_RAW)
}

#[inline]
fn read_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a live timespec that this call alone may write to.
    let done = unsafe { libc::clock_gettime(clock, &raw mut time) };
    // Both clocks are part of every Linux since 2.6.28, so the call fails for an unknown clock only.
    debug_assert_eq!(done, 0);
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
