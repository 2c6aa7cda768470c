//! Kills between two processes of a session: every message is processed exactly once, by the rule that
//! [`Supervisor`](crossing::Supervisor) states.
//!
//! This process sends numbered messages; another processes each and answers. That is a child, which its supervisor starts
//! again, or a server, which is started again beside it and dialled again. It is killed at random moments, and a connection to a
//! server that lives is cut now and then. To process a message is to write its number into a ledger that outlives the process.
//! A message that does not have the next number is written there as a fault.
//!
//! The rule: where the same two processes meet again, the sender goes on from what was
//! [delivered](crossing::Generation::delivered). A new process knows nothing of what the one before has received, and
//! `delivered` says so. Only that one's answer can say what it has made of it: here the new process begins with the ledger's
//! number. What had been received and not processed is sent again then, and nothing else.
//!
//! The controls are senders that go on from another number.

use std::io::Write;
use std::thread;
use std::time::Duration;

use crossing::{Address, Endpoint, Generation, Kind, Listener, RecvError, SendError, Sessions, Supervisor};
use rustix::process::{Pid, Signal, kill_process};

use crate::process::dice::Dice;
use crate::process::ledger::Ledger;
use crate::process::numbered::{Fault, verify, write_message};
use crate::process::seed::seed;
use crate::process::{Second, again, campaign_each, config, eventually, for_every_kind, message, within};
use crate::{anywhere, next, quick};

/// How many kills on each mechanism.
fn kills() -> u64 {
    if std::env::var_os("CROSSING_LONG").is_some() { 2000 } else { 60 }
}

/// How many of them a session has. A watchdog guards each.
const OF_A_SESSION: u64 = 10;

/// A kill comes within this time, in microseconds.
const SOON_US: u64 = 8000;

/// A control that is not caught in this many sessions never will be.
const CONTROLS: u64 = 50;

/// From which number a sender goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resumes {
    /// By the rule.
    Rightly,
    /// From what it has sent: as if all of that had been processed.
    FromSent,
    /// From what was answered: as if no more had been processed.
    FromAnswered,
}

/// Where the other process finds the address at which it is to listen.
const ADDRESS: &str = "CROSSING_TEST_ADDRESS";

/// The largest numbers of a ledger are faults.
const FAULTS: [Fault; 3] = [Fault::Torn, Fault::Lost, Fault::Duplicated];

fn fault_in(ledger: u64) -> Option<Fault> {
    FAULTS.get(usize::try_from(u64::MAX - ledger).ok()?).copied()
}

/// Processes what comes over one connection.
fn process_all(mut generation: Generation, ledger: &Ledger) {
    // The number of the next is what the process before this one has answered for.
    let mut outcome = generation.send(&ledger.read().to_le_bytes());
    let mut buffer = Vec::new();
    while outcome.is_ok() && generation.recv_vec(&mut buffer).is_ok() {
        let number = ledger.read();
        if let Err(fault) = verify(&buffer, number) {
            let at = FAULTS.iter().position(|it| *it == fault).expect("each fault has a number");
            ledger.record(u64::MAX - at as u64);
            return;
        }
        ledger.record(number + 1);
        outcome = generation.send(&(number + 1).to_le_bytes());
    }
}

/// The child's part.
pub(crate) fn processes_as_a_child() {
    message(0, 0);
    let ledger = Ledger::inherited();
    let endpoint = Endpoint::inherited().expect("it was given");
    process_all(Sessions::new().accept(endpoint, &config()).expect("a supervisor"), &ledger);
}

/// The server's part.
pub(crate) fn processes_as_a_server() {
    message(0, 0);
    let ledger = Ledger::inherited();
    let address: Address = std::env::var(ADDRESS).expect("it is set").parse().expect("an address");
    let mut listener = None;
    eventually("a free place", || {
        listener = Listener::options().reclaim(true).bind(&address).ok();
        listener.is_some()
    });
    let listener = listener.expect("it is bound");
    let sessions = Sessions::new();
    loop {
        let endpoint = listener.accept().expect("it comes");
        // A client may go while it greets.
        if let Ok(generation) = sessions.accept(endpoint, &config()) {
            process_all(generation, &ledger);
        }
    }
}

