//! `ipcscope show`: a few real messages of one mechanism, as a timeline.

use lab::stage::StageSetup;

use crate::args;
use crate::export::ExportTarget;
use crate::interruption::Interruption;
use crate::outcome::{self, Failure, Outcome};
use crate::plan;
use crate::render::{self, Ink};

/// Records the messages and prints them.
pub(crate) fn run(typed: &args::Show, ink: Ink) -> Result<Outcome, Failure> {
    let mut notices = Vec::new();
    let chrome_trace = typed.chrome_trace.as_deref().map(ExportTarget::check).transpose()?;
    let placement = plan::placement(typed.placement, &mut notices)?;
    let interruption = Interruption::watch(|| {})?;
    let setup =
        StageSetup { wait: typed.wait, placement, size_bytes: typed.size, ..StageSetup::of(typed.mechanism) };
    let recorded = lab::show::record(&setup, typed.messages.into(), interruption.stop());
    let trace = match (recorded, interruption.ended()) {
        // Interrupted before the first event.
        (Err(_), Some(cut)) => return Ok(cut),
        (recorded, _) => recorded.map_err(Failure::told)?,
    };
    interruption.results_are_safe();
    for notice in notices {
        outcome::note(notice);
    }
    if let Some(place) = chrome_trace {
        place.write(render::chrome_trace::text(std::slice::from_ref(&trace)).as_bytes())?;
    }
    let printed = if typed.json {
        let mut lines = Vec::new();
        trace
            .write(&mut lines)
            .map_err(|error| Failure::told(format_args!("cannot write the trace: {error}")))?;
        outcome::print(render::foreign::lines_of_json(lines))
    } else {
        outcome::print(render::timeline::text(&trace, ink))
    };
    interruption.ended().unwrap_or(Outcome::Done).after(printed)
}
