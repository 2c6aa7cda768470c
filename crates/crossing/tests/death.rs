//! Death and stopping, with real processes and real signals.
//!
//! Whichever end is killed and whatever the survivor was doing, the survivor receives everything
//! that was published, then `Disconnected`, and never hangs. On TCP a peer that leaves messages of
//! ours unread cuts the connection: that is `Reset`. A stopped peer is late, not dead. And nothing
//! of the dead stays behind.

mod process;

use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crossing::{Config, Connection, End, Endpoint, Kind, RecvError, SendError, WaitStrategy};
use process::{
    LIMIT, Second, again, descriptors, eventually, for_every_kind, is_running, mappings, message, part,
    test_each, threads, within,
};
use rustix::process::{Pid, Signal, kill_process};

const WAYS: [WaitStrategy; 3] = [WaitStrategy::Spin, WaitStrategy::HYBRID, WaitStrategy::Block];

/// As patient with the handshake as the watchdog is.
fn config(wait: WaitStrategy) -> Config {
    Config::default().wait(wait).connect_timeout(LIMIT)
}

/// Starts this program again in `role`, and connects to it. Both wait in the same way.
fn start(kind: Kind, role: &str, wait: WaitStrategy) -> (Second, Connection) {
    let (here, there) = Endpoint::pair(kind).expect("a pair of endpoints");
    let mut command = again(&format!("{role} {wait}"));
    command.stdout(Stdio::piped());
    let second = Second(there.spawn(command).expect("this program starts again"));
    let connection = here.connect(&config(wait)).expect("the two sides agree");
    (second, connection)
}

/// How many messages a second process sends before it waits for its end.
const SENT: u64 = 50;

fn is_disconnected(kind: Kind, connection: &mut Connection) {
    let outcome = connection.recv(&mut [0; 64]);
    assert!(matches!(outcome, Err(RecvError::Disconnected)), "{outcome:?}");
    // A peer that closes says so: this one was killed.
    assert_eq!(connection.receiver().end(), Some(End::Abrupt));
    let error = loop {
        if let Err(error) = connection.send(b"is anybody there?") {
            break error;
        }
    };
    assert!(matches!(error, SendError::Disconnected), "{error:?}");
    let told = if kind == Kind::Shm { End::Abrupt } else { End::Unknown };
    assert_eq!(connection.sender().end(), Some(told));
}

/// The same of a peer that has left messages of ours unread, in whichever order the halves are asked.
fn is_cut(kind: Kind, connection: &mut Connection, error: &SendError) {
    if kind != Kind::Tcp {
        assert!(matches!(error, SendError::Disconnected), "{error:?}");
        return is_disconnected(kind, connection);
    }
    assert!(matches!(error, SendError::Reset), "{error:?}");
    for _ in 0..3 {
        let outcome = connection.recv(&mut [0; 64]);
        assert!(matches!(outcome, Err(RecvError::Reset)), "{outcome:?}");
        let outcome = connection.send(b"is anybody there?");
        assert!(matches!(outcome, Err(SendError::Reset)), "{outcome:?}");
    }
    assert_eq!(connection.receiver().end(), Some(End::Reset));
    assert_eq!(connection.sender().end(), Some(End::Reset));
}

fn receive(connection: &mut Connection, number: u64, len: usize) {
    let mut buffer = vec![0; connection.max_message()];
    let received = connection.recv(&mut buffer).expect("it was published");
    assert!(buffer[..received] == *message(number, len), "message {number}");
}

/// The peer is killed while it waits for a message; the survivor was waiting, too.
fn killed_while_both_wait(kind: Kind) {
    for wait in WAYS {
        let (mut second, mut here) = start(kind, "send, then wait", wait);
        (0..SENT).for_each(|number| receive(&mut here, number, 100));
        let survivor = thread::spawn(move || is_disconnected(kind, &mut here));
        second.kill();
        survivor.join().expect("it was told");
    }
}

