//! A server and a client meet at an address: `cargo run -p crossing --example echo`
//!
//! Or in two terminals:
//!
//! ```text
//! cargo run -p crossing --example echo -- serve shm:/tmp/echo.sock    (or pipe:…, unix:…, tcp://127.0.0.1:7000)
//! cargo run -p crossing --example echo -- say   shm:/tmp/echo.sock hello
//! ```

use std::env;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::thread;

use crossing::{Config, Connection, Listener, RecvError, Spawn};

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["serve", address] => serve(address),
        ["say", address, text] => say(address, text),
        [] => both(),
        _ => Err("usage: echo, echo serve ADDRESS, or echo say ADDRESS TEXT".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::from(2)
        }
    }
}

/// Serves until its place is taken from it. A peer that says nothing costs a thread and a descriptor until its time is over, or
/// until too many others have come: the listener bounds that. What is short now may be there again later, so the server goes on.
pub(crate) fn serve(address: &str) -> Result<(), Box<dyn Error>> {
    let listener = Listener::bind(&address.parse()?)?;
    println!("listening at {}", listener.address());
    loop {
        let endpoint = match listener.accept() {
            Ok(endpoint) => endpoint,
            Err(error) if error.is_shortage() => {
                eprintln!("echo: {error}");
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let started = thread::Builder::new().spawn(move || match endpoint.connect(&Config::default()) {
            Ok(connection) => answer(connection),
            Err(error) => eprintln!("echo: {error}"),
        });
        if let Err(error) = started {
            // The endpoint went with what was to run there, and its peer is told.
            eprintln!("echo: cannot start a thread: {error}");
        }
    }
}

fn answer(mut connection: Connection) {
    let mut message = vec![0; connection.max_message()];
    let error = loop {
        match connection.recv(&mut message) {
            Ok(len) => {
                if let Err(error) = connection.send(&message[..len]) {
                    break error.to_string();
                }
            }
            Err(RecvError::Disconnected) => return,
            Err(error) => break error.to_string(),
        }
    };
    eprintln!("echo: {error}");
}

/// Starts a server, and talks to it. The name has no file (`@`): nothing of it is left when the server is killed.
fn both() -> Result<(), Box<dyn Error>> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["serve", &format!("shm:@crossing-echo-{}", std::process::id())]).stdout(Stdio::piped());
    let mut server = Spawn::new(command).kill_on_drop(true).spawn()?;
    // Its first line says that it is there.
    let mut line = String::new();
    BufReader::new(server.stdout.take().ok_or("it has an output")?).read_line(&mut line)?;
    let address = line.trim().strip_prefix("listening at ").ok_or("the server did not start")?;
    say(address, "hello")
}

fn say(address: &str, text: &str) -> Result<(), Box<dyn Error>> {
    let mut connection = Connection::dial(&address.parse()?, &Config::default())?;
    connection.send(text.as_bytes())?;
    let mut answer = vec![0; connection.max_message()];
    let len = connection.recv(&mut answer)?;
    println!("{}", String::from_utf8_lossy(&answer[..len]));
    if answer[..len] == *text.as_bytes() { Ok(()) } else { Err("that is not what was said".into()) }
}
