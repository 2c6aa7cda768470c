//! What the library keeps in the background: a thread that sleeps, and what it sleeps on.
//!
//! It belongs to one process, takes no signal, rests while nothing happens, and a failure to start it is not remembered. Most of
//! this is tried in a forked child, which has no such thread yet, and may do to itself what it likes.

// Signals are blocked and limits are set in a child that is thrown away.
#![allow(unsafe_code)]

mod process;

use std::fs;
use std::io::{self, Read};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossing::{Config, ConnectError, Connection, Endpoint, Kind, RecvError, Spawn, WaitStrategy};
use process::{LIMIT, Line, descriptors, eventually, forked, message, of_threads, rests, within};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

/// How the thread is called that watches for the death of peers.
const WATCHER: &str = "crossing-watch";

fn config() -> Config {
    let linger = Duration::ZERO;
    Config::default().wait(WaitStrategy::Block).connect_timeout(LIMIT).linger(linger)
}

fn pair(kind: Kind) -> Result<(Connection, Connection), String> {
    Connection::pair(kind, &config()).map_err(|error| format!("{kind}: {error}"))
}

/// Waits until the watcher of this process rests.
fn watcher_rests() {
    assert_eq!(of_threads(WATCHER, "comm").len(), 1, "a process has one watcher");
    eventually("the watcher rests", || rests(WATCHER));
}

/// Sends a message through both, which must arrive, and ends one of them, which the other must be told of in its sleep.
fn works_and_ends((mut here, mut there): (Connection, Connection)) -> Result<(), String> {
    let mut buffer = [0; 64];
    here.send(b"a message").map_err(|error| error.to_string())?;
    there.recv(&mut buffer).map_err(|error| error.to_string())?;
    thread::scope(|scope| {
        let told = scope.spawn(|| there.recv(&mut buffer));
        drop(here);
        match told.join() {
            Ok(Err(RecvError::Disconnected)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
}

#[test]
fn a_child_that_connects_has_a_watcher_of_its_own_and_its_parents_rests() {
    within("a child that connects by itself", || {
        // The second connection outlives all children, the first ends while a child has copies of its descriptors.
        let (first, mut second) = (pair(Kind::Shm).expect("a pair"), pair(Kind::Shm).expect("a pair"));
        watcher_rests();
        let (mut line, theirs) = Line::pair();
        let mut theirs = Some(theirs);
        let child = thread::scope(|scope| {
            let parent = scope.spawn(|| {
                assert_eq!(line.hear(), 1, "the child has connected");
                drop(first);
                watcher_rests();
                line.say(2);
            });
            forked("a child that connects", || {
                let mut line = theirs.take().ok_or("it is there")?;
                if !of_threads(WATCHER, "comm").is_empty() {
                    return Err("a thread has survived the fork".into());
                }
                let mine = pair(Kind::Shm)?;
                works_and_ends(pair(Kind::Shm)?)?;
                watcher_rests();
                line.say(1);
                line.hear();
                works_and_ends(mine)
            });
            parent.join()
        });
        child.expect("the parent's watcher rests");
        watcher_rests();
        second.0.send(message(0, 100)).expect("the other end lives");
        assert_eq!(second.1.recv(&mut [0; 200]).expect("it was sent"), 100);
        works_and_ends(second).expect("the parent's connection is as before");
    });
}

#[test]
fn a_child_is_forked_whatever_other_threads_have_locked() {
    within("forks amid connections", || {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        works_and_ends(pair(Kind::Shm).expect("a pair")).expect("it was told");
                    }
                });
            }
            for _ in 0..30 {
                forked("amid connections", || works_and_ends(pair(Kind::Shm)?));
            }
            done.store(true, Ordering::Relaxed);
        });
    });
}

