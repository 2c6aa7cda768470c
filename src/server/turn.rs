//! Turns: one race or probe at a time, and no stage beside it. What is measured has the machine to itself.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use lab::race::RaceProgress;
use serde_json::json;
use tokio::sync::{Notify, watch};

use super::Lab;
use super::live::{Doing, RunEnded, Running};
use super::refusal::Refusal;

/// The time between two frames of a race: at most four a second.
const BETWEEN_FRAMES: Duration = Duration::from_millis(250);

/// How many stages run at a time.
const STAGES: usize = 4;

/// How long stages may take to end before a race.
const STAGES_END: Duration = Duration::from_secs(10);

/// The only race or probe, from the moment it is granted until it has ended, however that comes.
#[derive(Debug)]
pub(crate) struct Slot {
    lab: Arc<Lab>,
    pub(crate) stop: Arc<AtomicBool>,
    /// It has moved on, or has ended.
    moved: Arc<Notify>,
}

impl Slot {
    /// Takes the slot, and ends every stage.
    pub(crate) async fn take(lab: &Arc<Lab>, doing: Doing) -> Result<Slot, Refusal> {
        let slot = {
            let mut now = lab.live.now();
            if let Some(running) = &now.running {
                let name = running.doing.name();
                return Err(Refusal::conflict(format_args!(
                    "a {name} runs already: wait for its end, or stop it"
                )));
            }
            let stop = Arc::new(AtomicBool::new(false));
            let moved = Arc::new(Notify::new());
            now.running = Some(Running {
                doing,
                began: Instant::now(),
                progress: RaceProgress { done: 0, total: 0, label: String::new() },
                page_open: now.pages > 0,
                stop: Arc::clone(&stop),
                moved: Arc::clone(&moved),
            });
            Slot { lab: Arc::clone(lab), stop, moved }
        };
        lab.live.curtain.send_modify(|times| *times += 1);
        let empty = lab.live.until(|now| now.stages == 0);
        match tokio::time::timeout(STAGES_END, empty).await {
            Ok(()) => Ok(slot),
            Err(_) => Err(Refusal::conflict("a stage does not end: close its page, and try again")),
        }
    }

    /// Runs it in a thread of its own, and tells the pages of it until it has ended.
    pub(crate) fn run(self, what: impl FnOnce(&Lab, Slot) + Send + 'static) -> Result<(), Refusal> {
        tokio::spawn(tell_of(Arc::clone(&self.lab), Arc::clone(&self.moved)));
        let (lab, thread) = (Arc::clone(&self.lab), std::thread::Builder::new().name("run".into()));
        let started = thread.spawn(move || what(&lab, self));
        started.map(drop).map_err(|error| Refusal::internal(format_args!("cannot start a thread: {error}")))
    }

    /// Says how far it is; pages are told in their time.
    pub(crate) fn moved(&self, progress: &RaceProgress) {
        if let Some(running) = &mut self.lab.live.now().running {
            running.progress = progress.clone();
        }
        self.moved.notify_one();
    }

    /// Whether a page was open at any time since it began.
    pub(crate) fn page_open(&self) -> bool {
        self.lab.live.now().running.as_ref().is_some_and(|running| running.page_open)
    }

    /// It has ended.
    pub(crate) fn end(self, ended: &RunEnded) {
        if matches!(self.clear(ended), Some(Doing::Race(_))) && ended.run.is_some() {
            self.lab.live.tell_runs(&self.lab.history);
        }
    }

    /// Frees the slot, if that was not done before; says what was in it.
    fn clear(&self, ended: &RunEnded) -> Option<Doing> {
        let live = &self.lab.live;
        let mut now = live.now();
        let done = now.running.take().map(|running| running.doing);
        if let Some(doing) = &done {
            let RunEnded { run, interrupted, error } = ended;
            let is = format!("{}-ended", doing.name());
            let frame = json!({ "is": is, "run": run, "interrupted": interrupted, "error": error });
            live.tell(&mut now, frame);
        }
        drop(now);
        self.moved.notify_one();
        live.ended.notify_waiters();
        done
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let error = Some("it broke off".into());
        self.clear(&RunEnded { error, ..RunEnded::default() });
    }
}

/// Tells the pages of what has `moved`, each time it has, but not too often.
async fn tell_of(lab: Arc<Lab>, moved: Arc<Notify>) {
    loop {
        moved.notified().await;
        {
            let mut now = lab.live.now();
            let running = now.running.as_ref().filter(|running| Arc::ptr_eq(&running.moved, &moved));
            let Some(frame) = running.map(Running::frame) else { return };
            lab.live.tell(&mut now, frame);
        }
        tokio::time::sleep(BETWEEN_FRAMES).await;
    }
}

/// A place for one stage; free again when this value is gone.
#[derive(Debug)]
pub(crate) struct StagePermit {
    lab: Arc<Lab>,
}

impl StagePermit {
    /// A place, and what changes when the stage has to end; or the reason why there is none just now.
    pub(crate) fn take(lab: &Arc<Lab>) -> Result<(StagePermit, watch::Receiver<u64>), &'static str> {
        let mut now = lab.live.now();
        if let Some(running) = &now.running {
            return Err(running.doing.busy());
        }
        if now.stages >= STAGES {
            return Err("too many stages are open: close one of their pages");
        }
        now.stages += 1;
        Ok((StagePermit { lab: Arc::clone(lab) }, lab.live.curtain.subscribe()))
    }
}

impl Drop for StagePermit {
    fn drop(&mut self) {
        self.lab.live.now().stages -= 1;
        self.lab.live.ended.notify_waiters();
    }
}
