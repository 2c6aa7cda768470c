//! Children that are given several ends by name, by this library or by another; what else they get,
//! which is nothing; and what becomes of them with their parent.

// A step between fork and exec is what is tested.
#![allow(unsafe_code)]

mod process;

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;

use crossing::{BlobMut, ConnectError, Connection, Endpoint, Kind, Listener, OwnedChild, RecvError, Spawn};
use process::{Second, again, config, descriptors, eventually, local, play, socket_path, within};
use rustix::process::{Pid, Signal, test_kill_process};

fn pair(kind: Kind) -> (Endpoint, Endpoint) {
    Endpoint::pair(kind).expect("a pair of endpoints")
}

fn connect(endpoint: Endpoint) -> Connection {
    endpoint.connect(&config()).expect("a peer")
}

fn answers(connection: &mut Connection) {
    connection.send(b"still there?").expect("room");
    assert_eq!(connection.recv(&mut [0; 64]).expect("an answer"), 12);
}

fn echo(mut connection: Connection) {
    let mut buffer = [0; 64];
    while let Ok(len) = connection.recv(&mut buffer) {
        if connection.send(&buffer[..len]).is_err() {
            return;
        }
    }
}

/// The parts that a child of these tests takes.
const NAMES: [&str; 3] = ["frames", "control", "log_2"];

fn two_ends_and_one_without_a_name() {
    // In another order than they were given in.
    let named: Vec<Endpoint> =
        NAMES.iter().rev().map(|name| Endpoint::inherited_named(name).expect("it was given")).collect();
    for name in NAMES {
        let error = Endpoint::inherited_named(name).expect_err("it was taken").to_string();
        assert!(error.contains(name) && error.contains("taken already"), "{error}");
    }
    let error = Endpoint::inherited_named("another").expect_err("it was not given").to_string();
    assert!(error.contains("CROSSING_ENDPOINT_another is not set"), "{error}");
    let error = Endpoint::inherited_named("no name").expect_err("it is none").to_string();
    assert!(error.contains("`no name` is no name"), "{error}");
    // A child of this one inherits the variables, and none of the ends.
    Second(again("heir of the variables").spawn().expect("it starts")).done();
    let unnamed = Endpoint::inherited().ok();
    let threads: Vec<_> =
        named.into_iter().chain(unnamed).map(|end| thread::spawn(move || echo(connect(end)))).collect();
    threads.into_iter().for_each(|it| it.join().expect("no panic"));
}

fn heir() {
    for name in NAMES {
        assert!(std::env::var(format!("CROSSING_ENDPOINT_{name}")).is_ok());
        let error = Endpoint::inherited_named(name).expect_err("it is its parent's").to_string();
        assert!(error.contains("not open") || error.contains("another file"), "{error}");
    }
}

#[test]
fn a_child_takes_each_of_its_ends_by_name() {
    within("children with three ends", || {
        for kind in Kind::ALL {
            let (ends, theirs): (Vec<_>, Vec<_>) = NAMES.map(|_| pair(kind)).into_iter().unzip();
            // By this library, with one that has no name, and by another, which knows a command
            // only.
            let (own, unnamed) = pair(kind);
            let mut spawn = Spawn::new(again("ends by name")).give_unnamed(unnamed);
            for (name, end) in NAMES.into_iter().zip(theirs) {
                spawn = spawn.give(name, end);
            }
            let mut child = spawn.kill_on_drop(true).spawn().expect("it starts");
            let mut connections: Vec<_> = ends.into_iter().chain([own]).map(connect).collect();
            connections.iter_mut().for_each(answers);
            drop(connections);
            assert!(child.wait().expect("the child is ours").success());

            let mut command = again("ends by name");
            let give = |name| {
                let (here, there) = pair(kind);
                there.give(&mut command, name).expect("it is new");
                here
            };
            let ends = NAMES.map(give);
            let child = Second(command.spawn().expect("it starts"));
            let mut connections = ends.map(connect);
            connections.iter_mut().for_each(answers);
            // The command is still there, and holds nothing: a death is noticed at once.
            let [first, _rest @ ..] = &mut connections;
            child.signal(Signal::KILL);
            let outcome = first.recv(&mut [0; 64]);
            assert!(
                matches!(outcome, Err(RecvError::Disconnected | RecvError::Reset)),
                "{kind}: {outcome:?}"
            );
            drop(command);
        }
    });
}

