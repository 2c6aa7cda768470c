//! Probes: what a message costs, counted on the running kernel.
//!
//! An *instrument* is one way to look: it has a tier (what it takes to be allowed to), a certainty (what its
//! count can prove), and an overhead, which is measured here and printed beside what it found. Each file of
//! this folder is one instrument or one idea that they share.
//!
//! Which instruments there are is found by trying them ([`instruments()`]). Each figure is asked of every
//! instrument that can answer it, and carries the best answer first; what none can answer says why, and what
//! to do about it. Nothing falls back to a constant.

mod aim;
mod bench;
mod budget;
pub mod calls;
pub mod copies;
pub mod counters;
mod direct_map;
mod figure;
mod instruments;
mod learn;
mod measure;
pub mod pages;
mod refusal;
mod remarks;
mod report;
mod segments;
mod spell;
mod steps;
pub mod stream;
mod summary;
pub mod switches;
pub mod symbols;
mod touch;
pub mod tracefs;
pub mod wakes;
mod wire;
mod xray;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crossing::scene::Budget;

use crate::machine::Machine;

pub use bench::{Bench, BenchRow, InstrumentFault, ProbeError, ProbeSetup};
pub use figure::{Certainty, ProbeFigure, Question, Reading};
pub use instruments::{Instrument, Tier, Tool, instruments};
pub(crate) use refusal::refused;
pub use report::{Calls, Overhead, ProbeReport, Probed, SCHEMA, TouchedBy};
pub(crate) use touch::{CopyPart, copy_parts};
pub use xray::{Xray, xray};

/// The fewest messages that a row may have: fewer would not outweigh what the workers do around them.
pub const LEAST_MESSAGES: u64 = 100;

/// The most messages that a row may have.
pub const MOST_MESSAGES: u64 = 100_000;

/// What a probe tells while it runs: rows done, rows in all, and what comes next.
pub type ProbeProgress<'a> = &'a mut dyn FnMut(usize, usize, &ProbeSetup);

/// Looks at each of `setups` with every instrument there is, `messages` messages a row. A row that fails says why, and
/// the others are looked at. `stop` cuts the probe short: the report then holds the rows that were finished.
pub fn probe(
    setups: &[ProbeSetup],
    messages: u64,
    progress: ProbeProgress<'_>,
    stop: &AtomicBool,
) -> ProbeReport {
    let began = Instant::now();
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let instruments = instruments();
    let mut rows = Vec::new();
    for (done, setup) in setups.iter().enumerate() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        progress(done, setups.len(), setup);
        let row = measure::measure(setup, messages, &instruments, budget(setup), stop);
        // What was cut short is no row.
        if stop.load(Ordering::Relaxed) && row.failed.is_some() {
            break;
        }
        rows.push(row);
    }
    ProbeReport {
        format: "ipcscope-probe".into(),
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").into(),
        started_unix_ms: since.map_or(0, |since| since.as_millis() as u64),
        elapsed_ms: began.elapsed().as_millis() as u64,
        machine: Machine::read(),
        instruments,
        rows,
    }
}

/// Probes one mechanism against `budget` instead of its scene's, to see a budget broken.
pub fn probe_against(setup: &ProbeSetup, messages: u64, budget: &Budget, stop: &AtomicBool) -> Probed {
    measure::measure(setup, messages, &instruments(), Some(budget), stop)
}

/// The longest message that a scene speaks of, in bytes: a longer one takes more than one call, page and segment.
const SCENE_BYTES: u32 = 4096;

/// What the scene foretells for the setup's way of waiting.
fn budget(setup: &ProbeSetup) -> Option<&'static Budget> {
    if setup.size_bytes > SCENE_BYTES {
        return None;
    }
    setup.kind.scene().budgets.iter().find(|budget| budget.wait == setup.wait.name())
}

#[cfg(test)]
mod tests;
