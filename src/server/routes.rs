//! Everything that the lab answers, and by which path.

use std::sync::Arc;

use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use tokio::net::TcpListener;

use super::facts::Facts;
use super::owner::ConnectionOwner;
use super::packed::packed;
use super::refusal::Refusal;
use super::{Lab, about, connections, follow, map, probe, race, runs, stage, verdicts, watch};

impl Lab {
    /// Answers until the process ends.
    pub(crate) async fn serve(self: Arc<Lab>, listener: TcpListener) {
        // Read already when the first page asks.
        let facts = Arc::clone(&self);
        tokio::task::spawn_blocking(move || {
            facts.facts.get_or_init(Facts::read);
            facts.history.list();
        });
        connections::serve(listener, routes(self)).await;
    }
}

/// Everything that the lab answers.
fn routes(lab: Arc<Lab>) -> Router {
    Router::new()
        .route("/", get(first_page))
        .route("/web/{*name}", get(part_of_page))
        .route("/api/choose", post(verdicts::choice))
        .route("/api/compare", post(verdicts::compare))
        .route("/api/doctor", get(about::doctor))
        .route("/api/lab", get(about::answer))
        .route("/api/live", get(follow::follow))
        .route("/api/map", get(map::answer))
        .route("/api/map/live", get(map::follow))
        .route("/api/probe", get(probe::answer).post(probe::start).delete(probe::stop))
        .route("/api/race", post(race::start).delete(race::stop))
        .route("/api/replay", get(replay))
        .route("/api/stage", get(stage::open))
        .route("/api/runs", get(runs::list).post(runs::import))
        .route("/api/runs/{id}", get(runs::open).delete(runs::delete))
        .route("/api/runs/{id}/beside", get(runs::beside))
        .route("/api/runs/{id}/brief", get(runs::brief))
        .route("/api/runs/{id}/export/{form}", get(runs::export))
        .route("/api/runs/{id}/judged", get(runs::judged))
        .route("/api/watch", get(watch::answer).post(watch::start).delete(watch::stop))
        .route("/api/watch/report", get(watch::report))
        .fallback(async || Refusal::not_found("there is nothing here"))
        .method_not_allowed_fallback(async || {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "not by this method")
        })
        .layer(middleware::from_fn(packed))
        .layer(middleware::from_fn_with_state(Arc::clone(&lab), admit))
        .with_state(lab)
}

async fn first_page(State(lab): State<Arc<Lab>>) -> Result<Response, Refusal> {
    lab.page.first(lab.door.token())
}

async fn part_of_page(
    State(lab): State<Arc<Lab>>,
    Path(name): Path<String>,
    asked: HeaderMap,
) -> Result<Response, Refusal> {
    lab.page.part(&name, &asked)
}

async fn replay(State(lab): State<Arc<Lab>>) -> Result<Response, Refusal> {
    let trace = lab.replay.clone();
    let trace = trace
        .ok_or_else(|| Refusal::not_found("the lab was started without a trace: `ipcscope replay FILE`"))?;
    Ok(([(CONTENT_TYPE, "application/x-ndjson"), (CACHE_CONTROL, "no-store")], trace).into_response())
}

/// Refuses requests without access; every answer carries the headers that isolate the page.
pub(crate) async fn admit(
    State(lab): State<Arc<Lab>>,
    ConnectInfo(owner): ConnectInfo<ConnectionOwner>,
    request: Request,
    next: Next,
) -> Response {
    let refusal =
        owner.refusal().or_else(|| lab.door.refusal(request.method(), request.uri(), request.headers()));
    let mut response = match refusal {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    };
    for (name, value) in lab.door.headers() {
        response.headers_mut().insert(name, value);
    }
    response
}
