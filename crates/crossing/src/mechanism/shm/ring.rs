//! The ring: messages of any length through memory that one side writes and the other may only read.
//!
//! Each side owns one region. It holds what that side writes: the bytes it sends, its `tail` (how far it has
//! written), its `head` for the *other* ring (how far it has read there), and two flags that say whether it
//! sleeps. Nobody ever writes a word that somebody else writes, so there is nothing to lock and nothing to
//! repair after a kill.
//!
//! ```text
//!   my region (I write, you read)          your region (you write, I read)
//!   tail ───────────┐                      head  ◄── what you have taken of mine
//!   bytes           │  one message after the other, each a header word and its bytes, padded to 8
//!   ┌───────┬───────▼──────┬───────────┐
//!   │ taken │ not yet read │   free    │   free = capacity − (tail − head)
//!   └───────┴──────────────┴───────────┘
//! ```
//!
//! **Indices** count bytes, never wrap to the capacity, and overflow at 2⁶⁴; the place in the ring is `index & (capacity − 1)`.
//! They start a little below the overflow, so that everybody's ring wraps within its first mebibyte.
//!
//! **Publication** is one release store of `tail`, paired with one acquire load of it at the reader: a kill at any
//! instruction leaves a message published or not published. The reader publishes `head` rarely (a quarter of
//! the ring at a time), because each publication takes the line away from the writer. No flush is needed for
//! that: a message is at most half the ring, so a writer that finds no room sees more than half of it used,
//! of which less than a quarter can be read but unpublished; the reader still has something to read, and
//! publishes as it goes.
//!
//! **A long message** is published in parts of [`Memory::PART`] bytes while it is being written, so that its reader copies
//! one part while the writer fills the next. It counts as published with its last part: until then it is not there, and
//! a receiver whose patience ends, or whose peer dies, has taken nothing of it. A writer that shares its only core with
//! the reader publishes it whole.
//!
//! **A stream leaves the reader's cache**, on processors where a writer pays dearly for lines that another core holds
//! ([`Memory::let_go`]): when the looks have found much at a time, the reader puts out what it has read before it tells the
//! writer. A lone message is left alone.
//!
//! **What the peer says is a claim.** Its index is loaded once per look, checked against what is possible (not
//! backwards, not beyond the capacity, a multiple of 8), and kept in private memory. A length is read once,
//! checked against what was published and against the largest message, and the bytes are copied out before
//! anyone parses them. A claim that cannot be true ends the connection with a [`Violation`].
//!
//! **Sleeping.** The one that finds nothing raises its flag, passes the heavy half of an asymmetric barrier, looks again,
//! and sleeps on the peer's index. The one that publishes passes the light half and looks at the flag. One of
//! the two must see the other. The flag is the index that the sleeper has seen, made odd; awake it is zero.
//! So the publisher can tell whether its publication ends this very sleep: a flag may have gone up after the
//! message was taken, and a wake-up that comes then ends nothing. And one sleep is ended by one system call,
//! however many messages follow before the sleeper runs.

use std::hint::spin_loop;

use crate::error::{RecvError, SendError, Violation};
use crate::wait::{Patience, Polled};

use super::memory::{Memory, Status, Word};
use super::rules;

/// Where both indices start: a mebibyte below the overflow.
pub(crate) const START: u64 = 0_u64.wrapping_sub(1 << 20);

/// The grain of the ring in bytes: the header word, and what messages are padded to.
pub(crate) const GRAIN: u64 = 8;

/// How many looks in a row must have found something (almost) at once before the reader holds back.
const EAGER_LOOKS: u32 = 4;

/// How many empty looks before it still count as at once. A writer and a reader in lockstep take a line from
/// each other for every message, and half of the looks come too early.
const EMPTY_LOOKS: u32 = 2;

/// How long it then holds back, in `pause` instructions: about one journey of a cache line between distant
/// cores. The writer gets ahead, and one journey then brings many messages.
const HOLD_BACK: u32 = 16;

