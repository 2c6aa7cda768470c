//! The history: list, open, export, take in, delete.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use crossing::WaitStrategy;
use lab::Report;
use lab::judge::Judged;
use lab::plan::Placement;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Lab;
use super::body::{REPORT_BYTES, ReportPermit, Text};
use super::race::ParsedWord;
use super::refusal::{Refusal, json_of, json_text};
use crate::history::Kept;
use crate::render::{self, form::OutputFormat};

/// `GET /api/runs`.
pub(crate) async fn list(State(lab): State<Arc<Lab>>) -> Response {
    let runs = lab.blocking(|lab| lab.history.list().runs).await;
    json_of(StatusCode::OK, &runs)
}

/// `GET /api/runs/{id}`: the file as it is, if it is a report.
pub(crate) async fn open(State(lab): State<Arc<Lab>>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let way = ReportPermit::take().await?;
    let text = lab
        .blocking(move |lab| {
            lab.history.report(&id).map(|report| OutputFormat::Json.write(&report, &[], false))
        })
        .await?;
    Ok(([(CONTENT_TYPE, OutputFormat::Json.content_type())], way.body(text)).into_response())
}

/// `GET /api/runs/{id}/judged`: the report, and what is said of it.
pub(crate) async fn judged(State(lab): State<Arc<Lab>>, Path(id): Path<String>) -> Result<Response, Refusal> {
    told(lab, id, |_| {}).await
}

/// `GET /api/runs/{id}/brief`: the same without what curves and replays are drawn from. That is nearly all of a report, and the
/// first page does not wait for it.
pub(crate) async fn brief(State(lab): State<Arc<Lab>>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let shorten = |report: &mut Report| {
        for row in &mut report.rows {
            row.progress = None;
            if let Some(latency) = &mut row.latency_ns {
                latency.histogram.clear();
            }
        }
    };
    told(lab, id, shorten).await
}

/// A report, and what is said of it. It is written as it is: a histogram as a tree of JSON values would take many times its room.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct JudgedRun {
    report: Report,
    judged: Judged,
}

async fn told(lab: Arc<Lab>, id: String, change: fn(&mut Report)) -> Result<Response, Refusal> {
    let way = ReportPermit::take().await?;
    let text = lab.blocking(move |lab| {
        let mut report = lab.history.report(&id)?;
        change(&mut report);
        Ok::<_, Refusal>(json_text(&JudgedRun { judged: render::judged(&report, false), report }))
    });
    Ok(([(CONTENT_TYPE, "application/json")], way.body(text.await?)).into_response())
}

/// How a stage waits and sits, and of what mechanism it is.
#[derive(Debug, Deserialize)]
pub(crate) struct Like {
    kind: String,
    wait: ParsedWord<WaitStrategy>,
    placement: ParsedWord<Placement>,
    size: u32,
}

/// `GET /api/runs/{id}/beside`: a mechanism beside the others of a race that waited and sat like a stage, or `null`.
pub(crate) async fn beside(
    State(lab): State<Arc<Lab>>,
    Path(id): Path<String>,
    like: Result<Query<Like>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(Like { kind, wait: ParsedWord(wait), placement: ParsedWord(placement), size }) =
        like.map_err(|error| Refusal::senseless(error.body_text()))?;
    let _way = ReportPermit::take().await?;
    let found = lab.blocking(move |lab| {
        let report = lab.history.report(&id)?;
        Ok::<_, Refusal>(lab::judge::beside(&report, &render::scenes(), &kind, (wait, placement, size)))
    });
    Ok(json_of(StatusCode::OK, &found.await?))
}

/// `GET /api/runs/{id}/export/{form}`.
pub(crate) async fn export(
    State(lab): State<Arc<Lab>>,
    Path((id, form)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let Some(form) = OutputFormat::ALL.into_iter().find(|known| known.name() == form) else {
        let forms = OutputFormat::ALL.map(OutputFormat::name).join(", ");
        return Err(Refusal::not_found(format_args!("there is no form `{form}`: one of {forms}")));
    };
    let file = format!("attachment; filename=\"ipcscope-{id}.{}\"", form.ending());
    let way = ReportPermit::take().await?;
    let text = lab
        .blocking(move |lab| lab.history.report(&id).map(|report| form.write(&report, &[], false)))
        .await?;
    Ok(([(CONTENT_TYPE, form.content_type()), (CONTENT_DISPOSITION, &file)], way.body(text)).into_response())
}

/// `POST /api/runs`.
pub(crate) async fn import(
    State(lab): State<Arc<Lab>>,
    Text(text, _way): Text<REPORT_BYTES>,
) -> Result<Response, Refusal> {
    let kept = lab.blocking(move |lab| {
        let report = Report::read(&text).map_err(Refusal::senseless)?;
        let (id, kept) = lab.history.keep(&report).map_err(Refusal::internal)?;
        if kept == Kept::Anew {
            lab.live.tell_runs(&lab.history);
        }
        Ok::<_, Refusal>(id)
    });
    Ok(json_of(StatusCode::CREATED, &json!({ "id": kept.await? })))
}

/// `DELETE /api/runs/{id}`.
pub(crate) async fn delete(
    State(lab): State<Arc<Lab>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    lab.blocking(move |lab| {
        lab.history.delete(&id)?;
        lab.live.tell_runs(&lab.history);
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
