//! Sentences about descriptors: what a half says when it is armed, and what its descriptor tells after that.

use std::os::fd::{AsFd, OwnedFd};
use std::thread;

use crossing::{Connection, Ready, Receiver, RecvError, SendError, Sender};
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};

use crate::process::{LIMIT, message};
use crate::{Sentence, Side, expect, judge, sentence};

/// Longer than any descriptor may take that is due.
fn limit() -> Timespec {
    Timespec { tv_sec: LIMIT.as_secs().try_into().expect("it is not that long"), tv_nsec: 0 }
}

/// Waits until a descriptor is ready for `events`; fails where it never is.
fn wait_for(fd: impl AsFd, events: PollFlags) {
    let ready = poll(&mut [PollFd::new(&fd, events)], Some(&limit())).expect("it can be polled");
    assert_eq!(ready, 1, "the descriptor is never ready for {events:?}");
}

/// Whether a descriptor is ready now.
fn is_ready(fd: impl AsFd, events: PollFlags) -> bool {
    poll(&mut [PollFd::new(&fd, events)], Some(&Timespec::default())).expect("it can be polled") > 0
}

/// Receives as a program does that waits by descriptor. Counts how often it waited.
fn recv(receiver: &mut Receiver, buffer: &mut [u8], waits: &mut u64) -> Result<usize, RecvError> {
    loop {
        match receiver.try_recv(buffer) {
            Err(RecvError::Empty) => {}
            outcome => return outcome,
        }
        if receiver.arm() == Ready::Wait {
            *waits += 1;
            wait_for(&*receiver, PollFlags::IN);
        }
    }
}

/// Sends as such a program does.
fn send(sender: &mut Sender, message: &[u8]) -> Result<(), SendError> {
    loop {
        let outcome = match sender.try_send(message) {
            // It was taken; what is left of it goes next.
            Err(SendError::Unfinished) => flush(sender),
            outcome => outcome,
        };
        match outcome {
            Err(SendError::Full) => {}
            outcome => return outcome,
        }
        if sender.arm(message.len()) == Ready::Wait {
            wait_for(&*sender, PollFlags::OUT);
        }
    }
}

fn flush(sender: &mut Sender) -> Result<(), SendError> {
    loop {
        match sender.try_flush() {
            Err(SendError::Full) => {}
            outcome => return outcome,
        }
        if sender.arm(0) == Ready::Wait {
            wait_for(&*sender, PollFlags::OUT);
        }
    }
}

/// An armed receiver with nothing to receive is not told anything; a message makes its descriptor readable, and so does the
/// next one, for which it was armed again.
pub(crate) fn an_armed_receiver_is_told_of_each_message() -> Sentence {
    const MESSAGES: u64 = 200;
    sentence(
        |mut here| {
            for number in 0..MESSAGES {
                here.line.hear();
                here.send(number, number as usize);
            }
        },
        |mut there| {
            let receiver = there.connection.receiver();
            let mut buffer = vec![0; 1000];
            for number in 0..MESSAGES {
                assert_eq!(receiver.arm(), Ready::Wait, "there is nothing");
                assert!(!is_ready(&*receiver, PollFlags::IN), "message {number} was not sent yet");
                there.line.say(number);
                wait_for(&*receiver, PollFlags::IN);
                let received = recv(receiver, &mut buffer, &mut 0).expect("it was sent");
                judge(&buffer[..received], number, number as usize);
            }
        },
    )
}

/// What is there, or has ended, is not waited for.
pub(crate) fn what_is_there_is_not_waited_for() -> Sentence {
    sentence(
        |mut here| {
            here.send(0, 9);
            here.send(1, 9);
            here.line.say(0);
            here.line.hear();
            drop(here.connection);
            here.line.say(0);
            here.line.hear();
        },
        |mut there| {
            let receiver = there.connection.receiver();
            let mut buffer = [0; 64];
            there.line.hear();
            let mut waits = 0;
            recv(receiver, &mut buffer, &mut waits).expect("it was sent");
            assert_eq!(receiver.arm(), Ready::Now, "the second came with the first or before it");
            recv(receiver, &mut buffer, &mut waits).expect("it was sent");
            there.line.say(0);
            there.line.hear();
            let outcome = recv(receiver, &mut buffer, &mut waits);
            assert!(matches!(outcome, Err(RecvError::Disconnected)), "{outcome:?}");
            assert_eq!(receiver.arm(), Ready::Now, "the end is told again");
            assert!(waits <= 1, "waited {waits} times for what was there");
            there.line.say(0);
        },
    )
}

