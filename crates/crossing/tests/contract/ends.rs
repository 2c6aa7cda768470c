//! Sentences about the end of a direction and of a connection.

use std::time::Duration;

use crossing::{Kind, RecvError, SendError, Sender};

use crate::process::message;
use crate::{Sentence, expect, sentence};

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

/// Sends end, and that stays so.
fn ends_in_disconnected(sender: &mut Sender) {
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
                ends_in_disconnected(&mut sender);
            }
            (0..10).for_each(|number| expect(&mut receiver, number, 60));
            line.say(2);
            is_over(&mut receiver);
            ends_in_disconnected(&mut sender);
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
            ends_in_disconnected(&mut sender);
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
            if here.kind != Kind::Tcp {
                // On TCP a message that is left unread resets the connection.
                (0..10).for_each(|number| here.send(number, 70));
            }
            here.line.say(0);
            // The other side has dropped its connection when its end of the line is closed.
            assert_eq!(here.line.hear(), 1);
            let (mut sender, mut receiver) = here.connection.split();
            (0..50).for_each(|number| expect(&mut receiver, number, 1000));
            is_over(&mut receiver);
            ends_in_disconnected(&mut sender);
        },
        |mut there| {
            assert_eq!(there.line.hear(), 0);
            (0..50).for_each(|number| there.send(number, 1000));
            drop(there.connection);
            there.line.say(1);
        },
    )
}
