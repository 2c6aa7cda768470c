//! Sentences about the end of a direction and of a connection.

use std::time::Duration;

use crossing::{Config, Connection, End, Kind, RecvError, SendError, Sender};

use crate::process::{LIMIT, config, message, within};
use crate::{Sentence, expect, judge, sentence};

/// Nothing more comes, and that stays so.
fn is_over(receiver: &mut crossing::Receiver) {
    for _ in 0..3 {
        let outcome = receiver.recv(&mut [0; 64]);
        assert!(matches!(outcome, Err(RecvError::Disconnected)), "{outcome:?}");
        let outcome = receiver.try_recv(&mut [0; 64]);
        assert!(matches!(outcome, Err(RecvError::Disconnected)), "{outcome:?}");
        let outcome = receiver.recv_timeout(&mut [0; 64], Duration::ZERO);
        assert!(matches!(outcome, Err(RecvError::Disconnected)), "{outcome:?}");
    }
}

/// Sends end, and that stays so. The peer has closed, and where that can be told it is.
fn ends_in_disconnected(kind: Kind, sender: &mut Sender) {
    let error = loop {
        if let Err(error) = sender.send(message(0, 100)) {
            break error;
        }
    };
    assert!(matches!(error, SendError::Disconnected), "{error:?}");
    for _ in 0..3 {
        let outcome = sender.send(message(0, 100));
        assert!(matches!(outcome, Err(SendError::Disconnected)), "{outcome:?}");
        let outcome = sender.try_send(message(0, 100));
        assert!(matches!(outcome, Err(SendError::Disconnected)), "{outcome:?}");
        let outcome = sender.send_timeout(message(0, 100), Duration::ZERO);
        assert!(matches!(outcome, Err(SendError::Disconnected)), "{outcome:?}");
        let told = if kind == Kind::Shm { End::Closed } else { End::Unknown };
        assert_eq!(sender.end(), Some(told));
    }
}

/// A sender that is dropped has all it sent received; then its direction is over, and the other goes on.
pub(crate) fn a_dropped_sender_ends_its_direction_only() -> Sentence {
    sentence(
        |here| {
            let (mut sender, mut receiver) = here.connection.split();
            (0..100).for_each(|number| sender.send(message(number, 200)).expect("the other side receives"));
            drop(sender);
            (0..100).for_each(|number| expect(&mut receiver, number, 300));
            is_over(&mut receiver);
        },
        |there| {
            let (mut sender, mut receiver) = there.connection.split();
            (0..100).for_each(|number| expect(&mut receiver, number, 200));
            is_over(&mut receiver);
            (0..100).for_each(|number| sender.send(message(number, 300)).expect("the other side receives"));
        },
    )
}

/// When a receiver is dropped the peer's sends end, and the other direction goes on. TCP has no word for it:
/// there the sends end when both halves are gone, and not before.
pub(crate) fn a_dropped_receiver_ends_the_sends() -> Sentence {
    sentence(
        |here| {
            let mut line = here.line;
            let (mut sender, mut receiver) = here.connection.split();
            assert_eq!(line.hear(), 1, "the receiver there is gone");
            if here.kind == Kind::Tcp {
                for number in 0..20 {
                    sender.send(message(number, 100)).expect("TCP does not tell");
                }
            } else {
                ends_in_disconnected(here.kind, &mut sender);
            }
            (0..10).for_each(|number| expect(&mut receiver, number, 60));
            line.say(2);
            is_over(&mut receiver);
            ends_in_disconnected(here.kind, &mut sender);
        },
        |there| {
            let mut line = there.line;
            let (mut sender, receiver) = there.connection.split();
            drop(receiver);
            line.say(1);
            (0..10).for_each(|number| sender.send(message(number, 60)).expect("the other direction goes on"));
            assert_eq!(line.hear(), 2, "all of them were received");
        },
    )
}

/// A connection that is dropped ends both directions, after what it had sent was received.
pub(crate) fn a_dropped_connection_ends_both_directions() -> Sentence {
    sentence(
        |here| {
            let (mut sender, mut receiver) = here.connection.split();
            (0..10).for_each(|number| sender.send(message(number, 70)).expect("the other side receives"));
            (0..50).for_each(|number| expect(&mut receiver, number, 80));
            is_over(&mut receiver);
            ends_in_disconnected(here.kind, &mut sender);
        },
        |mut there| {
            (0..50).for_each(|number| there.send(number, 80));
            (0..10).for_each(|number| there.expect(number, 70));
        },
    )
}

