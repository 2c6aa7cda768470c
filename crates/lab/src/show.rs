//! Showing: a few messages of a stage, as one trace.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::stage::{Command, Messages, SendDirection, Stage, StageOver, StageSetup};
use crate::trace::{Mode, Trace};

/// Opens a stage, sends `messages` forward, each so that it finds its receiver waiting, and records every call on
/// both sides. `stop` cuts it short: the trace then holds what was recorded until then.
///
/// # Errors
/// When the stage cannot be had, a message did not arrive, or it was cut short before the first event.
pub fn record(setup: &StageSetup, messages: u64, stop: &Arc<AtomicBool>) -> Result<Trace, StageOver> {
    let send = Messages {
        count: messages,
        mode: Mode::Paced,
        text: None,
        direction: SendDirection::Forward,
        receiver_first: false,
    };
    run(setup, &Command::Send(send), stop)
}

/// Looks through one message with the probes that this machine allows.
///
/// # Errors
/// As [`record`].
pub fn xray(setup: &StageSetup, stop: &Arc<AtomicBool>) -> Result<Trace, StageOver> {
    run(setup, &Command::Xray, stop)
}

/// Opens a stage, and records everything that it tells of one command.
fn run(setup: &StageSetup, command: &Command, stop: &Arc<AtomicBool>) -> Result<Trace, StageOver> {
    let mut stage = Stage::open_until(setup, Arc::clone(stop))?;
    let mut trace = Trace { header: stage.header().clone(), events: Vec::new() };
    match stage.run(command, &mut |event| trace.events.push(event)) {
        Err(_) if stop.load(Ordering::Relaxed) && !trace.events.is_empty() => Ok(trace),
        outcome => outcome.map(|()| trace),
    }
}
