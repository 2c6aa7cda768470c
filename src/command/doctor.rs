//! `ipcscope doctor`: what this machine can and cannot measure.

use lab::doctor::{self, FindingState};

use crate::args;
use crate::outcome::{self, Failure, Outcome};
use crate::render::{self, Ink};

/// Tries everything the lab needs, and prints the findings.
pub(crate) fn run(typed: &args::Doctor, ink: Ink) -> Result<Outcome, Failure> {
    let findings = doctor::findings();
    outcome::print(match typed.json {
        true => render::doctor::json(&findings),
        false => render::doctor::lines(&findings, ink),
    })?;
    if findings.iter().all(|finding| finding.state == FindingState::Missing) {
        return Err(Failure::told("nothing that the lab needs works here; see the remedies above"));
    }
    Ok(Outcome::Done)
}
