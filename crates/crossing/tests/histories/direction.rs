//! The steps of a history, in one direction of a connection.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::thread;

use crossing::{Ready, Receiver, RecvError, SendError, Sender, WaitStrategy};
use rustix::event::{PollFd, PollFlags, poll};

use crate::forms::{FLUSHES, GATHERS, PUBLISHES, RECEIVES, SENDS, Slot, one_of};
use crate::model::{Lie, Model};
use crate::process::dice::Dice;
use crate::process::message;

/// What a history did, and which forms have succeeded at all.
#[derive(Default)]
pub(crate) struct Trail {
    steps: Vec<String>,
    pub(crate) succeeded: BTreeSet<&'static str>,
}

impl Trail {
    fn note<T, E: Display>(&mut self, form: &'static str, len: usize, outcome: &Result<T, E>) {
        let said = outcome.as_ref().err().map_or("ok".to_owned(), E::to_string);
        self.steps.push(format!("{form} of {len} bytes: {said}"));
        if outcome.is_ok() {
            self.succeeded.insert(form);
        }
    }

    /// The last steps.
    pub(crate) fn shown(&self) -> String {
        self.steps[self.steps.len().saturating_sub(25)..].join("\n")
    }
}

/// One direction of a connection, and the model of it.
pub(crate) struct Direction {
    sender: Sender,
    receiver: Slot,
    pub(crate) model: Model,
}

impl Direction {
    pub(crate) fn new(sender: Sender, receiver: Receiver) -> Direction {
        let model = Model::new(sender.kind(), sender.capacity_bytes().unwrap_or(32 << 10));
        Direction { sender, receiver: Slot(Some(receiver)), model }
    }

    pub(crate) fn step(&mut self, dice: &mut Dice, trail: &mut Trail) -> Result<(), String> {
        match dice.roll(120) {
            0..36 => self.send(dice, trail)?,
            36..48 => self.gather(dice, trail)?,
            48..56 => self.flush(dice, trail)?,
            56..62 => self.send_nothing(dice)?,
            62..68 => self.look()?,
            68..74 => self.receive_too_little()?,
            // The kernel may need a timer for it.
            74 => self.fill(trail)?,
            75..78 => {
                let wait = dice.pick(&[WaitStrategy::Spin, WaitStrategy::HYBRID, WaitStrategy::Block]);
                self.sender.set_wait(wait);
                self.receiver.half().set_wait(wait);
            }
            _ => self.receive(dice, trail)?,
        }
        if !self.sender.has_in_line() {
            self.model.all_are_published();
        }
        Ok(())
    }

    fn send(&mut self, dice: &mut Dice, trail: &mut Trail) -> Result<(), String> {
        let len = length(&self.sender, dice);
        let (name, _, form) = one_of(dice, &SENDS, self.model.has_room(len));
        let outcome = form(&mut self.sender, message(self.model.next, len));
        trail.note(name, len, &outcome);
        match outcome {
            Ok(()) => {
                self.model.taken(len);
                self.model.all_are_published();
            }
            Err(SendError::Unfinished) => self.model.taken(len),
            Err(SendError::Full | SendError::Timeout) => {}
            Err(error) => return Err(format!("{name} of {len} bytes: {error}")),
        }
        Ok(())
    }

    /// Some messages in a cork, which is flushed or dropped.
    fn gather(&mut self, dice: &mut Dice, trail: &mut Trail) -> Result<(), String> {
        let lengths: Vec<usize> = (0..dice.roll(8)).map(|_| length(&self.sender, dice)).collect();
        let mut cork = self.sender.cork();
        for len in lengths {
            let (name, _, form) = one_of(dice, &GATHERS, self.model.has_room(len));
            let outcome = form(&mut cork, message(self.model.next, len));
            trail.note(name, len, &outcome);
            match outcome {
                Ok(()) | Err(SendError::Unfinished) => self.model.taken(len),
                Err(SendError::Full | SendError::Timeout) => {}
                Err(error) => return Err(format!("{name} of {len} bytes in a cork: {error}")),
            }
        }
        if dice.roll(2) == 0 {
            let (name, _, form) = one_of(dice, &PUBLISHES, self.model.has_room(0));
            let outcome = form(&mut cork);
            trail.note(name, 0, &outcome);
            is_published(name, outcome)?;
        }
        Ok(())
    }

    fn flush(&mut self, dice: &mut Dice, trail: &mut Trail) -> Result<(), String> {
        let (name, _, form) = one_of(dice, &FLUSHES, self.model.has_room(0));
        let outcome = form(&mut self.sender);
        trail.note(name, 0, &outcome);
        if is_published(name, outcome)? && self.sender.has_in_line() {
            return Err(format!("{name} has left something in line"));
        }
        Ok(())
    }

    /// A claim that is given up, and a message longer than may be.
    fn send_nothing(&mut self, dice: &mut Dice) -> Result<(), String> {
        let len = length(&self.sender, dice);
        match self.sender.try_claim(len) {
            Ok(mut claim) => claim.fill(0xa5),
            Err(SendError::Full) => {}
            Err(error) => return Err(format!("a claim of {len} bytes: {error}")),
        }
        let max = self.sender.max_message();
        match self.sender.send(&vec![0; max + 1]) {
            Err(error) if error.is_too_long() => Ok(()),
            outcome => Err(format!("a message of {max} bytes and one: {outcome:?}")),
        }
    }

