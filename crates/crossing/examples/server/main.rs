//! A server that no client can stop: `cargo run -p crossing --example server`
//!
//! One thread waits for the listener and for all clients with a `Poll`. `clients.rs` has a good client
//! and five that misbehave: each is a process of its own, and all run at once. A client costs the server no
//! more than the limits below allow, and the good one is served meanwhile.

mod clients;

use std::error::Error;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use std::{env, thread};

use crossing::{
    Address, Config, Connection, Endpoint, Interest, Kind, Listener, Poll, Pollable, Ready, SendError,
};

/// How many clients are served at once. One more is sent away.
const PLACES: usize = 50;
/// How long a client may be silent.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many clients may be between accept and the end of their handshake. One more, and the oldest is shed.
const HANDSHAKES: usize = 16;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(1);

/// What the server waits for.
enum Source {
    Door(Listener),
    /// Readable when a handshake is over.
    Bell(UnixStream),
    /// A client, and until when it must have asked something.
    Client(Box<Connection>, Instant),
}

/// So that one `Poll` can hold them all.
impl Pollable for Source {
    fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Source::Door(listener) => listener.as_fd(),
            Source::Bell(bell) => bell.as_fd(),
            Source::Client(connection, _) => connection.as_fd(),
        }
    }

    fn interest(&self) -> Interest {
        Interest::Readable
    }

    fn arm(&mut self) -> Ready {
        match self {
            Source::Door(_) | Source::Bell(_) => Ready::Wait, // the kernel tells of these by itself
            Source::Client(connection, _) => connection.arm(),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    match &words[..] {
        [part, address] => clients::play(part, &address.parse()?),
        _ => serve(),
    }
}

fn serve() -> Result<(), Box<dyn Error>> {
    let path = env::temp_dir().join(format!("crossing-server-{}.sock", std::process::id()));
    let address = Address::at_path(Kind::Unix, path)?;
    let door = Listener::options().half_open_limit(HANDSHAKES).bind(&address)?;
    let (bell, ring) = UnixStream::pair()?;
    bell.set_nonblocking(true)?;
    let ring = Arc::new(ring);
    let (introduce, introduced) = mpsc::channel();
    let mut poll = Poll::new()?;
    poll.insert(Source::Door(door))?;
    poll.insert(Source::Bell(bell))?;

    let start = |part| Command::new(env::current_exe()?).arg(part).arg(address.to_string()).spawn();
    let mut started = clients::PARTS.into_iter().map(start).collect::<Result<Vec<Child>, _>>()?;
    let (mut most, mut answers, mut late, mut deaf, mut sent_away) = (0, 0, 0, 0, 0);

    // This server ends with its clients. Yours goes on.
    while started.iter_mut().any(|client| matches!(client.try_wait(), Ok(None))) {
        let now = Instant::now();
        let is_late = |source: &Source| matches!(source, Source::Client(_, until) if *until < now);
        let keys: Vec<_> = poll.iter_mut().filter(|(_, it)| is_late(it)).map(|(key, _)| key).collect();
        late += keys.len();
        keys.into_iter().for_each(|key| drop(poll.remove(key)));

        let places = PLACES + 2 - poll.len();
        let (key, source) = match poll.next_timeout(Duration::from_millis(100)) {
            Err(error) if error.is_timeout() => continue,
            ready => ready?,
        };
        match source {
            Source::Door(door) => match door.try_accept() {
                Ok(Some(endpoint)) => shake_hands(endpoint, introduce.clone(), ring.clone()),
                Ok(None) => {}
                // Of descriptors, mostly: some come free when clients go.
                Err(error) if error.is_shortage() => thread::sleep(Duration::from_millis(10)),
                Err(error) => return Err(error.into()),
            },
            Source::Bell(bell) => {
                let rung = bell.read(&mut [0; 64]).unwrap_or(0);
                for (number, connection) in introduced.try_iter().take(rung).enumerate() {
                    let client = Source::Client(Box::new(connection), Instant::now() + PATIENCE);
                    // The kernel may refuse, too. Dropped, the client is told that this end is gone.
                    if number >= places || poll.insert(client).is_err() {
                        sent_away += 1;
                    }
                }
                most = most.max(poll.len() - 2);
            }
            Source::Client(connection, until) => match answer(connection) {
                Ok(()) => (answers, *until) = (answers + 1, Instant::now() + PATIENCE),
                // Now and then there is no question after all.
                Err(error) if error.is_empty() => {}
                Err(error) => {
                    deaf += usize::from(error.is_full());
                    poll.remove(key);
                }
            },
        }
    }
    println!("{answers} answers; sent away: {late} silent, {deaf} deaf, {sent_away} for want of a place");
    println!("at most {most} clients at once");
    assert!(most <= PLACES && late > 0 && deaf > 0);
    // Each has seen what it should; the good one got all its answers.
    for mut client in started {
        assert!(client.wait()?.success());
    }
    Ok(())
}

/// A handshake takes two, and the client may take its time. So it has a thread, which ends in time.
fn shake_hands(endpoint: Endpoint, introduce: mpsc::Sender<Connection>, ring: Arc<UnixStream>) {
    let config = Config::small().connect_timeout(HANDSHAKE).linger(Duration::ZERO);
    let shake = move || {
        // One that does not speak the protocol gets an error, and is gone.
        if let Ok(connection) = endpoint.connect(&config) {
            let _ = introduce.send(connection).is_ok() && (&*ring).write_all(&[0]).is_ok();
        }
    };
    // If no thread is to be had, the endpoint goes, and the client is told.
    let _ = thread::Builder::new().spawn(shake);
}

/// Answers one question. Whatever goes wrong, the client is at fault, and goes.
fn answer(connection: &mut Connection) -> Result<(), crossing::Error> {
    let mut question = [0; 100];
    let len = connection.try_recv(&mut question)?;
    let mut answer = [b'!'; 1000];
    answer[..len].copy_from_slice(&question[..len]);
    match connection.try_send(&answer) {
        // Taken: the rest goes with the next one.
        Err(SendError::Unfinished) => Ok(()),
        // `Full`: it has not read its answers for so long that the channel is full of them.
        outcome => Ok(outcome?),
    }
}
