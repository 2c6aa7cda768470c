//! One round: two fresh processes, one channel, one task; the floor before and after.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crossing::{Endpoint, Kind, WaitStrategy};

use crate::clock::Clock;
use crate::control::{Answer, Job, Request, Role, SideOutcome, Task};
use crate::peer::{Fault, Peer};
use crate::sys::lines::{Bounce, Lines, Polls};

/// Round trips of the cache lines in one look at the floor.
const FLOOR_ROUNDS: u32 = 2_000;
/// How long one of them may take.
const FLOOR_DEADLINE: Duration = Duration::from_millis(200);
/// What starting, connecting and ending may take.
const SETUP: Duration = Duration::from_secs(30);
/// What one message may take, far above anything seen: the slowest is a time slice each way.
const PER_MESSAGE: Duration = Duration::from_millis(20);
/// What all messages together may take, however many they are.
const LONGEST: Duration = Duration::from_secs(3600);

/// What a round is to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    pub(crate) task: Task,
    pub(crate) kind: Kind,
    pub(crate) wait: WaitStrategy,
    pub(crate) cores: Option<[usize; 2]>,
    pub(crate) size_bytes: u32,
    pub(crate) warmup: u64,
    pub(crate) messages: u64,
    pub(crate) interval_ns: u64,
    pub(crate) capacity_bytes: Option<u32>,
    pub(crate) clock: Clock,
}

impl Order {
    /// How long the round may take before it is given up.
    pub(crate) fn time(&self) -> Duration {
        let paced = Duration::from_nanos(self.interval_ns.saturating_mul(self.messages));
        let messages = u32::try_from(self.messages + self.warmup).unwrap_or(u32::MAX);
        SETUP + paced + PER_MESSAGE.saturating_mul(messages).min(LONGEST)
    }
}

/// What a round found.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) initiator: SideOutcome,
    /// Empty for the null entrant.
    pub(crate) responder: SideOutcome,
    pub(crate) floors: Option<Floors>,
    /// Why there is no floor where there should be one.
    pub(crate) blind: Option<String>,
    pub(crate) cores: Option<[usize; 2]>,
}

/// What was seen before and after a round.
pub(crate) type Floors = [FloorSeen; 2];

/// The best of the tried ways to poll, and what it gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FloorSeen {
    pub(crate) polls: Polls,
    /// Half a round trip, median, in nanoseconds.
    pub(crate) ns: f64,
}

/// Runs one round.
pub(crate) fn run(order: &Order, stop: &AtomicBool) -> Result<Round, Fault> {
    let deadline = Instant::now() + order.time();
    if let Task::Null(_) = order.task {
        return alone(order, deadline, stop);
    }
    let (here, there) = Endpoint::pair(order.kind).map_err(|error| no_ends(order.kind, &error))?;
    let (lines, blind) = lines(order);
    let has_floor = lines.is_some();
    let beside = lines.as_ref().map(|(_, fd)| std::os::fd::AsFd::as_fd(fd));
    let mut initiator = Peer::start(Some(here), &job(order, Role::Initiator), beside, deadline, stop)?;
    let mut responder = Peer::start(Some(there), &job(order, Role::Responder), beside, deadline, stop)?;
    let mut both = Both { initiator: &mut initiator, responder: &mut responder, deadline, stop, base: 0 };

    both.connect()?;
    let before = if has_floor { both.floor()? } else { None };
    let (first, second) = both.run()?;
    let after = if has_floor { both.floor()? } else { None };
    Ok(Round {
        initiator: first,
        responder: second,
        floors: before.zip(after).map(|(before, after)| [before, after]),
        blind,
        cores: initiator.core().zip(responder.core()).map(|(a, b)| [a, b]),
    })
}

/// What there is to say when the two ends of a channel cannot be made.
pub(crate) fn no_ends(kind: Kind, error: &dyn std::fmt::Display) -> Fault {
    Fault::Failed(format!("the two ends of {kind} cannot be made: {error}"))
}

/// The floor's memory, where there is a floor; or why there is none where there should be one.
fn lines(order: &Order) -> (Option<(Lines, std::os::fd::OwnedFd)>, Option<String>) {
    match has_floor(order).then(Lines::create).transpose() {
        Ok(lines) => (lines, None),
        Err(error) => {
            (None, Some(format!("the floor was not looked at: its memory cannot be had ({error})")))
        }
    }
}

