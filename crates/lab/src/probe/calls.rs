//! The calls of both processes, one by one, with arguments and results: ptrace(2).
//!
//! The one instrument that sees exactly what a process asks of the kernel and needs no privilege at all: a
//! process may trace its own children. It is also the heaviest: a traced process stops twice in every call, some
//! tens of microseconds each, so nothing that it says about time is worth anything. What it counts is what was
//! called between the two [marks](crate::sys::mark) that a worker leaves around its messages; the start and the
//! lab's own line are outside.
//!
//! Only the thread that talks is traced. Over shared memory each process has a second one, which sleeps until
//! the peer dies.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::thread;

use super::bench::{Bench, BenchRow, InstrumentFault};
use crate::sys::calls;
use crate::sys::mark::Mark;
use crate::sys::monotonic::monotonic_ns;
use crate::sys::ptrace::{Stop, Traced};

/// One system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Called {
    /// Its number.
    pub number: u64,
    /// Its arguments.
    pub args: [u64; 6],
    /// What it returned; a negative number is an error.
    pub result: i64,
    /// When it was entered, on CLOCK_MONOTONIC, by the tracer's watch.
    pub entered_ns: u64,
    /// When it was left.
    pub left_ns: u64,
}

impl Called {
    /// Its name.
    pub fn name(&self) -> String {
        calls::name(self.number)
    }
}

/// Sends a row of messages, and returns every call that the sender and the receiver made for it.
///
/// # Errors
/// [`io::Error`] of the tracing when it is not allowed: then nothing was sent. Inside, as [`Bench::send`].
#[allow(clippy::type_complexity)]
pub fn trace(
    bench: &mut Bench,
    messages: u64,
    stop: &AtomicBool,
) -> Result<([Vec<Called>; 2], BenchRow), InstrumentFault> {
    let pids = bench.pids();
    thread::scope(|scope| {
        let (ready, attached) = mpsc::channel();
        let tracers = pids.map(|pid| {
            let ready = ready.clone();
            scope.spawn(move || follow(pid, &ready))
        });
        // Two answers: one of each tracer.
        let attached = attached.iter().take(tracers.len()).collect::<io::Result<Vec<()>>>();
        let sent =
            attached.map_err(InstrumentFault::from).and_then(|_| Ok(bench.send_with_times(messages, stop)?));
        if sent.is_err() {
            // A tracer waits for the last mark, or for the end of its process.
            bench.kill();
        }
        let seen = tracers.map(|tracer| tracer.join().unwrap_or_default());
        Ok((seen, sent?))
    })
}

/// Traces one thread up to its last mark. Says once whether it could be attached.
pub(super) fn follow(tid: u32, ready: &mpsc::Sender<io::Result<()>>) -> Vec<Called> {
    // The thread that listens has either heard both answers, or has gone for the failure of the other.
    let mut traced = match attach(tid) {
        Ok(traced) => traced,
        Err(error) => {
            let _ = ready.send(Err(error));
            return Vec::new();
        }
    };
    let _ = ready.send(Ok(()));
    let mut seen = Vec::new();
    let mut inside = false;
    let mut entered: Option<(u64, [u64; 6], u64)> = None;
    loop {
        match traced.wait() {
            Ok(Stop::Entry { call, args }) => entered = Some((call, args, monotonic_ns())),
            Ok(Stop::Exit { result }) => match entered.take() {
                Some((call, args, _)) if Mark::of(call, &args) == Some(Mark::Begin) => inside = true,
                Some((call, args, _)) if Mark::of(call, &args) == Some(Mark::End) => return seen,
                Some((number, args, entered_ns)) if inside => {
                    seen.push(Called { number, args, result, entered_ns, left_ns: monotonic_ns() });
                }
                _ => {}
            },
            Ok(Stop::Other) => {}
            Ok(Stop::Gone) | Err(_) => return seen,
        }
        if traced.go_on().is_err() {
            return seen;
        }
    }
}

/// Takes hold of a thread that sleeps on its line, and lets it sleep on.
pub(super) fn attach(tid: u32) -> io::Result<Traced> {
    let mut traced = Traced::seize(tid)?;
    traced.wait()?;
    traced.go_on()?;
    Ok(traced)
}
