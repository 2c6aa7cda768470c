//! Patience: the polling part of a wait, and what one wait teaches the next.

use std::hint::spin_loop;
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, Timespec, clock_gettime};

use super::{Spacing, Until, WaitStrategy};
use crate::stopper::Stopper;
use crate::tuning::{BRIEF_LOOKS, LINGER_PAUSES, LOOKS_PER_CLOCK, WAITS_PER_YIELD};

/// How one half of a connection waits, and what it has learnt from its last wait.
#[derive(Debug, Clone)]
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
    /// What ends a wait from outside.
    stopper: Option<Stopper>,
}

/// How long a sleep lasts that cannot see whether it was stopped.
const BLIND_NAP: Duration = Duration::from_millis(10);

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

impl Patience {
    /// Waits by `strategy`, for ever.
    pub(crate) fn new(strategy: WaitStrategy, one_core: bool) -> Patience {
        let pauses = Spacing::calibrated().pauses;
        Patience {
            strategy,
            until: Until::Forever,
            one_core,
            polls: true,
            polled: 0,
            began: None,
            pauses,
            stopper: None,
        }
    }

    /// The same, for a call with this limit.
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

    /// Lets `stopper` end waits from now on.
    pub(crate) fn set_stopper(&mut self, stopper: &Stopper) {
        self.stopper = Some(stopper.clone());
    }

    /// What may end a sleep beside the deadline, for those that can sleep on it.
    pub(crate) fn stopper(&self) -> Option<&Stopper> {
        self.stopper.as_ref()
    }

    /// Whether waits were ended from outside.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopper.as_ref().is_some_and(Stopper::is_stopped)
    }

    /// Whether both ends share their only core.
    pub(crate) fn shares_core(&self) -> bool {
        self.one_core
    }

    /// Polls until the condition holds or the strategy's polling is over.
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
            if self.polled % WAITS_PER_YIELD == 0 {
                thread::yield_now();
            }
        }
        // A budget beyond the clock's range never ends.
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

    /// Polls as the strategy has it, for one that also waits for what polling does not show: a wait that never sleeps looks there
    /// after each part of its polling.
    pub(crate) fn poll_for_a_while<T>(&mut self, mut look: impl FnMut() -> Option<T>) -> Polled<T> {
        if self.strategy != WaitStrategy::Spin {
            return self.poll(look);
        }
        (0..LOOKS_PER_CLOCK)
            .find_map(|_| {
                let found = look();
                if found.is_none() {
                    self.pause();
                }
                found
            })
            .map_or(Polled::Sleep, Polled::Found)
    }

    /// Looks at `what` as the strategy has it, and sleeps on it in between. `None` when patience has ended.
    #[inline]
    pub(crate) fn wait<W, T, E>(
        &mut self,
        what: &mut W,
        mut look: impl FnMut(&mut W) -> Option<T>,
        sleep: impl FnMut(&W, &Patience) -> Result<(), E>,
    ) -> Result<Option<T>, E> {
        // One poll before the clock is read: the data path reads no clock.
        match look(what) {
            Some(found) => Ok(Some(found)),
            None => self.wait_on(what, look, sleep),
        }
    }

    /// The same, after one failed poll.
    #[inline]
    pub(crate) fn wait_on<W, T, E>(
        &mut self,
        what: &mut W,
        mut look: impl FnMut(&mut W) -> Option<T>,
        mut sleep: impl FnMut(&W, &Patience) -> Result<(), E>,
    ) -> Result<Option<T>, E> {
        while self.until != Until::Now {
            if self.strategy == WaitStrategy::Spin {
                self.pause();
            }
            match self.poll(|| look(what)) {
                Polled::Found(found) => return Ok(Some(found)),
                Polled::TimedOut => return Ok(None),
                Polled::Sleep => sleep(what, self)?,
            }
            self.slept();
            if let Some(found) = look(what) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Whether a system call may wait in the kernel for as long as it takes.
    #[inline]
    pub(crate) fn waits_in_calls(&self) -> bool {
        self.until == Until::Forever && self.strategy == WaitStrategy::Block && self.stopper.is_none()
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

    /// Waits for some microseconds *without* polling. For channels where a poll costs the peer more
    /// than the delay: polling a pipe takes its lock. It serves every strategy, a spinning one too.
    /// It does nothing before a deadline, which it could overrun, or on a core shared with the
    /// peer. Its opposite is [`Patience::poll_briefly`].
    #[cold]
    pub(crate) fn linger(&self) {
        if self.until == Until::Forever && !self.one_core {
            (0..LINGER_PAUSES).for_each(|_| self.pause());
        }
    }

    /// *Polls* for about as long as a sleep would cost both sides. For channels where a poll costs
    /// the peer next to nothing, when the condition is likely to hold before a sleep would end.
    /// Only for strategies that sleep, since [`Patience::poll`] does all the polling for one that
    /// spins, and not on a core shared with the peer.
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
            _ if self.is_stopped() => Some(Duration::ZERO),
            Until::Now => Some(Duration::ZERO),
            Until::At(deadline) => Some(deadline.saturating_duration_since(Instant::now())),
            Until::Forever => None,
        }
    }

    /// How long a sleep may last that does not see a stopper.
    pub(crate) fn left_blindly(&self) -> Option<Duration> {
        self.left().into_iter().chain(self.nap()).min()
    }

    /// The longest sleep that does not see a stopper, if there is one.
    pub(crate) fn nap(&self) -> Option<Duration> {
        self.stopper.is_some().then_some(BLIND_NAP)
    }

    /// When a sleep must end that lasts no longer than `at_most`, on CLOCK_MONOTONIC; `None` for never.
    pub(crate) fn deadline(&self, at_most: Option<Duration>) -> Option<Timespec> {
        let left = self.left().into_iter().chain(at_most).min()?;
        let now = clock_gettime(ClockId::Monotonic);
        let nanos = now.tv_nsec + i64::from(left.subsec_nanos());
        let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX / 2);
        Some(Timespec {
            tv_sec: now.tv_sec.saturating_add(seconds).saturating_add(nanos / 1_000_000_000),
            tv_nsec: nanos % 1_000_000_000,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