/// Runs `work` between two looks at the floor, by two processes of ours in the places that the order names. They
/// sleep in the kernel while it runs.
pub(crate) fn around<T>(
    order: &Order,
    stop: &AtomicBool,
    work: impl FnOnce() -> Result<T, Fault>,
) -> Result<(T, Option<Floors>, Option<String>), Fault> {
    let (lines, blind) = lines(order);
    let Some((_ours, fd)) = lines else { return work().map(|done| (done, None, blind)) };
    // The work keeps its own time; this only bounds two processes that do next to nothing.
    let deadline = Instant::now() + order.time() + 2 * SETUP;
    let beside = Some(std::os::fd::AsFd::as_fd(&fd));
    let mut initiator = Peer::start(None, &job(order, Role::Initiator), beside, deadline, stop)?;
    let mut responder = Peer::start(None, &job(order, Role::Responder), beside, deadline, stop)?;
    let mut both = Both { initiator: &mut initiator, responder: &mut responder, deadline, stop, base: 0 };
    let before = both.floor()?;
    let done = work()?;
    let after = both.floor()?;
    Ok((done, before.zip(after).map(|(before, after)| [before, after]), blind))
}

/// Whether there are two cores that can bounce a line; on one core there is no such floor.
pub(crate) fn has_floor(order: &Order) -> bool {
    order.cores.is_some_and(|[a, b]| a != b)
}

/// The null entrant: one process.
fn alone(order: &Order, deadline: Instant, stop: &AtomicBool) -> Result<Round, Fault> {
    let mut peer = Peer::start(None, &job(order, Role::Initiator), None, deadline, stop)?;
    peer.ask(&Request::Run)?;
    match peer.hear(deadline, stop)? {
        Answer::Ran(initiator) => Ok(Round {
            initiator,
            responder: SideOutcome::default(),
            floors: None,
            blind: None,
            cores: peer.core().map(|core| [core, core]),
        }),
        other => Err(Fault::out_of_turn(&other)),
    }
}

fn job(order: &Order, role: Role) -> Job {
    Job {
        role,
        task: order.task,
        kind: order.kind,
        wait: order.wait,
        core: order.cores.map(|[first, second]| if role == Role::Initiator { first } else { second }),
        size_bytes: order.size_bytes,
        warmup: order.warmup,
        messages: order.messages,
        interval_ns: order.interval_ns,
        capacity_bytes: order.capacity_bytes,
        clock: order.clock,
    }
}

/// Both processes of a round.
struct Both<'a> {
    initiator: &'a mut Peer,
    responder: &'a mut Peer,
    deadline: Instant,
    stop: &'a AtomicBool,
    /// The last number that the floor's lines have seen.
    base: u64,
}

impl Both<'_> {
    /// Asks both for the same, and hears both.
    fn ask(&mut self, request: Request) -> Result<(Answer, Answer), Fault> {
        self.initiator.ask(&request)?;
        self.responder.ask(&request)?;
        let first = self.initiator.hear(self.deadline, self.stop);
        // When one side fails the other is waiting for it: its failure is only the echo.
        let first = first?;
        Ok((first, self.responder.hear(self.deadline, self.stop)?))
    }

    fn connect(&mut self) -> Result<(), Fault> {
        match self.ask(Request::Connect)? {
            (Answer::Connected, Answer::Connected) => Ok(()),
            (Answer::Connected, other) | (other, _) => Err(Fault::out_of_turn(&other)),
        }
    }

    fn run(&mut self) -> Result<(SideOutcome, SideOutcome), Fault> {
        match self.ask(Request::Run)? {
            (Answer::Ran(first), Answer::Ran(second)) => Ok((first, second)),
            (Answer::Ran(_), other) | (other, _) => Err(Fault::out_of_turn(&other)),
        }
    }

    fn floor(&mut self) -> Result<Option<FloorSeen>, Fault> {
        let mut best: Option<FloorSeen> = None;
        for polls in Polls::ALL {
            let bounce = Bounce { base: self.base, rounds: FLOOR_ROUNDS, polls, deadline: FLOOR_DEADLINE };
            self.base = bounce.end();
            let (Answer::Floor { median_ns }, _) = self.ask(Request::Floor(bounce))? else { return Ok(None) };
            if let Some(ns) = median_ns
                && best.is_none_or(|best| ns < best.ns)
            {
                best = Some(FloorSeen { polls, ns });
            }
        }
        Ok(best)
    }
}