    /// What is pending was sent.
    fn look(&mut self) -> Result<(), String> {
        let Model { queue, .. } = &self.model;
        let pending = self.receiver.half().pending().map_err(|error| format!("pending: {error}"))?;
        let least: usize = queue.iter().take(pending.messages).map(|(_, len)| len).sum();
        if pending.messages > queue.len() || pending.bytes < least {
            return Err(format!("{pending:?}, and there are {}: {least} bytes", queue.len()));
        }
        Ok(())
    }

    /// A buffer that is too short keeps the message.
    fn receive_too_little(&mut self) -> Result<(), String> {
        let Some(&(number, len @ 1..)) = self.model.queue.front() else { return Ok(()) };
        if self.model.sure == 0 {
            return Ok(());
        }
        match self.receiver.half().recv(&mut vec![0; len - 1]) {
            Err(RecvError::TooLong { len: said, room }) if (said, room) == (len, len - 1) => Ok(()),
            outcome => Err(format!("message {number} of {len} bytes into {}: {outcome:?}", len - 1)),
        }
    }

    fn receive(&mut self, dice: &mut Dice, trail: &mut Trail) -> Result<(), String> {
        let is_sure = self.model.sure > 0;
        let (name, _, form) = one_of(dice, &RECEIVES, is_sure);
        loop {
            let outcome = form(&mut self.receiver);
            trail.note(name, outcome.as_ref().map_or(0, |taken| taken.len.unwrap_or(0)), &outcome);
            match outcome {
                Ok(taken) => return self.model.judge(&taken).map_err(|why| format!("{name}: {why}")),
                // The kernel brings it; a long one in several parts.
                Err(RecvError::Empty | RecvError::Timeout) if is_sure => thread::yield_now(),
                Err(RecvError::Empty | RecvError::Timeout) => return Ok(()),
                Err(error) => return Err(format!("{name}: {error}")),
            }
        }
    }

    /// Receives one message if it is there. Whether it was.
    fn receive_one(&mut self) -> Result<bool, String> {
        match self.receiver.grown(Receiver::try_recv_vec) {
            Ok(taken) => self.model.judge(&taken).map(|()| true),
            Err(RecvError::Empty) => {
                thread::yield_now();
                Ok(false)
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Fills the channel, empties it, and waits for room by the descriptor.
    fn fill(&mut self, trail: &mut Trail) -> Result<(), String> {
        let len = self.sender.max_message();
        loop {
            let outcome = self.sender.try_send(message(self.model.next, len));
            match outcome {
                Ok(()) => {
                    self.model.taken(len);
                    self.model.all_are_published();
                }
                Err(SendError::Unfinished) => break self.model.taken(len),
                Err(SendError::Full) => break,
                Err(error) => return Err(format!("until it is full: {error}")),
            }
        }
        let ready = self.sender.arm(len);
        // The last one may have come in part, and makes no room before that is taken.
        while self.receive_one()? || self.model.sure > 0 {}
        if ready == Ready::Wait {
            poll(&mut [PollFd::new(&self.sender, PollFlags::OUT)], None).expect("it can be polled");
        }
        self.publish()?;
        trail.note("Sender::arm", len, &Ok::<(), SendError>(()));
        Ok(())
    }

    /// Publishes what is in line, and makes room for it.
    fn publish(&mut self) -> Result<(), String> {
        while !is_published("try_flush", self.sender.try_flush())? {
            self.receive_one()?;
        }
        self.model.all_are_published();
        Ok(())
    }

    /// Everything comes, and then the end.
    pub(crate) fn finish(mut self, lie: Option<Lie>) -> Result<(), String> {
        self.publish()?;
        // The last word needs room, too.
        while !self.model.queue.is_empty() && !self.model.has_room(0) {
            self.receive_one()?;
        }
        if let Some(lie) = lie {
            self.model.tell(lie);
        }
        drop(self.sender);
        loop {
            match self.receiver.grown(Receiver::recv_vec) {
                Ok(taken) => self.model.judge(&taken)?,
                Err(RecvError::Disconnected) => break,
                Err(error) => return Err(format!("before the end: {error}")),
            }
        }
        match self.model.queue.len() {
            0 => Ok(()),
            lost => Err(format!("{lost} messages never came")),
        }
    }
}

/// Whether everything was published; otherwise it waits for room.
fn is_published(name: &str, outcome: Result<(), SendError>) -> Result<bool, String> {
    match outcome {
        Ok(()) => Ok(true),
        Err(SendError::Full | SendError::Timeout | SendError::Unfinished) => Ok(false),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

/// The length of the next message: mostly short, sometimes as long as they come.
fn length(sender: &Sender, dice: &mut Dice) -> usize {
    let max = sender.max_message() as u64;
    let most = dice.pick(&[8, 100, 1000, 5000, max]).min(max);
    dice.roll(most + 1) as usize
}
