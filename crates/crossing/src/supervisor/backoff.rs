//! How long a supervisor waits before it tries again.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// How long a [`Supervisor`](crate::Supervisor) waits between attempts, and when it gives up.
///
/// Each failure in a row doubles the pause, up to the longest. The pause is cut short by a random
/// part of its second half, so that many that failed together do not come again together.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use crossing::Backoff;
///
/// // 100 ms, 200 ms, … up to 5 s; the 21st failure in a row is the last.
/// let backoff = Backoff::default()
///     .first(Duration::from_millis(100))
///     .longest(Duration::from_secs(5))
///     .limit(20)
///     .stable(Duration::from_secs(60));
/// assert_eq!(backoff.limit, 20);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// The pause after the first failure. 10 ms by default.
    pub first: Duration,
    /// The longest pause. 10 s by default.
    pub longest: Duration,
    /// How many failures in a row are made up for. 10 by default; with one more the supervisor
    /// gives up.
    pub limit: u32,
    /// How long a connection must have lasted for its end not to count as a failure, and for those
    /// before it to be forgotten. 10 s by default.
    pub stable: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff {
            first: Duration::from_millis(10),
            longest: Duration::from_secs(10),
            limit: 10,
            stable: Duration::from_secs(10),
        }
    }
}

impl Backoff {
    /// Sets [`first`](Backoff::first).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use crossing::Backoff;
    ///
    /// // A server that takes a second to start is not asked a hundred times meanwhile.
    /// let backoff = Backoff::default().first(Duration::from_millis(500));
    /// assert_eq!(backoff.first, Duration::from_millis(500));
    /// ```
    pub fn first(self, first: Duration) -> Self {
        Backoff { first, ..self }
    }

    /// Sets [`longest`](Backoff::longest).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use crossing::Backoff;
    ///
    /// // After a long absence it is back within a second.
    /// let backoff = Backoff::default().longest(Duration::from_secs(1));
    /// assert_eq!(backoff.longest, Duration::from_secs(1));
    /// ```
    pub fn longest(self, longest: Duration) -> Self {
        Backoff { longest, ..self }
    }

    /// Sets [`limit`](Backoff::limit).
    ///
    /// # Examples
    /// ```
    /// use crossing::Backoff;
    ///
    /// // It never gives up.
    /// let backoff = Backoff::default().limit(u32::MAX);
    /// assert_eq!(backoff.limit, u32::MAX);
    /// ```
    pub fn limit(self, limit: u32) -> Self {
        Backoff { limit, ..self }
    }

    /// Sets [`stable`](Backoff::stable).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use crossing::Backoff;
    ///
    /// // Connections that end soon are this server's way, and no failure.
    /// let backoff = Backoff::default().stable(Duration::ZERO);
    /// assert!(backoff.stable.is_zero());
    /// ```
    pub fn stable(self, stable: Duration) -> Self {
        Backoff { stable, ..self }
    }

    /// The pause after so many failures in a row.
    pub(super) fn pause(&self, failures: u32) -> Duration {
        let full = self.full(failures);
        // Of the standard library's keys, which are drawn anew for each.
        let random = RandomState::new().build_hasher().finish();
        full - (full / 2).mul_f64(random as f64 / u64::MAX as f64).min(full / 2)
    }

    /// The same before it is cut.
    fn full(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        if failures == 0 { Duration::ZERO } else { self.first.saturating_mul(factor).min(self.longest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_differ() {
        let backoff = Backoff::default();
        assert_eq!(backoff.pause(0), Duration::ZERO);
        let millis = |failures| backoff.full(failures).as_millis();
        assert_eq!([1, 2, 3, 10, 11, 40, u32::MAX].map(millis), [10, 20, 40, 5120, 10_000, 10_000, 10_000]);
        let mut drawn: Vec<_> = (0..100).map(|_| backoff.pause(5)).collect();
        let full = backoff.full(5);
        assert!(drawn.iter().all(|pause| (full / 2..=full).contains(pause)), "{drawn:?}");
        drawn.dedup();
        assert!(drawn.len() > 50, "{drawn:?}");
        let endless = Backoff { first: Duration::MAX, longest: Duration::MAX, ..backoff };
        assert!(endless.pause(3) >= Duration::MAX / 2 - Duration::from_secs(1));
        assert_eq!(Backoff { longest: Duration::ZERO, ..backoff }.pause(3), Duration::ZERO);
    }
}
