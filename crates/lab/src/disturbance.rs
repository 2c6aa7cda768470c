//! Disturbances of a round from outside: a quota kept its processes from running, this process was
//! stopped, or the machine slept. A disturbed round is run again, like one whose floor has moved; a
//! row that counts one in spite of that says so.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::lookout;
use crate::machine::Cgroup;

/// A look that is late by more than this means that this process did not run. A stopped process or
/// a sleeping machine is that late; a busy machine is not.
const AWAY: Duration = Duration::from_secs(2);
/// Time that a quota may take unseen: a group's other processes may have used it up.
const THROTTLED: Duration = Duration::from_millis(1);
/// Two clocks are read one after the other.
const SLEPT: Duration = Duration::from_millis(100);

/// Begun before a round, asked after it.
#[derive(Debug)]
pub(crate) struct DisturbanceWatch {
    group: Cgroup,
    throttled: Duration,
    slept: Duration,
}

/// The disturbances during a round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Disturbance {
    /// How long processes of this control group were kept from running by its quota of time.
    pub(crate) throttled: Duration,
    /// How long this process did not run, or the machine slept.
    pub(crate) away: Duration,
}

impl DisturbanceWatch {
    pub(crate) fn begin() -> DisturbanceWatch {
        lookout::longest_gap();
        let group = Cgroup::own();
        DisturbanceWatch { throttled: group.throttled(), group, slept: slept() }
    }

    /// The disturbances since it began.
    pub(crate) fn end(&self) -> Disturbance {
        let throttled = self.group.throttled().saturating_sub(self.throttled);
        let slept = slept().saturating_sub(self.slept);
        let gap = lookout::longest_gap();
        let slept = if slept >= SLEPT { slept } else { Duration::ZERO };
        let away = slept.max(if gap >= AWAY { gap } else { Duration::ZERO });
        Disturbance { throttled: if throttled >= THROTTLED { throttled } else { Duration::ZERO }, away }
    }
}

impl Disturbance {
    pub(crate) fn any(&self) -> bool {
        *self != Disturbance::default()
    }

    /// Both together.
    pub(crate) fn and(&self, other: &Disturbance) -> Disturbance {
        Disturbance { throttled: self.throttled + other.throttled, away: self.away + other.away }
    }

    /// In words.
    pub(crate) fn sentences(&self) -> impl Iterator<Item = String> {
        let throttled = (!self.throttled.is_zero()).then(|| {
            format!(
                "the quota of processor time of this control group kept its processes from running for {} ms",
                self.throttled.as_millis().max(1)
            )
        });
        let away = (!self.away.is_zero()).then(|| {
            format!("ipcscope was stopped, or the machine slept, for {:.1} s", self.away.as_secs_f64())
        });
        throttled.into_iter().chain(away)
    }
}

/// How long the machine has slept since it was started: one of the two clocks goes on meanwhile (clock_gettime(2)).
fn slept() -> Duration {
    let now = |id| {
        let time = clock_gettime(id);
        Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
    };
    now(ClockId::Boottime).saturating_sub(now(ClockId::Monotonic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_time_says_nothing_and_each_disturbance_its_own() {
        assert!(!Disturbance::default().any());
        assert_eq!(Disturbance::default().sentences().count(), 0);
        let throttled = Disturbance { throttled: Duration::from_micros(2_400), ..Disturbance::default() };
        let away = Disturbance { away: Duration::from_millis(3_210), ..Disturbance::default() };
        assert!(throttled.any() && away.any());
        let told: Vec<String> = throttled.and(&away).sentences().collect();
        assert!(told[0].contains("quota") && told[0].ends_with("for 2 ms"), "{told:?}");
        assert!(told[1].ends_with("for 3.2 s"), "{told:?}");
    }
}
