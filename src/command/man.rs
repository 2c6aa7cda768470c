//! `ipcscope man`: a manual page, of ipcscope or of one verb.

use crate::args;
use crate::outcome::{self, Failure, Outcome};

/// Prints the page.
pub(crate) fn run(typed: &args::Man) -> Result<Outcome, Failure> {
    let mut grammar = args::grammar();
    grammar.build();
    let command = match &typed.verb {
        None => grammar,
        Some(verb) => match grammar.find_subcommand(verb) {
            Some(command) => command.clone(),
            None => {
                let verbs: Vec<_> = grammar.get_subcommands().map(clap::Command::get_name).collect();
                return Err(Failure::told(format_args!(
                    "no manual page for `{verb}`: one of {}",
                    verbs.join(", ")
                )));
            }
        },
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|error| Failure::told(format_args!("cannot write the manual page: {error}")))?;
    outcome::print(page)?;
    Ok(Outcome::Done)
}
