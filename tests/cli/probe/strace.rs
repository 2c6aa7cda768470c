//! The probes agree with strace: an independent program that looks at the same two processes, over the same messages,
//! counts the same calls, by name, on each side, to the last one.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::AtomicBool;

use crossing::{Kind, WaitStrategy};
use lab::probe::counters::{self, Counters};
use lab::probe::tracefs::Tracefs;
use lab::probe::{Bench, InstrumentFault, calls};

use super::setup;
use crate::cannot_run::{Lacks, cannot_run};
use crate::harness::{Desk, Running};

/// Messages that both look at.
const MESSAGES: u64 = 1000;

/// Calls of one side, by name.
type Counted = BTreeMap<String, u64>;

/// Up to this many calls of one name may be the worker's own, around its messages.
const AROUND: u64 = 10;

/// Where strace counted something else than the probe did. The worker's own few calls, for which the probe has no name,
/// are none of its business.
fn disagreements(probe: &Counted, strace: &Counted) -> Vec<String> {
    let names = probe.keys().chain(strace.iter().filter(|(_, calls)| **calls > AROUND).map(|(name, _)| name));
    let mut names: Vec<&String> = names.collect();
    names.sort_unstable();
    names.dedup();
    let of = |counted: &Counted, name: &str| counted.get(name).copied().unwrap_or(0);
    let differ = names.into_iter().filter(|name| of(probe, name) != of(strace, name));
    differ
        .map(|name| format!("{name}: {} by the probe, {} by strace", of(probe, name), of(strace, name)))
        .collect()
}

/// The table that `strace -c` leaves: a line for each name, of which the fourth word is the number of calls and the last
/// the name.
fn table(text: &str) -> Counted {
    let rows = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let named = rows.filter_map(|words| {
        let calls = words.get(3)?.parse().ok()?;
        Some(((*words.last()?).to_owned(), calls)).filter(|(name, _)| name != "total")
    });
    named.collect()
}

/// A strace that counts the calls of one process and its threads.
struct Strace {
    running: Running,
    table: PathBuf,
    /// Held open: what it says when it lets go must find a reader.
    _stderr: BufReader<ChildStderr>,
}

impl Strace {
    /// `None` where it cannot be had, which is said.
    fn attach(pid: u32, table: PathBuf) -> Option<Strace> {
        let mut command = Command::new("strace");
        command.args(["-f", "-c", "-o"]).arg(&table).args(["-p", &pid.to_string()]);
        let mut child: Child = match command.stderr(Stdio::piped()).stdin(Stdio::null()).spawn() {
            Ok(child) => child,
            Err(error) => {
                cannot_run(Lacks::Tool, format!("strace: {error} (./check installs it)"));
                return None;
            }
        };
        let mut said = String::new();
        let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        stderr.read_line(&mut said).expect("strace says that it is there");
        if !said.contains("attached") {
            cannot_run(Lacks::Right, said);
            return None;
        }
        Some(Strace { running: Running(child), table, _stderr: stderr })
    }

    fn both(pids: [u32; 2], desk: &Desk) -> Option<[Strace; 2]> {
        let [sender, receiver] = pids;
        Some([Strace::attach(sender, desk.path("sender"))?, Strace::attach(receiver, desk.path("receiver"))?])
    }

    /// Lets the process go, and tells.
    fn counted(mut self) -> Counted {
        self.running.signal(rustix::process::Signal::INT);
        self.running.wait();
        let text = fs::read_to_string(Path::new(&self.table)).expect("strace leaves its table");
        table(&text)
    }
}

/// The sender and the receiver of `kind`, with warm caches.
fn bench(kind: Kind, wait: WaitStrategy) -> Bench {
    let never = AtomicBool::new(false);
    let mut bench = Bench::start(&setup(kind, wait), &never).expect("two processes");
    bench.send(20, &never).expect("messages");
    bench
}

/// Tracepoints and strace look at the same messages at once.
fn at_once(kind: Kind, wait: WaitStrategy, tracefs: &Tracefs) {
    let never = AtomicBool::new(false);
    let desk = Desk::new();
    let mut bench = bench(kind, wait);
    let counters = Counters::attach(&mut bench, tracefs, &never).expect("tracepoints");
    let Some(straces) = Strace::both(bench.pids(), &desk) else { return };
    let (counts, row) = counters.row(&mut bench, MESSAGES, &never).expect("counts");
    assert_eq!(row.messages, MESSAGES);
    for (side, strace) in straces.into_iter().enumerate() {
        // Of the calls without a name are those that the worker makes around its messages.
        let named = counters::calls_of(side, &counts).into_iter().filter(|(name, _)| name != "other calls");
        let (probe, strace) = (named.collect::<Counted>(), strace.counted());
        println!("{kind} {wait}, side {side}, tracepoints and strace at once: {probe:?}");
        let differ = disagreements(&probe, &strace);
        assert!(differ.is_empty(), "{kind} {wait}, side {side}: {differ:?} of {probe:?} and {strace:?}");
    }
}

