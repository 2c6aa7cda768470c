//! Every interleaving of the two ends, and every stale value that the memory model allows, with at most so many
//! preemptions: two by default, `LOOM_MAX_PREEMPTIONS` for more.
//!
//! The checker knows no time: a wake-up that is lost is a deadlock, which it reports by aborting the process. So every
//! [`Mutant`] runs in a process of its own, and counts as caught only when its model holds in the same binary without it.
//!
//! Not explored: load buffering, which this checker cannot produce, and more preemptions than the bound.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::super::memory::Memory;
use super::super::ring::{Consumer, Producer};
use super::loom_memory::{Loom, Mutant};
use super::{BLOCK, recv, send};
use crate::error::{RecvError, SendError};

/// What the two ends do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Model {
    /// Three messages through a ring that holds two. Either end may sleep. The indices overflow after the first.
    Stream,
    /// Two messages in line, one publication, and a third message.
    Batch,
    /// Room for the last message comes in two steps, and the first is not enough.
    RoomInSteps,
    /// The reader takes a message without giving it back at once, while the sender waits for room.
    Withheld,
    /// The sender dies with one message published and one only staged. Somebody else notices.
    SenderDies,
    /// The receiver dies after one message, while the sender fills the ring and waits for room.
    ReceiverDies,
}

const MODELS: [Model; 6] = [
    Model::Stream,
    Model::Batch,
    Model::RoomInSteps,
    Model::Withheld,
    Model::SenderDies,
    Model::ReceiverDies,
];

/// Each mistake, and the model that must catch it.
const MUTANTS: [(Mutant, Model); 16] = [
    (Mutant::TailStoreRelaxed, Model::Stream),
    (Mutant::HeadStoreRelaxed, Model::Stream),
    (Mutant::TailLoadRelaxed, Model::Stream),
    (Mutant::HeadLoadRelaxed, Model::Stream),
    (Mutant::TailBeforeBytes, Model::Stream),
    (Mutant::HeadBeforeCopy, Model::Stream),
    (Mutant::NoLightFence, Model::Stream),
    (Mutant::NoHeavyFence, Model::Stream),
    (Mutant::FencesAcquireRelease, Model::Stream),
    (Mutant::FlagAfterLook, Model::Stream),
    (Mutant::NoWake, Model::Stream),
    (Mutant::SleepWithoutComparing, Model::Stream),
    (Mutant::SleepIgnoresStatus, Model::SenderDies),
    (Mutant::WatcherDoesNotWake, Model::ReceiverDies),
    (Mutant::StatusLoadRelaxed, Model::SenderDies),
    (Mutant::NoLookAfterDeath, Model::SenderDies),
];

/// What tells a child process which mutant to run: its place in [`MUTANTS`].
const CHILD: &str = "CROSSING_LOOM_MUTANT";

impl Model {
    /// Explores all of it. Returns how many executions there were.
    fn explore(self, mutant: Option<Mutant>) -> usize {
        let executions = Arc::new(AtomicUsize::new(0));
        let count = executions.clone();
        let mut builder = ::loom::model::Builder::new();
        builder.preemption_bound.get_or_insert(2);
        builder.check(move || {
            count.fetch_add(1, Ordering::Relaxed);
            match self {
                Model::Stream => stream(mutant, 32, [0; 0], &[8, 8, 8]),
                Model::Batch => stream(mutant, 32, [8, 0], &[8]),
                Model::RoomInSteps => stream(mutant, 32, [0, 0, 8], &[8]),
                Model::Withheld => stream(mutant, 64, [0, 24], &[24]),
                Model::SenderDies => sender_dies(mutant),
                Model::ReceiverDies => receiver_dies(mutant),
            }
        });
        executions.load(Ordering::Relaxed)
    }
}

/// The `n`th message of a model.
fn message(n: usize, len: usize) -> Vec<u8> {
    vec![n as u8 + 1; len]
}

/// A frame and a half below the overflow, so that an index passes it on the way.
fn start() -> u64 {
    0_u64.wrapping_sub(16)
}

/// Both ends of one direction, and the memory that each of them looks through.
fn ends(capacity: u64, mutant: Option<Mutant>) -> ((Producer<Loom>, Loom), (Consumer<Loom>, Loom)) {
    let [mine, theirs] = Loom::pair(capacity, start(), mutant);
    let longest = capacity as usize / 2 - 8;
    let sender = Producer::new(mine.clone(), capacity, start());
    let receiver = Consumer::new(theirs.clone(), capacity, longest, start());
    ((sender, mine), (receiver, theirs))
}

