//! How a TCP connection ends: what an orderly drop loses (nothing), what a kill may lose (and says), and what an abort is called.
//!
//! Each side of a connection that is used both ways has answers of the other unread when it ends: that is what makes a kernel reset
//! it.

#[path = "process/cannot_run.rs"]
mod cannot_run;
mod process;

use std::io::Write;
use std::net::SocketAddr;
use std::process::Command;
use std::thread;

use cannot_run::{Lacks, cannot_run};
use crossing::{
    Address, Config, Connection, End, Endpoint, Kind, Listener, RecvError, SendError, WaitStrategy,
};
use process::{Line, Second, again, message, part, within};

const LEN: usize = 100;

fn config() -> Config {
    Config::default().wait(WaitStrategy::Block).linger(process::LIMIT).connect_timeout(process::LIMIT)
}

/// Receives until the end. How many came, each of them right, and how it ended.
fn receive_all(receiver: &mut crossing::Receiver) -> (u64, End) {
    let mut buffer = vec![0; receiver.max_message()];
    let mut number = 0;
    let told = loop {
        match receiver.recv(&mut buffer) {
            Ok(len) => assert!(buffer[..len] == *message(number, LEN), "message {number}"),
            Err(error) => break error,
        }
        number += 1;
    };
    let end = receiver.end().expect("it was told");
    for again in (0..3).map(|_| receiver.recv(&mut buffer)) {
        match again {
            Err(RecvError::Reset) => assert!(matches!(told, RecvError::Reset) && end == End::Reset),
            Err(RecvError::Disconnected) => assert!(matches!(told, RecvError::Disconnected)),
            outcome => panic!("{outcome:?} after {told:?}"),
        }
    }
    (number, end)
}

