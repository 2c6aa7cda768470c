//! Open pages follow what goes on, over one WebSocket each.
//!
//! They are told of a change and are left alone otherwise, so that a page that merely is open costs the measured processes
//! nothing: of a race that runs, at most four times a second.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::{Utf8Bytes, close_code};
use axum::response::Response;
use serde_json::json;
use tokio::sync::broadcast::{self, error::RecvError};

use super::Lab;
use super::live::newest;
use super::websocket::{Socket, Upgrade};

/// How many pages follow at a time.
const PAGES: usize = 64;

/// One page that follows.
struct Follower(Arc<Lab>);

impl Follower {
    fn new(lab: &Arc<Lab>) -> Option<Follower> {
        let mut now = lab.live.now();
        if now.pages >= PAGES {
            return None;
        }
        now.pages += 1;
        if let Some(running) = &mut now.running {
            running.page_open = true;
        }
        Some(Follower(Arc::clone(lab)))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.live.now().pages -= 1;
    }
}

/// `/api/live`.
pub(crate) async fn follow(State(lab): State<Arc<Lab>>, upgrade: Upgrade) -> Response {
    upgrade.then(|socket| tell(lab, socket))
}

async fn tell(lab: Arc<Lab>, mut socket: Socket) {
    let Some(_open) = Follower::new(&lab) else {
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
