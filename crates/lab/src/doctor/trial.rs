//! Trials of a mechanism as it is used: the same two processes, the same calls and the same flags
//! as in `show` and in a race. A machine's refusal shows here first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use crossing::{Kind, WaitStrategy};

use super::finding::{Finding, good, limited, missing};
use crate::clock::Clock;
use crate::job::{PairJob, Task};
use crate::machine::{resolve, usual_placement};
use crate::plan::Workload;
use crate::round;
use crate::stage::StageSetup;
use crate::trace::{Tone, Trace, What};

/// The time limit of one mechanism's trial, many times what it takes: a call that never returns is
/// reported like a refused one.
const PATIENCE: Duration = Duration::from_secs(10);
/// Messages of the stage, and round trips of the race.
const MESSAGES: u64 = 2;
const ROUND_TRIPS: u64 = 20;

/// Lets two processes exchange messages over `kind`: on a stage, and in a round of a race.
pub(super) fn mechanism(kind: Kind) -> Finding {
    let what = format!("mechanism: {kind}");
    let stop = Arc::new(AtomicBool::new(false));
    let _patience = set_after(PATIENCE, &stop);
    let shown = crate::show::record(&StageSetup::of(kind), MESSAGES, &stop).map_err(|over| over.0);
    let raced = round::run(&job(kind), None, &stop).map_err(|fault| fault.to_string());
    let late = stop.load(Ordering::Relaxed);
    match (shown, raced) {
        _ if late => missing(
            &what,
            format!("two processes have not exchanged messages within {} s", PATIENCE.as_secs()),
            "look for what keeps processes from running here, and for the other findings",
        ),
        (Ok(trace), Ok(round)) => match blind(&trace).or(round.blind) {
            None => good(&what, "two processes have exchanged messages, shown and raced"),
            Some(unseen) => limited(
                &what,
                format!("two processes have exchanged messages; {unseen}"),
                "allow what was refused; messages and their times are right without it",
            ),
        },
        (shown, raced) => {
            let told = [("show", shown.map(drop)), ("race", raced.map(drop))];
            let told = told.into_iter().filter_map(|(verb, done)| Some(format!("{verb}: {}", done.err()?)));
            missing(
                &what,
                told.collect::<Vec<_>>().join("; "),
                "allow the call that is named (a container's seccomp profile may forbid it); the other mechanisms work where they are ok",
            )
        }
    }
}

/// The things that the stage could not inspect, in its own words.
fn blind(trace: &Trace) -> Option<String> {
    let bad = |what: &What| matches!(what, What::Note { tone: Tone::Bad } | What::Unavailable { .. });
    let unseen = trace.events.iter().find(|event| bad(&event.what))?;
    Some(unseen.text.clone().unwrap_or_else(|| "not everything of it could be looked at".into()))
}

/// Sets `flag` after a while, unless the returned value is dropped before.
fn set_after(patience: Duration, flag: &Arc<AtomicBool>) -> Option<Sender<()>> {
    let flag = Arc::clone(flag);
    let (in_time, wait) = channel::<()>();
    // Without the thread the deadlines of the processes bound it all the same, only later.
    let watchdog = thread::Builder::new().name("lab-patience".into()).spawn(move || {
        if let Err(std::sync::mpsc::RecvTimeoutError::Timeout) = wait.recv_timeout(patience) {
            flag.store(true, Ordering::Relaxed);
        }
    });
    watchdog.ok().map(|_| in_time)
}

/// A small round, in the places that a race would take.
fn job(kind: Kind) -> PairJob {
    let (task, cores) = (Task::Race(Workload::PingPong), resolve(usual_placement().0).ok().flatten());
    let job = PairJob::new(task, kind, WaitStrategy::Block, cores, 64, Clock::best());
    PairJob { messages: ROUND_TRIPS, ..job }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_set_when_patience_ends_and_left_alone_before() {
        let (late, early) = (Arc::default(), Arc::default());
        let waiting = set_after(Duration::from_millis(1), &late);
        drop(set_after(Duration::from_secs(1000), &early));
        while !late.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        drop(waiting);
        assert!(!early.load(Ordering::Relaxed));
    }

    #[test]
    fn processes_that_do_not_do_their_part_are_no_mechanism() {
        // The program of this test is no measured process.
        let found = mechanism(Kind::Pipe);
        assert_eq!(found.state, super::super::FindingState::Missing, "{found:?}");
        assert!(found.detail.contains("show: ") && found.detail.contains("race: "), "{found:?}");
    }
}
