//! Stages for the mechanism pages: one WebSocket, two processes that live as long as it does.
//!
//! A stage blocks while it does what it is told, so each has a thread; the thread also holds the stage's place, which is
//! free when its processes are gone, and not before.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use axum::extract::ws::{CloseCode, Utf8Bytes, close_code};
use axum::extract::{Query, State};
use axum::response::Response;
use crossing::{Kind, WaitStrategy};
use lab::plan::Placement;
use lab::stage::{Command, Stage, StageSetup};
use lab::sys::heap;
use lab::trace::{Event, Tone, What};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};

use super::Lab;
use super::race::ParsedWord;
use super::refusal::Refusal;
use super::turn::StagePermit;
use super::websocket::{Socket, Upgrade};

/// Commands that may wait for the ones before them.
const COMMANDS: usize = 16;

/// Lines of the trace that a slow page may be behind, before the stage waits for it.
const LINES: usize = 1_024;

/// What a stage is opened with; absent is what [`StageSetup::of`] says.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    kind: ParsedWord<Kind>,
    wait: Option<ParsedWord<WaitStrategy>>,
    placement: Option<ParsedWord<Placement>>,
    size: Option<u32>,
}

impl From<Asked> for StageSetup {
    fn from(asked: Asked) -> StageSetup {
        let Asked { kind: ParsedWord(kind), wait, placement, size } = asked;
        let usual = StageSetup::of(kind);
        StageSetup {
            wait: wait.map_or(usual.wait, |ParsedWord(wait)| wait),
            placement: placement.map_or(usual.placement, |ParsedWord(placement)| placement),
            size_bytes: size.unwrap_or(usual.size_bytes),
            ..usual
        }
    }
}

/// `/api/stage`.
pub(crate) async fn open(
    State(lab): State<Arc<Lab>>,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
    upgrade: Upgrade,
) -> Result<Response, Refusal> {
    let Query(asked) = asked.map_err(|error| Refusal::senseless(error.body_text()))?;
    Ok(upgrade.then(async move |socket| play(&lab, socket, asked.into()).await))
}

/// Why a stage ends: the code and the reason of the closing frame.
type CloseReason = (CloseCode, &'static str);

const CURTAIN: CloseReason = (close_code::AGAIN, "a race or a probe begins, and has the machine to itself");

/// Plays until the page leaves, the curtain falls, or the stage is over.
async fn play(lab: &Arc<Lab>, mut socket: Socket, setup: StageSetup) {
    let (place, mut curtain) = match StagePermit::take(lab) {
        Ok(place) => place,
        Err(why) => return socket.close(close_code::AGAIN, why).await,
    };
    let (commands, told) = sync_channel(COMMANDS);
    let (lines, mut trace) = mpsc::channel(LINES);
    let (opened, opening) = oneshot::channel();
    let thread = std::thread::Builder::new().name("stage".into());
    let spawned = thread.spawn(move || perform(&place, &setup, opened, &told, &lines));
    let opened = match spawned {
        Ok(_) => tokio::select! {
            opened = opening => opened.unwrap_or_else(|_| Err("the stage broke off".into())),
            _ = curtain.changed() => return socket.close(CURTAIN.0, CURTAIN.1).await,
        },
        Err(error) => Err(format!("cannot start a thread: {error}")),
    };
    let stop = match opened {
        Ok(stop) => stop,
        Err(why) => return socket.close(close_code::ERROR, &why).await,
    };
    let end = tokio::select! {
        end = talk(&mut socket, &commands, &mut trace) => end,
        // Whatever is waited for: also a page that takes no line.
        _ = curtain.changed() => Some(CURTAIN),
    };
    stop.store(true, Ordering::Relaxed);
    // With these the thread has no other end left: it waits for nothing, not even for the page to
    // close.
    drop((commands, trace));
    if let Some((code, why)) = end {
        socket.close(code, why).await;
    }
}

/// Hands commands to the stage and lines to the page; `None` when the page has left or takes nothing.
async fn talk(
    socket: &mut Socket,
    commands: &SyncSender<Utf8Bytes>,
    trace: &mut mpsc::Receiver<Utf8Bytes>,
) -> Option<CloseReason> {
    loop {
        tokio::select! {
            line = trace.recv() => match line {
                Some(line) => socket.send(line).await.ok()?,
                None => return Some((close_code::NORMAL, "the stage is over")),
            },
            said = socket.recv() => {
                if commands.try_send(said?).is_err() {
                    return Some((close_code::POLICY, "too many commands at once"));
                }
            }
        }
    }
}

/// What was opened: how to stop it; or why not.
type StageOpened = Result<Arc<AtomicBool>, String>;

/// The thread: opens the stage, and carries out commands until the page is gone.
fn perform(
    _place: &StagePermit,
    setup: &StageSetup,
    opened: oneshot::Sender<StageOpened>,
    told: &Receiver<Utf8Bytes>,
    lines: &mpsc::Sender<Utf8Bytes>,
) {
    let mut stage = match Stage::open(setup) {
        Ok(stage) => stage,
        Err(why) => return drop(opened.send(Err(why.to_string()))),
    };
    let stop = stage.stopper();
    if opened.send(Ok(Arc::clone(&stop))).is_err()
        || lines.blocking_send(stage.header().line().into()).is_err()
    {
        return;
    }
    let last_ns = Cell::new(0);
    for text in told {
        let mut tell = |event: Event| {
            last_ns.set(event.t_ns);
            if lines.blocking_send(event.line().into()).is_err() {
                stop.store(true, Ordering::Relaxed);
            }
        };
        match Command::read(&text) {
            Ok(command) => {
                let done = stage.run(&command, &mut tell);
                heap::give_back();
                if done.is_err() {
                    return;
                }
            }
            // The one event that the stage does not stamp: it comes with the time of the one before.
            Err(why) => tell(refused(last_ns.get(), why)),
        }
    }
}

/// A command that makes no sense, as a line of the trace.
fn refused(t_ns: u64, why: String) -> Event {
    Event {
        t_ns,
        what: What::Note { tone: Tone::Bad },
        side: None,
        message: None,
        back: false,
        cpu: None,
        step: None,
        text: Some(why),
    }
}
