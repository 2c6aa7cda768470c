//! Rivals: programs outside of the project that run the same rounds (`rivals/README.md`).
//!
//! A rival brings its own two processes. It reads a job as one line of JSON, and answers by one line. What it
//! may not do is answer for work it has not done: it verifies the same payload, and a round without every
//! message verified has no number. Its times are its own word, but they must fit: its samples are as many as its
//! round trips and add up to its time, and it cannot have been at work for longer than it ran.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossing::{Kind, WaitStrategy};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::peer::Fault;
use crate::plan::{Workload, as_text};
use crate::round::Order;

/// The longest answer that is believed, in bytes.
const ANSWER_LIMIT: usize = 16 << 20;
/// How long a rival may take to say who it is.
const MEETING: Duration = Duration::from_secs(5);
/// The longest name, in characters.
const NAME_LIMIT: usize = 31;
/// How much of a sentence of a rival's is shown, in characters.
const SENTENCE_LIMIT: usize = 200;

/// A program that takes part, and what it says it can do.
#[derive(Debug, Clone)]
pub(crate) struct Rival {
    program: PathBuf,
    can: Description,
}

#[derive(Debug, Clone, Deserialize)]
struct Description {
    name: String,
    kinds: Vec<String>,
    workloads: Vec<String>,
    waits: Vec<String>,
    /// What its two sides are.
    #[serde(default)]
    ends: Ends,
    /// What is to stand beside its rows.
    note: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Ends {
    #[default]
    Processes,
    /// Two threads of one process: a bound for what processes can reach.
    Threads,
}

#[derive(Debug, Serialize)]
struct GuestJob {
    #[serde(with = "as_text::one")]
    kind: Kind,
    workload: Workload,
    size_bytes: u32,
    messages: u64,
    warmup: u64,
    cores: Option<[usize; 2]>,
    wait: &'static str,
    clock: Clock,
}

/// What a rival has done.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Outcome {
    messages: u64,
    pub(crate) verified: u64,
    pub(crate) elapsed_ns: u64,
    pub(crate) latency_ns: Vec<(u64, u64)>,
}

/// What a rival answers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    Done(Outcome),
    /// It cannot do this, and says so: a gap, not a failure.
    Unsupported {
        unsupported: String,
    },
}

impl Rival {
    /// Asks the program at `path` what it can do.
    pub(crate) fn meet(path: &Path) -> Result<Rival, String> {
        let fault = |why: &dyn std::fmt::Display| format!("rival {}: {why}", path.display());
        let program = path.canonicalize().map_err(|error| fault(&error))?;
        let mut command = Command::new(&program);
        let guest = Guest::start(command.arg("--describe"), None).map_err(|error| fault(&error))?;
        let answer = guest.answer(Instant::now() + MEETING, &AtomicBool::new(false));
        let answer = answer.map_err(|why| fault(&format!("{why:?}")))?;
        let can: Description = serde_json::from_slice(&answer)
            .map_err(|error| fault(&format!("it does not describe itself as a rival does: {error}")))?;
        let plain = can.name.bytes().all(|byte| byte.is_ascii_graphic());
        if can.name.is_empty() || can.name.len() > NAME_LIMIT || !plain {
            return Err(fault(&format!("its name is not 1 to {NAME_LIMIT} plain letters")));
        }
        Ok(Rival { program, can })
    }

    /// Whether its two sides are threads of one process: no way between processes, but a bound for one.
    pub(crate) fn is_bound(&self) -> bool {
        self.can.ends == Ends::Threads
    }

    /// What a reader of its rows must know.
    pub(crate) fn notes(&self) -> impl Iterator<Item = String> {
        let bound =
            self.is_bound().then(|| "two threads of one process: a bound, no way between processes".into());
        bound.into_iter().chain(self.can.note.as_deref().map(sentence))
    }

    pub(crate) fn name(&self) -> &str {
        &self.can.name
    }

    pub(crate) fn can(&self, kind: Kind, workload: Workload, wait: WaitStrategy) -> bool {
        let says = |list: &[String], word: &str| list.iter().any(|item| item == word);
        says(&self.can.kinds, kind.name())
            && says(&self.can.workloads, workload.name())
            && says(&self.can.waits, wait.name())
    }

