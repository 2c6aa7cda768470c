//! Rivals: programs outside of the project that run the same rounds (`rivals/README.md`).
//!
//! A rival brings its own two processes. It reads a job as one line of JSON, and answers by one line. What it
//! may not do is answer for work it has not done: it verifies the same payload, and a round without every
//! message verified has no number.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossing::{Kind, WaitStrategy};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::peer::Fault;
use crate::plan::{Workload, as_text};
use crate::round::Order;

/// The longest answer that is believed, in bytes.
const ANSWER_LIMIT: usize = 16 << 20;
/// How long a rival may take to say who it is.
const MEETING: Duration = Duration::from_secs(5);

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

/// What a rival answers.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) verified: u64,
    pub(crate) elapsed_ns: u64,
    pub(crate) latency_ns: Vec<(u64, u64)>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum GuestAnswer {
    Done(Outcome),
    Unsupported { unsupported: String },
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
        let can = serde_json::from_slice(&answer)
            .map_err(|error| fault(&format!("it does not describe itself as a rival does: {error}")))?;
        Ok(Rival { program, can })
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
    ) -> Result<Outcome, Fault> {
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
        let guest = Guest::start(&mut Command::new(&self.program), Some(&line))
            .map_err(|error| Fault::spawn(&error))?;
        let answer = guest.answer(Instant::now() + order.time(), stop)?;
        match serde_json::from_slice(&answer) {
            Ok(GuestAnswer::Done(outcome)) => Ok(outcome),
            Ok(GuestAnswer::Unsupported { unsupported }) => Err(Fault::Failed(unsupported)),
            Err(error) => {
                Err(Fault::Failed(format!("rival {} answered what is no answer: {error}", self.name())))
            }
        }
    }
}

/// A rival that runs. Dropped, it is killed and reaped.
struct Guest(Child);

impl Guest {
    fn start(command: &mut Command, line: Option<&[u8]>) -> std::io::Result<Guest> {
        let stdin = if line.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut guest = Guest(command.stdin(stdin).stdout(Stdio::piped()).spawn()?);
        if let (Some(line), Some(mut stdin)) = (line, guest.0.stdin.take()) {
            stdin.write_all(line)?;
        }
        Ok(guest)
    }

    /// Everything it says until it ends, if it ends well.
    fn answer(mut self, deadline: Instant, stop: &AtomicBool) -> Result<Vec<u8>, Fault> {
        let Some(mut stdout) = self.0.stdout.take() else {
            return Err(Fault::Failed("it has no output".into()));
        };
        let mut answer = Vec::new();
        let mut bytes = [0; 16 << 10];
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(Fault::Stopped);
            }
            if Instant::now() >= deadline || answer.len() > ANSWER_LIMIT {
                return Err(Fault::Failed("it did not answer in time".into()));
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
        match self.0.wait() {
            Ok(status) if status.success() => Ok(answer),
            Ok(status) => Err(Fault::Failed(format!("it ended with {status}"))),
            Err(error) => Err(Fault::Failed(error.to_string())),
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Both fail only for a process that is dead and reaped already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
