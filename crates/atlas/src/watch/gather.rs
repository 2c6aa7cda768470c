//! From calls, one after the other, to the figures of a watch. Its memory does not grow with the number of calls.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lab::stats::Histogram;

use super::calls::{self, Does, KnownCall};
use super::flow::{Flow, Joined, Moved};
use super::kept::{CallPart, KeptCalls};
use super::repeat::TrafficBuilder;
use super::report::{CallsSeen, Distribution, WatchedDirection};
use super::tap::TappedCall;
use crate::kind::EdgeKind;

/// How many points of a queue over time are kept: then every second one goes.
const POINTS: usize = 600;

/// How many threads are told apart.
const THREADS: usize = 256;

/// The errors that say "later" and "there is no other end".
const AGAIN: i64 = -(libc::EAGAIN as i64);
const BROKEN: i64 = -(libc::EPIPE as i64);

/// How many sizes are told apart: programs have few.
const SIZES: usize = 512;

/// The sizes of calls: each as it is while there are few, then to three digits.
#[derive(Debug, Default)]
struct Sizes {
    each: BTreeMap<u64, u64>,
    many: Option<Histogram>,
}

impl Sizes {
    fn record(&mut self, bytes: u64) {
        match &mut self.many {
            Some(many) => many.record(bytes),
            None => *self.each.entry(bytes).or_default() += 1,
        }
        if self.each.len() > SIZES {
            let pairs: Vec<(u64, u64)> = std::mem::take(&mut self.each).into_iter().collect();
            self.many = Some(Histogram::from_pairs(&pairs));
        }
    }

    fn finish(&self) -> Option<Distribution> {
        match &self.many {
            Some(many) => Distribution::of(many),
            None => Distribution::of_pairs(self.each.iter().map(|(&bytes, &count)| (bytes, count)).collect()),
        }
    }
}

/// What is gathered of calls of one kind.
#[derive(Debug, Default)]
pub(super) struct CallsGathered {
    seen: CallsSeen,
    names: BTreeMap<&'static str, u64>,
    sizes: Sizes,
    times: Histogram,
}

impl CallsGathered {
    fn add(&mut self, known: &KnownCall, call: &TappedCall, moved: bool) {
        *self.names.entry(known.name).or_default() += 1;
        let seen = &mut self.seen;
        match known.result(call) {
            AGAIN => seen.would_wait += 1,
            BROKEN => seen.ends += 1,
            0 if moved && known.does == Does::Reads => seen.ends += 1,
            error if error < 0 => *seen.failed.entry(error.unsigned_abs() as u32).or_default() += 1,
            result => {
                seen.calls += 1;
                if moved && !known.counts_messages {
                    seen.bytes += result.unsigned_abs();
                    self.sizes.record(result.unsigned_abs());
                }
            }
        }
        if let Some(ns) = call.began_ns.map(|began| call.ended_ns.saturating_sub(began)) {
            self.times.record(ns);
            self.seen.total_ns += ns;
        }
    }

    pub(super) fn finish(&self) -> CallsSeen {
        let by_name = self.names.iter().map(|(&name, &count)| (name.to_owned(), count)).collect();
        let sizes = self.sizes.finish();
        CallsSeen { by_name, sizes, time_ns: Distribution::of(&self.times), ..self.seen.clone() }
    }
}

/// What waited in a channel over time, in at most [`POINTS`] points.
#[derive(Debug)]
struct OverTime {
    points: Vec<(u64, u64)>,
    /// A point for each of this many nanoseconds.
    apart_ns: u64,
}

impl OverTime {
    fn add(&mut self, at_ns: u64, value: u64) {
        if self.points.last().is_none_or(|last| at_ns >= last.0 + self.apart_ns) {
            self.points.push((at_ns, value));
        }
        if self.points.len() >= POINTS {
            let mut nth = 0;
            self.points.retain(|_| {
                nth += 1;
                nth % 2 == 1
            });
            self.apart_ns *= 2;
        }
    }
}

/// What is gathered of one direction.
#[derive(Debug)]
pub(super) struct DirectionGathered {
    pub(super) writes: CallsGathered,
    pub(super) reads: CallsGathered,
    flow: Flow,
    latencies: Histogram,
    queued: Sizes,
    over_time: OverTime,
    /// A call whose result counts messages: the bytes cannot be joined.
    uncounted: bool,
}

impl DirectionGathered {
    fn new() -> DirectionGathered {
        DirectionGathered {
            writes: CallsGathered::default(),
            reads: CallsGathered::default(),
            flow: Flow::default(),
            latencies: Histogram::new(),
            queued: Sizes::default(),
            over_time: OverTime { points: Vec::new(), apart_ns: 1_000_000 },
            uncounted: false,
        }
    }

