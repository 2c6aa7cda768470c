//! Traffic: what went over a channel between two processes, message by message, in a form that two others can repeat.
//!
//! A message is told by what its process did before it: how many messages of the other side it had taken by then, and how long
//! after its last event it sent. So a repetition keeps the order of question and answer, and the time that each program thinks,
//! whatever the channel's own speed is. The bytes themselves are not kept.

use serde::{Deserialize, Serialize};

/// The most messages that are kept. The first ones are, so that the repetition begins as the traffic did.
pub const MESSAGES_LIMIT: usize = 100_000;

/// What went over a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Traffic {
    /// The messages of both sides, in the order in which they were sent; at most [`MESSAGES_LIMIT`]. What one call wrote is one.
    pub messages: Vec<SentMessage>,
    /// How many more there were.
    pub not_kept: u64,
    /// How each side waited for the other's messages.
    pub waits: [SeenWait; 2],
    /// From the first call on the kept messages to the last, in nanoseconds.
    pub elapsed_ns: u64,
    /// Of each direction's kept messages, the median time from the beginning of its write to the end of the read that took its
    /// last byte, in nanoseconds; `None` where the two could not be joined.
    pub median_ns: [Option<u64>; 2],
}

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct SentMessage {
    /// The side that sent it: 0 or 1.
    pub side: u8,
    /// Its bytes.
    pub bytes: u64,
    /// How many messages of the other side its process had read by then, to their last byte. Only kept ones count.
    pub after: u64,
    /// The time from the process's last event before it (the end of a read or write on this channel) to the beginning of its write,
    /// in nanoseconds. 0 for the first.
    pub thought_ns: u64,
}

/// How a side waited for messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SeenWait {
    /// It was not seen: it never had to wait, or its calls were not recorded.
    #[default]
    NotSeen,
    /// It slept in the call that reads.
    InTheCall,
    /// It slept in a call that waits for several descriptors: poll(2), select(2), epoll(7).
    ByDescriptor,
    /// It asked again and again without sleeping.
    Spinning,
}

impl SeenWait {
    /// In words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            SeenWait::NotSeen => "was not seen to wait",
            SeenWait::InTheCall => "slept in the call that reads",
            SeenWait::ByDescriptor => "slept in a call for several descriptors",
            SeenWait::Spinning => "spun",
        }
    }
}
