//! Two reports, row by row: what is faster, what is slower, and what may not be said.
//!
//! A row of the one is matched with the row of the other that has the same entrant, workload, size, placement and
//! way of waiting, and with no other. Each figure gets its quotient with the range that the launches of both
//! give; where that range holds 1, nothing is said to differ. Whatever else is not alike, such as the machine, is
//! a warning: the quotients stand, and it is the reader who must know.

use serde::Serialize;

use crate::machine::Machine;
use crate::plan::Workload;
use crate::report::{Channel, Report, Row};
use crate::stats::{Measure, Ratio, Verdict, median, ratio_by};

/// Floors that differ by more than this factor say that the cores were at another distance.
const FLOORS_APART: f64 = 1.5;

/// What two reports say together; `a` is the one to compare with, `b` is judged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Every row of `a` in its order, then those that only `b` has.
    pub rows: Vec<Compared>,
    /// Sentences that a reader must know.
    pub warnings: Vec<String>,
}

/// One row of both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// `pipe ping-pong 64 B spin cross-core`.
    pub label: String,
    /// What `a` found; `None` when it has no such row, or it failed.
    pub a: Option<Figures>,
    /// What `b` found.
    pub b: Option<Figures>,
    /// The medians: `b` divided by `a`.
    pub latency_ratio: Option<Change>,
    /// The rates: `b` divided by `a`.
    pub throughput_ratio: Option<Change>,
    /// The report that alone has this row.
    pub only_in: Option<Side>,
    /// Why one of them, or both, have no figures.
    pub failed: Option<String>,
    /// Which of the two this workload is judged by.
    #[serde(skip)]
    pub judged_by: Measure,
}

/// One of the two reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// The median latency.
    pub latency_ns_p50: Option<u64>,
    /// Messages a second.
    pub messages_per_s: Option<f64>,
}

/// One figure of `b` divided by that of `a`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Change {
    /// The quotient of the rows' figures.
    pub ratio: f64,
    /// The least quotient of any two launches.
    pub low: f64,
    /// The greatest.
    pub high: f64,
    /// What that means for `b`.
    pub verdict: Judgement,
}

/// How `b` stands to `a`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// All launches of `b` are better than all of `a`.
    Better,
    /// All are worse.
    Worse,
    /// The ranges overlap.
    NoDifference,
    /// One of them had one launch only: no spread is known.
    Unknown,
}

impl Comparison {
    /// Compares `b` with `a`.
    pub fn of(a: &Report, b: &Report) -> Comparison {
        let mut left: Vec<&Row> = b.rows.iter().collect();
        let mut rows = Vec::new();
        for row in &a.rows {
            let like = left.iter().position(|other| are_alike(row, other));
            rows.push(Compared::of(Some(row), like.map(|place| left.remove(place)), (a, b)));
        }
        rows.extend(left.into_iter().map(|row| Compared::of(None, Some(row), (a, b))));
        Comparison { rows, warnings: warnings(a, b) }
    }

    /// Whether any row stands in both reports.
    pub fn has_common_rows(&self) -> bool {
        self.rows.iter().any(|row| row.only_in.is_none())
    }

    /// The rows in which `b` takes more than `percent` more time for a message than `a`, beyond their spread, or
    /// has failed where `a` has not. A stream's time for a message is one over its rate.
    pub fn past(&self, percent: f64) -> Vec<&Compared> {
        let limit = 1.0 + percent / 100.0;
        self.rows.iter().filter(|row| row.has_failed_since() || row.slower() > limit).collect()
    }
}

impl Compared {
    fn of(a: Option<&Row>, b: Option<&Row>, (report_a, report_b): (&Report, &Report)) -> Compared {
        let label = a.or(b).map(label).unwrap_or_default();
        let workload = a.or(b).map_or(Workload::PingPong, |row| row.workload);
        let paced_alike = workload != Workload::Paced || report_a.plan.rate_per_s == report_b.plan.rate_per_s;
        let both = a.zip(b).filter(|(a, b)| paced_alike && a.failed.is_none() && b.failed.is_none());
        let change = |measure| both.and_then(|(a, b)| ratio_by(measure, b, a)).map(Change::from);
        Compared {
            label,
            a: a.and_then(Figures::of),
            b: b.and_then(Figures::of),
            latency_ratio: change(Measure::LatencyP50),
            throughput_ratio: change(Measure::MessagesPerS),
            only_in: match (a, b) {
                (Some(_), None) => Some(Side::A),
                (None, Some(_)) => Some(Side::B),
                _ => None,
            },
            failed: failed(a, b),
            judged_by: Measure::of(workload),
        }
    }

