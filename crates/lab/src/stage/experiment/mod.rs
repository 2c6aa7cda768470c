//! Experiments: each makes one point on processes of its own, which may die of it. The stage's two take no part.

mod bench;
mod copied_or_shared;
mod fill;
mod kill_receiver;
mod life_of_a_byte;
mod lose_segments;
mod one_page;
mod wild;
mod wild_textbook;

use std::sync::atomic::AtomicBool;

pub(super) use self::bench::warm_pair;
use self::bench::{ExperimentBench, ExperimentVerdict};
use super::pair::Cast;
use super::teller::Teller;
use crate::peer::PeerFault;
use crate::trace::What;

/// Runs the experiment `id`, which the scene has. A fault of its processes is the experiment's end, and not the
/// stage's.
pub(super) fn run(
    id: &str,
    cast: &Cast,
    next: &mut u64,
    stop: &AtomicBool,
    teller: &mut Teller<'_>,
) -> Result<(), PeerFault> {
    teller.say(What::ExperimentBegin { id: id.into() });
    let mut bench = ExperimentBench { cast, next, stop, teller };
    let outcome = match id {
        "wild" => wild::run(&mut bench),
        "wild-textbook" => wild_textbook::run(&mut bench),
        "fill" => fill::run(&mut bench),
        "kill-reader" => kill_receiver::run(&mut bench),
        "lose-segments" => lose_segments::run(&mut bench),
        "life-of-a-byte" => life_of_a_byte::run(&mut bench),
        "one-page" => one_page::run(&mut bench),
        "copied-or-shared" => copied_or_shared::run(&mut bench),
        other => Err(PeerFault::Failed(format!("there is no experiment called `{other}`"))),
    };
    let (verdict, fault) = match outcome {
        Ok(verdict) => (verdict, Ok(())),
        Err(PeerFault::Stopped) => (ExperimentVerdict::untried("it was stopped"), Err(PeerFault::Stopped)),
        Err(fault) => (ExperimentVerdict::untried(format!("it could not be done: {fault}")), Ok(())),
    };
    let ExperimentVerdict { sentence, held, messages } = verdict;
    let [messages, arrived] = [0, 1].map(|which| Some(messages?[which]));
    teller.say(What::ExperimentEnd { id: id.into(), verdict: sentence, held, messages, arrived });
    fault
}
