//! Choosing: from what somebody needs to the mechanisms that do it, best first, each with its reasons.
//!
//! A reason is either a row of a race that was run on this machine, or a fact of the mechanism's scene. Nothing
//! here knows a mechanism by name. All rows come from one race, because rows of different races do not compare;
//! it is the newest of those that say most. What no race has measured is not guessed: it comes last, in the order
//! of what the design costs, and a plan that would measure it is part of the answer.

use crossing::WaitStrategy;
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::plan::{SIZE_LIMIT, Workload};
use crate::report::{Entrant, Report, Row};
use crate::scene::{Budget, Form, Range, Scene};
use crate::stats::{Verdict, ratio};

/// The size that is meant when none is named.
const SIZE_BYTES: u32 = 64;

/// Messages a second at most in a race that says how a channel is that mostly idles.
const IDLE_PER_S: u32 = 1_000;

/// What is needed; whatever is absent does not matter.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Constraints {
    /// Whether both processes are on one machine.
    pub same_host: Option<bool>,
    /// Whether messages travel both ways.
    pub both_ways: Option<bool>,
    /// Bytes in a message.
    pub size_bytes: Option<u32>,
    /// Messages a second that must go through.
    pub rate_per_s: Option<u32>,
    /// What the other process may do to this one.
    pub isolation: Option<Isolation>,
    /// Whether there is a core to spend.
    pub cpu: Option<Cpu>,
    /// Whether nothing is sent most of the time.
    pub idle: Option<bool>,
}

/// What must be kept away from a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Nothing: the two are one program.
    None,
    /// The other's crashes.
    Crash,
    /// The other's ill will.
    Hostile,
}

/// What may be spent on waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cpu {
    /// A core may be kept busy.
    Spare,
    /// Nobody may spin.
    Shared,
}

impl Constraints {
    /// What is wrong with them, if anything: a sentence that names the field and its limit.
    pub fn fault(&self) -> Option<String> {
        if self.size_bytes.is_some_and(|size| size == 0 || size > SIZE_LIMIT) {
            return Some(format!("size_bytes is out of range: 1 to {SIZE_LIMIT}"));
        }
        (self.rate_per_s == Some(0)).then(|| "rate_per_s is out of range: at least 1".into())
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Best first.
    pub answers: Vec<Answer>,
    /// What does not do, and why.
    pub excluded: Vec<Excluded>,
    /// The race that would measure what the answer lacks.
    pub missing: Option<Missing>,
}

/// A mechanism that does what is needed.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Its short name.
    pub kind: String,
    /// What people call it.
    pub title: String,
    /// The way of waiting that fits, as on the command line.
    pub wait: String,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// A mechanism that does not.
#[derive(Debug, Clone, PartialEq)]
pub struct Excluded {
    /// Its short name.
    pub kind: String,
    /// What people call it.
    pub title: String,
    /// Why not.
    pub why: Reason,
}

/// A fact, and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// What is so.
    pub fact: Fact,
    /// The row that it rests on; `None` for a fact of the scene.
    pub source: Option<Source>,
}

/// A row of a race on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The run's id.
    pub run: String,
    /// The row's index in it.
    pub row: usize,
}

/// What a reason says.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// A median latency.
    Latency {
        /// In nanoseconds.
        p50_ns: u64,
        /// The row, for the words around the figure.
        row: Box<Row>,
        /// Whether its launches overlap with those of the best one, that does not differ then.
        like_the_best: bool,
        /// Whether the other process is to be elsewhere, which a race on one machine does not show.
        loopback_only: bool,
    },
    /// A rate, beside the one that is needed.
    Rate {
        /// What went through.
        messages_per_s: f64,
        /// The row.
        row: Box<Row>,
        /// What is needed.
        wanted_per_s: u32,
    },
    /// Time on a core for each message, both sides together.
    Cpu {
        /// In nanoseconds.
        ns: f64,
    },
    /// Nothing was measured here yet.
    NotMeasured,
    /// The other process may be on another machine.
    CrossesHosts,
    /// It may not.
    OneHostOnly,
    /// One connection carries messages both ways.
    BothWays,
    /// Each way takes one of its own.
    OneWayEach,
    /// Each process writes only memory that the other cannot write.
    OwnMemoryOnly,
    /// The kernel carries every message; no memory is shared.
    NoSharedMemory,
    /// What the design costs a message.
    Cost(Box<Budget>),
}

