//! Kill the receiver: what the sender is told when its peer has died, after how many more sends, and what was lost.
//!
//! Tried with messages that wait unread, and with none: a TCP connection whose receiver dies with nothing
//! unread is closed politely, so the next send still succeeds, and is lost.

use super::bench::{ExperimentBench, ExperimentVerdict};
use crate::peer::PeerFault;
use crate::stage::order::{Course, StageOrder, Wrong};
use crate::stage::pair::BOTH;
use crate::trace::{Call, Side, Tone};
use crate::units;

const SENT: u64 = 10;
const READ: u64 = 3;
/// After its death: more than any mechanism takes until it tells.
const MORE: u64 = 20;
/// Between two of those: a closed connection is told by a packet, which takes a moment even here.
const GAP_US: u64 = 2_000;

pub(super) fn run(bench: &mut ExperimentBench<'_, '_>) -> Result<ExperimentVerdict, PeerFault> {
    let mut rows = Vec::new();
    let mut told = true;
    let mut stories = Vec::new();
    let (mut all, mut arrived) = (0, 0);
    for (name, sent, read) in [("unread messages", SENT, READ), ("nothing unread", READ, READ)] {
        let mut pair = bench.pair()?;
        let first = bench.numbers(sent);
        bench.send(&mut pair, first, read)?;
        arrived += bench.recv(&mut pair, first, read)?.came;
        // Sent while the receiver is outside recv(): one call takes everything there is, and would
        // already have them in the receiver's memory.
        let unread = sent - read;
        bench.send(&mut pair, first + read, unread)?;
        bench.teller.look(&pair, &BOTH);
        bench.teller.note(
            Tone::Plain,
            format!("the receiver is killed with {} unread", units::plural(unread, "message")),
        );
        let death = pair.kill(Side::Receiver);
        let death = death.ok_or_else(|| PeerFault::Failed("the receiver outlived SIGKILL".into()))?;
        bench.teller.died(Side::Receiver, death);
        let first = bench.numbers(MORE);
        let more = StageOrder::Send(Course { gap_us: GAP_US, ..Course::of(first, MORE) });
        let (calls, after) = bench.ask(&mut pair, Side::Sender, &more)?;
        let ended = calls.iter().rev().find_map(|call| match &call.fault {
            Some(Wrong::Ended(word)) => Some(word.clone()),
            _ => None,
        });
        bench.tell_calls(Side::Sender, Call::Send, calls);
        bench.teller.look(&pair, &[Side::Sender]);
        all += sent + after;
        told &= matches!(ended.as_deref(), Some("disconnected" | "reset"));
        let ended = ended.unwrap_or_else(|| format!("nothing, in {}", units::plural(MORE, "message")));
        stories.push(match (after, ended.as_str()) {
            (0, ended) => format!("with {name} the first send was told `{ended}`"),
            (after, ended) => {
                let were = if after == 1 { "was" } else { "were" };
                format!(
                    "with {name} {} more {were} accepted and lost before it was told `{ended}`",
                    units::plural(after, "message")
                )
            }
        });
        rows.push(vec![
            name.into(),
            sent.to_string(),
            read.to_string(),
            unread.to_string(),
            after.to_string(),
            ended,
            (unread + after).to_string(),
        ]);
    }
    bench.teller.table(
        "What the death of the receiver has cost",
        &[
            "killed with",
            "sent",
            "received",
            "unread",
            "sends that succeeded after its death",
            "then the sender was told",
            "lost",
        ],
        rows,
        "return values of the sender's own calls",
    );
    Ok(ExperimentVerdict::new(
        told,
        format!(
            "{}; {arrived} of {} arrived: a send that returns means that the message left, not that it was read",
            stories.join("; "),
            units::plural(all, "message")
        ),
    ))
}
