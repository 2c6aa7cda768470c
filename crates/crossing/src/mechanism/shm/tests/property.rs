//! Random histories of a connection, in both directions at once, against a queue of byte vectors.
//!
//! The oracle knows no indices: it counts the bytes that messages take and compares what the ring says with
//! what the count allows. Indices start just below an edge (2³² or 2⁶⁴), so that most histories cross it, and
//! rings are small, so that all of them wrap.

use std::cell::Cell;
use std::collections::VecDeque;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::super::memory::{Memory, Word};
use super::super::ring::consumer::Consumer;
use super::super::ring::producer::Producer;
use super::super::ring::{GRAIN, frame};
use super::heap::Heap;
use super::seed::seed;
use super::{frames, make_room};
use crate::error::{RecvError, SendError};
use crate::ready::Ready;

/// What happens next in one direction. Lengths are cut to what the connection allows.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Copy a message of this length into the ring.
    Stage(usize),
    /// Copy two messages of this length into the ring at one go.
    Frames(usize),
    /// Claim a place for one and fill it in place.
    Claim(usize),
    /// Claim a place for one, write to it and drop the claim.
    Drop(usize),
    /// Show the reader what is in line.
    Publish,
    /// Take a message.
    Recv,
    /// Try to take it into a buffer that is one byte too short.
    RecvShort,
    /// Read it where it stands, and leave it there.
    Find,
    /// Read it where it stands, and give its place back.
    FindAndLeave,
    /// Arm the receiver.
    ArmReceiver,
    /// Arm the sender, for a message of this length.
    ArmSender(usize),
    /// Step over all messages but the newest.
    LeaveStale,
    /// Count those that are there.
    Count,
}

/// One direction of the connection and what is known of it without the ring.
struct Direction {
    sender: Producer<Heap>,
    receiver: Consumer<Heap>,
    writer: Heap,
    /// The receiver's side, whose `head` tells the sender what is free.
    reader: Heap,
    /// Messages published when the receiver was armed, and bytes given back when the sender was.
    armed: (Option<u64>, Option<u64>),
    /// Messages ever published.
    shown: u64,
    capacity: u64,
    start: u64,
    longest: usize,
    /// Messages the receiver may have, and messages only staged.
    published: VecDeque<Vec<u8>>,
    staged: VecDeque<Vec<u8>>,
    /// Bytes of the ring ever taken by the sender, and ever emptied by the receiver.
    written: u64,
    emptied: u64,
    serial: u8,
}

impl Direction {
    fn new(writer: Heap, reader: Heap, capacity: u64, start: u64) -> Direction {
        let longest = (capacity / 2 - GRAIN) as usize;
        Direction {
            sender: Producer::new(writer.clone(), capacity, start),
            writer,
            armed: (None, None),
            shown: 0,
            receiver: Consumer::new(reader.clone(), capacity, longest, start),
            reader,
            capacity,
            start,
            longest,
            published: VecDeque::new(),
            staged: VecDeque::new(),
            written: 0,
            emptied: 0,
            serial: 0,
        }
    }

    /// The bytes that the receiver has given back.
    fn given_back(&self) -> u64 {
        self.reader.stored(Word::Head).wrapping_sub(self.start)
    }

    fn fits(&self, len: usize) -> bool {
        frame(len) <= self.capacity - (self.written - self.given_back())
    }

