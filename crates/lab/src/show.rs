//! Showing: a few messages, recorded on both sides, as one trace.

use std::sync::atomic::AtomicBool;

use crossing::{Kind, WaitStrategy};

use crate::clock::Clock;
use crate::control::{Moment, SideOutcome, Task};
use crate::machine;
use crate::peer::Fault;
use crate::plan::Placement;
use crate::race::RaceError;
use crate::round::{self, Order};
use crate::scene::{Actor, Scene};
use crate::trace::{Event, Header, Mode, Process, Side, Trace, What};

/// Messages before those that are recorded: the first of all pays for cold caches and pages.
const WARMUP: u64 = 64;

/// Sends `messages` of `size_bytes` through a mechanism, one at a time, and records every call on both sides.
///
/// # Errors
/// When the placement cannot be had, a process cannot be started, or a message was not verified.
pub fn record(
    kind: Kind,
    messages: u32,
    size_bytes: u32,
    placement: Placement,
    wait: WaitStrategy,
) -> Result<Trace, RaceError> {
    let cores = machine::resolve(placement).map_err(|unavailable| RaceError(unavailable.to_string()))?;
    let clock = Clock::best();
    let order = Order {
        task: Task::Trace,
        kind,
        wait,
        cores,
        size_bytes,
        warmup: WARMUP,
        messages: u64::from(messages),
        interval_ns: 0,
        clock,
    };
    let round = round::run(&order, &AtomicBool::new(false)).map_err(|fault| match fault {
        Fault::Environment(why) | Fault::Failed(why) => RaceError(why),
        Fault::Stopped => RaceError("interrupted".into()),
    })?;
    let core = |place: usize| round.cores.map(|cores| cores[place]);
    let process = |actor, place: usize| Process {
        actor,
        pid: round.pids[place],
        parent: std::process::id(),
        core: core(place),
    };
    let processes = [process(Actor::Sender, 0), process(Actor::Receiver, 1)];
    let scene = Scene::from(kind.scene());
    let header = Header::new(scene, wait, placement, processes, size_bytes, clock.name());
    Ok(Trace { header, events: merge(&round.initiator, &round.responder, messages.into(), &clock) })
}

/// The events of both sides in order of time, counted from the first, as one batch.
fn merge(sender: &SideOutcome, receiver: &SideOutcome, count: u64, clock: &Clock) -> Vec<Event> {
    let sides = [(Side::Sender, sender), (Side::Receiver, receiver)];
    let mut all: Vec<_> = sides
        .into_iter()
        .flat_map(|(side, outcome)| outcome.events.iter().map(move |event| (side, event)))
        .collect();
    all.sort_by_key(|(_, (ticks, ..))| *ticks);
    let first = all.first().map_or(0, |(_, (ticks, ..))| *ticks);
    let last = all.last().map_or(0, |(_, (ticks, ..))| clock.ns(ticks - first));
    let mut events = vec![Event::new(0, What::BatchBegin { mode: Mode::Paced, count })];
    events.extend(all.into_iter().map(|(side, &(ticks, message, moment, cpu))| {
        let what = match moment {
            Moment::SendBegin => What::SendBegin { payload: None },
            Moment::SendEnd => What::SendEnd {},
            Moment::RecvBegin => What::RecvBegin {},
            Moment::RecvEnd => What::RecvEnd { payload: None },
        };
        Event { cpu, ..Event::new(clock.ns(ticks - first), what).by(side).of(message) }
    }));
    events.push(Event::new(last, What::BatchEnd {}));
    events
}
