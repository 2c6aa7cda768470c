//! The history: list, open, export, take in, delete.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use lab::Report;
use serde_json::json;

use super::Lab;
use super::body::{REPORT_BYTES, Text, Way};
use super::refusal::{Refusal, json_of, json_text};
use crate::render::form::Form;
use crate::state::Kept;

/// `GET /api/runs`.
pub(crate) async fn list(State(lab): State<Arc<Lab>>) -> Response {
    let runs = lab.blocking(|lab| lab.history.list().runs).await;
    json_of(StatusCode::OK, &runs)
}

/// `GET /api/runs/{id}`: the file as it is, if it is a report.
pub(crate) async fn open(State(lab): State<Arc<Lab>>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let way = Way::take().await?;
    let text = lab
        .blocking(move |lab| lab.history.report(&id).map(|report| Form::Json.write(&report, &[], false)))
        .await?;
    Ok(([(CONTENT_TYPE, Form::Json.content_type())], way.body(text)).into_response())
}

/// `GET /api/runs/{id}/brief`: who was how fast, without what curves and replays are drawn from. That is nearly all of a
/// report, and the first page does not wait for it.
pub(crate) async fn brief(State(lab): State<Arc<Lab>>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let way = Way::take().await?;
    let report = lab.blocking(move |lab| {
        let mut report = lab.history.report(&id)?;
        for row in &mut report.rows {
            row.progress = None;
            if let Some(latency) = &mut row.latency_ns {
                latency.histogram.clear();
            }
        }
        Ok::<_, Refusal>(json_text(&report))
    });
    Ok(([(CONTENT_TYPE, "application/json")], way.body(report.await?)).into_response())
}

/// `GET /api/runs/{id}/export/{form}`.
pub(crate) async fn export(
    State(lab): State<Arc<Lab>>,
    Path((id, form)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let Some(form) = Form::ALL.into_iter().find(|known| known.name() == form) else {
        let forms = Form::ALL.map(Form::name).join(", ");
        return Err(Refusal::not_found(format_args!("there is no form `{form}`: one of {forms}")));
    };
    let file = format!("attachment; filename=\"ipcscope-{id}.{}\"", form.ending());
    let way = Way::take().await?;
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
            lab.live.tell_runs(lab);
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
        lab.live.tell_runs(lab);
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
