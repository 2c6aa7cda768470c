//! How two ends meet: trials of the calls by which a place is kept, and by which an end learns which process the other is.
//!
//! The ends are the library's own, so that each trial makes the very calls of a program that uses it. Measured processes
//! are given their ends, and need none of this.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crossing::{Address, Config, ConnectError, Connection, Kind, Listener};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;

use super::finding::{Finding, good, limited, missing};

/// The time limit of one meeting, many times what it takes.
const PATIENCE: Duration = Duration::from_secs(2);

/// The findings, each named by its call or its option of a socket.
pub(super) fn findings() -> Vec<Finding> {
    let Some(address) = free_name() else { return Vec::new() };
    let met = meet(&address);
    let given = Connection::pair(address.kind(), &config());
    vec![
        folder_lock(lock()),
        user(met.as_ref().err()),
        process(given.map(|(here, _)| here.peer().pid().is_some())),
        process_descriptor(met.is_ok_and(|met| met.peer().pidfd().is_some())),
    ]
}

/// A name at which nothing listens, for the mechanism of the simplest ends that meet at one.
fn free_name() -> Option<Address> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("ipcscope-doctor-{}-{number}", std::process::id());
    Kind::ALL.into_iter().rev().find_map(|kind| Address::in_abstract(kind, name.clone()).ok())
}

fn config() -> Config {
    Config::default().connect_timeout(PATIENCE)
}

/// Locks a folder as a listener does that binds a socket there, and lets go of it.
fn lock() -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open("/", flags, Mode::empty())?;
    match flock(&folder, FlockOperation::NonBlockingLockShared) {
        // Another process holds it: then it can be held.
        Ok(()) | Err(Errno::AGAIN) => Ok(()),
        refused => refused,
    }
}

fn folder_lock(tried: Result<(), Errno>) -> Finding {
    let what = "flock";
    match tried {
        Ok(()) => good(what, "a server can take over the place that one before it has left"),
        Err(errno) => limited(
            what,
            format!(
                "{errno}: no server can take over the socket that one before it has left (ListenOptions::reclaim)"
            ),
            "allow flock in the container's seccomp profile, or remove such a file by hand",
        ),
    }
}

/// Two ends that meet at a name, as a server and a client.
fn meet(address: &Address) -> Result<Connection, ConnectError> {
    let listener = Listener::bind(address)?;
    let refused = |source: io::Error| ConnectError::Io { doing: "start a thread that dials".into(), source };
    thread::scope(|scope| {
        let dialling = thread::Builder::new().name("lab-doctor".into());
        let dialling = dialling.spawn_scoped(scope, || Connection::dial(address, &config()));
        let dialling = dialling.map_err(refused)?;
        let here = listener.accept_timeout(PATIENCE).and_then(|end| end.connect(&config()));
        let there = dialling.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // The end that dials asks as well, and knows more of a refusal.
        there.and(here)
    })
}

fn user(refused: Option<&ConnectError>) -> Finding {
    let what = "SO_PEERCRED";
    match refused {
        None => good(what, "ends that meet at a path or a name ask for each other's user"),
        Some(error) => missing(
            what,
            format!("ends cannot meet at a path or a name: {error}"),
            "allow AF_UNIX sockets and getsockopt in the container's seccomp profile; a child can be given its end",
        ),
    }
}

fn process(told: Result<bool, ConnectError>) -> Finding {
    let what = "SO_PASSCRED";
    let remedy = "allow setsockopt and recvmsg in the container's seccomp profile; connections work without";
    match told {
        Ok(true) => good(what, "an end that was given knows which process is at the other"),
        Ok(false) => {
            limited(what, "an end that was given does not learn which process is at the other", remedy)
        }
        Err(error) => limited(what, format!("no pair of ends: {error}"), remedy),
    }
}

fn process_descriptor(told: bool) -> Finding {
    let what = "SO_PEERPIDFD";
    if told {
        good(what, "an end learns at any time whether the process that it has met lives")
    } else {
        limited(
            what,
            "not given: on a Unix socket only the connection's end tells whether the peer lives",
            "run Linux 6.5 or newer, or allow getsockopt in the container's seccomp profile",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::FindingState::{self, Good, Limited, Missing};
    use super::*;

    fn states() -> Vec<(String, FindingState)> {
        findings().into_iter().map(|found| (found.what, found.state)).collect()
    }

    #[test]
    fn what_works_here_is_found_again_and_again() {
        let found = states();
        for what in ["flock", "SO_PEERCRED", "SO_PASSCRED"] {
            assert!(found.contains(&(what.to_owned(), Good)), "{what}: {found:?}");
        }
        assert!(found.iter().any(|(what, _)| what == "SO_PEERPIDFD"), "{found:?}");
        assert_eq!(states(), found);
    }

    #[test]
    fn a_refusal_is_a_finding_with_its_cause() {
        let io = || ConnectError::Io { doing: "ask for the user".into(), source: Errno::PERM.into() };
        for (found, state) in [
            (folder_lock(Err(Errno::PERM)), Limited),
            (user(Some(&io())), Missing),
            (process(Err(io())), Limited),
        ] {
            assert_eq!(found.state, state, "{found:?}");
            assert!(found.detail.contains("not permitted") && found.remedy.is_some(), "{found:?}");
        }
        assert_eq!((process(Ok(false)).state, process_descriptor(false).state), (Limited, Limited));
    }
}