/// A race that is lacking.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Missing {
    /// Everyone who does, so that their rows compare.
    pub kinds: Vec<String>,
    /// What has to be run.
    pub workloads: Vec<Workload>,
    /// The size that was asked for.
    pub sizes: Vec<u32>,
    /// The ways of waiting that may be chosen from.
    pub waits: Vec<&'static str>,
    /// For a channel that mostly idles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_s: Option<u32>,
    /// Fewer messages than usual, where they are slow in coming.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// Ways of waiting, whatever their settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Spin,
    Hybrid,
    Block,
}

impl Way {
    fn of(wait: WaitStrategy) -> Way {
        match wait {
            WaitStrategy::Spin => Way::Spin,
            WaitStrategy::Hybrid { .. } => Way::Hybrid,
            WaitStrategy::Block => Way::Block,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Way::Spin => "spin",
            Way::Hybrid => "hybrid",
            Way::Block => "block",
        }
    }

    /// Those that are allowed, the one to begin with first.
    fn allowed(wanted: &Constraints) -> &'static [Way] {
        match (wanted.cpu, wanted.idle) {
            (Some(Cpu::Shared), _) => &[Way::Block],
            // Who spins while nothing is sent spends a core on nothing.
            (None, Some(true)) => &[Way::Block, Way::Hybrid],
            (Some(Cpu::Spare), _) | (None, _) => &[Way::Spin, Way::Hybrid, Way::Block],
        }
    }
}

/// Chooses among `scenes`, by `runs` (ids and reports, newest first) of this machine, which is `here`.
pub fn choose(scenes: &[Scene], runs: &[(String, Report)], here: &Machine, wanted: &Constraints) -> Choice {
    let mut excluded = Vec::new();
    let mut left = Vec::new();
    for scene in scenes {
        if wanted.same_host == Some(false) && !scene.cross_host {
            excluded.push(exclude(scene, Reason { fact: Fact::OneHostOnly, source: None }));
        } else {
            left.push(scene);
        }
    }
    let ways = Way::allowed(wanted);
    let evidence = Evidence::best(&left, runs, here, wanted, ways);
    let mut ranked = Vec::new();
    for scene in left {
        match evidence.as_ref().map_or(Found::Nothing, |evidence| evidence.about(scene, wanted, ways)) {
            Found::TooSlow(why) => excluded.push(exclude(scene, why)),
            found => ranked.push((scene, found)),
        }
    }
    ranked.sort_by(|(a, found_a), (b, found_b)| {
        let key =
            |scene, found: &Found<'_>| (found.p50_ns().unwrap_or(u64::MAX), design_cost(scene, ways[0]));
        let ((p50_a, cost_a), (p50_b, cost_b)) = (key(a, found_a), key(b, found_b));
        p50_a.cmp(&p50_b).then(cost_a.total_cmp(&cost_b))
    });
    let best = ranked.first().and_then(|(_, found)| found.latency());
    let answers = ranked.iter().map(|(scene, found)| answer(scene, found, best, wanted, ways)).collect();
    let missing = missing(&ranked, evidence.as_ref(), wanted, ways);
    Choice { answers, excluded, missing }
}

/// What a race says about one mechanism.
enum Found<'a> {
    Nothing,
    TooSlow(Reason),
    Rows { latency: Place<'a>, rate: Option<Place<'a>> },
}

/// A row, and where it stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    run: &'a str,
    index: usize,
    row: &'a Row,
}

impl Place<'_> {
    fn reason(self, fact: Fact) -> Reason {
        Reason { fact, source: Some(Source { run: self.run.to_owned(), row: self.index }) }
    }

    fn p50_ns(self) -> Option<u64> {
        self.row.latency_ns.as_ref()?.p50
    }
}

impl<'a> Found<'a> {
    fn latency(&self) -> Option<Place<'a>> {
        match self {
            Found::Rows { latency, .. } => Some(*latency),
            Found::Nothing | Found::TooSlow(_) => None,
        }
    }

    fn p50_ns(&self) -> Option<u64> {
        self.latency()?.p50_ns()
    }
}

