//! The lab's server: the page and what it asks for, on loopback, behind the guard. `docs/api.md` is its contract.

mod about;
pub(crate) mod authority;
mod backpressure;
mod body;
mod connections;
mod drawn;
mod facts;
mod follow;
mod guard;
mod live;
mod map;
mod map_pages;
mod owner;
mod packed;
mod page;
mod probe;
mod race;
mod refusal;
mod routes;
mod runs;
mod seen;
mod stage;
mod turn;
mod verdicts;
mod watch;
mod watch_desk;
mod websocket;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Bytes;
use tokio::net::TcpListener;

#[cfg(test)]
pub(crate) use self::{
    about::{DoctorAnswer, LabAnswer},
    drawn::{MapChange, MapSnapshot},
    live::{ProbeState, RaceState},
    probe::CountedAnswer,
    race::RaceStarted,
    runs::JudgedRun,
    watch_desk::WatchAnswer,
};
use crate::history::History;
use crate::outcome::{self, Failure};
use crate::probes::Probes;
use facts::{Facts, Findings};
use guard::RequestGuard;
use live::Live;
use map_pages::MapPages;
use page::PageSource;
use watch_desk::WatchDesk;

/// Where the lab is found unless another place is asked for.
pub(crate) const DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7878);

/// How long a race or a probe may take to end when the lab does.
const ENDS: Duration = Duration::from_secs(5);

/// What the lab is started with.
#[derive(Debug, Default)]
pub(crate) struct ServerSetup {
    /// Where the page is read from, if not from the binary.
    pub(crate) web_dir: Option<PathBuf>,
    /// A trace to show.
    pub(crate) replay: Option<Vec<u8>>,
}

/// Everything that the answers share.
#[derive(Debug)]
pub(crate) struct Lab {
    door: RequestGuard,
    page: PageSource,
    history: History,
    probes: Probes,
    facts: OnceLock<Facts>,
    findings: Findings,
    live: Live,
    map: MapPages,
    watch: WatchDesk,
    replay: Option<Bytes>,
}

impl Lab {
    /// A lab behind the door at `ours`.
    ///
    /// # Errors
    ///
    /// A sentence: no random bytes.
    pub(crate) fn new(ours: SocketAddr, setup: ServerSetup) -> Result<Arc<Lab>, Failure> {
        let door = RequestGuard::new(ours)
            .map_err(|error| Failure::told(format_args!("no random bytes: {error}")))?;
        Ok(Arc::new(Lab {
            door,
            page: setup.web_dir.map_or(PageSource::BuiltIn, PageSource::Folder),
            history: History::open(),
            probes: Probes::open(),
            facts: OnceLock::new(),
            findings: Findings::default(),
            live: Live::new(),
            map: MapPages::new(),
            watch: WatchDesk::default(),
            replay: setup.replay.map(Bytes::from),
        }))
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
