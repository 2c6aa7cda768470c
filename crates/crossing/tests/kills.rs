//! A thousand kills at random, and a ledger of what must have survived them.
//!
//! One side streams numbered messages of random lengths as fast as it can, the other verifies each. One of
//! the two is another process, which is killed at a random moment. It keeps a ledger in memory that outlives
//! it: how many `send`s had returned, or how many messages it had verified. Afterwards the ledger is held
//! against what the survivor saw.
//!
//! A campaign that finds nothing proves nothing unless it could have found something: two deliberately broken
//! programs run through the same ledger and the same verdict, and must be caught.
//!
//! The seed is printed; `CROSSING_SEED` sets it, so that what is chosen is chosen again. When a kill strikes is the
//! scheduler's affair.

mod process;

use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crossing::{Config, Connection, Endpoint, Kind, Ready, RecvError, SendError, WaitStrategy};
use process::dice::Dice;
use process::ledger::Ledger;
use process::numbered::{Fault, verify, write_message};
use process::seed::seed;
use process::{Second, again, message, part};
use rustix::event::{PollFd, PollFlags, poll};

/// How many kills.
const KILLS: u64 = 1000;

/// How long a survivor may take to notice: a watchdog, thousands of times what it takes.
const PATIENCE: Duration = process::LIMIT;

/// A control not caught after this many kills never will be.
const CONTROL_KILLS: u64 = 1000;

/// How a side waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// In the call.
    Call(WaitStrategy),
    /// For the half's descriptor, once it is armed.
    Descriptor,
}

impl Way {
    const NAMES: [&str; 3] = ["spin", "block", "descriptor"];

    fn named(name: &str) -> Way {
        name.parse().map_or(Way::Descriptor, Way::Call)
    }

    fn strategy(self) -> WaitStrategy {
        if let Way::Call(wait) = self { wait } else { WaitStrategy::Block }
    }
}

/// Waits until a half that is armed may go on.
fn wait_for(half: impl AsFd, ready: Ready, events: PollFlags) {
    if ready == Ready::Wait {
        poll(&mut [PollFd::new(&half, events)], None).expect("it can be polled");
    }
}

fn receive_one(connection: &mut Connection, way: Way, buffer: &mut [u8]) -> Result<usize, RecvError> {
    if way != Way::Descriptor {
        return connection.recv(buffer);
    }
    loop {
        match connection.receiver().try_recv(buffer) {
            Err(RecvError::Empty) => {}
            outcome => return outcome,
        }
        let ready = connection.arm();
        wait_for(&*connection, ready, PollFlags::IN);
    }
}

fn send_one(connection: &mut Connection, way: Way, message: &[u8]) -> Result<(), SendError> {
    if way != Way::Descriptor {
        return connection.send(message);
    }
    let sender = connection.sender();
    let mut taken = false;
    loop {
        let outcome = if taken { sender.try_flush() } else { sender.try_send(message) };
        match outcome {
            Err(SendError::Unfinished) => taken = true,
            Err(SendError::Full) => {}
            outcome => return outcome,
        }
        let ready = sender.arm(message.len());
        wait_for(&*sender, ready, PollFlags::OUT);
    }
}

/// Receives and verifies until the end. Returns how many were right.
fn receive(mut connection: Connection, way: Way, ledger: Option<&Ledger>) -> Result<u64, Fault> {
    let mut buffer = vec![0; connection.max_message()];
    let mut number = 0;
    loop {
        match receive_one(&mut connection, way, &mut buffer) {
            Ok(len) => verify(&buffer[..len], number)?,
            // On TCP a sender that was killed before it had read our hello leaves that unread. It has published nothing by then,
            // and the ledger says so.
            Err(RecvError::Disconnected | RecvError::Reset) => return Ok(number),
            Err(error) => panic!("{error}"),
        }
        number += 1;
        if let Some(ledger) = ledger {
            ledger.record(number);
        }
    }
}

/// Sends until the end. Returns how many sends returned.
fn stream(mut connection: Connection, way: Way, ledger: Option<&Ledger>) -> u64 {
    let mut buffer = Vec::new();
    let mut number = 0;
    loop {
        write_message(number, &mut buffer);
        match send_one(&mut connection, way, &buffer) {
            Ok(()) => number += 1,
            // On TCP a receiver that is killed with messages unread cuts the connection.
            Err(SendError::Disconnected | SendError::Reset) => return number,
            Err(error) => panic!("{error}"),
        }
        if let Some(ledger) = ledger {
            ledger.record(number);
        }
    }
}

