//! Sentences about stoppers: what waits is ended from another thread, and nothing is lost by it.

use std::thread;
use std::time::{Duration, Instant};

use crossing::{Connection, RecvError, SendError, Stopper, WaitStrategy};

use crate::process::{LIMIT, message, within};
use crate::{Sentence, Side, judge, sentence};

/// A call that waits.
type Waits = (&'static str, fn(&mut Connection) -> String);

fn sent(outcome: Result<(), SendError>) -> String {
    format!("{:?}", outcome.expect_err("it has to wait"))
}

fn received(outcome: Result<usize, RecvError>) -> String {
    format!("{:?}", outcome.expect_err("it has to wait"))
}

fn deadline() -> Instant {
    Instant::now() + LIMIT
}

const RECEIVES: [Waits; 3] = [
    ("recv", |it| received(it.receiver().recv(&mut [0; 64]))),
    ("recv_deadline", |it| received(it.receiver().recv_deadline(&mut [0; 64], deadline()))),
    ("recv_timeout", |it| received(it.receiver().recv_timeout(&mut [0; 64], Duration::MAX))),
];

const LEN: usize = 5000;
/// More messages than any channel has room for: the kernel makes that of TCP larger as it goes.
const MANY: u64 = 100_000;

const SENDS: [Waits; 5] = [
    ("send", |it| sent(it.sender().send(message(0, LEN)))),
    ("send_deadline", |it| sent(it.sender().send_deadline(message(0, LEN), deadline()))),
    // These may put something in line.
    ("claim", |it| sent((0..MANY).try_for_each(|_| it.sender().claim(LEN)?.commit()))),
    ("claim_timeout", |it| sent((0..MANY).try_for_each(|_| it.sender().claim_timeout(LEN, LIMIT)?.commit()))),
    ("cork", |it| {
        let mut cork = it.sender().cork();
        sent((0..MANY).try_for_each(|_| cork.send(message(0, LEN))))
    }),
];

/// Makes each call in turn, and stops it: before it begins, or while it waits. Whatever was set before, the next stopper counts.
fn stop_each(mut connection: Connection, calls: &[Waits]) -> Connection {
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
                (connection, said) = within(&what, move || {
                    thread::scope(|scope| {
                        let waiting = scope.spawn(move || {
                            let said = call(&mut connection);
                            (connection, said)
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
    connection
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
            let mut connection = stop_each(connection, &RECEIVES);
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

/// A sender without room. What it has not taken was not sent, and what it has taken goes.
pub(crate) fn a_stopped_sender_loses_nothing() -> Sentence {
    sentence(
        |here| {
            let Side { mut connection, mut line, .. } = here;
            let mut sent = 0;
            loop {
                match connection.sender().try_send(message(sent, LEN)) {
                    Ok(()) => sent += 1,
                    Err(SendError::Unfinished) => {
                        sent += 1;
                        break;
                    }
                    Err(SendError::Full) => break,
                    Err(error) => panic!("{error}"),
                }
            }
            let mut connection = stop_each(connection, &SENDS[..2]);
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

/// A claim for which there is no room, and a cork whose line is full.
pub(crate) fn a_stopped_claim_and_a_stopped_cork_say_so() -> Sentence {
    sentence(
        |here| {
            let Side { connection, mut line, .. } = here;
            let mut connection = connection;
            while connection.sender().try_send(message(0, LEN)).is_ok() {}
            let connection = stop_each(connection, &SENDS[2..]);
            drop(connection);
            line.say(0);
        },
        |mut there| {
            there.line.hear();
        },
    )
}
