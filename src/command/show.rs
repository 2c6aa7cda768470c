//! `ipcscope show`: a few real messages of one mechanism, as a timeline.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use lab::stage::Setup;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::args;
use crate::outcome::{self, Ended, Failure};
use crate::plan;
use crate::render::{self, Ink};

/// Records the messages and prints them.
pub(crate) fn run(typed: &args::Show, ink: Ink) -> Result<Ended, Failure> {
    let mut notices = Vec::new();
    let placement = plan::placement(typed.placement, &mut notices)?;
    // There is nothing to keep of a recording that was cut short. The measured processes die with this one.
    for interruption in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(interruption, 130, Arc::new(AtomicBool::new(true)))
            .map_err(|error| Failure::told(format_args!("cannot watch for Ctrl-C: {error}")))?;
    }
    let setup = Setup { wait: typed.wait, placement, size_bytes: typed.size, ..Setup::of(typed.mechanism) };
    let trace = lab::show::record(&setup, typed.messages.into()).map_err(Failure::told)?;
    for notice in notices {
        outcome::note(notice);
    }
    if typed.json {
        let mut lines = Vec::new();
        trace
            .write(&mut lines)
            .map_err(|error| Failure::told(format_args!("cannot write the trace: {error}")))?;
        outcome::print(lines)?;
    } else {
        outcome::print(render::timeline::text(&trace, ink))?;
    }
    Ok(Ended::Done)
}
