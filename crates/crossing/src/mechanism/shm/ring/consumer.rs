//! The reading end of a ring: claims checked, messages copied out, and room given back.

mod ahead;

use std::hint::spin_loop;

use super::super::memory::{Memory, Word};
use super::super::rules;
use super::{ARMED, ASLEEP, AWAKE, GRAIN, ends_sleep, frame, rouse};
use crate::error::{RecvError, Violation};
use crate::place::MessagePlace;
use crate::ready::Ready;
use crate::tuning::{EAGER_LOOKS, EMPTY_LOOKS, HOLD_BACK, STREAMED_BYTES};
use crate::wait::{Patience, Polled};

/// The size of a message, and of its place in the ring.
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
    /// The header at `head`, once it was read: it is read once only.
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
    /// The next message begins where this one's length says, and that length stands in a cache line
    /// that is still on its way: messages would come one journey after the other. So a length equal
    /// to the last one is taken from the last one. The processor predicts the comparison, and
    /// fetches the following messages meanwhile.
    #[inline(always)]
    pub(crate) fn recv_at_once<P: MessagePlace + ?Sized>(&mut self, place: &mut P) -> Option<usize> {
        let header = self.unread_header()?;
        if header == self.last.len as u64 {
            return self.take_whole(header, self.last, place);
        }
        self.take_whole(header, self.frame_of(header), place)
    }

    /// The place and length of the next message if all of it was published before my last look, as
    /// with [`Consumer::recv_at_once`].
    #[inline(always)]
    pub(crate) fn find_at_once(&mut self) -> Option<(u64, usize)> {
        let header = self.unread_header()?;
        self.header = Some(header);
        if header == self.last.len as u64 {
            return self.find_whole(header, self.last);
        }
        self.find_whole(header, self.frame_of(header))
    }

    /// The header of the next message, if there is one and it was not read yet.
    #[inline(always)]
    fn unread_header(&self) -> Option<u64> {
        let there = self.tail != self.head && self.header.is_none();
        there.then(|| self.memory.read_word(self.head))
    }

    /// The frame that a header tells of. An impossible length is reported by `next`.
    #[inline(always)]
    fn frame_of(&self, header: u64) -> Frame {
        Frame::of(header.min(self.max_message as u64) as usize)
    }

    /// The place of the next message, whose header was read, if all of it is there.
    #[inline(always)]
    fn find_whole(&mut self, header: u64, frame: Frame) -> Option<(u64, usize)> {
        let whole = header == frame.len as u64 && self.is_whole(frame);
        whole.then(|| {
            self.last = frame;
            (self.head.wrapping_add(GRAIN), frame.len)
        })
    }

    /// Takes the next message, whose header was read, if all of it is there.
    #[inline(always)]
    fn take_whole<P: MessagePlace + ?Sized>(
        &mut self,
        header: u64,
        frame: Frame,
        place: &mut P,
    ) -> Option<usize> {
        if header == frame.len as u64 && self.is_whole(frame) && place.admit(frame.len).is_ok() {
            self.last = frame;
            self.memory.read(self.head.wrapping_add(GRAIN), place.part(frame.len));
            self.leave(frame);
            Some(frame.len)
        } else {
            self.header = Some(header);
            None
        }
    }

    /// Takes the next message, if there is one: copies it to `place` and returns its length. A
    /// receive that may wait may be held back for a moment.
    ///
    /// For a receive that may wait, the written part of an unfinished message is copied, and `part`
    /// says how many bytes that were. To go on with the same place, pass `part` back; to begin
    /// anew, pass 0.
    #[inline(always)]
    pub(crate) fn try_recv<P: MessagePlace + ?Sized>(
        &mut self,
        place: &mut P,
        part: &mut usize,
        would_wait: bool,
    ) -> Result<usize, RecvError> {
        if let Some(len) = self.recv_at_once(place) {
            return Ok(len);
        }
        self.take(|ring| ring.take_next(place, part, would_wait))
    }

    /// The place and length of the next message, once all of it is there. It comes again until it
    /// is [left](Consumer::leave_found).
    #[inline(always)]
    pub(crate) fn try_find(&mut self) -> Result<(u64, usize), RecvError> {
        if let Some(found) = self.find_at_once() {
            return Ok(found);
        }
        self.take(|ring| {
            let frame = ring.next()?.filter(|&frame| ring.is_whole(frame));
            Ok(frame.map(|frame| (ring.head.wrapping_add(GRAIN), frame.len)))
        })
    }

    /// Goes on to the message behind the one that was found. Its lines are not evicted: a reader in
    /// place may have touched none of them.
    #[inline(always)]
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
        mut next: impl FnMut(&mut Self) -> Result<Option<T>, RecvError>,
    ) -> Result<T, RecvError> {
        self.hold_back();
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
            // Only a message changes `tail`, so without one it is still the index that was seen.
            self.memory.store(Word::ReceiverAsleep, self.tail | ASLEEP);
            self.memory.heavy_fence();
            let status = self.memory.status();
            let mut outcome = self.glance();
            let mut slept = Ok(());
            if outcome.is_none() {
                slept = self.memory.sleep(Word::Tail, self.tail, status, patience);
                // Most sleeps end with the message that they waited for: then there is no next
                // sleep to prepare.
                outcome = self.glance();
            }
            self.memory.store(Word::ReceiverAsleep, AWAKE);
            patience.slept();
            if let Some(outcome) = outcome {
                return Ok(outcome?);
            }
            slept.map_err(RecvError::Io)?;
        }
    }

    /// Gives a writer that is at work the time to get ahead, if a look would come too early.
    #[inline(always)]
    fn hold_back(&self) {
        if self.head == self.tail && self.eager >= EAGER_LOOKS {
            (0..HOLD_BACK).for_each(|_| spin_loop());
        }
    }

    /// Whether a whole message is there, or an end or a fault that the next receive tells.
    #[inline]
    pub(crate) fn is_ready(&mut self) -> bool {
        // A hint, as below.
        let known = self
            .unread_header()
            .is_some_and(|header| header == self.last.len as u64 && self.is_whole(self.last));
        known || self.becomes_ready()
    }

    #[inline(never)]
    fn becomes_ready(&mut self) -> bool {
        self.hold_back();
        let ended = self.memory.status().ends_receiving();
        if self.head == self.tail {
            match self.look() {
                Ok(false) => return ended,
                Ok(true) => {}
                Err(_) => return true,
            }
        }
        // A hint: the receive that follows judges what it reads itself.
        let header = self.header.unwrap_or_else(|| self.memory.read_word(self.head));
        let frame = Frame::of(usize::try_from(header).unwrap_or(usize::MAX).min(self.max_message + 1));
        if frame.len > self.max_message || self.is_whole(frame) {
            return true;
        }
        // What comes in parts may have come by now.
        self.look().is_err() || self.is_whole(frame) || !self.is_in_parts(frame) || ended
    }

    /// Whether anything has come since `seen`, a moment later.
    fn looks_again(&mut self, seen: u64) -> bool {
        spin_loop();
        self.is_ready() || self.tail != seen
    }

    /// Whether the next receive would not wait. If it would, the writer rings this end's descriptor once it has published
    /// more.
    pub(crate) fn arm(&mut self) -> Ready {
        loop {
            if self.is_ready() {
                return Ready::Now;
            }
            // What was rung until now was for what has been looked at.
            self.memory.hush(Word::Tail);
            let seen = self.tail;
            self.memory.store(Word::ReceiverAsleep, seen | ASLEEP | ARMED);
            self.memory.heavy_fence();
            let looks = self.memory.looks_after_barrier();
            let changed = (0..=looks).any(|_| self.looks_again(seen));
            let now = changed && self.is_ready();
            if !now && self.tail == seen {
                return Ready::Wait;
            }
            self.memory.store(Word::ReceiverAsleep, AWAKE);
            if now {
                return Ready::Now;
            }
        }
    }

    /// Looks while there is nothing to read: `Some` when something has arrived or nothing more will.
    #[inline(always)]
    fn glance(&mut self) -> Option<Result<(), Violation>> {
        // The message will be written before `tail` is: its line may as well travel at the same time.
        self.memory.expect(self.head);
        // Pairs with the store in `Producer::show`: the frames before it are complete.
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

    /// Whether an incomplete next message has the size at which a writer publishes parts.
    fn is_in_parts(&self, frame: Frame) -> bool {
        let there = self.tail.wrapping_sub(self.head) - GRAIN;
        let part = M::PART as u64;
        frame.len > M::PART && there >= part && there % part == 0
    }

    /// Takes the next message if all of it is there; else the part that is, for a receive that may
    /// wait for the rest.
    fn take_next<P: MessagePlace + ?Sized>(
        &mut self,
        place: &mut P,
        part: &mut usize,
        would_wait: bool,
    ) -> Result<Option<usize>, RecvError> {
        let Some(frame) = self.next()? else { return Ok(None) };
        let len = frame.len;
        place.admit(len)?;
        let whole = self.is_whole(frame);
        if !whole && !would_wait {
            return Ok(None);
        }
        let upto = if whole { len } else { (self.tail.wrapping_sub(self.head) - GRAIN) as usize };
        let at = self.head.wrapping_add(GRAIN + *part as u64);
        self.memory.read(at, &mut place.part(upto)[*part..]);
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
        let possible = (known..=self.capacity).contains(&unread) && claim % GRAIN == 0;
        if rules::CLAIMS && !possible {
            return Err(Violation::Tail { claimed: claim, last: self.tail });
        }
        self.tail = claim;
        self.found += 1;
        // An end that has just sent may be waiting for the answer: that is no stream, and must not be held back.
        let streaming = self.empty <= EMPTY_LOOKS && !self.memory.take_sent();
        self.eager = if streaming { (self.eager + 1).min(EAGER_LOOKS) } else { 0 };
        self.empty = 0;
        Ok(())
    }

    /// Lets go of the lines that the writer will be told of, if they are a stream.
    #[cold]
    fn let_go(&mut self) {
        let taken = self.head.wrapping_sub(self.published);
        if taken >= STREAMED_BYTES * u64::from(self.found) {
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
            rouse(&self.memory, flag, Word::Head);
        }
    }

    /// The memory, to end the connection.
    pub(crate) fn memory(&self) -> &M {
        &self.memory
    }
}
