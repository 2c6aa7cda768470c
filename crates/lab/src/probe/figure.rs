//! Figures: the questions, the readings of each instrument, and how far they can be believed.

use serde::{Deserialize, Serialize};

use crate::machine::Unavailable;
use crate::scene::Range;

/// The certainty of a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// Every event was counted, and nothing else.
    Exact,
    /// There may have been more.
    AtLeast,
    /// Concluded from another count; the reading's remark names it.
    Derived,
}

impl Certainty {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Certainty::Exact => "exact",
            Certainty::AtLeast => "at least",
            Certainty::Derived => "derived",
        }
    }
}

/// The reading of one instrument.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Reading {
    /// Which.
    pub instrument: String,
    /// The certainty of its count.
    pub certainty: Certainty,
    /// How many for each message.
    pub per_message: f64,
    /// Messages it was counted over.
    pub messages: u64,
    /// Its parts by name, each for one message.
    pub parts: Vec<(String, f64)>,
}

impl Reading {
    /// A count that is made of nothing smaller.
    pub fn whole(instrument: &str, certainty: Certainty, count: u64, messages: u64) -> Reading {
        let per_message = each(count, messages);
        Reading { instrument: instrument.into(), certainty, per_message, messages, parts: Vec::new() }
    }

    /// A count that is the sum of its parts.
    pub fn sum(instrument: &str, certainty: Certainty, parts: &[(String, u64)], messages: u64) -> Reading {
        let count = parts.iter().map(|(_, count)| count).sum();
        let parts = parts.iter().map(|(name, count)| (name.clone(), each(*count, messages))).collect();
        Reading { parts, ..Reading::whole(instrument, certainty, count, messages) }
    }

    /// How many there were in all of its messages, those of the parts that `not` names left out.
    pub fn count_without(&self, not: &str) -> u64 {
        let whole = |per_message: f64| (per_message * self.messages as f64).round() as u64;
        let left_out = self.parts.iter().filter(|(name, _)| name == not);
        whole(self.per_message).saturating_sub(left_out.map(|(_, count)| whole(*count)).sum())
    }
}

fn each(count: u64, messages: u64) -> f64 {
    count as f64 / messages as f64
}

/// A question about one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// System calls of both.
    Calls,
    /// System calls of the sender.
    SenderCalls,
    /// System calls of the receiver.
    ReceiverCalls,
    /// Copies of the message made by the kernel.
    KernelCopies,
    /// Times a sleeping receiver was made runnable.
    Wakes,
    /// Times the receiver gave up its core to sleep.
    ReceiverSleeps,
    /// Times the sender gave up its core to sleep, its pauses between two messages aside.
    SenderSleeps,
    /// Page faults of the sender.
    SenderFaults,
    /// Page faults of the receiver.
    ReceiverFaults,
    /// Segments that the sender handed to the device.
    Segments,
    /// Segments that came back.
    Acknowledgements,
}

impl Question {
    /// Every question, in the order in which they are shown.
    pub const ALL: [Question; 11] = [
        Question::Calls,
        Question::SenderCalls,
        Question::ReceiverCalls,
        Question::KernelCopies,
        Question::Wakes,
        Question::SenderSleeps,
        Question::ReceiverSleeps,
        Question::SenderFaults,
        Question::ReceiverFaults,
        Question::Segments,
        Question::Acknowledgements,
    ];

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Question::Calls => "system calls",
            Question::SenderCalls => "system calls, sender",
            Question::ReceiverCalls => "system calls, receiver",
            Question::KernelCopies => "kernel copies",
            Question::Wakes => "wake-ups of the receiver",
            Question::ReceiverSleeps => "sleeps, receiver",
            Question::SenderSleeps => "sleeps, sender",
            Question::SenderFaults => "page faults, sender",
            Question::ReceiverFaults => "page faults, receiver",
            Question::Segments => "segments sent",
            Question::Acknowledgements => "segments back",
        }
    }
}

/// One question and its answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ProbeFigure {
    /// The question.
    pub question: Question,
    /// The readings of the instruments, the best first. Empty if none could read it.
    pub readings: Vec<Reading>,
    /// Why there is no reading, or none that is exact.
    pub unavailable: Option<Unavailable>,
    /// The bounds that the scene foretells, if it does.
    pub budget: Option<Range>,
    /// Whether the best reading keeps within it.
    pub held: Option<bool>,
    /// The textbooks' figure; never measured.
    pub quoted: Option<String>,
    /// One sentence: why the reading differs from the quoted figure, or what it leaves out.
    pub remark: Option<String>,
}

impl ProbeFigure {
    /// The best reading.
    pub fn best(&self) -> Option<&Reading> {
        self.readings.first()
    }
}