/// The peer is killed before the survivor looks: all that was published is there.
fn killed_before_the_survivor_looks(kind: Kind) {
    for wait in WAYS {
        let (mut second, mut here) = start(kind, "send, then wait", wait);
        receive(&mut here, 0, 100);
        published_all(&mut second);
        second.kill();
        (1..SENT).for_each(|number| receive(&mut here, number, 100));
        is_disconnected(kind, &mut here);
    }
}

/// Waits for the byte that a second process writes to its standard output when it has published everything.
fn published_all(second: &mut Second) {
    let stdout = second.0.stdout.as_mut().expect("it is piped");
    // The harness of the second process says things there as well.
    let mut byte = [0];
    while byte != *b"\x07" {
        stdout.read_exact(&mut byte).expect("the second process lives");
    }
}

/// The peer is killed while it sends as fast as it can, more than any buffer holds.
fn killed_while_it_sends(kind: Kind) {
    for wait in WAYS {
        let (mut second, mut here) = start(kind, "stream", wait);
        let mut buffer = vec![0; here.max_message()];
        let mut number = 0;
        let outcome = loop {
            match here.recv(&mut buffer) {
                Ok(len) => assert!(buffer[..len] == *message(number, 5000), "message {number}"),
                Err(error) => break error,
            }
            number += 1;
            if number == 500 {
                second.kill();
            }
        };
        assert!(matches!(outcome, RecvError::Disconnected), "{outcome:?}");
        assert!(number >= 500);
    }
}

