//! Sentences about stoppers: what waits is ended from another thread, and nothing is lost by it.

use std::thread;
use std::time::{Duration, Instant};

use crossing::{Connection, RecvError, SendError, Stopper, WaitStrategy};

use crate::process::{LIMIT, message, within};
use crate::{Sentence, Side, judge, sentence};

/// A call that waits, sooner or later: what it says then. It counts the messages that it sent before.
type Waits = (&'static str, fn(&mut Connection, &mut u64) -> String);

/// Sends until `send` has to wait. A message of which a part was taken is sent.
fn sent(next: &mut u64, mut send: impl FnMut(&[u8]) -> Result<(), SendError>) -> String {
    loop {
        match send(message(*next, LEN)) {
            Ok(()) => *next += 1,
            Err(error) => {
                *next += u64::from(error == SendError::Unfinished);
                return format!("{error:?}");
            }
        }
    }
}

fn received(outcome: Result<usize, RecvError>) -> String {
    format!("{:?}", outcome.expect_err("it has to wait"))
}

fn deadline() -> Instant {
    Instant::now() + LIMIT
}

const RECEIVES: [Waits; 3] = [
    ("recv", |it, _| received(it.receiver().recv(&mut [0; 64]))),
    ("recv_deadline", |it, _| received(it.receiver().recv_deadline(&mut [0; 64], deadline()))),
    ("recv_timeout", |it, _| received(it.receiver().recv_timeout(&mut [0; 64], Duration::MAX))),
];

const LEN: usize = 5000;

const SENDS: [Waits; 4] = [
    ("send", |it, next| sent(next, |message| it.sender().send(message))),
    ("send_deadline", |it, next| sent(next, |message| it.sender().send_deadline(message, deadline()))),
    ("claim", |it, next| {
        sent(next, |message| {
            let mut claim = it.sender().claim(LEN)?;
            claim.copy_from_slice(message);
            claim.commit()
        })
    }),
    ("claim_timeout", |it, next| {
        sent(next, |message| {
            let mut claim = it.sender().claim_timeout(LEN, LIMIT)?;
            claim.copy_from_slice(message);
            claim.commit()
        })
    }),
];

const CORKED: [Waits; 1] = [("cork", |it, next| {
    let mut cork = it.sender().cork();
    sent(next, |message| cork.send(message))
})];

/// Makes each call in turn, and stops it: before it begins, or while it waits. Whatever was set before, the next stopper counts.
/// Returns how many messages were sent.
fn stop_each(mut connection: Connection, calls: &[Waits]) -> (Connection, u64) {
    let mut next = 0;
    for wait in [WaitStrategy::Block, WaitStrategy::HYBRID, WaitStrategy::Spin] {
        connection.set_wait(wait);
        for &(name, call) in calls {
            for before in [true, false] {
                let what =
                    format!("{name} {wait}, stopped {}", if before { "before" } else { "while it waits" });
                let stopper = Stopper::new().expect("a descriptor is free");
                connection.set_stopper(&stopper);
                if before {
                    stopper.stop();
                }
                let said;
                (connection, next, said) = within(&what, move || {
                    thread::scope(|scope| {
                        let waiting = scope.spawn(move || {
                            let said = call(&mut connection, &mut next);
                            (connection, next, said)
                        });
                        // By now or later: either must do.
                        thread::sleep(Duration::from_millis(if before { 0 } else { 3 }));
                        stopper.stop();
                        waiting.join().expect("it does not panic")
                    })
                });
                // What a stream has taken a part of is told as such.
                let expected = ["Stopped", "Unfinished"];
                assert!(expected.contains(&said.as_str()), "{what}: {said}");
            }
        }
    }
    (connection, next)
}

/// A receiver without messages, in each form and way of waiting. What is sent then is received, by a stopped half as well.
pub(crate) fn a_stopped_receiver_loses_nothing() -> Sentence {
    sentence(
        |mut here| {
            here.line.hear();
            here.send(0, 33);
            here.send(1, 33);
            here.line.say(0);
            here.line.hear();
        },
        |there| {
            let Side { connection, mut line, .. } = there;
            let (mut connection, _) = stop_each(connection, &RECEIVES);
            line.say(0);
            line.hear();
            let mut buffer = [0; 64];
            // Still stopped: but these need no wait.
            for number in 0..2 {
                let len = connection.recv(&mut buffer).expect("it is there");
                judge(&buffer[..len], number, 33);
            }
            assert!(matches!(connection.recv(&mut buffer), Err(RecvError::Stopped)));
            let outcome = connection.receiver().try_recv(&mut buffer);
            assert!(matches!(outcome, Err(RecvError::Empty)), "it does not wait: {outcome:?}");
            line.say(0);
        },
    )
}

/// A sender without room. What it has not taken was not sent, and what it has taken goes, by a claim as well.
pub(crate) fn a_stopped_sender_loses_nothing() -> Sentence {
    sentence(
        |here| {
            let Side { connection, mut line, .. } = here;
            let (mut connection, sent) = stop_each(connection, &SENDS);
            line.say(sent);
            connection.set_stopper(&Stopper::new().expect("a descriptor is free"));
            connection.sender().flush().expect("the other side receives");
            connection.send(message(sent, LEN)).expect("the other side receives");
            line.hear();
        },
        |mut there| {
            let sent = there.line.hear();
            for number in 0..=sent {
                there.expect(number, LEN);
            }
            let outcome = there.connection.receiver().try_recv(&mut [0; 64]);
            assert!(matches!(outcome, Err(RecvError::Empty)), "{outcome:?}");
            there.line.say(0);
        },
    )
}

/// A cork whose line is full, and for which there is no room.
pub(crate) fn a_stopped_cork_says_so() -> Sentence {
    sentence(
        |here| {
            let Side { connection, mut line, .. } = here;
            drop(stop_each(connection, &CORKED));
            line.say(0);
        },
        |mut there| {
            there.line.hear();
        },
    )
}