/// What a campaign found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Findings {
    kills: u64,
    torn: u64,
    lost: u64,
    duplicated: u64,
    hung: u64,
    /// Messages that were verified, to show that there was a load.
    messages: u64,
}

impl Findings {
    fn note(&mut self, verdict: Result<u64, Fault>) {
        self.kills += 1;
        match verdict {
            Ok(messages) => self.messages += messages,
            Err(Fault::Torn) => self.torn += 1,
            Err(Fault::Lost) => self.lost += 1,
            Err(Fault::Duplicated) => self.duplicated += 1,
        }
    }

    fn is_clean(&self) -> bool {
        (self.torn, self.lost, self.duplicated, self.hung) == (0, 0, 0, 0)
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Findings { kills, torn, lost, duplicated, hung, .. } = self;
        write!(f, "kills={kills} torn={torn} lost={lost} duplicated={duplicated} hung={hung}")
    }
}

/// The verdict on a sender that was killed: all it had published was received, and at most the one that it
/// was publishing.
fn judge_sender(published: u64, received: Result<u64, Fault>) -> Result<u64, Fault> {
    match received? {
        received if received < published => Err(Fault::Lost),
        received if received > published + 1 => Err(Fault::Duplicated),
        received => Ok(received),
    }
}

/// The verdict on a receiver that was killed: what it had verified is the beginning of what was sent.
fn judge_receiver(sent: u64, verified: u64) -> Result<u64, Fault> {
    // The last send may have been received before it returned.
    if verified > sent + 1 { Err(Fault::Duplicated) } else { Ok(verified) }
}

/// Which side is another process, and dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Sender,
    Receiver,
}

fn config(wait: WaitStrategy) -> Config {
    Config::default().wait(wait).connect_timeout(process::LIMIT)
}