/// The side that sends and lives.
struct Survivor {
    ledger: Ledger,
    resumes: Resumes,
    /// The number that was the first for the process at the other end.
    base: u64,
    /// The number behind the last message that was sent, and behind the last that was answered.
    sent: u64,
    answered: u64,
    /// How many connections there were to a process that was known, and to one that was new.
    known: u64,
    new: u64,
    /// How many messages were sent again.
    again: u64,
}

impl Survivor {
    fn new(resumes: Resumes) -> Survivor {
        Survivor { ledger: Ledger::new(), resumes, base: 0, sent: 0, answered: 0, known: 0, new: 0, again: 0 }
    }

    /// The number of the next message over a new connection. `told` is what the other process has said first.
    fn resume(&mut self, delivered: Option<u64>, told: u64) -> Result<u64, Fault> {
        if let Some(fault) = fault_in(told) {
            return Err(fault);
        }
        let by_rule = if let Some(delivered) = delivered {
            self.known += 1;
            // It has processed what it has received, because it lives.
            match self.base + delivered {
                number if number < told => return Err(Fault::Duplicated),
                number if number > told => return Err(Fault::Lost),
                number => number,
            }
        } else {
            self.new += 1;
            told
        };
        let number = match self.resumes {
            Resumes::Rightly => by_rule,
            Resumes::FromSent => self.sent,
            Resumes::FromAnswered => self.answered,
        };
        if delivered.is_none() {
            self.base = number;
        }
        self.again += self.sent - number.min(self.sent);
        Ok(number)
    }

