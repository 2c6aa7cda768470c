//! A report: what a race found, with everything that is needed to believe it or to run it again.
//!
//! Units end a name; latencies are integer nanoseconds. The same structure is what `--json` prints,
//! `docs/report.schema.json` describes and `ipcscope compare` reads.

use crossing::WaitStrategy;
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::plan::{Placement, Plan, Workload, as_text};

/// The version of the report's structure. It changes when a field changes its meaning or goes away.
pub const SCHEMA: u32 = 1;

/// The result of one race.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The version of ipcscope that measured.
    pub version: String,
    /// When the race began, in milliseconds since 1970-01-01 UTC.
    pub started_unix_ms: u64,
    /// How long the whole race took, in milliseconds.
    pub elapsed_ms: u64,
    /// Whether a lab page was open while it ran (an open page changes unpinned results).
    pub page_open: bool,
    /// What was asked for.
    pub plan: Plan,
    /// Where it ran.
    pub machine: Machine,
    /// Reading the clock once, median, in nanoseconds: part of every sample, never subtracted.
    pub clock_cost_ns: f64,
    /// The smallest step the clock was seen to make, in nanoseconds.
    pub clock_step_ns: f64,
    /// One row for each entrant.
    pub rows: Vec<Row>,
    /// Rounds that were thrown away because the floor changed while they ran.
    pub rounds_dropped: u32,
    /// Share of time the hypervisor took from this machine during the race, in percent; `None` where it is
    /// not told.
    pub steal_percent: Option<f64>,
    /// True when the race was cut short (Ctrl-C): rows hold what was measured until then.
    pub interrupted: bool,
}

/// Who ran a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entrant {
    /// One of our four mechanisms.
    Mechanism,
    /// No channel at all: the workload's own cost (make, copy, verify).
    Null,
    /// A program outside the project.
    Rival,
}

/// What one entrant did under one workload, size, placement and way of waiting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// `shm`, `pipe`, `unix`, `tcp`, `null`, or a rival's name.
    pub kind: String,
    /// Who that is.
    pub entrant: Entrant,
    /// The workload.
    pub workload: Workload,
    /// Bytes in each message.
    pub size_bytes: u32,
    /// The placement asked for.
    #[serde(with = "as_text::one")]
    pub placement: Placement,
    /// The cores the sender and the receiver were read back on; `None` when unpinned.
    pub cores: Option<[usize; 2]>,
    /// How both sides waited.
    #[serde(with = "as_text::one")]
    pub wait: WaitStrategy,
    /// Messages sent in the rounds that count.
    pub messages: u64,
    /// Messages whose sequence number and payload the receiver found right. Equal to `messages` in any row
    /// with numbers.
    pub verified: u64,
    /// Latency of one message, one way; `None` when the row failed or took no samples.
    pub latency_ns: Option<Latency>,
    /// Messages a second until the receiver had verified the last one, over all launches.
    pub messages_per_s: Option<f64>,
    /// The floor of the same rounds (median of before and after), or `None` where there is none (one core,
    /// unpinned).
    pub floor_ns: Option<f64>,
    /// What the floor is made of.
    pub floor: Option<Floor>,
    /// Fresh pairs of processes that gave these numbers.
    pub launches: u32,
    /// What each launch alone found.
    pub each_launch: Vec<Launch>,
    /// What the sender and the receiver cost, summed over all launches, in the timed window only.
    pub sides: Option<[SideUse; 2]>,
    /// [`Workload::Paced`] only: messages that could not be sent when they were due (more than one interval
    /// late).
    pub missed: Option<u64>,
    /// Why there are no numbers, if so.
    pub failed: Option<String>,
    /// Sentences a reader must know: two modes, few samples, a floor that moved.
    pub notes: Vec<String>,
}

/// How the latency of a row came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LatencyBasis {
    /// Half of a measured round trip (ping-pong).
    HalfRoundTrip,
    /// From a stamp taken just before `send` to one taken just after `recv`, the same clock on both sides.
    OneWayStamped,
    /// From the moment the message was due to a stamp taken just after `recv`.
    FromDueTime,
}

/// Percentiles of one row. A percentile beyond what the samples support (1 − 10/n) is `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// How the samples were taken.
    pub basis: LatencyBasis,
    /// How many samples.
    pub samples: u64,
    /// The median.
    pub p50: Option<u64>,
    /// 90 % were at most this.
    pub p90: Option<u64>,
    /// 99 % were at most this.
    pub p99: Option<u64>,
    /// 99.9 % were at most this.
    pub p999: Option<u64>,
    /// The slowest sample of all.
    pub max: u64,
    /// The histogram, as pairs of a value in nanoseconds and how many samples had it; values carry 3
    /// significant digits.
    pub histogram: Vec<(u64, u64)>,
}

/// Cache lines bounced between the two placed processes: what the hardware itself takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Floor {
    /// How many lines: two, one each way.
    pub lines: u32,
    /// How the polls were spaced; the best of the tried ones: `tight`, `pause` or `tsc`.
    pub polls: String,
    /// Medians before and after each counted round, in nanoseconds (half a round trip), in the order they ran.
    pub each_round_ns: Vec<[f64; 2]>,
}

/// What one launch found by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    /// The median of this launch alone.
    pub latency_ns_p50: Option<u64>,
    /// Messages a second of this launch alone.
    pub messages_per_s: Option<f64>,
}

/// What a side cost while the clock ran (getrusage(2), this process only).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct SideUse {
    /// Time in user mode, in nanoseconds.
    pub user_ns: u64,
    /// Time in the kernel, in nanoseconds.
    pub system_ns: u64,
    /// Times it went to sleep by itself.
    pub voluntary_switches: u64,
    /// Times it was put aside.
    pub involuntary_switches: u64,
    /// Page faults that needed no disk.
    pub minor_faults: u64,
    /// The most memory it ever held, in KiB (the largest of all launches).
    pub peak_rss_kib: u64,
}