/// So many bytes found by a look, on average, are a stream: the lines of what was read are let go, before the writer is told
/// that it may have them.
const STREAMED: u64 = 256;

/// The flag of one that is awake.
const AWAKE: u64 = 0;

/// What makes an index a flag: indices are multiples of 8, so their lowest bit is free.
const ASLEEP: u64 = 1;

/// Whether publishing the index `published` ends the sleep that `flag` tells of, if `woken` is the last one
/// ended.
#[inline]
fn ends_sleep(flag: u64, published: u64, woken: u64) -> bool {
    flag & ASLEEP == ASLEEP && flag != published | ASLEEP && flag != woken
}

/// What a message of `len` bytes takes in the ring.
pub(crate) const fn frame(len: usize) -> u64 {
    GRAIN + (len as u64).next_multiple_of(GRAIN)
}

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
    /// Messages longer than this many bytes are published in parts of so many.
    part: usize,
}

impl<M: Memory> Producer<M> {
    /// The end that writes the ring in `memory`, whose indices stand at `start`.
    pub(crate) fn new(memory: M, capacity: u64, start: u64) -> Self {
        let part = if rules::PARTS { M::PART } else { usize::MAX };
        Producer { memory, capacity, tail: start, in_line: 0, head: start, woken: 0, part }
    }

    /// The same, for one that shares its only core with the reader, which can read nothing while this end writes.
    pub(crate) fn publishing_whole(self) -> Self {
        Producer { part: usize::MAX, ..self }
    }

    /// Where a message of `len` bytes may be written: its place in the ring, behind its header.
    #[inline]
    pub(crate) fn claim(&mut self, len: usize) -> Result<u64, SendError> {
        self.find_room(frame(len))?;
        Ok(self.tail.wrapping_add(GRAIN))
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

    /// Puts the message whose place was claimed in line. It goes with the next [`Producer::publish`].
    pub(crate) fn commit(&mut self, len: usize) {
        self.memory.write_word(self.tail, len as u64);
        self.put_in_line(frame(len));
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
            self.memory.write(self.tail.wrapping_add(GRAIN), message);
            self.tail = self.tail.wrapping_add(bytes);
            self.show();
        }
        room
    }

