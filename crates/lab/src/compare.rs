//! Two reports, row by row: which rows are faster, which are slower, and which cannot be compared.
//!
//! A row of the one is matched with the row of the other that has the same entrant, workload, size,
//! placement and way of waiting, and with no other. Each figure gets its quotient with the range
//! that the launches of both give; where that range holds 1, nothing is said to differ. Any other
//! difference, such as the machine, is a warning to the reader: the quotients stand. A gate has no
//! reader ([`Limit`]): rows that could not be compared do not pass it.

mod compared;
mod figures;
mod gate;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use crate::judge::{NONE, SPREAD, versus};
use crate::machine::Machine;
use crate::plan::{Placement, Workload};
use crate::report::{Channel, Entrant, Report, ReportRow};
use crate::stats::{Measure, Ratio, median, ratio_by};
use crate::units;
use crossing::WaitStrategy;

pub use compared::{COLUMNS, Change, Compared, ComparedLine, Comparison, Figures, Judgement, Side};
pub use gate::Limit;

use compared::NoVerdict;

/// Floors that differ by more than this factor say that the cores were at another distance.
const FLOORS_APART: f64 = 1.5;

impl Comparison {
    /// Compares `b` with `a`.
    pub fn of(a: &Report, b: &Report) -> Comparison {
        let (index_a, index_b) = (Index::of(a), Index::of(b));
        let mut left: Vec<Option<&ReportRow>> = b.rows.iter().map(Some).collect();
        let mut rows = Vec::new();
        for row in &a.rows {
            let places = index_b.places(row);
            let like = places.iter().find_map(|&place| left[place].take());
            let mut compared = Compared::of(Some(row), like, (a, b));
            for (name, count) in [("a", index_a.places(row).len()), ("b", places.len())] {
                if count > 1 {
                    compared.open =
                        Some(NoVerdict::Broken(format!("stands {count} times in {name}: which one counts?")));
                }
            }
            rows.push(compared);
        }
        rows.extend(left.into_iter().flatten().map(|row| Compared::of(None, Some(row), (a, b))));
        let below = [
            "b / a: the medians (p50) or rates (msg/s) divided, with the least and the greatest quotient of any two launches",
            SPREAD,
        ];
        let (unlike, cut_short) = (unlike(a, b), cut_short(a, b));
        let mut warnings = [unlike.clone(), cut_short.clone(), warnings(a, b)].concat();
        warnings.extend(rows.iter().filter_map(|row| match &row.open {
            Some(NoVerdict::Broken(why)) => Some(format!("{}: {why}", row.label)),
            _ => None,
        }));
        Comparison { columns: COLUMNS, rows, below: below.map(Into::into), warnings, unlike, cut_short }
    }

    /// Whether any row stands in both reports.
    pub fn has_common_rows(&self) -> bool {
        self.rows.iter().any(|row| row.only_in.is_none())
    }
}

impl Compared {
    fn of(
        a: Option<&ReportRow>,
        b: Option<&ReportRow>,
        (report_a, report_b): (&Report, &Report),
    ) -> Compared {
        let label = a.or(b).map(|row| format!("{} {}", row.label(), row.placement)).unwrap_or_default();
        let workload = a.or(b).map_or(Workload::PingPong, |row| row.workload);
        let sound = |(a, b): &(&ReportRow, &ReportRow)| {
            let fine =
                |row: &ReportRow, report| row.failed.is_none() && figures::fault(row, report).is_none();
            fine(a, report_a) && fine(b, report_b)
        };
        let both = a
            .zip(b)
            .filter(|both| gate::unlike_offer(workload, (report_a, report_b)).is_none() && sound(both));
        let ratio = |measure| both.and_then(|(a, b)| ratio_by(measure, b, a));
        let mut compared = Compared {
            open: a.zip(b).and_then(|(a, b)| gate::open(a, b, (report_a, report_b))),
            label,
            a: a.and_then(Figures::of),
            b: b.and_then(Figures::of),
            latency_ratio: ratio(Measure::LatencyP50).map(Change::from),
            throughput_ratio: ratio(Measure::MessagesPerS).map(Change::from),
            only_in: match (a, b) {
                (Some(_), None) => Some(Side::A),
                (None, Some(_)) => Some(Side::B),
                _ => None,
            },
            failed: failed(a, b),
            judged_by: Measure::of(workload),
            lines: Vec::new(),
        };
        let judges = compared.judged_by;
        let other = match judges {
            Measure::LatencyP50 => Measure::MessagesPerS,
            Measure::MessagesPerS => Measure::LatencyP50,
        };
        let has = |by| [compared.a, compared.b].iter().flatten().any(|figures| figures.text(by).is_some());
        let measures = std::iter::once(judges).chain(Some(other).filter(|&by| has(by)));
        compared.lines = measures.map(|by| compared.line(by, ratio(by))).collect();
        compared
    }
}

