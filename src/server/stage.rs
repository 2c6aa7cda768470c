//! Stages for the mechanism pages: one WebSocket, two processes that live as long as it does.
//!
//! A stage blocks while it does what it is told, so each has a thread; the thread also holds the stage's place, which is
//! free when its processes are gone, and not before.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

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
    let (mut orders, told) = match orders() {
        Ok(both) => both,
        Err(error) => return socket.close(close_code::ERROR, &format!("cannot make a line: {error}")).await,
    };
    let (lines, mut trace) = mpsc::channel(LINES);
    let (opened, opening) = oneshot::channel();
    let thread = std::thread::Builder::new().name("stage".into());
    let spawned = thread.spawn(move || perform(&place, &setup, opened, told, &lines));
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
        end = talk(&mut socket, &mut orders, &mut trace) => end,
        // Whatever is waited for: also a page that takes no line.
        _ = curtain.changed() => Some(CURTAIN),
    };
    stop.store(true, Ordering::Relaxed);
    // With these the thread has no other end left: it waits for nothing, not even for the page to
    // close.
    drop((orders, trace));
    if let Some((code, why)) = end {
        socket.close(code, why).await;
    }
}

/// Hands commands to the stage and lines to the page; `None` when the page has left or takes nothing.
async fn talk(
    socket: &mut Socket,
    orders: &mut OrdersGiven,
    trace: &mut mpsc::Receiver<Utf8Bytes>,
) -> Option<CloseReason> {
    loop {
        tokio::select! {
            line = trace.recv() => match line {
                Some(line) => socket.send(line).await.ok()?,
                None => return Some((close_code::NORMAL, "the stage is over")),
            },
            said = socket.recv() => {
                if !orders.give(said?) {
                    return Some((close_code::POLICY, "too many commands at once"));
                }
            }
        }
    }
}

/// The page's end of the way to the thread. A thread cannot sleep on a channel and on its processes at once, so a bell
/// rings for each command.
struct OrdersGiven {
    commands: SyncSender<Utf8Bytes>,
    // Goes after the channel: the last thing that is heard says that nothing more comes.
    bell: UnixStream,
}

/// The thread's end.
struct OrdersHeard {
    commands: Receiver<Utf8Bytes>,
    bell: UnixStream,
}

fn orders() -> io::Result<(OrdersGiven, OrdersHeard)> {
    let (commands, told) = sync_channel(COMMANDS);
    let (here, there) = UnixStream::pair()?;
    here.set_nonblocking(true)?;
    there.set_nonblocking(true)?;
    Ok((OrdersGiven { commands, bell: here }, OrdersHeard { commands: told, bell: there }))
}

impl OrdersGiven {
    /// Whether there was room for one more.
    fn give(&mut self, text: Utf8Bytes) -> bool {
        // A bell that has no room has rung often enough.
        self.commands.try_send(text).map(|()| drop(self.bell.write(&[0]))).is_ok()
    }
}

impl OrdersHeard {
    /// The next command if one waits. Whatever comes after this was asked rings the bell.
    fn next(&mut self) -> Result<Utf8Bytes, TryRecvError> {
        let mut rung = [0; COMMANDS];
        // Nothing to be heard is no fault: the commands are in the channel.
        let _ = self.bell.read(&mut rung);
        self.commands.try_recv()
    }
}

/// What was opened: how to stop it; or why not.
type StageOpened = Result<Arc<AtomicBool>, String>;

/// The thread: opens the stage, and carries out commands until the page is gone.
fn perform(
    _place: &StagePermit,
    setup: &StageSetup,
    opened: oneshot::Sender<StageOpened>,
    mut told: OrdersHeard,
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
    loop {
        let mut tell = |event: Event| {
            last_ns.set(event.t_ns);
            if lines.blocking_send(event.line().into()).is_err() {
                stop.store(true, Ordering::Relaxed);
            }
        };
        let done = match told.next().map(|text| Command::read(&text)) {
            Ok(Ok(command)) => stage.run(&command, &mut tell),
            // The one event that the stage does not stamp: it comes with the time of the one before.
            Ok(Err(why)) => {
                tell(refused(last_ns.get(), why));
                continue;
            }
            Err(TryRecvError::Empty) => stage.rest(told.bell.as_fd(), &mut tell),
            Err(TryRecvError::Disconnected) => return,
        };
        heap::give_back();
        if done.is_err() {
            return;
        }
    }
}

/// A command that makes no sense, as a line of the trace.
fn refused(t_ns: u64, why: String) -> Event {
    Event::new(t_ns, What::Note { tone: Tone::Bad }).saying(why)
}
