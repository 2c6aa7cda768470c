//! What a watch has seen.

use std::collections::BTreeMap;

use lab::machine::Unavailable;
use lab::stats::Histogram;
use lab::traffic::Traffic;
use serde::{Deserialize, Serialize};

use crate::edge::Edge;
use crate::process::{ProcessId, RunningProcess};

/// The word by which a watch is told from other JSON.
pub const WATCH_FORMAT: &str = lab::rehearse::FORMAT;

/// The version of its structure. It changes when a field changes its meaning or goes away.
pub const WATCH_SCHEMA: u64 = lab::rehearse::SCHEMA;

/// What went over one channel while it was watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct WatchReport {
    /// What this is.
    #[cfg_attr(feature = "schemars", schemars(extend("const" = WATCH_FORMAT)))]
    pub format: String,
    /// The version of this structure.
    #[cfg_attr(feature = "schemars", schemars(extend("const" = WATCH_SCHEMA)))]
    pub schema: u64,
    /// When it began, in milliseconds since 1970-01-01 UTC.
    pub began_unix_ms: u64,
    /// How long it lasted, in nanoseconds.
    pub lasted_ns: u64,
    /// The channel, as it was at the beginning.
    pub edge: Edge,
    /// The processes at its ends, as they were at the beginning.
    pub processes: Vec<RunningProcess>,
    /// What its figures come from.
    pub instrument: WatchInstrument,
    /// Calls that were made and not recorded, because they came faster than they were taken. Counts are then at least what they say.
    pub lost_calls: u64,
    /// What each side has sent to the other, that of side 0 first. A pipe has one.
    pub directions: Vec<WatchedDirection>,
    /// What its processes did, those of side 0 first.
    pub ends: Vec<WatchedEnd>,
    /// Why it ended before its time, if it did.
    pub ended_by: Option<String>,
    /// What went over it, message by message, to be repeated; `None` where the writes and reads were not recorded or not joined.
    pub traffic: Option<Traffic>,
    /// What could not be had.
    pub unavailable: Vec<Unavailable>,
    /// What follows from the figures.
    pub findings: Vec<WatchFinding>,
}

/// What the figures come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WatchInstrument {
    /// Every system call on the channel's descriptors, seen at its beginning and its end by programs that the kernel runs at its
    /// tracepoints (bpf(2)).
    Calls,
    /// Looks from outside, a hundred a second: what waits in the channel, and what its threads are doing.
    Looks,
}

impl WatchInstrument {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            WatchInstrument::Calls => "every system call on it, recorded by the kernel (bpf(2))",
            WatchInstrument::Looks => "looks from outside, 100 a second",
        }
    }

    /// What it costs the watched programs, in words.
    pub fn price(self) -> &'static str {
        match self {
            WatchInstrument::Calls => {
                "each system call of every process takes some 0.2 µs longer while the watch lasts, a recorded one 0.5 µs: \
                 a server that does little else loses up to a fifth"
            }
            WatchInstrument::Looks => "nothing in their calls",
        }
    }
}

/// One direction of the channel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct WatchedDirection {
    /// The side that sends: 0 or 1.
    pub from: u8,
    /// The calls that put something in; `None` where they were not recorded.
    pub writes: Option<CallsSeen>,
    /// The calls that took something out; `None` where they were not recorded.
    pub reads: Option<CallsSeen>,
    /// From the beginning of a write to the end of the read that took its last byte, in nanoseconds; of a datagram, that took it.
    pub write_to_read_ns: Option<Distribution>,
    /// What waited in the channel, in bytes (of datagrams: those of the first one), at each of 100 looks a second.
    pub queued: Option<Distribution>,
    /// What waited in it over time: at most 600 pairs of nanoseconds since the beginning and bytes.
    pub queued_over_time: Vec<(u64, u64)>,
}

