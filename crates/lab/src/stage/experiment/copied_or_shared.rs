//! Copied or shared? The sender's bytes are overwritten after the send and before the receive. If
//! the old bytes arrive, they were copied; if the new ones, both processes use the same memory.

use super::bench::{ExperimentBench, ExperimentVerdict};
use crate::mechanism::{self, Overwrite, SCRIBBLE};
use crate::peer::PeerFault;
use crate::stage::order::{Course, StageOrder};
use crate::stage::pair::{BOTH, place};
use crate::trace::{Call, Side, Tone};

pub(super) fn run(bench: &mut ExperimentBench<'_, '_>) -> Result<ExperimentVerdict, PeerFault> {
    let mut pair = bench.pair()?;
    let by = pair.gauges().map(|gauges| gauges.outbound_number(place(Side::Sender)));
    let by = by.map_err(|error| PeerFault::Environment(error.to_string()))?;
    let mut rows = Vec::new();
    let mut held = true;
    let mut stories = Vec::new();
    let scribble = char::from(SCRIBBLE).to_string();
    for (which, Overwrite { what, copied, why, .. }) in
        mechanism::of(bench.cast.kind).overwrites.iter().enumerate()
    {
        let number = bench.numbers(1);
        let (calls, _) =
            bench.ask(&mut pair, Side::Sender, &StageOrder::Scribble { number, by, what: which })?;
        bench.tell_calls(Side::Sender, Call::Send, calls);
        bench.teller.note(Tone::Plain, format!("overwritten with `{scribble}`: {what}"));
        bench.teller.look(&pair, &BOTH);
        let (calls, _) = bench.ask(&mut pair, Side::Receiver, &StageOrder::Recv(Course::of(number, 1)))?;
        let came = calls.first().and_then(|call| call.words.clone()).unwrap_or_default();
        let old = calls.first().is_some_and(|call| call.fault.is_none());
        let new = came.starts_with(&scribble);
        // What was meant to come new is no damage; the words that came are told as they are.
        let calls =
            calls.into_iter().map(|call| crate::stage::order::Sight { fault: None, ..call }).collect();
        bench.tell_calls(Side::Receiver, Call::Recv, calls);
        held &= if *copied { old } else { new };
        let found = match (old, new) {
            (true, _) => "copied",
            (false, true) => "shared",
            (false, false) => "neither",
        };
        stories.push(format!("{what}: {found}"));
        let because =
            if (found == "copied") == *copied { (*why).into() } else { "not as it was expected".into() };
        rows.push(vec![(*what).into(), if old { "old" } else { "new" }.into(), found.into(), because]);
    }
    bench.teller.table(
        "What arrived after the bytes were overwritten",
        &["overwritten", "bytes that arrived", "so they were", "because"],
        rows,
        "the message as the receiver got it",
    );
    Ok(ExperimentVerdict::new(held, stories.join("; ")))
}
