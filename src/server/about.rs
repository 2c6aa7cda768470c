//! What the lab tells of itself and of its machine: `/api/lab` and `/api/doctor`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use lab::doctor::{self, Finding, FindingState};
use serde_json::{Value, json};

use super::Lab;
use super::facts::Facts;
use super::refusal::json_of;

/// `GET /api/doctor`.
pub(crate) async fn doctor(State(lab): State<Arc<Lab>>) -> Response {
    let answer = lab.blocking(|lab| {
        // Trying starts processes, and what is measured has the machine to itself.
        let busy = lab.live.busy();
        let look = || doctor::findings().iter().map(finding).collect();
        let found = lab.findings.latest(busy.is_some(), look);
        let nothing = || json!([finding(&not_now(busy.unwrap_or_default()))]);
        json!({ "findings": found.unwrap_or_else(nothing) })
    });
    json_of(StatusCode::OK, &answer.await)
}

/// What there is to say instead of findings while something is measured.
fn not_now(busy: &str) -> Finding {
    Finding {
        what: "nothing was tried".into(),
        state: FindingState::Limited,
        detail: busy.into(),
        remedy: Some("ask again when it has ended".into()),
    }
}

fn finding(finding: &Finding) -> Value {
    let verdict = match finding.state {
        FindingState::Good => "yes",
        FindingState::Limited => "partly",
        FindingState::Missing => "no",
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
