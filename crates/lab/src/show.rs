//! Showing: a few messages of a stage, as one trace.

use crate::stage::{Command, Direction, Messages, Over, Setup, Stage};
use crate::trace::{Mode, Trace};

/// Opens a stage, sends `messages` forward, each so that it finds its receiver waiting, and records every call on
/// both sides.
///
/// # Errors
/// When the stage cannot be had, or a message did not arrive.
pub fn record(setup: &Setup, messages: u64) -> Result<Trace, Over> {
    let send = Messages {
        count: messages,
        mode: Mode::Paced,
        text: None,
        direction: Direction::Forward,
        receiver_first: false,
    };
    run(setup, &Command::Send(send))
}

/// Looks through one message with the probes that this machine allows.
///
/// # Errors
/// As [`record`].
pub fn xray(setup: &Setup) -> Result<Trace, Over> {
    run(setup, &Command::Xray)
}

/// Opens a stage, and records everything that it tells of one command.
fn run(setup: &Setup, command: &Command) -> Result<Trace, Over> {
    let mut stage = Stage::open(setup)?;
    let mut trace = Trace { header: stage.header().clone(), events: Vec::new() };
    stage.run(command, &mut |event| trace.events.push(event))?;
    Ok(trace)
}
