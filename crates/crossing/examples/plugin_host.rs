//! A host whose plug-in crashes, and is started again: `cargo run -p crossing --example plugin_host`
//!
//! The plug-in is this same program. It cannot do with the number 13, and dies of it; the host loses
//! a process, and not itself. It asks the next process for what is left. A job that kills twice is
//! given up, so that one bad job does not end the rest.

use std::collections::VecDeque;
use std::env;
use std::error::Error;
use std::process::{Command, abort};

use crossing::{Config, Endpoint, Generation, Kind, Sessions, Supervisor};

fn main() -> Result<(), Box<dyn Error>> {
    match env::args().nth(1).as_deref() {
        Some("plug-in") => plug_in(),
        _ => host(),
    }
}

fn host() -> Result<(), Box<dyn Error>> {
    let program = env::current_exe()?;
    let mut supervisor = Supervisor::spawning(Kind::Shm, move |_generation| {
        let mut command = Command::new(&program);
        command.arg("plug-in");
        command
    });
    // A number to square, and how many processes it has killed.
    let mut jobs: VecDeque<(u64, u32)> = [11, 12, 13, 14].map(|number| (number, 0)).into();
    while !jobs.is_empty() {
        let mut generation = supervisor.next_generation()?; // waits a little longer after each crash
        println!("plug-in {} is process {:?}", generation.number(), generation.peer().pid());
        while let Some(&(number, killed)) = jobs.front() {
            match ask(&mut generation, number) {
                Ok(square) => println!("{number} squared is {square}"),
                // Only an answer says that a job was done: it is asked for again.
                Err(error) if killed == 0 => {
                    println!("at {number}: {error}");
                    jobs[0].1 += 1;
                    break;
                }
                Err(_) => {
                    println!("{number} is given up: it kills");
                    jobs.pop_front();
                    break;
                }
            }
            jobs.pop_front();
        }
    }
    Ok(()) // the last plug-in goes with its supervisor
}

fn ask(generation: &mut Generation, number: u64) -> Result<u64, crossing::Error> {
    generation.send(&number.to_le_bytes())?;
    let mut answer = [0; 8];
    generation.recv(&mut answer)?;
    Ok(u64::from_le_bytes(answer))
}

fn plug_in() -> Result<(), Box<dyn Error>> {
    let mut host = Sessions::new().accept(Endpoint::inherited()?, &Config::default())?;
    let mut question = [0; 8];
    while host.recv(&mut question).is_ok() {
        let number = u64::from_le_bytes(question);
        if number == 13 {
            abort();
        }
        host.send(&(number * number).to_le_bytes())?;
    }
    Ok(())
}