/// The peer is killed while the survivor waits for room.
fn killed_while_the_survivor_waits_for_room(kind: Kind) {
    for wait in WAYS {
        let (mut second, mut here) = start(kind, "never receive", wait);
        // Full: a send now waits.
        let full = loop {
            match here.sender().send_timeout(message(0, 60_000), Duration::from_millis(10)) {
                Ok(()) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(full, SendError::Timeout | SendError::Unfinished), "{full:?}");
        let survivor = thread::spawn(move || {
            let error = here.send(message(0, 60_000)).expect_err("there was no room");
            is_cut(kind, &mut here, &error);
        });
        second.kill();
        survivor.join().expect("it was told");
    }
}

/// The peer is killed while it receives and the survivor sends as fast as it can.
fn killed_while_it_receives(kind: Kind) {
    for wait in WAYS {
        let (mut second, mut here) = start(kind, "receive", wait);
        let mut number = 0;
        let error = loop {
            match here.send(message(number, 5000)) {
                Ok(()) => number += 1,
                Err(error) => break error,
            }
            if number == 500 {
                second.kill();
            }
        };
        match error {
            // It had read everything at that moment.
            SendError::Disconnected => is_disconnected(kind, &mut here),
            error => is_cut(kind, &mut here, &error),
        }
    }
}

/// A stopped peer is late: deadlines pass, nothing is said of death, and nothing is lost when it goes on.
fn stopped_is_late_not_dead(kind: Kind) {
    for wait in WAYS {
        let (second, mut here) = start(kind, "echo", wait);
        here.send(b"before").expect("room");
        assert_eq!(here.recv(&mut [0; 64]).expect("it lives"), 6);
        second.signal(Signal::STOP);
        eventually("stopped", || state(&second) == Some('T'));
        here.send(b"a question").expect("room");
        for _ in 0..3 {
            let outcome = here.receiver().recv_timeout(&mut [0; 64], Duration::from_millis(5));
            assert!(matches!(outcome, Err(RecvError::Timeout)), "{outcome:?}");
            let outcome = here.receiver().try_recv(&mut [0; 64]);
            assert!(matches!(outcome, Err(RecvError::Empty)), "{outcome:?}");
        }
        let mut taken = 0;
        let full = loop {
            match here.sender().send_timeout(message(taken, 30_000), Duration::from_millis(5)) {
                Ok(()) => taken += 1,
                Err(error) => break error,
            }
        };
        taken += u64::from(matches!(full, SendError::Unfinished));
        assert!(matches!(full, SendError::Timeout | SendError::Unfinished), "{full:?}");
        second.signal(Signal::CONT);
        assert_eq!(here.recv(&mut [0; 64]).expect("it goes on"), 10);
        // The answers are read while the rest of the questions goes out: neither side waits for ever.
        let (mut sender, mut receiver) = here.split();
        let flushed = thread::spawn(move || sender.flush().map(|()| sender));
        let mut buffer = vec![0; receiver.max_message()];
        for number in 0..taken {
            let len = receiver.recv(&mut buffer).expect("it goes on");
            assert!(buffer[..len] == *message(number, 30_000), "message {number}");
        }
        drop(flushed.join().expect("it flushed").expect("it was received"));
        drop(receiver);
        second.done();
    }
}

/// The letter of a process's state in /proc: `T` when it is stopped.
fn state(second: &Second) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", second.0.id())).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// A peer that is stopped and continued again and again, in whatever call, loses nothing and doubles nothing.
fn stopped_again_and_again_loses_nothing(kind: Kind) {
    for wait in WAYS {
        let (second, mut here) = start(kind, "echo", wait);
        let mut buffer = vec![0; here.max_message()];
        thread::scope(|scope| {
            let stopping = scope.spawn(|| {
                for _ in 0..30 {
                    second.signal(Signal::STOP);
                    thread::sleep(Duration::from_micros(300));
                    second.signal(Signal::CONT);
                    thread::sleep(Duration::from_micros(700));
                }
            });
            let mut number = 0;
            while !stopping.is_finished() || number < 20 {
                here.send(message(number, 3000)).expect("it is only stopped");
                let len = here.recv(&mut buffer).expect("it is only stopped");
                assert!(buffer[..len] == *message(number, 3000), "message {number}");
                number += 1;
            }
        });
        drop(here);
        second.done();
    }
}

for_every_kind! { test_each [
    killed_while_both_wait
    killed_before_the_survivor_looks
    killed_while_it_sends
    killed_while_the_survivor_waits_for_room
    killed_while_it_receives
    stopped_is_late_not_dead
    stopped_again_and_again_loses_nothing
] }

/// One end closes while words of the other are on their way to it, unread: it has closed all the same.
#[test]
fn a_close_that_crosses_another_is_a_close() {
    within("ends that close at once", || {
        for kind in Kind::ALL {
            for round in 0..if kind == Kind::Shm { 2000 } else { 100 } {
                let pair = || Connection::pair(kind, &Config::small()).expect("a pair");
                let (here, there) = pair();
                let (sender, mut receiver) = here.split();
                drop(sender);
                drop(there);
                let outcome = receiver.recv(&mut [0; 8]);
                assert_eq!(outcome, Err(RecvError::Disconnected), "{kind} {round}");
                assert_eq!(receiver.end(), Some(End::Closed), "{kind} {round}");
                if kind == Kind::Shm {
                    let (here, there) = pair();
                    let (mut sender, receiver) = here.split();
                    drop(receiver);
                    drop(there);
                    while sender.send(b"x") != Err(SendError::Disconnected) {}
                    assert_eq!(sender.end(), Some(End::Closed), "{round}");
                }
            }
        }
    });
}

/// Starts a peer that has a child of its own, which keeps the peer's socket open; returns the child's pid.
fn start_leaking(kind: Kind) -> (Second, Connection, Pid) {
    let (second, mut here) = start(kind, "leak", WaitStrategy::Block);
    let mut pid = [0; 4];
    assert_eq!(here.recv(&mut pid).expect("it says who its child is"), 4);
    (second, here, Pid::from_raw(i32::from_le_bytes(pid)).expect("a pid"))
}

#[test]
fn a_descriptor_that_leaked_into_a_grandchild_does_not_hide_a_death_on_shared_memory() {
    within("a leaked descriptor", || {
        let (mut second, mut here, grandchild) = start_leaking(Kind::Shm);
        second.kill();
        is_disconnected(Kind::Shm, &mut here);
        kill_process(grandchild, Signal::KILL).expect("the grandchild lives still");

        // The control: the same leak does hide the death of a Unix socket's owner, until the grandchild goes
        // too.
        let (mut second, mut here, grandchild) = start_leaking(Kind::Unix);
        second.kill();
        let outcome = here.receiver().recv_timeout(&mut [0; 8], Duration::from_millis(50));
        assert!(matches!(outcome, Err(RecvError::Timeout)), "control: {outcome:?}");
        kill_process(grandchild, Signal::KILL).expect("the grandchild lives still");
        is_disconnected(Kind::Unix, &mut here);
    });
}

/// A process that executes another program over itself lives on, and its connections do not.
#[test]
fn what_becomes_another_program_is_told_as_a_death() {
    within("a peer that executes another program", || {
        for kind in Kind::ALL {
            let (second, mut here) = start(kind, "become another", WaitStrategy::Block);
            receive(&mut here, 0, 100);
            is_disconnected(kind, &mut here);
            second.signal(Signal::KILL);
            let status = { second }.0.wait().expect("the child is ours");
            assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "it has lived until then");
        }
    });
}

