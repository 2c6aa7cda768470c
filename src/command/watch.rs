//! `ipcscope watch`: one channel between programs that run.

use std::sync::atomic::Ordering;

use atlas::{ProgramMap, Scope, WatchInstrument, WatchOptions};

use crate::args::{self, WatchBy};
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
    let interruption = Interruption::watch(|| {})?;
    let goes_on = |_| !interruption.stop().load(Ordering::Relaxed);
    let options = WatchOptions { lasts: typed.lasts, instrument };
    let report = atlas::watch(&map, edge, &options, goes_on).map_err(Failure::told)?;
    interruption.results_are_safe();
    outcome::print(match typed.json {
        true => render::watch::json(&report),
        false => render::watch::text(&report, render::table::width(), ink),
    })?;
    Ok(interruption.ended().unwrap_or(Outcome::Done))
}
