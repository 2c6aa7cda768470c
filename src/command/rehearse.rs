//! `ipcscope rehearse`: the traffic of two other programs, as a watch holds it, over every mechanism.

use crossing::WaitStrategy;
use lab::machine;
use lab::plan::Placement;
use lab::rehearse::{PlannedRehearsal, RehearsalWish, WatchedFile};

use super::race::run_and_show;
use crate::args;
use crate::export::ExportTarget;
use crate::input::{self, LIMIT_BYTES};
use crate::outcome::{Failure, Outcome};
use crate::plan::{chosen, placement, random_seed};
use crate::render::Ink;
use crate::render::form::OutputFormat;

/// Reads the watch, and rehearses what it holds.
pub(crate) fn run(typed: &args::Rehearse, ink: Ink) -> Result<Outcome, Failure> {
    let fault = |why: &dyn std::fmt::Display| Failure::told(format_args!("{}: {why}", typed.watch.display()));
    let text = input::text(&typed.watch, LIMIT_BYTES).map_err(|error| fault(&error))?;
    let watched = WatchedFile::read(&text).map_err(|why| fault(&why))?;
    drop(text);
    let mut notices = Vec::new();
    let placement = placement(Some(typed.placement.unwrap_or(Placement::Unpinned)), &mut notices)?;
    let wish = RehearsalWish {
        waits: chosen(&typed.waits, &usual_waits(placement)),
        placement,
        launches: typed.rounds,
        seed: typed.seed.unwrap_or_else(random_seed),
    };
    let planned = PlannedRehearsal::of(&watched.traffic, watched.edge.as_deref(), wish);
    let planned = planned.map_err(|why| fault(&why))?;
    let exports = if typed.json { vec![(OutputFormat::Json, ExportTarget::Stdout)] } else { Vec::new() };
    run_and_show(|watch, stop| planned.run(watch, stop), &notices, typed.sort, &exports, ink)
}

/// Every way of waiting that makes sense here: two ends that spin need a core each.
fn usual_waits(placement: Placement) -> Vec<WaitStrategy> {
    let two = match machine::resolve(placement) {
        Ok(Some([a, b])) => a != b,
        _ => machine::allowed_cores().is_ok_and(|cores| cores.len() > 1),
    };
    let spin = two.then_some(WaitStrategy::Spin);
    [WaitStrategy::Block, WaitStrategy::HYBRID].into_iter().chain(spin).collect()
}