    /// Runs one round.
    pub(crate) fn run(
        &self,
        kind: Kind,
        workload: Workload,
        order: &Order,
        stop: &AtomicBool,
    ) -> Result<Answer, Fault> {
        let job = GuestJob {
            kind,
            workload,
            size_bytes: order.size_bytes,
            messages: order.messages,
            warmup: order.warmup,
            cores: order.cores,
            wait: order.wait.name(),
            clock: order.clock,
        };
        let mut line = serde_json::to_vec(&job).map_err(|error| Fault::Failed(error.to_string()))?;
        line.push(b'\n');
        let began = Instant::now();
        let guest = Guest::start(&mut Command::new(&self.program), Some(&line))
            .map_err(|error| Fault::spawn(&error))?;
        let answer = guest.answer(began + order.time(), stop)?;
        let lied = |why: String| Fault::Failed(format!("rival {}: {why}", self.name()));
        match serde_json::from_slice(&answer) {
            Ok(Answer::Unsupported { unsupported }) => {
                Ok(Answer::Unsupported { unsupported: sentence(&unsupported) })
            }
            Ok(Answer::Done(outcome)) => match outcome.fault(workload, order, began.elapsed()) {
                Some(why) => Err(lied(why)),
                None => Ok(Answer::Done(outcome)),
            },
            Err(error) => Err(lied(format!("it answered what is no answer: {error}"))),
        }
    }
}

impl Outcome {
    /// What cannot be true of it. That every message was verified is checked for all entrants alike.
    fn fault(&self, workload: Workload, order: &Order, ran: Duration) -> Option<String> {
        if self.messages != order.messages {
            return Some(format!(
                "it tells of {} messages, and {} were asked for",
                self.messages, order.messages
            ));
        }
        let time = Duration::from_nanos(self.elapsed_ns);
        if time > ran {
            return Some(format!("it claims to have sent for {time:?}, and ran for {ran:?}"));
        }
        if workload != Workload::PingPong {
            return (!self.latency_ns.is_empty())
                .then(|| "it has latencies of a workload without any".into());
        }
        let samples: u128 = self.latency_ns.iter().map(|&(_, count)| u128::from(count)).sum();
        if samples != u128::from(self.messages) {
            return Some(format!("it has {samples} samples of {} round trips", self.messages));
        }
        let half = |&(ns, count): &(u64, u64)| u128::from(ns) * u128::from(count);
        let halves: u128 = self.latency_ns.iter().map(half).sum();
        // Each half is rounded by up to half a nanosecond.
        let (whole, told) = (2 * halves, u128::from(self.elapsed_ns));
        let slack = u128::from(self.messages) + told / 1000;
        (whole.abs_diff(told) > slack)
            .then(|| format!("its round trips add up to {whole} ns, its time is {told} ns"))
    }
}

/// A rival's sentence, fit to be shown: one line, no control characters, not too long.
fn sentence(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    shown.take(SENTENCE_LIMIT).collect::<String>().trim().to_owned()
}

/// A rival that runs. Dropped, it is killed and reaped, and its second process with it.
struct Guest {
    child: Child,
    /// What it says on stderr.
    complaint: File,
}

impl Guest {
    fn start(command: &mut Command, line: Option<&[u8]>) -> std::io::Result<Guest> {
        let stdin = if line.is_some() { Stdio::piped() } else { Stdio::null() };
        // A file and not a pipe, so that a rival that complains a lot never waits for anybody to listen.
        let complaint = File::from(memfd_create("ipcscope-rival-stderr", MemfdFlags::CLOEXEC)?);
        let command = command.stdin(stdin).stdout(Stdio::piped()).stderr(complaint.try_clone()?);
        let mut guest = Guest { child: command.process_group(0).spawn()?, complaint };
        if let (Some(line), Some(mut stdin)) = (line, guest.child.stdin.take()) {
            match stdin.write_all(line) {
                // It ended without reading: how it ended says more.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
                written => written?,
            }
        }
        Ok(guest)
    }

