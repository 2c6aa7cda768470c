//! `ipcscope probe`: look at one message with every instrument there is, and hold what was counted against the scene.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossing::{Kind, WaitStrategy};
use lab::plan::Placement;
use lab::probe::{self, LEAST_MESSAGES, MOST_MESSAGES, ProbeReport, Setup};
use lab::stage;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::args::{self, Chosen};
use crate::export::Place;
use crate::outcome::{self, Ended, Failure};
use crate::plan;
use crate::probes::{self, Probes};
use crate::render::{self, Ink, progress::Bar};

/// Looks, and tells what was seen. A count that leaves its scene's budget is a failed run.
pub(crate) fn run(typed: &args::Probe, ink: Ink) -> Result<Ended, Failure> {
    let mut notices = Vec::new();
    let setups = setups(typed, &mut notices)?;
    if typed.xray {
        return look_through(&setups, typed.json, &notices, ink);
    }
    let place = |path: &Option<PathBuf>| path.as_deref().map(Place::check).transpose();
    let (json, markdown) = (place(&typed.export_json)?, place(&typed.export_markdown)?);
    let stdout = [&json, &markdown].into_iter().flatten().filter(|place| **place == Place::Stdout).count();
    if stdout + usize::from(typed.json) > 1 {
        return Err(Failure::told("two results cannot both go to stdout"));
    }
    let stop = Arc::new(AtomicBool::new(false));
    for interruption in [SIGINT, SIGTERM] {
        signal_hook::flag::register(interruption, Arc::clone(&stop))
            .map_err(|error| Failure::told(format_args!("cannot watch for Ctrl-C: {error}")))?;
    }
    let bar = Bar::new();
    let mut progress = |done, total, setup: &Setup| bar.at(done, total, probes::label(setup));
    let report = probe::probe(&setups, typed.messages, &mut progress, &stop);
    drop(bar);
    if stop.load(Ordering::Relaxed) {
        return Ok(Ended::Interrupted);
    }
    if let Err(why) = Probes::open().keep(&report) {
        outcome::note(format_args!("the lab page will not know of this probe: {why}"));
    }
    let quiet = typed.json || stdout > 0;
    let mut shown = if quiet {
        notices.iter().for_each(outcome::note);
        Ok(())
    } else {
        outcome::print(render::probe::text(&report, &notices, render::table::width(), ink))
    };
    // One place that fails does not keep the report from the others.
    if typed.json {
        shown = outcome::both(shown, outcome::print(render::probe::json(&report)));
    }
    if let Some(place) = json {
        shown = outcome::both(shown, place.write(render::probe::json(&report).as_bytes()));
    }
    if let Some(place) = markdown {
        shown = outcome::both(shown, place.write(render::probe::markdown(&report).as_bytes()));
    }
    ended(&report).after(shown)
}

/// One message of each, as a trace: for who reads, or as JSON.
fn look_through(setups: &[Setup], json: bool, notices: &[String], ink: Ink) -> Result<Ended, Failure> {
    notices.iter().for_each(outcome::note);
    for setup in setups {
        let stage = stage::Setup {
            wait: setup.wait,
            placement: setup.placement,
            size_bytes: setup.size_bytes,
            ..stage::Setup::of(setup.kind)
        };
        let trace = lab::show::xray(&stage).map_err(Failure::told)?;
        if json {
            let mut lines = Vec::new();
            trace
                .write(&mut lines)
                .map_err(|error| Failure::told(format_args!("cannot write the trace: {error}")))?;
            outcome::print(lines)?;
        } else {
            outcome::print(render::probe::journey(
                &trace,
                &probes::label(setup),
                render::table::width(),
                ink,
            ))?;
        }
    }
    Ok(Ended::Done)
}

fn ended(report: &ProbeReport) -> Ended {
    let broken = |row: &probe::Probed| row.failed.is_some() || row.broken().next().is_some();
    if report.rows.iter().any(broken) { Ended::RunFailed } else { Ended::Done }
}

/// Every combination that was asked for.
fn setups(typed: &args::Probe, notices: &mut Vec<String>) -> Result<Vec<Setup>, Failure> {
    if !(LEAST_MESSAGES..=MOST_MESSAGES).contains(&typed.messages) {
        let messages = typed.messages;
        return Err(Failure::told(format_args!(
            "messages {messages} is out of range: {LEAST_MESSAGES} to {MOST_MESSAGES}"
        )));
    }
    let one = |chosen: &Chosen| match chosen {
        Chosen::One(kind) => Some(*kind),
        Chosen::All => None,
    };
    let named: Option<Vec<Kind>> = typed.mechanisms.iter().map(one).collect();
    let kinds = plan::chosen(&named.unwrap_or_default(), &Kind::ALL);
    let waits = plan::chosen(&typed.waits, &[WaitStrategy::Spin, WaitStrategy::Block]);
    let placements: Vec<Placement> = match typed.placements.is_empty() {
        true => vec![plan::placement(None, notices)?],
        false => plan::chosen(&typed.placements, &[])
            .into_iter()
            .map(|placement| plan::placement(Some(placement), notices))
            .collect::<Result<_, _>>()?,
    };
    let setups = probes::setups(&kinds, &waits, &placements);
    Ok(setups.into_iter().map(|setup| Setup { size_bytes: typed.size, ..setup }).collect())
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
