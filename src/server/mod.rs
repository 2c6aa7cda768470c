//! The lab's server: the page and what it asks for, on loopback, behind the guard. `docs/api.md` is its contract.

pub(crate) mod authority;
mod backpressure;
mod body;
mod connections;
mod facts;
mod guard;
mod live;
mod owner;
mod page;
mod probe;
mod race;
mod refusal;
mod runs;
mod stage;
mod verdicts;
mod websocket;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use tokio::net::TcpListener;

use crate::outcome::{self, Failure};
use crate::probes::Probes;
use crate::state::History;
use facts::{Facts, Findings};
use guard::Door;
use live::Live;
use page::Page;
use refusal::Refusal;

/// Where the lab is found unless another place is asked for.
pub(crate) const DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7878);

/// How long a race or a probe may take to end when the lab does.
const ENDS: Duration = Duration::from_secs(5);

/// What the lab is started with.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    /// Where the page is read from, if not from the binary.
    pub(crate) web_dir: Option<PathBuf>,
    /// A trace to show.
    pub(crate) replay: Option<Vec<u8>>,
}

/// Everything that the answers share.
#[derive(Debug)]
pub(crate) struct Lab {
    door: Door,
    page: Page,
    history: History,
    probes: Probes,
    facts: OnceLock<Facts>,
    findings: Findings,
    live: Live,
    replay: Option<Bytes>,
}

impl Lab {
    /// A lab behind the door at `ours`.
    ///
    /// # Errors
    ///
    /// A sentence: no random bytes.
    pub(crate) fn new(ours: SocketAddr, setup: Setup) -> Result<Arc<Lab>, Failure> {
        let door =
            Door::new(ours).map_err(|error| Failure::told(format_args!("no random bytes: {error}")))?;
        Ok(Arc::new(Lab {
            door,
            page: setup.web_dir.map_or(Page::BuiltIn, Page::Folder),
            history: History::open(),
            probes: Probes::open(),
            facts: OnceLock::new(),
            findings: Findings::default(),
            live: Live::new(),
            replay: setup.replay.map(Bytes::from),
        }))
    }

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

    /// Ends the race or the probe that may run; what a race has measured is kept.
    pub(crate) async fn end(&self) {
        if self.live.stop(|_| true) {
            let _ = tokio::time::timeout(ENDS, self.live.ended()).await;
        }
        let lost = self.history.put_unkept();
        if lost > 0 {
            let races = lab::units::plural(lost as u64, "race");
            outcome::note(format_args!("{races} could not be kept on disk and went with the lab"));
        }
    }

    /// Does what reads the disk or thinks for long, without keeping others waiting.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Lab>,
        work: impl FnOnce(&Lab) -> T + Send + 'static,
    ) -> T {
        let lab = Arc::clone(self);
        match tokio::task::spawn_blocking(move || work(&lab)).await {
            Ok(done) => done,
            Err(broken) => std::panic::resume_unwind(broken.into_panic()),
        }
    }
}

/// Takes the address that was asked for; the default one gives way to any free port when it is taken.
///
/// # Errors
///
/// A sentence: the address is not loopback, or cannot be had.
pub(crate) async fn bind(asked: Option<SocketAddr>) -> Result<TcpListener, Failure> {
    let address = asked.unwrap_or(DEFAULT);
    if !address.ip().is_loopback() {
        return Err(Failure::told(format_args!(
            "--listen {address}: the lab listens on this machine only, because it has no login; \
             use 127.0.0.1 and reach it from afar through an ssh tunnel"
        )));
    }
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if asked.is_none() && error.kind() == io::ErrorKind::AddrInUse => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .await
                .map_err(|error| Failure::told(format_args!("no free port on 127.0.0.1: {error}")))?;
            outcome::note(format_args!("port {} is taken, so the lab is on another one", DEFAULT.port()));
            Ok(listener)
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(Failure::told(format_args!(
            "--listen {address}: the port is taken; choose another, or 0 for any free one"
        ))),
        Err(error) => Err(Failure::told(format_args!("cannot listen on {address}: {error}"))),
    }
}

/// Everything that the lab answers.
fn routes(lab: Arc<Lab>) -> Router {
    Router::new()
        .route("/", get(first_page))
        .route("/web/{*name}", get(part_of_page))
        .route("/api/choose", post(verdicts::choice))
        .route("/api/compare", post(verdicts::compare))
        .route("/api/doctor", get(facts::doctor))
        .route("/api/lab", get(facts::answer))
        .route("/api/live", get(live::follow))
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
        .fallback(async || Refusal::not_found("there is nothing here"))
        .method_not_allowed_fallback(async || {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "not by this method")
        })
        .layer(middleware::from_fn_with_state(Arc::clone(&lab), guard::watch))
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