    fn message(&mut self, len: usize) -> Vec<u8> {
        self.serial = self.serial.wrapping_add(1);
        (0..len).map(|i| self.serial.wrapping_mul(97).wrapping_add(i as u8)).collect()
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Stage(len) => {
                let message = self.message(len.min(self.longest));
                let outcome = self.sender.stage(&message);
                // Its first parts go out at once, and take with them what was in line.
                let in_parts = message.len() > Heap::PART;
                self.sent(message, in_parts, outcome);
            }
            Act::Frames(len) => {
                let len = len.min((self.capacity / 4 - GRAIN) as usize);
                let two = [self.message(len), self.message(len)];
                let bytes = frames(two.iter().map(Vec::as_slice));
                match self.sender.stage_frames(&bytes) {
                    Ok(()) => two.into_iter().for_each(|message| self.sent(message, false, Ok(()))),
                    Err(SendError::Full) => assert!(!self.fits(bytes.len() - GRAIN as usize)),
                    Err(error) => panic!("{error:?} from a peer that did nothing wrong"),
                }
            }
            Act::Claim(len) => {
                let message = self.message(len.min(self.longest));
                let outcome = make_room(&mut self.sender, message.len()).map(|()| {
                    self.sender.write_claimed(&message);
                    self.sender.commit(message.len());
                });
                let committed = outcome.is_ok();
                self.sent(message, false, outcome);
                if committed {
                    // It is shown at once, with what was in line.
                    self.published.append(&mut self.staged);
                }
            }
            Act::Drop(len) => {
                let len = len.min(self.longest);
                let outcome = make_room(&mut self.sender, len);
                assert_eq!(outcome.is_ok(), self.fits(len));
                if outcome.is_ok() {
                    self.sender.write_claimed(&vec![0xdd; len]);
                }
            }
            Act::Publish => {
                self.sender.publish();
                self.show();
            }
            Act::ArmReceiver => {
                let ready = self.receiver.arm();
                assert_eq!(ready == Ready::Now, !self.published.is_empty(), "{ready:?}");
                self.armed.0 = (ready == Ready::Wait).then_some(self.shown);
                assert!(
                    ready == Ready::Now || !self.reader.is_ready(Word::Tail),
                    "nothing was published yet"
                );
            }
            Act::ArmSender(len) => {
                let len = len.min(self.longest);
                let ready = self.sender.arm(frame(len));
                // What was in line may be what there is no room for.
                self.show();
                assert_eq!(ready == Ready::Now, self.fits(len), "{ready:?}");
                self.armed.1 = (ready == Ready::Wait).then(|| self.given_back());
                assert!(ready == Ready::Now || !self.writer.is_ready(Word::Head), "no room was made yet");
            }
            Act::Recv => self.receive(),
            Act::Find => drop(self.find()),
            Act::FindAndLeave => {
                if let Some(len) = self.find() {
                    self.receiver.leave_found();
                    self.published.pop_front();
                    self.emptied += frame(len);
                }
            }
            Act::LeaveStale => {
                if self.find().is_some() {
                    self.receiver.catch_up().expect("a peer that did nothing wrong");
                    let passed = self.receiver.leave_stale();
                    assert_eq!(passed, self.published.len() - 1, "the newest stays, and nothing before it");
                    self.emptied +=
                        self.published.drain(..passed).map(|message| frame(message.len())).sum::<u64>();
                    self.find();
                }
            }
            Act::Count => {
                self.receiver.catch_up().expect("a peer that did nothing wrong");
                let whole: u64 = self.published.iter().map(|message| frame(message.len())).sum();
                let (messages, bytes) = self.receiver.count().expect("a peer that did nothing wrong");
                assert_eq!(messages, self.published.len());
                // Of what is only staged the first parts may be there.
                assert!((whole..=self.written - self.emptied).contains(&(bytes as u64)), "{bytes} bytes");
            }
            Act::RecvShort => {
                let Some(room) = self.published.front().and_then(|message| message.len().checked_sub(1))
                else {
                    return;
                };
                match self.receiver.try_recv(&mut vec![0; room][..], &mut 0, false) {
                    Err(RecvError::TooLong { len, room: told }) => assert_eq!((len, told), (room + 1, room)),
                    outcome => panic!("{outcome:?} for a buffer that is too short"),
                }
            }
        }
        self.check();
    }

    fn sent(&mut self, message: Vec<u8>, in_parts: bool, outcome: Result<(), SendError>) {
        match outcome {
            Ok(()) => {
                assert!(self.fits(message.len()), "taken where there was no room");
                self.written += frame(message.len());
                if in_parts {
                    self.show();
                }
                self.staged.push_back(message);
            }
            Err(SendError::Full) => assert!(!self.fits(message.len()), "full where there was room"),
            Err(error) => panic!("{error:?} from a peer that did nothing wrong"),
        }
    }

    /// Everything that is staged is published.
    fn show(&mut self) {
        self.shown += self.staged.len() as u64;
        self.published.append(&mut self.staged);
    }

    fn receive(&mut self) {
        let mut buffer = vec![0; self.longest];
        match (self.receiver.try_recv(&mut buffer[..], &mut 0, false), self.published.pop_front()) {
            (Ok(len), Some(message)) => {
                assert_eq!(buffer[..len], message);
                self.emptied += frame(len);
            }
            (Err(RecvError::Empty), None) => {}
            (outcome, expected) => panic!("{outcome:?} where {expected:?} was sent"),
        }
    }

    /// The next message where it stands. How long it is.
    fn find(&mut self) -> Option<usize> {
        match (self.receiver.try_find(), self.published.front()) {
            (Ok((place, len)), Some(message)) => {
                let mut found = vec![0; len];
                self.receiver.memory().read(place, &mut found);
                assert_eq!(&found, message);
                Some(len)
            }
            (Err(RecvError::Empty), None) => None,
            (outcome, expected) => panic!("{outcome:?} where {expected:?} was sent"),
        }
    }

    /// What holds between any two acts.
    fn check(&self) {
        let held_back = self.emptied - self.given_back();
        assert!(held_back < self.capacity / 4, "{held_back} emptied bytes were not given back");
        let stuck = self.staged.is_empty() && self.published.is_empty() && !self.fits(self.longest);
        assert!(!stuck, "the ring is empty, and yet its sender would wait for room for ever");
        let (receiver, sender) = self.armed;
        let told = receiver.is_none_or(|shown| shown == self.shown || self.reader.is_ready(Word::Tail));
        assert!(told, "a message was published, and its armed receiver was not told");
        let told = sender.is_none_or(|back| back == self.given_back() || self.writer.is_ready(Word::Head));
        assert!(told, "room was made, and the armed sender was not told");
    }

    /// Whether the indices have passed `edge`.
    fn crossed(&self, edge: u64) -> bool {
        edge.wrapping_sub(self.start) <= self.written && self.start != edge
    }
}

