//! The doctor: what this machine can and cannot measure. Every finding comes from trying, not from a version
//! number.

mod finding;
mod meeting;
mod trial;

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crossing::{Kind, Sleeping, Spacing};
use rustix::fs::{
    FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, ftruncate, memfd_create,
};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::thread::{MembarrierCommand, MembarrierQuery, membarrier, membarrier_query};

pub use self::finding::{Finding, FindingState};
use self::finding::{good, limited, missing};
use crate::clock::Clock;
use crate::control::Control;
use crate::machine::{
    Cgroup, Topology, allowed_cores, governor, list_of_cores, steal_ticks, usual_placement, virtualised,
};
use crate::plan::Placement;
use crate::probe::{Instrument, instruments};

/// Tries everything, in a second or two, without privileges, and leaves nothing behind.
///
/// Each mechanism is tried as it is used, by two processes; the other findings name the cause of a
/// refusal. Each makes the very call, with the very flags, that is made later.
pub fn findings() -> Vec<Finding> {
    let mut findings = causes();
    findings.extend(meeting::findings());
    findings.extend(Kind::ALL.map(trial::mechanism));
    findings.extend(instruments().iter().map(instrument));
    findings
}

/// The findings that hold for every mechanism.
fn causes() -> Vec<Finding> {
    vec![
        sleeping(crossing::sleeping()),
        sealed_memory(),
        asymmetric_barrier(),
        process_descriptor(),
        control_line(),
        open_files(),
        processes(),
        core_count(&Topology::of_this_machine()),
        pinning(usual_placement()),
        control_group(&Cgroup::own()),
        clock(),
        polling(),
        hypervisor(),
        frequency(governor()),
    ]
}

/// How a process sleeps on shared memory.
fn sleeping(how: Sleeping) -> Finding {
    let what = "futex_waitv";
    let allow = "allow futex_waitv in the container's seccomp profile; the other mechanisms work";
    match how {
        Sleeping::Waitv => good(what, "shared memory can sleep and watch its peer"),
        Sleeping::Futex => limited(
            what,
            "refused: shared memory sleeps by futex, and a thread wakes it when its peer ends; rows say so",
            allow,
        ),
        Sleeping::Refused => missing(what, "refused, and futex as well: shared memory cannot sleep", allow),
    }
}

fn sealed_memory() -> Finding {
    let what = "sealed memory";
    match try_sealing() {
        Ok(true) => good(what, "a memfd sealed with F_SEAL_FUTURE_WRITE refuses a late writer"),
        Ok(false) => missing(
            what,
            "F_SEAL_FUTURE_WRITE was accepted, and a late write went through",
            "run a kernel that keeps this seal (Linux 5.1 or newer); shared memory is not safe here",
        ),
        Err(error) => missing(
            what,
            format!("memfd_create or its seals: {error}"),
            "run Linux 5.1 or newer, and allow both calls",
        ),
    }
}

/// Whether the seal that makes a region its owner's alone holds. Made with the flags, and in the order, of `crossing`'s own.
fn try_sealing() -> io::Result<bool> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = match memfd_create("ipcscope-doctor", flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => memfd_create("ipcscope-doctor", flags)?,
        made => made?,
    };
    ftruncate(&fd, 4096)?;
    fallocate(&fd, FallocateFlags::empty(), 0, 4096)?;
    fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::FUTURE_WRITE | SealFlags::SEAL)?;
    Ok(rustix::io::write(&fd, b"late") == Err(Errno::PERM))
}

/// The barrier that one side asks for and the other does without: the registration that both ends
/// make, and the barrier itself.
fn asymmetric_barrier() -> Finding {
    let what = "membarrier";
    let tried = || {
        if !membarrier_query().contains(MembarrierQuery::GLOBAL_EXPEDITED) {
            return Err(Errno::NOSYS);
        }
        membarrier(MembarrierCommand::RegisterGlobalExpedited)?;
        membarrier(MembarrierCommand::GlobalExpedited)
    };
    match tried() {
        Ok(()) => good(what, "global expedited: a sender over shared memory needs no fence"),
        Err(errno) => limited(
            what,
            format!(
                "no global expedited barrier ({errno}): a sender over shared memory fences every message, which costs more than the rest of it"
            ),
            "run Linux 4.16 or newer with CONFIG_MEMBARRIER, or allow the call in the container's seccomp profile",
        ),
    }
}

