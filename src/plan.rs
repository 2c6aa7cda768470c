//! What was decided: a complete plan, or the one sentence that says why there is none.

use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crossing::{Kind, WaitStrategy};
use lab::machine;
use lab::plan::{Placement, Plan, Workload};

use crate::args;
use crate::outcome::Failure;

/// A plan, and what the person must know about how it came to be.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) plan: Plan,
    pub(crate) notices: Vec<String>,
}

/// Fills in everything that was not typed and refuses what this machine cannot do.
///
/// # Errors
///
/// A sentence that names the value and its limit.
pub(crate) fn decide(typed: &args::Race) -> Result<Decided, Failure> {
    let mut notices = Vec::new();
    let placement = placement(typed.placement, &mut notices)?;
    let (count, launches) = if typed.quick { (10_000, 2) } else { (100_000, 5) };
    let count = typed.count.unwrap_or(count);
    let few = u32::try_from(count).unwrap_or(u32::MAX).max(1);
    let plan = Plan {
        kinds: chosen(&typed.mechanisms, &Kind::ALL),
        workloads: chosen(&typed.workloads, &[Workload::PingPong, Workload::Stream]),
        sizes: chosen(&typed.sizes, &[64]),
        placement,
        waits: chosen(&typed.waits, &[WaitStrategy::Spin, WaitStrategy::Block]),
        count,
        launches: typed.launches.unwrap_or(few.min(launches)),
        rate_per_s: typed.rate.unwrap_or(10_000),
        seed: typed.seed.unwrap_or_else(random_seed),
        quick: typed.quick,
        rivals: chosen(&typed.rivals, &[]).iter().map(|path| rival(path)).collect::<Result<_, _>>()?,
    };
    match plan.fault() {
        Some(fault) => Err(Failure::Told(fault)),
        None => Ok(Decided { plan, notices }),
    }
}

/// The placement that was typed, if this machine has it; else the default, with a notice when that is not cross-core.
///
/// # Errors
///
/// A sentence that names the core that is missing, and the ones that are there.
pub(crate) fn placement(typed: Option<Placement>, notices: &mut Vec<String>) -> Result<Placement, Failure> {
    let placement = match typed {
        Some(placement) => placement,
        None => {
            let cores = machine::allowed_cores().map_err(|error| {
                Failure::told(format_args!("cannot read which cores may be used: {error}"))
            })?;
            if cores.len() > 1 {
                Placement::CrossCore
            } else {
                notices.push("only one core may be used: both processes share it (same-core)".into());
                Placement::SameCore
            }
        }
    };
    machine::resolve(placement).map(|_| placement).map_err(Failure::told)
}

/// What was typed, each once and in its order; or the default.
pub(crate) fn chosen<T: Clone + PartialEq>(typed: &[T], default: &[T]) -> Vec<T> {
    let mut chosen = Vec::new();
    for value in if typed.is_empty() { default } else { typed } {
        if !chosen.contains(value) {
            chosen.push(value.clone());
        }
    }
    chosen
}

/// Short enough to be typed again.
fn random_seed() -> u64 {
    std::hash::RandomState::new().build_hasher().finish() % 1_000_000_000
}

/// The absolute path of a program that can be started, so that the plan can be rerun from anywhere.
fn rival(path: &Path) -> Result<PathBuf, Failure> {
    let refuse = |why: &str| Failure::told(format_args!("--rival {}: {why}", path.display()));
    let whole = path.canonicalize().map_err(|error| refuse(&error.to_string()))?;
    let facts = fs::metadata(&whole).map_err(|error| refuse(&error.to_string()))?;
    if !facts.is_file() || facts.permissions().mode() & 0o111 == 0 {
        return Err(refuse("is not a program that can be started"));
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn typed(line: &str) -> args::Race {
        let words =
            ["ipcscope", "race", "--placement", "unpinned"].into_iter().chain(line.split_whitespace());
        match args::Typed::try_parse_from(words).unwrap().verb {
            Some(args::Verb::Race(race)) => *race,
            _ => unreachable!("the line says `race`"),
        }
    }

    #[test]
    fn nothing_typed_is_the_whole_race() {
        let plan = decide(&typed("")).unwrap().plan;
        assert_eq!(plan.kinds, Kind::ALL);
        assert_eq!(plan.workloads, [Workload::PingPong, Workload::Stream]);
        assert_eq!(plan.waits, [WaitStrategy::Spin, WaitStrategy::Block]);
        assert_eq!((plan.sizes, plan.count, plan.launches), (vec![64], 100_000, 5));
    }

    #[test]
    fn quick_is_smaller_and_says_so() {
        let plan = decide(&typed("--quick")).unwrap().plan;
        assert_eq!((plan.count, plan.launches, plan.quick), (10_000, 2, true));
        assert_eq!(decide(&typed("--quick --count 500")).unwrap().plan.count, 500);
    }

    #[test]
    fn duplicates_are_merged() {
        let plan = decide(&typed("pipe shm,pipe --size 64,1k,64")).unwrap().plan;
        assert_eq!(plan.kinds, [Kind::Pipe, Kind::Shm]);
        assert_eq!(plan.sizes, [64, 1024]);
    }

    #[test]
    fn three_messages_need_no_launches_typed() {
        assert_eq!(decide(&typed("--count 3")).unwrap().plan.launches, 3);
    }

    #[test]
    fn a_fault_is_one_sentence() {
        for line in [
            "--count 0",
            "--launches 0",
            "--launches 7 --count 3",
            "--rate 0",
            "--rival /nowhere",
            "--rival /",
        ] {
            match decide(&typed(line)) {
                Err(Failure::Told(sentence)) => assert_eq!(sentence.lines().count(), 1, "{sentence}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }
}
