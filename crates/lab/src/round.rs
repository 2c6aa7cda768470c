//! One round: two fresh processes, one channel, one task; the floor before and after.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crossing::{Endpoint, Kind};

use crate::itself::THIS_PROGRAM;
use crate::job::{PairJob, Role, SETUP, Task};
use crate::peer::{PeerFault, PeerHandle};
use crate::request::{Request, RoundAnswer, SideOutcome};
use crate::score::Score;
use crate::sys::lines::{Bounce, Lines, Polls};
use crate::two_peers::TwoPeers;

/// Round trips of the cache lines in one look at the floor.
const FLOOR_ROUNDS: u32 = 2_000;
/// How long one of them may take.
const FLOOR_DEADLINE: Duration = Duration::from_millis(200);

/// The result of a round.
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

/// The floor before and after a round.
pub(crate) type Floors = [FloorSeen; 2];

/// The best of the tried ways to poll, and its time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FloorSeen {
    pub(crate) polls: Polls,
    /// Half a round trip, median, in nanoseconds.
    pub(crate) ns: f64,
}

/// Runs one round; of a rehearsal the `score`.
pub(crate) fn run(job: &PairJob, score: Option<&Score>, stop: &AtomicBool) -> Result<Round, PeerFault> {
    let deadline = Instant::now() + job.time();
    if let Task::Null(_) = job.task {
        return alone(job, deadline, stop);
    }
    let ends = Endpoint::pair(job.kind).map_err(|error| no_ends(job.kind, &error))?;
    let (lines, blind) = lines(job);
    let mut both = Both::start(Some(ends), job, lines.as_ref(), deadline, stop)?;
    both.peers.connect(deadline, stop)?;
    if let Some(score) = score {
        both.peers.learn(score, deadline, stop)?;
    }
    let before = both.floor()?;
    let [initiator, responder] = both.peers.run(&Request::Run, deadline, stop)?;
    let after = both.floor()?;
    Ok(Round { initiator, responder, floors: floors(before, after), blind, cores: both.peers.cores() })
}

/// The fault when the two ends of a channel cannot be made.
pub(crate) fn no_ends(kind: Kind, error: &dyn std::fmt::Display) -> PeerFault {
    PeerFault::Failed(format!("the two ends of {kind} cannot be made: {error}"))
}

/// The floor's memory, where there is a floor; or why there is none where there should be one.
fn lines(job: &PairJob) -> (Option<(Lines, OwnedFd)>, Option<String>) {
    match has_floor(job).then(Lines::create).transpose() {
        Ok(lines) => (lines, None),
        Err(error) => {
            (None, Some(format!("the floor was not looked at: its memory cannot be had ({error})")))
        }
    }
}

/// Runs `work` between two looks at the floor, by two processes of ours in the places that the job names. They
/// sleep in the kernel while it runs.
pub(crate) fn around<T>(
    job: &PairJob,
    stop: &AtomicBool,
    work: impl FnOnce() -> Result<T, PeerFault>,
) -> Result<(T, Option<Floors>, Option<String>), PeerFault> {
    let (lines, blind) = lines(job);
    if lines.is_none() {
        return work().map(|done| (done, None, blind));
    }
    // The work keeps its own time; this only bounds two processes that do next to nothing.
    let deadline = Instant::now() + job.time() + 2 * SETUP;
    let mut both = Both::start(None, job, lines.as_ref(), deadline, stop)?;
    let before = both.floor()?;
    let done = work()?;
    Ok((done, floors(before, both.floor()?), blind))
}

/// Whether there are two cores that can bounce a line; on one core there is no such floor.
pub(crate) fn has_floor(job: &PairJob) -> bool {
    job.cores.is_some_and(|[a, b]| a != b)
}

fn floors(before: Option<FloorSeen>, after: Option<FloorSeen>) -> Option<Floors> {
    before.zip(after).map(|(before, after)| [before, after])
}

/// The null entrant: one process.
fn alone(job: &PairJob, deadline: Instant, stop: &AtomicBool) -> Result<Round, PeerFault> {
    let job = job.for_role(Role::Initiator);
    let mut peer = PeerHandle::start(THIS_PROGRAM.as_ref(), None, &job, None, deadline, stop)?;
    peer.ask(&Request::Run)?;
    match peer.hear(deadline, stop)? {
        RoundAnswer::Ran(initiator) => Ok(Round {
            initiator: *initiator,
            responder: SideOutcome::default(),
            floors: None,
            blind: None,
            cores: peer.core().map(|core| [core, core]),
        }),
        other => Err(PeerFault::out_of_turn(&other)),
    }
}

/// Both processes of a round, and where the floor under them stands.
struct Both<'a> {
    peers: TwoPeers,
    has_floor: bool,
    /// The last number that the floor's lines have seen.
    base: u64,
    deadline: Instant,
    stop: &'a AtomicBool,
}

impl<'a> Both<'a> {
    fn start(
        ends: Option<(Endpoint, Endpoint)>,
        job: &PairJob,
        lines: Option<&(Lines, OwnedFd)>,
        deadline: Instant,
        stop: &'a AtomicBool,
    ) -> Result<Both<'a>, PeerFault> {
        let beside = lines.map(|(_, fd)| fd.as_fd());
        let peers = TwoPeers::start(THIS_PROGRAM.as_ref(), ends, job, beside, deadline, stop)?;
        Ok(Both { peers, has_floor: lines.is_some(), base: 0, deadline, stop })
    }

    /// The best of the ways to poll; `None` where there is no floor, or a process does not answer as one that bounces.
    fn floor(&mut self) -> Result<Option<FloorSeen>, PeerFault> {
        let mut best: Option<FloorSeen> = None;
        for polls in Polls::ALL.into_iter().filter(|_| self.has_floor) {
            let bounce = Bounce { base: self.base, rounds: FLOOR_ROUNDS, polls, deadline: FLOOR_DEADLINE };
            self.base = bounce.end();
            let answers = self.peers.ask(&Request::Floor(bounce), self.deadline, self.stop)?;
            let [RoundAnswer::Floor { median_ns }, _] = answers else { return Ok(None) };
            if let Some(ns) = median_ns
                && best.is_none_or(|best| ns < best.ns)
            {
                best = Some(FloorSeen { polls, ns });
            }
        }
        Ok(best)
    }
}
