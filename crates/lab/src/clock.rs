//! The clock that stamps samples: the processor's counter where it can be trusted, the kernel's monotonic
//! clock everywhere else. One is chosen for a whole race and sent to every process of it, so that all share
//! one scale.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sys::monotonic::monotonic_ns;

/// How long the counter is compared with the kernel's clock, to learn its scale. A reading of the two
/// together is uncertain by some tens of nanoseconds, so 20 ms give the scale to a few parts in a million.
#[cfg(target_arch = "x86_64")]
const CALIBRATION: Duration = Duration::from_millis(20);

/// A clock whose ticks can be compared between the processes of one machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// The time stamp counter of an x86-64 processor.
    Tsc {
        /// Nanoseconds in a tick.
        ns_per_tick: f64,
    },
    /// CLOCK_MONOTONIC; a tick is a nanosecond.
    Monotonic,
}

impl Clock {
    /// The best clock of this machine. Takes about 20 ms where the counter has to be measured.
    ///
    /// The counter is used only when
    /// - the processor says `constant_tsc` and `nonstop_tsc`: it runs at one rate, asleep or awake; and
    /// - the kernel itself keeps time by it: its clock source is `tsc`, or `kvm-clock`, which is the counter with a
    ///   scale from the hypervisor; and
    /// - `tsc` is still among the clock sources on offer. The kernel compares the counters of all cores and takes it
    ///   off that list when they disagree, and then two processes could not compare their stamps.
    ///
    /// The scale comes from CLOCK_MONOTONIC_RAW. CLOCK_MONOTONIC may be slewed (by up to 500 parts in a
    /// million) towards an outside time source while we look, and a race must not depend on when it was
    /// started.
    pub fn best() -> Clock {
        #[cfg(target_arch = "x86_64")]
        if trusted::by_this_machine()
            && let Some(ns_per_tick) = calibrate()
        {
            return Clock::Tsc { ns_per_tick };
        }
        Clock::Monotonic
    }

    /// The time in ticks, comparable between all processes of this machine.
    ///
    /// The counter is read by a plain `rdtsc`. The compiler moves no memory access across it, but the
    /// processor does not wait for earlier loads to finish or keep later ones back: a stamp taken after a
    /// wait that the processor predicted rightly may be early by up to the latency of the awaited load. A
    /// system call or a mispredicted branch ends this, and most waits end with one. It is enough: the stamps
    /// of consecutive round trips share their ends, so that what one sample loses the next one gains and the
    /// sum is exact; and a fence would add its own cost to all of them.
    #[inline]
    pub fn now(&self) -> u64 {
        match self {
            #[cfg(target_arch = "x86_64")]
            Clock::Tsc { .. } => crate::sys::tsc::tsc(),
            #[cfg(not(target_arch = "x86_64"))]
            Clock::Tsc { ns_per_tick } => (monotonic_ns() as f64 / ns_per_tick) as u64,
            Clock::Monotonic => monotonic_ns(),
        }
    }

    /// What `ticks` are worth, in nanoseconds, rounded. For a length of time: subtract two readings first.
    #[inline]
    pub fn ns(&self, ticks: u64) -> u64 {
        match self {
            Clock::Tsc { ns_per_tick } => (ticks as f64 * ns_per_tick).round() as u64,
            Clock::Monotonic => ticks,
        }
    }

    /// How many ticks `ns` nanoseconds are, rounded.
    #[inline]
    pub fn ticks(&self, ns: u64) -> u64 {
        match self {
            Clock::Tsc { ns_per_tick } => (ns as f64 / ns_per_tick).round() as u64,
            Clock::Monotonic => ns,
        }
    }

    /// Reading the clock once, in nanoseconds: the median of many short runs of readings.
    pub fn cost_ns(&self) -> f64 {
        const READS: u64 = 100;
        let mut costs: Vec<f64> = (0..201)
            .map(|_| {
                let began = self.now();
                for _ in 1..READS {
                    std::hint::black_box(self.now());
                }
                self.ticks_to_ns(self.now().saturating_sub(began)) / READS as f64
            })
            .collect();
        costs.sort_by(f64::total_cmp);
        costs[costs.len() / 2]
    }

    /// The smallest step that the clock was seen to make between two readings, in nanoseconds. A clock that
    /// is finer than a reading takes shows the time of a reading.
    ///
    /// Some processors update their counter every 10 ns or so, and answer one tick more when they are asked
    /// again sooner, so that no two readings are equal. That tick is no resolution, and is not counted.
    pub fn step_ns(&self) -> f64 {
        let repeated = u64::from(self.ticks_to_ns(1) < 1.0);
        let mut smallest = u64::MAX;
        let mut before = self.now();
        for _ in 0..20_000 {
            let now = self.now();
            match now.saturating_sub(before) {
                step if step <= repeated => {}
                step => smallest = smallest.min(step),
            }
            before = now;
        }
        // No step at all in so many readings means a clock of milliseconds: look until there is one, but not
        // for ever.
        let mut looks = 0;
        while smallest == u64::MAX && looks < 100 {
            crossing::pause(Duration::from_millis(1));
            smallest = match self.now().saturating_sub(before) {
                step if step <= repeated => u64::MAX,
                step => step,
            };
            looks += 1;
        }
        self.ticks_to_ns(smallest)
    }

