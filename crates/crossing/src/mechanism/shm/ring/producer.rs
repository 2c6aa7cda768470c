//! The writing end of a ring: room, messages into it, and their publication.

use std::hint::spin_loop;

use super::super::memory::{Memory, Word};
use super::super::rules;
use super::{ARMED, ASLEEP, AWAKE, GRAIN, ends_sleep, frame, rouse};
use crate::error::{SendError, Violation};
use crate::ready::Ready;
use crate::wait::{Patience, Polled};

/// The writing end.
#[derive(Debug)]
pub(crate) struct Producer<M> {
    memory: M,
    /// Of my ring, in bytes; a power of two.
    capacity: u64,
    /// Up to here messages are staged.
    tail: u64,
    /// How many bytes before it are not yet published. A send at once leaves it alone.
    in_line: u64,
    /// Up to here the reader had taken them when I last looked. `tail − head ≤ capacity`.
    head: u64,
    /// The sleep (by its flag) that I have already ended.
    woken: u64,
    /// Messages longer than this are published in parts of this many bytes.
    part: usize,
}

impl<M: Memory> Producer<M> {
    /// The end that writes the ring in `memory`, whose indices stand at `start`.
    pub(crate) fn new(memory: M, capacity: u64, start: u64) -> Self {
        let part = if rules::PARTS { M::PART } else { usize::MAX };
        Producer { memory, capacity, tail: start, in_line: 0, head: start, woken: 0, part }
    }

    /// The same, for an end that shares its only core with the reader, which can read nothing while
    /// this end writes.
    pub(crate) fn publishing_whole(self) -> Self {
        Producer { part: usize::MAX, ..self }
    }

    /// Sees to it that a message of `len` bytes may be written at its [place](Producer::place).
    #[inline]
    pub(crate) fn claim(&mut self, len: usize) -> Result<(), SendError> {
        self.find_room(frame(len))
    }

    /// The same, if that needs no look at the reader.
    #[inline(always)]
    pub(crate) fn claim_at_once(&mut self, len: usize) -> bool {
        self.free() >= frame(len) && !self.memory.status().ends_sending()
    }

    /// Where the next message may be written, behind its header.
    #[inline(always)]
    pub(crate) fn place(&self) -> u64 {
        self.tail.wrapping_add(GRAIN)
    }

    /// Looks at the reader if need be.
    #[inline]
    fn find_room(&mut self, bytes: u64) -> Result<(), SendError> {
        if self.memory.status().ends_sending() {
            return Err(SendError::Disconnected);
        }
        if self.free() < bytes {
            self.look()?;
            if self.free() < bytes {
                return Err(SendError::Full);
            }
        }
        Ok(())
    }

    /// Copies a message into the [place](Producer::place) that was claimed for it.
    #[inline(always)]
    pub(crate) fn write_claimed(&self, message: &[u8]) {
        self.memory.write(self.place(), message);
    }

    /// Publishes the message of `len` bytes that was claimed and written in its [place](Producer::place). As with
    /// [`Producer::send_at_once`], every store counts.
    #[inline(always)]
    pub(crate) fn commit(&mut self, len: usize) {
        self.memory.write_word(self.tail, len as u64);
        self.tail = self.tail.wrapping_add(frame(len));
        self.show();
    }

    /// Copies a message into the ring and publishes it, if that needs no look at the reader.
    ///
    /// Every store counts here, to private memory too: stores leave the processor in order, so behind those that wait
    /// for lines of the ring, and the fewer a message makes, the more messages wait side by side.
    #[inline(always)]
    pub(crate) fn send_at_once(&mut self, message: &[u8]) -> bool {
        let bytes = frame(message.len());
        let room = message.len() <= self.part && self.free() >= bytes && !self.memory.status().ends_sending();
        if room {
            // In the order of the addresses: each line is wanted once.
            self.memory.write_word(self.tail, message.len() as u64);
            self.memory.write(self.place(), message);
            self.tail = self.tail.wrapping_add(bytes);
            self.show();
        }
        room
    }

    /// Copies a message into the ring and puts it in line.
    pub(crate) fn stage(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.claim(message.len())?;
        if message.len() > self.part {
            self.stage_in_parts(message);
        } else {
            self.memory.write_word(self.tail, message.len() as u64);
            self.memory.write(self.place(), message);
            self.put_in_line(frame(message.len()));
        }
        Ok(())
    }

    /// Copies messages into the ring that stand together as they do there, each a header and its padded bytes, and puts
    /// them in line.
    pub(crate) fn stage_frames(&mut self, frames: &[u8]) -> Result<(), SendError> {
        let bytes = frames.len() as u64;
        self.find_room(bytes)?;
        self.memory.write(self.tail, frames);
        self.put_in_line(bytes);
        Ok(())
    }

    /// Puts a message, whose place was claimed, in line part by part, and publishes each when the next one follows.
    fn stage_in_parts(&mut self, message: &[u8]) {
        self.memory.write_word(self.tail, message.len() as u64);
        self.put_in_line(GRAIN);
        let (first, rest) = message.split_at(self.part);
        self.stage_part(first);
        for part in rest.chunks(self.part) {
            self.show();
            self.stage_part(part);
        }
    }