fn process_descriptor() -> Finding {
    let what = "pidfd";
    let me = i32::try_from(std::process::id()).ok().and_then(Pid::from_raw).ok_or(Errno::NOSYS);
    match me.and_then(|me| pidfd_open(me, PidfdFlags::empty())) {
        Ok(_) => good(what, "the death of a peer is seen at once"),
        Err(error) => missing(
            what,
            format!(
                "pidfd_open: {error}; shared memory cannot be connected, since a peer's death would not be seen"
            ),
            "run Linux 5.3 or newer, or allow the call in the container's seccomp profile; the other mechanisms work",
        ),
    }
}

/// The line between the lab and a process: a Unix socket, over which descriptors travel.
fn control_line() -> Finding {
    let what = "Unix sockets";
    let tried = || -> io::Result<bool> {
        let (here, there) = Control::pair()?;
        let mut there = Control::new(there);
        here.say(&1, Some(here.as_fd()))?;
        let soon = Instant::now() + Duration::from_millis(200);
        let heard = there.hear::<u32>(Some(soon), &AtomicBool::new(false));
        Ok(heard.is_ok_and(|heard| heard == 1) && there.descriptor().is_some())
    };
    let remedy = "allow AF_UNIX sockets and SCM_RIGHTS: no process can be told what to do without them";
    match tried() {
        Ok(true) => good(what, "a line and a descriptor went through"),
        Ok(false) => missing(what, "a line and a descriptor were sent, and did not arrive", remedy),
        Err(error) => missing(what, error.to_string(), remedy),
    }
}

/// Descriptors that a race holds at once, with room to spare.
const ENOUGH_FILES: u64 = 256;

fn open_files() -> Finding {
    let what = "open files";
    // Not by getrlimit: where the call is refused rustix gives up the whole program.
    match limit_of(&fs::read_to_string("/proc/self/limits").unwrap_or_default(), "Max open files") {
        Some(limit) if limit < ENOUGH_FILES => {
            limited(what, format!("a process may open {limit}, few for a race"), "raise it: ulimit -n 1024")
        }
        Some(limit) => good(what, format!("a process may open {limit}")),
        None => good(what, "no limit is seen"),
    }
}

/// Processes and threads that a race has at once, with room to spare.
const ENOUGH_PROCESSES: u64 = 64;

fn processes() -> Finding {
    let what = "processes";
    match limit_of(&fs::read_to_string("/proc/self/limits").unwrap_or_default(), "Max processes") {
        Some(limit) if limit < ENOUGH_PROCESSES => limited(
            what,
            format!("this user may have {limit} processes and threads in all, few for a race"),
            "raise it: ulimit -u 1024",
        ),
        Some(limit) => good(what, format!("this user may have {limit} processes and threads in all")),
        None => good(what, "no limit is seen"),
    }
}

