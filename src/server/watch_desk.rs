//! The one watch that a lab does at a time, and what the last one has seen.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use serde::Serialize;

use super::refusal::{Refusal, json_text};
use super::seen::DrawnWatch;

/// What watches, and what was seen.
#[derive(Debug, Default)]
pub(crate) struct WatchDesk(Mutex<WatchNow>);

#[derive(Debug, Default)]
struct WatchNow {
    running: Option<RunningWatch>,
    last: Option<WatchKept>,
    failed: Option<WatchFailed>,
}

#[derive(Debug)]
struct RunningWatch {
    edge: String,
    lasts: Duration,
    began: Instant,
    stop: Arc<AtomicBool>,
}

/// What a watch has seen: as a page draws it, and all of it for a file.
#[derive(Debug)]
pub(super) struct WatchKept {
    pub(super) drawn: DrawnWatch,
    pub(super) json: Bytes,
}

/// Why the last watch has seen nothing.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WatchFailed {
    edge: String,
    why: String,
}

/// How far a watch is.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WatchState {
    edge: String,
    elapsed_ms: u64,
    lasts_ms: u64,
}

/// The answer of `/api/watch`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct WatchAnswer<'a> {
    running: Option<WatchState>,
    last: Option<&'a DrawnWatch>,
    failed: Option<WatchFailed>,
}

impl WatchDesk {
    fn now(&self) -> MutexGuard<'_, WatchNow> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the desk; what was seen before is forgotten. What is given stops it.
    pub(super) fn take(&self, edge: &str, lasts: Duration) -> Result<Arc<AtomicBool>, Refusal> {
        let mut now = self.now();
        if let Some(running) = &now.running {
            let edge = &running.edge;
            return Err(Refusal::conflict(format_args!(
                "{edge} is watched already: wait for its end, or stop it"
            )));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let running =
            RunningWatch { edge: edge.to_owned(), lasts, began: Instant::now(), stop: Arc::clone(&stop) };
        *now = WatchNow { running: Some(running), ..WatchNow::default() };
        Ok(stop)
    }

    /// Asks the watch to end; says whether there is one.
    pub(super) fn stop(&self) -> bool {
        let now = self.now();
        now.running.as_ref().map(|running| running.stop.store(true, Ordering::Relaxed)).is_some()
    }

    /// It has ended, if it had not before.
    pub(super) fn end(&self, seen: Result<WatchKept, String>) {
        let mut now = self.now();
        let Some(RunningWatch { edge, .. }) = now.running.take() else { return };
        match seen {
            Ok(kept) => now.last = Some(kept),
            Err(why) => now.failed = Some(WatchFailed { edge, why }),
        }
    }

    /// What there is to tell, as JSON.
    pub(super) fn answer(&self) -> String {
        let now = self.now();
        let running = now.running.as_ref().map(|running| WatchState {
            edge: running.edge.clone(),
            elapsed_ms: running.began.elapsed().as_millis() as u64,
            lasts_ms: running.lasts.as_millis() as u64,
        });
        let last = now.last.as_ref().map(|kept| &kept.drawn);
        json_text(&WatchAnswer { running, last, failed: now.failed.clone() })
    }

    /// All that the last watch has seen, as JSON.
    pub(super) fn report(&self) -> Option<Bytes> {
        self.now().last.as_ref().map(|kept| kept.json.clone())
    }
}
