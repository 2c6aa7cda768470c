//! How an end waits, which you choose for the connection, and how long, which comes with a call.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::parse::ParseError;
use crate::tuning;

/// How an end waits when there is nothing to receive, or no room to send.
///
/// The way of waiting decides more than the mechanism: a spinning wait ends within a cache line's journey but
/// burns a core; a sleeping one costs nothing while it lasts and tens of microseconds to end on an idle core.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use crossing::WaitStrategy;
///
/// assert_eq!("block".parse(), Ok(WaitStrategy::Block));
/// assert_eq!("hybrid:20us".parse(), Ok(WaitStrategy::Hybrid { spin: Duration::from_micros(20) }));
/// assert_eq!(WaitStrategy::HYBRID.to_string(), "hybrid");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WaitStrategy {
    /// Poll until it comes, never sleep. If both ends were bound to the same single core when they
    /// connected, every poll yields that core, since otherwise the peer could not run at all.
    Spin,
    /// Poll for this long, then sleep. While recent waits have been longer, sleep at once, because
    /// polling would be wasted. If both ends share their only core, it does not poll at all.
    Hybrid {
        /// The budget of one wait. The best budget is about what a wake-up costs on the machine: if the
        /// message comes sooner, sleeping would have cost more.
        spin: Duration,
    },
    /// Sleep. Only an end in the middle of a stream polls first, for no longer than a sleep would
    /// cost.
    Block,
}

impl WaitStrategy {
    /// A hybrid wait with a budget of 50 µs, about one wake-up of an idle core.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use crossing::{Config, WaitStrategy};
    ///
    /// assert_eq!(WaitStrategy::HYBRID, WaitStrategy::Hybrid { spin: Duration::from_micros(50) });
    /// assert_eq!(Config::default().wait, WaitStrategy::HYBRID);
    /// ```
    pub const HYBRID: WaitStrategy = WaitStrategy::Hybrid { spin: tuning::HYBRID_SPIN };

    /// The name on the command line and in JSON: `spin`, `hybrid`, `block`.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use crossing::WaitStrategy;
    ///
    /// let wait = WaitStrategy::Hybrid { spin: Duration::from_micros(20) };
    /// assert_eq!(wait.name(), "hybrid"); // whatever its budget
    /// assert_eq!(wait.to_string(), "hybrid:20us");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            WaitStrategy::Spin => "spin",
            WaitStrategy::Hybrid { .. } => "hybrid",
            WaitStrategy::Block => "block",
        }
    }
}

impl fmt::Display for WaitStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            WaitStrategy::Hybrid { spin } if *self != WaitStrategy::HYBRID => {
                f.pad(&format!("hybrid:{}us", spin.as_micros()))
            }
            _ => f.pad(self.name()),
        }
    }
}

impl FromStr for WaitStrategy {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let budget = || text.strip_prefix("hybrid:")?.strip_suffix("us")?.parse().ok();
        match text {
            "spin" => Ok(WaitStrategy::Spin),
            "hybrid" => Ok(WaitStrategy::HYBRID),
            "block" => Ok(WaitStrategy::Block),
            _ => match budget() {
                Some(micros) => Ok(WaitStrategy::Hybrid { spin: Duration::from_micros(micros) }),
                None => {
                    Err(ParseError::new("way of waiting", text, "one of spin, hybrid, hybrid:<N>us, block"))
                }
            },
        }
    }
}

/// How long a call may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Return at once.
    Now,
    /// Until then.
    At(Instant),
    /// For ever.
    Forever,
}

impl Until {
    /// Until `timeout` from now.
    pub(crate) fn after(timeout: Duration) -> Until {
        // A timeout beyond the clock's range never ends.
        Instant::now().checked_add(timeout).map_or(Until::Forever, Until::At)
    }
}

/// The core of the calling thread, if it may run on one only.
pub(crate) fn only_core() -> Option<u16> {
    let cores = rustix::thread::sched_getaffinity(None).ok()?;
    let core = (0..rustix::thread::CpuSet::MAX_CPU).find(|&core| cores.is_set(core))?;
    (cores.count() == 1).then(|| u16::try_from(core).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        let long = WaitStrategy::Hybrid { spin: Duration::from_micros(7) };
        for strategy in [WaitStrategy::Spin, WaitStrategy::HYBRID, long, WaitStrategy::Block] {
            assert_eq!(strategy.to_string().parse(), Ok(strategy));
        }
        assert!("busy".parse::<WaitStrategy>().is_err());
        assert!("hybrid:us".parse::<WaitStrategy>().is_err());
    }
}
