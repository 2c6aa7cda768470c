//! What a newcomer types first, without having read more than the first page: it compiles, runs, and means what it says.
//!
//! Of 27 first guesses at least 22 must be right as they were guessed. Each stands in `as_guessed`. The others stand in
//! `otherwise`, which shows what to write in their place:
//!
//! | guess | what becomes of it | in its place |
//! |---|---|---|
//! | `connection.recv(&mut vec)` with an empty vector | compiles; `TooLong`: there is no room | `connection.recv_vec(&mut vec)` |
//! | `ListenOptions::new().mode(0o660)` | there is no `new` | `Listener::options().mode(0o660)` |
//! | `endpoint.spawn(Command::new(…).arg(…))` | takes a `Command`, not `&mut Command` | a `Command` in a variable |
//! | `let len = connection.recv_latest(&mut buffer)?` | it is a `Latest`, no `usize` | `….len`; `….passed` counts the older |
//! | `connection.pending()? == 2` | it is a `Pending`, no `usize` | `connection.pending()?.messages` |

mod process;

use std::error::Error;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use crossing::{
    Address, Config, Connection, Endpoint, Kind, Listener, Poll, RecvError, SendError, Spawn, Stopper,
    WaitStrategy,
};
use process::{LIMIT, Second, again, play, socket_path, within};

type Tried = Result<(), Box<dyn Error + Send + Sync>>;

macro_rules! guesses {
    (as_guessed { $($guess:ident)* } otherwise { $($other:ident)* }) => {
        mod as_guessed {
            $(#[test]
            fn $guess() -> crate::Tried {
                crate::within(stringify!($guess), crate::$guess)
            })*
        }
        mod otherwise {
            $(#[test]
            fn $other() -> crate::Tried {
                crate::within(stringify!($other), crate::$other)
            })*
        }
        const AS_GUESSED: usize = [$(stringify!($guess)),*].len();
        const OTHERWISE: usize = [$(stringify!($other)),*].len();
    };
}

guesses! {
    as_guessed {
        dials_an_address
        tries_on_a_connection
        iterates_over_messages
        waits_by_its_descriptor
        waits_for_a_time
        asks_which_process_it_is
        parses_an_address_with_a_question_mark
        tries_to_accept
        kills_on_drop
        splits_into_halves
        compares_errors
        shows_everything
        builds_a_configuration
        makes_two_ends
        polls_two
        stops_a_wait
        awaits_a_message
        comes_from_a_socket
        skips
        sends_from_several_places
        claims
        corks
    }
    otherwise {
        receives_into_a_vector
        sets_the_mode_of_a_socket
        spawns_a_command
        receives_the_latest
        counts_what_is_pending
    }
}

const _: () = {
    assert!(AS_GUESSED + OTHERWISE == 27, "the list of guesses is what it was when they were made");
    assert!(AS_GUESSED >= 22, "too few first guesses are right");
};

/// What the first page has: two ends.
fn pair(kind: Kind) -> Result<(Connection, Connection), crossing::ConnectError> {
    Connection::pair(kind, &process::config())
}

fn dials_an_address() -> Tried {
    let address = Address::at_path(Kind::Shm, socket_path())?;
    let listener = Listener::bind(&address)?;
    let server = thread::spawn(move || listener.accept()?.connect(&Config::default()));
    let mut client = Connection::dial(&address, &Config::default())?;
    client.send(b"hello")?;
    let mut server = server.join().expect("no panic")?;
    assert_eq!(server.recv(&mut [0; 64])?, 5);
    Ok(())
}

fn tries_on_a_connection() -> Tried {
    let (mut here, mut there) = pair(Kind::Pipe)?;
    let mut buffer = [0; 64];
    match there.try_recv(&mut buffer) {
        Ok(len) => panic!("{len} bytes of nothing"),
        Err(RecvError::Empty) => {}
        Err(error) => return Err(error.into()),
    }
    here.try_send(b"now")?;
    assert_eq!(there.try_recv(&mut buffer)?, 3);
    Ok(())
}

fn iterates_over_messages() -> Tried {
    let (mut here, mut there) = pair(Kind::Unix)?;
    here.send(b"one")?;
    here.send(b"two")?;
    drop(here);
    let mut messages = Vec::new();
    for message in there.messages() {
        messages.push(message?);
    }
    assert_eq!(messages, [b"one", b"two"]);
    Ok(())
}

fn waits_by_its_descriptor() -> Tried {
    let (mut here, mut there) = pair(Kind::Shm)?;
    assert_eq!(there.as_raw_fd(), there.as_fd().as_raw_fd());
    while there.arm() == crossing::Ready::Now {}
    here.send(b"ring")?;
    let mut fds = [rustix::event::PollFd::new(&there, rustix::event::PollFlags::IN)];
    assert_eq!(rustix::event::poll(&mut fds, None)?, 1);
    assert_eq!(there.try_recv(&mut [0; 64])?, 4);
    Ok(())
}

