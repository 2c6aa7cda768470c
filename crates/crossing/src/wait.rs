//! Waiting: the same menu on every mechanism.
//!
//! A wait has two parts. *How* is the [`WaitStrategy`] that the owner of an end chose; *how long* comes with
//! the call: not at all, until a deadline, or for ever. Both together are a `Patience`, which runs the
//! polling part of a wait; the mechanism knows how to sleep. The clock is read only here, while there is
//! nothing to do.

use std::fmt;
use std::hint::spin_loop;
use std::str::FromStr;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, Timespec, clock_gettime};

/// How an end waits when there is nothing to receive, or no room to send.
///
/// The way of waiting decides more than the mechanism: a spinning wait ends within a cache line's journey but
/// burns a core; a sleeping one costs nothing while it lasts and tens of microseconds to end on an idle core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WaitStrategy {
    /// Poll until it comes. Never sleeps. Where both ends were bound to the same single core when they
    /// connected, every poll yields that core, since otherwise the peer could not run at all.
    Spin,
    /// Poll for so long, then sleep; but sleep at once while waits last longer than that: polling would not save the
    /// sleep. Where both ends share their only core it does not poll at all.
    Hybrid {
        /// The budget of one wait. The best budget is about what a wake-up costs on the machine: if the
        /// message comes sooner, sleeping would have cost more.
        spin: Duration,
    },
    /// Sleep, and do not poll for longer than a sleep costs. Only somebody in the middle of a stream polls at all.
    Block,
}

impl WaitStrategy {
    /// A hybrid wait with a budget of 50 µs, about one wake-up of an idle core.
    pub const HYBRID: WaitStrategy = WaitStrategy::Hybrid { spin: Duration::from_micros(50) };

    /// The name on the command line and in JSON: `spin`, `hybrid`, `block`.
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
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let budget = || text.strip_prefix("hybrid:")?.strip_suffix("us")?.parse().ok();
        match text {
            "spin" => Ok(WaitStrategy::Spin),
            "hybrid" => Ok(WaitStrategy::HYBRID),
            "block" => Ok(WaitStrategy::Block),
            _ => match budget() {
                Some(micros) => Ok(WaitStrategy::Hybrid { spin: Duration::from_micros(micros) }),
                None => Err(format!("unknown way of waiting `{text}`: spin, hybrid, hybrid:<N>us or block")),
            },
        }
    }
}

/// How long a call may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Not at all.
    Now,
    /// Until then.
    At(Instant),
    /// For ever.
    Forever,
}

impl Until {
    /// Until `timeout` from now.
    pub(crate) fn after(timeout: Duration) -> Until {
        // A time beyond what the clock can count is for ever.
        Instant::now().checked_add(timeout).map_or(Until::Forever, Until::At)
    }
}

/// How one half of a connection waits, and what it has learnt from its last wait.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    pub(crate) strategy: WaitStrategy,
    pub(crate) until: Until,
    /// Whether both ends share their only core: then polling keeps the peer from running.
    one_core: bool,
    /// Whether a hybrid polls: whether its last wait was over within the budget. The next gap between two messages is
    /// mostly like the one before.
    polls: bool,
    /// How many waits a hybrid has polled: see [`WAITS_PER_YIELD`].
    polled: u32,
    /// When the wait that goes on began, if it may end in a sleep after polling.
    began: Option<Instant>,
    /// How many `pause` instructions stand between two looks.
    pauses: u32,
}

/// How the polling part of a wait ended.
#[derive(Debug)]
pub(crate) enum Polled<T> {
    /// There it is.
    Found(T),
    /// Polling is over: sleep.
    Sleep,
    /// Patience is over.
    TimedOut,
}

/// After so many waits that it polled, a hybrid gives its core away for once. Two ends that happen to run at the same time
/// would else keep both cores, exchanging thousands of messages while many other pairs wait for their turn.
const WAITS_PER_YIELD: u32 = 256;

/// How many looks go by between two looks at the clock.
const LOOKS_PER_CLOCK: u32 = 64;

/// How many times [`Patience::linger`] lets the space between two looks go by: about 4 µs, found by measuring
/// (METHODOLOGY.md, "Lingering").
const LINGER_PAUSES: u32 = 160;