    /// The change that this row is judged by.
    pub fn change(&self) -> Option<Change> {
        match self.judged_by {
            Measure::LatencyP50 => self.latency_ratio,
            Measure::MessagesPerS => self.throughput_ratio,
        }
    }

    /// How many times the time for a message has become, where it has become longer; else 0.
    fn slower(&self) -> f64 {
        match self.change().filter(|change| change.verdict == Judgement::Worse) {
            Some(change) if self.judged_by == Measure::MessagesPerS => 1.0 / change.ratio,
            Some(change) => change.ratio,
            None => 0.0,
        }
    }

    fn has_failed_since(&self) -> bool {
        self.a.is_some() && self.b.is_none() && self.only_in.is_none()
    }
}

impl Figures {
    fn of(row: &Row) -> Option<Figures> {
        row.failed.is_none().then(|| Figures {
            latency_ns_p50: row.latency_ns.as_ref().and_then(|latency| latency.p50),
            messages_per_s: row.messages_per_s,
        })
    }
}

impl From<Ratio> for Change {
    fn from(ratio: Ratio) -> Change {
        let more_is_better = ratio.measure == Measure::MessagesPerS;
        let verdict = match ratio.verdict {
            Verdict::NoDifference => Judgement::NoDifference,
            Verdict::Unknown => Judgement::Unknown,
            Verdict::Different if (ratio.min > 1.0) == more_is_better => Judgement::Better,
            Verdict::Different => Judgement::Worse,
        };
        Change { ratio: ratio.value, low: ratio.min, high: ratio.max, verdict }
    }
}

fn are_alike(a: &Row, b: &Row) -> bool {
    a.kind == b.kind
        && a.entrant == b.entrant
        && a.workload == b.workload
        && a.size_bytes == b.size_bytes
        && a.placement == b.placement
        && a.wait == b.wait
}

fn label(row: &Row) -> String {
    let Row { kind, workload, size_bytes, wait, placement, .. } = row;
    format!("{kind} {workload} {size_bytes} B {wait} {placement}")
}

fn failed(a: Option<&Row>, b: Option<&Row>) -> Option<String> {
    let why = |row: Option<&Row>| row.and_then(|row| row.failed.clone());
    match (why(a), why(b)) {
        (None, None) => None,
        (Some(a), None) => Some(format!("failed in a: {a}")),
        (None, Some(b)) => Some(format!("failed in b: {b}")),
        (Some(a), Some(b)) => Some(format!("failed in a: {a}; failed in b: {b}")),
    }
}

/// What else the two reports differ in, and what makes either of them doubtful.
fn warnings(a: &Report, b: &Report) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut differ = |what: &str, a: &dyn std::fmt::Display, b: &dyn std::fmt::Display| {
        let (a, b) = (a.to_string(), b.to_string());
        if a != b {
            warnings.push(format!("{what}: {a} in a, {b} in b"));
        }
    };
    for (what, of) in FACTS {
        differ(what, &of(&a.machine), &of(&b.machine));
    }
    differ("version of ipcscope", &a.version, &b.version);
    differ("placement", &a.plan.placement, &b.plan.placement);
    differ("cores", &cores(a), &cores(b));
    differ("capacity of the channels", &capacity(a), &capacity(b));
    let of_pages = |report: &Report| if report.page_open { "open" } else { "none open" };
    differ("lab page", &of_pages(a), &of_pages(b));
    if [a, b].iter().all(|report| report.plan.workloads.contains(&Workload::Paced)) {
        differ("rate of the paced rows (not compared)", &a.plan.rate_per_s, &b.plan.rate_per_s);
    }
    for (name, report) in [("a", a), ("b", b)] {
        if report.plan.quick {
            warnings.push(format!("{name} was a quick race: a first look"));
        }
        if report.interrupted {
            warnings.push(format!("{name} was cut short"));
        }
        if report.rows.iter().any(|row| row.launches == 1) {
            warnings.push(format!("{name} had one launch a row: no spread is known, and nothing is judged"));
        }
    }
    if let (Some(of_a), Some(of_b)) = (floor(a), floor(b))
        && of_a.max(of_b) > FLOORS_APART * of_a.min(of_b)
    {
        warnings
            .push(format!("floor: {of_a:.0} ns in a, {of_b:.0} ns in b: the cores were at another distance"));
    }
    warnings
}