#[test]
fn an_end_is_given_to_one_child_and_not_to_the_next_of_the_same_command() {
    within("a command that is started twice", || {
        let (here, there) = pair(Kind::Unix);
        let mut command = again("one end");
        there.give(&mut command, "end").expect("it is new");
        let child = Second(command.spawn().expect("it starts"));
        let error = command.spawn().expect_err("it has nothing to give");
        assert_eq!(error.raw_os_error(), Some(116), "ESTALE: {error}");
        let mut connection = connect(here);
        answers(&mut connection);
        drop(connection);
        child.done();
    });
}

fn one_end() {
    echo(connect(Endpoint::inherited_named("end").expect("it was given")));
}

#[test]
fn a_name_that_is_none_or_was_given_is_refused_and_its_end_is_gone() {
    within("names that do not fit", || {
        let gone = |here: Endpoint| {
            let outcome = here.connect(&config());
            assert!(matches!(outcome, Err(ConnectError::Disconnected)), "{outcome:?}");
        };
        for name in ["", "two words", "a=b", "a-b", &"x".repeat(65)] {
            let (here, there) = pair(Kind::Shm);
            let error = there.give(&mut Command::new("true"), name).expect_err("it is none");
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}: {error}");
            gone(here);
            let (here, there) = pair(Kind::Shm);
            let error = Spawn::new(Command::new("true")).give(name, there).spawn().expect_err("it is none");
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}: {error}");
            gone(here);
        }
        let mut command = Command::new("true");
        let (first, second) = (pair(Kind::Pipe), pair(Kind::Pipe));
        first.1.give(&mut command, "end").expect("it is new");
        let error = second.1.give(&mut command, "end").expect_err("it was given");
        assert!(error.to_string().contains("given before"), "{error}");
        gone(second.0);
        // A command that starts nothing gives nothing.
        drop(command);
        gone(first.0);
        let (one, other) = (pair(Kind::Unix), pair(Kind::Unix));
        let twice = Spawn::new(Command::new("true")).give("end", one.1).give("end", other.1);
        assert_eq!(twice.spawn().expect_err("twice").kind(), io::ErrorKind::InvalidInput);
        gone(one.0);
        gone(other.0);
    });
}

/// How many descriptors a child finds open beside standard input, output and error, and one of each
/// kind of thing that this library holds stands open in its parent.
#[test]
fn a_child_finds_what_it_was_given_and_no_other_descriptor() {
    within("children that count", || {
        let listeners: Vec<_> = local()
            .map(|kind| {
                let address = crossing::Address::at_path(kind, socket_path()).expect("a path");
                Listener::bind(&address).expect("a free path")
            })
            .collect();
        let connections = Kind::ALL.map(|kind| Connection::pair(kind, &config()).expect("a pair"));
        let mut blob = BlobMut::new(5000).expect("memory");
        blob.as_mut()[0] = 1;
        let blob = blob.seal().expect("it seals");
        let count = |text: &str| {
            // The program lists the folder that it reads as well.
            text.lines().filter(|line| line.contains("->") && !line.contains("/proc/")).count()
        };
        let list = || {
            let mut command = Command::new("ls");
            command.args(["-l", "/proc/self/fd"]).stdin(Stdio::null()).stdout(Stdio::piped());
            command.stderr(Stdio::null());
            command
        };
        // Standard input, output and error, and what this process itself was careless enough to
        // inherit.
        let usual = count(&String::from_utf8(list().output().expect("it starts").stdout).expect("text"));
        let counted = |mut child: OwnedChild| {
            let mut text = String::new();
            child.stdout.take().expect("it was asked for").read_to_string(&mut text).expect("text");
            assert!(child.wait().expect("the child is ours").success(), "{text}");
            count(&text) - usual
        };
        let spawn = || Spawn::new(list());
        assert_eq!(counted(spawn().spawn().expect("it starts")), 0);
        let (_a, a) = pair(Kind::Shm);
        let (_b, b) = pair(Kind::Tcp);
        assert_eq!(counted(spawn().give("a", a).give_unnamed(b).spawn().expect("it starts")), 2);
        let (_a, a) = pair(Kind::Unix);
        assert_eq!(counted(spawn().die_with_parent(true).give("a", a).spawn().expect("it starts")), 1);
        // Through a command that this library only adds to.
        let (_a, a) = pair(Kind::Shm);
        let (_b, b) = pair(Kind::Pipe);
        let mut command = list();
        a.give(&mut command, "a").expect("it is new");
        b.give(&mut command, "b").expect("it is new");
        assert_eq!(counted(Spawn::new(command).spawn().expect("it starts")), 2);
        // The control: what is not closed by exec(2) is seen.
        let leaked = std::fs::File::open("/dev/null").expect("it is there");
        rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).expect("it is open");
        assert_eq!(counted(spawn().spawn().expect("it starts")), 1);
        drop((listeners, connections, blob));
    });
}

