//! The map of the programs of this machine: `/api/map`, and `/api/map/live` for the pages that look at it.
//!
//! One taking a second serves all pages that look, and nothing is taken while none does, nor beside a race or a probe. A map
//! that takes long is taken less often: at most a quarter of the time goes into it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::extract::ws::close_code;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use tokio::sync::broadcast::error::RecvError;

use super::Lab;
use super::body::ReportPermit;
use super::drawn::DrawnMap;
use super::refusal::Refusal;
use super::websocket::{Socket, Upgrade};
use crate::render;

/// How many pages look at a time.
const PAGES: usize = 16;

/// From one taking to the next.
const EVERY: Duration = Duration::from_secs(1);

/// A taking that lasts longer makes them rarer.
const LONG: Duration = Duration::from_millis(500);

/// How much rarer.
const FACTOR: u32 = 4;

/// One page that looks.
struct Onlooker(Arc<Lab>);

impl Onlooker {
    fn new(lab: &Arc<Lab>) -> Option<Onlooker> {
        let mut now = lab.map.now();
        if now.pages >= PAGES {
            return None;
        }
        now.pages += 1;
        if !std::mem::replace(&mut now.taken, true) {
            tokio::spawn(keep_taking(Arc::clone(lab)));
        }
        Some(Onlooker(Arc::clone(lab)))
    }
}

impl Drop for Onlooker {
    fn drop(&mut self) {
        self.0.map.now().pages -= 1;
    }
}

/// Takes a map, and another one when it is due, until no page looks.
async fn keep_taking(lab: Arc<Lab>) {
    while !lab.map.is_left() {
        let busy = lab.live.busy();
        lab.map.pause(busy);
        let began = Instant::now();
        let mut every = EVERY;
        if busy.is_none() {
            let (map, due) = lab
                .blocking(move |lab| {
                    let map = lab.map.take();
                    let every = every_after(Duration::from_nanos(map.took_ns));
                    (DrawnMap::of(&map, every.as_millis() as u64), every)
                })
                .await;
            lab.map.tell(map);
            every = due;
        }
        tokio::time::sleep(every.saturating_sub(began.elapsed())).await;
    }
}

/// From the begin of a taking to the next one.
fn every_after(took: Duration) -> Duration {
    if took > LONG { took * FACTOR } else { EVERY }
}

/// `/api/map/live`.
pub(crate) async fn follow(State(lab): State<Arc<Lab>>, upgrade: Upgrade) -> Response {
    upgrade.then(|socket| tell(lab, socket))
}

async fn tell(lab: Arc<Lab>, mut socket: Socket) {
    let Some(_looks) = Onlooker::new(&lab) else {
        return socket.close(close_code::AGAIN, "too many pages look at the map: close one").await;
    };
    let (mut frames, mut told) = lab.map.follow();
    loop {
        for frame in told.drain(..) {
            if socket.send(frame).await.is_err() {
                return;
            }
        }
        tokio::select! {
            frame = frames.recv() => match frame {
                Ok(frame) => told.push(frame),
                Err(RecvError::Lagged(_)) => (frames, told) = lab.map.follow(),
                Err(RecvError::Closed) => return,
            },
            // Pages have nothing to say here.
            said = socket.recv() => if said.is_none() { return },
        }
    }
}

/// `GET /api/map`: the map as `ipcscope map --json` prints it.
pub(crate) async fn answer(State(lab): State<Arc<Lab>>) -> Result<Response, Refusal> {
    if let Some(busy) = lab.live.busy() {
        return Err(Refusal::conflict(busy));
    }
    let way = ReportPermit::take().await?;
    let text = lab.blocking(|lab| render::map::json(&lab.map.take())).await;
    let head = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    Ok((head, way.body(text)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_takes_long_is_taken_less_often() {
        for (took_ms, every_ms) in [(0, 1_000), (499, 1_000), (500, 1_000), (501, 2_004), (5_000, 20_000)] {
            assert_eq!(every_after(Duration::from_millis(took_ms)).as_millis(), every_ms);
        }
    }
}
