//! A server and the clients of two users: `cargo run -p crossing --example two_users`
//!
//! It takes root: only root can start a process of another user. The socket may be reached by all,
//! and the server decides by what the kernel says of each client.

use std::env;
use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use crossing::{Address, Config, ConnectError, Connection, Kind, Listener, Peers};

/// Users without a name; any number serves.
const FRIEND: u32 = 4711;
const STRANGER: u32 = 4712;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    if let [address] = &words[..] {
        return client(address);
    }
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: starting processes of two users takes root");
        return Ok(());
    }
    // An abstract name: any user can reach it, and no folder has to be opened to all.
    let address = Address::in_abstract(Kind::Shm, format!("two-users-{}", std::process::id()))?;
    let listener = Listener::bind(&address)?;
    let config = Config::default().peers(Peers::Ask(|peer| peer.uid() == Some(FRIEND)));
    for user in [FRIEND, STRANGER] {
        // The program's file may be where the user cannot reach it: it is opened before the user changes.
        let mut command = Command::new("/proc/self/exe");
        let mut child = command.arg(address.to_string()).current_dir("/").uid(user).gid(user).spawn()?;
        match listener.accept_deadline(Instant::now() + Duration::from_secs(10))?.connect(&config) {
            Ok(mut connection) => {
                let peer = connection.peer();
                println!("server: process {:?} of user {:?} is let in", peer.pid(), peer.uid());
                connection.send(b"welcome")?;
            }
            Err(error @ ConnectError::Refused { .. }) => println!("server: {error}"),
            Err(error) => return Err(error.into()),
        }
        child.wait()?;
    }
    Ok(())
}

fn client(address: &str) -> Result<(), Box<dyn Error>> {
    // It talks to root, which serves here.
    let config = Config::default().peers(Peers::User(0));
    match Connection::dial(&address.parse()?, &config) {
        Ok(mut connection) => {
            let mut message = vec![0; connection.max_message()];
            let len = connection.recv(&mut message)?;
            println!("client: the server says {}", String::from_utf8_lossy(&message[..len]));
        }
        Err(error) => println!("client: {error}"),
    }
    Ok(())
}
