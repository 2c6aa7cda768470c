//! The story of a run: what was typed becomes a verb, the verb does its work, and the work becomes an exit code.
//!
//! Results go to stdout, everything else to stderr, one line each. Exit codes: 0 done, 1 a run failed, 2 usage or
//! environment (a result that could not be written, too), 3 a comparison past its limit, 128 + n interrupted by signal n (130:
//! Ctrl-C). The last two stand whether or not stdout takes what is printed.

mod args;
mod command;
mod export;
mod history;
mod input;
mod interruption;
mod outcome;
mod plan;
mod private;
mod probes;
#[cfg(test)]
mod published;
mod render;
mod server;
mod unkept;

use std::process::ExitCode;
use std::sync::Arc;

use args::Verb;
use outcome::{Failure, Outcome};

fn main() -> ExitCode {
    // A measured process is this same binary. It takes its orders from its parent, not from a command line.
    if std::env::args_os().nth(1).is_some_and(|verb| verb == lab::WORKER_VERB) {
        return lab::worker_main();
    }
    let ready =
        files_that_are_too_long_are_errors().and_then(|()| interruption::children_can_be_waited_for());
    outcome::exit_code(ready.and_then(|()| run()))
}

/// A write beyond RLIMIT_FSIZE (`ulimit -f`) becomes an error, EFBIG, that is told like a full disk. Without a handler its signal would
/// end the program, and with it a race that has been run. A handler is not inherited by the programs that are started.
fn files_that_are_too_long_are_errors() -> Result<(), Failure> {
    let signal = rustix::process::Signal::XFSZ.as_raw();
    let registered = signal_hook::flag::register(signal, Arc::default());
    registered.map(drop).map_err(|error| Failure::told(format_args!("cannot watch for SIGXFSZ: {error}")))
}

fn run() -> Result<Outcome, Failure> {
    let typed = match args::read() {
        Ok(typed) => typed,
        Err(refusal) => return args::explain(&refusal),
    };
    let ink = render::Ink::choose(typed.color);
    match typed.verb.unwrap_or_default() {
        Verb::Serve(serve) => command::serve::run(&serve),
        Verb::Race(race) => command::race::run(&race, ink),
        Verb::Show(show) => command::show::run(&show, ink),
        Verb::Probe(probe) => command::probe::run(&probe, ink),
        Verb::Map(map) => command::map::run(&map, ink),
        Verb::Watch(watch) => command::watch::run(&watch, ink),
        Verb::Rehearse(rehearse) => command::rehearse::run(&rehearse, ink),
        Verb::Compare(compare) => command::compare::run(&compare, ink),
        Verb::Replay(replay) => command::replay::run(&replay),
        Verb::Doctor(doctor) => command::doctor::run(&doctor, ink),
        Verb::Completions(completions) => command::completions::run(&completions),
        Verb::Man(man) => command::man::run(&man),
    }
}