fn acts() -> impl Strategy<Value = Vec<(bool, Act)>> {
    let len = || prop_oneof![2 => 0..=24_usize, 1 => 0..=2040_usize, 1 => Just(usize::MAX)];
    let act = prop_oneof![
        4 => len().prop_map(Act::Stage),
        2 => len().prop_map(Act::Frames),
        2 => len().prop_map(Act::Claim),
        1 => len().prop_map(Act::Drop),
        4 => Just(Act::Publish),
        4 => Just(Act::Recv),
        1 => Just(Act::Find),
        2 => Just(Act::FindAndLeave),
        1 => Just(Act::LeaveStale),
        1 => Just(Act::Count),
        1 => Just(Act::RecvShort),
        2 => Just(Act::ArmReceiver),
        2 => len().prop_map(Act::ArmSender),
    ];
    prop::collection::vec((any::<bool>(), act), 1..300)
}

#[test]
fn the_ring_is_a_queue() {
    let edge = prop_oneof![2 => Just(0_u64), 1 => Just(1_u64 << 32), 1 => Just(1_u64 << 63)];
    let histories = ((6..=12_u32, 6..=12_u32), edge, 0..=64_u64, acts());
    let (cases, crossed) = (Cell::new(0), Cell::new([0_u64; 2]));
    let seed = seed("the_ring_is_a_queue");
    let config =
        Config { cases: 512, failure_persistence: None, rng_seed: RngSeed::Fixed(seed), ..Config::default() };
    let outcome = TestRunner::new(config).run(&histories, |((mine, theirs), edge, before, acts)| {
        let start = edge.wrapping_sub(before * GRAIN);
        let capacities = [1_u64 << mine, 1 << theirs];
        let [a, b] = Heap::pair(capacities, start);
        let mut there = Direction::new(a.clone(), b.clone(), capacities[0], start);
        let mut back = Direction::new(b, a.clone(), capacities[1], start);
        for (forth, act) in acts {
            if forth { &mut there } else { &mut back }.act(act);
        }
        for direction in [&mut there, &mut back] {
            direction.act(Act::Publish);
            while !direction.published.is_empty() {
                direction.act(Act::Recv);
            }
            direction.act(Act::Recv);
            assert_eq!(direction.emptied, direction.written);
            let mut count = crossed.get();
            count[usize::from(edge != 0)] += u64::from(direction.crossed(edge));
            crossed.set(count);
        }
        // No end slept, so none needed a wake-up.
        assert_eq!(a.wakes(), 0);
        cases.set(cases.get() + 1);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}, CROSSING_SEED={seed}");
    }
    let [overflow, other] = crossed.get();
    eprintln!(
        "property: CROSSING_SEED={seed} {} histories, {overflow} directions crossed 2^64 and {other} crossed 2^32 or 2^63, bad=0",
        cases.get()
    );
    assert!(overflow > 0 && other > 0, "no history crossed an edge: the generator is broken");
}
