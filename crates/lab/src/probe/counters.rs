//! Counters: how often the kernel did each thing, counted by the kernel itself at its tracepoints.
//!
//! A counter that writes no records costs a fraction of a microsecond an event and loses none. Two rows are sent,
//! one twice as long as the other, and the difference is divided by the difference of messages: what the workers
//! do before and after their messages is in both and falls out.
//!
//! Calls are counted by name. Which names there are is learnt in a short row before, from a stream, between the marks
//! that the workers leave around their messages; a counter of all calls together says whether one was missed.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::AtomicBool;

use super::bench::{Bench, ProbeError, Row};
use super::stream::{Stream, Want};
use super::tracefs::Tracefs;
use crate::machine;
use crate::sys::calls;
use crate::sys::mark::Mark;
use crate::sys::perf::{Counter, Records, Watched, Whom};

/// Messages of the short row.
const LEARN: u64 = 30;
/// Pages of its ring.
const LEARN_PAGES: usize = 256;

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// One system call of one side (0 the sender, 1 the receiver), by number.
    Call(usize, u64),
    /// All system calls of one side.
    Calls(usize),
    /// The receiver was made runnable.
    Wakes,
    /// A side gave up its core to sleep.
    Sleeps(usize),
    /// A side faulted on a page, in its own code or in the kernel's.
    Faults(usize),
    /// A side handed a packet to a network device: the sender its data, the receiver what goes back.
    Packets(usize),
    /// A side had the kernel copy a packet's data to it.
    PacketCopies(usize),
}

/// Counts of one row.
pub type Counts = BTreeMap<Subject, u64>;

/// Counters on both processes of a bench.
#[derive(Debug)]
pub struct Counters {
    counters: Vec<(Subject, Counter)>,
}

impl Counters {
    /// Puts counters to both processes, which sends a short row to learn which calls they make.
    ///
    /// # Errors
    /// [`io::Error`] when the kernel does not let us count. Inside, as [`Bench::send`].
    pub fn attach(
        bench: &mut Bench,
        tracefs: &Tracefs,
        stop: &AtomicBool,
    ) -> io::Result<Result<Counters, ProbeError>> {
        let called = match learn(bench, tracefs, stop)? {
            Ok(called) => called,
            Err(error) => return Ok(Err(error)),
        };
        let mut counters = Counters { counters: Vec::new() };
        let pids = bench.pids();
        for (side, &pid) in pids.iter().enumerate() {
            let thread = Whom::Thread(pid);
            counters.add(tracefs, "raw_syscalls/sys_enter", thread, None, Subject::Calls(side))?;
            for &number in &called[side] {
                let only = format!("id == {number}");
                let subject = Subject::Call(side, number);
                counters.add(tracefs, "raw_syscalls/sys_enter", thread, Some(&only), subject)?;
            }
            // The state of one who could have gone on is 0, or beyond the states of sleeping.
            let slept = "prev_state & 255";
            counters.add(tracefs, "sched/sched_switch", thread, Some(slept), Subject::Sleeps(side))?;
            for tracepoint in ["exceptions/page_fault_user", "exceptions/page_fault_kernel"] {
                counters.add_if_there(tracefs, tracepoint, thread, Subject::Faults(side))?;
            }
            counters.add_if_there(tracefs, "net/net_dev_start_xmit", thread, Subject::Packets(side))?;
            let copies = Subject::PacketCopies(side);
            counters.add_if_there(tracefs, "skb/skb_copy_datagram_iovec", thread, copies)?;
        }
        let receiver = format!("pid == {}", pids[1]);
        // Whoever wakes it: the sender as a rule, but an interrupt may come in between.
        for core in cores(bench) {
            counters.add(tracefs, "sched/sched_waking", Whom::Core(core), Some(&receiver), Subject::Wakes)?;
        }
        Ok(Ok(counters))
    }

    fn add(
        &mut self,
        tracefs: &Tracefs,
        tracepoint: &str,
        whom: Whom,
        only: Option<&str>,
        subject: Subject,
    ) -> io::Result<()> {
        let id = tracefs.tracepoint(tracepoint)?.id;
        let counter = Counter::open(Watched::Tracepoint(id), whom, Records::default(), true)?;
        if let Some(expression) = only {
            counter.only(expression)?;
        }
        self.counters.push((subject, counter));
        Ok(())
    }