/// What was published can be received long after its sender has gone; also when it left messages of ours
/// unread.
pub(crate) fn what_was_published_outlives_its_sender() -> Sentence {
    sentence(
        |mut here| {
            (0..10).for_each(|number| here.send(number, 70));
            here.line.say(0);
            // The other side has dropped its connection when its end of the line is closed.
            assert_eq!(here.line.hear(), 1);
            let (mut sender, mut receiver) = here.connection.split();
            (0..50).for_each(|number| expect(&mut receiver, number, 1000));
            is_over(&mut receiver);
            ends_in_disconnected(here.kind, &mut sender);
        },
        |mut there| {
            assert_eq!(there.line.hear(), 0);
            (0..50).for_each(|number| there.send(number, 1000));
            drop(there.connection);
            there.line.say(1);
        },
    )
}

/// An end that is closed is told as closed, once everything has been received and not before.
pub(crate) fn a_close_is_told_as_one() -> Sentence {
    sentence(
        |here| {
            let mut line = here.line;
            let (_sender, mut receiver) = here.connection.split();
            assert_eq!(line.hear(), 0);
            for number in 0..10 {
                assert_eq!(receiver.end(), None);
                expect(&mut receiver, number, 100);
            }
            assert_eq!(receiver.end(), None, "no receive has told it");
            is_over(&mut receiver);
            assert_eq!(receiver.end(), Some(End::Closed));
        },
        |there| {
            let mut line = there.line;
            let (mut sender, _receiver) = there.connection.split();
            (0..10).for_each(|number| sender.send(message(number, 100)).expect("room"));
            drop(sender);
            line.say(0);
        },
    )
}

/// Fills a channel with messages of `len` bytes. How many were taken.
pub(crate) fn fill(sender: &mut Sender, len: usize) -> u64 {
    let mut taken = 0;
    loop {
        match sender.try_send(message(taken, len)) {
            Ok(()) => taken += 1,
            Err(SendError::Full) => return taken,
            Err(SendError::Unfinished) => return taken + 1,
            Err(error) => panic!("{error}"),
        }
    }
}

/// All that a dropped connection had sent is received, however much that was, whatever was left unread, and whichever half went
/// first; as long as the other side reads.
pub(crate) fn a_drop_loses_nothing_while_the_other_side_reads() -> Sentence {
    const LEN: usize = 600;
    let config = Config::default().linger(LIMIT).connect_timeout(LIMIT);
    sentence(
        |here| {
            let mut line = here.line;
            let (mut sender, mut receiver) = here.connection.split();
            // It will not be read.
            fill(&mut sender, 1000);
            line.say(0);
            let taken = line.hear();
            (0..taken).for_each(|number| expect(&mut receiver, number, LEN));
            is_over(&mut receiver);
            assert_eq!(receiver.end(), Some(End::Closed));
            drop(sender);
            drop(receiver);
            line.say(1);
        },
        |there| {
            let mut line = there.line;
            let (mut sender, receiver) = there.connection.split();
            assert_eq!(line.hear(), 0);
            let taken = fill(&mut sender, LEN);
            line.say(taken);
            let last = std::thread::spawn(move || drop(receiver));
            drop(sender);
            last.join().expect("it was dropped");
            assert_eq!(line.hear(), 1);
        },
    )
    .configured(config.clone(), config)
}