/// A sender without room is told when there is some, and a receiver meanwhile gets everything.
pub(crate) fn an_armed_sender_is_told_of_room() -> Sentence {
    const MESSAGES: u64 = 3000;
    const LEN: usize = 700;
    sentence(
        |mut here| {
            for number in 0..MESSAGES {
                send(here.connection.sender(), message(number, LEN)).expect("the other side receives");
            }
            let full = |sender: &mut Sender| loop {
                match sender.try_send(message(0, LEN)) {
                    Ok(()) => {}
                    Err(SendError::Full) => return,
                    // A stream takes a part of a message.
                    Err(SendError::Unfinished) => match sender.try_flush() {
                        Err(SendError::Full) => return,
                        outcome => outcome.expect("the other side receives"),
                    },
                    Err(error) => panic!("{error}"),
                }
            };
            here.line.hear();
            full(here.connection.sender());
            let sender = here.connection.sender();
            assert_eq!(sender.arm(LEN), Ready::Wait, "it is full");
            assert!(!is_ready(&*sender, PollFlags::OUT), "nothing was taken");
            here.line.say(0);
            wait_for(&*sender, PollFlags::OUT);
            send(sender, b"the last").expect("the other side receives");
        },
        |mut there| {
            let mut waits = 0;
            let mut buffer = vec![0; LEN];
            for number in 0..MESSAGES {
                let received =
                    recv(there.connection.receiver(), &mut buffer, &mut waits).expect("it was sent");
                judge(&buffer[..received], number, LEN);
            }
            there.line.say(0);
            there.line.hear();
            while recv(there.connection.receiver(), &mut buffer, &mut waits).expect("it was sent") == LEN {}
        },
    )
}

/// An armed half is told when its peer closes that direction and keeps the other.
pub(crate) fn an_armed_half_is_told_of_its_directions_end() -> Sentence {
    sentence(
        |here| {
            let (mut sender, mut receiver) = here.connection.split();
            let mut line = here.line;
            // First the direction towards the other side ends, …
            line.hear();
            drop(sender.try_send(b"the last"));
            drop(sender);
            line.hear();
            // … then the one from it.
            receiver.recv(&mut [0; 8]).expect("it comes first");
            line.hear();
            drop(receiver);
            line.hear();
        },
        |there| {
            let kind = there.kind;
            let (mut sender, mut receiver) = there.connection.split();
            let mut line = there.line;
            assert_eq!(receiver.arm(), Ready::Wait);
            line.say(0);
            let mut buffer = [0; 64];
            assert_eq!(recv(&mut receiver, &mut buffer, &mut 0).expect("it was sent"), 8);
            let outcome = recv(&mut receiver, &mut buffer, &mut 0);
            assert!(matches!(outcome, Err(RecvError::Disconnected)), "{outcome:?}");
            line.say(0);
            sender.send(b"first").expect("the other side receives");
            // TCP has no word for a receiver that goes, and keeps its sender until the connection ends.
            let told = kind != crossing::Kind::Tcp;
            if told {
                while sender.try_send(&[0; 1000]).is_ok() {}
                let _ = sender.arm(1000);
            }
            line.say(0);
            if told {
                let outcome = loop {
                    match send(&mut sender, &[0; 1000]) {
                        Ok(()) => {}
                        outcome => break outcome,
                    }
                };
                assert!(matches!(outcome, Err(SendError::Disconnected)), "{outcome:?}");
            }
            line.say(0);
        },
    )
}

/// Messages go both ways while each side waits for its two halves in two places.
pub(crate) fn two_halves_are_waited_for_in_two_places() -> Sentence {
    const MESSAGES: u64 = 2000;
    const LEN: usize = 300;
    fn both(side: Side) {
        let (mut sender, mut receiver) = side.connection.split();
        let sending = thread::spawn(move || {
            for number in 0..MESSAGES {
                send(&mut sender, message(number, LEN)).expect("the other side receives");
            }
            sender
        });
        let mut buffer = vec![0; LEN];
        for number in 0..MESSAGES {
            let received = recv(&mut receiver, &mut buffer, &mut 0).expect("the other side sends");
            judge(&buffer[..received], number, LEN);
        }
        drop(sending.join().expect("it does not panic"));
    }
    sentence(both, both)
}

