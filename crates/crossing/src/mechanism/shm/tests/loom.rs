//! Every interleaving of the two ends, and every stale value that the memory model allows, with at most so
//! many preemptions: two by default, `LOOM_MAX_PREEMPTIONS` for more.
//!
//! The checker knows no time: a wake-up that is lost is a deadlock, which it reports by aborting the process.
//! So every [`Mutant`] runs in a process of its own, and counts as caught only when its model holds in the
//! same binary without it.
//!
//! Not explored: load buffering, which this checker cannot produce, and more preemptions than the bound.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::memory::{Memory, Status, Word};
use super::super::ring::consumer::Consumer;
use super::super::ring::frame;
use super::super::ring::producer::Producer;
use super::loom_memory::{Loom, Mutant};
use super::{block, claim, frames, recv, recv_in_place, send};
use crate::error::{RecvError, SendError};
use crate::ready::Ready;
use crate::wait::Patience;

/// How many preemptions an execution may have, unless `LOOM_MAX_PREEMPTIONS` says otherwise.
const BOUND: usize = 2;

/// What the two ends do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Model {
    /// Three messages through a ring that holds two. Either end may sleep. The indices overflow after the
    /// first.
    Stream,
    /// The same, written where they go out from.
    Claimed,
    /// The same, read where they stand.
    InPlace,
    /// Two messages in line, not yet published, and a third that has no room.
    Batch,
    /// Room for the last message comes in two steps, and the first is not enough.
    RoomInSteps,
    /// The reader takes a message without giving it back at once, while the sender waits for room. The second is read
    /// while it is written, in three parts.
    Withheld,
    /// The sender dies with one message published and one only staged. A watcher notes it.
    SenderDies,
    /// The sender dies within a message that goes out in parts.
    SenderDiesInParts,
    /// The receiver dies after one message, while the sender fills the ring and waits for room.
    ReceiverDies,
    /// Both once more, where a sleeper sleeps on the peer's index alone.
    PlainSenderDies,
    PlainReceiverDies,
    /// Three messages through a ring that holds two, and either end arms and polls instead of sleeping.
    Armed,
    /// An armed receiver, whose sender sleeps: the two ways of waiting meet.
    ArmedReceiver,
    /// The sender dies while the receiver is armed, and the receiver while the sender is.
    ArmedSenderDies,
    ArmedReceiverDies,
}

const MODELS: [Model; 15] = [
    Model::Stream,
    Model::Claimed,
    Model::InPlace,
    Model::Batch,
    Model::RoomInSteps,
    Model::Withheld,
    Model::SenderDies,
    Model::SenderDiesInParts,
    Model::ReceiverDies,
    Model::PlainSenderDies,
    Model::PlainReceiverDies,
    Model::Armed,
    Model::ArmedReceiver,
    Model::ArmedSenderDies,
    Model::ArmedReceiverDies,
];

/// How the checker reports bytes that are read and written at once, …
const RACE: &str = "Causality violation";
/// … an end that is never woken, …
const LOST_WAKE: &str = "deadlock";
/// … and a receiver that is told of the end before it has everything.
const LOST_MESSAGE: &str = "it was published: Disconnected";

