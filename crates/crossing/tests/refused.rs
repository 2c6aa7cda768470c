//! System calls that a container refuses: shared memory sleeps in another way, or says what it wants.
//!
//! Each test forks a child, which puts a filter before its own system calls (seccomp(2)) as container runtimes do. How a thread
//! sleeps is judged by the scheduler's count of its time: one that asks again and again is found out.

mod process;
#[path = "process/seccomp.rs"]
mod seccomp;

use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossing::{
    Address, BlobMut, Config, Connection, Endpoint, Kind, Listener, RecvError, SendError, Sleeping,
    WaitStrategy, sleeping,
};
use process::{LIMIT, forked, message, rests, within};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const FUTEX_WAITV: u32 = 449;
#[cfg(target_arch = "x86_64")]
const FUTEX: u32 = 202;
#[cfg(target_arch = "x86_64")]
const MEMBARRIER: u32 = 324;
#[cfg(target_arch = "x86_64")]
const FLOCK: u32 = 73;
#[cfg(not(target_arch = "x86_64"))]
const FUTEX: u32 = 98;
#[cfg(not(target_arch = "x86_64"))]
const MEMBARRIER: u32 = 283;
#[cfg(not(target_arch = "x86_64"))]
const FLOCK: u32 = 32;

/// By which the C library asks for a limit; an older one asks by the call of that name.
#[cfg(target_arch = "x86_64")]
const LIMITS: [u32; 2] = [302, 97];
#[cfg(not(target_arch = "x86_64"))]
const LIMITS: [u32; 2] = [261, 163];

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// From now on the kernel answers each of `calls` with `errno`, in this thread and in those that it starts.
fn refuse(calls: &[u32], errno: u32) -> Result<(), String> {
    seccomp::install(&seccomp::refusing(calls, errno)).map_err(|error| format!("no filter: {error}"))
}

fn pair() -> Result<(Connection, Connection), String> {
    let config = Config::default().wait(WaitStrategy::Block).connect_timeout(LIMIT);
    Connection::pair(Kind::Shm, &config).map_err(|error| error.to_string())
}

/// Questions and answers, each of which is slept for.
fn ping_pong((mut here, mut there): (Connection, Connection)) -> Result<(), String> {
    thread::scope(|scope| {
        let echo = scope.spawn(move || {
            let mut buffer = [0; 200];
            while let Ok(len) = there.recv(&mut buffer) {
                there.send(&buffer[..len]).expect("the other end lives");
            }
        });
        let mut buffer = [0; 200];
        for number in 0..500 {
            here.send(message(number, 100)).map_err(|error| error.to_string())?;
            let len = here.recv(&mut buffer).map_err(|error| error.to_string())?;
            if buffer[..len] != *message(number, 100) {
                return Err(format!("message {number} is another one"));
            }
        }
        drop(here);
        echo.join().map_err(|_| "the other end panicked".into())
    })
}

/// How often a thread is looked at before it is said not to rest.
const LOOKS: u32 = 100;

/// Runs `wait` in a thread that must rest until `ended` has been called, and returns what it says then.
fn sleeps_until<T: Send, E>(wait: impl FnOnce() -> T + Send, ended: impl FnOnce() -> E) -> Result<T, String> {
    thread::scope(|scope| {
        let sleeper = thread::Builder::new().name("sleeper".into()).spawn_scoped(scope, wait);
        let sleeper = sleeper.map_err(|error| error.to_string())?;
        let rested = (0..LOOKS).any(|_| rests("sleeper"));
        ended();
        let outcome = sleeper.join().map_err(|_| "the sleeper panicked")?;
        if rested { Ok(outcome) } else { Err("it does not sleep".into()) }
    })
}

/// Both halves sleep, are told of the end of their peer, and keep their deadlines.
fn sleeps_and_is_told() -> Result<(), String> {
    ping_pong(pair()?)?;
    // One that waits for a message.
    let (mut here, there) = pair()?;
    match sleeps_until(|| here.recv(&mut [0; 8]), || drop(there))? {
        Err(RecvError::Disconnected) => {}
        other => return Err(format!("a receiver: {other:?}")),
    }
    // One that waits for room.
    let (mut here, there) = pair()?;
    while here.sender().try_send(message(0, 60_000)).is_ok() {}
    match sleeps_until(|| here.send(message(0, 60_000)), || drop(there))? {
        Err(SendError::Disconnected) => {}
        other => return Err(format!("a sender: {other:?}")),
    }
    // One that is told of one direction, and sleeps on for the other.
    let (mut here, there) = pair()?;
    let (mut sender, receiver) = there.split();
    drop(receiver);
    match sleeps_until(|| here.recv(&mut [0; 8]), || sender.send(b"four"))? {
        Ok(4) => {}
        other => return Err(format!("a receiver beside a sender that has ended: {other:?}")),
    }
    // A deadline comes, and not before its time.
    let (mut here, _there) = pair()?;
    let began = Instant::now();
    let outcome = here.receiver().recv_timeout(&mut [0; 8], Duration::from_millis(30));
    if !matches!(outcome, Err(RecvError::Timeout)) || began.elapsed() < Duration::from_millis(30) {
        return Err(format!("a deadline: {outcome:?} after {:?}", began.elapsed()));
    }
    // Ends that come at any moment of falling asleep.
    for round in 0..300_u32 {
        let (mut here, there) = pair()?;
        let end = thread::spawn(move || {
            (0..round * 7 % 500).for_each(|_| std::hint::spin_loop());
            drop(there);
        });
        let outcome = here.recv(&mut [0; 8]);
        end.join().map_err(|_| "the other end panicked")?;
        if !matches!(outcome, Err(RecvError::Disconnected)) {
            return Err(format!("round {round}: {outcome:?}"));
        }
    }
    Ok(())
}

