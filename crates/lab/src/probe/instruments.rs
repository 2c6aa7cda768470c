//! The instruments of this machine: each is tried, and keeps what it was refused with.
//!
//! Nothing is concluded from a version or from a user's name. A container, a security module or a setting may refuse
//! what the manual promises; then the answer of the call says so, and what to do about it.

use std::io;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crossing::{Kind, WaitStrategy};
use serde::{Deserialize, Serialize};

use super::figure::Certainty;
use super::pages;
use super::symbols::Symbols;
use super::tracefs::Tracefs;
use crate::clock::Clock;
use crate::control::{Job, Role, Task};
use crate::machine::{self, Unavailable};
use crate::peer::{Peer, THIS_PROGRAM};
use crate::sys::perf::{Counter, Records, Watched, Whom};
use crate::sys::ptrace::Traced;

/// What it takes to be allowed to use an instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Nothing: everybody may look at his own processes.
    Anyone,
    /// perf_event_open(2), for what one's own processes do themselves.
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

/// One instrument, and whether it can be had.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instrument {
    /// Which.
    pub tool: Tool,
    /// What people call it.
    pub name: String,
    /// What it takes.
    pub tier: Tier,
    /// What its counts can prove.
    pub certainty: Certainty,
    /// What it shows.
    pub shows: String,
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
        tried: Result<(), Unavailable>,
    ) -> Instrument {
        let (name, shows) = (name.into(), shows.into());
        Instrument { tool, name, tier, certainty, shows, unavailable: tried.err() }
    }

    /// Whether it can be had.
    pub fn is_there(&self) -> bool {
        self.unavailable.is_none()
    }
}

/// Tries every instrument, in some tens of milliseconds.
pub fn instruments() -> Vec<Instrument> {
    use Certainty::{AtLeast, Exact};
    let new = Instrument::new;
    vec![
        new(
            Tool::Accounts,
            "getrusage, TCP_INFO",
            Tier::Anyone,
            Exact,
            "switches, page faults and segments of each process",
            Ok(()),
        ),
        new(
            Tool::Ptrace,
            "ptrace",
            Tier::Anyone,
            Exact,
            "every system call of both processes, with arguments and results",
            tried("every system call of a process", try_ptrace()),
        ),
        new(
            Tool::Switches,
            "perf switch records",
            Tier::Perf,
            Exact,
            "when each process got and gave up its core",
            tried("switch records", try_perf(Watched::Nothing, SWITCHES, false)),
        ),
        new(
            Tool::UserWatchpoints,
            "watchpoints, user memory",
            Tier::Perf,
            AtLeast,
            "every touch of a byte by the processes themselves",
            tried("watchpoints on memory of a process", try_perf(own_byte(), Records::default(), false)),
        ),
        new(
            Tool::Tracepoints,
            "tracepoints",
            Tier::Tracepoints,
            Exact,
            "system calls by name, wake-ups, switches, faults, packets",
            tried("tracepoints of the kernel", try_tracepoints()),
        ),
        new(
            Tool::KernelWatchpoints,
            "watchpoints, kernel memory",
            Tier::KernelMemory,
            Exact,
            "every touch of a byte by anybody: how often a message is copied, and by which function",
            tried("watchpoints on the kernel's memory", try_kernel_watchpoint()),
        ),
        new(
            Tool::Symbols,
            "kallsyms",
            Tier::KernelMemory,
            Exact,
            "the names of the kernel's functions",
            tried("names of the kernel's functions", Symbols::kernel().map(|_| ())),
        ),
        new(
            Tool::PageFrames,
            "pagemap",
            Tier::KernelMemory,
            Exact,
            "which physical page is behind an address",
            tried("numbers of physical pages", try_page_frames()),
        ),
    ]
}

const SWITCHES: Records = Records { samples: false, stack: false, fields: false, switches: true };

/// The end of the address space that is the kernel's on every architecture. It is watched and never touched.
const KERNEL_ADDRESS: u64 = 0xffff_8880_0000_0000;

/// A byte of this process.
fn own_byte() -> Watched {
    static BYTE: u8 = 0;
    Watched::Byte { address: (&raw const BYTE).expose_provenance() as u64, reads: true }
}

fn try_perf(watched: Watched, records: Records, kernel: bool) -> io::Result<()> {
    Counter::open(watched, Whom::Thread(0), records, kernel).map(|_| ())
}

fn try_tracepoints() -> io::Result<()> {
    let tracepoint = Tracefs::open()?.tracepoint("raw_syscalls/sys_enter")?;
    try_perf(Watched::Tracepoint(tracepoint.id), Records::default(), true)?;
    let core = machine::allowed_cores()?.first().copied().unwrap_or(0) as u32;
    Counter::open(Watched::Tracepoint(tracepoint.id), Whom::Core(core), Records::default(), true).map(|_| ())
}

fn try_kernel_watchpoint() -> io::Result<()> {
    let core = machine::allowed_cores()?.first().copied().unwrap_or(0) as u32;
    let watched = Watched::Byte { address: KERNEL_ADDRESS, reads: true };
    Counter::open(watched, Whom::Core(core), Records::default(), true)?;
    // Where to watch is learnt from tracepoints.
    Tracefs::open().map(|_| ())
}

