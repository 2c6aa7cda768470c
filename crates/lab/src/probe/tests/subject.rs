//! The subject: this test's own program, started again. It says where it is, waits until it is looked at, does what it was
//! told between the two marks, and says what its accounts have seen of it.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::sys::mark::Mark;
use crate::sys::monotonic::monotonic_ns;
use crate::sys::usage::usage;

/// Where the subject finds what it is to do.
const DEED: &str = "IPCSCOPE_KNOWN_DEED";
/// What it begins a line with: the test runner writes to the same stream.
const SAYS: &str = "the subject says";
/// Bytes behind the written ones, which must stay untouched.
pub(super) const BEYOND: usize = 3;

/// What the subject does, this many times.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deed {
    /// A system call.
    Call,
    /// A short sleep.
    Sleep,
    /// The first touch of a page.
    Page,
    /// A byte of a single message through a pipe.
    PipeByte,
}

impl Deed {
    fn of(word: &str) -> Deed {
        match word {
            "call" => Deed::Call,
            "sleep" => Deed::Sleep,
            "page" => Deed::Page,
            _ => Deed::PipeByte,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Deed::Call => "call",
            Deed::Sleep => "sleep",
            Deed::Page => "page",
            Deed::PipeByte => "pipe-byte",
        }
    }
}

/// A program that waits to be told to do it.
pub(super) struct Subject {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    pub(super) tid: u32,
    /// Where the bytes are that it writes, and where those that it reads.
    pub(super) buffers: [u64; 2],
}

/// What the subject's own accounts say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    /// Sleeps.
    pub(super) switches: u64,
    /// Page faults.
    pub(super) faults: u64,
    /// When it began, and when it was done.
    pub(super) window: (u64, u64),
}

impl Subject {
    pub(super) fn told(deed: Deed, times: u64) -> Subject {
        let mut command = Command::new(env::current_exe().expect("this program"));
        command.args([
            "--exact",
            "probe::tests::subject::waits_to_be_told",
            "--nocapture",
            "--test-threads=1",
        ]);
        command.env(DEED, format!("{} {times}", deed.word()));
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the subject starts");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut subject = Subject { child, stdin, stdout, tid: 0, buffers: [0; 2] };
        let said = subject.hear();
        subject.tid = said[0] as u32;
        subject.buffers = [said[1], said[2]];
        subject
    }

    fn hear(&mut self) -> Vec<u64> {
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.stdout.read_line(&mut line).expect("a pipe of ours");
            assert!(read > 0, "the subject has ended");
            // The runner's words may stand before ours, in the same line.
            if let Some((_, said)) = line.split_once(SAYS) {
                return said.split_whitespace().map(|word| word.parse().expect("a number")).collect();
            }
        }
    }

    /// Lets it go on, and waits until it is done. It stays until it is dropped.
    pub(super) fn go(&mut self) -> Spent {
        let stdin = self.stdin.as_mut().expect("it is piped");
        stdin.write_all(b"\n").expect("it waits");
        let said = self.hear();
        Spent { switches: said[0], faults: said[1], window: (said[2], said[3]) }
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

/// Untouched memory.
struct Pages {
    memory: Vec<u8>,
    next: usize,
}

impl Pages {
    /// As zeroes come fresh from the kernel, if there are enough of them. The first page holds the allocator's own words.
    fn new(pages: usize) -> Pages {
        let page = rustix::param::page_size();
        Pages { memory: vec![0; (pages + 3) * page], next: page }
    }

    fn touch_next(&mut self) {
        self.memory[self.next] = 1;
        self.next += rustix::param::page_size();
    }
}

/// The subject itself: of no use unless it is told what to do.
#[test]
fn waits_to_be_told() {
    let Ok(told) = env::var(DEED) else { return };
    let (deed, times) = told.split_once(' ').expect("a deed, and how often");
    let (deed, times) = (Deed::of(deed), times.parse::<usize>().expect("a number"));
    let from = vec![7_u8; times + BEYOND];
    let mut to = vec![0_u8; times + BEYOND];
    let buffers = [from.as_ptr(), to.as_ptr()].map(|at| at.expose_provenance() as u64);
    let mut pages = Pages::new(times);
    let pipe = rustix::pipe::pipe().expect("a pipe");
    let mut act = |times: usize| match deed {
        Deed::Call => (0..times).for_each(|_| {
            let _ = rustix::process::getppid();
        }),
        Deed::Sleep => (0..times).for_each(|_| thread::sleep(Duration::from_micros(300))),
        Deed::Page => (0..times).for_each(|_| pages.touch_next()),
        Deed::PipeByte => {
            assert_eq!(rustix::io::write(&pipe.1, &from[..times]), Ok(times));
            assert_eq!(rustix::io::read(&pipe.0, &mut to[..times]), Ok(times));
        }
    };
    // From here on its code has been run, and is where it is looked for; the window's is, too.
    act(1);
    Mark::End.leave();
    let _ = (usage(), monotonic_ns());
    println!("{SAYS} {} {} {}", rustix::thread::gettid().as_raw_nonzero(), buffers[0], buffers[1]);
    let _ = io::stdin().lines().next();
    let before = usage();
    let began = monotonic_ns();
    Mark::Begin.leave();
    act(times);
    Mark::End.leave();
    let ended = monotonic_ns();
    let after = usage();
    let (slept, faults) = (after.voluntary - before.voluntary, after.minor_faults - before.minor_faults);
    println!("{SAYS} {slept} {faults} {began} {ended}");
    // It stays until the test has looked.
    let _ = io::stdin().read(&mut [0]);
}