    /// Why its writes and reads could not be joined; `None` if they were.
    pub(super) fn unjoined(&self, kind: EdgeKind) -> Option<&'static str> {
        match self {
            _ if !kind.keeps_bytes() => Some("what is read from it is not what was written, byte for byte"),
            _ if self.latencies.count() > 0 => None,
            _ if self.uncounted => Some("a call counts messages, and not bytes (recvmmsg, sendmmsg)"),
            _ if self.flow.contradictions() > 0 => {
                Some("a read took bytes before any write that was seen had begun: not every end was watched")
            }
            _ => Some(
                "no read was seen that began while the channel was empty, so it is not known which byte is the first",
            ),
        }
    }

    pub(super) fn finish(&self, from: u8, calls: bool) -> WatchedDirection {
        WatchedDirection {
            from,
            writes: calls.then(|| self.writes.finish()),
            reads: calls.then(|| self.reads.finish()),
            write_to_read_ns: Distribution::of(&self.latencies),
            queued: self.queued.finish(),
            queued_over_time: self.over_time.points.clone(),
        }
    }
}

/// All that is gathered.
#[derive(Debug)]
pub(super) struct WatchGathered {
    /// A pipe's bytes go one way, whichever process holds which end.
    one_way: bool,
    /// Each message counts as one.
    datagrams: bool,
    /// What is read is what was written.
    keeps_bytes: bool,
    /// What ended before or after these does not count.
    began_ns: u64,
    ended_ns: u64,
    /// The side of each watched descriptor.
    sides: HashMap<(u32, u32), u8>,
    pub(super) directions: [DirectionGathered; 2],
    /// Those that have used the channel.
    threads: BTreeSet<u32>,
    /// By process.
    pub(super) waits: HashMap<u32, CallsGathered>,
    /// By process and side: how many reads took something, and how many writes put something in.
    pub(super) moved_by: HashMap<(u32, u8), [u64; 2]>,
    pub(super) traffic: TrafficBuilder,
    /// The first calls, one by one.
    pub(super) kept: KeptCalls,
    /// Descriptors that calls have closed (`None`), or made for a side.
    changed: Vec<(u32, u32, Option<u8>)>,
}

impl WatchGathered {
    /// For a channel of this kind.
    pub(super) fn new(kind: EdgeKind) -> WatchGathered {
        let (one_way, datagrams, keeps_bytes) =
            (kind.is_one_way(), kind.is_of_messages(), kind.keeps_bytes());
        let directions = [DirectionGathered::new(), DirectionGathered::new()];
        let (sides, threads, waits, moved_by) = Default::default();
        WatchGathered {
            one_way,
            datagrams,
            keeps_bytes,
            began_ns: 0,
            ended_ns: u64::MAX,
            sides,
            threads,
            directions,
            waits,
            moved_by,
            traffic: TrafficBuilder::default(),
            kept: KeptCalls::default(),
            changed: Vec::new(),
        }
    }

    /// The watch begins now.
    pub(super) fn begin(&mut self, began_ns: u64) {
        self.began_ns = began_ns;
    }

    /// The watch ends now.
    pub(super) fn end(&mut self, ended_ns: u64) {
        self.ended_ns = ended_ns;
    }

    /// Calls on this descriptor are of this side from now on.
    pub(super) fn descriptor(&mut self, process: u32, descriptor: u32, side: u8) {
        self.sides.insert((process, descriptor), side);
    }

    /// This descriptor is closed, or another's.
    pub(super) fn forget_descriptor(&mut self, process: u32, descriptor: u32) {
        self.sides.remove(&(process, descriptor));
    }

    /// What waited in this direction at some moment between these two, on CLOCK_MONOTONIC.
    pub(super) fn looked(&mut self, at: usize, began_ns: u64, ended_ns: u64, bytes: u64) {
        let direction = &mut self.directions[at];
        direction.queued.record(bytes);
        direction.over_time.add(began_ns.saturating_sub(self.began_ns), bytes);
        // Of datagrams only the first one's bytes are told, and not how many there are.
        if bytes == 0 || !self.datagrams {
            direction.flow.looked(began_ns, ended_ns, bytes);
        }
    }

    /// Whether this thread has used the channel. Every thread has, as long as none was seen to.
    pub(super) fn concerns(&self, thread: u32) -> bool {
        self.threads.is_empty() || self.threads.contains(&thread)
    }

    /// Calls have been lost: which byte is which is not known any more.
    pub(super) fn calls_were_lost(&mut self) {
        self.directions.iter_mut().for_each(|direction| direction.flow.forget());
        self.traffic.stop();
        self.kept.stop();
    }

