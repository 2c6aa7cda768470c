//! Sentences about waiting: the three ways to wait, the three forms of a call, and what is left when a call
//! gives up.

use std::thread;
use std::time::{Duration, Instant};

use crossing::{Config, Kind, RecvError, SendError, WaitStrategy};

use crate::process::{LIMIT, message};
use crate::{Sentence, Side, judge, sentence, try_until_there};

const WAYS: [WaitStrategy; 3] = [WaitStrategy::Spin, WaitStrategy::HYBRID, WaitStrategy::Block];

/// The forms in which each call comes.
#[derive(Debug, Clone, Copy)]
enum Form {
    Blocking,
    Trying,
    Deadline,
}

const FORMS: [Form; 3] = [Form::Blocking, Form::Trying, Form::Deadline];

fn send(side: &mut Side, form: Form, message: &[u8]) {
    let sender = side.connection.sender();
    let outcome = match form {
        Form::Blocking => sender.send(message),
        Form::Deadline => sender.send_deadline(message, Instant::now() + LIMIT),
        Form::Trying => loop {
            match sender.try_send(message) {
                Err(SendError::Full) => thread::yield_now(),
                Err(SendError::Unfinished) => break sender.flush(),
                outcome => break outcome,
            }
        },
    };
    outcome.expect("the other side receives");
}

fn receive(side: &mut Side, form: Form, buffer: &mut [u8]) -> usize {
    let receiver = side.connection.receiver();
    let outcome = match form {
        Form::Blocking => receiver.recv(buffer),
        Form::Deadline => receiver.recv_deadline(buffer, Instant::now() + LIMIT),
        Form::Trying => try_until_there(receiver, buffer),
    };
    outcome.expect("the other side sends")
}

/// Spinning, hybrid and sleeping ends talk to each other in the blocking, the non-blocking and the deadline
/// form.
pub(crate) fn every_way_of_waiting_serves_every_form() -> Sentence {
    fn turns() -> impl Iterator<Item = (WaitStrategy, WaitStrategy, Form)> {
        let ways = WAYS.into_iter().flat_map(|here| WAYS.map(|there| (here, there)));
        ways.flat_map(|(here, there)| FORMS.map(|form| (here, there, form)))
    }
    const TURNS: u64 = 20;
    sentence(
        |mut here| {
            let mut buffer = [0; 64];
            for (wait, _, form) in turns() {
                here.connection.set_wait(wait);
                for number in 0..TURNS {
                    send(&mut here, form, message(number, 32));
                    let len = receive(&mut here, form, &mut buffer);
                    judge(&buffer[..len], number + 1, 33);
                }
            }
        },
        |mut there| {
            let mut buffer = [0; 64];
            for (_, wait, form) in turns() {
                there.connection.sender().set_wait(wait);
                there.connection.receiver().set_wait(wait);
                for number in 0..TURNS {
                    let len = receive(&mut there, form, &mut buffer);
                    judge(&buffer[..len], number, 32);
                    send(&mut there, form, message(number + 1, 33));
                }
            }
        },
    )
}

/// `try_recv` of a silent connection says `Empty`, before and after messages.
pub(crate) fn nothing_there_is_empty() -> Sentence {
    sentence(
        |mut here| {
            here.line.hear();
            here.send(0, 10);
            here.line.hear();
        },
        |mut there| {
            let mut buffer = [0; 64];
            for wait in WAYS {
                there.connection.set_wait(wait);
                let outcome = there.connection.receiver().try_recv(&mut buffer);
                assert!(matches!(outcome, Err(RecvError::Empty)), "{outcome:?}");
            }
            there.line.say(0);
            there.expect(0, 10);
            let outcome = there.connection.receiver().try_recv(&mut buffer);
            assert!(matches!(outcome, Err(RecvError::Empty)), "{outcome:?}");
            there.line.say(1);
        },
    )
}

