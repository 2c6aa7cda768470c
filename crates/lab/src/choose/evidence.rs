//! Which race the answer rests on, and what it says about one mechanism.

use super::answer::{ChoiceFact, ChoiceReason, Source};
use super::constraints::{Constraints, IDLE_PER_S, WaitWay, size};
use crate::judge::marks;
use crate::machine::Machine;
use crate::plan::Workload;
use crate::report::{Entrant, Report, ReportRow};
use crate::scene::Scene;

/// The evidence of a race about one mechanism.
pub(super) enum Found<'a> {
    Nothing,
    TooSlow(ChoiceReason),
    Rows { latency: RowPlace<'a>, rate: Option<RowPlace<'a>> },
}

/// A row, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct RowPlace<'a> {
    run: &'a str,
    report: &'a Report,
    pub(super) index: usize,
    pub(super) row: &'a ReportRow,
}

impl RowPlace<'_> {
    pub(super) fn reason(self, fact: ChoiceFact) -> ChoiceReason {
        let source = Source { run: self.run.to_owned(), row: self.index, marks: marks(self.report) };
        ChoiceReason { fact, source: Some(source) }
    }

    pub(super) fn p50_ns(self) -> Option<u64> {
        self.row.latency_ns.as_ref()?.p50
    }
}

impl<'a> Found<'a> {
    pub(super) fn latency(&self) -> Option<RowPlace<'a>> {
        match self {
            Found::Rows { latency, .. } => Some(*latency),
            Found::Nothing | Found::TooSlow(_) => None,
        }
    }

    pub(super) fn p50_ns(&self) -> Option<u64> {
        self.latency()?.p50_ns()
    }
}

/// The race that the answer rests on.
pub(super) struct Evidence<'a> {
    run: &'a str,
    report: &'a Report,
    /// The workload that tells the latency.
    pub(super) workload: Workload,
    /// The size that was measured, nearest to the one that is asked for.
    pub(super) size_bytes: u32,
}

impl<'a> Evidence<'a> {
    /// The race that says something about most of the mechanisms, at the nearest size; the newest of those.
    pub(super) fn best(
        scenes: &[&Scene],
        runs: &'a [(String, Report)],
        here: &Machine,
        wanted: &Constraints,
        ways: &[WaitWay],
    ) -> Option<Evidence<'a>> {
        // Of this machine, and of channels that had the capacity they have unless told.
        let usual = |report: &Report| report.plan.capacity_bytes.is_none();
        let own = runs.iter().filter(|(_, report)| is_of(here, &report.machine) && usual(report));
        let mut all: Vec<Evidence<'a>> =
            own.flat_map(|(run, report)| Evidence::of(run, report, wanted, ways)).collect();
        let worth = |evidence: &Evidence<'_>| {
            let known = scenes.iter().filter(|scene| evidence.latencies(scene, ways).next().is_some());
            let cold = wanted.idle == Some(true) && evidence.workload == Workload::Paced;
            (cold, known.count(), std::cmp::Reverse(distance(evidence.size_bytes, wanted)))
        };
        all.retain(|evidence| worth(evidence).1 > 0);
        // Of equals the last one is taken, and the newest is to be that.
        all.reverse();
        all.into_iter().max_by_key(worth)
    }

    /// The evidence in one report.
    fn of(run: &'a str, report: &'a Report, wanted: &Constraints, ways: &[WaitWay]) -> Vec<Evidence<'a>> {
        let idle = wanted.idle == Some(true) && report.plan.rate_per_s <= IDLE_PER_S;
        let workloads = [Workload::PingPong, Workload::Paced];
        let workloads = workloads.into_iter().filter(|&workload| workload == Workload::PingPong || idle);
        let nearest = |workload| {
            let rows = report.rows.iter().filter(|row| {
                row.workload == workload && row.failed.is_none() && ways.contains(&WaitWay::of(row.wait))
            });
            let size_bytes = rows.map(|row| row.size_bytes).min_by_key(|&size| distance(size, wanted))?;
            Some(Evidence { run, report, workload, size_bytes })
        };
        workloads.filter_map(nearest).collect()
    }

    /// The rows of a mechanism under an allowed way of waiting, at the chosen size.
    fn rows(
        &self,
        scene: &Scene,
        workload: Workload,
        ways: &[WaitWay],
    ) -> impl Iterator<Item = RowPlace<'a>> {
        let Evidence { run, size_bytes, report, .. } = *self;
        report.rows.iter().enumerate().map(move |(index, row)| RowPlace { run, report, index, row }).filter(
            move |place| {
                let row = place.row;
                row.entrant == Entrant::Mechanism
                    && row.kind == scene.kind
                    && row.workload == workload
                    && row.size_bytes == size_bytes
                    && row.failed.is_none()
                    && ways.contains(&WaitWay::of(row.wait))
            },
        )
    }

    fn latencies(&self, scene: &Scene, ways: &[WaitWay]) -> impl Iterator<Item = RowPlace<'a>> {
        self.rows(scene, self.workload, ways).filter(|place| place.p50_ns().is_some())
    }

    /// The fastest way of waiting that carries the rate; or that there is none.
    pub(super) fn about(&self, scene: &Scene, wanted: &Constraints, ways: &[WaitWay]) -> Found<'a> {
        let mut too_slow: Option<ChoiceReason> = None;
        let mut best: Option<(RowPlace<'a>, Option<RowPlace<'a>>)> = None;
        for latency in self.latencies(scene, ways) {
            let mut streams = self.rows(scene, Workload::Stream, ways);
            let rate = streams.find(|stream| stream.row.wait == latency.row.wait);
            if let Some(why) = rate.and_then(|rate| self.too_slow(rate, wanted)) {
                too_slow = Some(why);
            } else if best.is_none_or(|(best, _)| latency.p50_ns() < best.p50_ns()) {
                best = Some((latency, rate));
            }
        }
        match (best, too_slow) {
            (Some((latency, rate)), _) => Found::Rows { latency, rate },
            (None, Some(why)) => Found::TooSlow(why),
            (None, None) => Found::Nothing,
        }
    }

    /// Whether less went through than is needed. Longer messages than were measured are no faster; shorter ones may be.
    fn too_slow(&self, rate: RowPlace<'a>, wanted: &Constraints) -> Option<ChoiceReason> {
        let (wanted_per_s, found) = (wanted.rate_per_s?, rate.row.messages_per_s?);
        let says_something = self.size_bytes <= size(wanted);
        (says_something && found < f64::from(wanted_per_s))
            .then(|| rate.reason(rate_fact(rate.row, found, wanted_per_s)))
    }
}

pub(super) fn rate_fact(row: &ReportRow, messages_per_s: f64, wanted_per_s: u32) -> ChoiceFact {
    ChoiceFact::Rate { messages_per_s, row: Box::new(row.clone()), wanted_per_s }
}

/// How far a size is from the one that is asked for, in hundredths of a doubling.
fn distance(size_bytes: u32, wanted: &Constraints) -> u32 {
    (f64::from(size_bytes.max(1)) / f64::from(size(wanted))).log2().abs().mul_add(100.0, 0.5) as u32
}

/// Whether a race was run on this machine, as far as that can be told.
fn is_of(here: &Machine, there: &Machine) -> bool {
    here.cpu == there.cpu
        && here.architecture == there.architecture
        && here.cores_online == there.cores_online
}
