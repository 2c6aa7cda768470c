//! The state of the lab: its [turns](super::turn) change it, and [pages](super::follow) follow it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::extract::ws::Utf8Bytes;
use lab::plan::Plan;
use lab::race::RaceProgress;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{Notify, broadcast, watch};

use super::refusal::json_text;
use crate::history::{History, Run};

/// Frames that a slow page may be behind before it gets the whole state again.
const BEHIND: usize = 64;

/// The longest list of runs that a frame holds. It is kept as often as a page may be behind.
const RUNS_BYTES: usize = 1 << 20;

/// The lab's state, and its followers.
#[derive(Debug)]
pub(crate) struct Live {
    state: Mutex<Now>,
    pub(super) frames: broadcast::Sender<Utf8Bytes>,
    /// Grows when every stage has to end.
    pub(super) curtain: watch::Sender<u64>,
    /// A stage, a race or a probe has ended.
    pub(super) ended: Notify,
}

#[derive(Debug, Default)]
pub(super) struct Now {
    pub(super) seq: u64,
    pub(super) running: Option<Running>,
    pub(super) pages: usize,
    pub(super) stages: usize,
}

/// The run that has the machine to itself.
#[derive(Debug, Clone)]
pub(crate) enum Doing {
    Race(Plan),
    Probe,
}

impl Doing {
    /// The name of its frames.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Doing::Race(_) => "race",
            Doing::Probe => "probe",
        }
    }

    /// Why nothing else can have the machine.
    pub(super) fn busy(&self) -> &'static str {
        match self {
            Doing::Race(_) => "a race runs, and has the machine to itself",
            Doing::Probe => "a probe runs, and has the machine to itself",
        }
    }
}

#[derive(Debug)]
pub(super) struct Running {
    pub(super) doing: Doing,
    pub(super) began: Instant,
    pub(super) progress: RaceProgress,
    pub(super) page_open: bool,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) moved: Arc<Notify>,
}

/// The outcome of a race or a probe.
#[derive(Debug, Default)]
pub(crate) struct RunEnded {
    pub(crate) run: Option<String>,
    pub(crate) interrupted: bool,
    pub(crate) error: Option<String>,
}

impl Live {
    pub(crate) fn new() -> Live {
        Live {
            state: Mutex::default(),
            frames: broadcast::channel(BEHIND).0,
            curtain: watch::channel(0).0,
            ended: Notify::new(),
        }
    }

    /// Why nothing else may run now, if so.
    pub(crate) fn busy(&self) -> Option<&'static str> {
        self.now().running.as_ref().map(|running| running.doing.busy())
    }

    pub(super) fn now(&self) -> MutexGuard<'_, Now> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends to every page. The frame gets its number under the lock.
    pub(super) fn tell(&self, now: &mut Now, mut frame: Value) {
        now.seq += 1;
        frame["seq"] = now.seq.into();
        // An error means that no page follows.
        let _ = self.frames.send(frame.to_string().into());
    }

    /// Tells every page that the history has changed. Reads the disk.
    pub(crate) fn tell_runs(&self, history: &History) {
        let (runs, older) = newest(&history.list().runs);
        self.tell(&mut self.now(), json!({ "is": "runs", "runs": runs, "older": older }));
    }

    /// Asks what runs to stop, if it is what `which` says; says whether it was.
    pub(crate) fn stop(&self, which: impl Fn(&Doing) -> bool) -> bool {
        let now = self.now();
        let running = now.running.as_ref().filter(|running| which(&running.doing));
        running.map(|running| running.stop.store(true, Ordering::Relaxed)).is_some()
    }

    /// Waits until neither a race nor a probe runs.
    pub(crate) async fn ended(&self) {
        self.until(|now| now.running.is_none()).await;
    }

    pub(super) async fn until(&self, holds: impl Fn(&Now) -> bool) {
        loop {
            let changed = self.ended.notified();
            tokio::pin!(changed);
            // Armed before the look, so that no change falls between the two.
            changed.as_mut().enable();
            if holds(&self.now()) {
                return;
            }
            changed.await;
        }
    }
}

impl Running {
    pub(super) fn frame(&self) -> Value {
        let RaceProgress { done, total, label } = self.progress.clone();
        let probe = ProbeState { done, total, label, elapsed_ms: self.began.elapsed().as_millis() as u64 };
        let mut frame = match &self.doing {
            Doing::Race(plan) => json!(RaceState { so_far: probe, plan: plan.clone() }),
            Doing::Probe => json!(probe),
        };
        frame["is"] = self.doing.name().into();
        frame
    }
}

/// How far a probe is.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ProbeState {
    done: usize,
    total: usize,
    label: String,
    elapsed_ms: u64,
}

/// How far a race is, and its plan.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RaceState {
    #[serde(flatten)]
    so_far: ProbeState,
    plan: Plan,
}

/// As many of the newest runs as a frame holds, and how many are older.
pub(super) fn newest(runs: &[Run]) -> (Value, usize) {
    let mut bytes = 0;
    let fits = |run: &&Run| {
        bytes += json_text(run).len();
        bytes <= RUNS_BYTES
    };
    let shown: Vec<&Run> = runs.iter().take_while(fits).collect();
    (json!(shown), runs.len() - shown.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_holds_the_newest_runs_and_says_how_many_are_older() {
        let run = |number: usize| Run {
            id: number.to_string(),
            started_unix_ms: 0,
            elapsed_ms: 0,
            title: "x".repeat(1_000),
            command: String::new(),
            rows: 0,
            interrupted: false,
            failed_rows: 0,
            bytes: 0,
            unkept: None,
        };
        let few: Vec<Run> = (0..10).map(run).collect();
        assert_eq!(newest(&few), (json!(few), 0));
        let many: Vec<Run> = (0..10_000).map(run).collect();
        let (shown, older) = newest(&many);
        let shown = shown.as_array().unwrap();
        assert!(json!(shown).to_string().len() < 2 * RUNS_BYTES && shown[0]["id"] == "0");
        assert_eq!(shown.len() + older, many.len());
    }
}