/// A fact about a machine in words.
type Fact = fn(&Machine) -> String;

/// Facts that change numbers.
const FACTS: [(&str, Fact); 8] = [
    ("processor", |machine| told(machine.cpu.as_ref())),
    ("architecture", |machine| machine.architecture.clone()),
    ("cores online", |machine| told(machine.cores_online.as_ref())),
    ("kernel", |machine| told(machine.kernel.as_ref())),
    ("virtual machine", |machine| told(machine.virtualised.as_ref())),
    ("clock source", |machine| told(machine.clock_source.as_ref())),
    ("frequency governor", |machine| told(machine.governor.as_ref())),
    ("mitigations", |machine| told(machine.mitigations.as_ref().map(|all| all.join(", ")).as_ref())),
];

fn told(fact: Option<&impl ToString>) -> String {
    fact.map_or_else(|| "none told".into(), ToString::to_string)
}

/// The cores of a report's rows.
fn cores(report: &Report) -> String {
    let mut all: Vec<[usize; 2]> = report.rows.iter().filter_map(|row| row.cores).collect();
    all.retain(|[a, b]| a != b || report.rows.iter().all(|row| row.cores.is_none_or(|[a, b]| a == b)));
    all.sort_unstable();
    all.dedup();
    let all: Vec<String> = all.iter().map(|[a, b]| format!("{a}+{b}")).collect();
    if all.is_empty() { "any".into() } else { all.join(", ") }
}

/// The room that was asked for, and what came of it.
fn capacity(report: &Report) -> String {
    let Some(asked) = report.plan.capacity_bytes else { return "each mechanism's own".into() };
    let had = report.channels().into_iter().map(|Channel { kind, size_bytes, had_bytes: [least, most] }| {
        let most = if most > least { format!(" to {most}") } else { String::new() };
        format!("{kind} of {size_bytes} {least}{most}")
    });
    let had = had.collect::<Vec<_>>().join(", ");
    let had = if had.is_empty() { "what was had is not told".into() } else { format!("had {had}") };
    format!("{asked} bytes asked for ({had})")
}

