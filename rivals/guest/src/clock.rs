//! The job's clock: both sides read the same one.

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use serde::Deserialize;

use crate::{Failure, Result};

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Clock {
    /// The processor's time-stamp counter.
    Tsc {
        ns_per_tick: f64,
    },
    Monotonic,
}

impl Clock {
    #[inline]
    pub(crate) fn now_ticks(self) -> u64 {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: every x86-64 processor has the instruction.
            Clock::Tsc { .. } => unsafe { core::arch::x86_64::_rdtsc() },
            _ => {
                let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap_or(TimeSpec::new(0, 0));
                now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
            }
        }
    }

    /// `ticks` in nanoseconds, divided by `parts` and rounded to the nearest.
    pub(crate) fn ns(self, ticks: u64, parts: u32) -> u64 {
        let ns_per_tick = match self {
            Clock::Tsc { ns_per_tick } => ns_per_tick,
            Clock::Monotonic => 1.0,
        };
        (ticks as f64 * ns_per_tick / f64::from(parts)).round() as u64
    }

    pub(crate) fn fault(self) -> Option<String> {
        match self {
            Clock::Tsc { ns_per_tick } if !(ns_per_tick > 0.0 && ns_per_tick <= 1e9) => {
                Some("ns_per_tick: a number above 0 is needed".into())
            }
            _ => None,
        }
    }

    pub(crate) fn check(self) -> Result<()> {
        if cfg!(not(target_arch = "x86_64")) && self != Clock::Monotonic {
            return Err(Failure::Unsupported("clock tsc: monotonic only, on this processor".into()));
        }
        Ok(())
    }
}

/// From `start` to `stop`; the clocks of two cores that disagree end the run.
#[inline]
pub(crate) fn between(start: u64, stop: u64) -> Result<u64> {
    stop.checked_sub(start)
        .ok_or_else(|| Failure::Failed(format!("the clock went backwards by {} ticks", start - stop)))
}
