//! Workloads: what the two processes of a round do with their connection.
//!
//! Each is a pair of loops, one for each side, generic over the mechanism. Every message is made by one side
//! and verified, byte for byte, by the other; a message that is lost, duplicated, out of order or damaged
//! ends the round without a number. Warm-up goes through the same loops and is verified alike, but not
//! counted.

pub(crate) mod null;
mod paced;
pub mod payload;
mod ping_pong;
pub(crate) mod probed;
mod stream;

use std::fmt;
use std::ops::Range;

use crossing::{Connection, Mechanism, RecvError, SendError, WaitStrategy};

use crate::clock::Clock;
use crate::control::SideOutcome;
use crate::plan::Workload;

/// What both sides of a round know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Course {
    /// Bytes in each message.
    pub(crate) size: usize,
    /// Messages before those that count.
    pub(crate) warmup: u64,
    /// Messages that count.
    pub(crate) messages: u64,
    /// Time between two messages when they are paced, in nanoseconds.
    pub(crate) interval_ns: u64,
    /// How both sides wait.
    pub(crate) wait: WaitStrategy,
    /// The clock of both sides.
    pub(crate) clock: Clock,
}

/// Why a round failed.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The channel would not send.
    Send(SendError),
    /// The channel would not receive.
    Recv(RecvError),
    /// What came was not what was sent.
    Mismatch(payload::Mismatch),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Send(error) => error.fmt(f),
            Broken::Recv(error) => error.fmt(f),
            Broken::Mismatch(mismatch) => mismatch.fmt(f),
        }
    }
}

impl From<SendError> for Broken {
    fn from(error: SendError) -> Self {
        Broken::Send(error)
    }
}

impl From<RecvError> for Broken {
    fn from(error: RecvError) -> Self {
        Broken::Recv(error)
    }
}

impl From<payload::Mismatch> for Broken {
    fn from(mismatch: payload::Mismatch) -> Self {
        Broken::Mismatch(mismatch)
    }
}

/// The first side of `workload`.
pub(crate) fn initiate<M: Mechanism>(
    workload: Workload,
    connection: &mut Connection<M>,
    course: &Course,
) -> Result<SideOutcome, Broken> {
    match workload {
        Workload::PingPong => ping_pong::initiate(connection, course),
        Workload::Stream => stream::send(connection, course),
        Workload::Corked => stream::send_corked(connection, course),
        Workload::Paced => paced::send(connection, course),
    }
}

/// The second side of `workload`.
pub(crate) fn respond<M: Mechanism>(
    workload: Workload,
    connection: &mut Connection<M>,
    course: &Course,
) -> Result<SideOutcome, Broken> {
    match workload {
        Workload::PingPong => ping_pong::respond(connection, course),
        Workload::Stream | Workload::Corked | Workload::Paced => stream::receive(connection, course),
    }
}

/// How often a round notes how far it is.
pub(crate) const POINTS: u64 = 64;

/// The counted messages in [`POINTS`] stretches, or fewer where there are fewer messages. Between two of them a
/// loop notes how far it is; within one it does not look.
fn stretches(course: &Course) -> impl Iterator<Item = Range<u64>> + use<> {
    let (warmup, messages) = (course.warmup, course.messages);
    let points = messages.min(POINTS);
    let bound = move |point| warmup + (u128::from(messages) * u128::from(point) / u128::from(points)) as u64;
    (0..points).map(move |point| bound(point)..bound(point + 1))
}

/// Sends the warm-up, and waits until it has been verified.
fn send_warmup<M: Mechanism>(
    connection: &mut Connection<M>,
    course: &Course,
    message: &mut [u8],
) -> Result<(), Broken> {
    for seq in 0..course.warmup {
        payload::fill(message, seq, 0);
        connection.send(message)?;
    }
    await_signal(connection, course)
}

/// Receives the warm-up and verifies it. The peer waits for our [`signal`] then.
fn receive_warmup<M: Mechanism>(
    connection: &mut Connection<M>,
    course: &Course,
    message: &mut [u8],
) -> Result<(), Broken> {
    for seq in 0..course.warmup {
        let len = connection.recv(message)?;
        payload::check(&message[..len], course.size, seq)?;
    }
    Ok(())
}

/// One message that says "I am here": both sides have finished what came before.
fn signal<M: Mechanism>(connection: &mut Connection<M>, course: &Course) -> Result<(), Broken> {
    Ok(connection.send(&vec![0; course.size])?)
}

/// Waits for the peer's [`signal`].
fn await_signal<M: Mechanism>(connection: &mut Connection<M>, course: &Course) -> Result<(), Broken> {
    connection.recv(&mut vec![0; course.size])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn the_stretches_are_the_counted_messages_in_order() {
        for (warmup, messages) in [(0, 1), (7, 63), (64, 64), (64, 65), (10_000, 1_000_003), (0, u64::MAX)] {
            let clock = Clock::best();
            let course =
                Course { size: 64, warmup, messages, interval_ns: 0, wait: WaitStrategy::Spin, clock };
            let all: Vec<_> = stretches(&course).collect();
            assert_eq!(all.len() as u64, messages.min(POINTS));
            assert_eq!((all[0].start, all[all.len() - 1].end), (warmup, warmup + messages));
            assert!(all.windows(2).all(|pair| pair[0].end == pair[1].start), "{all:?}");
        }
    }
}