    /// The same, of a tracepoint that not every kernel has.
    fn add_if_there(
        &mut self,
        tracefs: &Tracefs,
        tracepoint: &str,
        whom: Whom,
        subject: Subject,
    ) -> io::Result<()> {
        match self.add(tracefs, tracepoint, whom, None, subject) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Sends a row, and counts what happens meanwhile. What the workers do around their messages is in it.
    ///
    /// # Errors
    /// As [`Counters::attach`].
    pub fn row(
        &self,
        bench: &mut Bench,
        messages: u64,
        stop: &AtomicBool,
    ) -> io::Result<Result<(Counts, Row), ProbeError>> {
        let before = self.read()?;
        self.counters.iter().try_for_each(|(_, counter)| counter.enable())?;
        let row = bench.send(messages, stop);
        self.counters.iter().try_for_each(|(_, counter)| counter.disable())?;
        let mut counts = self.read()?;
        for (subject, count) in &mut counts {
            *count -= before.get(subject).copied().unwrap_or(0);
        }
        Ok(row.map(|row| (counts, row)))
    }

    fn read(&self) -> io::Result<Counts> {
        let mut counts = Counts::new();
        for (subject, counter) in &self.counters {
            *counts.entry(subject.clone()).or_insert(0) += counter.count()?;
        }
        Ok(counts)
    }
}

/// The cores on which the two may run.
pub(crate) fn cores(bench: &Bench) -> Vec<u32> {
    let mut cores: Vec<u32> = match bench.cores() {
        Some(both) => both.iter().map(|&core| core as u32).collect(),
        None => machine::allowed_cores().unwrap_or_default().iter().map(|&core| core as u32).collect(),
    };
    cores.sort_unstable();
    cores.dedup();
    cores
}

/// Which system calls each side makes.
fn learn(
    bench: &mut Bench,
    tracefs: &Tracefs,
    stop: &AtomicBool,
) -> io::Result<Result<[Vec<u64>; 2], ProbeError>> {
    let entry = tracefs.tracepoint("raw_syscalls/sys_enter")?;
    let pids = bench.pids();
    let wants: Vec<Want<usize>> = (0..2)
        .map(|side| Want {
            key: side,
            watched: Watched::Tracepoint(entry.id),
            whom: Whom::Thread(pids[side]),
            only: None,
        })
        .collect();
    let mut stream = Stream::open(&wants, LEARN_PAGES, false, true)?;
    stream.begin()?;
    if let Err(error) = bench.send(LEARN, stop) {
        return Ok(Err(error));
    }
    let mut called = [Vec::new(), Vec::new()];
    let mut inside = [false, false];
    for seen in stream.end()?.events {
        let field = |name, index| entry.number(&seen.sample.fields, name, index).map(|value| value as u64);
        let (Some(number), Some(first)) = (field("id", 0), field("args", 0)) else { continue };
        match Mark::of(number, &[first]) {
            Some(mark) => inside[seen.key] = mark == Mark::Begin,
            None if inside[seen.key] => called[seen.key].push(number),
            None => {}
        }
    }
    for numbers in &mut called {
        numbers.sort_unstable();
        numbers.dedup();
    }
    Ok(Ok(called))
}

/// What one message cost: the counts of two rows, of which `long` is `messages` longer.
pub fn per_message(short: &Counts, long: &Counts, messages: u64) -> BTreeMap<Subject, f64> {
    let difference = |subject: &Subject| {
        let count = |counts: &Counts| counts.get(subject).copied().unwrap_or(0) as f64;
        (count(long) - count(short)) / messages as f64
    };
    long.keys().map(|subject| (subject.clone(), difference(subject))).collect()
}

/// What the workers do around their messages differs by some calls from one row to the next. More than this many for
/// each message are none of them: a call was missed.
const AROUND: f64 = 0.01;

/// The calls of one side by name, with what was not told apart as `other calls`.
pub fn calls_of(side: usize, counts: &BTreeMap<Subject, f64>) -> Vec<(String, f64)> {
    let mut parts: Vec<(String, f64)> = counts
        .iter()
        .filter_map(|(subject, &count)| match subject {
            Subject::Call(of, number) if *of == side => Some((calls::name(*number), count)),
            _ => None,
        })
        .collect();
    let told: f64 = parts.iter().map(|(_, count)| count).sum();
    let all = counts.get(&Subject::Calls(side)).copied().unwrap_or(0.0);
    if all - told > AROUND {
        parts.push(("other calls".into(), all - told));
    }
    parts
}