/// The race that the answer rests on.
struct Evidence<'a> {
    run: &'a str,
    report: &'a Report,
    /// The workload that tells the latency.
    workload: Workload,
    /// The size that was measured, nearest to the one that is asked for.
    size_bytes: u32,
}

impl<'a> Evidence<'a> {
    /// The race that says something about most of the mechanisms, at the nearest size; the newest of those.
    fn best(
        scenes: &[&Scene],
        runs: &'a [(String, Report)],
        here: &Machine,
        wanted: &Constraints,
        ways: &[Way],
    ) -> Option<Evidence<'a>> {
        // Nor one whose channels had another capacity than the one they have unless told.
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

    /// What one report can be evidence of.
    fn of(run: &'a str, report: &'a Report, wanted: &Constraints, ways: &[Way]) -> Vec<Evidence<'a>> {
        let idle = wanted.idle == Some(true) && report.plan.rate_per_s <= IDLE_PER_S;
        let workloads = [Workload::PingPong, Workload::Paced];
        let workloads = workloads.into_iter().filter(|&workload| workload == Workload::PingPong || idle);
        let nearest = |workload| {
            let rows = report.rows.iter().filter(|row| {
                row.workload == workload && row.failed.is_none() && ways.contains(&Way::of(row.wait))
            });
            let size_bytes = rows.map(|row| row.size_bytes).min_by_key(|&size| distance(size, wanted))?;
            Some(Evidence { run, report, workload, size_bytes })
        };
        workloads.filter_map(nearest).collect()
    }

    /// The rows of a mechanism under an allowed way of waiting, at the chosen size.
    fn rows(&self, scene: &Scene, workload: Workload, ways: &[Way]) -> impl Iterator<Item = Place<'a>> {
        let Evidence { run, size_bytes, report, .. } = *self;
        report.rows.iter().enumerate().map(move |(index, row)| Place { run, index, row }).filter(
            move |place| {
                let row = place.row;
                row.entrant == Entrant::Mechanism
                    && row.kind == scene.kind
                    && row.workload == workload
                    && row.size_bytes == size_bytes
                    && row.failed.is_none()
                    && ways.contains(&Way::of(row.wait))
            },
        )
    }

    fn latencies(&self, scene: &Scene, ways: &[Way]) -> impl Iterator<Item = Place<'a>> {
        self.rows(scene, self.workload, ways).filter(|place| place.p50_ns().is_some())
    }

    /// The fastest way of waiting that carries the rate; or that there is none.
    fn about(&self, scene: &Scene, wanted: &Constraints, ways: &[Way]) -> Found<'a> {
        let mut too_slow: Option<Reason> = None;
        let mut best: Option<(Place<'a>, Option<Place<'a>>)> = None;
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
    fn too_slow(&self, rate: Place<'a>, wanted: &Constraints) -> Option<Reason> {
        let (wanted_per_s, found) = (wanted.rate_per_s?, rate.row.messages_per_s?);
        let says_something = self.size_bytes <= size(wanted);
        (says_something && found < f64::from(wanted_per_s))
            .then(|| rate.reason(rate_fact(rate.row, found, wanted_per_s)))
    }
}

fn exclude(scene: &Scene, why: Reason) -> Excluded {
    Excluded { kind: scene.kind.clone(), title: scene.title.clone(), why }
}

fn answer(
    scene: &Scene,
    found: &Found<'_>,
    best: Option<Place<'_>>,
    wanted: &Constraints,
    ways: &[Way],
) -> Answer {
    let way = found.latency().map_or(ways[0], |latency| Way::of(latency.row.wait));
    let mut reasons = measured(found, best, wanted);
    reasons.extend(by_design(scene, way, wanted).into_iter().map(|fact| Reason { fact, source: None }));
    Answer {
        kind: scene.kind.clone(),
        title: scene.title.clone(),
        wait: found.latency().map_or_else(|| way.name().into(), |latency| latency.row.wait.to_string()),
        reasons,
    }
}

