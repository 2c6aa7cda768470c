//! How much memory a connection keeps when a long message has gone through it: no more than before.
//!
//! Shared memory is not among them: its ring is made for two of the longest messages, and stays.
//!
//! In a process of its own, which does nothing else, so that what it has resident is the connections'.

mod process;

use std::thread;
use std::time::Duration;

use crossing::{Config, Connection, Kind, SendError};
use process::{again, part, resident_kib, within};

const CONNECTIONS: usize = 50;
const LONG: usize = 8 << 20;

/// What the connections of one kind may keep: less than a mebibyte each, of eight that went through each.
const BOUND_KIB: u64 = (CONNECTIONS as u64) << 10;

/// Sends one long message through a connection, by calls that may wait for ever or for a while.
fn pass(here: &mut Connection, there: &mut Connection, message: &[u8], buffer: &mut [u8], blocking: bool) {
    let moment = Duration::from_micros(100);
    thread::scope(|scope| {
        scope.spawn(|| {
            if blocking {
                return here.send(message).expect("the other end receives");
            }
            match here.sender().send_timeout(message, moment) {
                Ok(()) => {}
                Err(SendError::Unfinished) => here.sender().flush().expect("the other end receives"),
                Err(error) => panic!("{error}"),
            }
        });
        let len = loop {
            let receiver = there.receiver();
            let received =
                if blocking { receiver.recv(buffer) } else { receiver.recv_timeout(buffer, moment) };
            match received {
                Err(crossing::RecvError::Timeout) => {}
                outcome => break outcome.expect("the other end sends"),
            }
        };
        assert_eq!(len, message.len());
    });
}

/// What fifty connections keep.
fn measure(kind: Kind, blocking: bool) {
    let config = Config::default().max_message(LONG);
    let (message, mut buffer) = (vec![7; LONG], vec![0; LONG]);
    let mut ends: Vec<_> =
        (0..CONNECTIONS).map(|_| Connection::pair(kind, &config).expect("a pair")).collect();
    let mut each = |len: usize| {
        for (here, there) in &mut ends {
            pass(here, there, &message[..len], &mut buffer, blocking);
        }
    };
    // What a connection needs for short messages, and the buffer of the program itself, is there before.
    each(100);
    pass_once(&config, &message, kind, blocking);
    let before = resident_kib();
    each(LONG);
    let kept = resident_kib().saturating_sub(before);
    assert!(
        kept < BOUND_KIB,
        "{kind}: {CONNECTIONS} connections keep {kept} KiB after a message of 8 MiB each"
    );
}

/// The same for a connection that is dropped again: what the allocator keeps for itself is not counted.
fn pass_once(config: &Config, message: &[u8], kind: Kind, blocking: bool) {
    let (mut here, mut there) = Connection::pair(kind, config).expect("a pair");
    pass(&mut here, &mut there, message, &mut vec![0; LONG], blocking);
}

fn in_a_process_of_its_own(kind: Kind) {
    for how in ["waiting", "with deadlines"] {
        within(how, move || {
            let output = again(&format!("{kind} {how}")).output().expect("this program starts again");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{kind} {how}: {said}");
        });
    }
}

/// The memory of a ring is there from the beginning.
#[test]
fn a_channel_of_the_kernel_keeps_nothing_of_a_long_message() {
    Kind::ALL.into_iter().filter(|&kind| kind != Kind::Shm).for_each(in_a_process_of_its_own);
}

#[test]
fn second_process() {
    let Some(part) = part() else { return };
    let (kind, how) = part.split_once(' ').expect("a kind, and how");
    measure(kind.parse().expect("a kind"), how == "waiting");
}