/// One end sends messages of these lengths, the first ones at one go; the other must receive just them.
fn stream<const N: usize>(mutant: Option<Mutant>, capacity: u64, together: [usize; N], alone: &'static [usize]) {
    let ((mut sender, _), (mut receiver, _)) = ends(capacity, mutant);
    ::loom::thread::spawn(move || {
        for (n, &len) in together.iter().enumerate() {
            sender.stage(&message(n, len)).expect("the ring is empty");
        }
        sender.publish();
        for (n, &len) in alone.iter().enumerate() {
            send(&mut sender, &message(N + n, len), &BLOCK).expect("the receiver lives");
        }
    });
    let mut buffer = [0; 24];
    for (n, &len) in together.iter().chain(alone).enumerate() {
        let got = recv(&mut receiver, &mut buffer, &BLOCK).expect("the sender lives");
        assert_eq!(buffer[..got], message(n, len));
    }
    assert!(matches!(receiver.try_recv(&mut buffer), Err(RecvError::Empty)));
}

fn sender_dies(mutant: Option<Mutant>) {
    let ((mut sender, _), (mut receiver, theirs)) = ends(32, mutant);
    let dying = ::loom::thread::spawn(move || {
        send(&mut sender, &message(0, 8), &BLOCK).expect("the receiver lives");
        sender.stage(&message(1, 8)).expect("room for a second");
    });
    ::loom::thread::spawn(move || {
        dying.join().expect("it does not panic");
        theirs.peer_is_gone();
    });
    let mut buffer = [0; 24];
    let got = recv(&mut receiver, &mut buffer, &BLOCK).expect("it was published");
    assert_eq!(buffer[..got], message(0, 8));
    let outcome = recv(&mut receiver, &mut buffer, &BLOCK);
    assert!(matches!(outcome, Err(RecvError::Disconnected)), "{outcome:?}");
}

fn receiver_dies(mutant: Option<Mutant>) {
    let ((mut sender, mine), (mut receiver, _)) = ends(32, mutant);
    let dying = ::loom::thread::spawn(move || {
        let mut buffer = [0; 24];
        let got = recv(&mut receiver, &mut buffer, &BLOCK).expect("the sender lives");
        assert_eq!(buffer[..got], message(0, 8));
    });
    ::loom::thread::spawn(move || {
        dying.join().expect("it does not panic");
        mine.peer_is_gone();
    });
    let sent = (0..).map(|n| send(&mut sender, &message(n, 8), &BLOCK)).take_while(Result::is_ok).count();
    // It took one, and two more fit; it can be known to be gone only after it took that one.
    assert!((1..=3).contains(&sent), "{sent} messages were sent to a receiver that took one");
    assert!(matches!(sender.claim(0), Err(SendError::Disconnected)));
    assert!(sender.memory().status() == super::super::memory::Status::GONE);
}

/// The name by which this binary runs the test that is given here.
fn name(test: &str) -> String {
    let module = module_path!();
    format!("{}::{test}", module.split_once("::").map_or(module, |(_, path)| path))
}

/// Runs one model in a child process, with a mistake or without. What it said when it failed; `None` when it held.
fn child(place: &str) -> Option<String> {
    let output = Command::new(std::env::current_exe().expect("a test has a path"))
        .args(["--exact", &name("mutants_are_caught"), "--nocapture", "--test-threads=1"])
        .env(CHILD, place)
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("this binary can be run");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("loom: exploring"), "the child did not reach the model: {said}");
    let held = said.contains("loom: held");
    assert_eq!(held, output.status.success(), "the child contradicts itself: {said}");
    (!held).then_some(said)
}

#[test]
fn every_model_holds() {
    let bound = std::env::var("LOOM_MAX_PREEMPTIONS").unwrap_or_else(|_| "2".into());
    let mut all = 0;
    for model in MODELS {
        let t = std::time::Instant::now();
        let executions = model.explore(None);
        eprintln!("loom: {model:?}: {executions} executions {:?}", t.elapsed());
        all += executions;
    }
    eprintln!("loom: {all} executions, preemption bound {bound}");
}

#[test]
fn mutants_are_caught() {
    if let Ok(place) = std::env::var(CHILD) {
        let (mutant, model) = place.parse().map_or((None, Model::Stream), |place: usize| (Some(MUTANTS[place].0), MUTANTS[place].1));
        eprintln!("loom: exploring {model:?} with {mutant:?}");
        model.explore(mutant);
        eprintln!("loom: held");
        return;
    }
    for (place, (mutant, model)) in MUTANTS.iter().enumerate() {
        let t = std::time::Instant::now();
        let r = child(&place.to_string());
        eprintln!("{mutant:?} {model:?} {:?} {:?}", t.elapsed(), r);
    }
}
