//! Experiments: each makes one point on processes of its own, which may die of it. The stage's two take no part.

mod copied_or_shared;
mod fill;
mod kill_reader;
mod life_of_a_byte;
mod lose_segments;
mod one_page;
mod wild;
mod wild_textbook;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::order::{Course, Order, Sight};
use super::pair::{BOTH, Cast, Pair};
use super::teller::Teller;
use crate::peer::Fault;
use crate::trace::{Call, Event, Side, What};

/// Messages each way before anything is shown: the first of all pays for cold caches and pages.
const WARMUP: u64 = 64;
/// How long the two of an experiment may take over what they are told.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of an experiment.
struct Verdict {
    /// One sentence: what was seen.
    sentence: String,
    /// Whether what is promised was seen; `None` when it could not be tried.
    held: Option<bool>,
}

impl Verdict {
    fn new(held: bool, sentence: impl Into<String>) -> Verdict {
        Verdict { sentence: sentence.into(), held: Some(held) }
    }

    fn untried(sentence: impl Into<String>) -> Verdict {
        Verdict { sentence: sentence.into(), held: None }
    }
}

/// Runs the experiment `id`, which the scene has. A fault of its processes is the experiment's end, and not the
/// stage's.
pub(super) fn run(
    id: &str,
    cast: &Cast,
    next: &mut u64,
    stop: &AtomicBool,
    teller: &mut Teller<'_>,
) -> Result<(), Fault> {
    teller.say(What::ExperimentBegin { id: id.into() });
    let mut bench = Bench { cast, next, stop, teller };
    let outcome = match id {
        "wild" => wild::run(&mut bench),
        "wild-textbook" => wild_textbook::run(&mut bench),
        "fill" => fill::run(&mut bench),
        "kill-reader" => kill_reader::run(&mut bench),
        "lose-segments" => lose_segments::run(&mut bench),
        "life-of-a-byte" => life_of_a_byte::run(&mut bench),
        "one-page" => one_page::run(&mut bench),
        "copied-or-shared" => copied_or_shared::run(&mut bench),
        other => Err(Fault::Failed(format!("there is no experiment called `{other}`"))),
    };
    let (verdict, fault) = match outcome {
        Ok(verdict) => (verdict, Ok(())),
        Err(Fault::Stopped) => (Verdict::untried("it was stopped"), Err(Fault::Stopped)),
        Err(fault) => (Verdict::untried(format!("it could not be done: {fault}")), Ok(())),
    };
    let Verdict { sentence, held } = verdict;
    teller.say(What::ExperimentEnd { id: id.into(), verdict: sentence, held });
    fault
}

/// A pair that has exchanged some messages each way.
pub(super) fn warm_pair(cast: &Cast, stop: &AtomicBool) -> Result<Pair, Fault> {
    let mut pair = Pair::start(cast, stop)?;
    for [from, to] in [BOTH, [Side::Receiver, Side::Sender]] {
        pair.order(to, &Order::Recv(Course::of(0, WARMUP)))?;
        pair.order(from, &Order::Send(Course::of(0, WARMUP)))?;
        for side in [from, to] {
            let (_, count) = pair.done_within(side, PATIENCE, stop)?.unwrap_or_default();
            if count != WARMUP {
                return Err(Fault::Failed(format!(
                    "the {} has seen {count} of {WARMUP} messages",
                    side.name()
                )));
            }
        }
    }
    pair.count_from_here();
    Ok(pair)
}

/// What every experiment works with.
struct Bench<'a, 'b> {
    cast: &'a Cast,
    next: &'a mut u64,
    stop: &'a AtomicBool,
    teller: &'a mut Teller<'b>,
}

impl Bench<'_, '_> {
    /// Two fresh processes; the events that follow are theirs.
    fn pair(&mut self) -> Result<Pair, Fault> {
        let pair = warm_pair(self.cast, self.stop)?;
        self.teller.say(What::Processes { processes: pair.processes() });
        Ok(pair)
    }

    /// The numbers of so many messages: the first.
    fn numbers(&mut self, count: u64) -> u64 {
        let first = *self.next;
        *self.next += count;
        first
    }

    /// Tells a process what to do and waits until it is done: every call, and how many brought a message.
    fn ask(&mut self, pair: &mut Pair, side: Side, order: &Order) -> Result<(Vec<Sight>, u64), Fault> {
        pair.order(side, order)?;
        self.hear(pair, side)
    }

    fn hear(&mut self, pair: &mut Pair, side: Side) -> Result<(Vec<Sight>, u64), Fault> {
        let done = pair.done_within(side, PATIENCE, self.stop)?;
        done.ok_or_else(|| Fault::Failed(format!("the {} did not finish in time", side.name())))
    }

    /// Lets the sender send messages, and tells of each. How many were sent.
    fn send(&mut self, pair: &mut Pair, first: u64, count: u64) -> Result<u64, Fault> {
        let (calls, sent) = self.ask(pair, Side::Sender, &Order::Send(Course::of(first, count)))?;
        self.tell_calls(Side::Sender, Call::Send, calls);
        Ok(sent)
    }

    /// Lets the receiver receive messages, and tells of each. How many came, and how many of those were not what
    /// was sent.
    fn recv(&mut self, pair: &mut Pair, first: u64, count: u64) -> Result<Received, Fault> {
        let (calls, came) = self.ask(pair, Side::Receiver, &Order::Recv(Course::of(first, count)))?;
        let events = self.tell_calls(Side::Receiver, Call::Recv, calls);
        let with = |word: &str| {
            let is = |event: &&Event| matches!(&event.what, What::Failed { error, .. } if error == word);
            events.iter().filter(is).count() as u64
        };
        let ended = events.iter().rev().find_map(|event| match &event.what {
            What::Failed { error, .. } if error != "damaged" => Some(error.clone()),
            _ => None,
        });
        Ok(Received { came, damaged: with("damaged"), ended })
    }

    fn tell_calls(&mut self, side: Side, call: Call, calls: Vec<Sight>) -> Vec<Event> {
        let events = self.teller.calls(side, call, false, calls);
        self.teller.in_order(events.clone());
        events
    }
}

/// What a receiver has received.
struct Received {
    /// Messages that came, damaged or not.
    came: u64,
    /// Those that were not what was sent.
    damaged: u64,
    /// How the last call ended, if it brought no message.
    ended: Option<String>,
}

/// `1 message`, `2 messages`.
fn messages(count: u64) -> String {
    if count == 1 { "1 message".into() } else { format!("{count} messages") }
}
