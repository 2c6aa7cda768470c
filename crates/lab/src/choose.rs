//! Choosing: from what somebody needs to the mechanisms that do it, best first, each with its reasons.
//!
//! A reason is either a row of a race that was run on this machine, or a fact of the mechanism's scene. Nothing
//! here knows a mechanism by name. All rows come from one race, because rows of different races do not compare;
//! it is the newest of those that say most. What no race has measured is not guessed: it comes last, in the order
//! of what the design costs, and a plan that would measure it is part of the answer.

mod answer;
mod evidence;
mod reasons;

use crossing::WaitStrategy;
use serde::Deserialize;

use crate::machine::Machine;
use crate::plan::{SIZE_LIMIT, Workload};
use crate::report::Report;
use crate::scene::Scene;
pub use answer::{Answer, Choice, Excluded, Fact, Missing, Reason, Source};
use evidence::{Evidence, Found};
use reasons::{answer, design_cost, exclude};

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

#[cfg(test)]
mod tests;
