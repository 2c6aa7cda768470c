//! The orders of the lab to a placed process of a stage, and its answers.
//!
//! The line is the one of every measured process; a process that is in a call of the channel does not look at
//! it.

use serde::{Deserialize, Serialize};

/// An order of the lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StageOrder {
    /// Do the handshake with the end that was inherited.
    Connect,
    /// Wait for the peer at this path: told once when it can be dialled, and again when it is connected.
    Listen {
        /// The path of the socket.
        path: String,
    },
    /// Do the handshake with the listener at this path.
    Dial {
        /// The path of the socket.
        path: String,
    },
    /// Send messages.
    Send(Course),
    /// Receive messages, and verify them.
    Recv(Course),
    /// Send messages until the lab says anything at all: then one is received with [`Told::Done`].
    SendOn(Course),
    /// Ends a [`StageOrder::SendOn`].
    Enough,
    /// Store all over the region that the peer owns.
    Stray,
    /// Send one message, then overwrite it.
    Scribble {
        /// The message's number.
        number: u64,
        /// The descriptor that the process sends by.
        by: i32,
        /// Which of the mechanism's [overwrites](crate::mechanism::Overwrite).
        what: usize,
    },
    /// The textbook's region, whose descriptor comes beside this line: one region that both may write.
    Textbook(Textbook),
    /// Wait for the child that this process has started, which was killed.
    Bury,
}

/// A row of messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Course {
    /// The number of the first.
    pub(crate) first: u64,
    /// How many.
    pub(crate) count: u64,
    /// The time between two sends, in microseconds.
    pub(crate) gap_us: u64,
    /// The text that the user wrote.
    pub(crate) text: Option<String>,
    /// Whether [`Told::About`] is said before the first call.
    pub(crate) announce: bool,
}

impl Course {
    /// Messages from `first` on, without anything special.
    pub(crate) fn of(first: u64, count: u64) -> Course {
        Course { first, count, gap_us: 0, text: None, announce: false }
    }
}

/// An act on the textbook's region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Textbook {
    /// Write messages.
    Write {
        /// The number of the first.
        first: u64,
        /// How many.
        count: u64,
    },
    /// Store all over the region.
    Stray,
    /// Read messages, and hold each against what was written.
    Read {
        /// The number of the first.
        first: u64,
        /// How many.
        count: u64,
    },
}

/// A line of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Told {
    /// The handshake is done.
    Connected,
    /// The peer can dial.
    Listening,
    /// The next thing it does is the first call.
    About,
    /// The order is done.
    Done {
        /// Every call that it noted.
        calls: Vec<Sight>,
        /// How many calls there were.
        count: u64,
    },
    /// The order cannot be carried out.
    Refused {
        /// Why.
        why: String,
    },
    /// The child is reaped.
    Buried {
        /// The signal that ended it.
        signal: Option<i32>,
        /// The exit code.
        exit_code: Option<i32>,
    },
}

/// One call, as the process that made it saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sight {
    /// The message's number.
    pub(crate) number: u64,
    /// Just before the call, in ticks of the stage's clock.
    pub(crate) began: u64,
    /// Just after it.
    pub(crate) ended: u64,
    /// The core it was on afterwards.
    pub(crate) cpu: Option<u32>,
    /// The words of the message, as they went or came.
    pub(crate) words: Option<String>,
    /// Bytes that the process has read from the kernel beyond this message.
    pub(crate) ahead_bytes: u64,
    /// Why there was no message, or what is wrong with it.
    pub(crate) fault: Option<Wrong>,
}

/// The fault of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Wrong {
    /// The call ended without a message, with this word.
    Ended(String),
    /// The message differs from the one that was sent.
    Damaged,
}
