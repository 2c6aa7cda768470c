//! The instruments of this machine: each is tried, and keeps the error that refused it.
//!
//! Nothing is concluded from a version or from a user's name. A container, a security module or a
//! setting may refuse what the manual promises. Then the answer of the call tells the reason and
//! the remedy.

use std::io;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crossing::{Kind, WaitStrategy};
use serde::{Deserialize, Serialize};

use super::calls::attach;
use super::figure::Certainty;
use super::pages;
use super::refusal::refused;
use super::symbols::Symbols;
use super::tracefs::Tracefs;
use crate::clock::Clock;
use crate::itself::THIS_PROGRAM;
use crate::job::{PairJob, Role, Task};
use crate::machine::{self, Unavailable};
use crate::peer::PeerHandle;
use crate::sys::perf::{Counter, PerfEvent, Records, Whom};
use crate::sys::usage::try_usage;

/// The privilege that an instrument needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Nothing: every user may inspect their own processes.
    Anyone,
    /// perf_event_open(2), for the user-space acts of one's own processes.
    Perf,
    /// perf for the kernel's events, and tracefs: root, or CAP_PERFMON with a readable tracefs.
    Tracepoints,
    /// Watchpoints in the kernel's own memory, and its addresses: root, or CAP_PERFMON with CAP_SYSLOG.
    KernelMemory,
}

impl Tier {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Tier::Anyone => "anyone",
            Tier::Perf => "perf",
            Tier::Tracepoints => "tracepoints",
            Tier::KernelMemory => "kernel memory",
        }
    }
}

/// Which instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Tool {
    /// getrusage(2) and TCP_INFO.
    Accounts,
    /// ptrace(2) of the lab's own processes.
    Ptrace,
    /// Records of a thread's getting and giving up a core.
    Switches,
    /// Watchpoints on a process's own memory.
    UserWatchpoints,
    /// Tracepoints of the kernel.
    Tracepoints,
    /// Watchpoints on the kernel's memory.
    KernelWatchpoints,
    /// The names of the kernel's functions.
    Symbols,
    /// The numbers of physical pages.
    PageFrames,
}

impl Tool {
    /// Whether it looks on while messages pass, which makes them slower. The others are asked between two rows of them.
    pub fn looks_on(self) -> bool {
        match self {
            Tool::Accounts | Tool::Symbols | Tool::PageFrames => false,
            Tool::Ptrace
            | Tool::Switches
            | Tool::UserWatchpoints
            | Tool::Tracepoints
            | Tool::KernelWatchpoints => true,
        }
    }
}

/// One instrument, and whether it can be had.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Instrument {
    /// Which.
    pub tool: Tool,
    /// Its name.
    pub name: String,
    /// The privilege that it needs.
    pub tier: Tier,
    /// The certainty of its counts.
    pub certainty: Certainty,
    /// What it shows.
    pub shows: String,
    /// How long the trial took: to be attached, or to be asked once, in nanoseconds.
    #[serde(default)]
    pub tried_ns: u64,
    /// Why it cannot be had here, if so.
    pub unavailable: Option<Unavailable>,
}

impl Instrument {
    fn new(
        tool: Tool,
        name: &str,
        tier: Tier,
        certainty: Certainty,
        shows: &str,
        trial: impl FnOnce() -> Result<(), Unavailable>,
    ) -> Instrument {
        let (name, shows) = (name.into(), shows.into());
        let began = Instant::now();
        let unavailable = trial().err();
        let tried_ns = began.elapsed().as_nanos() as u64;
        Instrument { tool, name, tier, certainty, shows, tried_ns, unavailable }
    }

    /// Whether it can be had.
    pub fn is_there(&self) -> bool {
        self.unavailable.is_none()
    }
}

