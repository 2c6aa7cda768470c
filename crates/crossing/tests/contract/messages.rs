//! Sentences about messages: their boundaries, their order, their lengths.

use std::time::Duration;

use crossing::{Config, RecvError, SendError, WaitStrategy};

use crate::process::{LIMIT, message};
use crate::{Sentence, judge, sentence, try_until_there};

/// What one side sends the other receives: the same messages, in the same order.
pub(crate) fn boundaries_and_order_are_kept() -> Sentence {
    fn lengths(max: usize) -> impl Iterator<Item = usize> {
        (0..=300).chain([max - 1, max, 0, max])
    }
    sentence(
        |mut here| {
            let max = here.connection.max_message();
            (0..).zip(lengths(max)).for_each(|(number, len)| here.send(number, len));
            (0..).zip(lengths(max)).for_each(|(number, len)| here.expect(number, len));
        },
        |mut there| {
            let max = there.connection.max_message();
            (0..).zip(lengths(max)).for_each(|(number, len)| there.expect(number, len));
            (0..).zip(lengths(max)).for_each(|(number, len)| there.send(number, len));
        },
    )
}

/// A message of no bytes arrives, as one.
pub(crate) fn empty_messages_are_messages() -> Sentence {
    const LENGTHS: [usize; 6] = [0, 0, 1, 0, 7, 0];
    sentence(
        |mut here| {
            (0..).zip(LENGTHS).for_each(|(number, len)| here.send(number, len));
            assert_eq!(here.connection.recv(&mut []).expect("an empty message fits everywhere"), 0);
        },
        |mut there| {
            (0..).zip(LENGTHS).for_each(|(number, len)| there.expect(number, len));
            there.send(0, 0);
        },
    )
}

/// Every way to send refuses a message that is too long, and the connection goes on as if it had not been
/// asked.
pub(crate) fn too_long_is_said_before_anything_is_sent() -> Sentence {
    sentence(
        |mut here| {
            let max = here.connection.max_message();
            let long = message(9, max + 1);
            let refused = |outcome: Result<(), SendError>| match outcome {
                Err(SendError::TooLong { len, max: limit }) => assert_eq!((len, limit), (max + 1, max)),
                other => panic!("{other:?}"),
            };
            for number in 0..3 {
                let sender = here.connection.sender();
                refused(sender.send(long));
                refused(sender.try_send(long));
                refused(sender.send_timeout(long, Duration::ZERO));
                refused(sender.claim(max + 1).map(drop));
                refused(sender.try_claim(max + 1).map(drop));
                refused(sender.cork().send(long));
                refused(here.connection.cork().send(long));
                here.send(number, max);
            }
        },
        |mut there| {
            let max = there.connection.max_message();
            (0..3).for_each(|number| there.expect(number, max));
        },
    )
}

/// The ends agree on what the more modest of them can take.
pub(crate) fn the_lesser_max_message_holds_for_both() -> Sentence {
    const LESSER: usize = 1001;
    sentence(
        |mut here| {
            assert_eq!(here.connection.max_message(), LESSER);
            here.send(0, LESSER);
            here.expect(1, LESSER);
            let outcome = here.connection.send(message(2, LESSER + 1));
            assert!(matches!(outcome, Err(SendError::TooLong { max: LESSER, .. })), "{outcome:?}");
        },
        |mut there| {
            assert_eq!(there.connection.sender().max_message(), LESSER);
            assert_eq!(there.connection.receiver().max_message(), LESSER);
            there.expect(0, LESSER);
            there.send(1, LESSER);
        },
    )
    .configured(
        Config::default().max_message(300_000),
        Config::default().max_message(LESSER).capacity_bytes(0),
    )
}

/// A message that does not fit into the buffer stays where it is, however often it is asked for.
pub(crate) fn a_buffer_too_short_keeps_the_message() -> Sentence {
    sentence(
        |mut here| {
            for len in [1, 8, 4000, 65_536] {
                here.send(1, len);
                here.send(2, 3);
            }
        },
        |mut there| {
            let mut buffer = vec![0; there.connection.max_message()];
            for expected in [1, 8, 4000, 65_536] {
                let receiver = there.connection.receiver();
                for short in [0, expected / 2, expected - 1] {
                    let too_long = |outcome: Result<usize, RecvError>| match outcome {
                        Err(RecvError::TooLong { len, room }) => assert_eq!((len, room), (expected, short)),
                        other => panic!("{other:?}"),
                    };
                    too_long(receiver.recv(&mut buffer[..short]));
                    too_long(receiver.try_recv(&mut buffer[..short]));
                    too_long(receiver.recv_timeout(&mut buffer[..short], Duration::ZERO));
                }
                // The length is known before the end of a long message has come.
                let len =
                    try_until_there(receiver, &mut buffer[..expected]).expect("it fits, and it is kept");
                judge(&buffer[..len], 1, expected);
                there.expect(2, 3);
            }
        },
    )
}

/// That a message does not fit is known as soon as its length is, before the rest of it has come.
pub(crate) fn a_length_comes_before_its_message() -> Sentence {
    const LONG: usize = 1 << 20;
    let config = Config::default().max_message(LONG).capacity_bytes(64 << 10).connect_timeout(LIMIT);
    sentence(
        |mut here| {
            match here.connection.sender().try_send(message(1, LONG)) {
                Ok(()) | Err(SendError::Unfinished) => {}
                other => panic!("{other:?}"),
            }
            // The rest goes when the other side knows.
            here.line.hear();
            here.connection.sender().flush().expect("the other side receives");
        },
        |mut there| {
            let outcome = there.connection.receiver().recv_timeout(&mut [0; 16], LIMIT / 2);
            match outcome {
                Err(RecvError::TooLong { len, room }) => assert_eq!((len, room), (LONG, 16)),
                other => panic!("{other:?}"),
            }
            there.line.say(0);
            there.expect(1, LONG);
        },
    )
    .configured(config.clone(), config)
}

/// A connection that was asked for it carries messages of a mebibyte: sixteen times what a pipe holds.
pub(crate) fn messages_of_a_mebibyte_pass() -> Sentence {
    const MEBIBYTE: usize = 1 << 20;
    let config = Config::default().max_message(MEBIBYTE).wait(WaitStrategy::Block);
    sentence(
        |mut here| {
            for number in 0..4 {
                here.send(number, MEBIBYTE);
                here.send(number, 1);
                here.expect(number + 100, MEBIBYTE - 1);
            }
        },
        |mut there| {
            for number in 0..4 {
                there.expect(number, MEBIBYTE);
                there.expect(number, 1);
                there.send(number + 100, MEBIBYTE - 1);
            }
        },
    )
    .configured(config.clone(), config)
}
