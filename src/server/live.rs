//! What goes on in the lab, and who is told.
//!
//! One race or probe at a time, and no stage beside it: what is measured has the machine to itself. Open pages follow over one
//! WebSocket each. They are told of a change and are left alone otherwise, so that a page that merely is open costs the
//! measured processes nothing: of a race that runs, at most four times a second.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::extract::ws::{Utf8Bytes, close_code};
use axum::response::Response;
use lab::plan::Plan;
use lab::race::Progress;
use serde_json::{Value, json};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{Notify, watch};

use super::Lab;
use super::refusal::{Refusal, json_text};
use super::websocket::{Socket, Upgrade};
use crate::state::Run;

/// The time between two frames of a race: at most four a second.
const BETWEEN_FRAMES: Duration = Duration::from_millis(250);

/// How many stages run at a time.
const STAGES: usize = 4;

/// How many pages follow at a time.
const PAGES: usize = 64;

/// Frames that a slow page may be behind before it gets the whole state again.
const BEHIND: usize = 64;

/// The longest list of runs that a frame holds. It is kept as often as a page may be behind.
const RUNS_BYTES: usize = 1 << 20;

/// How long stages may take to end before a race.
const STAGES_END: Duration = Duration::from_secs(10);

/// The lab's state, and who follows it.
#[derive(Debug)]
pub(crate) struct Live {
    state: Mutex<Now>,
    frames: broadcast::Sender<Utf8Bytes>,
    /// Grows when every stage has to end.
    curtain: watch::Sender<u64>,
    /// A stage, a race or a probe has ended.
    ended: Notify,
}

#[derive(Debug, Default)]
struct Now {
    seq: u64,
    running: Option<Running>,
    pages: usize,
    stages: usize,
}

/// What has the machine to itself.
#[derive(Debug, Clone)]
pub(crate) enum Doing {
    Race(Plan),
    Probe,
}

impl Doing {
    /// The name of its frames.
    fn name(&self) -> &'static str {
        match self {
            Doing::Race(_) => "race",
            Doing::Probe => "probe",
        }
    }

    /// Why nothing else can have the machine.
    fn busy(&self) -> &'static str {
        match self {
            Doing::Race(_) => "a race runs, and has the machine to itself",
            Doing::Probe => "a probe runs, and has the machine to itself",
        }
    }
}

#[derive(Debug)]
struct Running {
    doing: Doing,
    began: Instant,
    progress: Progress,
    page_open: bool,
    stop: Arc<AtomicBool>,
    moved: Arc<Notify>,
}

/// What came of a race or a probe.
#[derive(Debug, Default)]
pub(crate) struct Ended {
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

    fn now(&self) -> MutexGuard<'_, Now> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells every page. The frame gets its number while nobody else can take one.
    fn tell(&self, now: &mut Now, mut frame: Value) {
        now.seq += 1;
        frame["seq"] = now.seq.into();
        // An error says that nobody follows.
        let _ = self.frames.send(frame.to_string().into());
    }