/// Each mistake, the model that must catch it, and how.
const MUTANTS: [(Mutant, Model, &str); 34] = [
    (Mutant::TailStoreRelaxed, Model::Stream, RACE),
    (Mutant::HeadStoreRelaxed, Model::Stream, RACE),
    (Mutant::TailLoadRelaxed, Model::Stream, RACE),
    (Mutant::HeadLoadRelaxed, Model::Stream, RACE),
    (Mutant::TailBeforeBytes, Model::Stream, RACE),
    (Mutant::HeadBeforeCopy, Model::Stream, RACE),
    (Mutant::TailStoreRelaxed, Model::Claimed, RACE),
    (Mutant::TailBeforeBytes, Model::Claimed, RACE),
    (Mutant::NoLightFence, Model::Claimed, LOST_WAKE),
    (Mutant::NoWake, Model::Claimed, LOST_WAKE),
    (Mutant::HeadStoreRelaxed, Model::InPlace, RACE),
    (Mutant::NoLightFence, Model::Stream, LOST_WAKE),
    (Mutant::NoHeavyFence, Model::Stream, LOST_WAKE),
    (Mutant::FencesAcquireRelease, Model::Stream, LOST_WAKE),
    (Mutant::FlagAfterLook, Model::Stream, LOST_WAKE),
    (Mutant::FlagCountsSleeps, Model::Stream, LOST_WAKE),
    (Mutant::NoWake, Model::Stream, LOST_WAKE),
    (Mutant::SleepWithoutComparing, Model::Stream, LOST_WAKE),
    (Mutant::SleepIgnoresStatus, Model::SenderDies, LOST_WAKE),
    (Mutant::WatcherDoesNotWake, Model::ReceiverDies, LOST_WAKE),
    (Mutant::StatusLoadRelaxed, Model::SenderDies, LOST_MESSAGE),
    (Mutant::NoLookAfterDeath, Model::SenderDies, LOST_MESSAGE),
    (Mutant::PlainUnannounced, Model::PlainSenderDies, LOST_WAKE),
    (Mutant::PlainBlind, Model::PlainReceiverDies, LOST_WAKE),
    (Mutant::PlainNoFence, Model::PlainSenderDies, LOST_WAKE),
    (Mutant::PlainWokenOnce, Model::PlainSenderDies, LOST_WAKE),
    (Mutant::NoRing, Model::Armed, LOST_WAKE),
    (Mutant::NoRing, Model::ArmedReceiver, LOST_WAKE),
    (Mutant::HushAfterLook, Model::Armed, LOST_WAKE),
    (Mutant::NoLightFence, Model::Armed, LOST_WAKE),
    (Mutant::NoHeavyFence, Model::Armed, LOST_WAKE),
    (Mutant::FlagAfterLook, Model::Armed, LOST_WAKE),
    (Mutant::WatcherDoesNotWake, Model::ArmedReceiverDies, LOST_WAKE),
    (Mutant::NoLookAfterDeath, Model::ArmedSenderDies, LOST_MESSAGE),
];

/// What tells a child process which model to run, and with which mistake.
const CHILD: &str = "CROSSING_LOOM_MUTANT";

impl Model {
    /// Explores all of it. Returns how many executions there were.
    fn explore(self, mutant: Option<Mutant>) -> usize {
        let executions = Arc::new(AtomicUsize::new(0));
        let count = executions.clone();
        let mut builder = ::loom::model::Builder::new();
        builder.preemption_bound.get_or_insert(BOUND);
        builder.check(move || {
            count.fetch_add(1, Ordering::Relaxed);
            match self {
                Model::Stream => stream(mutant, 32, [0; 0], &[8, 8, 8], send, recv),
                Model::Claimed => stream(mutant, 32, [0; 0], &[8, 8, 8], claim, recv),
                Model::Batch => stream(mutant, 32, [8, 0], &[8], send, recv),
                Model::RoomInSteps => stream(mutant, 32, [0, 0, 8], &[8], send, recv),
                Model::Withheld => stream(mutant, 64, [0, 24], &[24], send, recv),
                Model::InPlace => stream(mutant, 32, [0; 0], &[8, 8, 8], send, recv_in_place),
                Model::SenderDies => sender_dies(ends(32, mutant), 8, recv),
                Model::SenderDiesInParts => sender_dies(ends(64, mutant), 24, recv),
                Model::ReceiverDies => receiver_dies(ends(32, mutant), send),
                Model::PlainSenderDies => sender_dies(plain_ends(32, mutant), 8, recv),
                Model::PlainReceiverDies => receiver_dies(plain_ends(32, mutant), send),
                Model::Armed => stream(mutant, 32, [0; 0], &[8, 8, 8], send_armed, recv_armed),
                Model::ArmedReceiver => stream(mutant, 32, [0; 0], &[8, 8, 8], send, recv_armed),
                Model::ArmedSenderDies => sender_dies(ends(32, mutant), 8, recv_armed),
                Model::ArmedReceiverDies => receiver_dies(ends(32, mutant), send_armed),
            }
        });
        executions.load(Ordering::Relaxed)
    }
}