/// A sender dropped into a channel that stays full gives up what it has in line. The other side
/// then receives the beginning of what was taken, and no proper end.
pub(crate) fn what_a_drop_gives_up_never_ends_cleanly() -> Sentence {
    const LEN: usize = 900;
    let there = Config::default().linger(Duration::ZERO).connect_timeout(LIMIT);
    let here = Config::default().connect_timeout(LIMIT);
    sentence(
        |here| {
            let mut line = here.line;
            let (mut sender, mut receiver) = here.connection.split();
            sender.send(b"It will not be read.").expect("room");
            line.say(0);
            let taken = line.hear();
            let mut buffer = [0; LEN];
            let mut received = 0;
            let mut ended = |receiver: &mut crossing::Receiver| loop {
                match receiver.recv(&mut buffer) {
                    Ok(len) => judge(&buffer[..len], received, LEN),
                    Err(RecvError::Disconnected) => return (received, false),
                    Err(RecvError::Reset) => return (received, true),
                    Err(error) => panic!("{error}"),
                }
                received += 1;
            };
            let (received, reset) = ended(&mut receiver);
            let end = receiver.end();
            if received < taken {
                assert_eq!(end, Some(if reset { End::Reset } else { End::Abrupt }));
            } else {
                // TCP goes on taking for a while after it has said that it is full.
                assert!(
                    received == taken && here.kind == Kind::Tcp,
                    "{received} of {taken}: nothing was given up"
                );
            }
            assert!(!reset || here.kind == Kind::Tcp);
            // It stays so.
            assert_eq!(ended(&mut receiver), (received, reset));
            assert_eq!(receiver.end(), end);
        },
        |there| {
            let mut line = there.line;
            let (mut sender, receiver) = there.connection.split();
            assert_eq!(line.hear(), 0);
            let mut taken = fill(&mut sender, LEN);
            // Behind a full channel only a line can take more.
            let mut cork = sender.cork();
            while cork.try_send(message(taken, LEN)).is_ok() {
                taken += 1;
            }
            drop(cork);
            drop(sender);
            drop(receiver);
            line.say(taken);
        },
    )
    .configured(here, there)
}

/// A connection that a panic drops waits for nothing, however long its linger is: neither for room, nor, on TCP, until what it
/// has sent was taken.
pub(crate) fn a_panic_waits_in_no_drop() -> Sentence {
    const LEN: usize = 1000;
    let patient =
        Config::default().linger(Duration::from_secs(3600)).capacity_bytes(400 << 10).connect_timeout(LIMIT);
    // So that TCP cannot hand over what its sender has taken.
    let small = patient.clone().capacity_bytes(32 << 10);
    sentence(
        |here| {
            let mut line = here.line;
            let mut connection = here.connection;
            let most = if here.kind == Kind::Tcp { 250 } else { u64::MAX };
            for number in 0..most {
                if connection.sender().cork().try_send(message(number, LEN)).is_err() {
                    break;
                }
            }
            let connection = std::panic::AssertUnwindSafe(connection);
            let panic = std::panic::catch_unwind(move || {
                let _connection = connection;
                // As a panic, but without the noise of one.
                std::panic::resume_unwind(Box::new("while there is a connection"));
            });
            panic.expect_err("it goes through");
            line.say(0);
        },
        |there| {
            let (mut connection, mut line) = (there.connection, there.line);
            assert_eq!(line.hear(), 0);
            let mut number = 0;
            let mut buffer = [0; LEN];
            loop {
                match connection.recv(&mut buffer) {
                    Ok(len) => judge(&buffer[..len], number, LEN),
                    Err(RecvError::Disconnected | RecvError::Reset) => break,
                    Err(error) => panic!("{error}"),
                }
                number += 1;
            }
        },
    )
    .configured(patient, small)
}

/// The kernel reports words that a closed end had not read before it hands over what that end said last.
#[test]
fn a_close_is_told_as_one_however_near_to_the_other_ends() {
    for kind in Kind::ALL {
        within(&format!("{kind}"), move || {
            for time in 0..200 {
                let (here, there) = Connection::pair(kind, &config()).expect("a pair");
                let (mut sender, receiver) = here.split();
                drop(receiver);
                drop(there);
                // On TCP it may take a send or two.
                let error = loop {
                    if let Err(error) = sender.send(b"is it there?") {
                        break error;
                    }
                };
                if kind == Kind::Shm {
                    assert_eq!((error, sender.end()), (SendError::Disconnected, Some(End::Closed)), "{time}");
                }
                let (here, there) = Connection::pair(kind, &config()).expect("a pair");
                let (sender, mut receiver) = here.split();
                drop(sender);
                drop(there);
                is_over(&mut receiver);
                assert_eq!(receiver.end(), Some(End::Closed), "{kind}, {time}");
            }
        });
    }
}
