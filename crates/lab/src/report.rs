//! A report: what a race found, with everything that is needed to believe it or to run it again.
//!
//! Units end a name; latencies are integer nanoseconds. The same structure is what `--json` prints,
//! `docs/report.schema.json` describes and `ipcscope compare` reads.

use std::collections::HashMap;

use crossing::WaitStrategy;
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::plan::{Placement, Plan, ROWS_LIMIT, Workload, as_text};
use crate::rehearsal::Rehearsal;
use crate::units;

/// The most rows that are read: a rival may have several for each of a plan's. To compare them row by row takes a bounded time.
const ROWS: usize = 2 * ROWS_LIMIT;

/// The version of the report's structure. It changes when a field changes its meaning or goes away.
pub const SCHEMA: u32 = 1;

/// The result of one race.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Report {
    /// The version of this structure. It changes when a field changes its meaning or goes away.
    #[cfg_attr(feature = "schemars", schemars(extend("const" = SCHEMA)))]
    pub schema: u32,
    /// The version of ipcscope that measured.
    pub version: String,
    /// When the race began, in milliseconds since 1970-01-01 UTC.
    pub started_unix_ms: u64,
    /// How long the whole race took, in milliseconds.
    pub elapsed_ms: u64,
    /// Whether a lab page was open while it ran (an open page changes unpinned results).
    pub page_open: bool,
    /// The plan that was asked for.
    pub plan: Plan,
    /// Where it ran.
    pub machine: Machine,
    /// Reading the clock once, median, in nanoseconds: part of every sample, never subtracted.
    pub clock_cost_ns: f64,
    /// The smallest step the clock was seen to make, in nanoseconds.
    pub clock_step_ns: f64,
    /// One row for each entrant.
    pub rows: Vec<ReportRow>,
    /// Rounds that were thrown away because the floor changed while they ran, or because they were disturbed: by a quota of
    /// processor time, by a stop of the lab, by a sleep of the machine.
    pub rounds_dropped: u32,
    /// Share of time the hypervisor took from this machine during the race, in percent; `None` where it is
    /// not told.
    pub steal_percent: Option<f64>,
    /// True when the race was cut short (Ctrl-C): rows hold what was measured until then.
    pub interrupted: bool,
    /// Of a rehearsal: the traffic that its rows repeat, and how well they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsal: Option<Rehearsal>,
}

impl Report {
    /// Reads a report from any source.
    ///
    /// # Errors
    /// One sentence that names the line and the field at fault, or says what the text is instead: a trace, the
    /// report of another version, something else.
    pub fn read(text: &[u8]) -> Result<Report, String> {
        let text = crate::text::plain(text)?;
        let fault = match crate::text::json::<Report>(text) {
            Ok(report) if report.rows.len() > ROWS => {
                format!("field `rows` holds {} rows: no race has more than {ROWS}", report.rows.len())
            }
            Ok(report) if report.schema == SCHEMA => return Ok(report),
            Ok(report) => return Err(other_schema(&report.schema.to_string())),
            Err(fault) => fault.to_string(),
        };
        Err(foreign(text).unwrap_or(fault))
    }

    /// The capacity of the channels, in the order of the rows.
    pub fn channels(&self) -> Vec<Channel<'_>> {
        let mut channels: Vec<Channel<'_>> = Vec::new();
        let mut places = HashMap::new();
        for row in &self.rows {
            let Some([least, most]) = row.channel_bytes else { continue };
            let place = *places.entry((&row.kind, row.size_bytes)).or_insert(channels.len());
            match channels.get_mut(place) {
                Some(Channel { had_bytes: [had_least, had_most], .. }) => {
                    (*had_least, *had_most) = (least.min(*had_least), most.max(*had_most));
                }
                None => channels.push(Channel {
                    kind: &row.kind,
                    size_bytes: row.size_bytes,
                    had_bytes: [least, most],
                }),
            }
        }
        channels
    }
}

/// The fault of a whole text that is not a report of this version.
fn foreign(text: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Head {
        schema: Option<serde_json::Value>,
        format: Option<String>,
    }
    if text.trim_ascii().is_empty() {
        return Some("line 1: there is nothing in it".into());
    }
    let first = serde_json::Deserializer::from_slice(text).into_iter::<Head>().next();
    match first? {
        Ok(Head { format: Some(format), .. }) => {
            Some(format!("line 1: field `format` is `{format}`: this is no report of a race"))
        }
        Ok(Head { schema: None, .. }) => {
            Some("line 1: field `schema` is missing: this is no report of a race".into())
        }
        Ok(Head { schema: Some(schema), .. }) if schema != SCHEMA => Some(other_schema(&schema.to_string())),
        _ => None,
    }
}

