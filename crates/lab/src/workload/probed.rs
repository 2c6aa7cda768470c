//! Messages to be looked at from outside: one at a time, each of which finds its receiver waiting.
//!
//! What one message costs can be told exactly only if nothing overlaps. So the sender sends the next message
//! when the receiver has said that it has come back for it, and gives it a moment more to go to sleep, if
//! that is its way of waiting. The receiver says so in a cache line that the two share beside the channel:
//! this takes neither of them a system call. The sender's pauses are system calls (clock_nanosleep) and are
//! counted, so that they can be told from the message's own.
//!
//! Nothing here is a benchmark: instruments slow a process down.

use std::num::NonZeroU64;
use std::time::Duration;

use crossing::{Connection, Mechanism};

use super::course::{Broken, spent_since};
use super::payload::{check, fill};
use crate::clock::Clock;
use crate::job::Role;
use crate::request::SideOutcome;
use crate::stats::Histogram;
use crate::sys::lines::Lines;
use crate::sys::mark::Mark;
use crate::sys::usage::usage;

/// The moment between the receiver's word that it is about to wait and the next message: long enough to fall
/// asleep, even step by step under a tracer.
const GAP: Duration = Duration::from_micros(120);

/// Messages that follow each other over one connection, in as many rows as are asked for.
#[derive(Debug)]
pub(crate) struct ProbedRow {
    message: Vec<u8>,
    clock: Clock,
    samples: Histogram,
    /// The number of the next message.
    next: u64,
}

impl ProbedRow {
    /// No message yet; each will have `size` bytes.
    pub(crate) fn new(size: usize, clock: Clock) -> ProbedRow {
        ProbedRow { message: vec![0; size], clock, samples: Histogram::new(), next: 0 }
    }

    /// This side's part of `count` messages.
    pub(crate) fn run<M: Mechanism>(
        &mut self,
        role: Role,
        connection: &mut Connection<M>,
        lines: &Lines,
        count: u64,
        times: bool,
    ) -> Result<SideOutcome, String> {
        // Else each pause is half a tenth of a millisecond longer. Where it is refused they are.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let numbers = self.next..self.next + count;
        self.next = numbers.end;
        // Taken and touched beforehand: no page fault of ours may be counted as one of the channel's.
        let mut calls = vec![(1, 1); if times { usize::try_from(count).unwrap_or(0) } else { 0 }];
        calls.clear();
        let mut outcome = SideOutcome { calls, ..SideOutcome::default() };
        self.samples.clear();
        let before = usage();
        Mark::Begin.leave();
        let mut each = |number| match role {
            Role::Initiator => self.send(connection, lines, number, &mut outcome),
            Role::Responder => self.receive(connection, lines, number, &mut outcome),
        };
        let done = { numbers }.try_for_each(&mut each);
        Mark::End.leave();
        done.map_err(|broken| broken.to_string())?;
        outcome.usage = spent_since(&before);
        outcome.samples = self.samples.pairs();
        outcome.message_at = self.message.as_ptr().expose_provenance() as u64;
        Ok(outcome)
    }

    fn send<M: Mechanism>(
        &mut self,
        connection: &mut Connection<M>,
        lines: &Lines,
        number: u64,
        outcome: &mut SideOutcome,
    ) -> Result<(), Broken> {
        // The receiver leaves the number after the one it waits for: it waits for 0 when it has left 1.
        let mut pause = || {
            outcome.pauses += 1;
            crossing::pause(GAP);
        };
        while lines.found(true) <= number {
            pause();
        }
        pause();
        let began = self.clock.now();
        fill(&mut self.message, number, began);
        connection.send(&self.message)?;
        note(outcome, began, self.clock.now());
        Ok(())
    }

    fn receive<M: Mechanism>(
        &mut self,
        connection: &mut Connection<M>,
        lines: &Lines,
        number: u64,
        outcome: &mut SideOutcome,
    ) -> Result<(), Broken> {
        let size = self.message.len();
        let began = self.clock.now();
        lines.leave(false, number + 1);
        let len = connection.recv(&mut self.message)?;
        let ended = self.clock.now();
        let stamp = check(&self.message[..len], size, number)?;
        if stamp != 0 {
            self.samples.record(self.clock.ns(ended.saturating_sub(stamp)));
        }
        note(outcome, began, ended);
        outcome.verified += 1;
        Ok(())
    }
}

/// Notes the times of a call, where there is memory for them.
fn note(outcome: &mut SideOutcome, began: u64, ended: u64) {
    if outcome.calls.len() < outcome.calls.capacity() {
        outcome.calls.push((began, ended));
    }
}
