//! The bench: two processes with a channel between them, held still so that instruments can be put to them.
//!
//! Between two rows of messages both sleep on their line to the lab, and a row is over only when
//! they do so again. Then an instrument is attached and a row is sent, so the instrument sees all
//! of one row, and nothing else.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crossing::{Endpoint, Kind, WaitStrategy};
use thiserror::Error;

use crate::clock::Clock;
use crate::itself::THIS_PROGRAM;
use crate::job::{PairJob, SETUP, Task};
use crate::machine;
use crate::peer::PeerFault;
use crate::plan::Placement;
use crate::report::SideUse;
use crate::request::{Request, SideOutcome};
use crate::stats::Histogram;
use crate::sys::lines::Lines;
use crate::two_peers::TwoPeers;

/// How long one message may take, far above anything seen: step by step under a tracer.
const PER_MESSAGE: Duration = Duration::from_millis(50);
/// How long a process may take from its answer to its sleep.
const TO_REST: Duration = Duration::from_secs(5);

/// The subject of a probe.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeSetup {
    /// The mechanism.
    pub kind: Kind,
    /// How both ends wait.
    pub wait: WaitStrategy,
    /// Where the two processes run.
    pub placement: Placement,
    /// Bytes in each message.
    pub size_bytes: u32,
    /// The program whose workers are looked at: it must call [`worker_main`](crate::worker_main).
    pub program: PathBuf,
}

impl ProbeSetup {
    /// Messages of 64 bytes, sent by this program's own workers.
    pub fn new(kind: Kind, wait: WaitStrategy, placement: Placement) -> ProbeSetup {
        ProbeSetup { kind, wait, placement, size_bytes: 64, program: THIS_PROGRAM.into() }
    }
}

/// Why nothing could be probed: one line that names the remedy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ProbeError(pub String);

impl From<PeerFault> for ProbeError {
    fn from(fault: PeerFault) -> ProbeError {
        match fault {
            PeerFault::Environment(why) | PeerFault::Failed(why) => ProbeError(why),
            PeerFault::Stopped => ProbeError("interrupted".into()),
        }
    }
}