fn other_schema(schema: &str) -> String {
    format!("field `schema` is {schema}, and this ipcscope reads {SCHEMA}: use the version that wrote it")
}

/// The capacity of a mechanism's channels, in the rows of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channel<'a> {
    /// The row's.
    pub kind: &'a str,
    /// The row's.
    pub size_bytes: u32,
    /// The least and the most of the rows, in bytes ([`ReportRow::channel_bytes`]).
    pub had_bytes: [u32; 2],
}

/// The entrant of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Entrant {
    /// One of our four mechanisms.
    Mechanism,
    /// No channel at all: the workload's own cost (make, copy, verify).
    Null,
    /// A program outside the project.
    Rival,
    /// A program outside the project whose two ends are threads of one process: a bound for what
    /// processes can reach. It is not judged.
    Bound,
}

/// The distance of the two cores, by the floor. A virtual machine's host moves them, and a
/// mechanism that is fast in one state is slow in another: compare rows of one state only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Every look at the floor took less than [`State::FAR_NS`]: two cores that share a cache.
    Near,
    /// Every look took more.
    Far,
    /// Some took less and some more.
    Mixed,
}

impl State {
    /// The limit between near and far, in nanoseconds. On the machines that were measured, cores
    /// with a shared cache took less, and cores without one more.
    pub const FAR_NS: f64 = 120.0;

    /// The state that these looks at the floor saw; `None` without any.
    pub fn of(floors_ns: &[f64]) -> Option<State> {
        let far = floors_ns.iter().filter(|&&ns| ns >= State::FAR_NS).count();
        match far {
            _ if floors_ns.is_empty() => None,
            0 => Some(State::Near),
            _ if far == floors_ns.len() => Some(State::Far),
            _ => Some(State::Mixed),
        }
    }

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            State::Near => "near",
            State::Far => "far",
            State::Mixed => "mixed",
        }
    }
}

impl ReportRow {
    /// The name: `pipe ping-pong 64 B spin`.
    pub fn label(&self) -> String {
        label(&self.kind, self.workload, self.size_bytes, self.wait)
    }
}

/// The name of a row, also before it has figures.
pub(crate) fn label(kind: &str, workload: Workload, size_bytes: u32, wait: WaitStrategy) -> String {
    format!("{kind} {workload} {} {wait}", units::bytes(size_bytes))
}

/// The result of one entrant under one workload, size, placement and way of waiting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ReportRow {
    /// `shm`, `pipe`, `unix`, `tcp`, `null`, or a rival's name.
    pub kind: String,
    /// Which kind of entrant it is.
    pub entrant: Entrant,
    /// The workload.
    pub workload: Workload,
    /// Bytes in each message.
    pub size_bytes: u32,
    /// The placement asked for.
    #[serde(with = "as_text::one")]
    #[cfg_attr(feature = "schemars", schemars(with = "crate::schema_text::PlacementText"))]
    pub placement: Placement,
    /// The cores the sender and the receiver were read back on; `None` when unpinned.
    pub cores: Option<[usize; 2]>,
    /// How both sides waited.
    #[serde(with = "as_text::one")]
    #[cfg_attr(feature = "schemars", schemars(with = "crate::schema_text::WaitText"))]
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
    /// The looks that the floor is made of.
    pub floor: Option<Floor>,
    /// How far apart the cores were meanwhile, by that floor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Fresh pairs of processes that gave these numbers.
    pub launches: u32,
    /// The result of each launch by itself.
    pub each_launch: Vec<Launch>,
    /// The cost of the sender and of the receiver, summed over all launches, in the timed window
    /// only.
    pub sides: Option<[SideUse; 2]>,
    /// What the channel had room for in the direction that the first process sends, in bytes, when its launches had ended: the
    /// least and the most of them ([`crossing::Sender::capacity_bytes`]). Of shared memory the ring, which holds two of the
    /// longest messages whatever was asked for; else the kernel's buffer, in which sockets count the kernel's own overhead, so
    /// twice what was asked for. `None` for the null entrant and rivals, and where it was not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_bytes: Option<[u32; 2]>,
    /// How one launch went on, the one in the middle by its rate: pairs of nanoseconds since its clock started
    /// and messages verified until then. `None` for the null entrant and rivals.
    #[serde(default)]
    pub progress: Option<Vec<(u64, u64)>>,
    /// Of a rehearsal: the median time of each direction's messages, side 0's first, in nanoseconds, however few they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directions_ns_p50: Option<[Option<u64>; 2]>,
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
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
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

/// Cache lines bounced between the two placed processes: the time that the hardware itself takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Floor {
    /// How many lines: two, one each way.
    pub lines: u32,
    /// How the polls were spaced; the best of the tried ones: `tight`, `pause` or `tsc`.
    pub polls: String,
    /// Medians before and after each counted round, in nanoseconds (half a round trip), in the order they ran.
    pub each_round_ns: Vec<[f64; 2]>,
}