#[test]
fn where_futex_waitv_is_refused_a_futex_serves() {
    for errno in [EPERM, ENOSYS] {
        forked("futex_waitv refused", || {
            refuse(&[FUTEX_WAITV], errno)?;
            if sleeping() != Sleeping::Futex {
                return Err(format!("it sleeps by {}", sleeping()));
            }
            sleeps_and_is_told()
        });
    }
}

#[test]
fn where_nothing_is_refused_it_is_the_same() {
    forked("nothing refused", || {
        if sleeping() != Sleeping::Waitv {
            return Err(format!("it sleeps by {}", sleeping()));
        }
        sleeps_and_is_told()
    });
}

/// A limit that is not told is none: the call that needs more than there is says so itself.
#[test]
fn where_limits_are_not_told_nothing_panics() {
    for errno in [EPERM, ENOSYS] {
        forked("limits not told", || {
            let few = Rlimit { current: Some(64), ..getrlimit(Resource::Nofile) };
            setrlimit(Resource::Nofile, few).map_err(|errno| errno.to_string())?;
            refuse(&LIMITS, errno)?;
            BlobMut::new(5000).map_err(|error| error.to_string())?;
            ping_pong(pair()?)?;
            let mut taken = Vec::new();
            let error = loop {
                match pair() {
                    Ok(pair) => taken.push(pair),
                    Err(error) => break error,
                }
                if taken.len() > 64 {
                    return Err("there is no limit".into());
                }
            };
            if error.contains("as many descriptors as it may have (RLIMIT_NOFILE)") {
                Ok(())
            } else {
                Err(error)
            }
        });
    }
}

/// A program that shuts itself in once it is connected.
#[test]
fn what_is_refused_only_after_connecting_is_done_without() {
    for calls in [&[FUTEX_WAITV][..], &[MEMBARRIER], &[FUTEX_WAITV, MEMBARRIER]] {
        forked("refused later", || {
            let before = pair()?;
            refuse(calls, EPERM)?;
            ping_pong(before)?;
            ping_pong(pair()?)
        });
    }
}

/// Without the lock of a folder a listener takes a free path, and removes nothing.
#[test]
fn where_a_folder_cannot_be_locked_a_listener_removes_nothing() {
    let path = process::socket_path();
    let address = Address::at_path(Kind::Unix, &path).expect("a path");
    forked("flock refused", || {
        refuse(&[FLOCK], EPERM)?;
        drop(Listener::bind(&address).map_err(|error| error.to_string())?);
        drop(UnixListener::bind(&path).map_err(|error| error.to_string())?);
        match Listener::options().reclaim(true).bind(&address) {
            Err(error) if error.to_string().contains("flock") && path.exists() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    std::fs::remove_file(&path).expect("it is still there");
}

#[test]
fn the_death_of_a_process_is_told_to_one_that_sleeps_plainly() {
    within("a death", || {
        let (mine, theirs) = Endpoint::pair(Kind::Shm).expect("a pair of ends");
        let (mut mine, mut theirs) = (Some(mine), Some(theirs));
        let config = Config::default().wait(WaitStrategy::Block).connect_timeout(LIMIT);
        forked("a death", || {
            refuse(&[FUTEX_WAITV], EPERM)?;
            let mine = mine.take().ok_or("it is there")?;
            let theirs = theirs.take().ok_or("it is there")?;
            let dying = thread::spawn({
                let config = config.clone();
                move || {
                    let mut theirs = Some(theirs);
                    // It ends without a word: nothing is dropped.
                    forked("it dies", || {
                        let connected = theirs.take().ok_or("it is there")?.connect(&config);
                        connected.map(std::mem::forget).map_err(|error| error.to_string())
                    });
                }
            });
            let mut here = mine.connect(&config).map_err(|error| error.to_string())?;
            let outcome = here.recv(&mut [0; 8]);
            dying.join().map_err(|_| "the second process failed")?;
            let told = matches!(outcome, Err(RecvError::Disconnected));
            if told { Ok(()) } else { Err(format!("{outcome:?}")) }
        });
    });
}

#[test]
fn where_there_is_no_way_to_sleep_connecting_says_so() {
    for errno in [EPERM, ENOSYS] {
        let (here, _there) = Endpoint::pair(Kind::Shm).expect("a pair of ends");
        let mut here = Some(here);
        forked("no way to sleep", || {
            refuse(&[FUTEX_WAITV, FUTEX], errno)?;
            if sleeping() != Sleeping::Refused {
                return Err(format!("it sleeps by {}", sleeping()));
            }
            match here.take().ok_or("it is there")?.connect(&Config::default()) {
                Err(error) if error.to_string().contains("futex_waitv(2)") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    }
}

/// The control: a thread that is refused its sleep and asks again is found out.
#[test]
fn a_thread_that_asks_again_and_again_is_found_out() {
    forked("a busy thread", || {
        let done = AtomicBool::new(false);
        let busy = || {
            while !done.load(Ordering::Relaxed) {
                thread::yield_now();
            }
        };
        match sleeps_until(busy, || done.store(true, Ordering::Relaxed)) {
            Err(why) if why == "it does not sleep" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}
