//! Sentences about when a message is published: plain sends, corks and claims.

use crossing::{Config, RecvError, SendError};

use crate::process::{LIMIT, message};
use crate::{Sentence, Side, sentence};

/// Nothing has come, and nothing is on its way.
fn nothing_yet(side: &mut Side) {
    let outcome = side.connection.receiver().try_recv(&mut [0; 64]);
    assert!(matches!(outcome, Err(RecvError::Empty)), "{outcome:?}");
}

/// A plain send can be received although its sender does nothing more.
pub(crate) fn a_plain_send_is_published_at_once() -> Sentence {
    sentence(
        |mut here| {
            here.send(0, 11);
            here.line.hear();
        },
        |mut there| {
            there.expect(0, 11);
            there.line.say(0);
        },
    )
}

/// What a cork gathers is not seen before it is flushed, and all of it is seen then.
pub(crate) fn a_cork_holds_until_it_is_flushed() -> Sentence {
    sentence(
        |here| {
            let Side { mut connection, mut line, .. } = here;
            let mut cork = connection.sender().cork();
            for round in 0..3 {
                (0..5).for_each(|number| cork.send(message(round + number, 12)).expect("room"));
                line.say(round);
                line.hear();
                cork.flush().expect("the other side receives");
                line.hear();
            }
        },
        |mut there| {
            for _ in 0..3 {
                let round = there.line.hear();
                nothing_yet(&mut there);
                there.line.say(0);
                (0..5).for_each(|number| there.expect(round + number, 12));
                there.line.say(0);
            }
        },
    )
}

/// A cork that is never flushed publishes when it can hold no more: nothing is stuck for want of a flush. It holds no more
/// for a long message that went before.
pub(crate) fn a_cork_that_is_full_publishes() -> Sentence {
    const MESSAGES: u64 = 500;
    const LEN: usize = 2000;
    const LONG: usize = 1 << 20;
    let config = Config::default().max_message(LONG).connect_timeout(LIMIT);
    sentence(
        |mut here| {
            here.send(0, LONG);
            let Side { mut connection, mut line, .. } = here;
            let mut cork = connection.sender().cork();
            (0..MESSAGES)
                .for_each(|number| cork.send(message(number, LEN)).expect("the other side receives"));
            // The cork is still there when the first messages have been received.
            line.hear();
            cork.flush().expect("the other side receives");
            line.hear();
        },
        |mut there| {
            there.expect(0, LONG);
            (0..MESSAGES / 4).for_each(|number| there.expect(number, LEN));
            there.line.say(0);
            (MESSAGES / 4..MESSAGES).for_each(|number| there.expect(number, LEN));
            there.line.say(0);
        },
    )
    .configured(config.clone(), config)
}

/// What a cork holds when it is dropped is published.
pub(crate) fn a_cork_that_is_dropped_publishes() -> Sentence {
    sentence(
        |here| {
            let Side { mut connection, mut line, .. } = here;
            let mut cork = connection.sender().cork();
            cork.send(message(3, 64)).expect("room");
            cork.send(message(4, 0)).expect("room");
            line.say(0);
            line.hear();
            drop(cork);
            line.hear();
        },
        |mut there| {
            there.line.hear();
            nothing_yet(&mut there);
            there.line.say(0);
            there.expect(3, 64);
            there.expect(4, 0);
            there.line.say(0);
        },
    )
}

/// Waiting for an answer sends the gathered questions first.
pub(crate) fn a_cork_publishes_before_its_owner_receives() -> Sentence {
    sentence(
        |here| {
            let Side { mut connection, mut line, .. } = here;
            let mut buffer = [0; 64];
            let mut cork = connection.cork();
            cork.send(message(1, 20)).expect("room");
            cork.send(message(2, 20)).expect("room");
            line.say(0);
            line.hear();
            let len = cork.recv(&mut buffer).expect("the answer");
            crate::judge(&buffer[..len], 3, 21);
            cork.send(message(4, 20)).expect("room");
            cork.flush().expect("the other side receives");
            line.hear();
        },
        |mut there| {
            there.line.hear();
            nothing_yet(&mut there);
            there.line.say(0);
            there.expect(1, 20);
            there.expect(2, 20);
            there.send(3, 21);
            there.expect(4, 20);
            there.line.say(0);
        },
    )
}

/// The room that a claim lends is the message: what is written there arrives, and only when it is committed.
pub(crate) fn a_claim_is_written_in_place() -> Sentence {
    const LENGTHS: [usize; 5] = [0, 1, 13, 4096, 65_536];
    sentence(
        |here| {
            let Side { mut connection, mut line, .. } = here;
            // Often enough for a ring to come round.
            for round in 0..10 {
                for len in LENGTHS {
                    let sender = connection.sender();
                    let claim = if round % 2 == 0 { sender.claim(len) } else { sender.try_claim(len) };
                    let mut claim = claim.expect("the other side keeps up");
                    assert_eq!(claim.len(), len);
                    // By the claim's own copy, and by hand.
                    match round % 3 {
                        0 => claim[..].copy_from_slice(message(round, len)),
                        _ => claim.copy_from_slice(message(round, len)),
                    }
                    assert!(*claim == *message(round, len));
                    line.say(0);
                    line.hear();
                    match claim.commit() {
                        // Longer than a pipe.
                        Err(SendError::Unfinished) if round % 2 == 1 => connection.sender().flush(),
                        outcome => outcome,
                    }
                    .expect("the other side receives");
                    line.hear();
                }
            }
        },
        |mut there| {
            for round in 0..10 {
                for len in LENGTHS {
                    there.line.hear();
                    nothing_yet(&mut there);
                    there.line.say(0);
                    there.expect(round, len);
                    there.line.say(0);
                }
            }
        },
    )
}

/// A claim that is given back leaves no trace.
pub(crate) fn a_claim_that_is_dropped_sends_nothing() -> Sentence {
    sentence(
        |mut here| {
            for number in 0..100 {
                let mut claim = here.connection.sender().claim(5000).expect("the other side keeps up");
                claim.fill(0xee);
                drop(claim);
                here.send(number, 100);
                let claim = here.connection.sender().try_claim(70_000);
                assert!(matches!(claim, Err(SendError::TooLong { .. })));
            }
            here.line.hear();
        },
        |mut there| {
            (0..100).for_each(|number| there.expect(number, 100));
            nothing_yet(&mut there);
            there.line.say(0);
        },
    )
}

/// A claim that is neither committed nor dropped is not sent either, whatever is sent after it.
pub(crate) fn a_claim_that_is_forgotten_sends_nothing() -> Sentence {
    sentence(
        |mut here| {
            let forget = |side: &mut Side| {
                std::mem::forget(side.connection.sender().claim(50).expect("room"));
            };
            forget(&mut here);
            here.send(1, 10);
            forget(&mut here);
            let mut claim = here.connection.sender().claim(20).expect("room");
            claim.copy_from_slice(message(2, 20));
            claim.commit().expect("the other side receives");
            forget(&mut here);
            here.connection.sender().cork().send(message(3, 30)).expect("room");
            forget(&mut here);
            here.connection.sender().flush().expect("nothing is in line");
            here.line.say(0);
            here.line.hear();
        },
        |mut there| {
            there.expect(1, 10);
            there.expect(2, 20);
            there.expect(3, 30);
            there.line.hear();
            nothing_yet(&mut there);
            there.line.say(0);
        },
    )
}