#[test]
fn a_watcher_whose_descriptor_was_closed_leaves_nobody_waiting() {
    forked("closed descriptors", || {
        let (one, mut other) = pair(Kind::Shm)?;
        let (_lives, mut waits) = pair(Kind::Shm)?;
        // Some programs close all descriptors that they do not know.
        let entries = fs::read_dir("/proc/self/fd").map_err(|error| error.to_string())?.flatten();
        let epoll = entries.filter(|entry| {
            let leads_to = fs::read_link(entry.path());
            leads_to.is_ok_and(|to| to.to_string_lossy().contains("eventpoll"))
        });
        for entry in epoll.collect::<Vec<_>>() {
            let number: i32 = entry.file_name().to_string_lossy().parse().map_err(|_| "a number")?;
            // SAFETY: not safe at all, which is what is tried: the descriptor belongs to the library.
            drop(unsafe { OwnedFd::from_raw_fd(number) });
        }
        drop(one);
        let outcomes = [other.recv(&mut [0; 8]), waits.recv(&mut [0; 8])];
        if !outcomes.iter().all(|outcome| matches!(outcome, Err(RecvError::Disconnected))) {
            return Err(format!("{outcomes:?}"));
        }
        works_and_ends(pair(Kind::Shm)?)
    });
}

/// The mask of signals in this line of a status file of /proc.
/// All signals but KILL and STOP, which cannot be blocked, and the few below 35 that a C library keeps for itself.
const ALL: u64 = !(1 << 8 | 1 << 18 | 0b111 << 31);

fn mask(status: &str, line: &str) -> Option<u64> {
    let mask = status.lines().find_map(|found| found.strip_prefix(line))?;
    u64::from_str_radix(mask.trim().trim_start_matches(':').trim(), 16).ok()
}

/// Blocks SIGTERM in this thread, as a program does that waits for it by sigtimedwait(2) or signalfd(2).
fn block_sigterm() {
    unsafe extern "C" {
        fn sigemptyset(set: *mut [u64; 16]) -> i32;
        fn sigaddset(set: *mut [u64; 16], signal: i32) -> i32;
        fn pthread_sigmask(how: i32, set: *const [u64; 16], before: *mut [u64; 16]) -> i32;
    }
    let mut set = [0; 16];
    // SAFETY: the set has the size of the C library's; SIG_BLOCK is 0.
    unsafe {
        sigemptyset(&mut set);
        sigaddset(&mut set, 15);
        pthread_sigmask(0, &set, std::ptr::null_mut());
    }
}

#[test]
fn the_watcher_takes_no_signal() {
    forked("a signal to the process", || {
        let _connected = pair(Kind::Shm)?;
        block_sigterm();
        let status = of_threads(WATCHER, "status").pop().ok_or("there is a watcher")?;
        let blocked = mask(&status, "SigBlk").ok_or("a mask")?;
        if blocked & ALL != ALL {
            return Err(format!("it blocks {blocked:#x} only"));
        }
        kill_process(rustix::process::getpid(), Signal::TERM).map_err(|error| error.to_string())?;
        let status = fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
        let pending = mask(&status, "ShdPnd").ok_or("a mask")?;
        if pending & 1 << 14 == 0 {
            return Err("a thread has taken the signal".into());
        }
        Ok(())
    });
}

#[test]
fn a_child_begins_with_the_callers_mask_and_the_thread_behind_it_takes_no_signal() {
    forked("a child and its thread", || {
        block_sigterm();
        let read = |path| fs::read_to_string(path).map_err(|error| error.to_string());
        let mine = mask(&read("/proc/thread-self/status")?, "SigBlk");
        let mut command = Command::new("cat");
        command.arg("/proc/self/status").stdout(Stdio::piped());
        let mut child = Spawn::new(command).spawn().map_err(|error| error.to_string())?;
        let mut status = String::new();
        child
            .stdout
            .take()
            .ok_or("a pipe")?
            .read_to_string(&mut status)
            .map_err(|error| error.to_string())?;
        if mine.is_none() || mask(&status, "SigBlk") != mine {
            return Err(format!("{mine:x?} became {status}"));
        }
        let mut command = Command::new("sleep");
        command.arg("1000");
        let _child = Spawn::new(command).kill_on_drop(true).spawn().map_err(|error| error.to_string())?;
        // That of the first child may still be ending.
        let all = of_threads("crossing-child", "status");
        let blocked = all.iter().filter_map(|status| mask(status, "SigBlk"));
        if !all.is_empty() && blocked.clone().all(|blocked| blocked & ALL == ALL) {
            Ok(())
        } else {
            Err(format!("they block {:x?} only", blocked.collect::<Vec<_>>()))
        }
    });
}