/// The result of one launch by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Launch {
    /// The median of this launch alone.
    pub latency_ns_p50: Option<u64>,
    /// Messages a second of this launch alone.
    pub messages_per_s: Option<f64>,
}

/// The cost of one side while the clock ran (getrusage(2), this process only).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "Side"))]
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> serde_json::Value {
        serde_json::from_str(include_str!("../../../tests/cli/sample.json")).unwrap()
    }

    fn fault(text: impl AsRef<[u8]>) -> String {
        Report::read(text.as_ref()).unwrap_err()
    }

    #[test]
    fn a_report_is_read_back() {
        let report = Report::read(sample().to_string().as_bytes()).unwrap();
        assert_eq!(serde_json::to_value(report).unwrap(), sample());
    }

    #[test]
    fn what_channels_had_is_gathered_by_kind_and_size() {
        let mut report = Report::read(sample().to_string().as_bytes()).unwrap();
        let row = report.rows[0].clone();
        let had = |size_bytes, channel_bytes| ReportRow { size_bytes, channel_bytes, ..row.clone() };
        report.rows = vec![
            had(64, Some([4096; 2])),
            had(65, Some([8192; 2])),
            had(64, Some([1024, 2048])),
            had(66, None),
        ];
        let channels = report.channels();
        let found: Vec<_> = channels.iter().map(|one| (one.kind, one.size_bytes, one.had_bytes)).collect();
        assert_eq!(found, [("shm", 64, [1024, 4096]), ("shm", 65, [8192; 2])]);
    }

    #[test]
    fn a_state_is_what_every_look_at_the_floor_saw() {
        assert_eq!(State::of(&[]), None);
        assert_eq!(State::of(&[48.0, 63.0]), Some(State::Near));
        assert_eq!(State::of(&[233.0, 265.0]), Some(State::Far));
        assert_eq!(State::of(&[48.0, 265.0]), Some(State::Mixed));
    }

    #[test]
    fn the_line_and_the_field_at_fault_are_named() {
        let whole = include_str!("../../../tests/cli/sample.json");
        let cut = fault(&whole[..whole.len() / 2]);
        assert!(cut.starts_with("line ") && cut.contains("cut short") && cut.contains("`rows["), "{cut}");
        let wrong = fault(whole.replacen("\"elapsed_ms\": ", "\"elapsed_ms\": -", 1));
        assert!(wrong.starts_with("line 5: field `elapsed_ms`: "), "{wrong}");
        let after = fault(format!("{whole}\nand more"));
        assert!(after.contains("trailing characters"), "{after}");
        let mut unknown = sample();
        unknown["rows"][1]["wait"] = "sometimes".into();
        assert!(fault(unknown.to_string()).contains("field `rows[1]"), "{}", fault(unknown.to_string()));
    }

    /// 64 MiB hold a hundred thousand short rows, and comparing each with each takes minutes.
    #[test]
    fn more_rows_than_a_race_has_are_refused() {
        let mut many = sample();
        let row = serde_json::json!({
            "kind": "x", "entrant": "null", "workload": "stream", "size_bytes": 1, "placement": "unpinned", "cores": null,
            "wait": "spin", "messages": 0, "verified": 0, "latency_ns": null, "messages_per_s": null, "floor_ns": null,
            "floor": null, "launches": 0, "each_launch": [], "sides": null, "missed": null, "failed": null, "notes": []
        });
        many["rows"] = vec![row; ROWS].into();
        Report::read(many.to_string().as_bytes()).unwrap();
        let one = many["rows"][0].clone();
        many["rows"].as_array_mut().unwrap().push(one);
        assert!(fault(many.to_string()).contains("no race has more than 20000"));
    }

    #[test]
    fn what_is_no_report_of_ours_is_said_to_be_so() {
        let mut newer = sample();
        newer["schema"] = 7.into();
        assert!(fault(newer.to_string()).starts_with("field `schema` is 7, and this ipcscope reads 1"));
        newer.as_object_mut().unwrap().remove("rows");
        assert!(fault(newer.to_string()).starts_with("field `schema` is 7"));
        assert!(fault("{\"some\":\"json\"}").contains("field `schema` is missing"));
        assert!(fault("{\"format\":\"ipcscope-trace\",\"schema\":2}\n{\"t_ns\":0}\n").contains("no report"));
        assert!(fault("  \n").contains("nothing in it"));
        for text in ["[]", "7", "hello", "\u{0}", "{\"schema\":1}"] {
            assert!(fault(text).starts_with("line 1"), "{text}: {}", fault(text));
        }
    }
}
