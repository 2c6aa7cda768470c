//! Watching one edge of the map: `/api/watch`. One at a time, for a minute at most, and never beside a race or a probe, for which
//! it ends. What goes over the edge is counted and timed; the bytes are not read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use atlas::WatchOptions;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use lab::sys::heap;
use serde::Deserialize;

use super::Lab;
use super::body::Json;
use super::refusal::Refusal;
use super::seen::DrawnWatch;
use super::watch_desk::WatchKept;
use crate::render;

/// How long a watch may last, in seconds.
const LONGEST: u64 = 60;

/// What is to be watched.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WatchWish {
    /// An edge of the map, by its id.
    edge: String,
    /// For so many seconds.
    seconds: u64,
}

/// `POST /api/watch`.
pub(crate) async fn start(
    State(lab): State<Arc<Lab>>,
    Json(WatchWish { edge, seconds }): Json<WatchWish>,
) -> Result<StatusCode, Refusal> {
    if !(1..=LONGEST).contains(&seconds) {
        return Err(Refusal::senseless(format_args!(
            "field `seconds`: {seconds} is out of range: 1 to {LONGEST}"
        )));
    }
    if let Some(busy) = lab.live.busy() {
        return Err(Refusal::conflict(busy));
    }
    let lasts = Duration::from_secs(seconds);
    let stop = lab.watch.take(&edge, lasts)?;
    let place = WatchPlace(Arc::clone(&lab));
    let thread = std::thread::Builder::new().name("watch".into());
    let started = thread.spawn(move || place.watch(&edge, lasts, &stop));
    started.map_err(|error| Refusal::internal(format_args!("cannot start a thread: {error}")))?;
    Ok(StatusCode::ACCEPTED)
}

/// `DELETE /api/watch`: what was seen until then is kept.
pub(crate) async fn stop(State(lab): State<Arc<Lab>>) -> Result<StatusCode, Refusal> {
    if lab.watch.stop() { Ok(StatusCode::NO_CONTENT) } else { Err(Refusal::not_found("nothing is watched")) }
}

/// `GET /api/watch`.
pub(crate) async fn answer(State(lab): State<Arc<Lab>>) -> Response {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], lab.watch.answer()).into_response()
}

/// `GET /api/watch/report`: all that the last watch has seen, as a download.
pub(crate) async fn report(State(lab): State<Arc<Lab>>) -> Result<Response, Refusal> {
    let json =
        lab.watch.report().ok_or_else(|| Refusal::not_found("nothing was watched since the lab began"))?;
    let head = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_DISPOSITION, "attachment; filename=\"ipcscope-watch.json\""),
    ];
    Ok((head, Body::from(json)).into_response())
}

/// The lab's one watch, until it has ended, however that comes.
struct WatchPlace(Arc<Lab>);

impl WatchPlace {
    fn watch(&self, edge: &str, lasts: Duration, stop: &AtomicBool) {
        let seen = self.see(edge, lasts, stop);
        heap::give_back();
        self.0.watch.end(seen);
    }

    fn see(&self, id: &str, lasts: Duration, stop: &AtomicBool) -> Result<WatchKept, String> {
        let lab = &self.0;
        let map = lab.map.take();
        let edge = map.edges.iter().find(|edge| edge.id.0 == id);
        let edge =
            edge.ok_or("no edge of the map has this name: it was closed, or its programs have ended")?;
        let goes_on = |_| !stop.load(Ordering::Relaxed) && lab.live.busy().is_none();
        let report = atlas::watch(&map, edge, &WatchOptions { lasts, instrument: None }, goes_on);
        let report = report.map_err(|error| error.to_string())?;
        Ok(WatchKept { drawn: DrawnWatch::of(&report), json: render::watch::json(&report).into() })
    }
}

impl Drop for WatchPlace {
    fn drop(&mut self) {
        self.0.watch.end(Err("it broke off".into()));
    }
}
