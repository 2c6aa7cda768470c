//! A child is given one end, whatever the parent's memory, descriptors and threads are like, and no
//! other process gets it.

// Closing standard input by its number, and a step between fork and exec, are what is tested.
#![allow(unsafe_code)]

mod process;

use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;

use crossing::{Connection, Endpoint, Kind};
use process::{Second, again, config, play, within};
use rustix::io::FdFlags;
use rustix::mm::{Advice, MapFlags, ProtFlags};
use rustix::process::Signal;

/// Says what it hears, until the other end goes.
fn echo(mut connection: Connection) {
    let mut buffer = [0; 64];
    while let Ok(len) = connection.recv(&mut buffer) {
        if connection.send(&buffer[..len]).is_err() {
            return;
        }
    }
}

fn answers(connection: &mut Connection) {
    connection.send(b"still there?").expect("room");
    let mut buffer = [0; 64];
    assert_eq!(connection.recv(&mut buffer).expect("an answer"), 12);
}

#[test]
fn second_process() {
    play(&[
        ("echo", || echo(inherited().connect(&config()).expect("a peer"))),
        ("parent without standard input, output and error", without_stdio),
        ("heir of a stale variable", || {
            let error = Endpoint::inherited().expect_err("it was meant for its parent").to_string();
            assert!(error.contains("another file") || error.contains("not open"), "{error}");
            let flags = rustix::io::fcntl_getfd(std::io::stdin()).expect("it is open");
            assert_eq!(flags, FdFlags::empty());
        }),
        ("parent of an heir", || {
            // Taken, and so kept from what this process starts; the variable is not.
            let endpoint = inherited();
            Second(again("heir of a stale variable").spawn().expect("it starts")).done();
            echo(endpoint.connect(&config()).expect("a peer"));
        }),
    ]);
}

fn inherited() -> Endpoint {
    Endpoint::inherited().expect("it was handed over")
}

/// How often this process has been given a page of memory without reading it from a disk. See proc_pid_stat(5).
fn minor_faults() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("/proc is mounted");
    let (_, fields) = stat.rsplit_once(") ").expect("the name is in brackets");
    fields.split(' ').nth(7).and_then(|text| text.parse().ok()).expect("a number")
}

/// A fork makes every page of private memory shared with the child: the parent's next store to each is a fault.
#[test]
fn starting_a_child_does_not_copy_the_parents_memory() {
    const PAGES: usize = 2048;
    // No machine has larger pages: each step is to another one.
    let page = 64 << 10;
    let memory = {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new range at a place of the kernel's choice, used through this slice only.
        unsafe {
            let at =
                rustix::mm::mmap_anonymous(std::ptr::null_mut(), PAGES * page, protection, MapFlags::PRIVATE)
                    .expect("some memory");
            rustix::mm::madvise(at, PAGES * page, Advice::LinuxNoHugepage).expect("small pages");
            std::slice::from_raw_parts_mut(at.cast::<u8>(), PAGES * page)
        }
    };
    let mut faults = |start: &mut dyn FnMut() -> Child| {
        memory.iter_mut().step_by(page).for_each(|byte| *byte = byte.wrapping_add(1));
        let mut child = Second(start());
        let before = minor_faults();
        memory.iter_mut().step_by(page).for_each(|byte| *byte = byte.wrapping_add(1));
        let faults = minor_faults() - before;
        child.kill();
        faults as usize
    };
    let ours = faults(&mut || {
        let (_here, there) = Endpoint::pair(Kind::Shm).expect("a pair of endpoints");
        there.spawn(again("echo")).expect("it starts")
    });
    assert!(ours < PAGES / 2, "{ours} of {PAGES} pages were copied");
    // The control: a step between fork and exec has std take the slow way, and the faults are seen.
    let by_fork = faults(&mut || {
        let mut command = again("echo");
        // SAFETY: does nothing.
        unsafe { command.pre_exec(|| Ok(())) };
        command.spawn().expect("it starts")
    });
    assert!(by_fork >= PAGES, "{by_fork} of {PAGES}");
}

#[test]
fn a_parent_without_standard_input_output_and_error_hands_over_what_its_child_finds() {
    within("a parent that has closed its standard descriptors", || {
        Second(again("parent without standard input, output and error").spawn().expect("it starts")).done();
    });
}

fn without_stdio() {
    for number in 0..3 {
        // SAFETY: this process was started for that; nothing here reads or prints any more.
        unsafe { rustix::io::close(number) };
    }
    for kind in Kind::ALL {
        let (here, there) = Endpoint::pair(kind).expect("a pair of endpoints");
        let mut command = again("echo");
        command.stdin(Stdio::inherit()).stdout(Stdio::inherit());
        let child = Second(there.spawn(command).expect("it starts"));
        let mut connection = here.connect(&config()).expect("a peer");
        answers(&mut connection);
        for number in 0..3 {
            let link = fs::read_link(format!("/proc/self/fd/{number}"));
            assert!(link.is_err(), "{kind}: descriptor {number} is {link:?}");
        }
        drop(connection);
        child.done();
    }
}

