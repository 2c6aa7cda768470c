//! What follows from what was measured: two reports compared, and a mechanism chosen.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use lab::Report;
use lab::choose::{Constraints, choose};
use lab::compare::Comparison;
use lab::machine::Machine;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Lab;
use super::body::{Json, REPORT_BYTES, ReportPermit, Text, understand};
use super::refusal::{Refusal, json_of};
use crate::render;
use crate::render::choice::ChoiceAnswer;

/// How many of the newest runs a choice may rest on.
const RUNS: usize = 32;

/// Two ids, or reports.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Two {
    a: Box<RawValue>,
    b: Box<RawValue>,
}

/// `POST /api/compare`.
pub(crate) async fn compare(
    State(lab): State<Arc<Lab>>,
    Text(text, _way): Text<REPORT_BYTES>,
) -> Result<Response, Refusal> {
    let comparison = lab.blocking(move |lab| {
        let Two { a, b } = understand(&text)?;
        Ok::<_, Refusal>(Comparison::of(&report(lab, "a", &a)?, &report(lab, "b", &b)?))
    });
    Ok(json_of(StatusCode::OK, &comparison.await?))
}

/// The report of an id, or the report itself.
fn report(lab: &Lab, name: &str, given: &RawValue) -> Result<Report, Refusal> {
    let fault = |why: Refusal| Refusal::new(why.status, format_args!("{name}: {}", why.error));
    match serde_json::from_str::<String>(given.get()) {
        Ok(id) => lab.history.report(&id).map_err(|missing| fault(missing.into())),
        Err(_) => Report::read(given.get().as_bytes()).map_err(|why| fault(Refusal::senseless(why))),
    }
}

/// `POST /api/choose`.
pub(crate) async fn choice(
    State(lab): State<Arc<Lab>>,
    Json(wanted): Json<Constraints>,
) -> Result<Response, Refusal> {
    if let Some(fault) = wanted.fault() {
        return Err(Refusal::senseless(fault));
    }
    let _way = ReportPermit::take().await?;
    let choice = lab.blocking(move |lab| {
        let runs = lab.history.list().runs.into_iter().take(RUNS);
        let runs: Vec<_> =
            runs.filter_map(|run| Some((run.id.clone(), lab.history.report(&run.id).ok()?))).collect();
        let scenes = render::scenes();
        ChoiceAnswer::from(choose(&scenes, &runs, &Machine::read(), &wanted))
    });
    Ok(json_of(StatusCode::OK, &choice.await))
}
