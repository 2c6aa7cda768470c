//! What was counted, and counting it here. A probe runs in this process, on its own thread and in
//! the place of a race: it needs the machine for itself too.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use lab::probe::{self, ProbeSetup};
use lab::race::RaceProgress;
use lab::sys::heap;
use serde::Serialize;
use serde_json::json;

use super::Lab;
use super::live::{Doing, RunEnded};
use super::refusal::{Refusal, json_of};
use super::turn::Slot;
use crate::probes::{self, Counted};

/// What was counted, and the command that counts it again.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct CountedAnswer {
    #[serde(flatten)]
    counted: Counted,
    command: String,
}

/// `GET /api/probe`.
pub(crate) async fn answer(State(lab): State<Arc<Lab>>) -> Response {
    let answer = lab.blocking(|lab| CountedAnswer {
        counted: lab.probes.best(),
        command: probes::command(&probes::placements()),
    });
    json_of(StatusCode::OK, &answer.await)
}

/// `POST /api/probe`.
pub(crate) async fn start(State(lab): State<Arc<Lab>>) -> Result<Response, Refusal> {
    let placements = probes::placements();
    let slot = Slot::take(&lab, Doing::Probe).await?;
    let answer = json!({ "command": probes::command(&placements) });
    slot.run(move |lab, slot| run(lab, slot, &probes::whole(&placements)))?;
    Ok(json_of(StatusCode::ACCEPTED, &answer))
}

/// `DELETE /api/probe`.
pub(crate) async fn stop(State(lab): State<Arc<Lab>>) -> Result<StatusCode, Refusal> {
    let stopped = lab.live.stop(|doing| matches!(doing, Doing::Probe));
    if stopped { Ok(StatusCode::NO_CONTENT) } else { Err(Refusal::not_found("no probe runs")) }
}

fn run(lab: &Lab, slot: Slot, setups: &[ProbeSetup]) {
    let mut progress = |done, total, setup: &ProbeSetup| {
        slot.moved(&RaceProgress { done, total, label: probes::label(setup) });
    };
    let report = probe::probe(setups, probes::MESSAGES, &mut progress, &slot.stop);
    let mut ended = RunEnded { interrupted: slot.stop.load(Ordering::Relaxed), ..RunEnded::default() };
    heap::give_back();
    // One that was stopped is not kept: its last row may have been cut short.
    if !ended.interrupted {
        match lab.probes.keep(&report) {
            Ok(id) => ended.run = Some(id),
            Err(why) => ended.error = Some(format!("what was counted could not be kept: {why}")),
        }
    }
    slot.end(&ended);
}