/// Sends until there is no more room. How many were taken.
fn fill(sender: &mut crossing::Sender) -> u64 {
    let mut taken = 0;
    loop {
        match sender.try_send(message(taken, LEN)) {
            Ok(()) => taken += 1,
            Err(SendError::Full) => return taken,
            Err(SendError::Unfinished) => return taken + 1,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Starts this program again in `role`, and connects to it.
fn start(role: &str) -> (Second, Connection, Line) {
    let (here, there) = Endpoint::pair(Kind::Tcp).expect("a pair of endpoints");
    let (line_here, line_there) = Line::pair();
    let mut command = again(role);
    command.stdin(line_there);
    let second = Second(there.spawn(command).expect("this program starts again"));
    let connection = here.connect(&config()).expect("the two sides agree");
    (second, connection, line_here)
}

#[test]
fn an_orderly_drop_with_one_answer_unread_loses_nothing() {
    within("a drop", || {
        let (second, mut here, mut line) = start("send all, then drop");
        here.send(b"an answer that is not read").expect("room");
        line.say(0);
        let taken = line.hear();
        let (mut sender, mut receiver) = here.split();
        assert_eq!(receive_all(&mut receiver), (taken, End::Closed));
        let error = loop {
            if let Err(error) = sender.send(b"x") {
                break error;
            }
        };
        // The end of its stream came before the reset: nothing was lost, and it only receives no more.
        assert!(matches!(error, SendError::Disconnected), "{error:?}");
        second.done();
    });
}

#[test]
fn the_control_a_socket_that_is_closed_with_one_byte_unread_does_lose() {
    // What a drop must not do, by hand: the same bytes, and close(2).
    within("a control", || {
        let lost = (0..20).any(|_| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
            let address: SocketAddr = listener.local_addr().expect("it listens");
            let mut theirs = std::net::TcpStream::connect(address).expect("it listens");
            let (mut mine, _) = listener.accept().expect("it came");
            theirs.write_all(b"x").expect("room");
            mine.set_nonblocking(true).expect("a socket");
            let mut sent = 0;
            while let Ok(bytes) = mine.write(&[0; 4096]) {
                sent += bytes;
            }
            drop(mine);
            let mut received = 0;
            let mut buffer = vec![0; 1 << 16];
            while let Ok(bytes @ 1..) = std::io::Read::read(&mut theirs, &mut buffer) {
                received += bytes;
            }
            received < sent
        });
        assert!(lost, "control: nothing was lost, so the tests beside it prove nothing");
    });
}

#[test]
fn a_killed_sender_with_unread_answers_never_ends_cleanly_and_short() {
    within("kills", || {
        let mut resets = 0;
        for round in 0..40 {
            let (mut second, mut here, mut line) = start("send all, then wait");
            here.send(b"an answer that is not read").expect("room");
            line.say(0);
            let taken = line.hear();
            // Every other time most of it has been read by then.
            let mut read = 0;
            let mut buffer = [0; LEN];
            while round % 2 == 0 && read < taken / 2 {
                here.recv(&mut buffer).expect("it was sent");
                assert!(buffer == *message(read, LEN));
                read += 1;
            }
            second.kill();
            let (mut sender, mut receiver) = here.split();
            // The other half may be told first: both say the same.
            let asked = (round % 4 > 1).then(|| {
                loop {
                    if let Err(error) = sender.send(b"x") {
                        break error;
                    }
                }
            });
            let mut number = read;
            let told = loop {
                match receiver.recv(&mut buffer) {
                    Ok(len) => assert!(buffer[..len] == *message(number, LEN), "message {number}"),
                    Err(error) => break error,
                }
                number += 1;
            };
            match (&told, receiver.end()) {
                (RecvError::Reset, Some(End::Reset)) => resets += 1,
                // The last of them may still have been in its own line.
                (RecvError::Disconnected, Some(End::Abrupt)) => {
                    assert!(number + 1 >= taken, "{number} of {taken}, and a clean end");
                }
                outcome => panic!("{outcome:?}"),
            }
            if let (Some(asked), RecvError::Reset) = (asked, &told) {
                assert!(matches!(asked, SendError::Reset), "{asked:?}");
            }
        }
        assert!(resets > 0, "no kill left anything unread");
    });
}

/// Two ends in this process, which are cut by the administrator's `ss --kill` once something was `done` with them; `None` if
/// that cannot be had.
fn cut_pair_when<T>(done: impl Fn(Connection) -> T) -> Option<(T, T)> {
    let listener = Listener::bind(&"tcp://127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let address: Address = listener.address().clone();
    let port = address.to_string().rsplit_once(':').expect("a port").1.to_string();
    let client = thread::spawn(move || {
        Endpoint::dial(&address, &config()).expect("it listens").connect(&config()).expect("two of a kind")
    });
    let server = listener.accept().expect("it comes").connect(&config()).expect("two of a kind");
    let (client, server) = (done(client.join().expect("it connected")), done(server));
    let output = Command::new("ss")
        .args(["--kill", "--tcp", "--no-header", "dport", "=", &format!(":{port}")])
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            cannot_run(Lacks::Tool, format!("ss, of iproute2: {error}"));
            return None;
        }
    };
    if output.stdout.is_empty() {
        let (said, root) = (String::from_utf8_lossy(&output.stderr), rustix::process::geteuid().is_root());
        // A kernel without CONFIG_INET_DIAG_DESTROY cannot do it.
        let lacks = if root && said.is_empty() { Lacks::Part } else { Lacks::Right };
        cannot_run(lacks, format!("ss --kill takes CAP_NET_ADMIN and INET_DIAG_DESTROY: {said}"));
        return None;
    }
    Some((client, server))
}

#[test]
fn an_abort_is_told_by_one_word_to_both_halves_of_both_ends() {
    within("an abort", || {
        for sender_first in [true, false] {
            let Some((client, server)) = cut_pair_when(|end| end) else { return };
            for end in [client, server] {
                let (mut sender, mut receiver) = end.split();
                // In a thread of its own: whichever half the kernel tells, the other knows.
                let sending = move || {
                    for _ in 0..3 {
                        let outcome = sender.send(b"x");
                        assert!(matches!(outcome, Err(SendError::Reset)), "{outcome:?}");
                    }
                };
                if sender_first {
                    thread::spawn(sending).join().expect("it was told");
                    assert_eq!(receive_all(&mut receiver), (0, End::Reset));
                } else {
                    assert_eq!(receive_all(&mut receiver), (0, End::Reset));
                    thread::spawn(sending).join().expect("it was told");
                }
            }
        }
    });
}

#[test]
fn an_abort_is_told_by_one_word_to_halves_that_are_told_at_once() {
    within("an abort of two threads", || {
        for _ in 0..20 {
            // Each of them asks again and again while it is cut.
            let asking = |end: Connection| {
                let (mut sender, mut receiver) = end.split();
                let receiving = thread::spawn(move || {
                    let mut buffer = [0; 64];
                    loop {
                        if let Err(error) = receiver.recv(&mut buffer) {
                            return error;
                        }
                    }
                });
                let sending = thread::spawn(move || {
                    loop {
                        if let Err(error) = sender.send(b"x") {
                            return error;
                        }
                    }
                });
                (receiving, sending)
            };
            let Some((client, server)) = cut_pair_when(asking) else { return };
            for (receiving, sending) in [client, server] {
                let told = receiving.join().expect("it was told");
                assert!(matches!(told, RecvError::Reset), "{told:?}");
                let told = sending.join().expect("it was told");
                assert!(matches!(told, SendError::Reset), "{told:?}");
            }
        }
    });
}

#[test]
fn second_process() {
    let Some(part) = part() else { return };
    let endpoint = Endpoint::inherited().expect("an endpoint was handed over");
    let (mut sender, receiver) = endpoint.connect(&config()).expect("the two sides agree").split();
    let mut line = Line::inherited();
    assert_eq!(line.hear(), 0);
    let taken = fill(&mut sender);
    line.say(taken);
    match &*part {
        "send all, then drop" => {
            drop(receiver);
            drop(sender);
        }
        _ => loop {
            thread::park();
        },
    }
}
