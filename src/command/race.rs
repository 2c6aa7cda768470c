//! `ipcscope race`: check the places, run the plan, show the report, keep it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use lab::Report;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::args;
use crate::export::Place;
use crate::outcome::{self, Ended, Failure};
use crate::plan::{self, Decided};
use crate::render::form::Form;
use crate::render::{self, Ink, progress::Bar};
use crate::state::History;

/// A form of the report, and where it goes.
type Export = (Form, Place);

/// Races, and tells how it went.
pub(crate) fn run(typed: &args::Race, ink: Ink) -> Result<Ended, Failure> {
    let Decided { plan, notices } = plan::decide(&typed.into())?;
    let exports = exports(typed)?;
    let stop = Arc::new(AtomicBool::new(false));
    for interruption in [SIGINT, SIGTERM] {
        signal_hook::flag::register(interruption, Arc::clone(&stop))
            .map_err(|error| Failure::told(format_args!("cannot watch for Ctrl-C: {error}")))?;
    }
    let bar = Bar::new();
    let raced = lab::race::run(&plan, &mut |progress| bar.show(progress), &stop);
    drop(bar);
    let report = raced.map_err(Failure::told)?;
    let ended = match () {
        () if report.interrupted => Ended::Interrupted,
        () if report.rows.iter().any(|row| row.failed.is_some()) => Ended::RunFailed,
        () => Ended::Done,
    };
    ended.after(show(&report, &notices, typed, &exports, ink))
}

/// Where the report goes, each place checked; stdout holds one form only.
fn exports(typed: &args::Race) -> Result<Vec<Export>, Failure> {
    let asked = [
        (Form::Json, &typed.export_json),
        (Form::Csv, &typed.export_csv),
        (Form::Markdown, &typed.export_markdown),
        (Form::Html, &typed.export_html),
    ];
    let mut exports: Vec<Export> = if typed.json { vec![(Form::Json, Place::Stdout)] } else { Vec::new() };
    for (form, path) in asked {
        let Some(path): Option<&PathBuf> = path.as_ref() else { continue };
        let place = Place::check(path)?;
        if exports.iter().any(|(_, taken)| *taken == place) {
            return Err(Failure::told(format_args!("two results cannot both go to {}", path.display())));
        }
        exports.push((form, place));
    }
    Ok(exports)
}

/// Prints, exports and keeps the report. One place that fails does not keep the report from the others.
fn show(
    report: &Report,
    notices: &[String],
    typed: &args::Race,
    exports: &[Export],
    ink: Ink,
) -> Result<(), Failure> {
    let mut shown = Ok(());
    if exports.iter().all(|(_, place)| *place != Place::Stdout) {
        shown = outcome::print(render::table::text(report, notices, typed.sort, render::table::width(), ink));
    } else {
        notices.iter().for_each(outcome::note);
    }
    for (form, place) in exports {
        let text = form.write(report, notices, typed.sort);
        shown = outcome::both(shown, place.write(text.as_bytes()));
    }
    // A race that was cut short before its first round is no news.
    if !report.rows.is_empty()
        && let Err(why) = History::open().keep(report)
    {
        outcome::note(format_args!("the lab page will not know of this race: {why}"));
    }
    shown
}
