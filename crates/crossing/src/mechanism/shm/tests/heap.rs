//! Ordinary memory behind the seam: both regions on the heap of one process, sleepers on a condition variable.
//!
//! It is the plainest correct back end. Every grain of eight bytes is an atomic, so no access can
//! be a data race. A sleeper compares the 32 bits that a futex would compare, under the lock that a
//! waker takes.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::super::memory::{Memory, Status, Word};
use super::super::ring::consumer::Consumer;
use super::super::ring::producer::Producer;
use super::super::ring::{GRAIN, START, frame};
use super::{block, claim, read_grains, recv, send, slot, write_grains};
use crate::error::{RecvError, SendError};
use crate::ready::Ready;
use crate::wait::{Patience, Until};

/// What one side writes and the other reads.
#[derive(Debug)]
struct Region {
    words: [AtomicU64; 4],
    grains: Box<[AtomicU64]>,
}

impl Region {
    fn new(capacity: u64, start: u64) -> Region {
        let words: [AtomicU64; 4] = Default::default();
        for word in [Word::Tail, Word::Head] {
            words[slot(word)].store(start, Ordering::Relaxed);
        }
        Region { words, grains: (0..capacity / GRAIN).map(|_| AtomicU64::new(0)).collect() }
    }

    /// The grain at an index, which is a multiple of eight.
    fn grain(&self, at: u64) -> &AtomicU64 {
        assert!(at % GRAIN == 0, "{at} is not the start of a grain");
        &self.grains[(at / GRAIN % self.grains.len() as u64) as usize]
    }
}

#[derive(Debug)]
struct World {
    regions: [Region; 2],
    /// What each side knows of its peer.
    status: [AtomicU32; 2],
    sleepers: Mutex<()>,
    wake: Condvar,
    wakes: AtomicUsize,
    /// Whether the descriptor of each side is readable, and writable.
    ready: [[AtomicBool; 2]; 2],
}

/// Both regions, as one side sees them.
#[derive(Debug, Clone)]
pub(super) struct Heap {
    world: Arc<World>,
    side: usize,
}

impl Heap {
    /// Two sides whose rings hold `capacities` bytes and whose indices stand at `start`.
    pub(super) fn pair(capacities: [u64; 2], start: u64) -> [Heap; 2] {
        let world = Arc::new(World {
            regions: capacities.map(|capacity| Region::new(capacity, start)),
            status: Default::default(),
            sleepers: Mutex::default(),
            wake: Condvar::new(),
            wakes: AtomicUsize::new(0),
            ready: Default::default(),
        });
        [Heap { world: world.clone(), side: 0 }, Heap { world, side: 1 }]
    }

    /// What this side has stored in one of its own words.
    pub(super) fn stored(&self, word: Word) -> u64 {
        self.own().words[slot(word)].load(Ordering::Acquire)
    }

    /// How often an end was woken.
    pub(super) fn wakes(&self) -> usize {
        self.world.wakes.load(Ordering::Relaxed)
    }

    /// Tells this side what became of its peer, as the watcher does.
    pub(super) fn tell(&self, what: Status) {
        self.world.status[self.side].fetch_or(what.0, Ordering::SeqCst);
        let _guard = self.world.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        self.world.wake.notify_all();
    }

    /// Whether this side's descriptor is ready after a change of the peer's `word`.
    pub(super) fn is_ready(&self, word: Word) -> bool {
        self.world.ready[self.side][slot(word)].load(Ordering::SeqCst)
    }

    fn own(&self) -> &Region {
        &self.world.regions[self.side]
    }

    fn theirs(&self) -> &Region {
        &self.world.regions[1 - self.side]
    }
}

impl Memory for Heap {
    const PART: usize = 16;

    fn store(&self, word: Word, value: u64) {
        self.own().words[slot(word)].store(value, Ordering::Release);
    }

    fn load(&self, word: Word) -> u64 {
        self.theirs().words[slot(word)].load(Ordering::Acquire)
    }

    fn light_fence(&self) {
        fence(Ordering::SeqCst);
    }

    fn heavy_fence(&self) {
        fence(Ordering::SeqCst);
    }

    fn write_word(&self, at: u64, value: u64) {
        self.own().grain(at).store(value, Ordering::Relaxed);
    }

    fn read_word(&self, at: u64) -> u64 {
        self.theirs().grain(at).load(Ordering::Relaxed)
    }

    fn write(&self, at: u64, message: &[u8]) {
        // The bytes between the message and the next grain are spoiled, so that a reader that
        // relies on them fails.
        write_grains(self, at, message, 0xee);
    }

    fn read(&self, at: u64, message: &mut [u8]) {
        read_grains(self, at, message);
    }

    fn status(&self) -> Status {
        Status(self.world.status[self.side].load(Ordering::Acquire))
    }

    fn wake(&self, _: Word) {
        self.world.wakes.fetch_add(1, Ordering::Relaxed);
        let _guard = self.world.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        self.world.wake.notify_all();
    }