/// Sends messages of `len` bytes with `send` until nothing goes any more, and returns how many were taken.
fn fill(side: &mut Side, len: usize, send: impl Fn(&mut Side, &[u8]) -> Result<(), SendError>) -> u64 {
    let mut taken = 0;
    loop {
        match send(side, message(taken, len)) {
            Ok(()) => taken += 1,
            Err(SendError::Full | SendError::Timeout) => break,
            Err(SendError::Unfinished) => {
                assert_ne!(side.kind, Kind::Shm, "a ring takes a message whole or not at all");
                taken += 1;
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(taken > 0, "not even one message of {len} bytes");
    taken
}

/// Tells how many were taken, gives the rest a push, and waits until all were received.
pub(crate) fn account(side: &mut Side, taken: u64) {
    side.line.say(taken);
    side.connection.sender().flush().expect("the other side receives");
    assert_eq!(side.line.hear(), taken);
}

/// Receives as many as the other side says were taken, and sees that there is not one more.
pub(crate) fn settle(side: &mut Side, len: usize) {
    let taken = side.line.hear();
    (0..taken).for_each(|number| side.expect(number, len));
    let outcome = side.connection.receiver().try_recv(&mut [0; 8]);
    assert!(matches!(outcome, Err(RecvError::Empty)), "{outcome:?}");
    side.line.say(taken);
}

/// `try_send` takes messages until there is no room: then it says so. What it took arrives once, what it
/// refused does not.
pub(crate) fn a_full_channel_says_so_and_loses_nothing() -> Sentence {
    const LENGTHS: [usize; 4] = [100, 5000, 50_000, 65_536];
    sentence(
        |mut here| {
            for len in LENGTHS {
                let taken = fill(&mut here, len, |side, message| side.connection.sender().try_send(message));
                account(&mut here, taken);
            }
        },
        |mut there| LENGTHS.into_iter().for_each(|len| settle(&mut there, len)),
    )
}

/// A receiver whose deadline passes says `Timeout`, and receives what comes later.
pub(crate) fn a_receiver_that_is_out_of_time_loses_nothing() -> Sentence {
    sentence(
        |mut here| {
            for number in 0..3 {
                here.line.hear();
                here.send(number, 50);
            }
        },
        |mut there| {
            for (number, wait) in (0..).zip(WAYS) {
                there.connection.set_wait(wait);
                let receiver = there.connection.receiver();
                for time in [Duration::ZERO, Duration::from_millis(5)] {
                    let outcome = receiver.recv_timeout(&mut [0; 50], time);
                    assert!(matches!(outcome, Err(RecvError::Timeout)), "{wait}: {outcome:?}");
                }
                there.line.say(0);
                there.expect(number, 50);
            }
        },
    )
}

/// A sender whose deadline passes says `Timeout` or `Unfinished`. What it took arrives once, what it refused
/// does not.
pub(crate) fn a_sender_that_is_out_of_time_loses_nothing() -> Sentence {
    const LEN: usize = 60_000;
    sentence(
        |mut here| {
            for wait in WAYS {
                here.connection.set_wait(wait);
                let taken = fill(&mut here, LEN, |side, message| {
                    side.connection.sender().send_timeout(message, Duration::from_millis(5))
                });
                account(&mut here, taken);
            }
        },
        |mut there| WAYS.into_iter().for_each(|_| settle(&mut there, LEN)),
    )
}

/// A deadline bounds the waiting, not the receiving: a message that is there is received when the deadline
/// has passed.
pub(crate) fn what_is_there_is_received_however_late() -> Sentence {
    sentence(
        |mut here| {
            for number in 0..3 {
                let mut cork = here.connection.sender().cork();
                cork.send(message(number, 20)).expect("room");
                cork.send(message(number, 30)).expect("room");
                cork.flush().expect("the other side receives");
                drop(cork);
                here.line.hear();
            }
        },
        |mut there| {
            let mut buffer = [0; 64];
            for (number, wait) in (0..).zip(WAYS) {
                there.connection.set_wait(wait);
                // Both were published together: a reader that has one has both.
                there.expect(number, 20);
                let len = there.connection.receiver().recv_deadline(&mut buffer, Instant::now());
                judge(&buffer[..len.expect("it is there")], number, 30);
                there.line.say(0);
            }
        },
    )
}

/// The rest of an unfinished message goes before the next one, by a send as by a flush, and the
/// reader sees no seam.
pub(crate) fn an_unfinished_message_goes_with_the_next_send() -> Sentence {
    const LEN: usize = 65_536;
    sentence(
        |mut here| {
            let taken = fill(&mut here, LEN, |side, message| side.connection.sender().try_send(message));
            // Refused without a reader: the unfinished message goes first.
            let outcome = here.connection.sender().try_flush();
            assert!(matches!(outcome, Ok(()) | Err(SendError::Full)), "{outcome:?}");
            here.line.say(taken);
            here.send(taken, LEN);
            here.send(taken + 1, 0);
        },
        |mut there| {
            let taken = there.line.hear();
            (0..=taken).for_each(|number| there.expect(number, LEN));
            there.expect(taken + 1, 0);
        },
    )
}

/// The longest time there is may be given everywhere: it is for ever, not a fault.
pub(crate) fn for_ever_is_a_time() -> Sentence {
    let wait = WaitStrategy::Hybrid { spin: Duration::MAX };
    let config = Config::default().connect_timeout(Duration::MAX).wait(wait);
    sentence(
        |mut here| {
            here.connection.sender().send_timeout(message(0, 5), Duration::MAX).expect("room");
            here.expect(1, 5);
        },
        |mut there| {
            let mut buffer = [0; 5];
            let len = there.connection.receiver().recv_timeout(&mut buffer, Duration::MAX);
            judge(&buffer[..len.expect("the other side sends")], 0, 5);
            there.send(1, 5);
        },
    )
    .configured(config.clone(), config)
}