/// Tries every instrument, in some tens of milliseconds.
pub fn instruments() -> Vec<Instrument> {
    use Certainty::{AtLeast, Exact};
    vec![
        Instrument::new(
            Tool::Accounts,
            "getrusage, TCP_INFO",
            Tier::Anyone,
            Exact,
            "switches, page faults and segments of each process",
            || tried("what processes cost", try_usage().map(drop)),
        ),
        Instrument::new(
            Tool::Ptrace,
            "ptrace",
            Tier::Anyone,
            Exact,
            "every system call of both processes, with arguments and results",
            || tried("every system call of a process", try_ptrace()),
        ),
        Instrument::new(
            Tool::Switches,
            "perf switch records",
            Tier::Perf,
            Exact,
            "when each process got and gave up its core",
            || tried("switch records", try_perf(PerfEvent::Nothing, SWITCHES, false)),
        ),
        Instrument::new(
            Tool::UserWatchpoints,
            "watchpoints, user memory",
            Tier::Perf,
            AtLeast,
            "every touch of a byte by the processes themselves",
            || tried("watchpoints on memory of a process", try_perf(own_byte(), Records::default(), false)),
        ),
        Instrument::new(
            Tool::Tracepoints,
            "tracepoints",
            Tier::Tracepoints,
            Exact,
            "system calls by name, wake-ups, switches, faults, packets",
            || tried("tracepoints of the kernel", try_tracepoints()),
        ),
        Instrument::new(
            Tool::KernelWatchpoints,
            "watchpoints, kernel memory",
            Tier::KernelMemory,
            Exact,
            "every touch of a byte: how often a message is copied, and by which function",
            || tried("watchpoints on the kernel's memory", try_kernel_watchpoint()),
        ),
        Instrument::new(
            Tool::Symbols,
            "kallsyms",
            Tier::KernelMemory,
            Exact,
            "the names of the kernel's functions",
            || tried("names of the kernel's functions", Symbols::kernel().map(|_| ())),
        ),
        Instrument::new(
            Tool::PageFrames,
            "pagemap",
            Tier::KernelMemory,
            Exact,
            "which physical page is behind an address",
            || tried("numbers of physical pages", try_page_frames()),
        ),
    ]
}

const SWITCHES: Records = Records { samples: false, stack: false, fields: false, switches: true };

/// The end of the address space that is the kernel's on every architecture. It is watched and never touched.
const KERNEL_ADDRESS: u64 = 0xffff_8880_0000_0000;

/// A byte of this process.
fn own_byte() -> PerfEvent {
    static BYTE: u8 = 0;
    PerfEvent::Byte { address: (&raw const BYTE).expose_provenance() as u64, reads: true }
}

fn try_perf(watched: PerfEvent, records: Records, kernel: bool) -> io::Result<()> {
    Counter::open(watched, Whom::Thread(0), records, kernel).map(|_| ())
}

fn try_tracepoints() -> io::Result<()> {
    let tracepoint = Tracefs::open()?.tracepoint("raw_syscalls/sys_enter")?;
    try_perf(PerfEvent::Tracepoint(tracepoint.id), Records::default(), true)?;
    let core = machine::allowed_cores()?.first().copied().unwrap_or(0) as u32;
    Counter::open(PerfEvent::Tracepoint(tracepoint.id), Whom::Core(core), Records::default(), true)
        .map(|_| ())
}

fn try_kernel_watchpoint() -> io::Result<()> {
    let core = machine::allowed_cores()?.first().copied().unwrap_or(0) as u32;
    let watched = PerfEvent::Byte { address: KERNEL_ADDRESS, reads: true };
    Counter::open(watched, Whom::Core(core), Records::default(), true)?;
    // The place to watch is learnt from tracepoints.
    Tracefs::open().map(|_| ())
}

fn try_page_frames() -> io::Result<()> {
    let here = 1_u8;
    let page = pages::page(std::process::id(), (&raw const here).expose_provenance() as u64)?;
    page.frame.map(|_| ()).ok_or_else(|| io::Error::from_raw_os_error(libc::EPERM))
}

/// Takes hold of a process of the lab that waits for its job.
fn try_ptrace() -> io::Result<()> {
    let job = PairJob::new(Task::Probe, Kind::ALL[0], WaitStrategy::Block, None, 8, Clock::Monotonic)
        .for_role(Role::Initiator);
    let deadline = Instant::now() + Duration::from_secs(2);
    let never = AtomicBool::new(false);
    let peer = PeerHandle::start(THIS_PROGRAM.as_ref(), None, &job, None, deadline, &never)
        .map_err(|fault| io::Error::other(fault.to_string()))?;
    attach(peer.pid()).map(drop)
}

/// Says why `what` cannot be had, if it cannot.
fn tried(what: &str, tried: io::Result<()>) -> Result<(), Unavailable> {
    tried.map_err(|error| refused(what, &error))
}
