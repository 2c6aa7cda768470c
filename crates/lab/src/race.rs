//! The race: every entrant's rounds, interleaved in shuffled order, and the report of it.
//!
//! Entrants do not run one after the other: each launch runs one round of every entrant, in an order drawn
//! anew from the plan's seed, so that a machine that changes while it is measured changes for all of them.
//! Every round is a fresh pair of processes. A round whose floor moved while it ran, or that was disturbed, is thrown away,
//! counted, and run again.
//!
//! An entrant that fails is a row that says so, whatever runs before and after it. A race has no report only when no process
//! can be started.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossing::{Kind, WaitStrategy};
use thiserror::Error;

use crate::clock::Clock;
use crate::entrant::{self, RaceEntrant};
use crate::job::{PairJob, Task};
use crate::machine::{self, Machine};
use crate::peer::PeerFault;
use crate::plan::{Plan, Workload};
use crate::report::{Report, SCHEMA};
use crate::rival;
use crate::round;
use crate::row::Gathered;
use crate::settle::{self, Settled, moved, settled};
pub use crate::settle::{AGAIN, MOVED};
use crate::shuffle::SplitMix;

/// The progress of a race, sent only between rounds: nothing is sent while the clock runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaceProgress {
    /// Rounds done, failed ones included.
    pub done: usize,
    /// Rounds in all.
    pub total: usize,
    /// What runs next: `shm ping-pong 64 B spin`.
    pub label: String,
}

/// Why a race could not be run at all: one line that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct RaceError(pub String);

/// Runs `plan`. `stop` cuts it short: the report then holds what was measured, and says `interrupted`.
///
/// # Errors
/// When the plan makes no sense, or no process can be started. A single entrant that fails is a row that says so.
pub fn run(
    plan: &Plan,
    watch: &mut dyn FnMut(&RaceProgress),
    stop: &AtomicBool,
) -> Result<Report, RaceError> {
    if let Some(fault) = plan.fault() {
        return Err(RaceError(fault));
    }
    of_entrants(plan, entrant::of_plan(plan, stop), watch, stop)
}

/// Runs the rounds of these entrants, as `plan` says; beside one that cannot take part stands why.
pub(crate) fn of_entrants(
    plan: &Plan,
    entrants: Vec<(RaceEntrant, Option<String>)>,
    watch: &mut dyn FnMut(&RaceProgress),
    stop: &AtomicBool,
) -> Result<Report, RaceError> {
    let cores = machine::resolve(plan.placement).map_err(|unavailable| RaceError(unavailable.to_string()))?;
    let siblings = machine::siblings_note(cores);
    let clock = Clock::best();
    let began = Instant::now();
    let started_unix_ms =
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
    let steal_before = machine::steal_ticks();

    let mut gathered: Vec<Gathered> =
        entrants.into_iter().map(|(entrant, absent)| Gathered::new(entrant, absent)).collect();
    let mut random = SplitMix::new(plan.seed);
    let total = gathered.len() * plan.launches as usize;
    let mut done = 0;
    let mut rounds_dropped = 0;
    'race: for launch in 0..plan.launches {
        for index in random.shuffled(gathered.len()) {
            let Gathered { entrant, failed, gap, .. } = &gathered[index];
            watch(&RaceProgress { done, total, label: entrant.label() });
            done += 1;
            if failed.is_some() || gap.is_some() {
                continue;
            }
            let job = entrant.job(plan, launch, cores, clock);
            let Settled { found, disturbed, dropped } = settle::round(entrant, &job, stop);
            rounds_dropped += dropped;
            match found {
                Ok(found) => gathered[index].add(&job, found, &disturbed),
                // Whatever went wrong after the lab was told to stop may come from that: a signal goes to whole groups.
                Err(_) if stop.load(Ordering::Relaxed) => break 'race,
                Err(PeerFault::Stopped) => break 'race,
                Err(PeerFault::Environment(why)) => gathered[index].fail_to_start(why),
                Err(PeerFault::Failed(why)) => {
                    let cause = entrant.possible_cause(&job, &why).unwrap_or_default();
                    gathered[index].fail(why + &cause);
                }
            }
        }
    }
    if let Some(why) = nothing_starts(&gathered) {
        return Err(RaceError(why));
    }
    watch(&RaceProgress { done, total, label: String::new() });

    let interrupted = stop.load(Ordering::Relaxed);
    Ok(Report {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").into(),
        started_unix_ms,
        elapsed_ms: began.elapsed().as_millis() as u64,
        page_open: false,
        plan: plan.clone(),
        machine: Machine::read(),
        clock_cost_ns: clock.cost_ns(),
        clock_step_ns: clock.step_ns(),
        rows: gathered.into_iter().filter_map(|row| row.into_row(plan, siblings.as_ref())).collect(),
        rounds_dropped,
        steal_percent: steal_before.zip(machine::steal_ticks()).and_then(steal_percent),
        interrupted,
        rehearsal: None,
    })
}

