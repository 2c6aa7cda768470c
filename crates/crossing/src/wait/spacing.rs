//! Spacing: how often a polling wait polls.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::tuning::{PAUSES_TIMED, SPACING_NS, TIMINGS};

/// The time between two polls of a cache line.
///
/// A reader that polls constantly fights the writer for the line; one that polls rarely sees the
/// message late. The processor's `pause` takes 3 to 50 ns, depending on the model, so each process
/// times it once.
///
/// # References
/// Intel's optimization manual on the PAUSE instruction; METHODOLOGY.md on the floor by ways of polling.
///
/// # Examples
/// ```
/// use crossing::Spacing;
///
/// let Spacing { pauses, pause_ns } = Spacing::calibrated();
/// println!("a polling wait looks every {:.0} ns", f64::from(pauses) * pause_ns);
/// # assert!(pauses >= 1 && pause_ns > 0.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spacing {
    /// `pause` instructions between two looks.
    pub pauses: u32,
    /// What one of them takes, in nanoseconds.
    pub pause_ns: f64,
}

/// No bits of a time: not measured yet.
const NOT_FOUND: u64 = u64::MAX;

impl Spacing {
    /// What this process measured. The first call takes some tens of microseconds.
    ///
    /// # Examples
    /// ```
    /// use crossing::Spacing;
    ///
    /// let spacing = Spacing::calibrated(); // early, so that no wait pays for the measurement
    /// assert_eq!(spacing, Spacing::calibrated());
    /// ```
    pub fn calibrated() -> Spacing {
        // The measured nanoseconds, as bits. No lock: a child could be forked while another thread
        // holds it.
        static FOUND: AtomicU64 = AtomicU64::new(NOT_FOUND);
        let there = FOUND.load(Ordering::Relaxed);
        if there != NOT_FOUND {
            return Spacing::of(f64::from_bits(there));
        }
        let timing = |_| {
            let began = Instant::now();
            (0..PAUSES_TIMED).for_each(|_| spin_loop());
            began.elapsed()
        };
        let least = (0..TIMINGS).map(timing).min().unwrap_or_default();
        let found = (least.as_nanos() as f64 / f64::from(PAUSES_TIMED)).to_bits();
        // The first thread's measurement serves all.
        let set = FOUND.compare_exchange(NOT_FOUND, found, Ordering::Relaxed, Ordering::Relaxed);
        Spacing::of(f64::from_bits(set.map_or_else(|there| there, |_| found)))
    }

    fn of(pause_ns: f64) -> Spacing {
        Spacing { pauses: (SPACING_NS / pause_ns).round().clamp(1.0, 16.0) as u32, pause_ns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_spaced_alike_however_long_a_pause_takes() {
        assert_eq!([0.0, 0.5, 3.0, 15.0, 43.0].map(|ns| Spacing::of(ns).pauses), [16, 16, 5, 1, 1]);
        let found = Spacing::calibrated();
        assert!(found.pause_ns > 0.0 && found == Spacing::calibrated());
    }
}