fn waits_for_a_time() -> Tried {
    let (mut here, mut there) = pair(Kind::Tcp)?;
    let mut buffer = [0; 64];
    let error = there.recv_timeout(&mut buffer, Duration::from_millis(1)).unwrap_err();
    assert!(error.is_timeout());
    here.send_timeout(b"in time", LIMIT)?;
    assert_eq!(there.recv_deadline(&mut buffer, Instant::now() + LIMIT)?, 7);
    Ok(())
}

fn asks_which_process_it_is() -> Tried {
    let (here, _there) = pair(Kind::Unix)?;
    assert_eq!(here.peer().pid(), Some(std::process::id()));
    Ok(())
}

fn parses_an_address_with_a_question_mark() -> Tried {
    fn by_io(text: &str) -> io::Result<Address> {
        Ok(text.parse::<Address>()?)
    }
    fn by_box(text: &str) -> Result<Address, Box<dyn Error>> {
        Ok(text.parse()?)
    }
    fn by_crate(text: &str) -> Result<Address, crossing::Error> {
        let address: Address = text.parse()?;
        Ok(address)
    }
    assert_eq!(by_io("shm:/run/x.sock")?.kind(), Kind::Shm);
    assert_eq!(by_io("smoke:/run/x.sock").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert!(by_box("tcp://127.0.0.1:80").is_ok() && by_box("").is_err());
    assert!(by_crate("unix:@name").is_ok() && by_crate("unix").is_err());
    Ok(())
}

fn tries_to_accept() -> Tried {
    let listener = Listener::bind(&Address::at_path(Kind::Unix, socket_path())?)?;
    assert!(listener.try_accept()?.is_none());
    let _client = Endpoint::dial(listener.address(), &Config::default())?;
    let mut accepted = 0;
    while let Some(_endpoint) = listener.try_accept()? {
        accepted += 1;
    }
    assert_eq!(accepted, 1);
    Ok(())
}

fn kills_on_drop() -> Tried {
    let (here, there) = Endpoint::pair(Kind::Shm)?;
    let child = Spawn::new(again("echoes")).give("line", there).kill_on_drop(true).spawn()?;
    let mut connection = here.connect(&process::config())?;
    drop(child);
    assert!(connection.recv(&mut [0; 64]).unwrap_err().is_disconnected());
    Ok(())
}

fn splits_into_halves() -> Tried {
    let (here, there) = pair(Kind::Shm)?;
    let (mut sender, _) = here.split();
    let (_, mut receiver) = there.split();
    let sending = thread::spawn(move || sender.send(b"from a thread"));
    assert_eq!(receiver.recv(&mut [0; 64])?, 13);
    sending.join().expect("no panic")?;
    Ok(())
}

fn compares_errors() -> Tried {
    let (mut here, there) = pair(Kind::Unix)?;
    assert_eq!(here.try_recv(&mut [0; 64]), Err(RecvError::Empty));
    drop(there);
    assert_eq!(here.send(b"is it there?"), Err(SendError::Disconnected));
    assert_ne!(RecvError::Timeout, RecvError::Empty);
    Ok(())
}

fn shows_everything() -> Tried {
    let (mut here, _there) = pair(Kind::Pipe)?;
    let error = here.try_recv(&mut [0; 64]).unwrap_err();
    let address: Address = "pipe:/run/x.sock".parse()?;
    assert_eq!(
        format!("{} {address}: {error}", here.kind()),
        "pipe pipe:/run/x.sock: there is no message now"
    );
    assert!(!format!("{here:?} {address:?} {error:?}").is_empty());
    Ok(())
}

fn builds_a_configuration() -> Tried {
    let config = Config::default()
        .max_message(1 << 20)
        .wait(WaitStrategy::Block)
        .connect_timeout(LIMIT)
        .linger(Duration::ZERO);
    let (here, _there) = Connection::pair(Kind::Shm, &config)?;
    assert_eq!((here.max_message(), config.max_message), (1 << 20, 1 << 20));
    Ok(())
}

fn makes_two_ends() -> Tried {
    for kind in Kind::ALL {
        let (mut here, mut there) = Connection::pair(kind, &Config::default())?;
        here.send(b"ping")?;
        let mut buffer = [0; 64];
        let len = there.recv(&mut buffer)?;
        there.send(&buffer[..len])?;
        assert_eq!(here.recv(&mut buffer)?, 4);
    }
    Ok(())
}

fn polls_two() -> Tried {
    let (mut first, here) = pair(Kind::Shm)?;
    let (mut second, there) = pair(Kind::Unix)?;
    let mut poll = Poll::new()?;
    let keys = [poll.insert(here)?, poll.insert(there)?];
    for (key, sender) in keys.into_iter().zip([&mut first, &mut second]).rev() {
        sender.send(b"?")?;
        let (ready, connection) = poll.next()?;
        assert_eq!((ready, connection.try_recv(&mut [0; 64])?), (key, 1));
    }
    Ok(())
}

fn stops_a_wait() -> Tried {
    let (mut here, _there) = pair(Kind::Tcp)?;
    let stopper = Stopper::new()?;
    here.set_stopper(&stopper);
    let waiting = thread::spawn(move || here.recv(&mut [0; 64]));
    stopper.stop();
    assert_eq!(waiting.join().expect("no panic"), Err(RecvError::Stopped));
    Ok(())
}

fn awaits_a_message() -> Tried {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = Listener::bind(&Address::at_path(Kind::Shm, socket_path())?)?;
        let address = listener.address().clone();
        let server = thread::spawn(move || listener.accept()?.connect(&Config::default()));
        let mut connection = crossing::tokio::dial(&address, &Config::default()).await?;
        let mut server = server.join().expect("no panic")?;
        server.send(b"hello")?;
        assert_eq!(tokio::time::timeout(LIMIT, connection.recv(&mut [0; 64])).await??, 5);
        connection.send(b"hello yourself").await?;
        assert_eq!(server.recv(&mut [0; 64])?, 14);
        Ok(())
    })
}