    /// Goes on over one connection until it ends, or `enough` says so of the number of messages that it has answered.
    fn go_on(&mut self, mut generation: Generation, enough: impl Fn(u64) -> bool) -> Result<(), Fault> {
        let mut buffer = [0; 8];
        let Ok(8) = generation.recv(&mut buffer) else { return Ok(()) };
        let mut number = self.resume(generation.delivered(), u64::from_le_bytes(buffer))?;
        let mut bytes = Vec::new();
        write_message(number, &mut bytes);
        let mut answers = 0;
        while !enough(answers) {
            match generation.try_send(&bytes) {
                Ok(()) | Err(SendError::Unfinished) => {
                    number += 1;
                    self.sent = self.sent.max(number);
                    write_message(number, &mut bytes);
                }
                Err(SendError::Full) => {}
                Err(_) => break,
            }
            match generation.try_recv(&mut buffer) {
                Ok(_) => {
                    answers += 1;
                    self.answered = u64::from_le_bytes(buffer);
                }
                Err(RecvError::Empty) => thread::yield_now(),
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Holds the ledger against what was sent and answered. The process that writes it must have ended, or be idle.
    fn judge(&self) -> Result<(), Fault> {
        match self.ledger.read() {
            ledger if fault_in(ledger).is_some() => Err(fault_in(ledger).expect("it is one")),
            ledger if ledger < self.answered => Err(Fault::Lost),
            ledger if ledger > self.sent => Err(Fault::Duplicated),
            _ => Ok(()),
        }
    }

    /// All that was ever sent is processed in the end.
    fn finish(&mut self, mut supervisor: Supervisor) -> Result<(), Fault> {
        let sent = self.sent;
        let mut generation = next(&mut supervisor);
        let mut buffer = [0; 8];
        generation.recv(&mut buffer).expect("it lives");
        let first = self.resume(generation.delivered(), u64::from_le_bytes(buffer))?;
        let mut bytes = Vec::new();
        for number in first..sent {
            write_message(number, &mut bytes);
            if generation.send(&bytes).is_err() || generation.recv(&mut buffer).is_err() {
                break;
            }
            self.answered = u64::from_le_bytes(buffer);
        }
        drop(generation);
        drop(supervisor);
        self.judge()?;
        if self.resumes == Resumes::Rightly {
            assert_eq!(self.ledger.read(), sent, "each was processed once");
        }
        Ok(())
    }
}

/// What a session was like, or what was wrong.
type Verdict = Result<Survivor, Fault>;

/// A child is killed, and started again.
fn of_a_child(kind: Kind, seed: u64, resumes: Resumes) -> Verdict {
    let mut dice = Dice(seed);
    let mut survivor = Survivor::new(resumes);
    let ledger = survivor.ledger.another();
    let mut supervisor = Supervisor::spawning(kind, move |_| {
        let mut command = again("processes as a child");
        command.stdin(ledger.for_child());
        command
    })
    .config(config())
    .backoff(quick().limit(1000));
    for _ in 0..OF_A_SESSION {
        let generation = next(&mut supervisor);
        let pid = Pid::from_child(supervisor.child().expect("it runs"));
        let after = Duration::from_micros(dice.roll(SOON_US));
        thread::scope(|scope| {
            scope.spawn(move || {
                thread::sleep(after);
                // Its supervisor reaps it later. One that has found a fault has ended by itself.
                let _ = kill_process(pid, Signal::KILL);
            });
            survivor.go_on(generation, |_| false)
        })?;
        eventually("it ends", || {
            supervisor.child().is_none_or(|child| child.try_wait().expect("the child is ours").is_some())
        });
        survivor.judge()?;
    }
    survivor.finish(supervisor)?;
    Ok(survivor)
}

/// A server is killed and another started, and its connections are cut.
fn of_a_server(kind: Kind, seed: u64, resumes: Resumes) -> Verdict {
    let mut dice = Dice(seed);
    let mut survivor = Survivor::new(resumes);
    // A number that is free.
    let address = Listener::bind(&anywhere(kind)).expect("a free place").address().clone();
    let ledger = survivor.ledger.another();
    let start = || {
        let mut command = again("processes as a server");
        command.env(ADDRESS, address.to_string()).stdin(ledger.for_child());
        Second(command.spawn().expect("this program starts again"))
    };
    let mut server = start();
    let mut supervisor = Supervisor::dialling(&address).config(config()).backoff(quick().limit(100_000));
    let mut kills = 0;
    while kills < OF_A_SESSION {
        let cut_after = dice.roll(40);
        let after = Duration::from_micros(dice.roll(SOON_US));
        let is_killed = dice.roll(2) == 0;
        kills += u64::from(is_killed);
        thread::scope(|scope| {
            let killer = scope.spawn(|| {
                if is_killed {
                    thread::sleep(after);
                    server.kill();
                    server = start();
                }
            });
            let generation = next(&mut supervisor);
            survivor.go_on(generation, |answers| answers >= cut_after && killer.is_finished())
        })?;
    }
    survivor.finish(supervisor)?;
    server.kill();
    Ok(survivor)
}

type Session = fn(Kind, u64, Resumes) -> Verdict;

fn campaign(kind: Kind) {
    let seed = seed(&format!("kills in sessions over {kind}"));
    message(0, 0);
    let mut dice = Dice(seed);
    let sessions: [(&str, Session); 2] = [("a child", of_a_child), ("a server", of_a_server)];
    let mut run = |what: &str, session: Session, resumes| {
        let each = dice.roll(u64::MAX);
        within(&format!("{what} over {kind}, CROSSING_SEED={seed}"), move || session(kind, each, resumes))
    };
    let (mut messages, mut known, mut new, mut sent_again) = (0, 0, 0, 0);
    for number in 0..kills() / OF_A_SESSION {
        let (what, session) = sessions[number as usize % sessions.len()];
        let survivor = run(what, session, Resumes::Rightly)
            .unwrap_or_else(|fault| panic!("{what} over {kind}, CROSSING_SEED={seed}: {fault:?}"));
        messages += survivor.ledger.read();
        known += survivor.known;
        new += survivor.new;
        sent_again += survivor.again;
    }
    let load = format!(
        "{messages} messages, {sent_again} sent again, {known} connections to a known process and {new} to a new one"
    );
    // The reader may be gone.
    let _ = writeln!(std::io::stderr(), "{kind}: {load}");
    assert!(messages > kills() && sent_again > 0 && known > 0 && new > 0, "too little of a load: {load}");
    for (what, session) in sessions {
        for resumes in [Resumes::FromSent, Resumes::FromAnswered] {
            let is_caught = (0..CONTROLS).any(|_| run(what, session, resumes).is_err());
            assert!(is_caught, "control: {what} over {kind}, {resumes:?}, CROSSING_SEED={seed}: not caught");
        }
    }
}

for_every_kind! { campaign_each campaign }
