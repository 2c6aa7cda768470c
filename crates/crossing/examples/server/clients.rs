//! The clients: a good one, and what servers meet otherwise. Each checks what becomes of it.

use std::error::Error;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use crossing::{Address, Config, ConnectError, Connection, RecvError};

pub(crate) const PARTS: [&str; 6] = ["good", "silent", "deaf", "foreign", "fleeting", "crowd"];

/// Long enough for a machine that is busy with other things.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn play(part: &str, address: &Address) -> Result<(), Box<dyn Error>> {
    match part {
        "good" => good(address),
        "silent" => silent(address),
        "deaf" => deaf(address),
        "foreign" => foreign(address),
        "fleeting" => fleeting(address),
        "crowd" => crowd(address),
        _ => Err("it is no part".into()),
    }
}

/// Connects. A client that is shed, because too many come at once, comes again.
fn come(address: &Address) -> Result<Connection, ConnectError> {
    let mut outcome = Connection::dial(address, &Config::small());
    for _ in 0..500 {
        if !matches!(&outcome, Err(error) if error.is_disconnected()) {
            break;
        }
        thread::sleep(Duration::from_millis(20));
        outcome = Connection::dial(address, &Config::small());
    }
    outcome
}

/// Connects, and has got a first answer. A client that finds no place comes again.
fn find_a_place(address: &Address) -> Result<Connection, Box<dyn Error>> {
    for _ in 0..500 {
        let mut connection = come(address)?;
        if connection.send(b"is there a place?").is_ok()
            && connection.recv_timeout(&mut [0; 1000], LIMIT).is_ok()
        {
            return Ok(connection);
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err("there never was a place".into())
}

/// Asks, waits for the answer, and asks again.
fn good(address: &Address) -> Result<(), Box<dyn Error>> {
    let mut connection = find_a_place(address)?;
    let mut answer = [0; 1000];
    for number in 0..100_u32 {
        connection.send(&number.to_le_bytes())?;
        connection.recv_timeout(&mut answer, LIMIT)?;
        assert_eq!(answer[..4], number.to_le_bytes());
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Says nothing.
fn silent(address: &Address) -> Result<(), Box<dyn Error>> {
    let mut connection = come(address)?;
    let outcome = connection.recv_timeout(&mut [0; 8], LIMIT);
    assert_eq!(outcome, Err(RecvError::Disconnected));
    Ok(())
}

/// Asks and asks, and never reads an answer.
fn deaf(address: &Address) -> Result<(), Box<dyn Error>> {
    let mut connection = find_a_place(address)?;
    let outcome = (0..100_000).try_for_each(|_| connection.send_timeout(b"and now?", LIMIT));
    assert!(outcome.is_err_and(|error| error.is_disconnected()));
    Ok(())
}

/// Speaks another language.
fn foreign(address: &Address) -> Result<(), Box<dyn Error>> {
    let mut socket = UnixStream::connect(address.path().ok_or("a Unix socket has a path")?)?;
    socket.set_read_timeout(Some(LIMIT))?;
    socket.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    // What it is told is in the library's own language. The end is an end in every language.
    match socket.read_to_end(&mut Vec::new()) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Err("it is still there".into()),
        _ => Ok(()),
    }
}

/// Comes, and leaves at once.
fn fleeting(address: &Address) -> Result<(), Box<dyn Error>> {
    for _ in 0..200 {
        drop(UnixStream::connect(address.path().ok_or("a Unix socket has a path")?)?);
    }
    Ok(())
}

/// A hundred come together, and stay for as long as they may.
fn crowd(address: &Address) -> Result<(), Box<dyn Error>> {
    let stay = || {
        let outcome = come(address).map(|mut it| it.recv_timeout(&mut [0; 8], LIMIT));
        outcome == Ok(Err(RecvError::Disconnected))
    };
    thread::scope(|scope| {
        let all: Vec<_> = (0..100).map(|_| scope.spawn(stay)).collect();
        assert!(all.into_iter().all(|one| one.join().unwrap_or(false)), "each is sent away in the end");
    });
    Ok(())
}
