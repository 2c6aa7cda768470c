//! Every claim that a peer can make about its indices and lengths, in every state of small rings.
//!
//! The ring judges a claim with wrapping 64-bit arithmetic. Here the same claim is judged by offsets from the
//! start, as wide signed integers that cannot wrap, and the two must agree: a claim is accepted exactly when
//! it is possible, and one that is refused changes nothing.
//!
//! What "every" means: rings of 2 to 16 grains; for a sender every combination of published and staged bytes,
//! for a receiver every number of bytes taken; claims at *every byte* from two capacities below the state to
//! more than two above it, and around every power of two beyond; every length up to three capacities, and
//! those around the powers of two and below 2⁶⁴. Indices start at and around the edges at 2³², 2⁶³ and 2⁶⁴.
//! Larger rings are not enumerated: the capacity enters only through comparisons and a mask.

use std::cell::Cell;
use std::io;

use super::super::memory::{Memory, Status, Word};
use super::super::ring::consumer::Consumer;
use super::super::ring::producer::Producer;
use super::super::ring::{GRAIN, frame};
use super::slot;
use crate::error::{RecvError, SendError, Violation};
use crate::wait::Patience;

/// Longer messages are published in parts of this many bytes.
const PART: u64 = 16;

/// A peer that says what the test wants it to say.
#[derive(Default)]
struct Scripted {
    /// The peer's words.
    words: [Cell<u64>; 4],
    /// The header that is read next.
    header: Cell<u64>,
    /// Where the last message was read from.
    read_at: Cell<u64>,
}

impl Memory for &Scripted {
    const PART: usize = PART as usize;

    fn store(&self, _: Word, _: u64) {}
    fn load(&self, word: Word) -> u64 {
        self.words[slot(word)].get()
    }
    fn light_fence(&self) {}
    fn heavy_fence(&self) {}
    fn write_word(&self, _: u64, _: u64) {}
    fn read_word(&self, _: u64) -> u64 {
        self.header.get()
    }
    fn write(&self, _: u64, _: &[u8]) {}
    fn read(&self, at: u64, _: &mut [u8]) {
        self.read_at.set(at);
    }
    fn status(&self) -> Status {
        Status(0)
    }
    fn wake(&self, _: Word) {}
    fn ring(&self, _: Word) {}

    fn hush(&self, _: Word) {}

    fn sleep(&self, _: Word, _: u64, _: Status, _: &Patience) -> io::Result<()> {
        Ok(())
    }
}

impl Scripted {
    fn say(&self, word: Word, value: u64) {
        self.words[slot(word)].set(value);
    }
}

/// Where indices start: on, before and after each edge, and at both ends of a small ring.
fn starts(capacity: u64) -> impl Iterator<Item = u64> {
    let before = [0, GRAIN, capacity - GRAIN, capacity, 1 << 20];
    [0, 1 << 32, 1 << 63]
        .into_iter()
        .flat_map(move |edge: u64| before.map(|before| edge.wrapping_sub(before)))
}

/// Claims as offsets from a state: every byte near it, and around each power of two far away.
fn claims(capacity: u64) -> Vec<i128> {
    let near = 2 * i128::from(capacity);
    let mut claims: Vec<i128> = (-near..=2 * near).collect();
    for shift in 12..64 {
        for around in [-9, -8, -1, 0, 1, 8, 9] {
            claims.extend([(1 << shift) + around, -(1 << shift) + around]);
        }
    }
    claims
}

/// The index that lies `offset` from `start`.
fn index(start: u64, offset: i128) -> u64 {
    (i128::from(start) + offset).rem_euclid(1 << 64) as u64
}

/// The longest message that fits into `free` bytes; `None` when not even an empty one does.
fn longest(free: u64) -> Option<usize> {
    free.checked_sub(GRAIN).map(|len| len as usize)
}

/// One state of a sender: bytes up to `published` are published, up to `used` staged, and none
/// taken yet.
fn sender(peer: &Scripted, capacity: u64, start: u64, published: u64, used: u64) -> Producer<&Scripted> {
    peer.say(Word::Head, start);
    let mut ring = Producer::new(peer, capacity, start);
    for (upto, since) in [(published, 0), (used, published)] {
        if upto > since {
            ring.stage_frames(&vec![0; (upto - since) as usize]).expect("it fits");
        }
        if upto == published {
            ring.publish();
        }
    }
    ring
}

