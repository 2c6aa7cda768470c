//! `ipcscope probe`: count one message with every instrument, and compare the counts with the
//! scene.

use std::path::PathBuf;

use crossing::{Kind, WaitStrategy};
use lab::plan::Placement;
use lab::probe::{self, LEAST_MESSAGES, MOST_MESSAGES, ProbeReport, ProbeSetup};
use lab::stage;

use crate::args::{self, Chosen};
use crate::export::ExportTarget;
use crate::interruption::Interruption;
use crate::outcome::{self, Failure, Outcome};
use crate::plan;
use crate::probes::{self, Probes};
use crate::render::{self, Ink, progress::Bar};

/// Counts, and prints the counts. A count outside its scene's budget is a failed run.
pub(crate) fn run(typed: &args::Probe, ink: Ink) -> Result<Outcome, Failure> {
    let mut notices = Vec::new();
    let setups = setups(typed, &mut notices)?;
    if typed.xray {
        return look_through(&setups, typed.json, &notices, ink);
    }
    let place = |path: &Option<PathBuf>| path.as_deref().map(ExportTarget::check).transpose();
    let (json, markdown) = (place(&typed.export_json)?, place(&typed.export_markdown)?);
    let stdout =
        [&json, &markdown].into_iter().flatten().filter(|place| **place == ExportTarget::Stdout).count();
    if stdout + usize::from(typed.json) > 1 {
        return Err(Failure::told("two results cannot both go to stdout"));
    }
    let interruption = Interruption::watch(|| {})?;
    let bar = Bar::new();
    let mut progress = |done, total, setup: &ProbeSetup| bar.at(done, total, probes::label(setup));
    let report = probe::probe(&setups, typed.messages, &mut progress, interruption.stop());
    drop(bar);
    let cut = interruption.ended().filter(|_| report.rows.len() < setups.len());
    if cut.is_some() {
        let (rows, all) = (report.rows.len(), setups.len());
        notices.push(format!("interrupted after {rows} of {all} rows"));
    }
    // A probe interrupted before its first row is not kept.
    if report.rows.is_empty() {
        return Ok(cut.unwrap_or(Outcome::Done));
    }
    if let Err(why) = Probes::open().keep(&report) {
        outcome::note(format_args!("this probe is not kept for the lab page: {why}"));
    }
    let mut places = Vec::new();
    places.extend(json.map(|place| (place, render::probe::json(&report))));
    places.extend(markdown.map(|place| (place, render::probe::markdown(&report))));
    places.extend(typed.json.then(|| (ExportTarget::Stdout, render::probe::json(&report))));
    // If one place fails, the report still goes to the others. Stdout comes last: its reader may
    // block this program.
    let (last, first): (Vec<_>, Vec<_>) =
        places.into_iter().partition(|(place, _)| *place == ExportTarget::Stdout);
    let write =
        |shown, (place, text): (ExportTarget, String)| outcome::both(shown, place.write(text.as_bytes()));
    let shown = first.into_iter().fold(Ok(()), write);
    interruption.results_are_safe();
    let shown = if last.is_empty() {
        let text = render::probe::text(&report, &notices, render::table::width(), ink);
        outcome::both(shown, outcome::print(text))
    } else {
        notices.iter().for_each(outcome::note);
        last.into_iter().fold(shown, write)
    };
    cut.unwrap_or_else(|| ended(&report)).after(shown)
}

/// One message of each, as a trace: a timeline, or JSON.
fn look_through(setups: &[ProbeSetup], json: bool, notices: &[String], ink: Ink) -> Result<Outcome, Failure> {
    notices.iter().for_each(outcome::note);
    let interruption = Interruption::watch(|| {})?;
    for setup in setups {
        let stage = stage::StageSetup {
            wait: setup.wait,
            placement: setup.placement,
            size_bytes: setup.size_bytes,
            ..stage::StageSetup::of(setup.kind)
        };
        let seen = lab::show::xray(&stage, interruption.stop());
        let trace = match (seen, interruption.ended()) {
            (_, Some(cut)) => return Ok(cut),
            (seen, None) => seen.map_err(Failure::told)?,
        };
        if json {
            let mut lines = Vec::new();
            trace
                .write(&mut lines)
                .map_err(|error| Failure::told(format_args!("cannot write the trace: {error}")))?;
            outcome::print(render::foreign::lines_of_json(lines))?;
        } else {
            outcome::print(render::probe::journey(
                &trace,
                &probes::label(setup),
                render::table::width(),
                ink,
            ))?;
        }
    }
    Ok(Outcome::Done)
}

fn ended(report: &ProbeReport) -> Outcome {
    let broken = |row: &probe::Probed| row.failed.is_some() || row.broken().next().is_some();
    if report.rows.iter().any(broken) { Outcome::RunFailed } else { Outcome::Done }
}

/// Every requested combination.
fn setups(typed: &args::Probe, notices: &mut Vec<String>) -> Result<Vec<ProbeSetup>, Failure> {
    if !(LEAST_MESSAGES..=MOST_MESSAGES).contains(&typed.messages) {
        let messages = typed.messages;
        return Err(Failure::told(format_args!(
            "messages {messages} is out of range: {LEAST_MESSAGES} to {MOST_MESSAGES}"
        )));
    }
    let kinds = plan::chosen(&Chosen::named(&typed.mechanisms), &Kind::ALL);
    let waits = plan::chosen(&typed.waits, &[WaitStrategy::Spin, WaitStrategy::Block]);
    let placements: Vec<Placement> = match typed.placements.is_empty() {
        true => vec![plan::placement(None, notices)?],
        false => plan::chosen(&typed.placements, &[])
            .into_iter()
            .map(|placement| plan::placement(Some(placement), notices))
            .collect::<Result<_, _>>()?,
    };
    let setups = probes::setups(&kinds, &waits, &placements);
    Ok(setups.into_iter().map(|setup| ProbeSetup { size_bytes: typed.size, ..setup }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn the_command_of_a_whole_probe_is_the_whole_probe() {
        let placements = probes::placements();
        let line = probes::command(&placements);
        let typed = args::Typed::try_parse_from(line.split_whitespace()).unwrap();
        let Some(args::Verb::Probe(typed)) = typed.verb else { panic!("{line}") };
        assert_eq!(setups(&typed, &mut Vec::new()).unwrap(), probes::whole(&placements));
        assert_eq!(typed.messages, probes::MESSAGES);
    }
}
