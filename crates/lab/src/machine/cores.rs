//! Which cores there are, which of them a placement means, and pinning a thread to one of them.

use std::io;

use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

use super::topology::Topology;
use super::unavailable::Unavailable;
use crate::plan::Placement;

/// The cores that the calling thread may use, ascending.
///
/// # Errors
/// Those of sched_getaffinity(2); `EINVAL` on a machine with more than 1024 cores.
pub fn allowed_cores() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect())
}

/// The cores that the kernel would give to this process if it asked: its affinity may be narrower, as `taskset` and isolated
/// cores leave it. Asked by a thread that ends with the question.
///
/// # Errors
/// Those of [`allowed_cores`] and of sched_setaffinity(2).
pub fn obtainable_cores() -> io::Result<Vec<usize>> {
    on_a_thread_of_its_own(|| {
        let mut all = CpuSet::new();
        (0..CpuSet::MAX_CPU).for_each(|core| all.set(core));
        // The kernel leaves out those that are offline, or outside of the cpuset.
        sched_setaffinity(None, &all)?;
        allowed_cores()
    })
}

/// Each thread has its own affinity, so a trial on this thread changes no other.
fn on_a_thread_of_its_own<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let thread = std::thread::Builder::new().name("lab-places".into()).spawn(work)?;
    thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that tries a place has panicked")))
}

/// Whether a thread of this process can be put on each of `cores`: it is tried, and read back.
fn try_places(cores: Vec<usize>) -> Result<(), Unavailable> {
    let tried = on_a_thread_of_its_own(move || Ok(cores.into_iter().try_for_each(pin)));
    // If no thread can be started, the processes will try it.
    tried.unwrap_or(Ok(()))
}

/// The cores of the sender and the receiver under `placement`, each of which was tried; `None` for
/// [`Placement::Unpinned`].
///
/// # Errors
/// When the kernel does not put a process there. The message holds the kernel's error, and names
/// the cores that can be had.
pub fn resolve(placement: Placement) -> Result<Option<[usize; 2]>, Unavailable> {
    let cores = match placement {
        Placement::Unpinned => return Ok(None),
        Placement::Cores(a, b) => [a, b],
        Placement::SameCore | Placement::CrossCore => {
            let allowed = allowed_cores().map_err(|error| Unavailable {
                what: format!("placement {placement}"),
                why: format!("the kernel does not tell which cores may be used ({error})"),
                remedy: "use --placement unpinned".into(),
            })?;
            choose(placement, &allowed, &Topology::of_this_machine())?
        }
    };
    let named = |gone: Unavailable| Unavailable { what: format!("placement {placement}"), ..gone };
    try_places(cores.to_vec()).map_err(named)?;
    Ok(Some(cores))
}

/// The cores that a placement which names none means among those that this process may use.
fn choose(placement: Placement, allowed: &[usize], topology: &Topology) -> Result<[usize; 2], Unavailable> {
    let what = format!("placement {placement}");
    if let (Placement::SameCore, &[core, ..]) = (placement, allowed) {
        return Ok([core, core]);
    }
    if let (Placement::CrossCore, Some(two)) = (placement, topology.two_apart(allowed)) {
        return Ok(two);
    }
    if allowed.is_empty() {
        let why = "the kernel named no core that this process may use".into();
        return Err(Unavailable { what, why, remedy: "use --placement unpinned".into() });
    }
    let more = obtainable_cores().ok().and_then(|cores| topology.two_apart(&cores));
    let name_them = more.map_or(String::new(), |[a, b]| format!(", name two (--placement {a},{b})"));
    Err(Unavailable {
        what,
        why: format!("it takes two cores, and this process may use only {}", list(allowed)),
        remedy: format!(
            "use --placement same-core{name_them}, or allow the process a second core (taskset, cpuset)"
        ),
    })
}

/// The default placement: two cores if there are two, else one, else the kernel's choice; with a
/// remark about it.
pub fn usual_placement() -> (Placement, Option<String>) {
    let apart = match resolve(Placement::CrossCore) {
        Ok(cores) => return (Placement::CrossCore, siblings_note(cores)),
        Err(apart) => apart,
    };
    let one = allowed_cores().is_ok_and(|cores| cores.len() == 1);
    match resolve(Placement::SameCore) {
        Ok(_) if one => {
            let why = "only one core may be used: both processes share it (same-core)";
            (Placement::SameCore, Some(why.into()))
        }
        Ok(_) => (Placement::SameCore, Some(format!("both processes share a core: {apart}"))),
        Err(gone) => {
            let why = format!("processes cannot be put in their places (unpinned): {}", gone.why);
            (Placement::Unpinned, Some(why))
        }
    }
}

/// The note for two places that are threads of one core.
pub fn siblings_note(cores: Option<[usize; 2]>) -> Option<String> {
    let [a, b] = cores.filter(|&[a, b]| Topology::of_this_machine().are_siblings(a, b))?;
    Some(format!(
        "cores {a} and {b} are siblings, two threads of one core: they share its caches and take turns"
    ))
}