impl Compared {
    fn line(&self, by: Measure, ratio: Option<Ratio>) -> ComparedLine {
        let figure = |figures: Option<Figures>| figures.and_then(|figures| figures.text(by));
        let verdict = self.change_by(by).map(|change| change.verdict);
        let cells = [
            self.label.clone(),
            if by.more_is_better() { "msg/s" } else { "p50" }.into(),
            figure(self.a).unwrap_or(NONE.into()),
            figure(self.b).unwrap_or(NONE.into()),
            versus(ratio),
            self.word(verdict).into(),
        ];
        ComparedLine { cells: cells.into(), verdict }
    }

    /// The verdict on `b` in a word.
    fn word(&self, verdict: Option<Judgement>) -> &'static str {
        match (self.only_in, verdict) {
            (Some(Side::A), _) => "only in a",
            (Some(Side::B), _) => "only in b",
            (None, None) if self.failed.is_some() => "failed",
            (None, None) => "not comparable",
            (None, Some(Judgement::Better)) => "better",
            (None, Some(Judgement::Worse)) => "worse",
            (None, Some(Judgement::NoDifference)) => "no different",
            (None, Some(Judgement::Unknown)) => "not judged",
        }
    }
}

impl Figures {
    fn text(self, by: Measure) -> Option<String> {
        match by {
            Measure::LatencyP50 => self.latency_ns_p50.map(|ns| units::duration(ns as f64)),
            Measure::MessagesPerS => self.messages_per_s.map(units::rate),
        }
    }

    fn of(row: &ReportRow) -> Option<Figures> {
        row.failed.is_none().then(|| Figures {
            latency_ns_p50: row.latency_ns.as_ref().and_then(|latency| latency.p50),
            messages_per_s: row.messages_per_s,
        })
    }
}

/// The properties that rows must share to be compared.
type Key<'a> = (&'a str, Entrant, Workload, u32, Placement, WaitStrategy);

/// The places of a report's rows, by the properties that they must share.
struct Index<'a>(HashMap<Key<'a>, Vec<usize>>);

impl<'a> Index<'a> {
    fn of(report: &'a Report) -> Index<'a> {
        let mut places: HashMap<Key<'a>, Vec<usize>> = HashMap::new();
        for (place, row) in report.rows.iter().enumerate() {
            places.entry(key(row)).or_default().push(place);
        }
        Index(places)
    }

    /// The places of the rows like this one.
    fn places(&self, row: &'a ReportRow) -> &[usize] {
        self.0.get(&key(row)).map_or(&[], Vec::as_slice)
    }
}

fn key(row: &ReportRow) -> Key<'_> {
    (&row.kind, row.entrant, row.workload, row.size_bytes, row.placement, row.wait)
}

fn failed(a: Option<&ReportRow>, b: Option<&ReportRow>) -> Option<String> {
    let why = |row: Option<&ReportRow>| row.and_then(|row| row.failed.clone());
    match (why(a), why(b)) {
        (None, None) => None,
        (Some(a), None) => Some(format!("failed in a: {a}")),
        (None, Some(b)) => Some(format!("failed in b: {b}")),
        (Some(a), Some(b)) => Some(format!("failed in a: {a}; failed in b: {b}")),
    }
}