#[test]
fn a_variable_that_is_inherited_further_takes_nothing() {
    within("a child that starts another", || {
        let (here, there) = Endpoint::pair(Kind::Unix).expect("a pair of endpoints");
        let child = Second(there.spawn(again("parent of an heir")).expect("it starts"));
        let mut connection = here.connect(&config()).expect("a peer");
        answers(&mut connection);
        drop(connection);
        child.done();
    });
}

#[test]
fn pipes_to_the_child_are_there() {
    within("a child with pipes", || {
        let (_here, there) = Endpoint::pair(Kind::Pipe).expect("a pair of endpoints");
        let mut command = Command::new("sh");
        command.args(["-c", "cat; echo error >&2"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = there.spawn(command).expect("it starts");
        child.stdin.take().expect("it was asked for").write_all(b"through the pipe").expect("cat reads");
        let (mut out, mut err) = (String::new(), String::new());
        child.stdout.take().expect("it was asked for").read_to_string(&mut out).expect("text");
        child.stderr.take().expect("it was asked for").read_to_string(&mut err).expect("text");
        assert_eq!((out.as_str(), err.as_str()), ("through the pipe", "error\n"));
        assert!(child.wait().expect("the child is ours").success());
        // And what was not asked for is not.
        let (_here, there) = Endpoint::pair(Kind::Pipe).expect("a pair of endpoints");
        let mut child = there.spawn(Command::new("true")).expect("it starts");
        assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
        assert!(child.wait().expect("the child is ours").success());
    });
}

#[test]
fn what_cannot_be_started_is_said_and_leaves_nothing() {
    let (here, there) = Endpoint::pair(Kind::Unix).expect("a pair of endpoints");
    let error = there.spawn(Command::new("/no/such/program")).expect_err("there is no such program");
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    let outcome = within("the other end", move || here.connect(&config()));
    assert!(matches!(outcome, Err(crossing::ConnectError::Disconnected)), "{outcome:?}");
}

/// A child that another thread starts at the very moment: its descriptors, by what they lead to.
fn a_stranger() -> String {
    let listed = Command::new("ls").args(["-l", "/proc/self/fd"]).output().expect("it starts");
    String::from_utf8(listed.stdout).expect("text")
}

#[test]
fn a_child_that_is_started_meanwhile_inherits_nothing_of_it() {
    within("a child that is started meanwhile", || {
        let (here, there) = UnixStream::pair().expect("a pair of sockets");
        let (mut here, there) = (here, OwnedFd::from(there));
        let (_endpoint, handed) = Endpoint::pair(Kind::Shm).expect("a pair of endpoints");
        let before = a_stranger();
        let thread = thread::spawn(move || {
            let mut command = Command::new("true");
            let number = there.as_raw_fd();
            // SAFETY: two system calls on a descriptor that is open in the child; no memory of the parent is touched.
            unsafe {
                command.pre_exec(move || {
                    let line = std::os::fd::BorrowedFd::borrow_raw(number);
                    rustix::io::write(line, b"!")?;
                    rustix::io::read(line, &mut [0; 1])?;
                    Ok(())
                });
            }
            let child = handed.spawn(command).expect("it starts");
            drop(there);
            child
        });
        // The child stands between fork and exec.
        here.read_exact(&mut [0; 1]).expect("it says so");
        let sockets = |text: &str| text.matches("socket:").count();
        assert_eq!(sockets(&a_stranger()), sockets(&before), "{}", a_stranger());
        here.write_all(b"!").expect("it waits");
        assert!(thread.join().expect("no panic").wait().expect("the child is ours").success());

        // The control: where the flag is cleared in the table that all threads share, it is inherited.
        let (_one, other) = UnixStream::pair().expect("a pair of sockets");
        rustix::io::fcntl_setfd(&other, FdFlags::empty()).expect("it is open");
        assert_eq!(sockets(&a_stranger()), sockets(&before) + 1);
    });
}

#[test]
fn a_child_that_dies_with_its_parent_outlives_the_thread_that_started_it() {
    within("a child of a thread that has ended", || {
        let (here, there) = Endpoint::pair(Kind::Shm).expect("a pair of endpoints");
        let (mut connection, child) = thread::spawn(move || {
            let mut command = again("echo");
            // SAFETY: one system call, which touches no memory of the parent.
            unsafe {
                command
                    .pre_exec(|| Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?));
            }
            let child = Second(there.spawn(command).expect("it starts"));
            let mut connection = here.connect(&config()).expect("a peer");
            answers(&mut connection);
            (connection, child)
        })
        .join()
        .expect("no panic");
        answers(&mut connection);
        drop(connection);
        child.done();
    });
}