    /// The name in reports and traces: `tsc` or `monotonic`.
    pub fn name(&self) -> &'static str {
        match self {
            Clock::Tsc { .. } => "tsc",
            Clock::Monotonic => "monotonic",
        }
    }

    fn ticks_to_ns(&self, ticks: u64) -> f64 {
        match self {
            Clock::Tsc { ns_per_tick } => ticks as f64 * ns_per_tick,
            Clock::Monotonic => ticks as f64,
        }
    }
}

/// Nanoseconds in a tick of the counter, or `None` when what was seen cannot be a processor's counter.
#[cfg(target_arch = "x86_64")]
fn calibrate() -> Option<f64> {
    let (ticks_before, ns_before) = both_clocks();
    crossing::pause(CALIBRATION);
    let (ticks_after, ns_after) = both_clocks();
    let ns_per_tick = ns_after.checked_sub(ns_before)? as f64 / ticks_after.checked_sub(ticks_before)? as f64;
    // 100 MHz to 20 GHz.
    (0.05..=10.0).contains(&ns_per_tick).then_some(ns_per_tick)
}

/// The two clocks at the same moment: of several tries the one in which the kernel's clock was read fastest,
/// with the counter taken at its middle.
#[cfg(target_arch = "x86_64")]
fn both_clocks() -> (u64, u64) {
    use crate::sys::{monotonic::monotonic_raw_ns, tsc::tsc};
    let look = || {
        let began = tsc();
        let ns = monotonic_raw_ns();
        let took = tsc().saturating_sub(began);
        (took, began + took / 2, ns)
    };
    let (_, ticks, ns) =
        (0..32).map(|_| look()).fold(look(), |best, next| if next.0 < best.0 { next } else { best });
    (ticks, ns)
}

/// Whether the counter may be used to compare times of different processes.
#[cfg(target_arch = "x86_64")]
mod trusted {
    /// Reads /proc and /sys; anything that cannot be read counts against the counter.
    pub(super) fn by_this_machine() -> bool {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let sources = "/sys/devices/system/clocksource/clocksource0";
        by(
            &read("/proc/cpuinfo"),
            &read(&format!("{sources}/current_clocksource")),
            &read(&format!("{sources}/available_clocksource")),
        )
    }

    pub(super) fn by(cpuinfo: &str, current: &str, available: &str) -> bool {
        let flag = |name| crate::machine::cpu_flag(cpuinfo, name);
        flag("constant_tsc")
            && flag("nonstop_tsc")
            && matches!(current.trim(), "tsc" | "kvm-clock")
            && available.split_whitespace().any(|source| source == "tsc")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_counter_is_trusted_only_when_processor_and_kernel_both_do() {
        let good = "processor\t: 0\nflags\t\t: fpu constant_tsc nonstop_tsc sse\n";
        assert!(trusted::by(good, "tsc\n", "tsc kvm-clock \n"));
        assert!(trusted::by(good, "kvm-clock\n", "kvm-clock tsc\n"));
        assert!(!trusted::by(good, "hpet\n", "hpet acpi_pm\n"));
        assert!(
            !trusted::by(good, "kvm-clock\n", "kvm-clock acpi_pm\n"),
            "the kernel has marked it unstable"
        );
        assert!(!trusted::by("flags : constant_tsc\n", "tsc\n", "tsc\n"), "it stops when the core sleeps");
        assert!(!trusted::by("flags : constant_tsc nonstop_tscx\n", "tsc\n", "tsc\n"));
        assert!(!trusted::by("", "", ""));
    }

    #[test]
    fn ticks_become_rounded_nanoseconds() {
        let clock = Clock::Tsc { ns_per_tick: 0.4 };
        assert_eq!((clock.ns(0), clock.ns(1), clock.ns(2), clock.ns(10)), (0, 0, 1, 4));
        assert_eq!((clock.ticks(4), clock.ticks(100)), (10, 250));
        assert_eq!(Clock::Monotonic.ns(17), 17);
        assert_eq!(Clock::Monotonic.ticks(17), 17);
    }

    #[test]
    fn both_sides_of_a_race_read_the_same_clock_from_json() {
        for (clock, text) in [
            (Clock::Monotonic, r#""monotonic""#),
            (Clock::Tsc { ns_per_tick: 0.385 }, r#"{"tsc":{"ns_per_tick":0.385}}"#),
        ] {
            assert_eq!(serde_json::to_string(&clock).unwrap(), text);
            assert_eq!(serde_json::from_str::<Clock>(text).unwrap(), clock);
        }
    }

    #[test]
    fn every_clock_goes_forward_and_knows_its_cost() {
        for clock in [Clock::best(), Clock::Monotonic] {
            let began = clock.now();
            std::thread::sleep(Duration::from_millis(2));
            // A sleep never ends early, and the scale is good to far better than half: a scale that is wrong
            // by a factor shows here, whatever the machine is doing.
            assert!(clock.ns(clock.now() - began) >= 1_000_000, "{clock:?}");
            assert!(clock.cost_ns() > 0.0 && clock.step_ns() > 0.0, "{clock:?}");
        }
    }
}
