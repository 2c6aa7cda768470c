//! Every form of sending and receiving, by name.

use std::io::IoSlice;
use std::time::{Duration, Instant};

use Waits::{AMoment, ForEver, Never};
use crossing::{Cork, Poll, PollError, Ready, Receiver, RecvError, SendError, Sender};
use rustix::event::{PollFd, PollFlags, poll};

use crate::process::dice::Dice;

/// How long a form waits that may find nothing.
const MOMENT: Duration = Duration::from_micros(50);

fn soon() -> Instant {
    Instant::now() + MOMENT
}

/// How a form waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    Never,
    AMoment,
    ForEver,
}

/// A form that sends one message, and one that puts it in line.
pub(crate) type Sends = (&'static str, Waits, fn(&mut Sender, &[u8]) -> Result<(), SendError>);
pub(crate) type Gathers = (&'static str, Waits, fn(&mut Cork<'_>, &[u8]) -> Result<(), SendError>);

/// The same forms for a sender and for a cork, `$half`. `$commit` sends a claim that was granted.
macro_rules! sends {
    ($half:literal $commit:ident) => {
        [
            (concat!($half, "::send"), ForEver, |half, message| half.send(message)),
            (concat!($half, "::try_send"), Never, |half, message| half.try_send(message)),
            (concat!($half, "::send_deadline"), AMoment, |half, message| half.send_deadline(message, soon())),
            (concat!($half, "::send_timeout"), AMoment, |half, message| half.send_timeout(message, MOMENT)),
            (concat!($half, "::send_vectored"), ForEver, |half, message| half.send_vectored(&parts(message))),
            (concat!($half, "::try_send_vectored"), Never, |half, message| {
                half.try_send_vectored(&parts(message))
            }),
            (concat!($half, "::send_vectored_deadline"), AMoment, |half, message| {
                half.send_vectored_deadline(&parts(message), soon())
            }),
            (concat!($half, "::send_vectored_timeout"), AMoment, |half, message| {
                half.send_vectored_timeout(&parts(message), MOMENT)
            }),
            (concat!($half, "::claim"), ForEver, |half, message| {
                $commit(half.claim(message.len())?, message)
            }),
            (concat!($half, "::try_claim"), Never, |half, message| {
                $commit(half.try_claim(message.len())?, message)
            }),
            (concat!($half, "::claim_deadline"), AMoment, |half, message| {
                $commit(half.claim_deadline(message.len(), soon())?, message)
            }),
            (concat!($half, "::claim_timeout"), AMoment, |half, message| {
                $commit(half.claim_timeout(message.len(), MOMENT)?, message)
            }),
        ]
    };
}

pub(crate) const SENDS: [Sends; 12] = sends!("Sender" commit);
pub(crate) const GATHERS: [Gathers; 12] = sends!("Cork" commit_in_line);

/// A message in several parts, one of them empty.
fn parts(message: &[u8]) -> [IoSlice<'_>; 4] {
    let (head, rest) = message.split_at(message.len() / 7);
    let (middle, tail) = rest.split_at(rest.len() / 2);
    [IoSlice::new(head), IoSlice::new(&[]), IoSlice::new(middle), IoSlice::new(tail)]
}

/// Writes a message to where it is claimed, its end first.
fn write(place: &mut [u8], message: &[u8]) {
    let (head, tail) = message.split_at(message.len() / 2);
    place[head.len()..].copy_from_slice(tail);
    place[..head.len()].copy_from_slice(head);
}

fn commit(mut claim: crossing::Claim<'_>, message: &[u8]) -> Result<(), SendError> {
    write(&mut claim, message);
    claim.commit()
}

fn commit_in_line(mut claim: crossing::CorkClaim<'_>, message: &[u8]) -> Result<(), SendError> {
    write(&mut claim, message);
    claim.commit()
}

/// Forms that publish what is in line.
pub(crate) type Flushes = (&'static str, Waits, fn(&mut Sender) -> Result<(), SendError>);
pub(crate) type Publishes = (&'static str, Waits, fn(&mut Cork<'_>) -> Result<(), SendError>);

macro_rules! flushes {
    ($half:literal) => {
        [
            (concat!($half, "::flush"), ForEver, |half| half.flush()),
            (concat!($half, "::try_flush"), Never, |half| half.try_flush()),
            (concat!($half, "::flush_deadline"), AMoment, |half| half.flush_deadline(soon())),
            (concat!($half, "::flush_timeout"), AMoment, |half| half.flush_timeout(MOMENT)),
        ]
    };
}

pub(crate) const FLUSHES: [Flushes; 4] = flushes!("Sender");
pub(crate) const PUBLISHES: [Publishes; 4] = flushes!("Cork");

