//! A stage on the command line: `cargo run -p ipcscope-lab --example stage -- pipe` reads one command a line, as
//! `{"do":"send","count":3,"mode":"step"}`, and prints the lines of the trace as they happen.

use std::error::Error;
use std::io::{self, BufRead};
use std::process::ExitCode;

use lab::stage::{Command, Stage, StageSetup};

fn main() -> ExitCode {
    let first = std::env::args().nth(1).unwrap_or_default();
    if first == lab::WORKER_VERB {
        return lab::worker_main();
    }
    match run(&first) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stage: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(kind: &str) -> Result<(), Box<dyn Error>> {
    let mut stage = Stage::open(&StageSetup::of(kind.parse()?))?;
    println!("{}", stage.header().line());
    for line in io::stdin().lock().lines() {
        match Command::read(&line?) {
            Ok(command) => stage.run(&command, &mut |event| println!("{}", event.line()))?,
            Err(why) => eprintln!("stage: {why}"),
        }
    }
    Ok(())
}
