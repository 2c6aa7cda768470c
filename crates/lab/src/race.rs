//! The race: every entrant's rounds, interleaved in shuffled order, and the report of it.
//!
//! Entrants do not run one after the other: each launch runs one round of every entrant, in an order drawn
//! anew from the plan's seed, so that a machine that changes while it is measured changes for all of them.
//! Every round is a fresh pair of processes. A round whose floor moved while it ran, or that was disturbed, is thrown away,
//! counted, and run again.
//!
//! An entrant that fails is a row that says so, whatever runs before and after it. A race has no report only when no process
//! can be started.

use std::fmt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossing::{Kind, WaitStrategy};

use crate::clock::Clock;
use crate::control::Task;
use crate::disturbance::{Disturbance, Watch};
use crate::machine::{self, Machine};
use crate::mechanism;
use crate::peer::Fault;
use crate::plan::{Plan, Workload};
use crate::report::{Report, SCHEMA};
use crate::rival::{self, Rival};
use crate::round::{self, Floors, Order};
use crate::row::Gathered;
use crate::shuffle::SplitMix;

/// A floor that changed by more than this factor within a round says that the cores have moved.
pub const MOVED: f64 = 1.5;
/// How often a round is run again because of that, before it counts with a note.
pub const AGAIN: u32 = 2;

/// What a race tells while it runs. Only between rounds: nobody is told anything while the clock runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Rounds done, failed ones included.
    pub done: usize,
    /// Rounds in all.
    pub total: usize,
    /// What runs next: `shm ping-pong 64 B spin`.
    pub label: String,
}

/// Why a race could not be run at all: one line that says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaceError(pub String);

impl fmt::Display for RaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RaceError {}

/// Who runs.
#[derive(Debug, Clone)]
pub(crate) enum Who {
    Mechanism(Kind),
    Null,
    Rival(Rival, Kind),
    /// A rival that could not say what it can do; its file's name.
    Absent(String),
}

/// One entrant: who, under what.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) who: Who,
    pub(crate) workload: Workload,
    pub(crate) size_bytes: u32,
    pub(crate) wait: WaitStrategy,
}

impl Entry {
    fn label(&self) -> String {
        let Entry { workload, size_bytes, wait, .. } = self;
        let who = match &self.who {
            Who::Mechanism(kind) => kind.to_string(),
            Who::Null => "null".into(),
            Who::Rival(rival, kind) => format!("{} {kind}", rival.name()),
            Who::Absent(name) => name.clone(),
        };
        format!("{who} {workload} {size_bytes} B {wait}")
    }
}

/// Runs `plan`. `stop` cuts it short: the report then holds what was measured, and says `interrupted`.
///
/// # Errors
/// When the plan makes no sense, or no process can be started. A single entrant that fails is a row that says so.
pub fn run(plan: &Plan, watch: &mut dyn FnMut(&Progress), stop: &AtomicBool) -> Result<Report, RaceError> {
    if let Some(fault) = plan.fault() {
        return Err(RaceError(fault));
    }
    let cores = machine::resolve(plan.placement).map_err(|unavailable| RaceError(unavailable.to_string()))?;
    let siblings = machine::siblings_note(cores);
    let clock = Clock::best();
    let entrants = entrants(plan, stop);
    let began = Instant::now();
    let started_unix_ms =
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
    let steal_before = machine::steal_ticks();

    let mut gathered: Vec<Gathered> =
        entrants.into_iter().map(|(entry, absent)| Gathered::new(entry, absent)).collect();
    let mut random = SplitMix::new(plan.seed);
    let total = gathered.len() * plan.launches as usize;
    let mut done = 0;
    let mut rounds_dropped = 0;
    'race: for launch in 0..plan.launches {
        for index in random.shuffled(gathered.len()) {
            let Gathered { entry, failed, gap, .. } = &gathered[index];
            watch(&Progress { done, total, label: entry.label() });
            done += 1;
            if failed.is_some() || gap.is_some() {
                continue;
            }
            let order = order(plan, entry, launch, cores, clock);
            let ran = |found: &Found| (!matches!(found, Found::Gap(_))).then(|| found.moved());
            let Settled { found, disturbed, dropped } = settled(ran, || one_round(entry, &order, stop));
            rounds_dropped += dropped;
            match found {
                Ok(found) => gathered[index].add(&order, found, &disturbed),
                // Whatever went wrong after the lab was told to stop may come from that: a signal goes to whole groups.
                Err(_) if stop.load(Ordering::Relaxed) => break 'race,
                Err(Fault::Stopped) => break 'race,
                Err(Fault::Environment(why)) => gathered[index].fail_to_start(why),
                Err(Fault::Failed(why)) => {
                    let narrow = narrow(&order).filter(|_| matches!(entry.who, Who::Mechanism(_)));
                    gathered[index].fail(why + &narrow.unwrap_or_default());
                }
            }
        }
    }
    if let Some(why) = nothing_starts(&gathered) {
        return Err(RaceError(why));
    }
    watch(&Progress { done, total, label: String::new() });

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
    })
}

