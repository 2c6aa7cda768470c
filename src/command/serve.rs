//! `ipcscope serve`: the lab page, until Ctrl-C.

use std::io;
use std::process::{Command, Stdio};

use tokio::signal::unix::{SignalKind, signal};

use crate::args;
use crate::outcome::{self, Ended, Failure};
use crate::server;

/// Serves until SIGINT or SIGTERM. One thread: the lab must not keep busy the machine that it measures.
pub(crate) fn run(typed: &args::Serve) -> Result<Ended, Failure> {
    let told = |error: io::Error| Failure::told(format_args!("the lab cannot run: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(told)?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(told)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(told)?;
        let listener = server::bind(typed.listen).await?;
        let address = listener.local_addr().map_err(told)?;
        let url = format!("http://{address}/");
        outcome::print(format!("ipcscope lab: {url}\n"))?;
        if typed.open {
            open(&url);
        }
        tokio::select! {
            served = async { axum::serve(listener, server::routes(address.port())).await } => served.map_err(told)?,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(Ended::Done)
    })
}

/// Asks the desktop to open the page; where there is none, the address was printed anyway.
fn open(url: &str) {
    let quiet = || Stdio::null();
    match Command::new("xdg-open").arg(url).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn() {
        Ok(mut opener) => drop(std::thread::spawn(move || opener.wait())),
        Err(error) => {
            outcome::note(format_args!("cannot open a browser (xdg-open: {error}); open {url} yourself"));
        }
    }
}
