//! `ipcscope race`: check the destinations, run the plan, show the report, keep it.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use lab::Report;
use lab::race::{RaceError, RaceProgress};

use crate::args;
use crate::export::ExportTarget;
use crate::history::History;
use crate::interruption::Interruption;
use crate::outcome::{self, Failure, Outcome};
use crate::plan::{self, Decided};
use crate::render::form::OutputFormat;
use crate::render::{self, Ink, progress::Bar};

/// A form of the report, and where it goes.
pub(super) type Export = (OutputFormat, ExportTarget);

/// Races, and prints the report.
pub(crate) fn run(typed: &args::Race, ink: Ink) -> Result<Outcome, Failure> {
    let Decided { plan, notices } = plan::decide(&typed.into())?;
    let exports = exports(typed)?;
    run_and_show(|watch, stop| lab::race::run(&plan, watch, stop), &notices, typed.sort, &exports, ink)
}

/// Runs it, and keeps, exports and prints what it found.
pub(super) fn run_and_show(
    race: impl FnOnce(&mut dyn FnMut(&RaceProgress), &AtomicBool) -> Result<Report, RaceError>,
    notices: &[String],
    sort: bool,
    exports: &[Export],
    ink: Ink,
) -> Result<Outcome, Failure> {
    let interruption = Interruption::watch(|| {})?;
    let bar = Bar::new();
    let raced = race(&mut |progress| bar.show(progress), interruption.stop());
    drop(bar);
    let report = raced.map_err(Failure::told)?;
    let ended = match interruption.ended().filter(|_| report.interrupted) {
        Some(interrupted) => interrupted,
        None if report.rows.iter().any(|row| row.failed.is_some()) => Outcome::RunFailed,
        None => Outcome::Done,
    };
    ended.after(show(&report, notices, sort, exports, &interruption, ink))
}

/// Where the report goes, each place checked; stdout holds one form only.
fn exports(typed: &args::Race) -> Result<Vec<Export>, Failure> {
    let asked = [
        (OutputFormat::Json, &typed.export_json),
        (OutputFormat::Csv, &typed.export_csv),
        (OutputFormat::Markdown, &typed.export_markdown),
        (OutputFormat::Html, &typed.export_html),
    ];
    let mut exports: Vec<Export> =
        if typed.json { vec![(OutputFormat::Json, ExportTarget::Stdout)] } else { Vec::new() };
    for (form, path) in asked {
        let Some(path): Option<&PathBuf> = path.as_ref() else { continue };
        let place = ExportTarget::check(path)?;
        if exports.iter().any(|(_, taken)| *taken == place) {
            return Err(Failure::told(format_args!("two results cannot both go to {}", path.display())));
        }
        exports.push((form, place));
    }
    Ok(exports)
}

/// Keeps, exports and prints the report. If one place fails, the report still goes to the others.
/// Stdout comes last: its reader may block this program.
fn show(
    report: &Report,
    notices: &[String],
    sort: bool,
    exports: &[Export],
    interruption: &Interruption,
    ink: Ink,
) -> Result<(), Failure> {
    // A race interrupted before its first round is not kept.
    if !report.rows.is_empty()
        && let Err(why) = History::open().keep(report)
    {
        outcome::note(format_args!("this race is not kept for the lab page: {why}"));
    }
    let (last, first): (Vec<&Export>, Vec<&Export>) =
        exports.iter().partition(|(_, place)| *place == ExportTarget::Stdout);
    let write = |shown, (form, place): &Export| {
        outcome::both(shown, place.write(form.write(report, notices, sort).as_bytes()))
    };
    let shown = first.into_iter().fold(Ok(()), write);
    interruption.results_are_safe();
    if last.is_empty() {
        let table = render::table::text(report, notices, sort, render::table::width(), ink);
        return outcome::both(shown, outcome::print(table));
    }
    notices.iter().for_each(outcome::note);
    last.into_iter().fold(shown, write)
}
