//! A round that counts: one that was disturbed, or whose floor moved, is run again until patience ends.

use std::sync::atomic::AtomicBool;

use crate::disturbance::{Disturbance, DisturbanceWatch};
use crate::entrant::{RaceEntrant, Runner};
use crate::job::PairJob;
use crate::peer::PeerFault;
use crate::rival::{RivalAnswer, RivalOutcome};
use crate::round::{self, Floors, Round};

/// A floor that changed by more than this factor within a round says that the cores have moved.
pub const MOVED: f64 = 1.5;
/// How often a round is run again because of that, before it counts with a note.
pub const AGAIN: u32 = 2;

/// The result of a round, of our processes or of a guest.
#[derive(Debug)]
pub(crate) enum RoundFound {
    /// Two of our processes.
    Ours(Box<Round>),
    /// A guest, and the floor before and after it, or why there is none.
    Guest(RivalOutcome, Option<Floors>, Option<String>),
    /// A guest that cannot do this, and why.
    Gap(String),
}

impl RoundFound {
    /// Whether the floor before the round and after it are of two states of the machine.
    pub(crate) fn moved(&self) -> bool {
        let floors = match self {
            RoundFound::Ours(round) => round.floors,
            RoundFound::Guest(_, floors, _) => *floors,
            RoundFound::Gap(_) => None,
        };
        moved(floors)
    }
}

/// Whether two looks at the floor saw two states of the machine.
pub(crate) fn moved(floors: Option<Floors>) -> bool {
    floors.is_some_and(|[before, after]| before.ns.max(after.ns) > MOVED * before.ns.min(after.ns))
}

/// A round that counts, and those that were thrown away for it.
pub(crate) struct Settled<T> {
    pub(crate) found: Result<T, PeerFault>,
    /// The disturbances of all of them.
    pub(crate) disturbed: Disturbance,
    pub(crate) dropped: u32,
}

/// Runs a round of an entrant until it settles.
pub(crate) fn round(entrant: &RaceEntrant, job: &PairJob, stop: &AtomicBool) -> Settled<RoundFound> {
    let ran = |found: &RoundFound| (!matches!(found, RoundFound::Gap(_))).then(|| found.moved());
    settled(ran, || one_round(entrant, job, stop))
}

/// Runs a round until it is undisturbed and its floor holds still, or patience ends. `moved` says of a round that ran
/// whether its floor moved.
pub(crate) fn settled<T>(
    moved: impl Fn(&T) -> Option<bool>,
    mut once: impl FnMut() -> Result<T, PeerFault>,
) -> Settled<T> {
    let (mut dropped, mut disturbed) = (0, Disturbance::default());
    loop {
        let watch = DisturbanceWatch::begin();
        let found = once();
        let befell = watch.end();
        disturbed = disturbed.and(&befell);
        let again = match &found {
            Ok(found) => moved(found).is_some_and(|moved| moved || befell.any()),
            Err(PeerFault::Stopped | PeerFault::Environment(_)) => false,
            // Its deadline has passed between two checks.
            Err(PeerFault::Failed(_)) => !befell.away.is_zero(),
        };
        if !again || dropped == AGAIN {
            return Settled { found, disturbed, dropped };
        }
        dropped += 1;
    }
}

fn one_round(entrant: &RaceEntrant, job: &PairJob, stop: &AtomicBool) -> Result<RoundFound, PeerFault> {
    let Runner::Rival(rival, _) = &entrant.runner else {
        return round::run(job, entrant.score.as_deref(), stop)
            .map(|round| RoundFound::Ours(Box::new(round)));
    };
    let run = || rival.run(entrant.workload, job, stop);
    Ok(match round::around(job, stop, run)? {
        (RivalAnswer::Done(outcome), floors, blind) => RoundFound::Guest(outcome, floors, blind),
        (RivalAnswer::Unsupported { unsupported }, ..) => RoundFound::Gap(unsupported),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