/// The `n`th message of a model.
fn message(n: usize, len: usize) -> Vec<u8> {
    vec![n as u8 + 1; len]
}

/// A frame below the overflow, so that the indices pass it on the way.
fn start() -> u64 {
    0_u64.wrapping_sub(16)
}

/// Both ends of one direction, and the memory that each of them looks through.
type Ends = ((Producer<Loom>, Loom), (Consumer<Loom>, Loom));

fn ends(capacity: u64, mutant: Option<Mutant>) -> Ends {
    ends_of(Loom::pair(capacity, start(), mutant, false), capacity)
}

/// The same, where a sleep is on the peer's index alone.
fn plain_ends(capacity: u64, mutant: Option<Mutant>) -> Ends {
    ends_of(Loom::pair(capacity, start(), mutant, true), capacity)
}

fn ends_of([mine, theirs]: [Loom; 2], capacity: u64) -> Ends {
    let longest = capacity as usize / 2 - 8;
    let sender = Producer::new(mine.clone(), capacity, start());
    let receiver = Consumer::new(theirs.clone(), capacity, longest, start());
    ((sender, mine), (receiver, theirs))
}

/// A way to send, and a way to receive.
type Send = fn(&mut Producer<Loom>, &[u8], &mut Patience) -> Result<(), SendError>;
type Recv = fn(&mut Consumer<Loom>, &mut [u8], &mut Patience) -> Result<usize, RecvError>;