/// Arming takes nothing from the other ways to wait: the same half goes on to block, to try, and to be armed.
pub(crate) fn an_armed_half_may_be_used_as_if_it_were_not() -> Sentence {
    const MESSAGES: u64 = 300;
    sentence(
        |mut here| {
            for number in 0..MESSAGES {
                let Side { connection, .. } = &mut here;
                let _ = connection.sender().arm(number as usize);
                here.send(number, 20);
                here.line.hear();
            }
        },
        |mut there| {
            let mut buffer = [0; 64];
            for number in 0..MESSAGES {
                let receiver = there.connection.receiver();
                let _ = receiver.arm();
                match number % 3 {
                    0 => expect(receiver, number, 20),
                    1 => {
                        let received = crate::try_until_there(receiver, &mut buffer).expect("it is sent");
                        judge(&buffer[..received], number, 20);
                    }
                    _ => {
                        let received = recv(receiver, &mut buffer, &mut 0).expect("it is sent");
                        judge(&buffer[..received], number, 20);
                    }
                }
                there.line.say(0);
            }
        },
    )
}

/// An edge-triggered epoll, which tells each change once, tells enough.
pub(crate) fn an_edge_triggered_epoll_misses_nothing() -> Sentence {
    const MESSAGES: u64 = 2000;
    fn entered(half: impl AsFd, flags: epoll::EventFlags) -> OwnedFd {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
        epoll::add(&epoll, half, epoll::EventData::new_u64(0), flags | epoll::EventFlags::ET)
            .expect("it is new");
        epoll
    }
    fn told(epoll: &OwnedFd) {
        let mut events = Vec::with_capacity(4);
        let ready = epoll::wait(epoll, rustix::buffer::spare_capacity(&mut events), Some(&limit()));
        assert!(ready.expect("it can be waited for") > 0, "the epoll never tells");
    }
    sentence(
        |mut here| {
            let sender = here.connection.sender();
            let epoll = entered(&*sender, epoll::EventFlags::OUT);
            let mut number = 0;
            while number < MESSAGES {
                let len = (number % 7 * 900) as usize;
                match sender.try_send(message(number, len)) {
                    Ok(()) => number += 1,
                    Err(SendError::Unfinished) => {
                        number += 1;
                        while let Err(error) = sender.try_flush() {
                            assert!(matches!(error, SendError::Full), "{error}");
                            if sender.arm(0) == Ready::Wait {
                                told(&epoll);
                            }
                        }
                    }
                    Err(SendError::Full) if sender.arm(len) == Ready::Wait => told(&epoll),
                    Err(SendError::Full) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        },
        |mut there| {
            let receiver = there.connection.receiver();
            let epoll = entered(&*receiver, epoll::EventFlags::IN);
            let mut buffer = vec![0; 6 * 900];
            let mut number = 0;
            while number < MESSAGES {
                match receiver.try_recv(&mut buffer) {
                    Ok(received) => {
                        judge(&buffer[..received], number, (number % 7 * 900) as usize);
                        number += 1;
                    }
                    Err(RecvError::Empty) if receiver.arm() == Ready::Wait => told(&epoll),
                    Err(RecvError::Empty) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        },
    )
}

/// A connection's descriptor is that of its receiving half.
pub(crate) fn a_connection_is_waited_for_like_its_receiver() -> Sentence {
    fn wait(connection: &mut Connection) -> Vec<u8> {
        let mut buffer = [0; 64];
        loop {
            match connection.receiver().try_recv(&mut buffer) {
                Err(RecvError::Empty) => {}
                outcome => return buffer[..outcome.expect("it was sent")].to_vec(),
            }
            if connection.arm() == Ready::Wait {
                wait_for(&*connection, PollFlags::IN);
            }
        }
    }
    sentence(
        |mut here| {
            here.connection.send(b"ping").expect("the other side receives");
            assert_eq!(wait(&mut here.connection), b"pong");
        },
        |mut there| {
            assert_eq!(wait(&mut there.connection), b"ping");
            there.connection.send(b"pong").expect("the other side receives");
        },
    )
}
