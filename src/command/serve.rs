//! `ipcscope serve`: the lab page, until Ctrl-C.

use std::io;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tokio::sync::Notify;

use crate::args;
use crate::history;
use crate::interruption::Interruption;
use crate::outcome::{self, Failure, Outcome};
use crate::server::{self, Lab, ServerSetup};

/// Serves until Ctrl-C or another signal that ends a program. That is the normal end: the exit code
/// is 0.
pub(crate) fn run(typed: &args::Serve) -> Result<Outcome, Failure> {
    lab(&typed.door, None, "")
}

/// Serves a lab; `place` is the part of the page to open. One thread, so that the lab does not load
/// the machine it measures.
pub(crate) fn lab(door: &args::ListenArgs, replay: Option<Vec<u8>>, place: &str) -> Result<Outcome, Failure> {
    if let Some(folder) = door.web_dir.as_ref().filter(|folder| !folder.join("index.html").is_file()) {
        return Err(Failure::told(format_args!("--web-dir {}: it has no index.html", folder.display())));
    }
    if let Err(why) = history::can_keep() {
        outcome::note(format_args!("races and probes are kept in memory only, until the lab ends: {why}"));
    }
    let setup = ServerSetup { web_dir: door.web_dir.clone(), replay };
    let told = |error: io::Error| Failure::told(format_args!("the lab cannot run: {error}"));
    // A report is a megabyte, and several in memory: requests for reports are handled two at a
    // time.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(2)
        .enable_all()
        .build()
        .map_err(told)?;
    let ended = runtime.block_on(async {
        let end = Arc::new(Notify::new());
        let heard = Arc::clone(&end);
        Interruption::watch(move || heard.notify_one())?;
        let listener = server::bind(door.listen).await?;
        let address: SocketAddr = listener.local_addr().map_err(told)?;
        let lab = Lab::new(address, setup)?;
        let url = format!("http://{address}/{place}");
        outcome::print(format!("ipcscope lab: {url}\n"))?;
        if door.open {
            open(&url);
        }
        tokio::select! {
            () = lab.clone().serve(listener) => {}
            () = end.notified() => {}
        }
        lab.end().await;
        Ok(Outcome::Done)
    });
    // Do not wait for a thread that still reads the disk for a page.
    runtime.shutdown_background();
    ended
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
