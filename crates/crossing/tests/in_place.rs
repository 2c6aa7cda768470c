//! Messages read where they stand, by a receiver that trusts the process at the other end.

#![allow(unsafe_code)]

use std::thread;
use std::time::Duration;

use crossing::{Config, Connection, Kind, RecvError, SendError, Sender, Shm, TrustedReceiver, WaitStrategy};

/// The longest message: one that a plain send publishes in parts.
const LONGEST: usize = 100_000;

fn ends() -> (Sender<Shm>, TrustedReceiver) {
    let config = Config::default().max_message(LONGEST).wait(WaitStrategy::Block);
    let (here, there) = Connection::<Shm>::pair_as(Kind::Shm, &config).expect("a pair");
    // SAFETY: the other end is in this test, and sends through `crossing`.
    (here.split().0, unsafe { there.split().1.trusting() })
}

fn message(n: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| (n * 31 + at) as u8).collect()
}

#[test]
fn messages_of_all_lengths_come_whole_and_in_order() {
    let (mut sender, mut receiver) = ends();
    let lengths = [0, 1, 7, 8, 64, 4096, 16 << 10, (16 << 10) + 1, 40_000, LONGEST];
    let sent = move || {
        for n in 0..200 {
            let message = message(n, lengths[n % lengths.len()]);
            if n % 3 == 0 {
                let mut claim = sender.claim(message.len()).expect("the receiver lives");
                claim.copy_from_slice(&message);
                claim.commit().expect("the receiver lives");
            } else {
                sender.send(&message).expect("the receiver lives");
            }
        }
    };
    let sending = thread::spawn(sent);
    for n in 0..200 {
        assert_eq!(
            *receiver.recv().expect("it was sent"),
            message(n, lengths[n % lengths.len()]),
            "message {n}"
        );
    }
    sending.join().expect("all was sent");
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
}

#[test]
fn a_place_is_given_back_when_the_message_is_dropped_and_a_leaked_one_comes_again() {
    let (mut sender, mut receiver) = ends();
    let sent = (0..).take_while(|&n| sender.try_send(&message(n, 10_000)).is_ok()).count();
    let held = receiver.try_recv().expect("the ring is full");
    assert_eq!(*held, message(0, 10_000));
    assert!(
        matches!(sender.try_send(&message(sent, 10_000)), Err(SendError::Full)),
        "its place was given away"
    );
    std::mem::forget(held);
    for n in 0..sent {
        // Also one that had come before the receiver last looked.
        std::mem::forget(receiver.try_recv());
        assert_eq!(*receiver.try_recv().expect("it was sent"), message(n, 10_000), "message {n}");
    }
    sender.try_send(&message(sent, 10_000)).expect("all places were given back");
}

#[test]
fn a_wait_ends_as_it_does_elsewhere() {
    let (sender, mut receiver) = ends();
    assert!(matches!(receiver.try_recv(), Err(RecvError::Empty)));
    assert!(matches!(receiver.recv_timeout(Duration::from_millis(1)), Err(RecvError::Timeout)));
    drop(sender);
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
}

/// Neither what is skipped nor what is passed over is looked at, and the newest is lent.
#[test]
fn the_newest_is_lent_and_the_older_are_dropped() {
    let (mut sender, mut receiver) = ends();
    let lengths = [10, 0, LONGEST / 2, 7, 900];
    for (n, len) in lengths.into_iter().enumerate() {
        sender.send(&message(n, len)).expect("the receiver lives");
    }
    assert_eq!(receiver.pending().expect("the sender lives").messages, 5);
    assert_eq!(receiver.skip(), Ok(10));
    assert_eq!(receiver.try_skip(), Ok(0));
    let (newest, passed) = receiver.recv_latest().expect("the sender lives");
    assert_eq!((&*newest, passed), (&message(4, 900)[..], 2));
    drop(newest);
    assert_eq!(receiver.try_recv_latest().map(|_| ()), Err(RecvError::Empty));
    assert_eq!(receiver.skip_timeout(Duration::from_millis(1)), Err(RecvError::Timeout));
    assert_eq!(receiver.recv_latest_timeout(Duration::from_millis(1)).map(|_| ()), Err(RecvError::Timeout));
    sender.send(b"one").expect("the receiver lives");
    sender.send(b"two").expect("the receiver lives");
    assert_eq!(receiver.skip_stale(), Ok(1));
    // One that is leaked is received again.
    std::mem::forget(receiver.recv_latest().expect("the sender lives"));
    assert_eq!(&*receiver.recv().expect("the sender lives"), b"two");
    drop(sender);
    assert_eq!(receiver.recv_latest().map(|_| ()), Err(RecvError::Disconnected));
    assert_eq!(receiver.end(), Some(crossing::End::Closed));
}