/// The reasons that rest on rows.
fn measured(found: &Found<'_>, best: Option<Place<'_>>, wanted: &Constraints) -> Vec<Reason> {
    let Found::Rows { latency, rate } = found else {
        return vec![Reason { fact: Fact::NotMeasured, source: None }];
    };
    let row = latency.row;
    let is_best = best.is_some_and(|best| best.index == latency.index);
    let overlaps =
        |best: Place<'_>| ratio(row, best.row).is_some_and(|ratio| ratio.verdict == Verdict::NoDifference);
    let mut reasons = Vec::new();
    if let Some(p50_ns) = latency.p50_ns() {
        reasons.push(latency.reason(Fact::Latency {
            p50_ns,
            row: Box::new(row.clone()),
            like_the_best: !is_best && best.is_some_and(overlaps),
            loopback_only: wanted.same_host == Some(false),
        }));
    }
    if let (Some(rate), Some(wanted_per_s)) = (rate, wanted.rate_per_s)
        && let Some(found) = rate.row.messages_per_s
    {
        reasons.push(rate.reason(rate_fact(rate.row, found, wanted_per_s)));
    }
    if let Some(sides) = row.sides.filter(|_| row.messages > 0) {
        let ns = sides.iter().map(|side| side.user_ns + side.system_ns).sum::<u64>() as f64;
        reasons.push(latency.reason(Fact::Cpu { ns: ns / row.messages as f64 }));
    }
    reasons
}

fn rate_fact(row: &Row, messages_per_s: f64, wanted_per_s: u32) -> Fact {
    Fact::Rate { messages_per_s, row: Box::new(row.clone()), wanted_per_s }
}

/// The facts of the scene that answer what was asked.
fn by_design(scene: &Scene, way: Way, wanted: &Constraints) -> Vec<Fact> {
    let mut facts = Vec::new();
    if wanted.same_host == Some(false) {
        facts.push(Fact::CrossesHosts);
    }
    if wanted.both_ways == Some(true) {
        facts.push(if scene.duplex { Fact::BothWays } else { Fact::OneWayEach });
    }
    if matches!(wanted.isolation, Some(Isolation::Crash | Isolation::Hostile)) {
        let shares = scene.stage.iter().any(|part| matches!(part.form, Form::Region { .. }));
        facts.push(if shares { Fact::OwnMemoryOnly } else { Fact::NoSharedMemory });
    }
    facts.extend(budget(scene, way).map(|budget| Fact::Cost(Box::new(budget.clone()))));
    facts
}

fn budget(scene: &Scene, way: Way) -> Option<&Budget> {
    scene.budgets.iter().find(|budget| budget.wait == way.name())
}

/// What a message may cost by design, to order what was not measured: crossings into the kernel, copies and wake-ups, none
/// of them weighed.
fn design_cost(scene: &Scene, way: Way) -> f64 {
    let of = |range: &Range| range.most.unwrap_or(range.least);
    budget(scene, way).map_or(f64::INFINITY, |budget| {
        [&budget.sender_syscalls, &budget.receiver_syscalls, &budget.kernel_copies, &budget.wakes]
            .map(of)
            .iter()
            .sum()
    })
}

fn missing(
    ranked: &[(&Scene, Found<'_>)],
    evidence: Option<&Evidence<'_>>,
    wanted: &Constraints,
    ways: &[Way],
) -> Option<Missing> {
    let idle = wanted.idle == Some(true);
    let without_rate = |found: &Found<'_>| matches!(found, Found::Rows { rate: None, .. });
    let lacks = ranked.iter().any(|(_, found)| {
        matches!(found, Found::Nothing) || (wanted.rate_per_s.is_some() && without_rate(found))
    });
    let elsewhere = evidence.is_some_and(|evidence| evidence.size_bytes != size(wanted));
    let warm = idle && evidence.is_some_and(|evidence| evidence.workload != Workload::Paced);
    if ranked.is_empty() || !(lacks || elsewhere || warm) {
        return None;
    }
    let mut workloads = vec![if idle { Workload::Paced } else { Workload::PingPong }];
    workloads.extend(wanted.rate_per_s.map(|_| Workload::Stream));
    Some(Missing {
        kinds: ranked.iter().map(|(scene, _)| scene.kind.clone()).collect(),
        workloads,
        sizes: vec![size(wanted)],
        waits: ways.iter().filter(|&&way| way != Way::Hybrid).map(|way| way.name()).collect(),
        rate_per_s: idle.then_some(IDLE_PER_S / 10),
        count: idle.then_some(500),
    })
}

fn size(wanted: &Constraints) -> u32 {
    wanted.size_bytes.unwrap_or(SIZE_BYTES)
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

#[cfg(test)]
mod tests;
