//! What a direction must do: a queue of the messages that were taken, against which each is held that comes.

use std::collections::VecDeque;

use crossing::Kind;

use crate::forms::Taken;
use crate::process::message;

/// What is untrue in a model, to prove that it would be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// A message that was taken is not in the queue: as if the channel had doubled one.
    Forgets,
    /// One is in the queue that was never sent: as if the channel had lost it.
    Invents,
    /// Two have changed places.
    Swaps,
    /// One is a byte shorter than it was sent.
    Shortens,
    /// One has other bytes.
    Changes,
}

impl Lie {
    pub(crate) const ALL: [Lie; 5] = [Lie::Forgets, Lie::Invents, Lie::Swaps, Lie::Shortens, Lie::Changes];
}

/// The messages that a direction has taken and not yet given.
#[derive(Debug)]
pub(crate) struct Model {
    kind: Kind,
    /// How many bytes may be on their way.
    capacity: usize,
    /// The number and the length of each.
    pub(crate) queue: VecDeque<(u64, usize)>,
    /// The number of the next.
    pub(crate) next: u64,
    /// How many of them, from the first on, are published for certain.
    pub(crate) sure: usize,
}

impl Model {
    pub(crate) fn new(kind: Kind, capacity: usize) -> Model {
        Model { kind, capacity, queue: VecDeque::new(), next: 0, sure: 0 }
    }

    pub(crate) fn taken(&mut self, len: usize) {
        self.queue.push_back((self.next, len));
        self.next += 1;
    }

    pub(crate) fn all_are_published(&mut self) {
        self.sure = self.queue.len();
    }

    /// What is wrong with what a form has taken; if nothing is, it is taken from the queue.
    pub(crate) fn judge(&mut self, taken: &Taken) -> Result<(), String> {
        let Taken { passed, len, bytes } = taken;
        let there = self.queue.len();
        let all = passed + usize::from(len.is_some());
        if all > there {
            return Err(format!("{all} messages were taken of {there} that were sent"));
        }
        if let Some(len) = *len {
            let (number, sent) = self.queue[*passed];
            if len != sent {
                return Err(format!("message {number} of {sent} bytes came as one of {len}"));
            }
            if bytes.as_ref().is_some_and(|bytes| bytes != message(number, sent)) {
                return Err(format!("message {number} of {sent} bytes came as another"));
            }
        }
        self.queue.drain(..all);
        self.sure = self.sure.saturating_sub(all);
        Ok(())
    }

    /// What a message takes of the channel's capacity, at most.
    fn weight(&self, len: usize) -> usize {
        match self.kind {
            // Whole pages.
            Kind::Pipe => (len + 8).next_multiple_of(rustix::param::page_size()),
            // The end of the ring that it does not fit into, or the kernel's own overhead.
            Kind::Shm | Kind::Unix | Kind::Tcp => 2 * len + 1024,
        }
    }

    /// Whether a message of `len` bytes surely has room. A kernel's buffer can be held by a message that is received in part.
    pub(crate) fn has_room(&self, len: usize) -> bool {
        let there: usize = self.queue.iter().map(|&(_, len)| self.weight(len)).sum();
        let held = if self.queue.is_empty() { 0 } else { there + self.capacity / 2 };
        held + self.weight(len) <= self.capacity
    }

    /// Tells a lie, if it can be told now. Whether it was.
    pub(crate) fn tell(&mut self, lie: Lie) -> bool {
        let last = self.queue.len().wrapping_sub(1);
        let long = |&(_, len): &(u64, usize)| len > 0;
        match lie {
            Lie::Forgets if self.queue.pop_back().is_some() => self.sure = self.sure.min(last),
            Lie::Invents => {
                self.taken(8);
                self.all_are_published();
            }
            Lie::Swaps if self.queue.len() > 1 && self.queue.iter().skip(last - 1).all(long) => {
                self.queue.swap(last - 1, last);
            }
            Lie::Shortens if self.queue.back().is_some_and(long) => self.queue[last].1 -= 1,
            Lie::Changes if self.queue.back().is_some_and(long) => self.queue[last].0 += 1,
            Lie::Forgets | Lie::Swaps | Lie::Shortens | Lie::Changes => return false,
        }
        // What has room by a model that lies need not have it.
        self.capacity = 0;
        true
    }
}