/// Sends as a program does that waits for many things at once.
fn send_armed(ring: &mut Producer<Loom>, message: &[u8], _: &mut Patience) -> Result<(), SendError> {
    loop {
        match ring.stage(message) {
            Ok(()) => {
                ring.publish();
                return Ok(());
            }
            Err(SendError::Full) if ring.arm(frame(message.len())) == Ready::Wait => {
                ring.memory().poll(Word::Head);
            }
            Err(SendError::Full) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Receives as such a program does.
fn recv_armed(ring: &mut Consumer<Loom>, buffer: &mut [u8], _: &mut Patience) -> Result<usize, RecvError> {
    loop {
        match ring.try_recv(buffer, &mut 0, false) {
            Err(RecvError::Empty) if ring.arm() == Ready::Wait => ring.memory().poll(Word::Tail),
            Err(RecvError::Empty) => {}
            outcome => return outcome,
        }
    }
}

/// One end sends messages of these lengths, the first ones at one go; the other must receive just them.
fn stream<const N: usize>(
    mutant: Option<Mutant>,
    capacity: u64,
    together: [usize; N],
    alone: &'static [usize],
    send: Send,
    recv: impl Fn(&mut Consumer<Loom>, &mut [u8], &mut Patience) -> Result<usize, RecvError>,
) {
    let ((mut sender, _), (mut receiver, _)) = ends(capacity, mutant);
    ::loom::thread::spawn(move || {
        let together: Vec<_> = together.iter().enumerate().map(|(n, &len)| message(n, len)).collect();
        sender.stage_frames(&frames(together.iter().map(Vec::as_slice))).expect("the ring is empty");
        // The wait for room publishes what is in line; otherwise the receiver could make no room.
        for (n, &len) in alone.iter().enumerate() {
            send(&mut sender, &message(N + n, len), &mut block()).expect("the receiver lives");
        }
    });
    let mut buffer = [0; 24];
    for (n, &len) in together.iter().chain(alone).enumerate() {
        let got = recv(&mut receiver, &mut buffer, &mut block()).expect("the sender lives");
        assert_eq!(buffer[..got], message(n, len));
    }
    assert!(matches!(receiver.try_recv(&mut buffer[..], &mut 0, false), Err(RecvError::Empty)));
}

/// The last message is `unfinished` bytes long, and only staged.
fn sender_dies(ends: Ends, unfinished: usize, recv: Recv) {
    let ((mut sender, _), (mut receiver, theirs)) = ends;
    let dying = ::loom::thread::spawn(move || {
        send(&mut sender, &message(0, 8), &mut block()).expect("the receiver lives");
        sender.stage(&message(1, unfinished)).expect("room for a second");
    });
    ::loom::thread::spawn(move || {
        dying.join().expect("it does not panic");
        theirs.peer_is_gone();
    });
    let mut buffer = [0; 24];
    let got = recv(&mut receiver, &mut buffer, &mut block()).expect("it was published");
    assert_eq!(buffer[..got], message(0, 8));
    let outcome = recv(&mut receiver, &mut buffer, &mut block());
    assert!(matches!(outcome, Err(RecvError::Disconnected)), "{outcome:?}");
}

fn receiver_dies(ends: Ends, send: Send) {
    let ((mut sender, mine), (mut receiver, _)) = ends;
    let dying = ::loom::thread::spawn(move || {
        let mut buffer = [0; 24];
        let got = recv(&mut receiver, &mut buffer, &mut block()).expect("the sender lives");
        assert_eq!(buffer[..got], message(0, 8));
    });
    ::loom::thread::spawn(move || {
        dying.join().expect("it does not panic");
        mine.peer_is_gone();
    });
    let sent =
        (0..).map(|n| send(&mut sender, &message(n, 8), &mut block())).take_while(Result::is_ok).count();
    // It took one, and two more fit; it can be known to be gone only after it took that one.
    assert!((1..=3).contains(&sent), "{sent} messages were sent to a receiver that took one");
    assert!(matches!(sender.claim(0), Err(SendError::Disconnected)));
    assert_eq!(sender.memory().status(), Status::GONE);
}

/// The name by which this binary runs the test that is given here.
fn name(test: &str) -> String {
    let module = module_path!();
    format!("{}::{test}", module.split_once("::").map_or(module, |(_, path)| path))
}

/// What [`CHILD`] says for a model with a mistake, or without one.
fn job(model: Model, mutant: Option<Mutant>) -> String {
    format!("{model:?} with {mutant:?}")
}

/// Runs a job in a child process. What it said when it failed; `None` when the model held.
fn child(job: &str) -> Option<String> {
    let output = Command::new(std::env::current_exe().expect("a test has a path"))
        .args(["--exact", &name("every_mutant_is_caught"), "--nocapture", "--test-threads=1"])
        .env(CHILD, job)
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("this binary can be run");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("loom: exploring"), "the child did not reach the model: {said}");
    let held = said.contains("loom: held");
    assert_eq!(held, output.status.success(), "the child contradicts itself: {said}");
    (!held).then_some(said)
}

/// Does the job that this process was started for.
fn explore_as_child(wanted: &str) {
    let sound = MODELS.map(|model| (None, model));
    let mutants = MUTANTS.map(|(mutant, model, _)| (Some(mutant), model));
    let (mutant, model) = sound
        .into_iter()
        .chain(mutants)
        .find(|&(mutant, model)| job(model, mutant) == wanted)
        .unwrap_or_else(|| panic!("no job `{wanted}`"));
    eprintln!("loom: exploring {wanted}");
    model.explore(mutant);
    eprintln!("loom: held");
}

#[test]
fn every_model_holds() {
    let bound = ::loom::model::Builder::new().preemption_bound.unwrap_or(BOUND);
    let mut all = 0;
    for model in MODELS {
        let executions = model.explore(None);
        eprintln!("loom: {model:?}: {executions} executions");
        all += executions;
    }
    eprintln!("loom: {all} executions, preemption bound {bound}");
}

#[test]
fn every_mutant_is_caught() {
    if let Ok(job) = std::env::var(CHILD) {
        return explore_as_child(&job);
    }
    for model in MODELS.into_iter().filter(|model| MUTANTS.iter().any(|(_, of, _)| of == model)) {
        assert_eq!(child(&job(model, None)), None, "{model:?} without a mistake");
    }
    let mut caught = 0;
    for (mutant, model, symptom) in MUTANTS {
        match child(&job(model, Some(mutant))) {
            Some(said) if said.contains(symptom) => caught += 1,
            Some(said) => panic!("{mutant:?} failed, but not by `{symptom}`: {said}"),
            None => eprintln!("loom: {mutant:?} survived"),
        }
    }
    eprintln!("loom: {caught} of {} mutants caught", MUTANTS.len());
    assert_eq!(caught, MUTANTS.len());
}