/// How often [`Patience::poll_briefly`] looks: about as long as it costs to fall asleep and to be woken, which is when
/// polling has cost as much as the sleep that it might have saved.
const BRIEF_LOOKS: u32 = 512;

impl Patience {
    /// Waits by `strategy`, for ever.
    pub(crate) fn new(strategy: WaitStrategy, one_core: bool) -> Patience {
        let pauses = Spacing::calibrated().pauses;
        Patience { strategy, until: Until::Forever, one_core, polls: true, polled: 0, began: None, pauses }
    }

    /// The same, for a call that may wait so long.
    pub(crate) fn until(&mut self, until: Until) -> &mut Patience {
        self.until = until;
        self.began = None;
        self
    }

    /// Waits by another strategy from now on, with nothing learnt.
    pub(crate) fn set_strategy(&mut self, strategy: WaitStrategy) {
        self.strategy = strategy;
        self.polls = true;
    }

    /// Looks again and again, as long as the strategy polls.
    #[inline]
    pub(crate) fn poll<T>(&mut self, mut look: impl FnMut() -> Option<T>) -> Polled<T> {
        if self.until == Until::Now {
            return look().map_or(Polled::TimedOut, Polled::Found);
        }
        let budget = match self.strategy {
            WaitStrategy::Spin => None,
            WaitStrategy::Hybrid { spin } if !self.one_core => Some(spin),
            WaitStrategy::Hybrid { .. } | WaitStrategy::Block => Some(Duration::ZERO),
        };
        if budget.is_some_and(|budget| budget > Duration::ZERO) {
            self.began.get_or_insert_with(Instant::now);
        }
        if budget.is_some() && (budget == Some(Duration::ZERO) || !self.polls) {
            return self.ended().unwrap_or(Polled::Sleep);
        }
        if budget.is_some() {
            self.polled = self.polled.wrapping_add(1);
            if self.polled.is_multiple_of(WAITS_PER_YIELD) {
                thread::yield_now();
            }
        }
        // A budget beyond what the clock can count never ends.
        let give_up = budget.zip(self.began).and_then(|(spin, began)| began.checked_add(spin));
        loop {
            for _ in 0..LOOKS_PER_CLOCK {
                if let Some(found) = look() {
                    return Polled::Found(found);
                }
                self.pause();
            }
            if let Some(ended) = self.ended() {
                return ended;
            }
            if give_up.is_some_and(|give_up| Instant::now() >= give_up) {
                return Polled::Sleep;
            }
        }
    }

    /// Looks at `what` as the strategy has it, and sleeps on it in between. `None` when patience has ended.
    #[inline]
    pub(crate) fn wait<W, T, E>(
        &mut self,
        what: &mut W,
        mut look: impl FnMut(&mut W) -> Option<T>,
        mut sleep: impl FnMut(&W, &Patience) -> Result<(), E>,
    ) -> Result<Option<T>, E> {
        loop {
            // One look before the clock is read: on the data path there is no clock.
            if let Some(found) = look(what) {
                return Ok(Some(found));
            }
            if self.until == Until::Now {
                return Ok(None);
            }
            match self.poll(|| look(what)) {
                Polled::Found(found) => return Ok(Some(found)),
                Polled::TimedOut => return Ok(None),
                Polled::Sleep => sleep(what, self)?,
            }
            self.slept();
        }
    }

    /// Takes note that a wait has slept, or was about to: the next one polls if this one was over within the budget.
    pub(crate) fn slept(&mut self) {
        if let (WaitStrategy::Hybrid { spin }, Some(began)) = (self.strategy, self.began) {
            self.polls = began.elapsed() <= spin;
        }
    }

    /// The time between two looks: long enough not to fight the writer for the cache line.
    #[inline]
    fn pause(&self) {
        if self.one_core {
            thread::yield_now();
        } else {
            (0..self.pauses).for_each(|_| spin_loop());
        }
    }

