//! Why a mechanism does what is needed: facts from the rows of a race, and facts of its scene.

use super::answer::{Answer, ChoiceFact, ChoiceReason, Excluded};
use super::constraints::{Constraints, Isolation, WaitWay};
use super::evidence::{Found, RowPlace, rate_fact};
use crate::judge::cpu;
use crate::scene::{Budget, Form, Range, Scene};
use crate::stats::{Verdict, ratio};

pub(super) fn exclude(scene: &Scene, why: ChoiceReason) -> Excluded {
    Excluded { kind: scene.kind.clone(), title: scene.title.clone(), why }
}

pub(super) fn answer(
    scene: &Scene,
    found: &Found<'_>,
    best: Option<RowPlace<'_>>,
    wanted: &Constraints,
    ways: &[WaitWay],
) -> Answer {
    let way = found.latency().map_or(ways[0], |latency| WaitWay::of(latency.row.wait));
    let mut reasons = measured(found, best, wanted);
    reasons.extend(by_design(scene, way, wanted).into_iter().map(|fact| ChoiceReason { fact, source: None }));
    Answer {
        kind: scene.kind.clone(),
        title: scene.title.clone(),
        wait: found.latency().map_or_else(|| way.name().into(), |latency| latency.row.wait.to_string()),
        reasons,
    }
}

/// The reasons that rest on rows.
fn measured(found: &Found<'_>, best: Option<RowPlace<'_>>, wanted: &Constraints) -> Vec<ChoiceReason> {
    let Found::Rows { latency, rate } = found else {
        return vec![ChoiceReason { fact: ChoiceFact::NotMeasured, source: None }];
    };
    let row = latency.row;
    let is_best = best.is_some_and(|best| best.index == latency.index);
    let overlaps =
        |best: RowPlace<'_>| ratio(row, best.row).is_some_and(|ratio| ratio.verdict == Verdict::NoDifference);
    let mut reasons = Vec::new();
    if let Some(p50_ns) = latency.p50_ns() {
        reasons.push(latency.reason(ChoiceFact::Latency {
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
    if let Some(sides) = cpu(row) {
        reasons.push(latency.reason(ChoiceFact::Cpu { ns: sides.iter().sum() }));
    }
    reasons
}

/// The facts of the scene that answer what was asked.
fn by_design(scene: &Scene, way: WaitWay, wanted: &Constraints) -> Vec<ChoiceFact> {
    let mut facts = Vec::new();
    if wanted.same_host == Some(false) {
        facts.push(ChoiceFact::CrossesHosts);
    }
    if wanted.both_ways == Some(true) {
        facts.push(if scene.duplex { ChoiceFact::BothWays } else { ChoiceFact::OneWayEach });
    }
    if matches!(wanted.isolation, Some(Isolation::Crash | Isolation::Hostile)) {
        let shares = scene.stage.iter().any(|shown| matches!(shown.part.form, Form::Region { .. }));
        facts.push(if shares { ChoiceFact::OwnMemoryOnly } else { ChoiceFact::NoSharedMemory });
    }
    facts.extend(budget(scene, way).map(|budget| ChoiceFact::Cost(Box::new(budget.clone()))));
    facts
}

fn budget(scene: &Scene, way: WaitWay) -> Option<&Budget> {
    scene.budgets.iter().find(|budget| budget.wait == way.name())
}

/// The cost of a message by design, to order mechanisms that were not measured: the unweighted sum
/// of system calls, copies and wake-ups.
pub(super) fn design_cost(scene: &Scene, way: WaitWay) -> f64 {
    let of = |range: &Range| range.most.unwrap_or(range.least);
    budget(scene, way).map_or(f64::INFINITY, |budget| {
        [&budget.sender_syscalls, &budget.receiver_syscalls, &budget.kernel_copies, &budget.wakes]
            .map(of)
            .iter()
            .sum()
    })
}
