//! A batch: the messages of one command, in steps that are looked at, in a burst, or paced.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crossing::WaitStrategy;

use super::command::{Messages, SendDirection};
use super::order::{Course, Sight, StageOrder, Told};
use super::outside::{self, Held};
use super::pair::{BOTH, Pair};
use super::teller::{Teller, ends};
use crate::clock::Clock;
use crate::peer::PeerFault;
use crate::trace::{Call, CallCosts, Event, Mode, ProcessState, Side, Tone, What};

/// The time limit of one message, far above anything seen, and that of a batch beyond it.
const PER_MESSAGE: Duration = Duration::from_millis(20);
const PER_BATCH: Duration = Duration::from_secs(10);
/// How long a send without a receiver may go on until it is left alone, and how often it is
/// checked. A sender that sleeps is left alone at once; one that spins never sleeps.
const STUCK: Duration = Duration::from_secs(5);
const STUCK_SPINNING: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(20);
/// After such a silence it is looked whether a process is held from outside.
const SILENCE: Duration = Duration::from_millis(500);
/// Between two messages that are paced, so that each finds its receiver waiting, and the gauges can be read
/// while nothing moves.
const GAP: Duration = Duration::from_micros(500);
/// How often both calls are timed, and how long one may take that is to find what it needs.
const TIMED: u64 = 9;
const AT_ONCE: Duration = Duration::from_millis(250);

/// The cost of the two calls when neither has to wait: each message is sent while its receiver is idle, and received
/// when it has arrived. `None` if a message does not fit without its receiver.
pub(crate) fn call_costs(
    pair: &mut Pair,
    clock: Clock,
    stop: &AtomicBool,
) -> Result<Option<CallCosts>, PeerFault> {
    let mut costs = [Vec::new(), Vec::new()];
    for number in 0..TIMED {
        pair.order(Side::Sender, &StageOrder::Send(Course::of(number, 1)))?;
        let at_once = pair.done_within(Side::Sender, AT_ONCE, stop)?;
        pair.order(Side::Receiver, &StageOrder::Recv(Course::of(number, 1)))?;
        let fits = at_once.is_some();
        let sent = if fits { at_once } else { pair.done_within(Side::Sender, PER_BATCH, stop)? };
        let received = pair.done_within(Side::Receiver, PER_BATCH, stop)?;
        for (costs, (side, heard)) in costs.iter_mut().zip([(Side::Sender, sent), (Side::Receiver, received)])
        {
            let (calls, _) = heard.ok_or_else(|| late(side))?;
            if calls.iter().any(|call| call.fault.is_some()) {
                return Err(undelivered());
            }
            costs.extend(calls.iter().map(|call| clock.ns(call.ended.saturating_sub(call.began))));
        }
        if !fits {
            return Ok(None);
        }
    }
    let [send_ns, recv_ns] = costs.map(|mut costs| {
        costs.sort_unstable();
        costs[costs.len() / 2]
    });
    Ok(Some(CallCosts { send_ns, recv_ns }))
}

/// Runs a batch between the two of a stage.
pub(crate) fn run(
    send: &Messages,
    pair: &mut Pair,
    next: &mut u64,
    stop: &AtomicBool,
    teller: &mut Teller<'_>,
) -> Result<(), PeerFault> {
    let first = *next;
    *next += send.count;
    teller.say(What::BatchBegin { mode: send.mode, count: send.count });
    let back = send.direction == SendDirection::Back;
    let text = send.text.clone().filter(|text| !text.is_empty());
    let mut batch = Batch { pair, stop, teller, back, text, held: Vec::new() };
    let outcome = match send.mode {
        Mode::Step => {
            (first..first + send.count).try_for_each(|number| batch.step(number, send.receiver_first))
        }
        Mode::Burst | Mode::Xray => batch.burst(first, send.count),
        Mode::Paced => batch.paced(first, send.count),
    };
    let outcome = outcome.map_err(|fault| batch.told_of_deaths(fault));
    batch.teller.say(What::BatchEnd {});
    outcome
}

struct Batch<'a, 'b> {
    pair: &'a mut Pair,
    stop: &'a AtomicBool,
    teller: &'a mut Teller<'b>,
    back: bool,
    text: Option<String>,
    /// What was told to hold a process.
    held: Vec<Held>,
}

