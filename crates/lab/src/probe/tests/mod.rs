//! Known answers: every instrument watches a process whose acts are known, and must read exactly
//! those. One more act must read as one more, so an instrument that counts something else is found
//! out.

mod subject;

use std::io;
use std::sync::mpsc;
use std::thread;

use self::subject::{BEYOND, Deed, Subject};
use super::calls::{Called, follow};
use super::stream::{EventStream, Want};
use super::switches::SwitchWatch;
use super::tracefs::Tracefs;
use crate::cannot_run::{Lacks, cannot_run};
use crate::sys::calls;
use crate::sys::mark::Mark;
use crate::sys::perf::{Counter, PerfEvent, Records, Whom};

/// Whether an instrument can be had; if not, that is said, and nothing is concluded.
#[track_caller]
fn tried<T>(tier: &str, instrument: io::Result<T>) -> Option<T> {
    let say = |error: &io::Error| cannot_run(Lacks::by(error), format!("at the tier of {tier}: {error}"));
    instrument.inspect_err(say).ok()
}

fn getppid() -> u64 {
    calls::number("getppid").expect("it has a name")
}

#[test]
fn a_thousand_calls_are_a_thousand_by_tracepoints() {
    for times in [1000, 1001] {
        let Some(entry) = tried(
            "tracepoints",
            Tracefs::open().and_then(|tracefs| tracefs.tracepoint("raw_syscalls/sys_enter")),
        ) else {
            return;
        };
        let mut subject = Subject::told(Deed::Call, times);
        let (watched, whom) = (PerfEvent::Tracepoint(entry.id), Whom::Thread(subject.tid));
        let Some(counter) = tried("tracepoints", Counter::open(watched, whom, Records::default(), true))
        else {
            return;
        };
        counter.only(&format!("id == {}", getppid())).unwrap();
        counter.enable().unwrap();
        let want = Want { key: (), watched, whom, only: None };
        let mut stream = EventStream::open(&[want], 256, false, true).unwrap();
        stream.begin().unwrap();
        subject.go();
        let told = stream.end().unwrap();
        assert_eq!(counter.count().unwrap(), times, "as a counter");
        let field = |at: usize, name| {
            entry.number(&told.events[at].sample.fields, name, 0).map(|number| number as u64).unwrap()
        };
        let mark = |at: usize| Mark::of(field(at, "id"), &[field(at, "args")]);
        let calls = 0..told.events.len();
        let begin = calls.clone().find(|&at| mark(at) == Some(Mark::Begin)).unwrap();
        let end = calls.clone().find(|&at| at > begin && mark(at) == Some(Mark::End)).unwrap();
        assert_eq!((end - begin - 1) as u64, times, "as a stream, between the marks");
        assert!((begin + 1..end).all(|at| field(at, "id") == getppid()), "and nothing else");
    }
}

#[test]
fn a_thousand_calls_are_a_thousand_by_ptrace() {
    for times in [1000, 1001] {
        let mut subject = Subject::told(Deed::Call, times);
        let tid = subject.tid;
        let (ready, attached) = mpsc::channel();
        let tracer = thread::spawn(move || follow(tid, &ready));
        if tried("ptrace", attached.recv().unwrap()).is_none() {
            return;
        }
        subject.go();
        let seen: Vec<Called> = tracer.join().unwrap();
        assert_eq!(seen.len() as u64, times);
        assert!(seen.iter().all(|called| called.number == getppid()), "and nothing else");
    }
}

#[test]
fn ten_sleeps_are_ten_switches() {
    for times in [10, 11] {
        let mut subject = Subject::told(Deed::Sleep, times);
        let mut watch = tried("perf", SwitchWatch::of(subject.tid));
        let spent = subject.go();
        assert_eq!(spent.switches, times, "by getrusage");
        if let Some(watch) = &mut watch {
            let inside = |t_ns| (spent.window.0..=spent.window.1).contains(&t_ns);
            assert_eq!(watch.outs(inside).unwrap().slept, times, "by switch records");
            println!("{times} sleeps, looked at by getrusage and perf switch records");
        }
    }
}

#[test]
fn a_hundred_first_touches_are_a_hundred_faults() {
    for times in [100, 101] {
        let mut subject = Subject::told(Deed::Page, times);
        let stream = Tracefs::open().and_then(|tracefs| {
            let watched = PerfEvent::Tracepoint(tracefs.tracepoint("exceptions/page_fault_user")?.id);
            let want = Want { key: (), watched, whom: Whom::Thread(subject.tid), only: None };
            let stream = EventStream::open(&[want], 64, false, true)?;
            stream.begin().map(|()| stream)
        });
        let mut stream = tried("tracepoints", stream);
        let spent = subject.go();
        assert_eq!(spent.faults, times, "by getrusage");
        if let Some(stream) = &mut stream {
            let told = stream.end().unwrap();
            let inside = |t_ns| (spent.window.0..=spent.window.1).contains(&t_ns);
            let faults = told.events.iter().filter(|seen| inside(seen.sample.t_ns)).count() as u64;
            assert_eq!(faults, times, "by tracepoints");
        }
    }
}

/// How often the kernel touched each of these bytes of the subject while it did its deed.
fn touches(subject: &mut Subject, bytes: &[u64]) -> io::Result<Vec<usize>> {
    let want = |(key, &address): (usize, &u64)| {
        let watched = PerfEvent::Byte { address, reads: true };
        Want { key, watched, whom: Whom::Thread(subject.tid), only: None }
    };
    let wants: Vec<Want<usize>> = bytes.iter().enumerate().map(want).collect();
    let mut stream = EventStream::open(&wants, 64, false, true)?;
    stream.begin()?;
    subject.go();
    let told = stream.end()?;
    let by_kernel =
        |key: usize| told.events.iter().filter(move |seen| seen.key == key && seen.sample.ip >> 63 == 1);
    Ok((0..bytes.len()).map(|key| by_kernel(key).count()).collect())
}

#[test]
fn a_write_of_n_bytes_is_n_bytes_touched_once_and_so_is_the_read() {
    /// The processor has about four watchpoints, so each run looks at a few bytes.
    const AT_ONCE: usize = 3;
    for times in [5, 6] {
        for buffer in 0..2 {
            let mut seen = Vec::new();
            while seen.len() < times as usize + BEYOND {
                let mut subject = Subject::told(Deed::PipeByte, times);
                let left = times as usize + BEYOND - seen.len();
                let from = subject.buffers[buffer] + seen.len() as u64;
                let bytes: Vec<u64> = (from..).take(left.min(AT_ONCE)).collect();
                match tried("kernel memory", touches(&mut subject, &bytes)) {
                    Some(touched) => seen.extend(touched),
                    None => return,
                }
            }
            let mut expected = vec![1; times as usize];
            expected.extend([0; BEYOND]);
            assert_eq!(seen, expected, "{times} bytes, {}", ["written", "read"][buffer]);
        }
    }
}
