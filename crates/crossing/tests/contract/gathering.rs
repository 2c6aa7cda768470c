//! Sentences about messages that are put together: from several places, among others in a cork, and one after the other by an
//! iterator.

use std::io::IoSlice;
use std::mem;
use std::thread;
use std::time::{Duration, Instant};

use crossing::{Claim, Config, Connection, Cork, CorkClaim, CorkedConnection, RecvError, SendError};

use crate::ends::fill;
use crate::process::{LIMIT, message};
use crate::{Sentence, Side, judge, sentence, until_there};

fn deadline() -> Instant {
    Instant::now() + LIMIT
}

/// Makes a call that does not wait until it takes the message.
fn until_taken(mut send: impl FnMut() -> Result<(), SendError>) -> Result<(), SendError> {
    loop {
        match send() {
            Err(SendError::Full) => thread::yield_now(),
            Err(SendError::Unfinished) => return Ok(()),
            outcome => return outcome,
        }
    }
}

/// A message in `count` parts or more, some of which are empty.
fn parts(message: &[u8], count: usize) -> Vec<IoSlice<'_>> {
    let chunks = message.chunks(message.len().div_ceil(count).max(1));
    let mut parts: Vec<_> = chunks.flat_map(|chunk| [IoSlice::new(chunk), IoSlice::new(&[])]).collect();
    parts.insert(0, IoSlice::new(&[]));
    parts
}

fn claimed(claim: Result<Claim<'_>, SendError>, message: &[u8]) -> Result<(), SendError> {
    let mut claim = claim?;
    claim.copy_from_slice(message);
    claim.commit()
}

fn corked(claim: Result<CorkClaim<'_>, SendError>, message: &[u8]) -> Result<(), SendError> {
    let mut claim = claim?;
    claim.copy_from_slice(message);
    claim.commit()
}

type Send = fn(&mut Connection, &[u8]) -> Result<(), SendError>;

/// Every form of every call that sends.
const SENDS: [(&str, Send); 25] = [
    ("send", |it, message| it.send(message)),
    ("try_send", |it, message| until_taken(|| it.try_send(message))),
    ("send_deadline", |it, message| it.send_deadline(message, deadline())),
    ("send_timeout", |it, message| it.send_timeout(message, LIMIT)),
    ("send_vectored", |it, message| it.send_vectored(&parts(message, 3))),
    ("send_vectored in many parts", |it, message| it.send_vectored(&parts(message, 40))),
    ("try_send_vectored", |it, message| until_taken(|| it.try_send_vectored(&parts(message, 2)))),
    ("send_vectored_deadline", |it, message| it.send_vectored_deadline(&parts(message, 5), deadline())),
    ("send_vectored_timeout", |it, message| it.send_vectored_timeout(&parts(message, 1), LIMIT)),
    ("claim", |it, message| claimed(it.claim(message.len()), message)),
    ("try_claim", |it, message| until_taken(|| claimed(it.try_claim(message.len()), message))),
    ("claim_deadline", |it, message| claimed(it.claim_deadline(message.len(), deadline()), message)),
    ("claim_timeout", |it, message| claimed(it.claim_timeout(message.len(), LIMIT), message)),
    ("cork.send", |it, message| it.cork().send(message)),
    ("cork.try_send", |it, message| until_taken(|| it.cork().try_send(message))),
    ("cork.send_deadline", |it, message| it.cork().send_deadline(message, deadline())),
    ("cork.send_timeout", |it, message| it.cork().send_timeout(message, LIMIT)),
    ("cork.send_vectored", |it, message| it.cork().send_vectored(&parts(message, 3))),
    ("cork.try_send_vectored", |it, message| {
        until_taken(|| it.cork().try_send_vectored(&parts(message, 20)))
    }),
    ("cork.send_vectored_deadline", |it, message| {
        it.cork().send_vectored_deadline(&parts(message, 3), deadline())
    }),
    ("cork.send_vectored_timeout", |it, message| it.cork().send_vectored_timeout(&parts(message, 3), LIMIT)),
    ("cork.claim", |it, message| corked(it.cork().claim(message.len()), message)),
    ("cork.try_claim", |it, message| until_taken(|| corked(it.cork().try_claim(message.len()), message))),
    ("cork.claim_deadline", |it, message| {
        corked(it.cork().claim_deadline(message.len(), deadline()), message)
    }),
    ("cork.claim_timeout", |it, message| corked(it.cork().claim_timeout(message.len(), LIMIT), message)),
];