#[test]
fn no_thread_of_a_program_loses_its_signals_by_connecting() {
    forked("the mask of the one that connects", || {
        let before = fs::read_to_string("/proc/thread-self/status").map_err(|error| error.to_string())?;
        drop(pair(Kind::Shm)?);
        let after = fs::read_to_string("/proc/thread-self/status").map_err(|error| error.to_string())?;
        if mask(&before, "SigBlk") == mask(&after, "SigBlk") { Ok(()) } else { Err(after) }
    });
}

/// There was enough.
const CONNECTED: &str = "connected under the limit";

/// Fails once; then, when the limit on `resource` is what it was, works.
fn fails_once_under(
    resource: Resource,
    limit: u64,
    mut connect: impl FnMut() -> Result<Connection, ConnectError>,
) -> Result<(), String> {
    let before = getrlimit(resource);
    setrlimit(resource, Rlimit { current: Some(limit), ..before }).map_err(|error| error.to_string())?;
    let failed = connect();
    setrlimit(resource, before).map_err(|error| error.to_string())?;
    if failed.is_ok() {
        return Err(CONNECTED.into());
    }
    connect().map(drop).map_err(|error| format!("remembered: {error}"))
}

/// The number that the next descriptor will have.
fn next_number() -> io::Result<u64> {
    use std::os::fd::AsRawFd;
    Ok(fs::File::open("/dev/null")?.as_raw_fd() as u64)
}

#[test]
fn a_shortage_of_descriptors_is_not_remembered() {
    for kind in Kind::ALL {
        forked("out of descriptors", || {
            let number = next_number().map_err(|error| error.to_string())?;
            let mine =
                || descriptors().into_iter().filter(|link| !link.contains("eventpoll")).collect::<Vec<_>>();
            let before = mine();
            // Whichever descriptor it is that cannot be had.
            for more in 0..64 {
                let connect = || Connection::pair(kind, &config()).map(|(here, _)| here);
                match fails_once_under(Resource::Nofile, number + more, connect) {
                    // Nothing is left of any attempt.
                    Err(why) if why == CONNECTED && more > 0 && mine() == before => return Ok(()),
                    outcome => outcome.map_err(|why| format!("{kind}, {more} left: {why}"))?,
                }
            }
            Err("so many descriptors are not enough".into())
        });
    }
}

/// Makes this process one of a user that may be denied a thread. Root may not.
fn become_an_ordinary_user() -> Result<(), String> {
    if rustix::process::geteuid().is_root() {
        let nobody = rustix::process::Uid::from_raw(65534);
        rustix::thread::set_thread_res_uid(nobody, nobody, nobody).map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[test]
fn where_no_thread_can_be_started_a_pair_is_an_error_and_later_it_is_none() {
    for kind in Kind::ALL {
        forked("no thread", || {
            become_an_ordinary_user()?;
            let connect = || Connection::pair(kind, &config()).map(|(here, _)| here);
            fails_once_under(Resource::Nproc, 0, connect).map_err(|why| format!("{kind}: {why}"))
        });
    }
}

#[test]
fn where_no_watcher_can_be_started_connecting_is_an_error_and_later_it_is_none() {
    within("no watcher", || {
        let ends: Vec<_> = (0..2).map(|_| Endpoint::pair(Kind::Shm).expect("a pair of ends")).collect();
        let (mut mine, theirs): (Vec<_>, Vec<_>) = ends.into_iter().unzip();
        let others: Vec<_> =
            theirs.into_iter().map(|end| thread::spawn(move || end.connect(&config()))).collect();
        forked("no watcher", || {
            become_an_ordinary_user()?;
            mine.reverse();
            let connect = || mine.pop().expect("one for each try").connect(&config());
            fails_once_under(Resource::Nproc, 0, connect)
        });
        drop(mine);
        let outcomes: Vec<_> = others.into_iter().map(|other| other.join().expect("no panic")).collect();
        assert!(matches!(outcomes[..], [Err(ConnectError::PeerRefused { .. }), Ok(_)]), "{outcomes:?}");
    });
}