/// Asserts that exactly `free` bytes are free, whatever the peer may say from now on.
fn assert_free(ring: &mut Producer<&Scripted>, free: u64) {
    if let Some(len) = longest(free) {
        assert!(ring.claim(len).is_ok(), "{free} bytes are free");
    }
    let outcome = ring.claim(free as usize);
    assert!(matches!(outcome, Err(SendError::Full)), "{outcome:?} with {free} bytes free");
}

fn heads(capacity: u64, start: u64) -> u64 {
    let claims = claims(capacity);
    let peer = Scripted::default();
    for used in (0..=capacity).step_by(8) {
        for published in (0..=used).step_by(8) {
            for &claim in &claims {
                let mut ring = sender(&peer, capacity, start, published, used);
                let head = index(start, claim);
                peer.say(Word::Head, head);
                // A message as long as the ring never fits, so the ring must look.
                let outcome = ring.claim(capacity as usize);
                let possible = claim % 8 == 0 && 0 <= claim && claim <= i128::from(published);
                match outcome {
                    Err(SendError::Full) if possible => {
                        assert_free(&mut ring, capacity - used + claim as u64);
                    }
                    Err(SendError::Poisoned(Violation::Head { claimed, last })) if !possible => {
                        assert_eq!((claimed, last), (head, start));
                        peer.say(Word::Head, start);
                        assert_free(&mut ring, capacity - used);
                    }
                    _ => panic!(
                        "{outcome:?}: claim {claim}, published {published}, used {used} of {capacity}, start {start:#x}"
                    ),
                }
            }
        }
    }
    claims.len() as u64 * (1..=capacity / 8 + 1).sum::<u64>()
}

fn tails(capacity: u64, start: u64) -> u64 {
    let claims = claims(capacity);
    let peer = Scripted::default();
    // Nothing that was never published may be read as a header: this one would be accepted.
    peer.header.set(0);
    let limit = (capacity / 2 - GRAIN) as usize;
    let mut buffer = vec![0; limit];
    for taken in (0..=capacity).step_by(8) {
        for &claim in &claims {
            let mut ring = Consumer::new(&peer, capacity, limit, start);
            peer.say(Word::Tail, index(start, i128::from(taken)));
            (0..taken / 8).for_each(|_| {
                assert_eq!(ring.try_recv(&mut buffer[..], &mut 0, false).expect("empty messages"), 0);
            });
            let (here, tail) = (index(start, i128::from(taken)), index(start, i128::from(taken) + claim));
            peer.say(Word::Tail, tail);
            let outcome = ring.try_recv(&mut buffer[..], &mut 0, false);
            let possible = claim % 8 == 0 && 0 <= claim && claim <= i128::from(capacity);
            match outcome {
                Err(RecvError::Empty) if claim == 0 => {}
                Ok(0) if possible && claim > 0 => assert_eq!(peer.read_at.get(), here.wrapping_add(GRAIN)),
                Err(RecvError::Poisoned(Violation::Tail { claimed, last })) if !possible => {
                    assert_eq!((claimed, last), (tail, here));
                    peer.say(Word::Tail, here);
                    assert!(matches!(ring.try_recv(&mut buffer[..], &mut 0, false), Err(RecvError::Empty)));
                }
                _ => panic!("{outcome:?}: claim {claim}, taken {taken} of {capacity}, start {start:#x}"),
            }
        }
    }
    claims.len() as u64 * (capacity / 8 + 1)
}

/// How a reader must judge a length, given the unread bytes: a message, the beginning of one, or a
/// lie.
#[derive(Debug, PartialEq)]
enum Truth {
    Whole,
    Begun,
    Lie,
}