/// What a program answered that ran by itself, and where the cores were meanwhile.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgramRun {
    /// Everything it wrote to its standard output.
    pub answer: Vec<u8>,
    /// The floor before it and after it; `None` on one core, or where no cores were named.
    pub floor_ns: Option<[f64; 2]>,
    /// How many runs were thrown away because the floor moved or something disturbed them.
    pub dropped: u32,
}

/// Runs a program that measures something by itself, between two looks at the floor of `cores`, as often as a race would run
/// a round of it. Its processes are killed when it takes longer than `patience`, and when `stop` is set.
///
/// # Errors
/// When it cannot be started, ends badly or late, when the floor is not seen, or when `stop` was set.
pub fn run_program(
    mut command: impl FnMut() -> Command,
    cores: Option<[usize; 2]>,
    patience: Duration,
    stop: &AtomicBool,
) -> Result<ProgramRun, RaceError> {
    let task = Task::Race(Workload::Stream);
    let job = PairJob::new(task, Kind::ALL[0], WaitStrategy::Block, cores, 1, Clock::best());
    let job = PairJob { messages: 1, ..job };
    let once = || {
        let run = || rival::answer_of(&mut command(), Instant::now() + patience, stop);
        let (answer, floors, blind) = round::around(&job, stop, run)?;
        if floors.is_none() && round::has_floor(&job) {
            let unseen = || "the other core did not answer when the floor was looked at".into();
            return Err(PeerFault::Failed(blind.unwrap_or_else(unseen)));
        }
        Ok((answer, floors))
    };
    let settled = settled(|(_, floors)| Some(moved(*floors)), once);
    let (answer, floors) = settled.found.map_err(|fault| RaceError(fault.to_string()))?;
    let floor_ns = floors.map(|floors| floors.map(|floor| floor.ns));
    Ok(ProgramRun { answer, floor_ns, dropped: settled.dropped })
}

/// Why not one process could be started, if so. Nothing else has run either then, in whatever order it was tried.
fn nothing_starts(gathered: &[Gathered]) -> Option<String> {
    let nothing = gathered.iter().all(Gathered::never_ran);
    gathered.iter().filter(|_| nothing).find_map(Gathered::not_started).map(str::to_owned)
}

fn steal_percent((before, after): ((u64, u64), (u64, u64))) -> Option<f64> {
    let (steal, total) = (after.0.checked_sub(before.0)?, after.1.checked_sub(before.1)?);
    (total > 0).then(|| 100.0 * steal as f64 / total as f64)
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_by_itself_answers_fails_and_is_stopped() {
        let soon = Duration::from_secs(60);
        let run = |script: &str, patience, stop: bool| {
            let command = || {
                let mut shell = Command::new("sh");
                shell.args(["-c", script]);
                shell
            };
            run_program(command, None, patience, &AtomicBool::new(stop)).map_err(|why| why.0)
        };
        let answered = run("echo a; echo b", soon, false).unwrap();
        assert_eq!((&answered.answer[..], answered.floor_ns), (&b"a\nb\n"[..], None));
        assert!(run("echo why >&2; exit 3", soon, false).unwrap_err().ends_with("exit status: 3: why"));
        assert!(run("exec sleep 1000", Duration::from_millis(50), false).unwrap_err().contains("in time"));
        assert!(run("exec sleep 1000", soon, true).is_err());
    }
}
