//! `ipcscope compare`: what became faster or slower between two reports.

use std::io;
use std::path::Path;

use lab::Report;
use lab::compare::{Comparison, Limit};

use crate::args;
use crate::history::{History, MissingRun};
use crate::input::{self, LIMIT_BYTES};
use crate::outcome::{self, Failure, Outcome};
use crate::render::{self, Ink, comparison, foreign};

/// How many reasons are printed one by one. More could fill the pipe of a reader that takes stderr
/// only at the end, and block this program.
const TOLD: usize = 100;

/// Compares, and judges by the limit if there is one.
pub(crate) fn run(typed: &args::Compare, ink: Ink) -> Result<Outcome, Failure> {
    if input::is_one_stream(&typed.a, &typed.b) {
        return Err(Failure::told(format_args!(
            "{} and {} are the same stream, which can be read only once: name a file for one of them",
            typed.a.display(),
            typed.b.display()
        )));
    }
    let comparison = Comparison::of(&report(&typed.a)?, &report(&typed.b)?);
    let shown = outcome::print(if typed.json {
        foreign::json(format!("{}\n", serde_json::json!(comparison)))
    } else {
        comparison::text(&comparison, render::table::width(), ink)
    });
    let limit = typed.fail_over.map(|percent| Limit {
        percent,
        allow_missing: typed.allow_missing,
        allow_unjudged: typed.allow_unjudged,
    });
    let past = limit.map(|limit| comparison.past(&limit)).unwrap_or_default();
    for why in past.iter().take(TOLD) {
        outcome::note(format_args!("past the limit: {why}"));
    }
    if past.len() > TOLD {
        outcome::note(format_args!("past the limit: {} more reasons", past.len() - TOLD));
    }
    if past.is_empty() && !comparison.has_common_rows() {
        return Err(Failure::told("the two reports share no row: nothing was compared"));
    }
    let ended = if past.is_empty() { Outcome::Done } else { Outcome::PastLimit };
    ended.after(shown)
}

/// The report in a file, or else the run of this id.
fn report(name: &Path) -> Result<Report, Failure> {
    let fault = |why: &dyn std::fmt::Display| Failure::told(format_args!("{}: {why}", name.display()));
    match input::text(name, LIMIT_BYTES) {
        Ok(text) => Report::read(&text).map_err(|why| fault(&why)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fault(&error)),
        Err(error) => match name.to_str().map(|id| History::open().report(id)) {
            Some(Ok(report)) => Ok(report),
            Some(Err(MissingRun::Broken(why))) => Err(Failure::told(format_args!("in the history, {why}"))),
            Some(Err(MissingRun::Unknown)) | None => {
                Err(fault(&format_args!("{error}, and no run in the history has that id")))
            }
        },
    }
}
