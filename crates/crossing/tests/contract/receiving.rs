//! Sentences about the forms of receiving: into a vector, as the newest of many, not at all.

use std::time::{Duration, Instant};

use crossing::{Connection, Kind, Latest, RecvError};

use crate::process::LIMIT;
use crate::{Sentence, Side, judge, sentence, until_there};

/// How long a form may wait that finds nothing here.
const MOMENT: Duration = Duration::from_millis(2);

type IntoVec = fn(&mut Connection, &mut Vec<u8>) -> Result<usize, RecvError>;

/// Every form, and it without the time to wait.
const INTO_VEC: [(&str, IntoVec, IntoVec); 4] = [
    ("recv_vec", |it, vec| it.recv_vec(vec), |it, vec| it.try_recv_vec(vec)),
    (
        "try_recv_vec",
        |it, vec| until_there(|| it.try_recv_vec(vec)),
        |it, vec| it.receiver().try_recv_vec(vec),
    ),
    (
        "recv_vec_deadline",
        |it, vec| it.recv_vec_deadline(vec, Instant::now() + LIMIT),
        |it, vec| it.recv_vec_deadline(vec, Instant::now()),
    ),
    (
        "recv_vec_timeout",
        |it, vec| it.recv_vec_timeout(vec, LIMIT),
        |it, vec| it.recv_vec_timeout(vec, MOMENT),
    ),
];

/// A vector has the message and nothing else afterwards. It grows to the message, and keeps its memory for the next one and
/// through an error, which leaves it empty.
pub(crate) fn a_vector_grows_to_the_message() -> Sentence {
    const LENGTHS: [usize; 7] = [0, 100, 20, 40_000, 0, 60_000, 1];
    sentence(
        |mut here| {
            for _ in INTO_VEC {
                here.line.hear();
                (0..).zip(LENGTHS).for_each(|(number, len)| here.send(number, len));
                here.line.hear();
            }
        },
        |mut there| {
            for (name, receive, without_time) in INTO_VEC {
                let mut vec = b"what was there before".to_vec();
                let nothing = if name.contains("try") || name == "recv_vec" {
                    RecvError::Empty
                } else {
                    RecvError::Timeout
                };
                assert_eq!(without_time(&mut there.connection, &mut vec), Err(nothing), "{name}");
                assert!(vec.is_empty(), "{name}");
                vec.shrink_to_fit();
                there.line.say(0);
                let mut longest = 0;
                for (number, len) in (0..).zip(LENGTHS) {
                    assert_eq!(receive(&mut there.connection, &mut vec), Ok(len), "{name}");
                    judge(&vec, number, len);
                    longest = longest.max(len);
                    assert_eq!(vec.capacity(), longest, "{name}");
                }
                assert!(without_time(&mut there.connection, &mut vec).is_err(), "{name}");
                assert_eq!((vec.len(), vec.capacity()), (0, longest), "{name}");
                there.line.say(1);
            }
        },
    )
}

/// The end is told to every form, and leaves the vector empty.
pub(crate) fn an_end_leaves_a_vector_empty() -> Sentence {
    sentence(
        |mut here| here.send(3, 30),
        |mut there| {
            let mut vec = Vec::new();
            assert_eq!(there.connection.recv_vec(&mut vec), Ok(30));
            judge(&vec, 3, 30);
            for (name, receive, _) in INTO_VEC {
                vec.push(0);
                assert_eq!(receive(&mut there.connection, &mut vec), Err(RecvError::Disconnected), "{name}");
                assert!(vec.is_empty(), "{name}");
            }
        },
    )
}

type Skip = fn(&mut Connection) -> Result<usize, RecvError>;

const SKIPS: [(&str, Skip); 4] = [
    ("skip", |it| it.skip()),
    ("try_skip", |it| until_there(|| it.try_skip())),
    ("skip_deadline", |it| it.skip_deadline(Instant::now() + LIMIT)),
    ("skip_timeout", |it| it.skip_timeout(LIMIT)),
];

