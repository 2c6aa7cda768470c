//! What does not change while the lab runs: the machine, what it can measure, the scenes, the limits. Read once.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use crossing::Kind;
use lab::machine::{self, Finding, Machine};
use lab::plan::{COUNT_LIMIT, LAUNCH_LIMIT, SIZE_LIMIT};
use lab::scene::Scene;
use serde_json::{Value, json};

use super::Lab;
use super::refusal::json_of;

/// The facts, ready to be answered.
#[derive(Debug)]
pub(crate) struct Facts(Value);

impl Facts {
    /// Reads the machine and tries what it can do; takes a part of a second.
    pub(crate) fn read() -> Facts {
        Facts(json!({
            "version": env!("CARGO_PKG_VERSION"),
            "machine": Machine::read(),
            "scenes": Kind::ALL.map(|kind| Scene::from(kind.scene())),
            "findings": machine::findings().iter().map(finding).collect::<Vec<_>>(),
            "limits": { "size_bytes": SIZE_LIMIT, "count": COUNT_LIMIT, "launches": LAUNCH_LIMIT },
            "cores": machine::allowed_cores().unwrap_or_default(),
        }))
    }
}

fn finding(finding: &Finding) -> Value {
    let verdict = match finding.state {
        machine::State::Good => "yes",
        machine::State::Limited => "partly",
        machine::State::Missing => "no",
    };
    json!({ "what": finding.what, "verdict": verdict, "text": finding.detail, "remedy": finding.remedy })
}

/// `GET /api/lab`.
pub(crate) async fn answer(State(lab): State<Arc<Lab>>) -> Response {
    let answer = lab.blocking(|lab| {
        let Facts(facts) = lab.facts.get_or_init(Facts::read);
        let mut answer = facts.clone();
        let listing = lab.history.list();
        answer["last_run"] = json!(listing.runs.first().map(|run| &run.id));
        answer["unreadable"] = json!(listing.unreadable);
        answer["folder"] = json!(lab.history.folder());
        answer["replay"] = json!(lab.replay.is_some());
        answer
    });
    json_of(StatusCode::OK, &answer.await)
}