fn try_page_frames() -> io::Result<()> {
    let here = 1_u8;
    let page = pages::page(std::process::id(), (&raw const here).expose_provenance() as u64)?;
    page.frame.map(|_| ()).ok_or_else(|| io::Error::from_raw_os_error(libc::EPERM))
}

/// Takes hold of a process of the lab that waits for its job.
fn try_ptrace() -> io::Result<()> {
    let job = Job {
        role: Role::Initiator,
        task: Task::Probe,
        kind: Kind::Pipe,
        wait: WaitStrategy::Block,
        core: None,
        size_bytes: 8,
        warmup: 0,
        messages: 0,
        interval_ns: 0,
        clock: Clock::Monotonic,
    };
    let deadline = Instant::now() + Duration::from_secs(2);
    let never = AtomicBool::new(false);
    let peer = Peer::start_program(THIS_PROGRAM.as_ref(), None, &job, None, deadline, &never)
        .map_err(|fault| io::Error::other(fault.to_string()))?;
    Traced::seize(peer.pid()).map(drop)
}

/// Says why `what` cannot be had, if it cannot.
fn tried(what: &str, tried: io::Result<()>) -> Result<(), Unavailable> {
    tried.map_err(|error| refused(what, &error))
}

/// Why `what` cannot be had, and what to do about it.
pub(crate) fn refused(what: &str, error: &io::Error) -> Unavailable {
    of_level(what, error, machine::perf_event_paranoid())
}

/// The same, where the kernel keeps so much of perf from those without privilege.
fn of_level(what: &str, error: &io::Error, level: Option<i32>) -> Unavailable {
    let by_setting = || match level {
        Some(level) if !what.contains("pages") => format!("{error} (kernel.perf_event_paranoid is {level})"),
        _ => error.to_string(),
    };
    let (why, remedy) = match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) if what.contains("system call") => (
            format!("ptrace is refused: {error}"),
            "run outside of a sandbox that forbids ptrace, or set kernel.yama.ptrace_scope to 0 or 1",
        ),
        Some(libc::EACCES | libc::EPERM) => (by_setting(), privilege(what, level)),
        Some(libc::ENOSYS) => {
            (format!("this kernel has no such call: {error}"), "run a kernel with CONFIG_PERF_EVENTS")
        }
        Some(libc::ENODEV) => {
            ("this kernel has no tracefs".into(), "run a kernel with CONFIG_TRACING and CONFIG_EVENT_TRACING")
        }
        Some(libc::ENOENT | libc::EOPNOTSUPP) => (
            format!("this kernel or processor does not have it: {error}"),
            "run on another kernel or machine; the other instruments work without it",
        ),
        Some(libc::ENOSPC) => (
            "all of the processor's watchpoints are in use".into(),
            "end the debugger that uses them, and try again",
        ),
        _ if error.kind() == io::ErrorKind::PermissionDenied => (error.to_string(), privilege(what, level)),
        _ => (error.to_string(), "try again as root; the other instruments work without it"),
    };
    Unavailable { what: what.into(), why, remedy: remedy.into() }
}

/// How to be allowed to see `what`.
fn privilege(what: &str, level: Option<i32>) -> &'static str {
    let everybody = what.contains("switch records") || what.contains("memory of a process");
    match level {
        // Distributions have added levels above 2 that forbid perf to everybody but root.
        Some(level) if everybody && level > 2 => {
            "run as root, or allow it to everybody: sysctl kernel.perf_event_paranoid=2"
        }
        _ if everybody => "allow perf_event_open in the container's seccomp profile, or run as root",
        _ => "run as root, and outside of a user namespace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_forbids_perf_to_everybody_is_named_with_its_remedy() {
        let denied = io::Error::from_raw_os_error(libc::EACCES);
        let told = of_level("switch records", &denied, Some(4));
        assert!(told.why.contains("kernel.perf_event_paranoid is 4"), "{told}");
        assert!(told.remedy.contains("sysctl kernel.perf_event_paranoid=2"), "{told}");
        let told = of_level("switch records", &denied, Some(2));
        assert!(told.remedy.contains("seccomp"), "at 2 it is not the setting: {told}");
        let told = of_level("tracepoints of the kernel", &denied, Some(4));
        assert!(told.remedy.contains("root") && !told.remedy.contains("sysctl"), "{told}");
    }

    #[test]
    fn every_refusal_has_a_reason_and_a_remedy() {
        for number in
            [libc::EACCES, libc::EPERM, libc::ENOSYS, libc::ENODEV, libc::ENOENT, libc::ENOSPC, 9999]
        {
            for what in ["every system call of a process", "switch records", "tracepoints of the kernel"] {
                let told = refused(what, &io::Error::from_raw_os_error(number));
                assert!(told.what == what && !told.why.is_empty() && !told.remedy.is_empty(), "{told}");
            }
        }
    }
}