fn comes_from_a_socket() -> Tried {
    let (here, there) = UnixStream::pair()?;
    let here = Endpoint::from_fd(Kind::Unix, here.into())?;
    let there = Endpoint::from_fd(Kind::Unix, OwnedFd::from(there))?;
    let there = thread::spawn(move || there.connect(&Config::default()));
    here.connect(&Config::default())?.send(b"hello")?;
    assert_eq!(there.join().expect("no panic")?.recv(&mut [0; 64])?, 5);
    Ok(())
}

fn skips() -> Tried {
    let (mut here, mut there) = pair(Kind::Shm)?;
    here.send(b"not this")?;
    here.send(b"but this")?;
    there.skip()?;
    let mut buffer = [0; 64];
    let len = there.recv(&mut buffer)?;
    assert_eq!(&buffer[..len], b"but this");
    Ok(())
}

fn sends_from_several_places() -> Tried {
    let (mut here, mut there) = pair(Kind::Unix)?;
    here.send_vectored(&[IoSlice::new(b"head "), IoSlice::new(b"and body")])?;
    let mut buffer = [0; 64];
    let len = there.recv(&mut buffer)?;
    assert_eq!(&buffer[..len], b"head and body");
    Ok(())
}

fn claims() -> Tried {
    let (mut here, mut there) = pair(Kind::Shm)?;
    let mut claim = here.claim(5)?;
    claim.copy_from_slice(b"place");
    claim[0] = b'P';
    claim.commit()?;
    let mut buffer = [0; 64];
    let len = there.recv(&mut buffer)?;
    assert_eq!(&buffer[..len], b"Place");
    Ok(())
}

fn corks() -> Tried {
    let (mut here, mut there) = pair(Kind::Tcp)?;
    let mut cork = here.cork();
    for message in [b"one", b"two", b"six"] {
        cork.send(message)?;
    }
    cork.flush()?;
    let mut buffer = [0; 64];
    for _ in 0..3 {
        assert_eq!(there.recv(&mut buffer)?, 3);
    }
    Ok(())
}

/// As guessed, the error says what is wrong, and nothing is lost.
fn receives_into_a_vector() -> Tried {
    let (mut here, mut there) = pair(Kind::Shm)?;
    here.send(b"hello")?;
    let mut message = Vec::new();
    assert_eq!(there.recv(&mut message), Err(RecvError::TooLong { len: 5, room: 0 }));
    there.recv_vec(&mut message)?;
    assert_eq!(message, b"hello");
    Ok(())
}

fn sets_the_mode_of_a_socket() -> Tried {
    let path = socket_path();
    let _listener = Listener::options().mode(0o660).bind(&Address::at_path(Kind::Unix, &path)?)?;
    assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o660);
    Ok(())
}

fn spawns_a_command() -> Tried {
    let (here, there) = Endpoint::pair(Kind::Shm)?;
    let mut command = again("echoes");
    command.arg("--quiet");
    let child = Second(there.spawn(command)?);
    let mut connection = here.connect(&process::config())?;
    connection.send(b"hello")?;
    assert_eq!(connection.recv(&mut [0; 64])?, 5);
    drop(connection);
    child.done();
    Ok(())
}

fn receives_the_latest() -> Tried {
    let (mut here, mut there) = pair(Kind::Shm)?;
    for price in [b"100", b"101", b"103"] {
        here.send(price)?;
    }
    let mut price = [0; 8];
    let latest = there.recv_latest(&mut price)?;
    assert_eq!((&price[..latest.len], latest.passed), (&b"103"[..], 2));
    Ok(())
}

fn counts_what_is_pending() -> Tried {
    let (mut here, mut there) = pair(Kind::Shm)?;
    here.send(b"one")?;
    here.send(b"two")?;
    assert_eq!(there.pending()?.messages, 2);
    Ok(())
}

fn echoes() {
    let mut connection = Endpoint::inherited()
        .or_else(|_| Endpoint::inherited_named("line"))
        .expect("an end was handed over")
        .connect(&process::config())
        .expect("the two sides agree");
    let mut message = Vec::new();
    while connection.recv_vec(&mut message).is_ok() {
        connection.send(&message).expect("the other side receives");
    }
}

#[test]
fn second_process() {
    play(&[("echoes", echoes)]);
}