    /// A call has returned.
    pub(super) fn call(&mut self, call: &TappedCall) {
        if !(self.began_ns..=self.ended_ns).contains(&call.ended_ns) {
            return;
        }
        let Some(known) = calls::of(call.number) else { return };
        let side = |argument: usize| self.sides.get(&(call.process, call.arguments[argument])).copied();
        match known.does {
            Does::Waits => {
                self.waits.entry(call.process).or_default().add(known, call, false);
                if self.threads.contains(&call.thread) {
                    self.kept.add(known, call, CallPart::Waits);
                }
            }
            _ if known.takes_nothing(call.arguments) => {}
            Does::Reads => {
                if let Some(side) = side(0) {
                    self.moved(known, call, side, false);
                }
            }
            Does::Writes => {
                if let Some(side) = side(0) {
                    self.moved(known, call, side, true);
                }
            }
            Does::Moves { from, to } => {
                let (from, to) = (side(from), side(to));
                if let Some(side) = from {
                    self.moved(known, call, side, false);
                }
                if let Some(side) = to {
                    self.moved(known, call, side, true);
                }
            }
            Does::Closes => self.change((call.process, call.arguments[0], None), call.result == 0),
            Does::Copies { to } => {
                let made = to.map_or(call.result.max(0) as u32, |to| call.arguments[to]);
                let same = to.is_some_and(|to| call.arguments[to] == call.arguments[0]);
                self.change((call.process, made, side(0)), call.result >= 0 && !same);
            }
            Does::Tees => {
                if let Some(side) = side(1) {
                    self.moved(known, call, side, true);
                }
            }
        }
    }

    /// A call has closed this descriptor, or made it one of a side's.
    fn change(&mut self, (process, descriptor, side): (u32, u32, Option<u8>), done: bool) {
        let key = (process, descriptor);
        if done && self.sides.get(&key).copied() != side {
            match side {
                Some(side) => self.sides.insert(key, side),
                None => self.sides.remove(&key),
            };
            self.changed.push((process, descriptor, side));
        }
    }

    /// Takes the descriptors that have been closed (`None`) or made since the last time.
    pub(super) fn take_changed(&mut self) -> Vec<(u32, u32, Option<u8>)> {
        std::mem::take(&mut self.changed)
    }

    fn moved(&mut self, known: &KnownCall, call: &TappedCall, side: u8, writes: bool) {
        let at = if self.one_way { 0 } else { usize::from(if writes { side } else { 1 - side }) };
        if self.threads.len() < THREADS {
            self.threads.insert(call.thread);
        }
        let direction = &mut self.directions[at];
        let gathered = if writes { &mut direction.writes } else { &mut direction.reads };
        gathered.add(known, call, true);
        let part = if writes {
            CallPart::Writes { side, direction: at }
        } else {
            CallPart::Reads { side, direction: at }
        };
        self.kept.add(known, call, part);
        let result = known.result(call);
        let done = result > 0 || self.datagrams && result == 0;
        if done {
            self.moved_by.entry((call.process, side)).or_default()[usize::from(writes)] += 1;
        }
        let found_nothing = !writes && matches!(result, AGAIN | 0);
        if !self.keeps_bytes || !done && !found_nothing {
            return;
        }
        if known.counts_messages {
            direction.uncounted = true;
            direction.flow.forget();
            return self.traffic.stop();
        }
        let bytes = result.max(0).unsigned_abs();
        let units = if self.datagrams { u64::from(done) } else { bytes };
        let moved = Moved { began_ns: call.began_ns, ended_ns: call.ended_ns, units };
        let (latencies, traffic, kept) = (&mut direction.latencies, &mut self.traffic, &mut self.kept);
        let reader = if self.one_way { 1 } else { 1 - at as u8 };
        if writes && done {
            traffic.wrote(at as u8, call.began_ns, call.ended_ns, bytes);
        }
        let joined = |joined: Joined| {
            kept.joined(at, &joined);
            if let Some(began) = joined.write.began_ns {
                let ns = joined.read.ended_ns.saturating_sub(began);
                latencies.record(ns);
                traffic.joined(reader, joined.n, joined.read.ended_ns, ns);
            }
        };
        let flow = &mut direction.flow;
        let contradictions = flow.contradictions();
        if writes {
            flow.wrote(moved, joined);
        } else {
            flow.read(moved, joined);
        }
        if flow.contradictions() > contradictions {
            // What was joined before may have been joined wrongly.
            direction.latencies.clear();
            self.kept.forget();
            self.traffic.stop();
        }
        if !writes && done {
            self.traffic.was_read(reader, call.ended_ns);
        }
        let ready = |direction: &DirectionGathered| direction.flow.is_level().then(|| direction.flow.next());
        // Nothing goes back over a channel of one way.
        let back = if self.one_way { Some(0) } else { ready(&self.directions[1]) };
        self.traffic.begin_if([ready(&self.directions[0]), back]);
    }
}