    /// Everything it says until it ends, if it ends well.
    fn answer(mut self, deadline: Instant, stop: &AtomicBool) -> Result<Vec<u8>, Fault> {
        let Some(mut stdout) = self.child.stdout.take() else {
            return Err(Fault::Failed("it has no output".into()));
        };
        let mut answer = Vec::new();
        let mut bytes = [0; 16 << 10];
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(Fault::Stopped);
            }
            if Instant::now() >= deadline {
                return Err(Fault::Failed("it did not answer in time".into()));
            }
            if answer.len() > ANSWER_LIMIT {
                return Err(Fault::Failed(format!("its answer is longer than {ANSWER_LIMIT} bytes")));
            }
            let look_up = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };
            if matches!(poll(&mut [PollFd::new(&stdout, PollFlags::IN)], Some(&look_up)), Ok(1..)) {
                match stdout.read(&mut bytes) {
                    Ok(0) => break,
                    Ok(read) => answer.extend_from_slice(&bytes[..read]),
                    Err(error) => return Err(Fault::Failed(error.to_string())),
                }
            }
        }
        match self.child.wait() {
            Ok(status) if status.success() => Ok(answer),
            Ok(status) => Err(Fault::Failed(match self.last_words() {
                words if words.is_empty() => format!("it ended with {status}"),
                words => format!("it ended with {status}: {words}"),
            })),
            Err(error) => Err(Fault::Failed(error.to_string())),
        }
    }

    /// The last line that it wrote to stderr.
    fn last_words(&mut self) -> String {
        const TAIL: u64 = 4096;
        let mut tail = Vec::new();
        let length = self.complaint.stream_position().unwrap_or(0);
        let from = std::io::SeekFrom::Start(length.saturating_sub(TAIL));
        let read =
            self.complaint.seek(from).and_then(|_| (&self.complaint).take(TAIL).read_to_end(&mut tail));
        let text = String::from_utf8_lossy(&tail);
        let last = text.lines().rev().find(|line| !line.trim().is_empty()).filter(|_| read.is_ok());
        last.map(sentence).unwrap_or_default()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // All of these fail only for what is dead and reaped already. The group goes first: it has its name as long as
        // its leader has not been reaped.
        if let (Ok(None), Some(group)) = (self.child.try_wait(), Pid::from_raw(self.child.id().cast_signed()))
        {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Task;

    fn order() -> Order {
        Order {
            task: Task::Race(Workload::PingPong),
            kind: Kind::Pipe,
            wait: WaitStrategy::Block,
            cores: None,
            size_bytes: 64,
            warmup: 0,
            messages: 10,
            interval_ns: 0,
            capacity_bytes: None,
            clock: Clock::Monotonic,
        }
    }

    fn shell(script: &str) -> Guest {
        Guest::start(Command::new("sh").args(["-c", script]), Some(b"a job\n")).unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(300)
    }

    fn failure(guest: Guest, deadline: Instant) -> String {
        match guest.answer(deadline, &AtomicBool::new(false)) {
            Err(Fault::Failed(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_that_hangs_is_killed_with_all_that_it_started() {
        let mut guest = shell("sleep 1000 & echo $!; wait");
        let mut pid = [0; 16];
        let read = guest.child.stdout.as_mut().unwrap().read(&mut pid).unwrap();
        let sleeper = format!("/proc/{}/stat", String::from_utf8_lossy(&pid[..read]).trim());
        let gone = || std::fs::read_to_string(&sleeper).map_or(true, |stat| stat.contains(") Z "));
        assert!(!gone(), "{sleeper}");
        assert_eq!(failure(guest, soon()), "it did not answer in time");
        let patience = Instant::now() + Duration::from_secs(20);
        while !gone() {
            assert!(Instant::now() < patience, "{sleeper} is still there");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn one_that_ends_badly_has_the_last_word() {
        let later = Instant::now() + Duration::from_secs(20);
        assert!(
            failure(shell("echo first >&2; echo last >&2; exit 3"), later).ends_with("exit status: 3: last")
        );
        assert!(failure(shell("exit 3"), later).ends_with("exit status: 3"));
        let noisy = failure(
            shell("yes a line of no use | head -c 3000000 >&2; echo >&2; echo end >&2; exit 1"),
            later,
        );
        assert!(noisy.ends_with(": end"), "{noisy}");
        let flood = failure(shell("yes"), later);
        assert!(flood.contains("longer than"), "{flood}");
    }

    #[test]
    fn what_cannot_be_true_is_found() {
        let honest = Outcome {
            messages: 10,
            verified: 10,
            elapsed_ns: 20_009,
            latency_ns: vec![(900, 5), (1_101, 5)],
        };
        let ran = Duration::from_millis(1);
        let fault = |outcome: &Outcome, workload| outcome.fault(workload, &order(), ran);
        assert_eq!(fault(&honest, Workload::PingPong), None);
        let streamed = Outcome { latency_ns: Vec::new(), ..honest.clone() };
        assert_eq!(fault(&streamed, Workload::Stream), None);
        for lie in [
            Outcome { messages: 11, ..honest.clone() },
            Outcome { elapsed_ns: 2_000_000, ..honest.clone() },
            Outcome { elapsed_ns: 15_000, ..honest.clone() },
            Outcome { latency_ns: vec![(1_000, 9)], ..honest.clone() },
            Outcome { latency_ns: vec![(u64::MAX, 10)], ..honest.clone() },
            Outcome { latency_ns: vec![(u64::MAX, u64::MAX), (u64::MAX, u64::MAX)], ..honest.clone() },
            streamed,
        ] {
            assert!(fault(&lie, Workload::PingPong).is_some(), "{lie:?}");
        }
        assert!(fault(&honest, Workload::Stream).is_some());
    }

    #[test]
    fn a_sentence_cannot_write_on_the_terminal() {
        assert_eq!(sentence("\x1b[31mred\nand\tmore\x07 "), "[31mred and more");
        assert_eq!(sentence(&"ä".repeat(1_000)).chars().count(), SENTENCE_LIMIT);
    }
}
