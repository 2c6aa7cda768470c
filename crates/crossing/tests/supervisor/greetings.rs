//! An end that says in its greeting what cannot be, or nothing, is refused.

use std::thread;
use std::time::{Duration, Instant};

use crossing::{Config, Connection, Endpoint, Kind, Listener, Sessions, Supervisor};

use crate::process::{LIMIT, config, within};
use crate::{anywhere, quick};

/// What stands in a greeting, for ends that lie: see `session/greeting.rs`.
fn greeting(session: u8, other: u8, generation: u64, received: u64) -> Vec<u8> {
    let numbers = [generation.to_le_bytes(), received.to_le_bytes()].concat();
    [b"SESSION1".to_vec(), vec![session; 16], vec![other; 16], numbers].concat()
}

/// The number of the other end in an answer.
fn number_of(answer: &[u8]) -> [u8; 16] {
    answer[24..40].try_into().expect("sixteen bytes")
}

pub(crate) fn a_maker_of_connections_that_lies_is_refused(kind: Kind) {
    let listener = Listener::bind(&anywhere(kind)).expect("a free place");
    let sessions = Sessions::new();
    let says = |first: &[u8]| {
        thread::scope(|scope| {
            let accepting = scope.spawn(|| {
                let end = listener.accept_deadline(Instant::now() + LIMIT).expect("it comes");
                sessions.accept(end, &config())
            });
            let mut here = Connection::dial(listener.address(), &config()).expect("it listens");
            here.send(first).expect("room");
            let mut answer = vec![0; 64];
            let len = here.recv(&mut answer).unwrap_or(0);
            answer.truncate(len);
            (accepting.join().expect("no panic"), answer)
        })
    };
    let refused = |first: &[u8], why: &str| {
        let (outcome, answer) = says(first);
        let error = outcome.expect_err(why).to_string();
        assert!(error.contains("session") && error.contains(why), "{error}");
        assert!(answer.is_empty());
    };
    for first in [&b""[..], b"hello", &[0; 56], &[0xff; 56], &[0; 57], &greeting(1, 0, 0, 0)] {
        refused(first, "is no greeting");
    }
    let (generation, answer) = says(&greeting(1, 0, 5, 99));
    let generation = generation.expect("an unknown end has received nothing");
    assert_eq!((generation.number(), generation.delivered()), (5, None));
    assert_eq!(answer.len(), 56);
    drop(generation);
    let number = number_of(&answer);
    let mut known = greeting(1, 0, 6, 1);
    known[24..40].copy_from_slice(&number);
    // More than was sent.
    refused(&known, "1 messages received of 0");
    for generation in [5, 4] {
        refused(&greeting(1, 0, generation, 0), "comes after generation 5");
    }
    // What is refused changes nothing; a right one goes on.
    known[48..].copy_from_slice(&0_u64.to_le_bytes());
    let (generation, answer) = says(&known);
    assert_eq!(generation.expect("it is right").delivered(), Some(0));
    assert_eq!(number_of(&answer), number);
}

/// What an end answers to a greeting.
type Lie<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

pub(crate) fn an_other_end_that_lies_is_refused(kind: Kind) {
    let listener = Listener::bind(&anywhere(kind)).expect("a free place");
    let answers = |answer: Lie<'_>, supervisor: &mut Supervisor| {
        thread::scope(|scope| {
            let (begun, begins) = std::sync::mpsc::channel();
            let asking = scope.spawn(move || {
                begun.send(()).expect("the test waits");
                supervisor.next_generation_timeout(LIMIT)
            });
            begins.recv().expect("it begins");
            let end = listener.accept_deadline(Instant::now() + LIMIT).expect("it comes");
            let mut there = end.connect(&config()).expect("a client");
            let mut greeting = [0; 64];
            let len = there.recv(&mut greeting).expect("it greets");
            assert_eq!(len, 56);
            there.send(&answer(&greeting[..len])).expect("room");
            let outcome = asking.join().expect("no panic");
            (outcome, there)
        })
    };
    let supervisor = || Supervisor::dialling(listener.address()).config(config()).backoff(quick().limit(0));
    let with = |at: usize, bytes: &[u8], greeting: &[u8]| {
        let mut answer = greeting.to_vec();
        // Its own number, so that all else is right.
        answer[24..40].copy_from_slice(&[7; 16]);
        answer[at..at + bytes.len()].copy_from_slice(bytes);
        answer
    };
    let lies: [(&str, Lie<'_>); 6] = [
        ("is no greeting", &|_| b"hello".to_vec()),
        ("answered for another", &|it| with(8, &[1; 16], it)),
        ("answered for another", &|it| with(24, &[0; 16], it)),
        ("answered for another", &|it| with(40, &9_u64.to_le_bytes(), it)),
        ("is no greeting", &|it| with(40, &0_u64.to_le_bytes(), it)),
        ("never met", &|it| with(48, &1_u64.to_le_bytes(), it)),
    ];
    for (why, lie) in lies {
        let (outcome, _there) = answers(lie, &mut supervisor());
        let error = outcome.expect_err(why).to_string();
        assert!(error.contains(why), "{error}");
    }
    // More than was sent to it.
    let mut one = supervisor();
    let (outcome, mut there) = answers(&|it| with(48, &[], it), &mut one);
    let mut generation = outcome.expect("it is right");
    for _ in 0..3 {
        generation.send(b"x").expect("room");
        there.recv(&mut [0; 8]).expect("it was sent");
    }
    drop(there);
    let (outcome, _there) = answers(&|it| with(48, &4_u64.to_le_bytes(), it), &mut one);
    let error = outcome.expect_err("three were sent").to_string();
    assert!(error.contains("4 messages received of 3"), "{error}");
    let (outcome, _there) = answers(&|it| with(48, &3_u64.to_le_bytes(), it), &mut one);
    assert_eq!(outcome.expect("it is right").delivered(), Some(3));
}

/// A peer that connects and says nothing holds a server's thread for as long as a handshake may
/// take.
#[test]
fn a_peer_that_never_greets_is_a_timeout() {
    within("a peer that never greets", || {
        let soon = Config::default().connect_timeout(Duration::from_millis(50));
        let (here, there) = Endpoint::pair(Kind::Shm).expect("a pair");
        let silent = thread::spawn(move || here.connect(&config()));
        let error = Sessions::new().accept(there, &soon).expect_err("it says nothing");
        assert!(error.is_timeout(), "{error:?}");
        // On a busy machine not even its handshake is in time.
        let _ = silent.join().expect("no panic");
    });
}
