//! Sentences about both directions and both halves; and about many connections in one process.

use std::thread;

use crossing::{Config, Connection, Kind, Receiver, Sender, WaitStrategy};

use crate::process::{message, within};
use crate::{Sentence, Side, expect, sentence};

/// Both sides send more than any buffer holds, at the same time: neither direction waits for the other.
pub(crate) fn both_directions_run_at_once() -> Sentence {
    const MESSAGES: u64 = 400;
    const LEN: usize = 60_000;
    fn both(side: Side) {
        let (mut sender, mut receiver) = side.connection.split();
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..MESSAGES {
                    sender.send(message(number, LEN)).expect("the other side receives");
                }
            });
            (0..MESSAGES).for_each(|number| expect(&mut receiver, number, LEN));
        });
    }
    sentence(both, both)
}

/// Each half goes to a thread of its own and is used there, dropped there, at its own time.
pub(crate) fn halves_work_in_threads_of_their_own() -> Sentence {
    fn send(mut sender: Sender) {
        (0..1000).for_each(|number| sender.send(message(number, 40)).expect("the other side receives"));
    }
    fn receive(mut receiver: Receiver) {
        (0..1000).for_each(|number| expect(&mut receiver, number, 40));
    }
    fn both(side: Side) {
        let (sender, receiver) = side.connection.split();
        let sending = thread::spawn(|| send(sender));
        let receiving = thread::spawn(|| receive(receiver));
        receiving.join().expect("it received");
        sending.join().expect("it sent");
    }
    sentence(both, both)
}

/// Connections in one process do not disturb each other, whatever they are.
#[test]
fn eight_connections_at_once_in_one_process() {
    within("eight connections", || {
        let waits = [WaitStrategy::Block, WaitStrategy::HYBRID];
        let pairs =
            Kind::ALL.into_iter().flat_map(|kind| waits.map(|wait| (kind, wait))).map(|(kind, wait)| {
                Connection::pair(kind, &Config::default().wait(wait)).expect("a pair of ends")
            });
        let pairs: Vec<_> = pairs.collect();
        thread::scope(|scope| {
            for (which, (mut here, mut there)) in (0..).zip(pairs) {
                scope.spawn(move || {
                    for number in 0..300 {
                        here.send(message(number + which, 500)).expect("the other side receives");
                    }
                    expect(here.receiver(), which, 9);
                });
                scope.spawn(move || {
                    for number in 0..300 {
                        expect(there.receiver(), number + which, 500);
                    }
                    there.send(message(which, 9)).expect("the other side receives");
                });
            }
        });
    });
}