/// Whatever the form, the same message arrives, short or long, and those before it have.
pub(crate) fn every_form_sends_the_same_message() -> Sentence {
    const LENGTHS: [usize; 9] = [0, 1, 8, 100, 900, 5000, 16_385, 65_533, 250_000];
    let config = Config::default().max_message(250_000).connect_timeout(LIMIT);
    sentence(
        |mut here| {
            for (name, send) in SENDS {
                for (number, len) in (0..).zip(LENGTHS) {
                    send(&mut here.connection, message(number, len)).expect(name);
                }
                let too_long = send(&mut here.connection, message(0, 250_001));
                assert_eq!(too_long, Err(SendError::TooLong { len: 250_001, max: 250_000 }), "{name}");
                here.connection.flush().expect(name);
            }
        },
        |mut there| {
            for _ in SENDS {
                (0..).zip(LENGTHS).for_each(|(number, len)| there.expect(number, len));
            }
        },
    )
    .configured(config.clone(), config)
}

/// Messages in a cork keep their order, however each was put there, and wait for the flush. A claim that was dropped or
/// forgotten leaves nothing behind.
pub(crate) fn a_corked_claim_is_written_in_line() -> Sentence {
    const LEN: usize = 30;
    fn gather(cork: &mut Cork<'_>) {
        cork.send(message(0, LEN)).expect("room");
        corked(cork.claim(LEN), message(1, LEN)).expect("room");
        drop(cork.claim(200).expect("room"));
        cork.send_vectored(&parts(message(2, LEN), 4)).expect("room");
        let mut claim = cork.try_claim(100).expect("room");
        claim.fill(0xff);
        mem::forget(claim);
        corked(cork.claim_timeout(LEN, LIMIT), message(3, LEN)).expect("room");
        cork.send(message(4, LEN)).expect("room");
        mem::forget(cork.claim(LEN).expect("room"));
    }
    sentence(
        |here| {
            let Side { mut connection, mut line, .. } = here;
            let mut cork = connection.sender().cork();
            for long in [false, true] {
                gather(&mut cork);
                if long {
                    // Too long for a line: what is in line goes first.
                    corked(cork.claim(60_000), message(5, 60_000)).expect("the other side receives");
                    gather(&mut cork);
                }
                line.say(0);
                if !long {
                    line.hear();
                }
                cork.flush().expect("the other side receives");
                line.hear();
            }
            // A claim that is forgotten at last goes nowhere, whatever is sent by whichever call.
            mem::forget(cork.claim(LEN).expect("room"));
            drop(cork);
            connection.send(message(6, LEN)).expect("the other side receives");
        },
        |mut there| {
            for long in [false, true] {
                there.line.hear();
                if !long {
                    assert_eq!(there.connection.try_recv(&mut [0; 64]), Err(RecvError::Empty));
                    there.line.say(0);
                }
                (0..5).for_each(|number| there.expect(number, LEN));
                if long {
                    there.expect(5, 60_000);
                    (0..5).for_each(|number| there.expect(number, LEN));
                }
                there.line.say(0);
            }
            there.expect(6, LEN);
            assert_eq!(there.connection.recv(&mut [0; 64]), Err(RecvError::Disconnected));
        },
    )
}