impl Batch<'_, '_> {
    fn course(&self, first: u64, count: u64, announce: bool) -> Course {
        Course { text: self.text.clone(), announce, ..Course::of(first, count) }
    }

    /// One message that is looked at: on its way, or while its receiver waits for it.
    fn step(&mut self, number: u64, receiver_first: bool) -> Result<(), PeerFault> {
        let mut events = Vec::new();
        let outcome = self.step_by_step(number, receiver_first, &mut events);
        let failed = any_failed(&events);
        self.teller.in_order(events);
        outcome?;
        if failed {
            return Err(undelivered());
        }
        self.teller.look(self.pair, &BOTH);
        Ok(())
    }

    /// The same; what happens becomes `events`, which come in no order: a process tells of a call when it is over.
    fn step_by_step(
        &mut self,
        number: u64,
        receiver_first: bool,
        events: &mut Vec<Event>,
    ) -> Result<(), PeerFault> {
        let (from, to) = ends(self.back);
        if receiver_first {
            self.begin_recv(number, 1)?;
            let asleep = self.pair.look_when_asleep(to);
            events.push(self.teller.seen(to, asleep));
            events.extend(self.teller.read_gauges(self.pair));
            self.pair.order(from, &StageOrder::Send(self.course(number, 1, false)))?;
            let sent = self.done(from)?;
            events.extend(self.teller.calls(from, Call::Send, self.back, sent));
        } else {
            let sent = self.send_or_stick(number)?;
            let all_sent = sent.is_some();
            events.extend(self.teller.calls(from, Call::Send, self.back, sent.unwrap_or_default()));
            if any_failed(events) {
                return Ok(());
            }
            // On its way; or the sender sleeps because there is no room for all of it.
            events.extend(self.teller.looked(self.pair, &BOTH));
            self.begin_recv(number, 1)?;
            if !all_sent {
                let sent = self.done(from)?;
                events.extend(self.teller.calls(from, Call::Send, self.back, sent));
            }
        }
        let received = self.done(to)?;
        events.extend(self.teller.calls(to, Call::Recv, self.back, received));
        Ok(())
    }

