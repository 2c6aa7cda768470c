//! `ipcscope watch`: one channel between programs that run.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use atlas::{ProgramMap, Scope, WatchInstrument, WatchOptions};
use lab::machine::Unavailable;
use lab::trace::Trace;

use crate::args::{self, WatchBy};
use crate::export::ExportTarget;
use crate::interruption::Interruption;
use crate::outcome::{self, Failure, Outcome};
use crate::render::{self, Ink};

/// Finds the channel, watches it and prints what was seen.
pub(crate) fn run(typed: &args::WatchVerb, ink: Ink) -> Result<Outcome, Failure> {
    let map = ProgramMap::take(&Scope::All);
    let words: Vec<&str> = typed.channel.iter().map(String::as_str).collect();
    let edge = atlas::aim(&map, &words).map_err(Failure::told)?;
    let instrument = typed.by.map(|by| match by {
        WatchBy::Calls => WatchInstrument::Calls,
        WatchBy::Looks => WatchInstrument::Looks,
    });
    let place = |path: &Option<PathBuf>| path.as_deref().map(ExportTarget::check).transpose();
    let (trace_to, chrome_to) = (place(&typed.trace)?, place(&typed.chrome_trace)?);
    let interruption = Interruption::watch(|| {})?;
    let goes_on = |_| !interruption.stop().load(Ordering::Relaxed);
    let options = WatchOptions { lasts: typed.lasts, instrument };
    let (report, trace) = atlas::watch_and_record(&map, edge, &options, goes_on).map_err(Failure::told)?;
    interruption.results_are_safe();
    let printed = outcome::print(match typed.json {
        true => render::watch::json(&report),
        false => render::watch::text(&report, render::table::width(), ink),
    });
    let kept =
        if trace_to.is_none() && chrome_to.is_none() { Ok(()) } else { keep(trace, trace_to, chrome_to) };
    interruption.ended().unwrap_or(Outcome::Done).after(outcome::both(printed, kept))
}

/// Writes the first calls as a trace, and as Chrome trace events.
fn keep(
    trace: Result<Trace, Unavailable>,
    trace_to: Option<ExportTarget>,
    chrome_to: Option<ExportTarget>,
) -> Result<(), Failure> {
    let trace = trace.map_err(Failure::told)?;
    let mut lines = Vec::new();
    trace
        .write(&mut lines)
        .map_err(|error| Failure::told(format_args!("cannot write the trace: {error}")))?;
    let lines = render::foreign::lines_of_json(lines);
    let chrome = || render::chrome_trace::text(std::slice::from_ref(&trace));
    let written = trace_to.map_or(Ok(()), |to| to.write(&lines));
    outcome::both(written, chrome_to.map_or(Ok(()), |to| to.write(chrome().as_bytes())))
}
