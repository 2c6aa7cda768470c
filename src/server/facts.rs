//! Facts that do not change while the lab runs, and are read once: the machine, the scenes, the
//! limits. The findings about this machine are made apart, because trying takes a second or two,
//! and again later, because a shortage passes.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lab::machine::{self, Machine};
use lab::plan::{COUNT_LIMIT, LAUNCH_LIMIT, SIZE_LIMIT};
use serde_json::{Value, json};

/// The facts, ready to be answered.
#[derive(Debug)]
pub(crate) struct Facts(pub(super) Value);

impl Facts {
    /// Reads the machine.
    pub(crate) fn read() -> Facts {
        Facts(json!({
            "version": env!("CARGO_PKG_VERSION"),
            "machine": Machine::read(),
            "scenes": crate::render::scenes(),
            "limits": { "size_bytes": SIZE_LIMIT, "count": COUNT_LIMIT, "launches": LAUNCH_LIMIT },
            "cores": machine::allowed_cores().unwrap_or_default(),
        }))
    }
}

/// How long findings are told again without trying.
const FRESH: Duration = Duration::from_secs(10);

/// What this machine can and cannot measure, ready to be answered, and when it was tried.
#[derive(Debug, Default)]
pub(crate) struct Findings(Mutex<Option<(Instant, Value)>>);

impl Findings {
    /// The latest, tried now by `look` unless they are fresh. While the lab is `busy` nothing is tried: then they are as old as
    /// they are, and `None` if nothing was ever tried. Of several that ask at once one tries.
    pub(super) fn latest(&self, busy: bool, look: impl FnOnce() -> Value) -> Option<Value> {
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

    #[test]
    fn findings_are_tried_again_once_they_are_old_and_never_beside_a_race() {
        let findings = Findings::default();
        let asked = |busy, found: &str| findings.latest(busy, || found.into());
        assert_eq!(asked(true, "tried beside a race"), None);
        assert_eq!(asked(false, "short of memory"), Some("short of memory".into()));
        assert_eq!(asked(false, "tried again at once"), Some("short of memory".into()));
        // The clock of a machine that has just started cannot tell of a time before.
        let long_ago = Instant::now().checked_sub(FRESH);
        let old = long_ago.map(|long_ago| (long_ago, "short of memory".into()));
        *findings.0.lock().unwrap() = old;
        assert_eq!(asked(true, "tried beside a race"), long_ago.map(|_| "short of memory".into()));
        assert_eq!(asked(false, "all is well"), Some("all is well".into()));
    }
}
