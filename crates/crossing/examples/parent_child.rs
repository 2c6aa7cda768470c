//! A parent and its child talk: `cargo run -p crossing --example parent_child -- shm` (or pipe, unix, tcp).
//!
//! The parent makes a pair of endpoints, starts this same program again with one of them, and asks it for squares.

use std::env;
use std::error::Error;
use std::process::Command;

use crossing::{Config, Endpoint, Kind, RecvError};

fn main() -> Result<(), Box<dyn Error>> {
    match env::args().nth(1).as_deref() {
        Some("child") => child(),
        Some(kind) => parent(kind.parse()?),
        None => parent(Kind::Shm),
    }
}

fn parent(kind: Kind) -> Result<(), Box<dyn Error>> {
    let (here, there) = Endpoint::pair(kind)?;
    let mut command = Command::new(env::current_exe()?);
    command.arg("child");
    let mut child = there.spawn(command)?;

    let mut connection = here.connect(&Config::default())?;
    let mut answer = [0; 8];
    for number in 1..=5_u64 {
        connection.send(&number.to_le_bytes())?;
        connection.recv(&mut answer)?;
        assert_eq!(u64::from_le_bytes(answer), number * number);
        println!("over {kind}: {number} squared is {}", u64::from_le_bytes(answer));
    }

    drop(connection); // the child sees the end, and goes
    assert!(child.wait()?.success());
    Ok(())
}

fn child() -> Result<(), Box<dyn Error>> {
    let mut connection = Endpoint::inherited()?.connect(&Config::default())?;
    let mut question = [0; 8];
    loop {
        match connection.recv(&mut question) {
            Ok(_) => {
                let number = u64::from_le_bytes(question);
                connection.send(&(number * number).to_le_bytes())?;
            }
            Err(RecvError::Disconnected) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