type Answer = fn(&mut CorkedConnection<'_>, &mut Vec<u8>) -> Result<usize, RecvError>;

/// Every form in which a corked connection receives.
const ANSWERS: [(&str, Answer); 13] = [
    ("recv", |it, vec| it.recv(&mut vec[..])),
    ("try_recv", |it, vec| until_there(|| it.try_recv(&mut vec[..]))),
    ("recv_deadline", |it, vec| it.recv_deadline(&mut vec[..], deadline())),
    ("recv_timeout", |it, vec| it.recv_timeout(&mut vec[..], Duration::MAX)),
    ("recv_vec", |it, vec| it.recv_vec(vec)),
    ("try_recv_vec", |it, vec| until_there(|| it.try_recv_vec(vec))),
    ("recv_vec_deadline", |it, vec| it.recv_vec_deadline(vec, deadline())),
    ("recv_vec_timeout", |it, vec| it.recv_vec_timeout(vec, LIMIT)),
    ("recv_latest", |it, vec| it.recv_latest(&mut vec[..]).map(|latest| latest.len)),
    ("try_recv_latest", |it, vec| until_there(|| it.try_recv_latest(&mut vec[..])).map(|latest| latest.len)),
    ("recv_latest_deadline", |it, vec| {
        it.recv_latest_deadline(&mut vec[..], deadline()).map(|latest| latest.len)
    }),
    ("recv_latest_timeout", |it, vec| it.recv_latest_timeout(&mut vec[..], LIMIT).map(|latest| latest.len)),
    ("messages", |it, vec| {
        *vec = it.messages().next().expect("it has not ended")?;
        Ok(vec.len())
    }),
];

/// Every form that receives publishes the question first, or it would wait for the answer for ever.
pub(crate) fn a_corked_connection_asks_before_it_listens() -> Sentence {
    sentence(
        |mut here| {
            let mut corked = here.connection.cork();
            for (number, (name, answer)) in (0..).zip(ANSWERS) {
                let mut vec = vec![0; 64];
                corked.send(message(number, 30)).expect(name);
                assert_eq!(answer(&mut corked, &mut vec), Ok(31), "{name}");
                judge(&vec[..31], number + 1, 31);
            }
            type Skip = fn(&mut CorkedConnection<'_>) -> Result<usize, RecvError>;
            let skips: [Skip; 4] = [
                |it| it.skip(),
                |it| until_there(|| it.try_skip()),
                |it| it.skip_deadline(deadline()),
                |it| it.skip_timeout(LIMIT),
            ];
            for (number, skip) in (0..).zip(skips) {
                corked.send(message(number, 30)).expect("room");
                assert_eq!(skip(&mut corked), Ok(31));
            }
        },
        |mut there| {
            for number in (0..ANSWERS.len() as u64).chain(0..4) {
                there.expect(number, 30);
                there.send(number + 1, 31);
            }
        },
    )
}

/// An iterator has every message, each as a vector of its own or lent, and ends where the other side closed.
pub(crate) fn an_iterator_ends_where_the_other_side_closed() -> Sentence {
    const MESSAGES: u64 = 50;
    const fn len(number: u64) -> usize {
        (number * 37 % 500) as usize
    }
    sentence(
        |mut here| {
            (0..MESSAGES).for_each(|number| here.send(number, len(number)));
            here.line.hear();
            (0..MESSAGES).for_each(|number| here.send(number, len(number)));
        },
        |mut there| {
            let mut number = 0;
            for received in there.connection.messages().take(20) {
                judge(&received.expect("the other side lives"), number, len(number));
                number += 1;
            }
            while number < MESSAGES {
                for received in there.connection.try_messages() {
                    judge(&received.expect("the other side lives"), number, len(number));
                    number += 1;
                }
            }
            assert!(there.connection.try_messages().next().is_none());
            there.line.say(0);
            let mut messages = there.connection.messages();
            let mut number = 0;
            while let Some(received) = messages.next_ref() {
                judge(received.expect("the other side lives"), number, len(number));
                number += 1;
            }
            assert_eq!(number, MESSAGES);
            assert!(messages.next().is_none() && messages.next_ref().is_none());
            // And again, of a connection that is over.
            assert!(there.connection.messages().next().is_none());
            assert!(there.connection.try_messages().next_ref().is_none());
        },
    )
}

/// An end that is no close is the last item of an iterator.
pub(crate) fn an_iterator_tells_an_end_that_is_no_close() -> Sentence {
    const LEN: usize = 900;
    let there = Config::default().linger(Duration::ZERO).connect_timeout(LIMIT);
    let here = Config::default().connect_timeout(LIMIT);
    sentence(
        |here| {
            let (mut connection, mut line) = (here.connection, here.line);
            line.hear();
            let mut received = 0;
            let mut messages = connection.messages();
            let last = loop {
                match messages.next() {
                    Some(Ok(message)) => judge(&message, received, LEN),
                    last => break last,
                }
                received += 1;
            };
            match last {
                // TCP goes on taking for a while after it has said that it is full.
                None => assert_eq!(here.kind, crossing::Kind::Tcp),
                Some(outcome) => assert!(outcome.expect_err("it has ended").is_closed()),
            }
            assert!(messages.next().is_none());
        },
        |there| {
            let (mut sender, _receiver) = there.connection.split();
            let mut line = there.line;
            let mut taken = fill(&mut sender, LEN);
            let mut cork = sender.cork();
            while cork.try_send(message(taken, LEN)).is_ok() {
                taken += 1;
            }
            drop(cork);
            drop(sender);
            line.say(taken);
        },
    )
    .configured(here, there)
}
