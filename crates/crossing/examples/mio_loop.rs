//! Connections in a loop of mio: `cargo run -p crossing --example mio_loop`
//!
//! Four children, one over each mechanism, send numbers. The parent waits for all of them in a loop of mio,
//! and tells each child the sum of what it has sent.
//!
//! mio tells an event once (it is edge-triggered). So: receive until there is nothing, then *arm* the half, and
//! only if that says `Wait` leave it to mio. On shared memory this is what makes the descriptor
//! tell something; on the other mechanisms it costs nothing.

use std::env;
use std::error::Error;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::Duration;

use crossing::{Config, Connection, Endpoint, Kind, Ready, RecvError, Spawn};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

/// How many numbers each child sends.
const NUMBERS: u64 = 10_000;
/// How many messages one half may receive before the others have their turn.
const TURN: usize = 64;

/// A connection, and what came over it.
struct Child {
    connection: Connection,
    sum: u64,
    count: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    if env::args().nth(1).is_some() { child() } else { parent() }
}

fn parent() -> Result<(), Box<dyn Error>> {
    let mut poll = Poll::new()?;
    let mut children = Vec::new();
    let mut processes = Vec::new();
    for kind in Kind::ALL {
        let (here, there) = Endpoint::pair(kind)?;
        let mut command = Command::new(env::current_exe()?);
        command.arg("child");
        processes.push(Spawn::new(command).give_unnamed(there).kill_on_drop(true).spawn()?);
        let connection = here.connect(&Config::small())?;
        let token = Token(children.len());
        // The receiving half's descriptor. It belongs to the connection: deregister it before you drop that.
        poll.registry().register(&mut SourceFd(&connection.as_raw_fd()), token, Interest::READABLE)?;
        children.push(Child { connection, sum: 0, count: 0 });
    }

    // Those that may have something: all of them, before they are armed for the first time.
    let mut ready: Vec<usize> = (0..children.len()).collect();
    let mut events = Events::with_capacity(64);
    let mut open = children.len();
    while open > 0 {
        // Without a wait, while one of them is in the middle of its messages.
        let wait = if ready.is_empty() { Duration::from_secs(30) } else { Duration::ZERO };
        match poll.poll(&mut events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue, // by a signal
            polled => polled?,
        }
        if events.is_empty() && ready.is_empty() {
            return Err("no child has said anything for 30 s".into());
        }
        ready.extend(events.iter().map(|event| event.token().0));
        ready.sort_unstable();
        ready.dedup();
        let mut unfinished = Vec::new();
        for &number in &ready {
            let child = &mut children[number];
            match take(child)? {
                Turn::Over => unfinished.push(number),
                Turn::Waits => {}
                Turn::Ended => {
                    poll.registry().deregister(&mut SourceFd(&child.connection.as_raw_fd()))?;
                    open -= 1;
                }
            }
        }
        ready = unfinished;
    }

    for (child, process) in children.iter().zip(&mut processes) {
        assert!(process.wait()?.success());
        assert_eq!((child.count, child.sum), (NUMBERS, NUMBERS * (NUMBERS - 1) / 2));
    }
    println!("{NUMBERS} numbers over each of {}", Kind::ALL.map(Kind::name).join(", "));
    Ok(())
}

enum Turn {
    /// There may be more.
    Over,
    /// The descriptor tells when there is more.
    Waits,
    Ended,
}

fn take(child: &mut Child) -> Result<Turn, Box<dyn Error>> {
    let mut number = [0; 8];
    for _ in 0..TURN {
        match child.connection.try_recv(&mut number) {
            Ok(_) => {
                child.count += 1;
                child.sum += u64::from_le_bytes(number);
                if child.count == NUMBERS {
                    child.connection.send(&child.sum.to_le_bytes())?; // there is room: it is the first
                }
            }
            Err(RecvError::Empty) if child.connection.arm() == Ready::Wait => return Ok(Turn::Waits),
            // One has come since.
            Err(RecvError::Empty) => {}
            Err(RecvError::Disconnected) => return Ok(Turn::Ended),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Turn::Over)
}

fn child() -> Result<(), Box<dyn Error>> {
    let mut connection = Endpoint::inherited()?.connect(&Config::small())?;
    for number in 0..NUMBERS {
        connection.send(&number.to_le_bytes())?;
    }
    let mut sum = [0; 8];
    connection.recv_timeout(&mut sum, Duration::from_secs(30))?;
    assert_eq!(u64::from_le_bytes(sum), NUMBERS * (NUMBERS - 1) / 2);
    Ok(())
}