/// One life and one death.
fn kill_one(kind: Kind, victim: Victim, name: &str, after: Duration, findings: &mut Findings) {
    let way = Way::named(name);
    let ledger = Ledger::new();
    let (here, there) = Endpoint::pair(kind).expect("a pair of endpoints");
    let mut command = again(&format!("{victim:?} {name}"));
    command.stdin(ledger.for_child());
    let mut second = Second(there.spawn(command).expect("this program starts again"));
    let connection = here.connect(&config(way.strategy())).expect("the two sides agree");
    let (done, outcome) = mpsc::channel();
    thread::spawn(move || {
        let outcome = match victim {
            Victim::Sender => receive(connection, way, None),
            Victim::Receiver => Ok(stream(connection, way, None)),
        };
        // The waiting side may have given up.
        let _ = done.send(outcome);
    });
    thread::sleep(after);
    let early = second.0.try_wait().expect("the child is ours");
    second.kill();
    // A receiver that found a fault says so by ending before it is killed; the harness tells which on
    // standard error.
    assert!(early.is_none(), "{kind} {victim:?} {name}: ended by itself: {early:?}");
    match outcome.recv_timeout(PATIENCE) {
        Ok(outcome) => findings.note(match victim {
            Victim::Sender => judge_sender(ledger.read(), outcome),
            Victim::Receiver => outcome.and_then(|sent| judge_receiver(sent, ledger.read())),
        }),
        Err(mpsc::RecvTimeoutError::Timeout) => {
            findings.kills += 1;
            findings.hung += 1;
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => panic!("{kind} {victim:?} {name}: the survivor failed"),
    }
}

#[test]
fn a_thousand_kills_lose_nothing_that_was_published() {
    let seed = seed("a_thousand_kills_lose_nothing_that_was_published");
    message(0, 0);
    let mut dice = Dice(seed);
    let mut findings = Findings::default();
    for _ in 0..KILLS {
        let kind = dice.pick(&Kind::ALL);
        let victim = dice.pick(&[Victim::Sender, Victim::Receiver]);
        let way = dice.pick(&Way::NAMES);
        let after = Duration::from_micros(dice.roll(8000));
        kill_one(kind, victim, way, after, &mut findings);
    }
    say(&format!("{findings} CROSSING_SEED={seed} ({} messages were verified)", findings.messages));
    assert!(findings.is_clean(), "{findings} CROSSING_SEED={seed}");
    assert!(findings.messages > KILLS, "there was a load");

    control("a sender that records before it sends", &mut dice, |after, findings| {
        boast(after, findings);
        findings.lost > 0
    });
    control("a receiver that delivers a frame cut short by death", &mut dice, |after, findings| {
        cut_short(after, findings);
        findings.torn > 0
    });
}

fn say(line: &str) {
    // The reader may be gone.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Runs a broken program until its fault is found; fails if it never is.
fn control(what: &str, dice: &mut Dice, mut caught: impl FnMut(Duration, &mut Findings) -> bool) {
    let mut findings = Findings::default();
    while !caught(Duration::from_micros(dice.roll(2000)), &mut findings) {
        assert!(findings.kills < CONTROL_KILLS, "control {what}: not caught ({findings})");
    }
    say(&format!("control {what}: caught"));
}

/// Kills a sender that records a message before it sends it.
fn boast(after: Duration, findings: &mut Findings) {
    let ledger = Ledger::new();
    let (here, there) = Endpoint::pair(Kind::Unix).expect("a pair of endpoints");
    let mut command = again("boast");
    command.stdin(ledger.for_child());
    let mut second = Second(there.spawn(command).expect("this program starts again"));
    let connection = here.connect(&config(WaitStrategy::Block)).expect("the two sides agree");
    let survivor = thread::spawn(|| receive(connection, Way::named("block"), None));
    thread::sleep(after);
    second.kill();
    let received = survivor.join().expect("it was told");
    findings.note(judge_sender(ledger.read(), received));
}

/// Kills a sender that writes header and payload by two calls, before a receiver that takes what comes for a
/// message.
fn cut_short(after: Duration, findings: &mut Findings) {
    let ledger = Ledger::new();
    let (mut here, there) = UnixStream::pair().expect("a pair of sockets");
    let mut command = again("two writes");
    command.stdin(ledger.for_child()).stdout(std::os::fd::OwnedFd::from(there));
    let mut second = Second(command.spawn().expect("this program starts again"));
    drop(command);
    let survivor = thread::spawn(move || {
        // What the harness of the second process says comes first.
        let mut byte = [0];
        while byte != *b"\x07" {
            here.read_exact(&mut byte).expect("the second process lives");
        }
        let mut number = 0;
        let mut frame = Vec::new();
        loop {
            let mut header = [0; 4];
            if here.read_exact(&mut header).is_err() {
                return Ok(number);
            }
            frame.clear();
            let len = u64::from(u32::from_le_bytes(header));
            Read::by_ref(&mut here).take(len).read_to_end(&mut frame).expect("a socket");
            verify(&frame, number)?;
            number += 1;
        }
    });
    thread::sleep(after);
    // Not before it has begun.
    while ledger.read() == 0 {
        thread::yield_now();
    }
    second.kill();
    findings.note(judge_sender(0, survivor.join().expect("it was told").map(|_| 0)));
}

#[test]
fn second_process() {
    let Some(part) = part() else { return };
    // The load begins at once: the bytes that messages are cut from are made beforehand.
    message(0, 0);
    let ledger = Ledger::inherited();
    if part == "two writes" {
        return two_writes(&ledger);
    }
    let (role, name) = part.split_once(' ').unwrap_or((&part, "block"));
    let way = Way::named(name);
    let config = config(way.strategy());
    let endpoint = Endpoint::inherited().expect("an endpoint was handed over");
    let mut connection = endpoint.connect(&config).expect("the two sides agree");
    match role {
        "Sender" => {
            let sent = stream(connection, way, Some(&ledger));
            panic!("it was to be killed, not left alone after {sent} messages");
        }
        "Receiver" => panic!("it was to be killed: {:?}", receive(connection, way, Some(&ledger))),
        "boast" => {
            let mut buffer = Vec::new();
            for number in 0.. {
                write_message(number, &mut buffer);
                ledger.record(number + 1);
                connection.send(&buffer).expect("the other side receives");
            }
        }
        role => panic!("{role} is no part of this play"),
    }
}

fn two_writes(ledger: &Ledger) {
    let mut stdout = File::from(std::io::stdout().as_fd().try_clone_to_owned().expect("it is open"));
    let mut buffer = Vec::new();
    stdout.write_all(b"\x07").expect("the other side reads");
    for number in 0.. {
        write_message(number, &mut buffer);
        stdout.write_all(&(buffer.len() as u32).to_le_bytes()).expect("the other side reads");
        stdout.write_all(&buffer).expect("the other side reads");
        ledger.record(number + 1);
    }
}