/// Why an instrument says nothing.
#[derive(Debug, Error)]
#[error(transparent)]
pub enum InstrumentFault {
    /// The kernel refuses it; the others still work.
    Refused(#[from] io::Error),
    /// The processes failed, or a message was lost: nothing more can be counted on them.
    Lost(#[from] ProbeError),
}

/// Two processes with a channel between them.
#[derive(Debug)]
pub struct Bench {
    peers: TwoPeers,
    cores: Option<[usize; 2]>,
}

/// The facts about one row of messages.
#[derive(Debug, Clone, PartialEq)]
pub struct BenchRow {
    /// Messages that were sent, each verified.
    pub messages: u64,
    /// From just before `send` to just after `recv`, the median, in nanoseconds.
    pub flight_ns_p50: Option<u64>,
    /// The cost of the sender and of the receiver, the sender's pauses included.
    pub sides: [SideUse; 2],
    /// How often the sender slept between two messages.
    pub pauses: u64,
    /// When each `send` began and ended, on CLOCK_MONOTONIC.
    pub sends: Vec<(u64, u64)>,
    /// When each `recv` began and ended.
    pub recvs: Vec<(u64, u64)>,
    /// The message's address in the memory of either process.
    pub message_at: [u64; 2],
}

impl BenchRow {
    /// From just before each `send` to the end of it and of its `recv`, when the times were told.
    pub(crate) fn windows(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.sends.iter().zip(&self.recvs).map(|(send, recv)| (send.0, send.1.max(recv.1)))
    }
}

impl Bench {
    /// Starts the two, and connects them. Nothing was sent yet.
    ///
    /// # Errors
    /// When the placement cannot be had or a process cannot be started.
    pub fn start(setup: &ProbeSetup, stop: &AtomicBool) -> Result<Bench, ProbeError> {
        let mut bench = Bench::start_apart(setup, stop)?;
        bench.connect(stop)?;
        Ok(bench)
    }

    /// Starts the two, and lets them wait before they connect.
    ///
    /// # Errors
    /// As [`Bench::start`].
    pub fn start_apart(setup: &ProbeSetup, stop: &AtomicBool) -> Result<Bench, ProbeError> {
        let cores = machine::resolve(setup.placement).map_err(|gone| ProbeError(gone.to_string()))?;
        let environment = |error: &dyn std::fmt::Display| ProbeError(error.to_string());
        let deadline = Instant::now() + SETUP;
        let ends = Endpoint::pair(setup.kind).map_err(|error| environment(&error))?;
        let (_, lines) = Lines::create().map_err(|error| environment(&error))?;
        // The clock that the kernel's records carry.
        let job =
            PairJob::new(Task::Probe, setup.kind, setup.wait, cores, setup.size_bytes, Clock::Monotonic);
        let program = setup.program.as_os_str();
        let peers = TwoPeers::start(program, Some(ends), &job, Some(lines.as_fd()), deadline, stop)?;
        Ok(Bench { peers, cores })
    }

    /// Connects the two.
    ///
    /// # Errors
    /// When the handshake fails.
    pub fn connect(&mut self, stop: &AtomicBool) -> Result<(), ProbeError> {
        self.peers.connect(Instant::now() + SETUP, stop)?;
        self.rest()
    }

    /// The sender's and the receiver's process.
    pub fn pids(&self) -> [u32; 2] {
        self.peers.pids()
    }

    /// The cores they were read back on.
    pub fn cores(&self) -> Option<[usize; 2]> {
        self.cores
    }

    /// Whether both share their only core.
    pub fn one_core(&self) -> bool {
        self.cores.is_some_and(|[a, b]| a == b)
    }

    /// Sends a row of messages and verifies each.
    ///
    /// # Errors
    /// When a message was lost or damaged, or a process died.
    pub fn send(&mut self, messages: u64, stop: &AtomicBool) -> Result<BenchRow, ProbeError> {
        self.row(messages, false, stop)
    }

    /// The same, and each call is told with its times.
    ///
    /// # Errors
    /// As [`Bench::send`].
    pub fn send_with_times(&mut self, messages: u64, stop: &AtomicBool) -> Result<BenchRow, ProbeError> {
        self.row(messages, true, stop)
    }

    fn row(&mut self, count: u64, times: bool, stop: &AtomicBool) -> Result<BenchRow, ProbeError> {
        let patience = PER_MESSAGE.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
        let request = Request::Messages { count, times };
        let [sender, receiver] = self.peers.run(&request, Instant::now() + SETUP + patience, stop)?;
        self.rest()?;
        Ok(row(sender, receiver))
    }

    /// Waits until both sleep on their line. A process that has answered does nothing else before
    /// it sleeps there. Without this wait, a counter stopped now might miss the last of it.
    fn rest(&self) -> Result<(), ProbeError> {
        let deadline = Instant::now() + TO_REST;
        for pid in self.pids() {
            while !sleeps(pid)? {
                if Instant::now() >= deadline {
                    return Err(ProbeError(format!("process {pid} has answered, and does not come to rest")));
                }
                crossing::pause(Duration::from_micros(20));
            }
        }
        Ok(())
    }

    /// Ends both, whatever they are doing.
    pub(crate) fn kill(&mut self) {
        self.peers.kill();
    }
}

/// Whether the first thread of `pid`, the one that talks, is asleep.
fn sleeps(pid: u32) -> Result<bool, ProbeError> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).map_err(|error| ProbeError(format!("{path}: {error}")))?;
    // Behind the name, which may itself hold anything.
    Ok(stat.rsplit_once(')').is_some_and(|(_, behind)| behind.trim_start().starts_with('S')))
}

fn row(sender: SideOutcome, receiver: SideOutcome) -> BenchRow {
    BenchRow {
        messages: receiver.verified,
        flight_ns_p50: Histogram::from_pairs(&receiver.samples).median(),
        sides: [sender.usage, receiver.usage],
        pauses: sender.pauses,
        sends: sender.calls,
        recvs: receiver.calls,
        message_at: [sender.message_at, receiver.message_at],
    }
}
