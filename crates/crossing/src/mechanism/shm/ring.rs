//! The ring: messages of any length through memory that one side writes and the other may only read.
//!
//! Each side owns one region. It holds what that side writes: the bytes it sends, its `tail` (how far it has written),
//! its `head` for the *other* ring (how far it has read there), and two flags that say whether it sleeps. Nobody ever
//! writes a word that somebody else writes, so there is nothing to lock and nothing to repair after a kill.
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
//! instruction leaves a message published or not published. The reader publishes `head` rarely (a quarter of the ring at
//! a time), because each publication takes the line away from the writer. No flush is needed for that: a message is at
//! most half the ring, so a writer that finds no room sees more than half of it used, of which less than a quarter
//! can be read but unpublished; the reader still has something to read, and publishes as it goes.
//!
//! **What the peer says is a claim.** Its index is loaded once per look, checked against what is possible (not
//! backwards, not beyond the capacity, a multiple of 8), and kept in private memory. A length is read once, checked
//! against what was published and against the largest message, and the bytes are copied out before anyone parses them.
//! A claim that cannot be true ends the connection with a [`Violation`].
//!
//! **Sleeping.** The one that finds nothing raises its flag, passes the heavy half of an asymmetric barrier, looks again,
//! and sleeps on the peer's index. The one that publishes passes the light half and looks at the flag. One of the two
//! must see the other. The flag is a counter, odd while asleep, so that one sleep is woken by one system call however many
//! messages follow before the sleeper runs.

use std::hint::spin_loop;

use crate::error::{RecvError, SendError, Violation};
use crate::wait::{Patience, Polled};

use super::memory::{Memory, Status, Word};

/// Where both indices start: a mebibyte below the overflow.
pub(crate) const START: u64 = 0_u64.wrapping_sub(1 << 20);

/// The grain of the ring in bytes: the header word, and what messages are padded to.
pub(crate) const GRAIN: u64 = 8;

/// How many looks in a row must have found something at once before the reader holds back.
const EAGER_LOOKS: u32 = 4;

/// How long it then holds back, in `pause` instructions: about one journey of a cache line between distant cores. The
/// writer gets ahead, and one journey then brings many messages.
const HOLD_BACK: u32 = 16;

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
    /// Up to here they are published.
    published: u64,
    /// Up to here the reader had taken them when I last looked. `published − head ≤ capacity`.
    head: u64,
    /// The sleep (by its number) that I have already ended.
    woken: u64,
    /// How often I slept, doubled; odd while asleep.
    sleeps: u64,
}

impl<M: Memory> Producer<M> {
    /// The end that writes the ring in `memory`, whose indices stand at `start`.
    pub(crate) fn new(memory: M, capacity: u64, start: u64) -> Self {
        Producer { memory, capacity, tail: start, published: start, head: start, woken: 0, sleeps: 0 }
    }

    /// Where a message of `len` bytes may be written: its place in the ring, behind its header.
    #[inline]
    pub(crate) fn claim(&mut self, len: usize) -> Result<u64, SendError> {
        if self.memory.status().ends_sending() {
            return Err(SendError::Disconnected);
        }
        if self.free() < frame(len) {
            self.look()?;
            if self.free() < frame(len) {
                return Err(SendError::Full);
            }
        }
        Ok(self.tail.wrapping_add(GRAIN))
    }

    /// Puts the message whose place was claimed in line. It goes with the next [`Producer::publish`].
    #[inline]
    pub(crate) fn commit(&mut self, len: usize) {
        self.memory.write_word(self.tail, len as u64);
        self.tail = self.tail.wrapping_add(frame(len));
    }

    /// Copies a message into the ring and puts it in line.
    #[inline]
    pub(crate) fn stage(&mut self, message: &[u8]) -> Result<(), SendError> {
        let place = self.claim(message.len())?;
        self.memory.write(place, message);
        self.commit(message.len());
        Ok(())
    }

    /// Shows the reader everything in line, and wakes it if it sleeps.
    #[inline]
    pub(crate) fn publish(&mut self) {
        if self.published == self.tail {
            return;
        }
        // Publishes the frames; pairs with the load in `Consumer::look`.
        self.memory.store(Word::Tail, self.tail);
        self.published = self.tail;
        self.memory.light_fence();
        let flag = self.memory.load(Word::ReceiverAsleep);
        if flag & 1 == 1 && flag != self.woken {
            self.woken = flag;
            self.memory.wake(Word::Tail);
        }
    }

    /// Waits until there is room for a message of `len` bytes. What is in line is published first.
    #[cold]
    pub(crate) fn wait_room(&mut self, len: usize, patience: &Patience) -> Result<(), SendError> {
        self.publish();
        loop {
            let polled = patience.poll(|| {
                self.look().map_or_else(|violation| Some(Err(violation)), |()| self.room_or_end(len).map(Ok))
            });
            match polled {
                Polled::Found(outcome) => return outcome?,
                Polled::TimedOut => return Err(SendError::timeout(patience)),
                Polled::Sleep => {}
            }
            self.sleeps += 1;
            self.memory.store(Word::SenderAsleep, self.sleeps);
            self.memory.heavy_fence();
            let status = self.memory.status();
            self.look()?;
            let outcome = self.room_or_end(len);
            if outcome.is_none() {
                self.memory.sleep(Word::Head, self.head, status, patience);
            }
            self.sleeps += 1;
            self.memory.store(Word::SenderAsleep, self.sleeps);
            if let Some(outcome) = outcome {
                return outcome;
            }
        }
    }