/// What is skipped is gone, and nothing else: the messages before it and behind it are received as they are.
pub(crate) fn a_skipped_message_is_gone_and_no_other() -> Sentence {
    const LENGTHS: [usize; 8] = [5, 0, 60_000, 65_536, 0, 1, 4000, 17];
    sentence(
        |mut here| {
            for _ in SKIPS {
                (0..).zip(LENGTHS).for_each(|(number, len)| here.send(number, len));
                here.line.hear();
            }
        },
        |mut there| {
            for (turn, (name, skip)) in SKIPS.into_iter().enumerate() {
                for (number, len) in (0..).zip(LENGTHS) {
                    if (number as usize + turn) % 3 == 0 {
                        there.expect(number, len);
                    } else {
                        assert_eq!(skip(&mut there.connection), Ok(len), "{name}, message {number}");
                    }
                }
                assert_eq!(there.connection.try_skip(), Err(RecvError::Empty), "{name}");
                assert_eq!(there.connection.skip_timeout(MOMENT), Err(RecvError::Timeout), "{name}");
                there.line.say(0);
            }
            for (name, skip) in SKIPS {
                assert_eq!(skip(&mut there.connection), Err(RecvError::Disconnected), "{name}");
            }
        },
    )
}

/// How many bytes of the channel messages of these lengths take.
fn frames(kind: Kind, lengths: impl IntoIterator<Item = usize>) -> usize {
    let frame = |len: usize| match kind {
        Kind::Shm => 8 + len.next_multiple_of(8),
        Kind::Pipe | Kind::Unix | Kind::Tcp => 4 + len,
    };
    lengths.into_iter().map(frame).sum()
}

/// Waits until the bytes of these messages are there, however the kernel brings them.
fn until_all_are_there(side: &mut Side, lengths: impl IntoIterator<Item = usize>) {
    let bytes = frames(side.kind, lengths);
    while side.connection.pending().expect("the other side lives").bytes < bytes {
        std::thread::yield_now();
    }
}

type NewestOf = fn(&mut Connection, &mut [u8]) -> Result<Latest, RecvError>;

const NEWEST: [(&str, NewestOf); 4] = [
    ("recv_latest", |it, buffer| it.recv_latest(buffer)),
    ("try_recv_latest", |it, buffer| until_there(|| it.try_recv_latest(buffer))),
    ("recv_latest_deadline", |it, buffer| it.recv_latest_deadline(buffer, Instant::now() + LIMIT)),
    ("recv_latest_timeout", |it, buffer| it.recv_latest_timeout(buffer, LIMIT)),
];

/// Of those that are there the newest is received, and the older ones are counted; one that comes alone is the newest.
pub(crate) fn the_newest_is_received_and_the_older_are_counted() -> Sentence {
    const LENGTHS: [usize; 9] = [9, 0, 3000, 1, 15_000, 0, 700, 3, 20];
    sentence(
        |mut here| {
            for _ in NEWEST {
                (0..).zip(LENGTHS).for_each(|(number, len)| here.send(number, len));
                here.line.hear();
                here.send(77, 60_000);
                here.line.hear();
            }
        },
        |mut there| {
            let mut buffer = vec![0; there.connection.max_message()];
            for (name, newest) in NEWEST {
                until_all_are_there(&mut there, LENGTHS);
                let latest = newest(&mut there.connection, &mut buffer).expect(name);
                assert_eq!((latest.len, latest.passed), (20, LENGTHS.len() - 1), "{name}");
                judge(&buffer[..latest.len], LENGTHS.len() as u64 - 1, 20);
                assert_eq!(there.connection.skip_stale(), Ok(0), "{name}: nothing is there");
                assert_eq!(there.connection.try_recv_latest(&mut buffer), Err(RecvError::Empty), "{name}");
                let timeout = there.connection.recv_latest_timeout(&mut buffer, MOMENT);
                assert_eq!(timeout, Err(RecvError::Timeout), "{name}");
                there.line.say(0);
                let latest = newest(&mut there.connection, &mut buffer).expect(name);
                assert_eq!((latest.len, latest.passed), (60_000, 0), "{name}");
                judge(&buffer[..latest.len], 77, 60_000);
                there.line.say(1);
            }
            for (name, newest) in NEWEST {
                let outcome = newest(&mut there.connection, &mut buffer);
                assert_eq!(outcome, Err(RecvError::Disconnected), "{name}");
            }
        },
    )
}

