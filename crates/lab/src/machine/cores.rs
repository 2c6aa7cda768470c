//! Which cores there are, which of them a placement means, and pinning a thread to one of them.

use std::io;

use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

use super::Unavailable;
use crate::plan::Placement;

/// The cores that the calling thread may use, ascending.
///
/// # Errors
/// What sched_getaffinity(2) says; `EINVAL` on a machine with more than 1024 cores.
pub fn allowed_cores() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect())
}

/// The cores of the sender and the receiver under `placement`; `None` for [`Placement::Unpinned`].
///
/// # Errors
/// When this process may not use such cores. The message names those it may use.
pub fn resolve(placement: Placement) -> Result<Option<[usize; 2]>, Unavailable> {
    let allowed = allowed_cores().map_err(|error| Unavailable {
        what: format!("placement {placement}"),
        why: format!("the kernel does not tell which cores may be used ({error})"),
        remedy: "use --placement unpinned".into(),
    })?;
    resolve_among(placement, &allowed)
}

fn resolve_among(placement: Placement, allowed: &[usize]) -> Result<Option<[usize; 2]>, Unavailable> {
    match (placement, allowed) {
        (Placement::Unpinned, _) => Ok(None),
        (Placement::SameCore, &[core, ..]) => Ok(Some([core, core])),
        (Placement::CrossCore, &[first, second, ..]) => Ok(Some([first, second])),
        (Placement::Cores(a, b), _) if allowed.contains(&a) && allowed.contains(&b) => Ok(Some([a, b])),
        (Placement::Cores(a, b), _) => {
            let missing = if allowed.contains(&a) { b } else { a };
            Err(no_such_core(format!("placement {placement}"), missing, allowed))
        }
        (Placement::CrossCore, _) => Err(Unavailable {
            what: "placement cross-core".into(),
            why: format!("it takes two cores, and this process may use only {}", list(allowed)),
            remedy: "use --placement same-core, or allow the process a second core (taskset, cpuset)".into(),
        }),
        (Placement::SameCore, []) => Err(Unavailable {
            what: "placement same-core".into(),
            why: "the kernel named no core that this process may use".into(),
            remedy: "use --placement unpinned".into(),
        }),
    }
}

fn no_such_core(what: String, core: usize, allowed: &[usize]) -> Unavailable {
    Unavailable {
        what,
        why: format!("core {core} does not exist or may not be used by this process"),
        remedy: format!("choose among {}", list(allowed)),
    }
}

/// `core 3`, `cores 0, 1, 2`.
pub(super) fn list(cores: &[usize]) -> String {
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
    let allowed = allowed_cores().unwrap_or_default();
    if core >= CpuSet::MAX_CPU {
        return Err(no_such_core(what, core, &allowed));
    }
    let mut set = CpuSet::new();
    set.set(core);
    match sched_setaffinity(None, &set) {
        Ok(()) => {}
        Err(Errno::INVAL) => return Err(no_such_core(what, core, &allowed)),
        Err(error) => {
            return Err(Unavailable {
                what,
                why: format!("sched_setaffinity: {error}"),
                remedy: "allow that call (a container's seccomp profile may forbid it), or use --placement unpinned"
                    .into(),
            });
        }
    }
    // The call moves the thread before it returns, so a thread that is elsewhere now was moved by someone
    // else.
    let (mask, seen) = (allowed_cores().unwrap_or_default(), sched_getcpu());
    if mask != [core] || seen != core {
        return Err(Unavailable {
            what,
            why: format!("the thread was read back on core {seen}, allowed {}", list(&mask)),
            remedy: "look for a cpuset or a daemon that moves processes, or use --placement unpinned".into(),
        });
    }
    Ok(())
}

/// How many cores a kernel list such as `0-3,8` holds.
pub(super) fn count_in_list(list: &str) -> usize {
    let span = |part: &str| match part.split_once('-') {
        Some((first, last)) => {
            let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
            Some(last.checked_sub(first)? + 1)
        }
        None => part.parse::<usize>().ok().map(|_| 1),
    };
    list.trim().split(',').filter_map(span).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placement_becomes_two_cores() {
        let of = |placement, allowed: &[usize]| resolve_among(placement, allowed);
        assert_eq!(of(Placement::SameCore, &[3, 5]), Ok(Some([3, 3])));
        assert_eq!(of(Placement::CrossCore, &[3, 5, 7]), Ok(Some([3, 5])));
        assert_eq!(of(Placement::Unpinned, &[3]), Ok(None));
        assert_eq!(of(Placement::Cores(7, 3), &[3, 5, 7]), Ok(Some([7, 3])));
        assert_eq!(of(Placement::Cores(7, 7), &[3, 5, 7]), Ok(Some([7, 7])));
    }

    #[test]
    fn one_core_has_no_second() {
        let refused = resolve_among(Placement::CrossCore, &[2]).unwrap_err();
        assert!(refused.remedy.contains("--placement same-core"), "{refused}");
        assert!(refused.why.contains("core 2"), "{refused}");
        assert!(resolve_among(Placement::SameCore, &[]).unwrap_err().remedy.contains("unpinned"));
    }

    #[test]
    fn a_core_that_is_not_there_names_those_that_are() {
        for (a, b, missing) in [(0, 9, "core 9"), (9, 0, "core 9"), (8, 9, "core 8")] {
            let refused = resolve_among(Placement::Cores(a, b), &[0, 1]).unwrap_err();
            assert!(refused.why.starts_with(missing), "{refused}");
            assert_eq!(refused.remedy, "choose among cores 0, 1");
            assert_eq!(refused.what, format!("placement {a},{b}"));
        }
    }

    #[test]
    fn pinning_is_read_back_and_an_absent_core_is_refused() {
        // A thread of its own, since pinning is for life.
        std::thread::spawn(|| {
            let allowed = allowed_cores().unwrap();
            let absent = (0..CpuSet::MAX_CPU).rev().find(|core| !allowed.contains(core)).unwrap();
            for core in [absent, CpuSet::MAX_CPU, usize::MAX] {
                let refused = pin(core).unwrap_err();
                assert!(refused.why.contains(&format!("core {core}")), "{refused}");
                assert!(refused.remedy.contains(&list(&allowed)), "{refused}");
            }
            assert_eq!(allowed_cores().unwrap(), allowed, "a refusal changes nothing");
            pin(*allowed.last().unwrap()).unwrap();
            assert_eq!(allowed_cores().unwrap(), [*allowed.last().unwrap()]);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn kernel_lists_are_counted() {
        for (text, cores) in [("0-1\n", 2), ("0", 1), ("0-3,8,10-11\n", 7), ("", 0), ("3-1", 0), ("x", 0)] {
            assert_eq!(count_in_list(text), cores, "{text:?}");
        }
    }
}