fn truth(header: u64, unread: u64, limit: usize) -> Truth {
    let padded = (i128::from(header) + 15) / 8 * 8;
    let parts = (PART..unread).step_by(PART as usize).any(|parts| GRAIN + parts == unread);
    match i128::from(header) <= limit as i128 {
        true if padded <= i128::from(unread) => Truth::Whole,
        true if header > PART && parts => Truth::Begun,
        _ => Truth::Lie,
    }
}

fn lengths(capacity: u64, start: u64) -> u64 {
    let peer = Scripted::default();
    let mut headers: Vec<u64> = (0..=3 * capacity).collect();
    headers.extend((9..64).flat_map(|shift| [(1_u64 << shift) - 1, 1 << shift, (1 << shift) + 7]));
    headers.extend((0..=2 * capacity).map(|below| u64::MAX - below));
    let limits: Vec<usize> = (0..capacity / 2).map(|limit| limit as usize).collect();
    let mut buffer = vec![0; capacity as usize];
    for unread in (8..=capacity).step_by(8) {
        for &limit in &limits {
            for &header in &headers {
                let mut ring = Consumer::new(&peer, capacity, limit, start);
                peer.say(Word::Tail, start.wrapping_add(unread));
                peer.header.set(header);
                let outcome = ring.try_recv(&mut buffer[..], &mut 0, false);
                let truth_of = |header, unread| truth(header, unread, limit);
                match (outcome, truth_of(header, unread)) {
                    (Ok(len), Truth::Whole) => {
                        assert_eq!(len as u64, header);
                        // The next message starts where this one ends, and what is left bounds it.
                        let left = unread - frame(len);
                        peer.header.set(left);
                        let next = ring.try_recv(&mut buffer[..], &mut 0, false);
                        match left {
                            0 => assert!(matches!(next, Err(RecvError::Empty))),
                            _ if truth_of(left, left) == Truth::Begun => {
                                assert!(matches!(next, Err(RecvError::Empty)));
                            }
                            _ => assert!(matches!(next, Err(RecvError::Poisoned(Violation::Length { .. })))),
                        }
                    }
                    (Err(RecvError::Empty), Truth::Begun) => {
                        // It stays so until more of it is there, and then it is judged again.
                        assert!(matches!(
                            ring.try_recv(&mut buffer[..], &mut 0, false),
                            Err(RecvError::Empty)
                        ));
                        peer.say(Word::Tail, start.wrapping_add(unread + GRAIN));
                        let next = ring.try_recv(&mut buffer[..], &mut 0, false);
                        match truth_of(header, unread + GRAIN) {
                            _ if unread == capacity => {
                                assert!(matches!(next, Err(RecvError::Poisoned(Violation::Tail { .. }))));
                            }
                            Truth::Whole => assert_eq!(next.expect("all of it is there") as u64, header),
                            _ => assert!(matches!(next, Err(RecvError::Poisoned(Violation::Length { .. })))),
                        }
                    }
                    (Err(RecvError::Poisoned(Violation::Length { claimed, limit: told })), Truth::Lie) => {
                        assert_eq!((claimed, told), (header, limit));
                        peer.header.set(0);
                        assert_eq!(
                            ring.try_recv(&mut buffer[..], &mut 0, false).expect("nothing was taken"),
                            0
                        );
                        assert_eq!(peer.read_at.get(), start.wrapping_add(GRAIN));
                    }
                    (outcome, _) => panic!("{outcome:?}: length {header} of {unread} unread, limit {limit}"),
                }
            }
        }
    }
    headers.len() as u64 * limits.len() as u64 * (capacity / 8)
}

#[test]
fn a_claim_is_accepted_exactly_when_it_is_possible() {
    let mut cases = [0_u64; 3];
    for capacity in [16, 32, 64, 128] {
        for start in starts(capacity) {
            cases[0] += heads(capacity, start);
            cases[1] += tails(capacity, start);
        }
        cases[2] += lengths(capacity, 0_u64.wrapping_sub(16));
    }
    let [heads, tails, lengths] = cases;
    let all: u64 = cases.iter().sum();
    eprintln!("exhaustive: {all} claims ({heads} heads, {tails} tails, {lengths} lengths), bad=0");
    assert!(all >= 1_000_000, "the enumeration has shrunk to {all}");
}
