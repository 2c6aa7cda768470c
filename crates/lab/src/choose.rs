//! Choosing: from requirements to the mechanisms that meet them, best first, each with its reasons.
//!
//! A reason is either a row of a race that was run on this machine, or a fact of the mechanism's
//! scene. Nothing here knows a mechanism by name. All rows come from one race, because rows of
//! different races do not compare; it is the newest of those that say most. A mechanism that no
//! race has measured is not guessed at: it comes last, ordered by the cost of its design, and the
//! answer contains a plan that would measure it.

mod answer;
mod constraints;
mod evidence;
mod reasons;

use crate::machine::Machine;
use crate::plan::Workload;
use crate::report::Report;
use crate::scene::Scene;
pub use answer::{Answer, Choice, ChoiceFact, ChoiceReason, Excluded, MissingRace, Source};
pub use constraints::{Constraints, Cpu, Isolation};
use constraints::{IDLE_PER_S, WaitWay, size};
use evidence::{Evidence, Found};
use reasons::{answer, design_cost, exclude};

/// Chooses among `scenes`, by `runs` (ids and reports, newest first) of this machine, which is `here`.
pub fn choose(scenes: &[Scene], runs: &[(String, Report)], here: &Machine, wanted: &Constraints) -> Choice {
    let mut excluded = Vec::new();
    let mut left = Vec::new();
    for scene in scenes {
        if wanted.same_host == Some(false) && !scene.cross_host {
            excluded.push(exclude(scene, ChoiceReason { fact: ChoiceFact::OneHostOnly, source: None }));
        } else {
            left.push(scene);
        }
    }
    let ways = WaitWay::allowed(wanted);
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

fn missing(
    ranked: &[(&Scene, Found<'_>)],
    evidence: Option<&Evidence<'_>>,
    wanted: &Constraints,
    ways: &[WaitWay],
) -> Option<MissingRace> {
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
    Some(MissingRace {
        kinds: ranked.iter().map(|(scene, _)| scene.kind.clone()).collect(),
        workloads,
        sizes: vec![size(wanted)],
        waits: ways.iter().filter(|&&way| way != WaitWay::Hybrid).map(|way| way.name()).collect(),
        rate_per_s: idle.then_some(IDLE_PER_S / 10),
        count: idle.then_some(500),
    })
}

#[cfg(test)]
mod tests;