    fn room_or_end(&self, len: usize) -> Option<Result<(), SendError>> {
        if self.memory.status().ends_sending() {
            return Some(Err(SendError::Disconnected));
        }
        (self.free() >= frame(len)).then_some(Ok(()))
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
        let unread = self.published.wrapping_sub(claim);
        if unread > self.published.wrapping_sub(self.head) || !claim.is_multiple_of(GRAIN) {
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
    /// The length of the message at `head`, once read: a header is read once.
    next: Option<usize>,
    /// Looks in a row that found something at once.
    eager: u32,
    /// The sleep (by its number) that I have already ended.
    woken: u64,
    /// How often I slept, doubled; odd while asleep.
    sleeps: u64,
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
            next: None,
            eager: 0,
            woken: 0,
            sleeps: 0,
        }
    }

    /// Takes the next message, if there is one: copies it into `buffer` and returns its length.
    #[inline]
    pub(crate) fn try_recv(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        if self.next()?.is_none() {
            if !self.memory.status().ends_receiving() {
                return Err(RecvError::Empty);
            }
            // All that the peer published before its end can be seen now: look once more.
            if self.next()?.is_none() {
                return Err(RecvError::Disconnected);
            }
        }
        self.take(buffer)
    }

    /// Waits until [`Consumer::try_recv`] has something to say.
    #[cold]
    pub(crate) fn wait(&mut self, patience: &Patience) -> Result<(), RecvError> {
        loop {
            let polled = patience.poll(|| self.arrived_or_end().transpose());
            match polled {
                Polled::Found(outcome) => return Ok(outcome?),
                Polled::TimedOut => return Err(RecvError::timeout(patience)),
                Polled::Sleep => {}
            }
            self.sleeps += 1;
            self.memory.store(Word::ReceiverAsleep, self.sleeps);
            self.memory.heavy_fence();
            let status = self.memory.status();
            let outcome = self.arrived_or_end();
            if matches!(outcome, Ok(None)) {
                self.memory.sleep(Word::Tail, self.tail, status, patience);
            }
            self.sleeps += 1;
            self.memory.store(Word::ReceiverAsleep, self.sleeps);
            if let Some(()) = outcome? {
                return Ok(());
            }
        }
    }

    /// `Some` when something has arrived or nothing more will.
    #[inline]
    fn arrived_or_end(&mut self) -> Result<Option<()>, Violation> {
        let something = self.next()?.is_some() || self.memory.status().ends_receiving();
        Ok(something.then_some(()))
    }

    /// The length of the next message, if it has been published.
    #[inline]
    fn next(&mut self) -> Result<Option<usize>, Violation> {
        if self.next.is_some() {
            return Ok(self.next);
        }
        if self.head == self.tail && !self.look()? {
            return Ok(None);
        }
        let available = self.tail.wrapping_sub(self.head);
        let header = self.memory.read_word(self.head);
        // A header is a length below 2³²; anything above is no length at all.
        let len = usize::try_from(header).unwrap_or(usize::MAX);
        if len > self.max_message || frame(len) > available {
            return Err(Violation::Length { claimed: header, limit: self.max_message });
        }
        self.next = Some(len);
        Ok(self.next)
    }

    #[inline]
    fn take(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        let Some(len) = self.next else { return Err(RecvError::Empty) };
        let room = buffer.len();
        let Some(buffer) = buffer.get_mut(..len) else { return Err(RecvError::TooLong { len, room }) };
        self.memory.read(self.head.wrapping_add(GRAIN), buffer);
        self.next = None;
        self.head = self.head.wrapping_add(frame(len));
        if self.head.wrapping_sub(self.published) >= self.capacity / 4 {
            self.publish();
        }
        Ok(len)
    }

    /// Takes note of how far the writer has come. Whether that is farther than before.
    #[inline]
    fn look(&mut self) -> Result<bool, Violation> {
        if self.eager >= EAGER_LOOKS {
            (0..HOLD_BACK).for_each(|_| spin_loop());
        }
        // Pairs with the store in `Producer::publish`: the frames before it are complete.
        let claim = self.memory.load(Word::Tail);
        let unread = claim.wrapping_sub(self.head);
        if unread > self.capacity
            || unread < self.tail.wrapping_sub(self.head)
            || !claim.is_multiple_of(GRAIN)
        {
            return Err(Violation::Tail { claimed: claim, last: self.tail });
        }
        let news = claim != self.tail;
        self.eager = if news { (self.eager + 1).min(EAGER_LOOKS) } else { 0 };
        self.tail = claim;
        Ok(news)
    }

    /// Gives the bytes before `head` back to the writer, and wakes it if it sleeps.
    fn publish(&mut self) {
        // Pairs with the load in `Producer::look`: the bytes have been copied out.
        self.memory.store(Word::Head, self.head);
        self.published = self.head;
        self.memory.light_fence();
        let flag = self.memory.load(Word::SenderAsleep);
        if flag & 1 == 1 && flag != self.woken {
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
    fn ends_sending(self) -> bool {
        self.intersects(Status::GONE | Status::RECEIVER_CLOSED)
    }

    #[inline]
    fn ends_receiving(self) -> bool {
        self.intersects(Status::GONE | Status::SENDER_CLOSED)
    }
}
