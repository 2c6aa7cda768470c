//! `ipcscope completions`: a completion script for a shell.

use crate::args;
use crate::outcome::{self, Failure, Outcome};

/// Prints the script.
pub(crate) fn run(typed: &args::Completions) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(typed.shell, &mut args::grammar(), "ipcscope", &mut script);
    outcome::print(script)?;
    Ok(Outcome::Done)
}