    fn ring(&self, word: Word) {
        let _guard = self.world.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        self.world.ready[1 - self.side][slot(word)].store(true, Ordering::SeqCst);
        self.world.wake.notify_all();
    }

    fn hush(&self, word: Word) {
        self.world.ready[self.side][slot(word)].store(false, Ordering::SeqCst);
    }

    fn sleep(&self, word: Word, seen: u64, status: Status, patience: &Patience) -> io::Result<()> {
        let mut guard = self.world.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        while self.load(word) as u32 == seen as u32 && self.status() == status {
            let Some(left) = patience.left() else {
                guard = self.world.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            if left.is_zero() {
                break;
            }
            guard = self.world.wake.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }
}

/// The bytes of message number `n`: its length and every byte follow from the number.
fn message(n: u64, longest: usize) -> Vec<u8> {
    let len = (n.wrapping_mul(7) % (longest as u64 + 1)) as usize;
    (0..len).map(|i| (n as u8).wrapping_mul(31).wrapping_add(i as u8)).collect()
}

/// Moves `count` messages between two threads that sleep at once, through a ring that is soon full and soon
/// empty.
fn stress(count: u64, capacity: u64, start: u64) -> usize {
    // A lost wake-up would hang; here it is a timeout, which fails the test. Nothing depends on how long it
    // is.
    let until = Until::At(Instant::now() + Duration::from_secs(120));
    let mut patience = block();
    patience.until(until);
    let longest = (capacity / 2 - GRAIN) as usize;
    let [mine, theirs] = Heap::pair([capacity; 2], start);
    let wakes = mine.clone();
    let mut senders_patience = patience.clone();
    let sender = thread::spawn(move || {
        let mut ring = Producer::new(mine, capacity, start);
        (0..count).try_for_each(|n| {
            let send = if n % 2 == 0 { send } else { claim };
            send(&mut ring, &message(n, longest), &mut senders_patience)
        })
    });
    let mut ring = Consumer::new(theirs.clone(), capacity, longest, start);
    let mut buffer = vec![0; longest];
    for n in 0..count {
        let len = recv(&mut ring, &mut buffer, &mut patience).expect("the sender lives");
        assert_eq!(buffer[..len], message(n, longest), "message {n}");
    }
    sender.join().expect("the sender does not panic").expect("the receiver lives");
    theirs.tell(Status::GONE);
    assert!(matches!(recv(&mut ring, &mut buffer, &mut patience), Err(RecvError::Disconnected)));
    wakes.wakes()
}

#[test]
fn two_threads_that_sleep_lose_nothing() {
    const COUNT: u64 = 200_000;
    let wakes = stress(COUNT / 2, 128, START) + stress(COUNT / 2, 4096, (1 << 32) - (1 << 16));
    eprintln!("heap: {COUNT} messages moved between two sleeping threads, {wakes} wake-ups, lost=0");
}

#[test]
fn what_was_published_outlives_its_sender_and_what_was_not_does_not() {
    let [mine, theirs] = Heap::pair([64; 2], START);
    let mut ring = Producer::new(mine, 64, START);
    ring.stage(b"one").expect("room");
    ring.publish();
    ring.stage(b"two").expect("room");
    let mut receiver = Consumer::new(theirs.clone(), 64, 24, START);
    theirs.tell(Status::GONE);
    let mut buffer = [0; 24];
    assert_eq!(receiver.try_recv(&mut buffer[..], &mut 0, false).expect("it was published"), 3);
    assert!(matches!(receiver.try_recv(&mut buffer[..], &mut 0, false), Err(RecvError::Disconnected)));
}

#[test]
fn what_was_committed_outlives_its_sender_and_what_was_only_claimed_does_not() {
    let [mine, theirs] = Heap::pair([64; 2], START);
    let mut ring = Producer::new(mine, 64, START);
    claim(&mut ring, b"one", &mut block()).expect("room");
    assert!(ring.claim_at_once(5), "room");
    ring.write_claimed(b"three");
    let mut receiver = Consumer::new(theirs.clone(), 64, 24, START);
    theirs.tell(Status::GONE);
    let mut buffer = [0; 24];
    assert_eq!(receiver.try_recv(&mut buffer[..], &mut 0, false).expect("it was committed"), 3);
    assert!(matches!(receiver.try_recv(&mut buffer[..], &mut 0, false), Err(RecvError::Disconnected)));
}

#[test]
fn no_room_is_claimed_where_a_look_is_due() {
    let [mine, theirs] = Heap::pair([64; 2], START);
    let mut sender = Producer::new(mine.clone(), 64, START);
    let mut receiver = Consumer::new(theirs, 64, 24, START);
    assert!((0..4).all(|_| claim(&mut sender, b"", &mut block()).is_ok() && sender.claim_at_once(24)));
    claim(&mut sender, &[0; 24], &mut block()).expect("room");
    assert!(!sender.claim_at_once(0), "the ring is full");
    while receiver.try_recv(&mut [0; 24][..], &mut 0, false).is_ok() {}
    // The reader has given the bytes back, and the sender has not looked.
    assert!(!sender.claim_at_once(0));
    sender.claim(0).expect("room");
    assert!(sender.claim_at_once(0));
    mine.tell(Status::RECEIVER_CLOSED);
    assert!(!sender.claim_at_once(0), "the reader has gone");
    assert!(matches!(sender.claim(0), Err(SendError::Disconnected)));
}

#[test]
fn a_message_too_long_for_the_buffer_is_not_taken() {
    let [mine, theirs] = Heap::pair([64; 2], START);
    let mut sender = Producer::new(mine.clone(), 64, START);
    let mut receiver = Consumer::new(theirs, 64, 24, START);
    sender.stage(b"twelve bytes").expect("room");
    sender.publish();
    let outcome = receiver.try_recv(&mut [0; 11][..], &mut 0, false);
    assert!(matches!(outcome, Err(RecvError::TooLong { len: 12, room: 11 })));
    assert_eq!(receiver.try_recv(&mut [0; 12][..], &mut 0, false).expect("room"), 12);
    mine.tell(Status::RECEIVER_CLOSED);
    assert!(matches!(sender.stage(b""), Err(SendError::Disconnected)));
}

#[test]
fn an_armed_reader_is_rung_once_and_one_that_is_not_armed_never() {
    let [mine, theirs] = Heap::pair([64; 2], START);
    let mut sender = Producer::new(mine.clone(), 64, START);
    let mut receiver = Consumer::new(theirs.clone(), 64, 24, START);
    let mut buffer = [0; 24];
    let mut said = |receiver: &mut Consumer<Heap>| receiver.try_recv(&mut buffer[..], &mut 0, false);
    send(&mut sender, b"one", &mut block()).expect("room");
    assert_eq!(receiver.arm(), Ready::Now);
    assert!(!theirs.is_ready(Word::Tail), "nothing was armed");
    said(&mut receiver).expect("it is there");
    assert_eq!((receiver.arm(), theirs.is_ready(Word::Tail)), (Ready::Wait, false));
    send(&mut sender, b"two", &mut block()).expect("room");
    assert!(theirs.is_ready(Word::Tail));
    theirs.hush(Word::Tail);
    send(&mut sender, b"three", &mut block()).expect("room");
    assert!(!theirs.is_ready(Word::Tail), "one arming is answered by one ring");
    assert_eq!((mine.wakes(), theirs.wakes()), (0, 0), "nothing was woken");
    said(&mut receiver).and(said(&mut receiver)).expect("both are there");
    assert_eq!(receiver.arm(), Ready::Wait);
    theirs.tell(Status::SENDER_CLOSED);
    assert_eq!(receiver.arm(), Ready::Now, "the end is told by the next receive");
}

#[test]
fn an_armed_writer_is_rung_once_there_is_room() {
    let [mine, theirs] = Heap::pair([64; 2], START);
    let mut sender = Producer::new(mine.clone(), 64, START);
    let mut receiver = Consumer::new(theirs.clone(), 64, 24, START);
    assert_eq!(sender.arm(frame(24)), Ready::Now);
    send(&mut sender, &[1; 24], &mut block()).expect("room");
    send(&mut sender, &[2; 24], &mut block()).expect("room");
    assert_eq!((sender.arm(frame(24)), mine.is_ready(Word::Head)), (Ready::Wait, false));
    receiver.try_recv(&mut [0; 24][..], &mut 0, false).expect("it is there");
    assert_eq!((mine.is_ready(Word::Head), theirs.wakes()), (true, 0));
    assert_eq!(sender.arm(frame(24)), Ready::Now);
    mine.tell(Status::GONE);
    assert_eq!(sender.arm(frame(56)), Ready::Now, "the end is told by the next send");
}

/// An end that says Now for ever would keep its core busy, and one that says Wait too early would never be told.
#[test]
fn a_message_that_is_there_in_part_is_waited_for() {
    let [mine, theirs] = Heap::pair([128; 2], START);
    let mut sender = Producer::new(mine.clone(), 128, START);
    let mut receiver = Consumer::new(theirs.clone(), 128, 56, START);
    assert_eq!(receiver.arm(), Ready::Wait);
    sender.stage(&[7; 40]).expect("room");
    // Two of its three parts are published by now, and the third is in line.
    assert!(theirs.is_ready(Word::Tail));
    assert!(matches!(receiver.try_recv(&mut [0; 56][..], &mut 0, false), Err(RecvError::Empty)));
    assert_eq!((receiver.arm(), theirs.is_ready(Word::Tail)), (Ready::Wait, false));
    sender.publish();
    assert!(theirs.is_ready(Word::Tail));
    assert_eq!(receiver.arm(), Ready::Now);
    assert_eq!(receiver.try_recv(&mut [0; 56][..], &mut 0, false).expect("all of it is there"), 40);
}