#[test]
fn tracepoints_and_strace_count_the_same_calls_of_the_same_messages() {
    let tracefs = match Tracefs::open() {
        Ok(tracefs) => tracefs,
        Err(error) => return cannot_run(Lacks::by(&error), format!("at the tier of tracepoints: {error}")),
    };
    for kind in Kind::ALL {
        for wait in [WaitStrategy::Spin, WaitStrategy::Block] {
            at_once(kind, wait, &tracefs);
        }
    }
}

/// What strace counts of `messages`, and of what the workers do around them.
fn straced(bench: &mut Bench, messages: u64) -> Option<[Counted; 2]> {
    let desk = Desk::new();
    let straces = Strace::both(bench.pids(), &desk)?;
    bench.send(messages, &AtomicBool::new(false)).expect("messages");
    Some(straces.map(Strace::counted))
}

/// One process has one tracer. So our own pass and strace look one after the other, at what is the same each time: a
/// receiver that polls does not poll as often twice, and one over shared memory may be awake still. The longer of two
/// rows less the shorter is what the messages cost.
#[test]
fn our_own_tracer_and_strace_count_the_same_calls_of_as_many_messages() {
    let never = AtomicBool::new(false);
    for kind in Kind::ALL.into_iter().filter(|&kind| kind != Kind::Shm) {
        let mut bench = bench(kind, WaitStrategy::Block);
        let seen = match calls::trace(&mut bench, MESSAGES, &never) {
            Ok((seen, _)) => seen,
            Err(InstrumentFault::Lost(error)) => panic!("{error}"),
            Err(InstrumentFault::Refused(error)) => {
                return cannot_run(Lacks::by(&error), format!("ptrace: {error}"));
            }
        };
        let (Some(short), Some(long)) = (straced(&mut bench, 50), straced(&mut bench, 50 + MESSAGES)) else {
            return;
        };
        for side in 0..2 {
            let mut probe = Counted::new();
            for called in seen[side].iter().filter(|called| called.name() != "clock_nanosleep") {
                *probe.entry(called.name()).or_default() += 1;
            }
            let less = |(name, calls): (&String, &u64)| {
                (name.clone(), calls.saturating_sub(short[side].get(name).copied().unwrap_or(0)))
            };
            let mut strace: Counted = long[side].iter().map(less).collect();
            // How often the sender looks whether its receiver waits is its own affair.
            strace.remove("clock_nanosleep");
            println!("{kind} block, side {side}, ptrace and then strace: {probe:?}");
            let differ = disagreements(&probe, &strace);
            assert!(differ.is_empty(), "{kind}, side {side}: {differ:?} of {probe:?} and {strace:?}");
        }
    }
}

#[test]
fn one_call_more_or_less_is_a_disagreement() {
    let counted = |calls: &[(&str, u64)]| -> Counted {
        calls.iter().map(|(name, calls)| ((*name).to_owned(), *calls)).collect()
    };
    let probe = counted(&[("read", 1000), ("sched_yield", 71_003)]);
    let same = counted(&[("read", 1000), ("sched_yield", 71_003), ("prctl", 2)]);
    assert!(disagreements(&probe, &same).is_empty());
    for wrong in [
        counted(&[("read", 1001), ("sched_yield", 71_003)]),
        counted(&[("read", 999), ("sched_yield", 71_003)]),
        counted(&[("read", 1000)]),
        counted(&[("read", 1000), ("sched_yield", 71_003), ("futex", 500)]),
    ] {
        assert_eq!(disagreements(&probe, &wrong).len(), 1, "{wrong:?}");
    }
}

#[test]
fn a_table_is_read() {
    let text = "% time     seconds  usecs/call     calls    errors syscall\n\
                ------ ----------- ----------- --------- --------- ----------------\n \
                62.50    0.000020           2         8           read\n \
                37.50    0.000012          12         1         1 access\n\
                ------ ----------- ----------- --------- --------- ----------------\n\
                100.00    0.000032           3         9         1 total\n";
    assert_eq!(table(text), Counted::from([("read".into(), 8), ("access".into(), 1)]));
}