    fn stage_part(&mut self, part: &[u8]) {
        self.memory.write(self.tail, part);
        self.put_in_line(frame(part.len()) - GRAIN);
    }

    fn put_in_line(&mut self, bytes: u64) {
        self.tail = self.tail.wrapping_add(bytes);
        self.in_line += bytes;
    }

    /// Shows the reader everything in line, and wakes it if it sleeps.
    #[inline(always)]
    pub(crate) fn publish(&mut self) {
        if self.in_line > 0 {
            self.show();
        }
    }

    #[inline(always)]
    fn show(&mut self) {
        // Publishes the frames; pairs with the load in `Consumer::look`.
        self.memory.store(Word::Tail, self.tail);
        if self.in_line > 0 {
            self.in_line = 0;
        }
        self.memory.mark_sent();
        if !rules::SLEEPERS {
            return;
        }
        self.memory.light_fence();
        let flag = self.memory.load(Word::ReceiverAsleep);
        if ends_sleep(flag, self.tail, self.woken) {
            self.woken = flag;
            rouse(&self.memory, flag, Word::Tail);
        }
    }

    /// Waits until `bytes` of the ring are free. What is in line is published first.
    #[cold]
    pub(crate) fn wait_room(&mut self, bytes: u64, patience: &mut Patience) -> Result<(), SendError> {
        self.publish();
        // A reader that is at work gives room back within microseconds.
        if let Some(outcome) = patience.poll_briefly(|| self.look_for_room(bytes)) {
            return outcome?;
        }
        loop {
            match patience.poll(|| self.look_for_room(bytes)) {
                Polled::Found(outcome) => return outcome?,
                Polled::TimedOut => return Err(SendError::timeout(patience)),
                Polled::Sleep => {}
            }
            let seen = self.head;
            self.memory.store(Word::SenderAsleep, seen | ASLEEP);
            self.memory.heavy_fence();
            let status = self.memory.status();
            self.look()?;
            let mut outcome = self.room_or_end(bytes);
            let mut slept = Ok(());
            // Some room, but not enough: that is another sleep, under another flag.
            if outcome.is_none() && self.head == seen {
                slept = self.memory.sleep(Word::Head, seen, status, patience);
                // As in `Consumer::wait`.
                self.look()?;
                outcome = self.room_or_end(bytes);
            }
            self.memory.store(Word::SenderAsleep, AWAKE);
            patience.slept();
            if let Some(outcome) = outcome {
                return outcome;
            }
            slept.map_err(SendError::Io)?;
        }
    }

    /// Whether `bytes` of the ring are free, or never will be. If not, the reader rings this end's descriptor once it has made
    /// room.
    pub(crate) fn arm(&mut self, bytes: u64) -> Ready {
        self.publish();
        loop {
            if self.look_for_room(bytes).is_some() {
                return Ready::Now;
            }
            self.memory.hush(Word::Head);
            let seen = self.head;
            self.memory.store(Word::SenderAsleep, seen | ASLEEP | ARMED);
            self.memory.heavy_fence();
            let looks = self.memory.looks_after_barrier();
            let now = (0..=looks).any(|_| {
                spin_loop();
                self.look_for_room(bytes).is_some()
            });
            // Some room, but not enough: that is another flag, as in `wait_room`.
            if !now && self.head == seen {
                return Ready::Wait;
            }
            self.memory.store(Word::SenderAsleep, AWAKE);
            if now {
                return Ready::Now;
            }
        }
    }

    fn look_for_room(&mut self, bytes: u64) -> Option<Result<Result<(), SendError>, Violation>> {
        self.look().map_or_else(|violation| Some(Err(violation)), |()| self.room_or_end(bytes).map(Ok))
    }

    fn room_or_end(&self, bytes: u64) -> Option<Result<(), SendError>> {
        if self.memory.status().ends_sending() {
            return Some(Err(SendError::Disconnected));
        }
        (self.free() >= bytes).then_some(Ok(()))
    }

    #[inline]
    fn free(&self) -> u64 {
        self.capacity - self.tail.wrapping_sub(self.head)
    }

    /// Takes note of how far the reader has come.
    #[inline]
    fn look(&mut self) -> Result<(), Violation> {
        // Pairs with the store in `Consumer::publish`: the reader is done with the bytes before it.
        let claim = self.memory.load(Word::Head);
        let published = self.tail.wrapping_sub(self.in_line);
        let unread = published.wrapping_sub(claim);
        let possible = unread <= published.wrapping_sub(self.head) && claim % GRAIN == 0;
        if rules::CLAIMS && !possible {
            return Err(Violation::Head { claimed: claim, last: self.head });
        }
        self.head = claim;
        Ok(())
    }

    /// Of my ring, in bytes.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// The memory, to end the connection.
    pub(crate) fn memory(&self) -> &M {
        &self.memory
    }

    /// The memory, to fill a claimed place.
    pub(crate) fn memory_mut(&mut self) -> &mut M {
        &mut self.memory
    }
}