/// The differences that forbid to judge `b` by `a`: another machine, or channels of another
/// capacity.
fn unlike(a: &Report, b: &Report) -> Vec<String> {
    let mut unlike = Vec::new();
    for (what, of) in MACHINES {
        unlike.extend(differing(what, &of(&a.machine), &of(&b.machine)));
    }
    unlike.extend(differing("capacity of the channels", &capacity(a, b), &capacity(b, a)));
    unlike
}

/// Which of them was cut short.
fn cut_short(a: &Report, b: &Report) -> Vec<String> {
    let named = [("a", a), ("b", b)].into_iter().filter(|(_, report)| report.interrupted);
    named.map(|(name, _)| format!("{name} was cut short")).collect()
}

/// Both values, if they differ.
fn differing(what: &str, a: &dyn std::fmt::Display, b: &dyn std::fmt::Display) -> Option<String> {
    let (a, b) = (a.to_string(), b.to_string());
    (a != b).then(|| format!("{what}: {a} in a, {b} in b"))
}

/// The other differences between the reports, and the doubts about either.
fn warnings(a: &Report, b: &Report) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut differ = |what: &str, a: &dyn std::fmt::Display, b: &dyn std::fmt::Display| {
        warnings.extend(differing(what, a, b));
    };
    for (what, of) in CIRCUMSTANCES {
        differ(what, &of(&a.machine), &of(&b.machine));
    }
    differ("version of ipcscope", &a.version, &b.version);
    differ("placement", &a.plan.placement, &b.plan.placement);
    differ("cores", &cores(a), &cores(b));
    differ("messages a row", &a.plan.count, &b.plan.count);
    let of_pages = |report: &Report| if report.page_open { "open" } else { "none open" };
    differ("lab page", &of_pages(a), &of_pages(b));
    if [a, b].iter().all(|report| report.plan.workloads.contains(&Workload::Paced)) {
        differ("rate of the paced rows (not compared)", &a.plan.rate_per_s, &b.plan.rate_per_s);
    }
    for (name, report) in [("a", a), ("b", b)] {
        if report.plan.quick {
            warnings.push(format!("{name} was a quick race, not to be quoted"));
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
type MachineFact = fn(&Machine) -> String;

/// The facts that identify a machine.
const MACHINES: [(&str, MachineFact); 3] = [
    ("processor", |machine| told(machine.cpu.as_ref())),
    ("architecture", |machine| machine.architecture.clone()),
    ("cores online", |machine| told(machine.cores_online.as_ref())),
];

/// The facts that change numbers on one machine.
const CIRCUMSTANCES: [(&str, MachineFact); 5] = [
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

/// The capacity that was asked for, and that the channels of rows in both reports got.
fn capacity(report: &Report, other: &Report) -> String {
    let Some(asked) = report.plan.capacity_bytes else { return "each mechanism's own".into() };
    let theirs: HashSet<_> = other.rows.iter().map(|row| (row.kind.as_str(), row.size_bytes)).collect();
    let is_in_both = |one: &Channel<'_>| theirs.contains(&(one.kind, one.size_bytes));
    let had = report.channels().into_iter().filter(is_in_both).map(
        |Channel { kind, size_bytes, had_bytes: [least, most] }| {
            let most = if most > least { format!(" to {most}") } else { String::new() };
            format!("{kind} of {size_bytes} {least}{most}")
        },
    );
    let had = had.collect::<Vec<_>>().join(", ");
    let had = if had.is_empty() { "what was had is not told".into() } else { format!("had {had}") };
    format!("{asked} bytes asked for ({had})")
}

/// The middle of all floors of a report.
fn floor(report: &Report) -> Option<f64> {
    median(&report.rows.iter().filter_map(|row| row.floor_ns).collect::<Vec<_>>())
}
