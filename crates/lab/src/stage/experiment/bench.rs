//! The bench of every experiment: fresh processes, orders to them, and the verdict.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::peer::PeerFault;
use crate::stage::order::{Course, Sight, StageOrder};
use crate::stage::pair::{BOTH, Cast, Pair};
use crate::stage::teller::Teller;
use crate::trace::{Call, Event, Side, What};

/// Messages each way before anything is shown: the first of all pays for cold caches and pages.
const WARMUP: u64 = 64;
/// How long the two processes of an experiment may take over an order.
const PATIENCE: Duration = Duration::from_secs(10);

/// The verdict of an experiment.
pub(super) struct ExperimentVerdict {
    /// One sentence about the observation.
    pub(super) sentence: String,
    /// Whether the promise held; `None` when it could not be tried.
    pub(super) held: Option<bool>,
    /// How many messages took part, if not all of them were followed one by one, and how many of them arrived.
    pub(super) messages: Option<[u64; 2]>,
}

impl ExperimentVerdict {
    pub(super) fn new(held: bool, sentence: impl Into<String>) -> ExperimentVerdict {
        ExperimentVerdict { sentence: sentence.into(), held: Some(held), messages: None }
    }

    /// The same, of so many messages, of which so many arrived.
    pub(super) fn of(self, messages: u64, arrived: u64) -> ExperimentVerdict {
        ExperimentVerdict { messages: Some([messages, arrived]), ..self }
    }

    pub(super) fn untried(sentence: impl Into<String>) -> ExperimentVerdict {
        ExperimentVerdict { sentence: sentence.into(), held: None, messages: None }
    }
}

/// A pair that has exchanged some messages each way.
pub(crate) fn warm_pair(cast: &Cast, stop: &AtomicBool) -> Result<Pair, PeerFault> {
    let mut pair = Pair::start(cast, stop)?;
    for [from, to] in [BOTH, [Side::Receiver, Side::Sender]] {
        pair.order(to, &StageOrder::Recv(Course::of(0, WARMUP)))?;
        pair.order(from, &StageOrder::Send(Course::of(0, WARMUP)))?;
        for side in [from, to] {
            let (_, count) = pair.done_within(side, PATIENCE, stop)?.unwrap_or_default();
            if count != WARMUP {
                return Err(PeerFault::Failed(format!(
                    "the {} has seen {count} of {WARMUP} messages",
                    side.name()
                )));
            }
        }
    }
    pair.count_from_here();
    Ok(pair)
}

/// The bench of an experiment.
pub(super) struct ExperimentBench<'a, 'b> {
    pub(super) cast: &'a Cast,
    pub(super) next: &'a mut u64,
    pub(super) stop: &'a AtomicBool,
    pub(super) teller: &'a mut Teller<'b>,
}

impl ExperimentBench<'_, '_> {
    /// Two fresh processes; the events that follow are theirs.
    pub(super) fn pair(&mut self) -> Result<Pair, PeerFault> {
        let pair = warm_pair(self.cast, self.stop)?;
        self.teller.say(What::Processes { processes: pair.processes() });
        Ok(pair)
    }

    /// Reserves the numbers of `count` messages; returns the first.
    pub(super) fn numbers(&mut self, count: u64) -> u64 {
        let first = *self.next;
        *self.next += count;
        first
    }

    /// Gives a process an order and waits until it is done: every call, and how many brought a
    /// message.
    pub(super) fn ask(
        &mut self,
        pair: &mut Pair,
        side: Side,
        order: &StageOrder,
    ) -> Result<(Vec<Sight>, u64), PeerFault> {
        pair.order(side, order)?;
        self.hear(pair, side)
    }

    pub(super) fn hear(&mut self, pair: &mut Pair, side: Side) -> Result<(Vec<Sight>, u64), PeerFault> {
        let done = pair.done_within(side, PATIENCE, self.stop)?;
        done.ok_or_else(|| PeerFault::Failed(format!("the {} did not finish in time", side.name())))
    }

    /// Lets the sender send messages, and tells of each. How many were sent.
    pub(super) fn send(&mut self, pair: &mut Pair, first: u64, count: u64) -> Result<u64, PeerFault> {
        let (calls, sent) = self.ask(pair, Side::Sender, &StageOrder::Send(Course::of(first, count)))?;
        self.tell_calls(Side::Sender, Call::Send, calls);
        Ok(sent)
    }

    /// Lets the receiver receive messages, and tells of each. How many came, and how many of those were not what
    /// was sent.
    pub(super) fn recv(
        &mut self,
        pair: &mut Pair,
        first: u64,
        count: u64,
    ) -> Result<BenchReceived, PeerFault> {
        let (calls, came) = self.ask(pair, Side::Receiver, &StageOrder::Recv(Course::of(first, count)))?;
        let events = self.tell_calls(Side::Receiver, Call::Recv, calls);
        let with = |word: &str| {
            let is = |event: &&Event| matches!(&event.what, What::Failed { error, .. } if error == word);
            events.iter().filter(is).count() as u64
        };
        let ended = events.iter().rev().find_map(|event| match &event.what {
            What::Failed { error, .. } if error != "damaged" => Some(error.clone()),
            _ => None,
        });
        Ok(BenchReceived { came, damaged: with("damaged"), ended })
    }

    pub(super) fn tell_calls(&mut self, side: Side, call: Call, calls: Vec<Sight>) -> Vec<Event> {
        let events = self.teller.calls(side, call, false, calls);
        self.teller.in_order(events.clone());
        events
    }
}

/// The messages that a receiver got.
pub(super) struct BenchReceived {
    /// Messages that came, damaged or not.
    pub(super) came: u64,
    /// Those that differ from what was sent.
    pub(super) damaged: u64,
    /// How the last call ended, if it brought no message.
    pub(super) ended: Option<String>,
}
