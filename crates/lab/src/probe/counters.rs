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

use super::bench::{Bench, BenchRow, InstrumentFault};
use super::stream::{EventStream, Want};
use super::tracefs::Tracefs;
use crate::machine;
use crate::sys::calls;
use crate::sys::mark::Mark;
use crate::sys::perf::{Counter, PerfEvent, Records, Whom};

/// Messages of the short row.
const LEARN: u64 = 30;
/// Pages of its ring.
const LEARN_PAGES: usize = 256;

/// The subject of a count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CountedSubject {
    /// One system call of one side (0 the sender, 1 the receiver), by number.
    Call(usize, u64),
    /// All system calls of one side.
    Calls(usize),
    /// The receiver gave up its core to sleep.
    Sleeps,
    /// A side faulted on a page, in its own code or in the kernel's.
    Faults(usize),
    /// A side handed a packet to a network device: the sender its data, the receiver what goes back.
    Packets(usize),
}

/// Counts of one row.
pub type Counts = BTreeMap<CountedSubject, u64>;

/// Counters on both processes of a bench.
#[derive(Debug)]
pub struct Counters {
    counters: Vec<(CountedSubject, Counter)>,
}

impl Counters {
    /// Puts counters to both processes, which sends a short row to learn which calls they make.
    ///
    /// # Errors
    /// When the kernel does not let us count, and as [`Bench::send`].
    pub fn attach(
        bench: &mut Bench,
        tracefs: &Tracefs,
        stop: &AtomicBool,
    ) -> Result<Counters, InstrumentFault> {
        let called = learn(bench, tracefs, stop)?;
        let mut counters = Counters { counters: Vec::new() };
        let pids = bench.pids();
        for (side, &pid) in pids.iter().enumerate() {
            let thread = Whom::Thread(pid);
            counters.add(tracefs, "raw_syscalls/sys_enter", thread, None, CountedSubject::Calls(side))?;
            for &number in &called[side] {
                let only = format!("id == {number}");
                let subject = CountedSubject::Call(side, number);
                counters.add(tracefs, "raw_syscalls/sys_enter", thread, Some(&only), subject)?;
            }
            for tracepoint in ["exceptions/page_fault_user", "exceptions/page_fault_kernel"] {
                counters.add_if_there(tracefs, tracepoint, thread, CountedSubject::Faults(side))?;
            }
            counters.add_if_there(
                tracefs,
                "net/net_dev_start_xmit",
                thread,
                CountedSubject::Packets(side),
            )?;
        }
        // The state of a thread that could have gone on is 0, or beyond the states of sleeping.
        // (The sender sleeps between its messages, too.)
        let thread = Whom::Thread(pids[1]);
        counters.add(
            tracefs,
            "sched/sched_switch",
            thread,
            Some("prev_state & 255"),
            CountedSubject::Sleeps,
        )?;
        Ok(counters)
    }

    fn add(
        &mut self,
        tracefs: &Tracefs,
        tracepoint: &str,
        whom: Whom,
        only: Option<&str>,
        subject: CountedSubject,
    ) -> io::Result<()> {
        let id = tracefs.tracepoint(tracepoint)?.id;
        let counter = Counter::open(PerfEvent::Tracepoint(id), whom, Records::default(), true)?;
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
        subject: CountedSubject,
    ) -> io::Result<()> {
        match self.add(tracefs, tracepoint, whom, None, subject) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Sends a row, and counts meanwhile. The counts include the workers' own acts around their
    /// messages.
    ///
    /// # Errors
    /// As [`Counters::attach`].
    pub fn row(
        &self,
        bench: &mut Bench,
        messages: u64,
        stop: &AtomicBool,
    ) -> Result<(Counts, BenchRow), InstrumentFault> {
        let before = self.read()?;
        self.counters.iter().try_for_each(|(_, counter)| counter.enable())?;
        let row = bench.send(messages, stop);
        self.counters.iter().try_for_each(|(_, counter)| counter.disable())?;
        let mut counts = self.read()?;
        for (subject, count) in &mut counts {
            *count -= before.get(subject).copied().unwrap_or(0);
        }
        Ok((counts, row?))
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
fn learn(bench: &mut Bench, tracefs: &Tracefs, stop: &AtomicBool) -> Result<[Vec<u64>; 2], InstrumentFault> {
    let entry = tracefs.tracepoint("raw_syscalls/sys_enter")?;
    let pids = bench.pids();
    let wants: Vec<Want<usize>> = (0..2)
        .map(|side| Want {
            key: side,
            watched: PerfEvent::Tracepoint(entry.id),
            whom: Whom::Thread(pids[side]),
            only: None,
        })
        .collect();
    let mut stream = EventStream::open(&wants, LEARN_PAGES, false, true)?;
    stream.begin()?;
    bench.send(LEARN, stop)?;
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
    Ok(called)
}

/// The cost of the messages that `long` has more than `short`: the difference of the two rows'
/// counts.
///
/// The workers' own acts around their messages are the same in both rows, but for a page taken for
/// a longer answer and the like. A count that is larger in the short row gives zero.
pub fn difference(short: &Counts, long: &Counts) -> Counts {
    let before = |subject: &CountedSubject| short.get(subject).copied().unwrap_or(0);
    long.iter().map(|(subject, count)| (subject.clone(), count.saturating_sub(before(subject)))).collect()
}

/// This many calls of a row may be the worker's own, in this row alone: to take memory for a longer
/// answer.
const AROUND: u64 = 10;

/// The calls of one side by name. Those that have none in the end were missed, and are told as `other calls`.
pub fn calls_of(side: usize, counts: &Counts) -> Vec<(String, u64)> {
    let mut parts: Vec<(String, u64)> = counts
        .iter()
        .filter_map(|(subject, &count)| match subject {
            CountedSubject::Call(of, number) if *of == side => Some((calls::name(*number), count)),
            _ => None,
        })
        .collect();
    let told: u64 = parts.iter().map(|(_, count)| count).sum();
    let all = counts.get(&CountedSubject::Calls(side)).copied().unwrap_or(0);
    let untold = all.saturating_sub(told);
    if untold > AROUND {
        parts.push(("other calls".into(), untold));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_more_in_the_short_row_is_nothing_for_the_messages() {
        let row = |calls, faults| {
            Counts::from([
                (CountedSubject::Calls(0), calls + 15),
                (CountedSubject::Call(0, calls::number("write").unwrap()), calls),
                (CountedSubject::Faults(0), faults),
            ])
        };
        let counts = difference(&row(500, 3), &row(1500, 2));
        assert_eq!(counts[&CountedSubject::Faults(0)], 0, "and not one less than none");
        assert_eq!(calls_of(0, &counts), [("write".to_owned(), 1000)]);
    }

    #[test]
    fn calls_without_a_name_are_told_unless_they_are_the_workers_own() {
        let told = |unnamed| calls_of(1, &Counts::from([(CountedSubject::Calls(1), unnamed)]));
        assert_eq!(told(AROUND), []);
        assert_eq!(told(AROUND + 1), [("other calls".to_owned(), AROUND + 1)]);
    }
}