/// A newest message that the buffer is too short for is kept, and so is what any form takes after the older ones were dropped.
pub(crate) fn the_newest_is_kept_for_a_longer_buffer() -> Sentence {
    const LENGTHS: [usize; 3] = [1, 2, 30];
    sentence(
        |mut here| {
            (0..).zip(LENGTHS).for_each(|(number, len)| here.send(number, len));
            here.line.hear();
            (0..).zip(LENGTHS).for_each(|(number, len)| here.send(number, len));
            here.line.hear();
        },
        |mut there| {
            until_all_are_there(&mut there, LENGTHS);
            let outcome = there.connection.recv_latest(&mut [0; 29]);
            assert_eq!(outcome, Err(RecvError::TooLong { len: 30, room: 29 }));
            there.expect(2, 30);
            there.line.say(0);
            until_all_are_there(&mut there, LENGTHS);
            assert_eq!(there.connection.skip_stale(), Ok(2));
            let mut vec = Vec::new();
            assert_eq!(there.connection.recv_vec(&mut vec), Ok(30));
            judge(&vec, 2, 30);
            there.line.say(1);
        },
    )
}

/// Of messages that come all the time each is either received or counted, in order.
pub(crate) fn every_message_is_received_or_counted() -> Sentence {
    const MESSAGES: u64 = 20_000;
    sentence(
        |mut here| (0..MESSAGES).for_each(|number| here.send(number, 8 + (number % 60) as usize)),
        |mut there| {
            let mut buffer = [0; 100];
            let mut next = 0;
            while next < MESSAGES {
                let latest = there.connection.recv_latest(&mut buffer).expect("there are more");
                next += latest.passed as u64 + 1;
                judge(&buffer[..latest.len], next - 1, 8 + ((next - 1) % 60) as usize);
            }
            assert_eq!(there.connection.recv_latest(&mut buffer), Err(RecvError::Disconnected));
        },
    )
}

/// What is pending is what the next receives take, and is there still afterwards; at the end it is the end.
pub(crate) fn what_is_pending_is_there() -> Sentence {
    const LENGTHS: [usize; 4] = [10, 0, 300, 8];
    sentence(
        |mut here| {
            here.line.hear();
            (0..).zip(LENGTHS).for_each(|(number, len)| here.send(number, len));
            here.line.hear();
        },
        |mut there| {
            let pending = there.connection.pending().expect("the other side lives");
            assert_eq!((pending.messages, pending.bytes), (0, 0));
            there.line.say(0);
            until_all_are_there(&mut there, LENGTHS);
            for (number, len) in (0..).zip(LENGTHS) {
                for _ in 0..2 {
                    let pending = there.connection.pending().expect("the other side lives");
                    let rest = &LENGTHS[number as usize..];
                    assert_eq!(pending.bytes, frames(there.kind, rest.iter().copied()));
                    let least = if there.kind == Kind::Shm { rest.len() } else { 1 };
                    assert!((least..=rest.len()).contains(&pending.messages), "{pending:?}");
                }
                let mut buffer = [0; 300];
                let received = there.connection.try_recv(&mut buffer).expect("it is pending");
                judge(&buffer[..received], number, len);
            }
            there.line.say(1);
            let outcome = loop {
                match there.connection.pending() {
                    Ok(pending) => assert_eq!(pending.messages, 0),
                    Err(error) => break error,
                }
            };
            assert_eq!(outcome, RecvError::Disconnected);
            assert!(there.connection.end().is_some());
        },
    )
}