/// The descriptors of a child that another thread starts, by what they lead to.
fn a_stranger() -> String {
    let listed = Command::new("ls").args(["-l", "/proc/self/fd"]).output().expect("it starts");
    String::from_utf8(listed.stdout).expect("text")
}

#[test]
fn what_is_given_with_a_command_is_inherited_by_no_child_that_is_started_meanwhile() {
    within("a child that is started meanwhile", || {
        let (mut here, there) = UnixStream::pair().expect("a pair of sockets");
        let there = OwnedFd::from(there);
        let (_end, given) = pair(Kind::Shm);
        let before = a_stranger();
        let mut command = Command::new("true");
        given.give(&mut command, "end").expect("it is new");
        let sockets = |text: &str| text.matches("socket:").count();
        assert_eq!(sockets(&a_stranger()), sockets(&before), "while it waits with its command");
        let thread = thread::spawn(move || {
            let number = there.as_raw_fd();
            // SAFETY: two system calls on a descriptor that is open in the child; no memory of the parent is touched.
            unsafe {
                command.pre_exec(move || {
                    let line = BorrowedFd::borrow_raw(number);
                    rustix::io::write(line, b"!")?;
                    rustix::io::read(line, &mut [0; 1])?;
                    Ok(())
                });
            }
            let child = command.spawn().expect("it starts");
            drop(there);
            child
        });
        // The child stands between fork and exec, and has taken its end.
        here.read_exact(&mut [0; 1]).expect("it says so");
        assert_eq!(sockets(&a_stranger()), sockets(&before), "{}", a_stranger());
        here.write_all(b"!").expect("it waits");
        assert!(thread.join().expect("no panic").wait().expect("the child is ours").success());
    });
}

/// Many threads start children at once, each with an end of its own: each end has one process at
/// its other side, and dies with it.
#[test]
fn children_that_are_started_at_once_get_their_own_ends_only() {
    within("children that are started at once", || {
        let before = descriptors();
        thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    for round in 0..10 {
                        let (here, there) = pair(Kind::Unix);
                        let mut command = again("one end");
                        let mut child = if (thread + round) % 2 == 0 {
                            there.give(&mut command, "end").expect("it is new");
                            Second(command.spawn().expect("it starts"))
                        } else {
                            let mut child =
                                Spawn::new(command).give("end", there).spawn().expect("it starts");
                            answers_and_dies(connect(here), Pid::from_child(&child));
                            child.wait().expect("the child is ours");
                            continue;
                        };
                        answers_and_dies(connect(here), Pid::from_child(&child.0));
                        child.kill();
                    }
                });
            }
        });
        eventually("as before", || descriptors() == before);
    });
}

