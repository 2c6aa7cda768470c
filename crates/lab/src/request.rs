//! The requests of the lab to a placed process of a round or of a probe, and its answers.

use serde::{Deserialize, Serialize};

use crate::report::SideUse;
use crate::score::Score;
use crate::sys::lines::Bounce;

/// A request of the lab.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    /// Do the handshake.
    Connect,
    /// Bounce cache lines.
    Floor(Bounce),
    /// Learn what is to be rehearsed.
    Learn(Score),
    /// Run the task.
    Run,
    /// Send or receive messages, one at a time ([`Task::Probe`](crate::job::Task::Probe)).
    Messages {
        /// How many.
        count: u64,
        /// Whether the answer holds the time of each call.
        times: bool,
    },
}

/// The answer of a process.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RoundAnswer {
    /// To [`Request::Connect`].
    Connected,
    /// To [`Request::Learn`].
    Learned,
    /// To [`Request::Floor`]: the median of half a round trip, at the initiator.
    Floor {
        /// In nanoseconds.
        median_ns: Option<f64>,
    },
    /// To [`Request::Run`] and [`Request::Messages`].
    Ran(Box<SideOutcome>),
}

/// The result of one side in one round.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct SideOutcome {
    /// When its part began, in ticks of the job's clock.
    pub(crate) began: u64,
    /// When it ended: with the last verification.
    pub(crate) ended: u64,
    /// Messages it verified.
    pub(crate) verified: u64,
    /// Samples in nanoseconds, with their counts.
    pub(crate) samples: Vec<(u64, u64)>,
    /// How far it was at some times, in ticks and counted messages or round trips.
    #[serde(default)]
    pub(crate) progress: Vec<(u64, u64)>,
    /// Messages that were sent more than one interval late.
    pub(crate) missed: u64,
    /// Its cost.
    pub(crate) usage: SideUse,
    /// The channel's capacity at the end, in the direction that this side sends.
    #[serde(default)]
    pub(crate) channel_bytes: Option<u32>,
    /// How it slept, when that was not the usual way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) slept_by: Option<String>,
    /// Why `usage` says nothing, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) uncounted: Option<String>,
    /// When each call of the channel began and ended, in ticks, when it is looked at from outside.
    pub(crate) calls: Vec<(u64, u64)>,
    /// When each message of a rehearsal began to be sent, in ticks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) sent_at: Vec<u64>,
    /// When each had been received.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) taken_at: Vec<u64>,
    /// How often it slept of its own accord, between two messages.
    pub(crate) pauses: u64,
    /// Where the message is in its memory.
    pub(crate) message_at: u64,
}