/// The explanation of the kernel's answer to sched_setaffinity(2).
fn not_there(what: String, core: usize, errno: Errno) -> Unavailable {
    let (why, remedy) = match errno {
        Errno::INVAL => (
            format!(
                "sched_setaffinity for core {core}: {errno}: it is not there, is offline, or is outside of the cpuset"
            ),
            format!(
                "choose among {}",
                list(&obtainable_cores().or_else(|_| allowed_cores()).unwrap_or_default())
            ),
        ),
        _ => (
            format!("sched_setaffinity for core {core}: {errno}"),
            "allow that call (a container's seccomp profile may forbid it), or use --placement unpinned"
                .into(),
        ),
    };
    Unavailable { what, why, remedy }
}

/// `core 3`, `cores 0, 1, 2`.
pub(crate) fn list(cores: &[usize]) -> String {
    let names: Vec<String> = cores.iter().map(ToString::to_string).collect();
    match names.len() {
        0 => "no core".into(),
        1 => format!("core {}", names[0]),
        _ => format!("cores {}", names.join(", ")),
    }
}

/// Puts the calling thread on `core` and reads back that it is there.
///
/// # Errors
/// When the core is not one this process may use, or when the kernel says one thing and does another.
pub fn pin(core: usize) -> Result<(), Unavailable> {
    let what = format!("pinning to core {core}");
    if core >= CpuSet::MAX_CPU {
        return Err(not_there(what, core, Errno::INVAL));
    }
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).map_err(|errno| not_there(what.clone(), core, errno))?;
    // The call moves the thread before it returns, so a thread that is elsewhere now was moved by
    // another program. If the kernel does not tell the mask, only the core is read back.
    let (mask, seen) = (allowed_cores().unwrap_or_else(|_| vec![core]), sched_getcpu());
    if mask != [core] || seen != core {
        return Err(Unavailable {
            what,
            why: format!("the thread was read back on core {seen}, allowed {}", list(&mask)),
            remedy: "look for a cpuset or a daemon that moves processes, or use --placement unpinned".into(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placement_becomes_two_cores() {
        let of = |placement, allowed: &[usize]| choose(placement, allowed, &Topology::default());
        assert_eq!(of(Placement::SameCore, &[3, 5]), Ok([3, 3]));
        assert_eq!(of(Placement::CrossCore, &[3, 5, 7]), Ok([3, 5]));
        assert_eq!(resolve(Placement::Unpinned), Ok(None));
    }

    #[test]
    fn one_core_has_no_second() {
        let of = |placement, allowed: &[usize]| choose(placement, allowed, &Topology::default()).unwrap_err();
        let refused = of(Placement::CrossCore, &[2]);
        assert!(refused.remedy.contains("--placement same-core"), "{refused}");
        assert!(refused.why.contains("core 2"), "{refused}");
        assert!(of(Placement::SameCore, &[]).remedy.contains("unpinned"));
        assert!(of(Placement::CrossCore, &[]).remedy.contains("unpinned"));
    }

    /// A core that no machine of ours has.
    fn absent() -> usize {
        let there = obtainable_cores().unwrap();
        (0..CpuSet::MAX_CPU).rev().find(|core| !there.contains(core)).unwrap()
    }

    #[test]
    fn a_core_that_is_not_there_names_those_that_are_and_what_the_kernel_said() {
        let there = obtainable_cores().unwrap();
        let absent = absent();
        for (a, b) in [(there[0], absent), (absent, there[0]), (absent, absent)] {
            let refused = resolve(Placement::Cores(a, b)).unwrap_err();
            assert!(refused.why.contains(&format!("core {absent}")), "{refused}");
            assert!(refused.why.contains("Invalid argument"), "{refused}");
            assert_eq!(refused.remedy, format!("choose among {}", list(&there)));
            assert_eq!(refused.what, format!("placement {a},{b}"));
        }
    }

    #[test]
    fn a_named_core_is_had_whatever_the_mask_says() {
        // A thread of its own, since pinning is for life.
        std::thread::spawn(|| {
            let there = obtainable_cores().unwrap();
            let (first, last) = (there[0], *there.last().unwrap());
            pin(first).unwrap();
            assert_eq!(allowed_cores().unwrap(), [first]);
            assert_eq!(obtainable_cores().unwrap(), there);
            assert_eq!(resolve(Placement::Cores(first, last)), Ok(Some([first, last])));
            assert_eq!(allowed_cores().unwrap(), [first], "trying changes nothing");
            if there.len() > 1 {
                let refused = resolve(Placement::CrossCore).unwrap_err();
                assert!(refused.remedy.contains("name two (--placement "), "{refused}");
            }
            assert_eq!(usual_placement().0, Placement::SameCore);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn pinning_is_read_back_and_an_absent_core_is_refused() {
        std::thread::spawn(|| {
            let allowed = allowed_cores().unwrap();
            for core in [absent(), CpuSet::MAX_CPU, usize::MAX] {
                let refused = pin(core).unwrap_err();
                assert!(refused.why.contains(&format!("core {core}")), "{refused}");
                assert!(refused.remedy.contains(&list(&obtainable_cores().unwrap())), "{refused}");
            }
            assert_eq!(allowed_cores().unwrap(), allowed, "a refusal changes nothing");
            pin(*allowed.last().unwrap()).unwrap();
            assert_eq!(allowed_cores().unwrap(), [*allowed.last().unwrap()]);
        })
        .join()
        .unwrap();
    }
}
