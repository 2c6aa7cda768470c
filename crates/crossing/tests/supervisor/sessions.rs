//! What was received is known on both sides, whichever connection ends when.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossing::{Generation, Kind, Listener, RecvError, SendError, Sessions, Supervisor};

use crate::process::dice::Dice;
use crate::process::seed::seed;
use crate::process::{LIMIT, config, within};
use crate::{anywhere, next, quick};

/// How many messages each side sends in all, and one of how many is followed by a cut.
const MESSAGES: u64 = 3000;
const CUTS: u64 = 100;

/// One side of a duplex stream of numbered messages over as many connections as it takes.
struct Ledger {
    dice: Dice,
    /// The number of the next message that must come.
    due: u64,
    /// The most that the other side was ever told to have received.
    delivered: u64,
}

impl Ledger {
    fn new(seed: u64) -> Ledger {
        Ledger { dice: Dice(seed), due: 0, delivered: 0 }
    }

    /// Goes on over one connection until it ends, by either side. Whether both directions are
    /// through.
    fn go_on(&mut self, mut generation: Generation) -> bool {
        let mut number = generation.delivered().unwrap_or(0);
        assert_eq!(generation.received(), self.due, "what this side was told it has received");
        assert!(number >= self.delivered, "what was received stays received");
        self.delivered = number;
        let mut buffer = [0; 64];
        loop {
            if self.dice.roll(CUTS) == 0 {
                return false;
            }
            if number < MESSAGES {
                match generation.try_send(&number.to_le_bytes()) {
                    Ok(()) | Err(SendError::Unfinished) => number += 1,
                    Err(SendError::Full) => {}
                    Err(_) => return false,
                }
            }
            match generation.try_recv(&mut buffer) {
                Ok(8) => {
                    let came = u64::from_le_bytes(buffer[..8].try_into().expect("eight bytes"));
                    assert_eq!(came, self.due, "no message is lost, doubled or out of order");
                    self.due += 1;
                }
                // The last word: this side has everything.
                Ok(1) => return true,
                Ok(len) => panic!("a message of {len} bytes"),
                Err(RecvError::Empty) => thread::yield_now(),
                Err(_) => return false,
            }
        }
    }
}

/// Both processes live; connections come and go, with messages in them that were never read.
pub(crate) fn what_is_sent_again_from_where_it_was_received_comes_exactly_once(kind: Kind) {
    let seed = seed("cuts");
    let listener = Listener::bind(&anywhere(kind)).expect("a free place");
    let address = listener.address().clone();
    let config = || config().linger(Duration::ZERO);
    let over = AtomicU64::new(0);
    thread::scope(|scope| {
        let server = scope.spawn(|| {
            let sessions = Sessions::new();
            let mut ledger = Ledger::new(seed);
            while over.load(Ordering::Relaxed) == 0 {
                let Ok(endpoint) = listener.accept_deadline(Instant::now() + Duration::from_millis(100))
                else {
                    continue;
                };
                // The client may go while it greets.
                if let Ok(generation) = sessions.accept(endpoint, &config()) {
                    assert!(generation.delivered().is_some() || ledger.due == 0);
                    ledger.go_on(generation);
                }
            }
            ledger
        });
        let mut supervisor = Supervisor::dialling(&address).config(config()).backoff(quick().limit(1000));
        let mut ledger = Ledger::new(!seed);
        let mut generations = 0;
        while ledger.due < MESSAGES || ledger.delivered < MESSAGES {
            ledger.go_on(next(&mut supervisor));
            generations += 1;
        }
        over.store(1, Ordering::Relaxed);
        let server = server.join().expect("no panic");
        assert_eq!((ledger.due, server.due), (MESSAGES, MESSAGES));
        assert!(generations > 10, "{generations} connections: it was cut too seldom");
    });
}