    /// Sends a message before its receiver receives; `None` if the sender sleeps in it for want of
    /// room.
    fn send_or_stick(&mut self, number: u64) -> Result<Option<Vec<Sight>>, PeerFault> {
        let (from, _) = ends(self.back);
        self.begin(from, &StageOrder::Send(self.course(number, 1, true)))?;
        let spins = self.pair.wait() == WaitStrategy::Spin;
        let deadline = Instant::now() + if spins { STUCK_SPINNING } else { STUCK };
        loop {
            if let Some((calls, _)) = self.pair.done_within(from, LOOK, self.stop)? {
                return Ok(Some(calls));
            }
            let sleeps = self.pair.look(from).state == ProcessState::Sleeping;
            self.tell_what_holds();
            if sleeps || Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }

    /// Messages with pauses; both processes and the gauges are looked at in each pause, never in flight.
    fn paced(&mut self, first: u64, count: u64) -> Result<(), PeerFault> {
        let (from, _) = ends(self.back);
        self.begin_recv(first, count)?;
        let mut events = Vec::new();
        let sent = (first..first + count).try_for_each(|number| {
            crossing::pause(GAP);
            events.extend(self.teller.looked(self.pair, &BOTH));
            self.pair.order(from, &StageOrder::Send(self.course(number, 1, false)))?;
            let calls = self.done(from)?;
            let calls = self.teller.calls(from, Call::Send, self.back, calls);
            let failed = any_failed(&calls);
            events.extend(calls);
            if failed { Err(undelivered()) } else { Ok(()) }
        });
        self.received(sent, events, Instant::now() + PER_BATCH)
    }

    /// Messages one after the other; nothing is looked at until the last has arrived.
    fn burst(&mut self, first: u64, count: u64) -> Result<(), PeerFault> {
        let (from, _) = ends(self.back);
        self.begin_recv(first, count)?;
        self.pair.order(from, &StageOrder::Send(self.course(first, count, false)))?;
        let deadline = Instant::now() + PER_BATCH + PER_MESSAGE * u32::try_from(count).unwrap_or(u32::MAX);
        let mut events = Vec::new();
        let sent = self.done_by(from, deadline).and_then(|done| {
            let (calls, _) = done.ok_or_else(|| late(from))?;
            events.extend(self.teller.calls(from, Call::Send, self.back, calls));
            Ok(())
        });
        self.received(sent, events, deadline)
    }

    /// Hears the receiver, and tells what happened. It is heard whatever the sender said: one may be dead, and the
    /// other know something.
    fn received(
        &mut self,
        sent: Result<(), PeerFault>,
        mut events: Vec<Event>,
        deadline: Instant,
    ) -> Result<(), PeerFault> {
        let (_, to) = ends(self.back);
        let received = self.done_by(to, deadline).and_then(|done| {
            let (calls, _) = done.ok_or_else(|| late(to))?;
            events.extend(self.teller.calls(to, Call::Recv, self.back, calls));
            Ok(())
        });
        let failed = any_failed(&events);
        self.teller.in_order(events);
        sent.and(received)?;
        if failed {
            return Err(undelivered());
        }
        self.teller.look(self.pair, &BOTH);
        Ok(())
    }

    /// Tells the receiving process to receive.
    fn begin_recv(&mut self, first: u64, count: u64) -> Result<(), PeerFault> {
        let (_, to) = ends(self.back);
        self.begin(to, &StageOrder::Recv(self.course(first, count, true)))
    }

    /// Tells a process what to do, and waits until it is about to.
    fn begin(&mut self, side: Side, order: &StageOrder) -> Result<(), PeerFault> {
        self.pair.order(side, order)?;
        match self
            .heard(Instant::now() + PER_BATCH, |batch, nap| batch.pair.told_within(side, nap, batch.stop))?
        {
            Some(Told::About) => Ok(()),
            Some(told) => Err(PeerFault::Failed(format!("the {} told out of turn: {told:?}", side.name()))),
            None => Err(late(side)),
        }
    }

    fn done(&mut self, side: Side) -> Result<Vec<Sight>, PeerFault> {
        let done = self.done_by(side, Instant::now() + PER_BATCH)?;
        done.map(|(calls, _)| calls).ok_or_else(|| late(side))
    }

    fn done_by(&mut self, side: Side, deadline: Instant) -> Result<Option<(Vec<Sight>, u64)>, PeerFault> {
        self.heard(deadline, |batch, nap| batch.pair.done_within(side, nap, batch.stop))
    }

    /// Hears with naps until the deadline. What holds a process meanwhile is told at once: it may still be let go.
    fn heard<T>(
        &mut self,
        deadline: Instant,
        mut hear: impl FnMut(&mut Self, Duration) -> Result<Option<T>, PeerFault>,
    ) -> Result<Option<T>, PeerFault> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let heard = hear(self, left.clamp(LOOK, SILENCE))?;
            if heard.is_some() || left.is_zero() {
                return Ok(heard);
            }
            self.tell_what_holds();
        }
    }

    fn tell_what_holds(&mut self) {
        for held in outside::held(self.pair).filter(|held| held.stands_still()) {
            if !self.held.contains(&held) {
                self.held.push(held);
                self.teller.note(Tone::Bad, held.to_string());
            }
        }
    }

    /// Tells which processes have died, and says so, or what holds them, instead of what their silence looked like.
    fn told_of_deaths(&mut self, fault: PeerFault) -> PeerFault {
        if fault == PeerFault::Stopped {
            return fault;
        }
        if let Some(dead) = outside::deaths(self.pair, self.teller, LOOK) {
            return dead;
        }
        let held = outside::held(self.pair).find(|held| held.stands_still());
        held.map_or(fault, |held| PeerFault::Failed(format!("{}, and did not go on in time", held.words())))
    }
}

/// Whether one of the calls brought no message, or another one than was sent.
fn any_failed(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event.what, What::Failed { .. }))
}

/// A call ended without a message, or with another one than was sent.
fn undelivered() -> PeerFault {
    PeerFault::Failed("the messages did not all arrive".into())
}

fn late(side: Side) -> PeerFault {
    PeerFault::Failed(format!("the {} did not finish in time", side.name()))
}
