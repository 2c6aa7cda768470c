//! What this machine can and cannot measure. Every finding comes from trying, not from a version number.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crossing::Spacing;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, Resource, getpid, getrlimit, pidfd_open};
use rustix::thread::{MembarrierQuery, futex, membarrier_query, sched_getaffinity, sched_setaffinity};
use serde::{Deserialize, Serialize};

use super::topology::Topology;
use super::{Cgroup, allowed_cores, cores, governor, steal_ticks, virtualised, word};
use crate::clock::Clock;
use crate::probe::{Instrument, instruments};

/// How good a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As it should be.
    Good,
    /// It works, with a consequence that a reader of numbers should know.
    Limited,
    /// It is not there.
    Missing,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was tried.
    pub what: String,
    /// How it went.
    pub state: State,
    /// What was seen.
    pub detail: String,
    /// What to do about it, where something can be done.
    pub remedy: Option<String>,
}

/// Tries everything, in less than a second, without privileges, and leaves nothing behind.
pub fn findings() -> Vec<Finding> {
    let mut findings = vec![
        sleeping_on_two_words(),
        sealed_memory(),
        asymmetric_barrier(),
        process_descriptor(),
        unix_sockets(),
        loopback_tcp(),
        open_files(),
        core_count(&Topology::of_this_machine()),
        pinning(),
        control_group(&Cgroup::own()),
        clock(),
        polling(),
        hypervisor(),
        frequency(governor()),
    ];
    findings.extend(instruments().iter().map(instrument));
    findings
}

fn good(what: &str, detail: impl Into<String>) -> Finding {
    Finding { what: what.into(), state: State::Good, detail: detail.into(), remedy: None }
}

fn limited(what: &str, detail: impl Into<String>, remedy: &str) -> Finding {
    Finding { what: what.into(), state: State::Limited, detail: detail.into(), remedy: Some(remedy.into()) }
}

fn missing(what: &str, detail: impl Into<String>, remedy: &str) -> Finding {
    Finding { what: what.into(), state: State::Missing, detail: detail.into(), remedy: Some(remedy.into()) }
}

fn sleeping_on_two_words() -> Finding {
    let what = "futex_waitv";
    let kernel = word("/proc/sys/kernel/osrelease").unwrap_or_else(|| "of unknown release".into());
    // An empty list is refused by a kernel that has the call, and waits for nothing.
    match futex::waitv(&[], futex::WaitvFlags::empty(), None, futex::ClockId::Monotonic) {
        Ok(_) | Err(Errno::INVAL) => {
            good(what, format!("shared memory can sleep and watch its peer (Linux {kernel})"))
        }
        Err(Errno::NOSYS) => missing(
            what,
            format!("Linux {kernel} does not have it"),
            "run Linux 5.16 or newer; the other mechanisms work",
        ),
        Err(error) => missing(
            what,
            format!("refused: {error} (Linux {kernel})"),
            "allow the call in the container's seccomp profile; the other mechanisms work",
        ),
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

/// Whether the seal that makes a region its owner's alone holds.
fn try_sealing() -> io::Result<bool> {
    let fd = memfd_create("ipcscope-doctor", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&fd, 4096)?;
    fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::FUTURE_WRITE | SealFlags::SEAL)?;
    Ok(rustix::io::write(&fd, b"late") == Err(Errno::PERM))
}

fn asymmetric_barrier() -> Finding {
    let what = "membarrier";
    let needed = MembarrierQuery::GLOBAL_EXPEDITED | MembarrierQuery::REGISTER_GLOBAL_EXPEDITED;
    if membarrier_query().contains(needed) {
        good(what, "global expedited: a sender over shared memory needs no fence")
    } else {
        limited(
            what,
            "no global expedited barrier: a sender over shared memory fences every message, which costs more than the rest of it",
            "run Linux 4.16 or newer with CONFIG_MEMBARRIER, or allow the call in the container's seccomp profile",
        )
    }
}

fn process_descriptor() -> Finding {
    let what = "pidfd";
    match pidfd_open(getpid(), PidfdFlags::empty()) {
        Ok(_) => good(what, "the death of a peer is seen at once"),
        Err(error) => limited(
            what,
            format!("pidfd_open: {error}; a peer's death is seen by its socket only"),
            "run Linux 5.3 or newer, or allow the call in the container's seccomp profile",
        ),
    }
}

fn unix_sockets() -> Finding {
    let what = "Unix sockets";
    let tried = || -> io::Result<()> {
        let (mut here, mut there) = UnixStream::pair()?;
        here.write_all(b"x")?;
        there.read_exact(&mut [0])
    };
    match tried() {
        Ok(()) => good(what, "a byte went through"),
        Err(error) => {
            missing(what, error.to_string(), "allow AF_UNIX sockets: no mechanism can be set up without them")
        }
    }
}

fn loopback_tcp() -> Finding {
    let what = "TCP on loopback";
    let patience = Duration::from_millis(200);
    let tried = || -> io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let mut here = TcpStream::connect_timeout(&listener.local_addr()?, patience)?;
        let (mut there, _) = listener.accept()?;
        here.write_all(b"x")?;
        there.set_read_timeout(Some(patience))?;
        there.read_exact(&mut [0])
    };
    match tried() {
        Ok(()) => good(what, "a byte went through 127.0.0.1"),
        Err(error) => missing(
            what,
            error.to_string(),
            "bring the loopback interface up (ip link set lo up), or allow it in the firewall; the other mechanisms work",
        ),
    }
}

/// Descriptors that a race holds at once, with room to spare.
const ENOUGH_FILES: u64 = 256;

fn open_files() -> Finding {
    let what = "open files";
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < ENOUGH_FILES => {
            limited(what, format!("a process may open {limit}, few for a race"), "raise it: ulimit -n 1024")
        }
        Some(limit) => good(what, format!("a process may open {limit}")),
        None => good(what, "a process may open any number"),
    }
}

fn core_count(topology: &Topology) -> Finding {
    let what = "cores";
    match allowed_cores() {
        Ok(allowed) if allowed.len() >= 2 => {
            let may = format!("this process may use {}", cores::list(&allowed));
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
                cores::list(&allowed)
            ),
            "allow it a second core (taskset, cpuset, the container's limits)",
        ),
        Err(error) => limited(what, format!("sched_getaffinity: {error}"), "use --placement unpinned"),
    }
}

fn pinning() -> Finding {
    let what = "pinning";
    // The thread's own mask once more: the call is tried and nothing changes.
    match sched_getaffinity(None).and_then(|own| sched_setaffinity(None, &own)) {
        Ok(()) => good(what, "a process may be put on a core"),
        Err(error) => limited(
            what,
            format!("sched_setaffinity: {error}"),
            "allow the call in the container's seccomp profile, or use --placement unpinned",
        ),
    }
}

/// Cores' worth of time that a race uses at most, with a little to spare.
const ENOUGH_CORES: f64 = 2.1;

/// What a container may use.
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
            state: State::Limited,
            detail: "not told: the processor's frequency may change unseen".into(),
            remedy: None,
        },
    }
}

/// What there is to look into messages with; races need none of it.
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
        assert_eq!(found.len(), 22);
        for finding in &found {
            assert!(!finding.what.is_empty() && !finding.detail.is_empty(), "{finding:?}");
            assert!(!finding.detail.contains('\n'), "{finding:?}");
            if finding.state == State::Missing {
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
    fn governors_are_judged() {
        assert_eq!(frequency(Some("performance".into())).state, State::Good);
        assert_eq!(frequency(Some("powersave".into())).state, State::Limited);
        assert_eq!(frequency(None).state, State::Limited);
    }
}