    /// Waits for some microseconds *without* a look, for one whose look costs the peer more than the delay: the look at a
    /// pipe takes its lock. So it serves every strategy, a spinning one too. Not before a deadline, which it could
    /// overrun, nor where it would keep the peer from running. Its opposite is [`Patience::poll_briefly`].
    pub(crate) fn linger(&self) {
        if self.until == Until::Forever && !self.one_core {
            (0..LINGER_PAUSES).for_each(|_| self.pause());
        }
    }

    /// *Looks* for about as long as a sleep would cost both sides, for one whose look costs the peer next to nothing, and who
    /// has reason to think that it comes sooner than a sleep would end. Only for strategies that sleep: [`Patience::poll`]
    /// does all the looking for one that spins. Not where it would keep the peer from running.
    pub(crate) fn poll_briefly<T>(&self, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        if self.strategy == WaitStrategy::Spin || self.until == Until::Now || self.one_core {
            return None;
        }
        (0..BRIEF_LOOKS).find_map(|_| {
            let found = look();
            if found.is_none() {
                self.pause();
            }
            found
        })
    }

    fn ended<T>(&self) -> Option<Polled<T>> {
        self.left().is_some_and(|left| left.is_zero()).then_some(Polled::TimedOut)
    }

    /// How long a sleep may last; `None` for ever.
    pub(crate) fn left(&self) -> Option<Duration> {
        match self.until {
            Until::Now => Some(Duration::ZERO),
            Until::At(deadline) => Some(deadline.saturating_duration_since(Instant::now())),
            Until::Forever => None,
        }
    }

    /// When a sleep must end, on CLOCK_MONOTONIC; `None` for never.
    pub(crate) fn deadline(&self) -> Option<Timespec> {
        let left = self.left()?;
        let now = clock_gettime(ClockId::Monotonic);
        let nanos = now.tv_nsec + i64::from(left.subsec_nanos());
        let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX / 2);
        Some(Timespec {
            tv_sec: now.tv_sec.saturating_add(seconds).saturating_add(nanos / 1_000_000_000),
            tv_nsec: nanos % 1_000_000_000,
        })
    }
}

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

    #[test]
    fn a_hybrid_on_one_core_does_not_poll() {
        let polled = Patience::new(WaitStrategy::HYBRID, true).poll::<()>(|| panic!("looked"));
        assert!(matches!(polled, Polled::Sleep));
    }

    #[test]
    fn patience_ends_at_its_deadline_whatever_the_strategy() {
        for strategy in [WaitStrategy::Spin, WaitStrategy::HYBRID, WaitStrategy::Block] {
            let mut patience = Patience::new(strategy, false);
            let outcome = patience.until(Until::At(Instant::now())).poll(|| None::<()>);
            assert!(matches!(outcome, Polled::TimedOut));
        }
    }

    /// One wait of `patience` that ends in a sleep which is over at once. Whether it polled.
    fn wait_and_sleep(patience: &mut Patience) -> bool {
        let mut looks = 0;
        let polled = patience.until(Until::Forever).poll(|| {
            looks += 1;
            None::<()>
        });
        assert!(matches!(polled, Polled::Sleep));
        patience.slept();
        looks > 0
    }

    #[test]
    fn a_hybrid_polls_while_waits_are_short_and_only_then() {
        let mut patience = Patience::new(WaitStrategy::Hybrid { spin: Duration::from_nanos(1) }, false);
        assert!(wait_and_sleep(&mut patience), "it polls at first");
        assert!(!wait_and_sleep(&mut patience), "it polls although its last wait outlasted the budget");
        // The same wait is a short one under a budget of an hour.
        patience.strategy = WaitStrategy::Hybrid { spin: Duration::from_secs(3600) };
        assert!(!wait_and_sleep(&mut patience));
        let found = patience.until(Until::Forever).poll(|| Some(()));
        assert!(matches!(found, Polled::Found(())), "it does not poll although its last wait was short");
    }

    #[test]
    fn looks_are_spaced_alike_however_long_a_pause_takes() {
        assert_eq!([0.0, 0.5, 3.0, 15.0, 43.0].map(|ns| Spacing::of(ns).pauses), [16, 16, 5, 1, 1]);
        let found = Spacing::calibrated();
        assert!(found.pause_ns > 0.0 && found == Spacing::calibrated());
    }
}
