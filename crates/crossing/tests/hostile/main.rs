//! Peers that do not keep to the protocol: what they hand over is refused by name, what they were given they
//! cannot change, and what they say ends their own connection, nothing else.
//!
//! The attacker is written from outside with raw system calls. It learns what a correct end says by listening
//! to one, and then says the same with one thing wrong. Each attack has its control: the same with nothing
//! wrong, which is accepted.

mod attacker;
mod bells;
mod claims;
mod handshake;
mod lanes;
#[path = "../process/mod.rs"]
mod process;
mod region;
mod signals;
mod streams;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossing::{Config, Connection, Kind, WaitStrategy};
use process::{descriptors, eventually, mappings, play};

/// Descriptors and mappings of the whole process are counted here: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // The first connection starts the thread that watches; it stays.
    drop(Connection::pair(Kind::Shm, &Config::default()).expect("a pair of ends"));
    settled();
    guard
}

/// Waits until nothing of earlier connections is left.
fn settled() {
    eventually("mappings of connections that are gone", || mappings() == 0);
    eventually("descriptors of connections that are gone", || {
        let left = descriptors();
        !left.iter().any(|link| link.contains("memfd:crossing") || link.contains("pidfd"))
    });
}

/// What a test leaves behind must be what it found.
fn leaves_nothing(what: &str, body: impl FnOnce()) {
    let before = (descriptors().len(), mappings());
    body();
    eventually(&format!("{what}: nothing is left"), || (descriptors().len(), mappings()) == before);
}

fn config(connect_timeout: Duration) -> Config {
    Config::default().connect_timeout(connect_timeout).wait(WaitStrategy::Block)
}

#[test]
fn second_process() {
    play(&[
        ("stray", region::stray),
        ("sigpipe", signals::sigpipe),
        ("sigpipe control", signals::sigpipe_control),
        ("storm", signals::storm),
    ]);
}