#[test]
fn nothing_is_left_of_fifty_peers_that_were_killed() {
    // In a process of its own, where no other test opens or maps anything.
    let status = again("bury").status().expect("this program starts again");
    assert!(status.success(), "{status}");
}

fn bury() {
    let cycle = |round: usize| {
        let kind = Kind::ALL[round % Kind::ALL.len()];
        let (mut second, mut here) = start(kind, "send, then wait", WAYS[round % 3]);
        receive(&mut here, 0, 100);
        second.kill();
        while here.recv(&mut [0; 100]).is_ok() {}
    };
    let count = || (descriptors(), mappings(), threads());
    // The first connection starts the watcher.
    (0..Kind::ALL.len()).for_each(cycle);
    eventually("the mappings of the first", || mappings() == 0);
    eventually("the pidfds of the first", || !descriptors().iter().any(|link| link.contains("pidfd")));
    // Each was started by a thread that ends by itself.
    eventually("the threads that started them", || !is_running("crossing-child"));
    let before = count();
    (0..50).for_each(cycle);
    eventually("as before", || count() == before);
}

#[test]
fn second_process() {
    let Some(part) = part() else { return };
    if part == "bury" {
        return bury();
    }
    let (role, wait) = part.rsplit_once(' ').expect("a role and a way of waiting");
    let config = config(wait.parse().expect("a way of waiting"));
    if role == "leak" {
        return leak();
    }
    let endpoint = Endpoint::inherited().expect("an endpoint was handed over");
    let mut connection = endpoint.connect(&config).expect("the two sides agree");
    let mut buffer = vec![0; connection.max_message()];
    match role {
        "send, then wait" => {
            (0..SENT).for_each(|number| connection.send(message(number, 100)).expect("room"));
            std::io::stdout().write_all(b"\x07").expect("the parent listens");
            std::io::stdout().flush().expect("the parent listens");
            let outcome = connection.recv(&mut buffer);
            panic!("it was to be killed: {outcome:?}");
        }
        "stream" => {
            for number in 0.. {
                connection.send(message(number, 5000)).expect("the other side receives");
            }
        }
        "never receive" => loop {
            thread::park();
        },
        "receive" => {
            for number in 0.. {
                let len = connection.recv(&mut buffer).expect("the other side sends");
                assert!(buffer[..len] == *message(number, 5000), "message {number}");
            }
        }
        "echo" => loop {
            match connection.recv(&mut buffer) {
                Ok(len) => connection.send(&buffer[..len]).expect("the other side receives"),
                Err(RecvError::Disconnected) => return,
                Err(error) => panic!("{error}"),
            }
        },
        "become another" => {
            connection.send(message(0, 100)).expect("room");
            let error = Command::new("sleep").arg("1000").exec();
            panic!("sleep does not start: {error}");
        }
        role => panic!("{role} is no part of this play"),
    }
}

/// Starts a child while the inherited socket is still open for it, as a careless program would, and then
/// connects.
fn leak() {
    let mut command = Command::new("sleep");
    command.arg("60").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let grandchild = command.spawn().expect("sleep starts").id();
    let endpoint = Endpoint::inherited().expect("an endpoint was handed over");
    let mut connection = endpoint.connect(&config(WaitStrategy::Block)).expect("the two sides agree");
    connection.send(&grandchild.to_le_bytes()).expect("room");
    let outcome = connection.recv(&mut [0; 8]);
    panic!("it was to be killed: {outcome:?}");
}