/// One of the forms; of those that wait for ever only where `for_ever` says so.
pub(crate) fn one_of<F: Copy>(
    dice: &mut Dice,
    forms: &[(&'static str, Waits, F)],
    for_ever: bool,
) -> (&'static str, Waits, F) {
    loop {
        let form = dice.pick(forms);
        if for_ever || form.1 != ForEver {
            return form;
        }
    }
}

/// What a receiving form has taken from the channel.
#[derive(Debug)]
pub(crate) struct Taken {
    /// How many messages it has passed over.
    pub(crate) passed: usize,
    /// Behind those, the length of a message.
    pub(crate) len: Option<usize>,
    /// Its bytes, if it was not only skipped.
    pub(crate) bytes: Option<Vec<u8>>,
}

impl Taken {
    fn message(bytes: Vec<u8>) -> Taken {
        Taken { passed: 0, len: Some(bytes.len()), bytes: Some(bytes) }
    }

    fn skipped(len: usize) -> Taken {
        Taken { passed: 0, len: Some(len), bytes: None }
    }
}

/// A form that receives something.
pub(crate) type Receives = (&'static str, Waits, fn(&mut Slot) -> Result<Taken, RecvError>);

pub(crate) const RECEIVES: [Receives; 24] = [
    ("recv", ForEver, |it| it.copied(Receiver::recv)),
    ("try_recv", Never, |it| it.copied(Receiver::try_recv)),
    ("recv_deadline", AMoment, |it| it.copied(|half, buffer| half.recv_deadline(buffer, soon()))),
    ("recv_timeout", AMoment, |it| it.copied(|half, buffer| half.recv_timeout(buffer, MOMENT))),
    ("recv_vec", ForEver, |it| it.grown(Receiver::recv_vec)),
    ("try_recv_vec", Never, |it| it.grown(Receiver::try_recv_vec)),
    ("recv_vec_deadline", AMoment, |it| it.grown(|half, message| half.recv_vec_deadline(message, soon()))),
    ("recv_vec_timeout", AMoment, |it| it.grown(|half, message| half.recv_vec_timeout(message, MOMENT))),
    ("recv_latest", ForEver, |it| it.newest(Receiver::recv_latest)),
    ("try_recv_latest", Never, |it| it.newest(Receiver::try_recv_latest)),
    ("recv_latest_deadline", AMoment, |it| {
        it.newest(|half, buffer| half.recv_latest_deadline(buffer, soon()))
    }),
    ("recv_latest_timeout", AMoment, |it| it.newest(|half, buffer| half.recv_latest_timeout(buffer, MOMENT))),
    ("skip", ForEver, |it| it.half().skip().map(Taken::skipped)),
    ("try_skip", Never, |it| it.half().try_skip().map(Taken::skipped)),
    ("skip_deadline", AMoment, |it| it.half().skip_deadline(soon()).map(Taken::skipped)),
    ("skip_timeout", AMoment, |it| it.half().skip_timeout(MOMENT).map(Taken::skipped)),
    ("skip_stale", Never, |it| it.half().skip_stale().map(|passed| Taken { passed, len: None, bytes: None })),
    ("messages", ForEver, |it| it.half().messages().next().expect("it has no end").map(Taken::message)),
    ("try_messages", Never, |it| {
        it.half().try_messages().next().map_or(Err(RecvError::Empty), |next| next.map(Taken::message))
    }),
    ("next_ref", ForEver, |it| {
        let mut messages = it.half().messages();
        messages.next_ref().expect("it has no end").map(|lent| Taken::message(lent.to_vec()))
    }),
    ("arm", ForEver, Slot::armed),
    ("Poll::next", ForEver, |it| it.polled(|poll| poll.next().map(drop))),
    ("Poll::try_next", Never, |it| it.polled(|poll| poll.try_next().map(drop))),
    ("Poll::next_timeout", AMoment, |it| it.polled(|poll| poll.next_timeout(MOMENT).map(drop))),
];

/// A receiver, which can be taken out for a while.
pub(crate) struct Slot(pub(crate) Option<Receiver>);

impl Slot {
    pub(crate) fn half(&mut self) -> &mut Receiver {
        self.0.as_mut().expect("it is back")
    }

    fn buffer(&mut self) -> Vec<u8> {
        vec![0; self.half().max_message()]
    }

    fn copied(
        &mut self,
        form: impl FnOnce(&mut Receiver, &mut [u8]) -> Result<usize, RecvError>,
    ) -> Result<Taken, RecvError> {
        let mut buffer = self.buffer();
        let len = form(self.half(), &mut buffer)?;
        buffer.truncate(len);
        Ok(Taken::message(buffer))
    }

    pub(crate) fn grown(
        &mut self,
        form: impl FnOnce(&mut Receiver, &mut Vec<u8>) -> Result<usize, RecvError>,
    ) -> Result<Taken, RecvError> {
        let mut message = b"of before".to_vec();
        let len = form(self.half(), &mut message)?;
        Ok(Taken { len: Some(len), ..Taken::message(message) })
    }

    fn newest(
        &mut self,
        form: impl FnOnce(&mut Receiver, &mut [u8]) -> Result<crossing::Latest, RecvError>,
    ) -> Result<Taken, RecvError> {
        let mut buffer = self.buffer();
        let latest = form(self.half(), &mut buffer)?;
        buffer.truncate(latest.len);
        Ok(Taken { passed: latest.passed, ..Taken::message(buffer) })
    }

    /// Waits by the descriptor.
    fn armed(&mut self) -> Result<Taken, RecvError> {
        loop {
            match self.grown(Receiver::try_recv_vec) {
                Err(RecvError::Empty) => {}
                outcome => return outcome,
            }
            if self.half().arm() == Ready::Wait {
                poll(&mut [PollFd::new(self.half(), PollFlags::IN)], None).expect("it can be polled");
            }
        }
    }

    /// Waits in a `Poll`, and takes what is there then.
    fn polled(
        &mut self,
        wait: impl Fn(&mut Poll<Receiver>) -> Result<(), PollError>,
    ) -> Result<Taken, RecvError> {
        let mut poll = Poll::new().expect("a descriptor");
        let key = poll.insert(self.0.take().expect("it is back")).expect("a place in an epoll");
        let outcome = wait(&mut poll);
        self.0 = poll.remove(key);
        match outcome {
            Ok(()) => self.grown(Receiver::try_recv_vec),
            Err(PollError::Nothing) => Err(RecvError::Empty),
            Err(PollError::Timeout) => Err(RecvError::Timeout),
            Err(error) => panic!("{error}"),
        }
    }
}
