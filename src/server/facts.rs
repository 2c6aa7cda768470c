//! Facts that do not change while the lab runs, and are read once: the machine, the scenes, the
//! limits. The findings about this machine are made apart, because trying takes a second or two,
//! and again later, because a shortage passes.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lab::doctor::Finding;
use lab::machine::{self, Machine};
use lab::plan::{COUNT_LIMIT, LAUNCH_LIMIT, SIZE_LIMIT};
use lab::scene::Scene;
use serde::Serialize;

use crate::plan::{self, RowSize};

/// The facts.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Facts {
    version: &'static str,
    machine: Machine,
    scenes: Vec<Scene>,
    limits: PlanLimits,
    /// How much a row takes unless it is told, and in a quick race.
    usual: RowSize,
    quick: RowSize,
    /// The cores that processes may be put on.
    cores: Vec<usize>,
}

/// The most that a plan may ask for.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PlanLimits {
    size_bytes: u32,
    count: u64,
    launches: u32,
}

impl Facts {
    /// Reads the machine.
    pub(crate) fn read() -> Facts {
        Facts {
            version: env!("CARGO_PKG_VERSION"),
            machine: Machine::read(),
            scenes: crate::render::scenes(),
            limits: PlanLimits { size_bytes: SIZE_LIMIT, count: COUNT_LIMIT, launches: LAUNCH_LIMIT },
            usual: plan::USUAL,
            quick: plan::QUICK,
            cores: machine::allowed_cores().unwrap_or_default(),
        }
    }
}

/// How long findings are told again without trying.
const FRESH: Duration = Duration::from_secs(10);

/// What this machine can and cannot measure, and when it was tried.
#[derive(Debug, Default)]
pub(crate) struct Findings(Mutex<Option<(Instant, Vec<Finding>)>>);

impl Findings {
    /// The latest, tried now by `look` unless they are fresh. While the lab is `busy` nothing is tried: then they are as old as
    /// they are, and `None` if nothing was ever tried. Of several that ask at once one tries.
    pub(super) fn latest(&self, busy: bool, look: impl FnOnce() -> Vec<Finding>) -> Option<Vec<Finding>> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = last.as_ref().is_some_and(|(tried, _)| tried.elapsed() < FRESH);
        if !busy && !fresh {
            let found = look();
            *last = Some((Instant::now(), found));
        }
        last.as_ref().map(|(_, found)| found.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lab::doctor::FindingState;

    #[test]
    fn findings_are_tried_again_once_they_are_old_and_never_beside_a_race() {
        let findings = Findings::default();
        let finding = |what: &str| {
            vec![Finding {
                what: what.into(),
                state: FindingState::Good,
                detail: String::new(),
                remedy: None,
            }]
        };
        let asked = |busy, found: &str| findings.latest(busy, || finding(found));
        assert_eq!(asked(true, "tried beside a race"), None);
        assert_eq!(asked(false, "short of memory"), Some(finding("short of memory")));
        assert_eq!(asked(false, "tried again at once"), Some(finding("short of memory")));
        // The clock of a machine that has just started cannot tell of a time before.
        let long_ago = Instant::now().checked_sub(FRESH);
        *findings.0.lock().unwrap() = long_ago.map(|long_ago| (long_ago, finding("short of memory")));
        assert_eq!(asked(true, "tried beside a race"), long_ago.map(|_| finding("short of memory")));
        assert_eq!(asked(false, "all is well"), Some(finding("all is well")));
    }
}
