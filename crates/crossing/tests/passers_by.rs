//! Clients that connect and leave, as many as come: the server holds nothing of them afterwards.
//!
//! `CROSSING_LONG=1` has 100 000 of them on every mechanism.

mod process;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossing::{Address, Config, Connection, Endpoint, Kind, Listener};
use process::{descriptors, eventually, mappings, socket_path, threads};

/// How many come. One in ten shakes hands, the others leave without a word.
fn many() -> usize {
    if std::env::var_os("CROSSING_LONG").is_some() { 100_000 } else { 2_000 }
}

fn config() -> Config {
    Config::small().connect_timeout(process::LIMIT)
}

/// What a process holds that a client could have left in it.
fn held() -> (Vec<String>, usize, usize) {
    (descriptors(), mappings(), threads())
}

fn a_client_that_connects_and_leaves_leaves_nothing(kind: Kind) {
    let address = match kind {
        Kind::Tcp => Address::tcp("127.0.0.1:0"),
        kind => Address::at_path(kind, socket_path()),
    };
    let listener = Listener::bind(&address.expect("an address")).expect("a free place");
    // The first connection starts the thread that watches.
    drop(Connection::pair(kind, &config()).expect("a pair"));
    eventually("the pair is gone", || {
        mappings() == 0 && !descriptors().iter().any(|it| it.contains("pidfd"))
    });
    let before = held();
    let over = AtomicBool::new(false);
    let (shaken, left) = thread::scope(|scope| {
        let served = scope.spawn(|| {
            let mut served = (0, 0);
            while !over.load(Ordering::Relaxed) {
                let soon = Instant::now() + Duration::from_millis(20);
                let Ok(endpoint) = listener.accept_deadline(soon) else { continue };
                match endpoint.connect(&config()) {
                    Ok(_) => served.0 += 1,
                    Err(_) => served.1 += 1,
                }
            }
            served
        });
        let come = |number: usize| -> Result<(), crossing::ConnectError> {
            let endpoint = Endpoint::dial(listener.address(), &config())?;
            if number % 10 == 0 { endpoint.connect(&config()).map(drop) } else { Ok(()) }
        };
        let outcome = (0..many()).try_for_each(come);
        over.store(true, Ordering::Relaxed);
        outcome.expect("it serves");
        served.join().expect("no panic")
    });
    eventually("as before", || held() == before);
    assert_eq!(shaken, many() / 10, "{left} had left");
}

#[test]
fn clients_that_connect_and_leave_leave_nothing() {
    // One mechanism after the other: what a process holds is counted.
    Kind::ALL.into_iter().for_each(a_client_that_connects_and_leaves_leaves_nothing);
}