/// A server that has not noticed that the connection before is over, with and without something
/// unread.
pub(crate) fn the_next_generation_ends_the_one_before(kind: Kind) {
    for unread in [false, true] {
        let listener = Listener::bind(&anywhere(kind)).expect("a free place");
        let address = listener.address().clone();
        let mut supervisor = Supervisor::dialling(&address).config(config()).backoff(quick());
        let sessions = Sessions::new();
        thread::scope(|scope| {
            let accept = || {
                let end = listener.accept_deadline(Instant::now() + LIMIT).expect("it comes");
                sessions.accept(end, &config()).expect("a supervisor")
            };
            let accepting = scope.spawn(accept);
            let mut first = next(&mut supervisor);
            let mut there = accepting.join().expect("no panic");
            for message in [b"one", b"two", b"six"] {
                first.send(message).expect("room");
            }
            there.send(b"answer").expect("room");
            for _ in 0..2 {
                assert_eq!(there.recv(&mut [0; 8]).expect("it was sent"), 3);
            }
            let (mut sending, mut receiving) = there.split();
            let (read, go) = std::sync::mpsc::channel();
            let waiting = scope.spawn(move || {
                assert_eq!(receiving.recv(&mut [0; 8]).expect("it was sent"), 3);
                read.send(()).expect("the test waits");
                (receiving.recv(&mut [0; 8]), receiving)
            });
            go.recv().expect("it says so");
            if unread {
                first.send(b"unread").expect("room");
            }
            let accepting = scope.spawn(accept);
            let second = next(&mut supervisor);
            let there = accepting.join().expect("no panic");
            // The half that waits is woken, and neither end of the connection before has gone.
            let (outcome, mut receiving) = waiting.join().expect("no panic");
            // What is unread may have been received before the next generation began, and then it
            // counts.
            let received = 3 + u64::from(outcome.is_ok());
            match outcome {
                Ok(6) if unread => {}
                outcome => assert_eq!(outcome, Err(RecvError::Disconnected)),
            }
            assert_eq!((second.delivered(), there.received()), (Some(received), received));
            assert_eq!((there.delivered(), second.received()), (Some(0), 0), "the answer was not received");
            assert_eq!(receiving.recv(&mut [0; 8]), Err(RecvError::Disconnected));
            assert_eq!(sending.send(b"late"), Err(SendError::Disconnected));
            assert_eq!(first.send(b"late"), Err(SendError::Disconnected));
            assert_eq!(first.recv(&mut [0; 8]), Err(RecvError::Disconnected), "also what lies there unread");
            assert_eq!((there.sent(), second.sent()), (0, received));
        });
    }
}

/// A server that was started again knows of no session, and no message is said to be received.
pub(crate) fn of_a_process_that_is_new_nothing_is_said_to_be_received(kind: Kind) {
    let listener = Listener::bind(&anywhere(kind)).expect("a free place");
    let mut supervisor = Supervisor::dialling(listener.address()).config(config()).backoff(quick());
    for number in 1..=4 {
        thread::scope(|scope| {
            let accepting = scope.spawn(|| {
                let end = listener.accept_deadline(Instant::now() + LIMIT).expect("it comes");
                // A new process has new ones.
                Sessions::new().accept(end, &config()).expect("a supervisor")
            });
            let mut here = next(&mut supervisor);
            let mut there = accepting.join().expect("no panic");
            assert_eq!((here.number(), here.delivered(), there.delivered()), (number, None, None));
            assert_eq!((here.sent(), here.received(), there.sent(), there.received()), (0, 0, 0, 0));
            here.send(b"message").expect("room");
            there.recv(&mut [0; 8]).expect("it was sent");
            there.send(b"message").expect("room");
            here.recv(&mut [0; 8]).expect("it was sent");
        });
    }
}

pub(crate) fn an_end_without_sessions_is_reached_plainly(kind: Kind) {
    let listener = Listener::bind(&anywhere(kind)).expect("a free place");
    let address = listener.address().clone();
    let mut supervisor = Supervisor::dialling(&address).config(config()).backoff(quick()).plainly();
    for number in 1..=3 {
        thread::scope(|scope| {
            let server = scope.spawn(|| {
                let end = listener.accept_deadline(Instant::now() + LIMIT).expect("it comes");
                let mut connection = end.connect(&config()).expect("a client");
                let mut buffer = [0; 8];
                let len = connection.recv(&mut buffer).expect("it was sent");
                connection.send(&buffer[..len]).expect("room");
            });
            let mut generation = next(&mut supervisor);
            assert_eq!((generation.number(), generation.delivered()), (number, None));
            generation.send(b"plain").expect("room");
            assert_eq!(generation.recv(&mut [0; 8]).expect("an answer"), 5);
            server.join().expect("no panic");
        });
    }
}

#[test]
fn sessions_are_forgotten_beyond_their_limit_the_least_lately_used_first() {
    within("more sessions than are remembered", || {
        let listener = Listener::bind(&anywhere(Kind::Unix)).expect("a free path");
        let sessions = Sessions::with_limit(2);
        let meet = |supervisor: &mut Supervisor| {
            thread::scope(|scope| {
                let accepting = scope.spawn(|| {
                    let end = listener.accept_deadline(Instant::now() + LIMIT).expect("it comes");
                    sessions.accept(end, &config()).expect("a supervisor")
                });
                let here = next(supervisor);
                (here, accepting.join().expect("no panic"))
            })
        };
        let new = || Supervisor::dialling(listener.address()).config(config()).backoff(quick());
        let (mut first, mut second, mut third) = (new(), new(), new());
        let (kept, other) = meet(&mut first);
        drop(meet(&mut second));
        // The first was used less lately, but has a connection: the second is forgotten.
        drop(meet(&mut third));
        drop((kept, other));
        assert_eq!(meet(&mut first).0.delivered(), Some(0));
        assert_eq!(meet(&mut second).0.delivered(), None);
        // That took the place of the third, which was used least lately.
        assert_eq!(meet(&mut first).0.delivered(), Some(0));
        assert_eq!(meet(&mut third).0.delivered(), None);
    });
}