    /// Tells every page that the history has changed. Reads the disk.
    pub(crate) fn tell_runs(&self, lab: &Lab) {
        let (runs, older) = newest(&lab.history.list().runs);
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

    async fn until(&self, holds: impl Fn(&Now) -> bool) {
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
                progress: Progress { done: 0, total: 0, label: String::new() },
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

    /// Says how far it is; pages are told in their time.
    pub(crate) fn moved(&self, progress: &Progress) {
        if let Some(running) = &mut self.lab.live.now().running {
            running.progress = progress.clone();
        }
        self.moved.notify_one();
    }

    /// Tells the pages of it until it has ended.
    pub(crate) fn tell(&self) {
        tokio::spawn(tell_of(Arc::clone(&self.lab), Arc::clone(&self.moved)));
    }

    /// Whether a page was open at any time since it began.
    pub(crate) fn page_open(&self) -> bool {
        self.lab.live.now().running.as_ref().is_some_and(|running| running.page_open)
    }

    /// It has ended.
    pub(crate) fn end(self, ended: &Ended) {
        if matches!(self.clear(ended), Some(Doing::Race(_))) && ended.run.is_some() {
            self.lab.live.tell_runs(&self.lab);
        }
    }

    /// Frees the slot, if that was not done before; says what was in it.
    fn clear(&self, ended: &Ended) -> Option<Doing> {
        let live = &self.lab.live;
        let mut now = live.now();
        let done = now.running.take().map(|running| running.doing);
        if let Some(doing) = &done {
            let Ended { run, interrupted, error } = ended;
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
        self.clear(&Ended { error, ..Ended::default() });
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

impl Running {
    fn frame(&self) -> Value {
        let Progress { done, total, label } = &self.progress;
        let mut frame = json!({
            "is": self.doing.name(),
            "done": done,
            "total": total,
            "label": label,
            "elapsed_ms": self.began.elapsed().as_millis() as u64,
        });
        if let Doing::Race(plan) = &self.doing {
            frame["plan"] = json!(plan);
        }
        frame
    }
}

/// A place for one stage; free again when this value is gone.
#[derive(Debug)]
pub(crate) struct Place {
    lab: Arc<Lab>,
}

impl Place {
    /// A place, and what changes when the stage has to end; or the reason why there is none just now.
    pub(crate) fn take(lab: &Arc<Lab>) -> Result<(Place, watch::Receiver<u64>), &'static str> {
        let mut now = lab.live.now();
        if let Some(running) = &now.running {
            return Err(running.doing.busy());
        }
        if now.stages >= STAGES {
            return Err("too many stages are open: close one of their pages");
        }
        now.stages += 1;
        Ok((Place { lab: Arc::clone(lab) }, lab.live.curtain.subscribe()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lab.live.now().stages -= 1;
        self.lab.live.ended.notify_waiters();
    }
}

/// One page that follows.
struct Open(Arc<Lab>);

impl Open {
    fn new(lab: &Arc<Lab>) -> Option<Open> {
        let mut now = lab.live.now();
        if now.pages >= PAGES {
            return None;
        }
        now.pages += 1;
        if let Some(running) = &mut now.running {
            running.page_open = true;
        }
        Some(Open(Arc::clone(lab)))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.live.now().pages -= 1;
    }
}

/// `/api/live`.
pub(crate) async fn follow(State(lab): State<Arc<Lab>>, upgrade: Upgrade) -> Response {
    upgrade.then(|socket| tell(lab, socket))
}

async fn tell(lab: Arc<Lab>, mut socket: Socket) {
    let Some(_open) = Open::new(&lab) else {
        return socket.close(close_code::AGAIN, "too many pages are open").await;
    };
    let (mut frames, first) = snapshot(&lab).await;
    if socket.send(first).await.is_err() {
        return;
    }
    loop {
        let frame = tokio::select! {
            frame = frames.recv() => frame,
            said = socket.recv() => match said {
                // Pages have nothing to say here.
                Some(_) => continue,
                None => return,
            },
        };
        let text = match frame {
            Ok(text) => text,
            Err(RecvError::Lagged(_)) => {
                let (anew, whole) = snapshot(&lab).await;
                frames = anew;
                whole
            }
            Err(RecvError::Closed) => return,
        };
        if socket.send(text).await.is_err() {
            return;
        }
    }
}

/// As many of the newest runs as a frame holds, and how many are older.
fn newest(runs: &[Run]) -> (Value, usize) {
    let mut bytes = 0;
    let fits = |run: &&Run| {
        bytes += json_text(run).len();
        bytes <= RUNS_BYTES
    };
    let shown: Vec<&Run> = runs.iter().take_while(fits).collect();
    (json!(shown), runs.len() - shown.len())
}

/// The whole state, and every frame after it.
async fn snapshot(lab: &Arc<Lab>) -> (broadcast::Receiver<Utf8Bytes>, Utf8Bytes) {
    let (frames, mut whole) = {
        let now = lab.live.now();
        let mut whole = json!({
            "is": "snapshot",
            "seq": now.seq,
            "race": null,
            "probe": null,
            "pages": now.pages,
            "stages": now.stages,
        });
        if let Some(running) = &now.running {
            whole[running.doing.name()] = running.frame();
        }
        (lab.live.frames.subscribe(), whole)
    };
    // Read after that: a run that is kept meanwhile is in the list, or in a frame, or in both.
    let (runs, older) = lab.blocking(|lab| newest(&lab.history.list().runs)).await;
    (whole["runs"], whole["older"]) = (runs, older.into());
    (frames, whole.to_string().into())
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
