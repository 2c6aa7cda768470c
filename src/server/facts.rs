//! What does not change while the lab runs: the machine, the scenes, the limits; and what can be measured, which is asked for
//! apart, because it takes a part of a second to try. Each is read once.

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
    /// Reads the machine.
    pub(crate) fn read() -> Facts {
        Facts(json!({
            "version": env!("CARGO_PKG_VERSION"),
            "machine": Machine::read(),
            "scenes": Kind::ALL.map(|kind| Scene::from(kind.scene())),
            "limits": { "size_bytes": SIZE_LIMIT, "count": COUNT_LIMIT, "launches": LAUNCH_LIMIT },
            "cores": machine::allowed_cores().unwrap_or_default(),
        }))
    }
}

/// What this machine can and cannot measure, ready to be answered.
#[derive(Debug)]
pub(crate) struct Findings(Value);

impl Findings {
    /// Tries everything.
    fn read() -> Findings {
        Findings(machine::findings().iter().map(finding).collect())
    }
}

/// `GET /api/doctor`.
pub(crate) async fn doctor(State(lab): State<Arc<Lab>>) -> Response {
    let answer = lab.blocking(|lab| match (lab.findings.get(), lab.live.busy()) {
        // Trying starts processes, and what is measured has the machine to itself.
        (None, Some(busy)) => json!({ "findings": [finding(&not_now(busy))] }),
        _ => {
            let Findings(findings) = lab.findings.get_or_init(Findings::read);
            json!({ "findings": findings })
        }
    });
    json_of(StatusCode::OK, &answer.await)
}

/// What there is to say instead of findings while something is measured.
fn not_now(busy: &str) -> Finding {
    Finding {
        what: "nothing was tried".into(),
        state: machine::State::Limited,
        detail: busy.into(),
        remedy: Some("ask again when it has ended".into()),
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
        answer["folder"] = json!(lab.history.folder().ok());
        answer["replay"] = json!(lab.replay.is_some());
        answer
    });
    json_of(StatusCode::OK, &answer.await)
}
