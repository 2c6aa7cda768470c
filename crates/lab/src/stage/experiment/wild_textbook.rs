//! The same writes on the textbook's layout, one region that both processes may write: no process
//! is stopped, no error is reported, and the messages are gone. This is the control that shows the
//! worth of the other layout.

use std::os::fd::AsFd;

use super::bench::{ExperimentBench, ExperimentVerdict};
use crate::peer::PeerFault;
use crate::stage::order::{StageOrder, Textbook};
use crate::stage::pair::BOTH;
use crate::stage::textbook::{self, TextbookBoard};
use crate::sys::board;
use crate::trace::{Call, ProcessState, Side, Tone, What};
use crate::units;

const MESSAGES: u64 = 10;

pub(super) fn run(bench: &mut ExperimentBench<'_, '_>) -> Result<ExperimentVerdict, PeerFault> {
    let environment = |error: std::io::Error| PeerFault::Environment(error.to_string());
    let region = board::Board::create().map_err(environment)?;
    let ours = TextbookBoard::map(&region).map_err(environment)?;
    let mut pair = bench.pair()?;
    bench.teller.say(textbook::stage());
    let first = bench.numbers(MESSAGES);
    let last = first + MESSAGES - 1;
    let write = StageOrder::Textbook(Textbook::Write { first, count: MESSAGES });
    pair.order_with(Side::Sender, &write, Some(region.as_fd()))?;
    let (calls, _) = bench.hear(&mut pair, Side::Sender)?;
    bench.tell_calls(Side::Sender, Call::Send, calls);
    bench.teller.say(ours.gauges(first, last));
    let ready = ours.ready() - first;
    let text =
        format!("{} stand in the region, which both processes may write", units::plural(ready, "message"));
    bench.teller.note(Tone::Plain, text);

    let (_, stores) = bench.ask(&mut pair, Side::Sender, &StageOrder::Textbook(Textbook::Stray))?;
    let text = format!("the sender stores all over it: {stores} stores, and the kernel has no objection");
    bench.teller.note(Tone::Plain, text);
    let seen = pair.look(Side::Sender);
    let alive = seen.state != ProcessState::Dead;
    for side in BOTH {
        let event = bench.teller.seen(side, pair.look(side));
        bench.teller.tell(event);
    }
    bench.teller.say(ours.gauges(first, last));

    let read = StageOrder::Textbook(Textbook::Read { first, count: MESSAGES });
    pair.order_with(Side::Receiver, &read, Some(region.as_fd()))?;
    let (calls, _) = bench.hear(&mut pair, Side::Receiver)?;
    let events = bench.tell_calls(Side::Receiver, Call::Recv, calls);
    let damaged = events.iter().filter(|event| matches!(event.what, What::Failed { .. })).count() as u64;
    bench.teller.table(
        "What a stray process has done to a region that both may write",
        &["stray process", "ended by", "messages damaged", "messages ready, as the region says"],
        vec![vec![
            "sender".into(),
            if alive { "nothing: it lives".into() } else { "the kernel".into() },
            format!("{damaged} of {MESSAGES}"),
            format!("{:#x}", ours.ready()),
        ]],
        "each message held against what was written",
    );
    let sentence = format!(
        "{} of {} arrived whole: {damaged} came damaged, no process was stopped and no error reported, since one region \
         for both has no isolation",
        MESSAGES.saturating_sub(damaged),
        units::plural(MESSAGES, "message")
    );
    Ok(ExperimentVerdict::new(damaged == 0 && !alive, sentence))
}
