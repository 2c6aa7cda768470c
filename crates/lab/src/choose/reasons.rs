//! Why a mechanism does what is needed: facts from the rows of a race, and facts of its scene.

use super::answer::{Answer, Excluded, Fact, Reason};
use super::constraints::{Constraints, Isolation, Way};
use super::evidence::{Found, Place, rate_fact};
use crate::scene::{Budget, Form, Range, Scene};
use crate::stats::{Verdict, ratio};

pub(super) fn exclude(scene: &Scene, why: Reason) -> Excluded {
    Excluded { kind: scene.kind.clone(), title: scene.title.clone(), why }
}

pub(super) fn answer(
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
        let shares = scene.stage.iter().any(|shown| matches!(shown.part.form, Form::Region { .. }));
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
pub(super) fn design_cost(scene: &Scene, way: Way) -> f64 {
    let of = |range: &Range| range.most.unwrap_or(range.least);
    budget(scene, way).map_or(f64::INFINITY, |budget| {
        [&budget.sender_syscalls, &budget.receiver_syscalls, &budget.kernel_copies, &budget.wakes]
            .map(of)
            .iter()
            .sum()
    })
}
