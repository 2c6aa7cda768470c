//! `ipcscope replay`: a recorded trace on the lab page.

use lab::trace::Trace;

use super::serve;
use crate::args;
use crate::input::{self, LIMIT_BYTES};
use crate::outcome::{Failure, Outcome};

/// The part of the page that shows the trace.
const PLACE: &str = "#/replay";

/// Checks the file, and serves the lab with it.
pub(crate) fn run(typed: &args::Replay) -> Result<Outcome, Failure> {
    let fault = |why: &dyn std::fmt::Display| Failure::told(format_args!("{}: {why}", typed.file.display()));
    let text = input::text(&typed.file, LIMIT_BYTES).map_err(|error| fault(&error))?;
    Trace::read_all(&text[..]).map_err(|error| fault(&error))?;
    serve::lab(&typed.door, Some(text), PLACE)
}
