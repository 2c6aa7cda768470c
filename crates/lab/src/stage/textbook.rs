//! Shared memory as textbooks draw it: one region that both processes may write, with a count of
//! what is ready and a slot for each message. It works, as long as neither process strays.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;

use crate::mechanism::SCRIBBLE;
use crate::message::Glimpse;
use crate::scene::{Act, Actor, Form, Gauge, Part, ScenePart, Space, Step, When};
use crate::sys::board::{self, WORDS};
use crate::trace::{Values, What};

/// Bytes in a slot.
pub(crate) const SLOT_BYTES: usize = 64;
const SLOT_WORDS: usize = SLOT_BYTES / 8;
/// Where the slots begin; before them stands the count of messages that are ready.
const FIRST_SLOT: usize = SLOT_WORDS;
/// Messages that fit.
pub(crate) const SLOTS: u64 = ((WORDS - FIRST_SLOT) / SLOT_WORDS) as u64;

/// The gauges of the region.
const READY: &str = "textbook_ready";
const MESSAGE: &str = "textbook_message";

/// The stage that it plays on: two processes, and one region that both may write.
pub(crate) fn stage() -> What {
    let part = |id: &'static str, form, label: &'static str, gauges| ScenePart {
        part: Part { id: id.into(), form, label: label.into(), space: Space::User },
        gauges,
        level: None,
    };
    let process = |actor: Actor| part(actor.name(), Form::Process { actor }, actor.name(), Vec::new());
    let step = |id: &'static str, actor: Actor, act, text: &'static str| Step {
        id: id.into(),
        actor,
        act,
        at: "board".into(),
        to: None,
        when: When::Always,
        text: text.into(),
        effects: Vec::new().into(),
    };
    let gauges = vec![Gauge::text(READY, "messages ready, as it says"), Gauge::text(MESSAGE, "last message")];
    let board = Form::Region { writer: None };
    What::Stage {
        parts: vec![
            process(Actor::Sender),
            part("board", board, "one region: both processes may write all of it", gauges),
            process(Actor::Receiver),
        ],
        steps: vec![
            Step {
                at: "sender".into(),
                to: Some("board".into()),
                ..step("store", Actor::Sender, Act::Store, "The sender copies the message into its slot.")
            },
            step("publish", Actor::Sender, Act::Store, "One store to the count says that it is ready."),
            step("look", Actor::Receiver, Act::Load, "The receiver loads the count."),
            Step {
                to: Some("receiver".into()),
                ..step("take", Actor::Receiver, Act::Load, "It copies the message out of its slot.")
            },
        ],
    }
}

/// The region as one of the processes sees it: like the other one.
#[derive(Debug)]
pub(crate) struct TextbookBoard(board::Board);

impl TextbookBoard {
    pub(crate) fn map(fd: impl AsFd) -> io::Result<TextbookBoard> {
        board::Board::map(fd).map(TextbookBoard)
    }

    /// Puts a message into its slot, and says that it is ready.
    pub(crate) fn write(&self, number: u64, message: &[u8; SLOT_BYTES]) {
        let words = self.0.words();
        let place = slot(number);
        let (chunks, _) = message.as_chunks::<8>();
        for (word, bytes) in words[place..place + SLOT_WORDS].iter().zip(chunks) {
            word.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
        }
        // Publishes the words above; pairs with the load in `ready`.
        words[0].store(number + 1, Ordering::Release);
    }

    /// How many messages are ready, as the region says.
    pub(crate) fn ready(&self) -> u64 {
        self.0.words()[0].load(Ordering::Acquire)
    }

    /// What the gauges of [`stage`] show; `last` is the number of the last message.
    pub(crate) fn gauges(&self, first: u64, last: u64) -> What {
        let ready = match self.ready().checked_sub(first) {
            Some(ready) if ready <= SLOTS => ready.to_string(),
            // A count that no message has made.
            _ => format!("{:#x}", self.ready()),
        };
        let message = Glimpse::of(&self.read(last)).words();
        let values = Values::from([(READY.into(), ready.into()), (MESSAGE.into(), message.into())]);
        What::Gauges { values, took_ns: 0 }
    }

    /// What stands in a message's slot.
    pub(crate) fn read(&self, number: u64) -> [u8; SLOT_BYTES] {
        let mut message = [0; SLOT_BYTES];
        let place = slot(number);
        let (chunks, _) = message.as_chunks_mut::<8>();
        for (bytes, word) in chunks.iter_mut().zip(&self.0.words()[place..place + SLOT_WORDS]) {
            *bytes = word.load(Ordering::Relaxed).to_le_bytes();
        }
        message
    }

    /// Stores all over it, and says how many stores that were.
    pub(crate) fn stray(&self) -> u64 {
        for word in self.0.words() {
            word.store(u64::from_ne_bytes([SCRIBBLE; 8]), Ordering::Relaxed);
        }
        WORDS as u64
    }
}

/// Where the slot of a message begins, in words; slots are used again when all were.
fn slot(number: u64) -> usize {
    FIRST_SLOT + (number % SLOTS) as usize * SLOT_WORDS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::compose;

    #[test]
    fn a_message_is_read_as_it_was_written_until_somebody_strays() {
        let fd = board::Board::create().unwrap();
        let (one, two) = (TextbookBoard::map(&fd).unwrap(), TextbookBoard::map(&fd).unwrap());
        let mut message = [0; SLOT_BYTES];
        for number in 0..SLOTS {
            compose(&mut message, number, None);
            one.write(number, &message);
        }
        assert_eq!(two.ready(), SLOTS);
        assert_eq!(two.read(SLOTS - 1), message);
        assert_eq!(two.stray(), WORDS as u64);
        assert_eq!(one.read(0), [SCRIBBLE; SLOT_BYTES]);
        assert_ne!(one.ready(), SLOTS);
    }
}