/// The middle of all floors of a report.
fn floor(report: &Report) -> Option<f64> {
    median(&report.rows.iter().filter_map(|row| row.floor_ns).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Launch;

    fn sample() -> Report {
        Report::read(include_bytes!("../../../tests/cli/sample.json")).unwrap()
    }

    /// The sample with the times of a row made `times` as long.
    fn slower(place: usize, times: f64) -> Report {
        let mut report = sample();
        let row = &mut report.rows[place];
        let longer = |ns: u64| (ns as f64 * times) as u64;
        if let Some(latency) = &mut row.latency_ns {
            latency.p50 = latency.p50.map(longer);
        }
        row.messages_per_s = row.messages_per_s.map(|rate| rate / times);
        for Launch { latency_ns_p50, messages_per_s } in &mut row.each_launch {
            *latency_ns_p50 = latency_ns_p50.map(longer);
            *messages_per_s = messages_per_s.map(|rate| rate / times);
        }
        report
    }

    fn place(of: Workload) -> usize {
        sample().rows.iter().position(|row| row.workload == of && row.failed.is_none()).unwrap()
    }

    #[test]
    fn a_report_does_not_differ_from_itself() {
        let comparison = Comparison::of(&sample(), &sample());
        assert_eq!(comparison.rows.len(), sample().rows.len());
        for row in &comparison.rows {
            assert_eq!(row.only_in, None);
            for change in [row.latency_ratio, row.throughput_ratio].into_iter().flatten() {
                assert_eq!((change.ratio, change.verdict), (1.0, Judgement::NoDifference), "{row:?}");
            }
        }
        assert_eq!(comparison.warnings, Vec::<String>::new());
        assert!(comparison.past(0.0).is_empty());
    }

    #[test]
    fn slower_is_worse_whatever_the_row_is_judged_by() {
        for workload in [Workload::PingPong, Workload::Stream] {
            let place = place(workload);
            let comparison = Comparison::of(&sample(), &slower(place, 3.0));
            let row = &comparison.rows[place];
            assert_eq!(row.change().unwrap().verdict, Judgement::Worse, "{row:?}");
            assert_eq!(comparison.past(190.0), [row]);
            assert!(comparison.past(210.0).is_empty());
            let other = Comparison::of(&slower(place, 3.0), &sample());
            assert_eq!(other.rows[place].change().unwrap().verdict, Judgement::Better);
            assert!(other.past(0.0).is_empty());
        }
    }

    #[test]
    fn overlapping_spreads_are_never_past_a_limit() {
        let place = place(Workload::PingPong);
        let mut wide = slower(place, 3.0);
        wide.rows[place].each_launch[0] = sample().rows[place].each_launch[0].clone();
        let comparison = Comparison::of(&sample(), &wide);
        assert_eq!(comparison.rows[place].change().unwrap().verdict, Judgement::NoDifference);
        assert!(comparison.past(0.0).is_empty());
    }

    #[test]
    fn one_launch_is_not_judged_and_that_is_said() {
        let place = place(Workload::PingPong);
        let mut one = slower(place, 3.0);
        one.rows[place].each_launch.truncate(1);
        one.rows[place].launches = 1;
        let comparison = Comparison::of(&sample(), &one);
        assert_eq!(comparison.rows[place].change().unwrap().verdict, Judgement::Unknown);
        assert!(comparison.past(0.0).is_empty());
        assert!(comparison.warnings.iter().any(|warning| warning.contains("one launch")));
    }

    #[test]
    fn rows_match_only_their_like() {
        let mut other = sample();
        other.rows[0].size_bytes += 1;
        let comparison = Comparison::of(&sample(), &other);
        assert_eq!(comparison.rows.len(), sample().rows.len() + 1);
        assert_eq!(comparison.rows[0].only_in, Some(Side::A));
        let last = comparison.rows.last().unwrap();
        assert_eq!((last.only_in, last.a, last.change()), (Some(Side::B), None, None));
        assert!(comparison.has_common_rows());
        other.rows.clear();
        assert!(!Comparison::of(&sample(), &other).has_common_rows());
    }

    #[test]
    fn a_row_that_fails_now_is_past_every_limit() {
        let mut broken = sample();
        let place = place(Workload::PingPong);
        broken.rows[place].failed = Some("message 7 was lost".into());
        let comparison = Comparison::of(&sample(), &broken);
        assert_eq!(comparison.rows[place].failed.as_deref(), Some("failed in b: message 7 was lost"));
        assert_eq!(comparison.past(1e9).len(), 1);
        assert!(Comparison::of(&broken, &sample()).past(0.0).is_empty());
    }

    /// The control: the same was asked for, and one of the two got less, or does not tell.
    #[test]
    fn what_channels_had_is_compared_where_room_was_asked_for() {
        let warned = |change: fn(&mut Row)| {
            let mut both = [sample(), sample()];
            both.iter_mut().for_each(|report| report.plan.capacity_bytes = Some(4096));
            both[1].rows.iter_mut().for_each(change);
            let [a, b] = &both;
            let warnings = Comparison::of(a, b).warnings;
            warnings.into_iter().find(|warning| warning.starts_with("capacity of the channels: "))
        };
        assert_eq!(warned(|_| {}), None);
        assert!(
            warned(|row| row.channel_bytes = row.channel_bytes.map(|[least, most]| [least, 2 * most]))
                .is_some()
        );
        let untold = warned(|row| row.channel_bytes = None).unwrap();
        assert!(untold.ends_with("4096 bytes asked for (what was had is not told) in b"), "{untold}");
    }

    #[test]
    fn whatever_else_differs_is_a_warning() {
        let mut other = sample();
        other.machine.kernel = Some("7.0.0".into());
        other.version = "9.9.9".into();
        other.page_open = true;
        other.plan.placement = crate::plan::Placement::SameCore;
        other.plan.rate_per_s += 1;
        other.plan.capacity_bytes = Some(2 << 20);
        other.interrupted = true;
        for row in &mut other.rows {
            row.floor_ns = row.floor_ns.map(|ns| ns * 4.0);
        }
        let comparison = Comparison::of(&sample(), &other);
        for words in [
            "kernel: ",
            "7.0.0 in b",
            "9.9.9",
            "lab page: ",
            "placement: ",
            "rate of",
            "capacity of the channels: each mechanism's own in a, 2097152 bytes asked for (had shm of 64 262144, pipe of 64 65536",
            "b was cut short",
            "floor: ",
        ] {
            assert!(
                comparison.warnings.iter().any(|warning| warning.contains(words)),
                "{words}: {comparison:?}"
            );
        }
        let paced = comparison.rows.iter().find(|row| row.label.contains("paced")).unwrap();
        assert_eq!(paced.change(), None, "another rate");
    }
}