fn answers_and_dies(mut connection: Connection, child: Pid) {
    answers(&mut connection);
    rustix::process::kill_process(child, Signal::KILL).expect("it is not reaped");
    let outcome = connection.recv(&mut [0; 64]);
    assert!(matches!(outcome, Err(RecvError::Disconnected)), "a copy of its end is elsewhere: {outcome:?}");
}

fn is_there(pid: Pid) -> bool {
    test_kill_process(pid).is_ok()
}

#[test]
fn a_child_that_is_owned_goes_with_its_owner() {
    within("a child that is dropped", || {
        let (here, there) = pair(Kind::Shm);
        let child =
            Spawn::new(again("one end")).give("end", there).kill_on_drop(true).spawn().expect("starts");
        let pid = Pid::from_child(&child);
        let mut connection = connect(here);
        answers(&mut connection);
        drop(child);
        // No zombie is left either: it would still be there.
        assert!(!is_there(pid));
        let outcome = connection.recv(&mut [0; 64]);
        assert!(matches!(outcome, Err(RecvError::Disconnected)), "{outcome:?}");

        // The control: without it, the child lives on.
        let (here, there) = pair(Kind::Shm);
        let child = Spawn::new(again("one end")).give("end", there).spawn().expect("it starts");
        let pid = Pid::from_child(&child);
        drop(child);
        let mut connection = connect(here);
        answers(&mut connection);
        drop(connection);
        rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).expect("it is ours");
        // One that has ended already is not killed: its number may be of another process by now.
        let mut child = Spawn::new(Command::new("true")).kill_on_drop(true).spawn().expect("it starts");
        assert!(child.wait().expect("the child is ours").success());
        drop(child);
    });
}

/// A parent that starts two children and says their pids; one is to die with it.
fn parent_of_two() {
    let spawn = |with_parent| {
        let mut command = Command::new("sleep");
        command.arg("1000").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // In a thread that ends at once: for the kernel a parent is a thread.
        let start = move || Spawn::new(command).die_with_parent(with_parent).spawn();
        thread::spawn(start).join().expect("no panic").expect("it starts")
    };
    let lives = |child: &OwnedChild| lives(Pid::from_child(child));
    let (with, without) = (spawn(true), spawn(false));
    let mut line = process::Line::inherited();
    line.say(with.id().into());
    line.say(without.id().into());
    line.hear();
    line.say(u64::from(lives(&with) && lives(&without)));
    loop {
        thread::park();
    }
}

#[test]
fn a_child_that_dies_with_its_parent_dies_when_that_is_killed() {
    within("a parent that is killed", || {
        let (mut line, theirs) = process::Line::pair();
        let mut parent = Second(again("parent of two").stdin(theirs).spawn().expect("it starts"));
        let mut pid = || Pid::from_raw(line.hear().try_into().expect("a pid")).expect("not zero");
        let (with, without) = (pid(), pid());
        line.say(0);
        assert_eq!(line.hear(), 1, "both live while their parent does");
        parent.kill();
        eventually("it dies, too", || !lives(with));
        // The control.
        assert!(lives(without));
        rustix::process::kill_process(without, Signal::KILL).expect("it lives");
    });
}

/// Whether a process is there and is no zombie, which it stays where no process reaps it.
fn lives(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X'])))
}

#[test]
fn what_cannot_be_started_leaves_nothing_of_its_ends() {
    within("a program that is not there", || {
        for forks in [false, true] {
            let ((one, a), (other, b)) = (pair(Kind::Unix), pair(Kind::Shm));
            let spawn = Spawn::new(Command::new("/no/such/program")).die_with_parent(forks);
            let error = spawn.give("a", a).give("b", b).spawn().expect_err("there is no such program");
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            for end in [one, other] {
                let outcome = end.connect(&config());
                assert!(matches!(outcome, Err(ConnectError::Disconnected)), "{outcome:?}");
            }
        }
    });
}

#[test]
fn second_process() {
    play(&[
        ("ends by name", two_ends_and_one_without_a_name),
        ("heir of the variables", heir),
        ("one end", one_end),
        ("parent of two", parent_of_two),
    ]);
}