/// What a round found, whoever ran it.
#[derive(Debug)]
pub(crate) enum Found {
    /// Two of our processes.
    Ours(Box<round::Round>),
    /// A guest, and the floor before and after it, or why there is none.
    Guest(rival::Outcome, Option<Floors>, Option<String>),
    /// A guest that cannot do this, and why.
    Gap(String),
}

impl Found {
    /// Whether the floor before the round and after it are of two states of the machine.
    pub(crate) fn moved(&self) -> bool {
        let floors = match self {
            Found::Ours(round) => round.floors,
            Found::Guest(_, floors, _) => *floors,
            Found::Gap(_) => None,
        };
        moved(floors)
    }
}

/// Whether two looks at the floor saw two states of the machine.
fn moved(floors: Option<Floors>) -> bool {
    floors.is_some_and(|[before, after]| before.ns.max(after.ns) > MOVED * before.ns.min(after.ns))
}

/// A round that counts, and those that were thrown away for it.
struct Settled<T> {
    found: Result<T, Fault>,
    /// What befell all of them.
    disturbed: Disturbance,
    dropped: u32,
}

/// Runs a round until it is undisturbed and its floor holds still, or patience ends. `moved` says of a round that ran
/// whether its floor moved.
fn settled<T>(moved: impl Fn(&T) -> Option<bool>, mut once: impl FnMut() -> Result<T, Fault>) -> Settled<T> {
    let (mut dropped, mut disturbed) = (0, Disturbance::default());
    loop {
        let watch = Watch::begin();
        let found = once();
        let befell = watch.end();
        disturbed = disturbed.and(&befell);
        let again = match &found {
            Ok(found) => moved(found).is_some_and(|moved| moved || befell.any()),
            Err(Fault::Stopped | Fault::Environment(_)) => false,
            // Its deadline has passed while nobody looked.
            Err(Fault::Failed(_)) => !befell.away.is_zero(),
        };
        if !again || dropped == AGAIN {
            return Settled { found, disturbed, dropped };
        }
        dropped += 1;
    }
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
    let order = Order {
        task: Task::Race(Workload::Stream),
        kind: Kind::ALL[0],
        wait: WaitStrategy::Block,
        cores,
        size_bytes: 1,
        warmup: 0,
        messages: 1,
        interval_ns: 0,
        capacity_bytes: None,
        clock: Clock::best(),
    };
    let once = || {
        let run = || rival::answer_of(&mut command(), Instant::now() + patience, stop);
        let (answer, floors, blind) = round::around(&order, stop, run)?;
        if floors.is_none() && round::has_floor(&order) {
            let unseen = || "the other core did not answer when the floor was looked at".into();
            return Err(Fault::Failed(blind.unwrap_or_else(unseen)));
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

fn one_round(entry: &Entry, order: &Order, stop: &AtomicBool) -> Result<Found, Fault> {
    let Who::Rival(rival, kind) = &entry.who else {
        return round::run(order, stop).map(|round| Found::Ours(Box::new(round)));
    };
    let run = || rival.run(*kind, entry.workload, order, stop);
    Ok(match round::around(order, stop, run)? {
        (rival::Answer::Done(outcome), floors, blind) => Found::Guest(outcome, floors, blind),
        (rival::Answer::Unsupported { unsupported }, ..) => Found::Gap(unsupported),
    })
}

/// Every entrant of the plan; beside one that cannot take part, why.
fn entrants(plan: &Plan, stop: &AtomicBool) -> Vec<(Entry, Option<String>)> {
    let met: Vec<_> = plan.rivals.iter().map(|path| (path, Rival::meet(path, stop))).collect();
    let mut entrants = Vec::new();
    for &workload in &plan.workloads {
        for &size_bytes in &plan.sizes {
            for &wait in &plan.waits {
                let mut add =
                    |who, absent| entrants.push((Entry { who, workload, size_bytes, wait }, absent));
                plan.kinds.iter().for_each(|&kind| add(Who::Mechanism(kind), None));
                for (path, rival) in &met {
                    let rival = match rival {
                        Ok(rival) => rival,
                        Err(Fault::Stopped) => continue,
                        Err(fault) => {
                            add(Who::Absent(rival::name_of(path)), Some(fault.to_string()));
                            continue;
                        }
                    };
                    let kinds = if plan.kinds.is_empty() { &Kind::ALL[..] } else { &plan.kinds };
                    let takes_part = kinds.iter().filter(|&&kind| rival.can(kind, workload, wait));
                    takes_part.for_each(|&kind| add(Who::Rival(rival.clone(), kind), None));
                }
            }
            if workload != Workload::Paced {
                entrants.push((Entry { who: Who::Null, workload, size_bytes, wait: plan.waits[0] }, None));
            }
        }
    }
    entrants
}

/// What `entry` does in its round of `launch`.
fn order(plan: &Plan, entry: &Entry, launch: u32, cores: Option<[usize; 2]>, clock: Clock) -> Order {
    let launches = u64::from(plan.launches);
    let share = plan.count / launches + u64::from(u64::from(launch) < plan.count % launches);
    let (kind, task) = match &entry.who {
        Who::Mechanism(kind) | Who::Rival(_, kind) => (*kind, Task::Race(entry.workload)),
        // One that is absent runs no round, and null sends nothing: any channel will do.
        Who::Null | Who::Absent(_) => (Kind::ALL[0], Task::Null(entry.workload)),
    };
    Order {
        task,
        kind,
        wait: entry.wait,
        cores,
        size_bytes: entry.size_bytes,
        warmup: warmup(share, entry.size_bytes),
        // A round trip is two messages.
        messages: if entry.workload == Workload::PingPong { share.div_ceil(2) } else { share },
        interval_ns: if entry.workload == Workload::Paced {
            1_000_000_000 / u64::from(plan.rate_per_s)
        } else {
            0
        },
        capacity_bytes: plan.capacity_bytes,
        clock,
    }
}

/// What a failure may come from where little room was asked for. TCP waits for its timers when a buffer is far shorter than a
/// segment, and does not end in time.
fn narrow(order: &Order) -> Option<String> {
    let (asked, size) = (order.capacity_bytes?, order.size_bytes);
    let waits_for_timers = asked < mechanism::of(order.kind).flows_from_bytes;
    (waits_for_timers || asked < size.saturating_mul(2)).then(|| {
        format!(
            "; its channel was asked to hold {asked} bytes, too few for messages of {size}: ask for more room"
        )
    })
}

/// Messages before those that count: a tenth, within reason in number and in bytes.
fn warmup(messages: u64, size_bytes: u32) -> u64 {
    const BYTES: u64 = 64 << 20;
    (messages / 10).clamp(64, 10_000).min((BYTES / u64::from(size_bytes)).max(4))
}

fn steal_percent((before, after): ((u64, u64), (u64, u64))) -> Option<f64> {
    let (steal, total) = (after.0.checked_sub(before.0)?, after.1.checked_sub(before.1)?);
    (total > 0).then(|| 100.0 * steal as f64 / total as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_when_the_channel_was_narrow() {
        let with = |kind, capacity_bytes, size_bytes| {
            let clock = Clock::best();
            narrow(&Order {
                task: Task::Race(Workload::Stream),
                kind,
                wait: WaitStrategy::Block,
                cores: None,
                size_bytes,
                warmup: 0,
                messages: 1,
                interval_ns: 0,
                capacity_bytes,
                clock,
            })
        };
        let told = with(Kind::Pipe, Some(4096), 65_536).unwrap();
        assert!(told.contains("4096 bytes, too few for messages of 65536"), "{told}");
        assert!(with(Kind::Tcp, Some(8192), 1024).is_some());
        assert_eq!(with(Kind::Tcp, Some(32 << 10), 1024), None);
        assert_eq!([with(Kind::Pipe, Some(4096), 2048), with(Kind::Tcp, None, 65_536)], [None, None]);
    }

    #[test]
    fn what_moved_is_run_again_up_to_twice_and_counted() {
        for (moves, dropped) in [(0, 0), (1, 1), (2, 2), (3, 2)] {
            let mut runs = 0;
            let once = || {
                runs += 1;
                Ok(runs <= moves)
            };
            let settled = settled(|moved| Some(*moved), once);
            assert_eq!(settled.found.unwrap(), moves > AGAIN, "{moves}");
            assert_eq!(settled.dropped, dropped, "{moves}");
        }
    }

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

    #[test]
    fn warm_up_is_bounded_in_number_and_in_bytes() {
        assert_eq!(warmup(10, 64), 64);
        assert_eq!(warmup(100_000, 64), 10_000);
        assert_eq!(warmup(100_000, 1 << 20), 64);
        assert_eq!(warmup(100_000, 64 << 20), 4);
    }
}
