//! What the lab tells of itself and of its machine: `/api/lab` and `/api/doctor`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use lab::doctor::{self, Finding, FindingState};
use serde::Serialize;

use super::Lab;
use super::facts::Facts;
use super::refusal::json_of;
use crate::history::{Listing, Unreadable};

/// The answer of `/api/doctor`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct DoctorAnswer {
    findings: Vec<FindingAnswer>,
}

/// One thing that was tried, as the page shows it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct FindingAnswer {
    what: String,
    verdict: FindingVerdict,
    text: String,
    remedy: Option<String>,
}

/// Whether it works.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
enum FindingVerdict {
    Yes,
    Partly,
    No,
}

impl From<Finding> for FindingAnswer {
    fn from(Finding { what, state, detail, remedy }: Finding) -> FindingAnswer {
        let verdict = match state {
            FindingState::Good => FindingVerdict::Yes,
            FindingState::Limited => FindingVerdict::Partly,
            FindingState::Missing => FindingVerdict::No,
        };
        FindingAnswer { what, verdict, text: detail, remedy }
    }
}

/// `GET /api/doctor`.
pub(crate) async fn doctor(State(lab): State<Arc<Lab>>) -> Response {
    let answer = lab.blocking(|lab| {
        // Trying starts processes, and what is measured has the machine to itself.
        let busy = lab.live.busy();
        let found = lab.findings.latest(busy.is_some(), doctor::findings);
        let found = found.unwrap_or_else(|| vec![not_now(busy.unwrap_or_default())]);
        DoctorAnswer { findings: found.into_iter().map(FindingAnswer::from).collect() }
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

/// The answer of `/api/lab`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct LabAnswer {
    #[serde(flatten)]
    facts: Facts,
    /// The id of the newest run.
    last_run: Option<String>,
    unreadable: Vec<Unreadable>,
    /// Where the history is kept; `None` where there is no place for it.
    folder: Option<String>,
    /// Whether the lab was started with a trace.
    replay: bool,
}

/// `GET /api/lab`.
pub(crate) async fn answer(State(lab): State<Arc<Lab>>) -> Response {
    let answer = lab.blocking(|lab| {
        let Listing { runs, unreadable } = lab.history.list();
        LabAnswer {
            facts: lab.facts.get_or_init(Facts::read).clone(),
            last_run: runs.into_iter().next().map(|run| run.id),
            unreadable,
            folder: lab.history.folder().ok().map(|folder| folder.display().to_string()),
            replay: lab.replay.is_some(),
        }
    });
    json_of(StatusCode::OK, &answer.await)
}
