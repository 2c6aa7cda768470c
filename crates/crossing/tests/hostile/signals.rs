//! Signals: SIGPIPE kills no process, and a signal that interrupts a wait goes unnoticed.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::thread;
use std::time::{Duration, Instant};

use crossing::{Connection, Endpoint, Kind, RecvError, SendError, WaitStrategy};
use rustix::process::Signal;

use crate::process::{LIMIT, Second, again, message, within};
use crate::{alone, config};

unsafe extern "C" {
    fn signal(number: c_int, action: usize) -> usize;
    fn siginterrupt(number: c_int, interrupt: c_int) -> c_int;
}

extern "C" fn nothing(_: c_int) {}

/// In a program in which SIGPIPE kills, a peer that receives no more is an error like any other.
#[test]
fn a_peer_that_goes_does_not_kill_a_program_that_lets_sigpipe_kill() {
    let _alone = alone();
    let status = again("sigpipe").status().expect("this program starts again");
    assert!(status.success(), "{status}");
    // The control: a plain write there is deadly.
    let status = again("sigpipe control").status().expect("this program starts again");
    let killed = std::os::unix::process::ExitStatusExt::signal(&status);
    assert_eq!(killed, Some(Signal::PIPE.as_raw()), "control: {status}");
}

fn let_sigpipe_kill() {
    // SAFETY: SIG_DFL is an action of the C library's ABI, and installs no code.
    unsafe { signal(Signal::PIPE.as_raw(), 0) };
}

pub(crate) fn sigpipe() {
    let_sigpipe_kill();
    for kind in Kind::ALL {
        let (mut here, there) = Connection::pair(kind, &config(LIMIT)).expect("a pair of ends");
        drop(there);
        let error = loop {
            if let Err(error) = here.send(message(0, 100)) {
                break error;
            }
        };
        assert!(matches!(error, SendError::Disconnected), "{kind}: {error:?}");
        let outcome = here.sender().try_send(b"never");
        assert!(matches!(outcome, Err(SendError::Disconnected)), "{kind}: {outcome:?}");
        let mut cork = here.cork();
        let _ = cork.send(b"never");
    }
}

pub(crate) fn sigpipe_control() {
    let_sigpipe_kill();
    let (reading, writing) = rustix::pipe::pipe().unwrap();
    drop(reading);
    let _ = rustix::io::write(&writing, b"never");
}

/// Signals interrupt whatever a call is waiting in; the caller never hears of it.
#[test]
fn a_storm_of_signals_surfaces_nowhere() {
    let _alone = alone();
    for kind in Kind::ALL {
        for wait in [WaitStrategy::Block, WaitStrategy::HYBRID, WaitStrategy::Spin] {
            let (here, there) = Endpoint::pair(kind).unwrap();
            let mut command = again("storm");
            command.env("CROSSING_TEST_WAIT", wait.name());
            let second = Second(there.spawn(command).expect("this program starts again"));
            within(&format!("a storm over {kind} {wait}"), move || {
                let mut here = here.connect(&config(LIMIT).wait(wait)).expect("a correct peer");
                assert_eq!(here.recv(&mut [0; 8]).expect("it is ready for the storm"), 0);
                thread::scope(|scope| {
                    let storm = scope.spawn(|| {
                        let end = Instant::now() + Duration::from_millis(100);
                        while Instant::now() < end {
                            second.signal(Signal::USR1);
                        }
                    });
                    let mut buffer = vec![0; here.max_message()];
                    let mut number = 0;
                    // The last questions come when the storm is over, and end the talk.
                    while !storm.is_finished() || number < 20 {
                        here.send(message(number, 3000)).expect("the other side receives");
                        let len = here.recv(&mut buffer).expect("the other side answers");
                        assert!(buffer[..len] == *message(number, 3000), "{kind} {wait}: answer {number}");
                        number += 1;
                    }
                    // More than any buffer holds, so that the sender there waits for room as well.
                    here.send(b"").expect("the other side receives");
                    for number in 0..200 {
                        second.signal(Signal::USR1);
                        let len = here.recv(&mut buffer).expect("the other side sends");
                        assert!(buffer[..len] == *message(number, 60_000), "{kind} {wait}: message {number}");
                    }
                });
                drop(here);
                second.done();
            });
        }
    }
}

pub(crate) fn storm() {
    let wait = std::env::var("CROSSING_TEST_WAIT").expect("how to wait").parse().expect("a way of waiting");
    // SAFETY: the handler does nothing, so there is nothing it may not do; calls are interrupted and not
    // restarted.
    unsafe {
        signal(Signal::USR1.as_raw(), nothing as extern "C" fn(c_int) as usize);
        siginterrupt(Signal::USR1.as_raw(), 1);
    }
    let mut connection = Endpoint::inherited().unwrap().connect(&config(LIMIT).wait(wait)).unwrap();
    let mut buffer = vec![0; connection.max_message()];
    connection.send(b"").expect("the other side receives");
    loop {
        let len = connection.recv(&mut buffer).expect("the other side asks");
        if len == 0 {
            break;
        }
        connection.send(&buffer[..len]).expect("the other side receives");
    }
    for number in 0..200 {
        connection.send(message(number, 60_000)).expect("the other side receives");
    }
    let outcome = connection.recv(&mut buffer);
    assert!(matches!(outcome, Err(RecvError::Disconnected)), "{outcome:?}");
}
