//! Wild: a process stores all over the region that its peer owns. The kernel refuses the first store and ends the
//! process that strayed; nothing of the peer's has changed.
//!
//! Tried twice: by the receiver, over the very region in which messages wait for it, and by the sender, after
//! which the receiver still gets every message that was published.

use super::bench::{ExperimentBench, ExperimentVerdict};
use crate::peer::{Death, PeerFault};
use crate::stage::order::StageOrder;
use crate::stage::pair::{BOTH, Pair, other, place};
use crate::trace::{Side, Tone};
use crate::units;
use std::time::Duration;

const MESSAGES: u64 = 10;
/// How long a process that strays may take to be gone.
const END: Duration = Duration::from_secs(5);

pub(super) fn run(bench: &mut ExperimentBench<'_, '_>) -> Result<ExperimentVerdict, PeerFault> {
    let mut rows = Vec::new();
    let mut held = true;
    let (mut all, mut received) = (0, 0);
    for side in [Side::Receiver, Side::Sender] {
        let mut pair = bench.pair()?;
        let first = bench.numbers(MESSAGES);
        let sent = bench.send(&mut pair, first, MESSAGES)?;
        all += sent;
        bench.teller.look(&pair, &BOTH);
        let (death, changed) = stray(bench, &mut pair, side)?;
        let signal = death.as_ref().and_then(|death| death.signal.clone());
        held &= sent == MESSAGES && signal.as_deref() == Some("SIGSEGV") && changed == 0;
        let mut row = vec![
            side.name().to_owned(),
            signal.unwrap_or_else(|| "nothing: it lives".into()),
            changed.to_string(),
        ];
        if side == Side::Sender && death.is_some() {
            // One more than there are: the end is to be told too.
            let got = bench.recv(&mut pair, first, MESSAGES + 1)?;
            received = got.came - got.damaged;
            held &= received == MESSAGES && got.ended.as_deref() == Some("disconnected");
            row.push(format!(
                "{received} of {MESSAGES} received unharmed, then {}",
                got.ended.unwrap_or_default()
            ));
        } else {
            row.push(format!("{MESSAGES} stand unharmed in the region"));
        }
        bench.teller.look(&pair, &[other(side)]);
        rows.push(row);
    }
    bench.teller.table(
        "What a stray process has done to its peer's region",
        &["stray process", "ended by", "bytes changed", "messages"],
        rows,
        "wait status of the process; the region's bytes compared before and after; messages verified by the receiver",
    );
    let sentence = if held {
        format!(
            "the kernel ended each stray process at its first store, and not a byte has changed: {received} of {} \
             arrived unharmed, the others stand unharmed in the region whose receiver has died",
            units::plural(all, "message")
        )
    } else {
        "a region was changed, a stray process was not ended, or messages are missing: see the table".into()
    };
    Ok(ExperimentVerdict::new(held, sentence))
}

/// Lets `side` stray over the other's region: how it ended, and how many bytes of that region are different.
fn stray(
    bench: &mut ExperimentBench<'_, '_>,
    pair: &mut Pair,
    side: Side,
) -> Result<(Option<Death>, usize), PeerFault> {
    let victim = place(other(side));
    let region = |pair: &Pair| {
        let gauges = pair.gauges().map_err(|error| PeerFault::Environment(error.to_string()))?;
        gauges
            .region(victim)
            .and_then(|region| region.bytes())
            .map_err(|error| PeerFault::Failed(error.to_string()))
    };
    let before = region(pair)?;
    let text = format!(
        "the {} stores all over the {}'s region, {} bytes",
        side.name(),
        other(side).name(),
        before.len()
    );
    bench.teller.note(Tone::Plain, text);
    pair.order(side, &StageOrder::Stray)?;
    let death = pair.death_within(side, END);
    match &death {
        Some(death) => bench.teller.died(side, death.clone()),
        None => bench.teller.note(Tone::Bad, format!("the {} was not stopped", side.name())),
    }
    let after = region(pair)?;
    let changed = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    Ok((death, changed + before.len().abs_diff(after.len())))
}