/// Calls of one kind on the channel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct CallsSeen {
    /// How many returned with something done.
    pub calls: u64,
    /// What they moved, in bytes.
    pub bytes: u64,
    /// How many returned because they would have had to wait (EAGAIN).
    pub would_wait: u64,
    /// How many were told of the end: a read of nothing, a write that has no reader (EPIPE).
    pub ends: u64,
    /// How many failed otherwise, by the error's number.
    pub failed: BTreeMap<u32, u64>,
    /// All that returned, by the call's name.
    pub by_name: BTreeMap<String, u64>,
    /// What each moved, in bytes.
    pub sizes: Option<Distribution>,
    /// How long each took, whatever came of it, in nanoseconds.
    pub time_ns: Option<Distribution>,
    /// How long all of them took together, in nanoseconds.
    pub total_ns: u64,
}

/// Many values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Distribution {
    /// How many.
    pub samples: u64,
    /// The median; `None` with fewer than 20 samples, as further percentiles with too few beyond them.
    pub p50: Option<u64>,
    /// Nine tenths are not above it.
    pub p90: Option<u64>,
    /// 99 of 100 are not above it.
    pub p99: Option<u64>,
    /// 999 of 1000 are not above it.
    pub p999: Option<u64>,
    /// The greatest.
    pub max: u64,
    /// Every value with its count, ascending. Of times, those above 2048 ns to three digits; of sizes, those above 2048 bytes too if
    /// there are more than 512 of them.
    pub histogram: Vec<(u64, u64)>,
}

impl Distribution {
    /// Of values and their counts, ascending; `None` without any.
    pub(super) fn of_pairs(histogram: Vec<(u64, u64)>) -> Option<Distribution> {
        let samples: u64 = histogram.iter().map(|pair| pair.1).sum();
        let max = histogram.last()?.0;
        // A percentile is told only with ten samples beyond it, as everywhere.
        let per_mille = |thousandths: u64| {
            let rank = (samples * thousandths).div_ceil(1000);
            let mut passed = 0;
            let at = histogram.iter().find(|pair| {
                passed += pair.1;
                passed >= rank
            });
            at.map(|pair| pair.0).filter(|_| samples * (1000 - thousandths) >= 10_000)
        };
        let [p50, p90, p99, p999] = [500, 900, 990, 999].map(per_mille);
        Some(Distribution { samples, p50, p90, p99, p999, max, histogram })
    }

    /// Of these values; `None` without any.
    pub(super) fn of(values: &Histogram) -> Option<Distribution> {
        Distribution::of_pairs(values.pairs())
    }
}

/// What one process did while the channel was watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct WatchedEnd {
    /// The process.
    pub process: ProcessId,
    /// Its side: 0 or 1.
    pub side: u8,
    /// How many of the calls that took something out of the channel were its, and how many of those that put something in. `None`
    /// where they were not recorded.
    pub moved: Option<[u64; 2]>,
    /// Its calls that wait for several descriptors, the channel's perhaps among them: poll(2), select(2), epoll(7). `None` where
    /// they were not recorded.
    pub waits: Option<CallsSeen>,
    /// Its time on a core, in nanoseconds, for whatever it did. `None` where /proc did not tell.
    pub on_core_ns: Option<u64>,
    /// How often one of its threads gave up its core to sleep, for whatever reason.
    pub slept: Option<u64>,
    /// How often one of its threads lost its core to another.
    pub preempted: Option<u64>,
    /// Its reads, their bytes, its writes and their bytes, over all of its channels and files (proc_pid_io(5)): an upper bound. `None`
    /// where /proc did not tell.
    pub all_channels: Option<[u64; 4]>,
    /// What its threads were doing at each look, by state and call, as a share of looks; empty where no look was made.
    pub doing: BTreeMap<String, f64>,
    /// A call on the channel in which one of its threads was at the end of the watch, and for how long already, in nanoseconds, if
    /// it began within the watch.
    pub in_call: Option<(String, Option<u64>)>,
}

/// Something that follows from the figures, in plain words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct WatchFinding {
    /// Its kind, such as `tiny-writes`.
    pub id: String,
    /// What was found.
    pub sentence: String,
    /// The figures that it follows from.
    pub evidence: Vec<String>,
    /// What can be done about it.
    pub remedy: String,
}
