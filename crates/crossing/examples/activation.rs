//! A server that is started when the first client comes: `cargo run -p crossing --example activation`
//!
//! The service manager is a part of this program. With systemd it is a unit beside the server's:
//!
//! ```text
//! [Socket]
//! ListenSequentialPacket=/run/greeter.sock
//! ```

use std::env;
use std::error::Error;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crossing::{Address, Config, ConnectError, Connection, Kind, Listener};

fn main() -> Result<(), Box<dyn Error>> {
    match env::args().nth(1).as_deref() {
        Some("serve") => serve(),
        _ => manage(),
    }
}

/// The manager listens, and has the server do the rest. Nothing is lost meanwhile: clients wait in
/// the socket's queue.
fn manage() -> Result<(), Box<dyn Error>> {
    let path = env::temp_dir().join(format!("greeter-{}.sock", std::process::id()));
    let address = Address::at_path(Kind::Shm, &path)?;
    let socket = OwnedFd::from(Listener::bind(&address)?);
    let client = thread::spawn(move || greet(&address).map_err(|error| error.to_string()));

    // A shell puts the socket under number 3, and becomes the server: its pid stays.
    let script = r#"LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=greeter exec "$0" serve 3<&0 </dev/null"#;
    let mut server =
        Command::new("sh").args(["-c", script]).arg(env::current_exe()?).stdin(socket).spawn()?;

    let answer = client.join().expect("no panic")?;
    println!("the server says: {answer}");
    assert_eq!(answer, "hello, world");
    assert!(server.wait()?.success());
    std::fs::remove_file(path)?; // it is the manager's
    Ok(())
}

fn greet(address: &Address) -> Result<String, Box<dyn Error>> {
    let mut connection = Connection::dial(address, &Config::default())?;
    connection.send(b"world")?;
    let mut answer = vec![0; connection.max_message()];
    let len = connection.recv(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..len]).into_owned())
}

/// The server serves until no client has come for a while: the manager starts it again.
fn serve() -> Result<(), Box<dyn Error>> {
    let socket = Listener::activated()?.into_iter().find(|it| it.name() == "greeter");
    let socket = socket.ok_or("start it by a service manager: cargo run -p crossing --example activation")?;
    let listener = Listener::from_fd(Kind::Shm, socket.into())?;
    loop {
        let mut connection = match listener.accept_timeout(Duration::from_millis(500)) {
            Ok(endpoint) => endpoint.connect(&Config::default())?,
            Err(ConnectError::Timeout) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut name = vec![0; connection.max_message()];
        let len = connection.recv(&mut name)?;
        connection.send(&[b"hello, ", &name[..len]].concat())?;
    }
}
