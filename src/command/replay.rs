//! `ipcscope replay`: a recorded trace on the lab page, or as a file that Perfetto opens.

use lab::trace::Trace;

use super::serve;
use crate::args;
use crate::export::ExportTarget;
use crate::input::{self, LIMIT_BYTES};
use crate::outcome::{Failure, Outcome};
use crate::render;

/// The part of the page that shows the trace.
const PLACE: &str = "#/replay";

/// Checks the file, and serves the lab with it or converts it.
pub(crate) fn run(typed: &args::Replay) -> Result<Outcome, Failure> {
    let fault = |why: &dyn std::fmt::Display| Failure::told(format_args!("{}: {why}", typed.file.display()));
    let text = input::text(&typed.file, LIMIT_BYTES).map_err(|error| fault(&error))?;
    let traces = Trace::read_all(&text[..]).map_err(|error| fault(&error))?;
    if let Some(path) = &typed.chrome_trace {
        let place = ExportTarget::check(path)?;
        return Outcome::Done.after(place.write(render::chrome_trace::text(&traces).as_bytes()));
    }
    serve::lab(&typed.door, Some(text), PLACE)
}
