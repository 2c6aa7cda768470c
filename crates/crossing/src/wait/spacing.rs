//! Spacing: how often a wait that polls looks.

use std::hint::spin_loop;
use std::sync::OnceLock;
use std::time::Instant;

/// How far apart two looks at a cache line are while a wait polls.
///
/// A reader that hammers the line fights the writer for it; one that looks rarely sees the message late. The processor's
/// `pause` takes anything from 3 to 50 ns, by its make, so it is timed once in each process.
///
/// # References
/// Intel's optimization manual on the PAUSE instruction; METHODOLOGY.md on the floor by ways of polling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spacing {
    /// `pause` instructions between two looks.
    pub pauses: u32,
    /// What one of them takes, in nanoseconds.
    pub pause_ns: f64,
}

/// The least time between two looks that is aimed at, in nanoseconds: about a third of a cache line's journey between near
/// cores.
const SPACING_NS: f64 = 15.0;
/// How many pauses are timed at once, …
const PAUSES_TIMED: u32 = 64;
/// … and how often: the shortest time counts, since an interruption only adds to it.
const TIMINGS: u32 = 8;

impl Spacing {
    /// What this process found, the first time it was asked. Takes some tens of microseconds then.
    pub fn calibrated() -> Spacing {
        static FOUND: OnceLock<Spacing> = OnceLock::new();
        *FOUND.get_or_init(|| {
            let timing = |_| {
                let began = Instant::now();
                (0..PAUSES_TIMED).for_each(|_| spin_loop());
                began.elapsed()
            };
            let least = (0..TIMINGS).map(timing).min().unwrap_or_default();
            Spacing::of(least.as_nanos() as f64 / f64::from(PAUSES_TIMED))
        })
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