/// The soft limit in a line of /proc/PID/limits; `None` for `unlimited`, and where there is no such line (proc_pid_limits(5)).
fn limit_of(limits: &str, name: &str) -> Option<u64> {
    limits.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

fn core_count(topology: &Topology) -> Finding {
    let what = "cores";
    match allowed_cores() {
        Ok(allowed) if allowed.len() >= 2 => {
            let may = format!("this process may use {}", list_of_cores(&allowed));
            match topology.two_apart(&allowed) {
                Some([a, b]) if topology.are_siblings(a, b) => limited(
                    what,
                    format!(
                        "{may}: siblings, threads of one core; cross-core rows share its caches and take turns"
                    ),
                    "allow it a second core (taskset, cpuset, the container's limits)",
                ),
                _ if topology.is_told() => good(what, may),
                _ => good(what, format!("{may}; the kernel does not tell which are threads of one core")),
            }
        }
        Ok(allowed) => limited(
            what,
            format!(
                "this process may use only {}: no cross-core rows, and a spinning side starves its peer",
                list_of_cores(&allowed)
            ),
            "allow it a second core (taskset, cpuset, the container's limits)",
        ),
        Err(error) => limited(what, format!("sched_getaffinity: {error}"), "use --placement unpinned"),
    }
}

/// The default placement of a race's processes.
fn pinning((placement, notice): (Placement, Option<String>)) -> Finding {
    let what = "pinning";
    match (placement, notice) {
        (Placement::Unpinned, notice) => limited(
            what,
            notice.unwrap_or_else(|| "a process cannot be put on a core".into()),
            "allow sched_setaffinity and sched_getaffinity in the container's seccomp profile, or compare unpinned rows only",
        ),
        (placement, _) => {
            good(what, format!("a process may be put on a core, and is read back there ({placement})"))
        }
    }
}

/// Cores' worth of time that a race uses at most, with a little to spare.
const ENOUGH_CORES: f64 = 2.1;

/// The limits of a container.
fn control_group(group: &Cgroup) -> Finding {
    let what = "control group";
    let memory = group.memory_bytes().map(|bytes| format!("{} MiB of memory", bytes >> 20));
    // Two processes are measured, and the lab that holds them sleeps.
    let Some(cores) = group.quota_cores().filter(|&cores| cores < ENOUGH_CORES) else {
        return good(
            what,
            memory.map_or("no limit is felt".into(), |memory| format!("it may hold {memory}")),
        );
    };
    let memory = memory.map_or(String::new(), |memory| format!(", and {memory}"));
    limited(
        what,
        format!("a quota of {cores:.2} cores{memory}: rounds that use it up are kept from running"),
        "raise the quota (cpu.max) above the two cores that a race uses; a round that was kept from running is run again, and counted with a note",
    )
}

fn clock() -> Finding {
    let what = "clock";
    let clock = Clock::best();
    let measured = format!("{:.0} ns a reading, steps of {:.0} ns", clock.cost_ns(), clock.step_ns());
    match clock {
        Clock::Tsc { .. } => {
            good(what, format!("tsc: invariant, and the kernel keeps time by it; {measured}"))
        }
        Clock::Monotonic => limited(
            what,
            format!("monotonic: the processor's own counter is not trusted here; {measured}"),
            "nothing need be done: every sample is that much longer, and reports say so",
        ),
    }
}

fn polling() -> Finding {
    let Spacing { pauses, pause_ns } = Spacing::calibrated();
    let apart = f64::from(pauses) * pause_ns;
    good(
        "polling",
        format!("a spinning wait looks every {apart:.0} ns: {pauses} × pause, {pause_ns:.1} ns each"),
    )
}

fn hypervisor() -> Finding {
    let what = "hypervisor";
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let Some(name) = virtualised(&cpuinfo) else { return good(what, "none is seen") };
    let taken = match steal_ticks() {
        Some((steal, total)) if total > 0 => {
            format!("{:.2} % of its time was taken so far", steal as f64 * 100.0 / total as f64)
        }
        _ => "the time taken from it is not told".into(),
    };
    limited(
        what,
        format!("virtual machine ({name}): the host may move its cores closer or farther apart; {taken}"),
        "compare within one race: each row carries the floor it ran on, and a round whose floor changed is dropped and counted",
    )
}

fn frequency(governor: Option<String>) -> Finding {
    let what = "frequency governor";
    match governor.as_deref() {
        Some("performance") => good(what, "performance"),
        Some(other) => limited(
            what,
            format!("{other}: the first messages after a pause may run on a slow clock"),
            "cpupower frequency-set -g performance (as root)",
        ),
        None => Finding {
            what: what.into(),
            state: FindingState::Limited,
            detail: "not told: the processor's frequency may change unseen".into(),
            remedy: None,
        },
    }
}

/// The instruments of a probe; races need none of them.
fn instrument(instrument: &Instrument) -> Finding {
    let what = format!("probes: {}", instrument.name);
    match &instrument.unavailable {
        None => good(&what, format!("{} ({})", instrument.shows, instrument.tier.name())),
        Some(gone) => limited(&what, gone.why.clone(), &format!("{}; races need none of it", gone.remedy)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_is_a_whole_sentence_for_its_reader() {
        let found = findings();
        for kind in Kind::ALL {
            assert!(found.iter().any(|finding| finding.what == format!("mechanism: {kind}")), "{kind}");
        }
        for finding in &found {
            assert!(!finding.what.is_empty() && !finding.detail.is_empty(), "{finding:?}");
            assert!(!finding.detail.contains('\n'), "{finding:?}");
            if finding.state == FindingState::Missing {
                assert!(finding.remedy.is_some(), "{finding:?}");
            }
        }
        let mut names: Vec<_> = found.iter().map(|finding| &finding.what).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), found.len());
    }

    #[test]
    fn trying_leaves_nothing_behind() {
        std::thread::spawn(|| {
            let before = allowed_cores().unwrap();
            findings();
            assert_eq!(allowed_cores().unwrap(), before);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn limits_are_read() {
        let limits = "Limit            Soft Limit   Hard Limit   Units\nMax open files   1024   4096   files\nMax file size   unlimited   unlimited   bytes\n";
        assert_eq!(limit_of(limits, "Max open files"), Some(1024));
        assert_eq!(
            [limit_of(limits, "Max file size"), limit_of(limits, "Max x"), limit_of("", "x")],
            [None; 3]
        );
    }

    #[test]
    fn governors_are_judged() {
        assert_eq!(frequency(Some("performance".into())).state, FindingState::Good);
        assert_eq!(frequency(Some("powersave".into())).state, FindingState::Limited);
        assert_eq!(frequency(None).state, FindingState::Limited);
    }
}