    /// Copies a message into the ring and puts it in line.
    pub(crate) fn stage(&mut self, message: &[u8]) -> Result<(), SendError> {
        let place = self.claim(message.len())?;
        if message.len() > self.part {
            self.stage_in_parts(message);
        } else {
            self.memory.write_word(self.tail, message.len() as u64);
            self.memory.write(place, message);
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
            self.memory.wake(Word::Tail);
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
            // Some room, but not enough: that is another sleep, under another flag.
            if outcome.is_none() && self.head == seen {
                self.memory.sleep(Word::Head, seen, status, patience);
                // As in `Consumer::wait`.
                self.look()?;
                outcome = self.room_or_end(bytes);
            }
            self.memory.store(Word::SenderAsleep, AWAKE);
            patience.slept();
            if let Some(outcome) = outcome {
                return outcome;
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
        let possible = unread <= published.wrapping_sub(self.head) && claim.is_multiple_of(GRAIN);
        if rules::CLAIMS && !possible {
            return Err(Violation::Head { claimed: claim, last: self.head });
        }
        self.head = claim;
        Ok(())
    }

    /// The memory, for those who end the connection.
    pub(crate) fn memory(&self) -> &M {
        &self.memory
    }

    /// The memory, for those who fill a claimed place themselves.
    pub(crate) fn memory_mut(&mut self) -> &mut M {
        &mut self.memory
    }
}

/// How long a message is, and what it takes in the ring.
#[derive(Debug, Clone, Copy)]
struct Frame {
    len: usize,
    bytes: u64,
}

impl Frame {
    #[inline]
    fn of(len: usize) -> Frame {
        Frame { len, bytes: frame(len) }
    }
}

/// The reading end.
#[derive(Debug)]
pub(crate) struct Consumer<M> {
    memory: M,
    /// Of the peer's ring, in bytes; a power of two.
    capacity: u64,
    /// The longest message that the peer may send.
    max_message: usize,
    /// Up to here messages are taken.
    head: u64,
    /// Up to here the writer knows it.
    published: u64,
    /// Up to here the writer had published when I last looked. `tail − head ≤ capacity`.
    tail: u64,
    /// What stands at `head`, once it was read: a header is read once.
    header: Option<u64>,
    /// The message before it. Most messages are as long as the one before: see [`Consumer::recv_at_once`].
    last: Frame,
    /// Looks in a row that found something (almost) at once, with nothing sent in between.
    eager: u32,
    /// Looks in a row that found nothing.
    empty: u32,
    /// Looks that found something since the writer was told.
    found: u32,
    /// The sleep (by its flag) that I have already ended.
    woken: u64,
}

impl<M: Memory> Consumer<M> {
    /// The end that reads the ring in `memory`, whose indices stand at `start`.
    pub(crate) fn new(memory: M, capacity: u64, max_message: usize, start: u64) -> Self {
        Consumer {
            memory,
            capacity,
            max_message,
            head: start,
            published: start,
            tail: start,
            header: None,
            last: Frame::of(0),
            eager: 0,
            empty: 0,
            found: 0,
            woken: 0,
        }
    }

    /// Takes the next message if all of it was published before my last look.
    ///
    /// Where the message after it begins depends on its length, which stands in a cache line that is still on
    /// its way; so messages would come one journey after the other. A length that is the same as the last one
    /// is therefore taken from the last one: the processor predicts the comparison, and fetches the following
    /// messages meanwhile.
    #[inline(always)]
    pub(crate) fn recv_at_once(&mut self, buffer: &mut [u8]) -> Option<usize> {
        if self.tail == self.head || self.header.is_some() {
            return None;
        }
        let header = self.memory.read_word(self.head);
        if header == self.last.len as u64 {
            return self.take_whole(header, self.last, buffer);
        }
        // A length that cannot be true is what `next` tells of.
        self.take_whole(header, Frame::of(header.min(self.max_message as u64) as usize), buffer)
    }

    /// Takes the next message, whose header was read, if all of it is there.
    #[inline(always)]
    fn take_whole(&mut self, header: u64, frame: Frame, buffer: &mut [u8]) -> Option<usize> {
        match buffer.get_mut(..frame.len) {
            Some(buffer) if header == frame.len as u64 && self.is_whole(frame) => {
                self.last = frame;
                self.memory.read(self.head.wrapping_add(GRAIN), buffer);
                self.leave(frame);
                Some(frame.len)
            }
            _ => {
                self.header = Some(header);
                None
            }
        }
    }

    /// Takes the next message, if there is one: copies it into `buffer` and returns its length. One who would
    /// wait anyway may be held back for a moment.
    ///
    /// Of a message that is still being written, what is there is copied for one who would wait, and `part` says how many bytes
    /// that were. Who comes again with the same buffer hands `part` back; who begins anew hands in 0.
    #[inline(always)]
    pub(crate) fn try_recv(
        &mut self,
        buffer: &mut [u8],
        part: &mut usize,
        would_wait: bool,
    ) -> Result<usize, RecvError> {
        if let Some(len) = self.recv_at_once(buffer) {
            return Ok(len);
        }
        self.take(would_wait, |ring| ring.take_next(buffer, part, would_wait))
    }

    /// Where the next message stands, once all of it is there: its place and its length. It comes again until it is
    /// [left](Consumer::leave_found).
    pub(crate) fn try_find(&mut self, would_wait: bool) -> Result<(u64, usize), RecvError> {
        self.take(would_wait, |ring| {
            let frame = ring.next()?.filter(|&frame| ring.is_whole(frame));
            Ok(frame.map(|frame| (ring.head.wrapping_add(GRAIN), frame.len)))
        })
    }

    /// Goes on to the message behind the one that was found. Its lines are not let go: who reads in place may have touched
    /// none of them.
    pub(crate) fn leave_found(&mut self) {
        self.header = None;
        if self.pass(self.last) {
            self.publish();
        }
    }

    /// What `next` takes, once more if the peer has come to its end.
    #[inline(always)]
    fn take<T>(
        &mut self,
        would_wait: bool,
        mut next: impl FnMut(&mut Self) -> Result<Option<T>, RecvError>,
    ) -> Result<T, RecvError> {
        if self.head == self.tail && would_wait && self.eager >= EAGER_LOOKS {
            (0..HOLD_BACK).for_each(|_| spin_loop());
        }
        if let Some(taken) = next(self)? {
            return Ok(taken);
        }
        if !self.memory.status().ends_receiving() {
            return Err(RecvError::Empty);
        }
        // All that the peer published before its end can be seen now: look once more.
        next(self)?.ok_or(RecvError::Disconnected)
    }

    /// Waits until [`Consumer::try_recv`] or [`Consumer::try_find`] has something to say.
    pub(crate) fn wait(&mut self, patience: &mut Patience) -> Result<(), RecvError> {
        loop {
            match patience.poll(|| self.glance()) {
                Polled::Found(outcome) => return Ok(outcome?),
                Polled::TimedOut => return Err(RecvError::timeout(patience)),
                Polled::Sleep => {}
            }
            // Nothing but a message changes it, so it is still what was seen when there is no message.
            self.memory.store(Word::ReceiverAsleep, self.tail | ASLEEP);
            self.memory.heavy_fence();
            let status = self.memory.status();
            let mut outcome = self.glance();
            if outcome.is_none() {
                self.memory.sleep(Word::Tail, self.tail, status, patience);
                // Most sleeps end with what they waited for: then there is no next one to prepare.
                outcome = self.glance();
            }
            self.memory.store(Word::ReceiverAsleep, AWAKE);
            patience.slept();
            if let Some(outcome) = outcome {
                return Ok(outcome?);
            }
        }
    }

    /// Looks while there is nothing to read: `Some` when something has arrived or nothing more will.
    #[inline(always)]
    fn glance(&mut self) -> Option<Result<(), Violation>> {
        // The message will be written before `tail` is: its line may as well travel at the same time.
        self.memory.expect(self.head);
        // Pairs with the store in `Producer::publish`: the frames before it are complete.
        let claim = self.memory.load(Word::Tail);
        if claim != self.tail {
            return Some(self.accept(claim));
        }
        self.empty = self.empty.saturating_add(1);
        self.memory.status().ends_receiving().then_some(Ok(()))
    }

    /// The next message, if any of it has been published.
    fn next(&mut self) -> Result<Option<Frame>, Violation> {
        let looked = self.head == self.tail;
        if looked && !self.look()? {
            return Ok(None);
        }
        let header = self.header.take().unwrap_or_else(|| self.memory.read_word(self.head));
        // A header is a length below 2³²; anything above is no length at all.
        let frame = Frame::of(usize::try_from(header).unwrap_or(usize::MAX).min(self.max_message + 1));
        let fits = frame.len <= self.max_message;
        if fits && !looked && !self.is_whole(frame) {
            self.look()?;
        }
        let possible = fits && (self.is_whole(frame) || self.is_in_parts(frame));
        if rules::CLAIMS && !possible {
            return Err(Violation::Length { claimed: header, limit: self.max_message });
        }
        self.last = frame;
        self.header = Some(header);
        Ok(Some(frame))
    }

    fn is_whole(&self, frame: Frame) -> bool {
        frame.bytes <= self.tail.wrapping_sub(self.head)
    }

    /// Whether what is there of the next message, if it is not whole, is what its writer publishes on the way.
    fn is_in_parts(&self, frame: Frame) -> bool {
        let there = self.tail.wrapping_sub(self.head) - GRAIN;
        let part = M::PART as u64;
        frame.len > M::PART && there >= part && there.is_multiple_of(part)
    }

    /// Takes the next message if all of it is there; else as much as is, for one who would wait for the rest.
    fn take_next(
        &mut self,
        buffer: &mut [u8],
        part: &mut usize,
        would_wait: bool,
    ) -> Result<Option<usize>, RecvError> {
        let Some(frame) = self.next()? else { return Ok(None) };
        let (len, room) = (frame.len, buffer.len());
        let Some(buffer) = buffer.get_mut(..len) else { return Err(RecvError::TooLong { len, room }) };
        let whole = self.is_whole(frame);
        if !whole && !would_wait {
            return Ok(None);
        }
        let upto = if whole { len } else { (self.tail.wrapping_sub(self.head) - GRAIN) as usize };
        let at = self.head.wrapping_add(GRAIN + *part as u64);
        self.memory.read(at, &mut buffer[*part..upto]);
        *part = upto;
        Ok(whole.then(|| {
            self.header = None;
            self.leave(frame);
            len
        }))
    }

    /// Goes on to the message behind this one, which was copied out.
    #[inline(always)]
    fn leave(&mut self, frame: Frame) {
        if self.pass(frame) {
            self.let_go();
            self.publish();
        }
    }

    /// Steps over a message. Whether it is time to tell the writer.
    #[inline(always)]
    fn pass(&mut self, frame: Frame) -> bool {
        self.head = self.head.wrapping_add(frame.bytes);
        self.head.wrapping_sub(self.published) >= self.capacity / 4
    }

    /// Takes note of how far the writer has come. Whether that is farther than before.
    #[inline(never)]
    fn look(&mut self) -> Result<bool, Violation> {
        // As in `glance`.
        let claim = self.memory.load(Word::Tail);
        if claim != self.tail {
            return self.accept(claim).map(|()| true);
        }
        self.empty = self.empty.saturating_add(1);
        if self.empty > EMPTY_LOOKS {
            self.eager = 0;
        }
        Ok(false)
    }

    /// Believes that the writer has come to `claim`, if that is possible.
    #[inline]
    fn accept(&mut self, claim: u64) -> Result<(), Violation> {
        let unread = claim.wrapping_sub(self.head);
        let known = self.tail.wrapping_sub(self.head);
        let possible = (known..=self.capacity).contains(&unread) && claim.is_multiple_of(GRAIN);
        if rules::CLAIMS && !possible {
            return Err(Violation::Tail { claimed: claim, last: self.tail });
        }
        self.tail = claim;
        self.found += 1;
        // Who has just sent may be waiting for the answer: that is no stream, and must not be held back.
        let streaming = self.empty <= EMPTY_LOOKS && !self.memory.take_sent();
        self.eager = if streaming { (self.eager + 1).min(EAGER_LOOKS) } else { 0 };
        self.empty = 0;
        Ok(())
    }

    /// Lets go of the lines that the writer will be told of, if they are a stream.
    #[cold]
    fn let_go(&mut self) {
        let taken = self.head.wrapping_sub(self.published);
        if taken >= STREAMED * u64::from(self.found) {
            self.memory.let_go(self.published, self.head);
        }
    }

    /// Gives the bytes before `head` back to the writer, and wakes it if it sleeps.
    #[cold]
    fn publish(&mut self) {
        self.found = 0;
        // Pairs with the load in `Producer::look`: the bytes have been copied out.
        self.memory.store(Word::Head, self.head);
        self.published = self.head;
        self.memory.light_fence();
        let flag = self.memory.load(Word::SenderAsleep);
        if ends_sleep(flag, self.published, self.woken) {
            self.woken = flag;
            self.memory.wake(Word::Head);
        }
    }

    /// The memory, for those who end the connection.
    pub(crate) fn memory(&self) -> &M {
        &self.memory
    }
}

impl Status {
    #[inline]
    pub(super) fn ends_sending(self) -> bool {
        rules::DEATH && self.intersects(Status::GONE | Status::RECEIVER_CLOSED)
    }

    #[inline]
    pub(super) fn ends_receiving(self) -> bool {
        rules::DEATH && self.intersects(Status::GONE | Status::SENDER_CLOSED)
    }
}
