//! The decision: a complete plan, or one sentence with the reason why there is none.

use std::fmt::Display;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crossing::{Kind, WaitStrategy};
use lab::machine;
use lab::plan::{Placement, Plan, Workload};
use serde::Serialize;

use crate::args::{self, Chosen};
use crate::outcome::Failure;

/// Messages a second of a paced row, unless another rate is typed.
const RATE_PER_S: u32 = 10_000;

/// How much a row takes unless it is told.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RowSize {
    count: u64,
    launches: u32,
}

pub(crate) const USUAL: RowSize = RowSize { count: 100_000, launches: 5 };

/// With `--quick`.
pub(crate) const QUICK: RowSize = RowSize { count: 10_000, launches: 2 };

/// A plan, and notices for the user about its choices.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) plan: Plan,
    pub(crate) notices: Vec<String>,
}

/// A race as requested in the terminal or on the page; [`decide`] fills in absent or empty fields.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    pub(crate) kinds: Vec<Kind>,
    pub(crate) workloads: Vec<Workload>,
    pub(crate) sizes: Vec<u32>,
    pub(crate) placement: Option<Placement>,
    pub(crate) waits: Vec<WaitStrategy>,
    pub(crate) count: Option<u64>,
    pub(crate) launches: Option<u32>,
    pub(crate) rate_per_s: Option<u32>,
    pub(crate) capacity_bytes: Option<u32>,
    pub(crate) seed: Option<u64>,
    pub(crate) quick: bool,
    pub(crate) rivals: Vec<PathBuf>,
    pub(crate) rivals_below: Option<PathBuf>,
}

impl From<&args::Race> for Wish {
    fn from(typed: &args::Race) -> Wish {
        Wish {
            kinds: Chosen::named(&typed.mechanisms),
            workloads: typed.workloads.clone(),
            sizes: typed.sizes.clone(),
            placement: typed.placement,
            waits: typed.waits.clone(),
            count: typed.count,
            launches: typed.launches,
            rate_per_s: typed.rate,
            capacity_bytes: typed.capacity,
            seed: typed.seed,
            quick: typed.quick,
            rivals: typed.rivals.clone(),
            rivals_below: typed.rivals_below.clone(),
        }
    }
}

/// Fills in defaults, and refuses what this machine cannot do.
///
/// # Errors
///
/// A sentence that names the value and its limit.
pub(crate) fn decide(wish: &Wish) -> Result<Decided, Failure> {
    let mut notices = Vec::new();
    let placement = placement(wish.placement, &mut notices)?;
    let RowSize { count, launches } = if wish.quick { QUICK } else { USUAL };
    let count = wish.count.unwrap_or(count);
    let few = u32::try_from(count).unwrap_or(u32::MAX).max(1);
    let plan = Plan {
        kinds: chosen(&wish.kinds, &Kind::ALL),
        workloads: chosen(&wish.workloads, &[Workload::PingPong, Workload::Stream]),
        sizes: chosen(&wish.sizes, &[64]),
        placement,
        waits: chosen(&wish.waits, &[WaitStrategy::Spin, WaitStrategy::Block]),
        count,
        launches: wish.launches.unwrap_or(few.min(launches)),
        rate_per_s: wish.rate_per_s.unwrap_or(RATE_PER_S),
        capacity_bytes: wish.capacity_bytes,
        seed: wish.seed.unwrap_or_else(random_seed),
        quick: wish.quick,
        rivals: rivals(wish)?,
    };
    match plan.fault() {
        Some(fault) => Err(Failure(fault)),
        None => Ok(Decided { plan, notices }),
    }
}

/// The command line that runs `plan` again.
pub(crate) fn command(plan: &Plan) -> String {
    fn list<T: Display>(values: &[T]) -> String {
        values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }
    let Plan { kinds, workloads, sizes, placement, waits, count, launches, rate_per_s, seed, .. } = plan;
    if plan.is_rehearsal() {
        let waits = list(waits);
        return format!(
            "ipcscope rehearse WATCH.json --placement {placement} --wait {waits} --rounds {launches} --seed {seed}"
        );
    }
    let mut line =
        format!("ipcscope race {}", kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" "));
    line.push_str(&format!(" --workload {} --size {}", list(workloads), list(sizes)));
    line.push_str(&format!(" --placement {placement} --wait {}", list(waits)));
    line.push_str(&format!(" --count {count} --launches {launches}"));
    // The rate is part of the plan even without a paced workload.
    if workloads.contains(&Workload::Paced) || *rate_per_s != RATE_PER_S {
        line.push_str(&format!(" --rate {rate_per_s}"));
    }
    if let Some(bytes) = plan.capacity_bytes {
        line.push_str(&format!(" --capacity {bytes}"));
    }
    line.push_str(&format!(" --seed {seed}"));
    if plan.quick {
        line.push_str(" --quick");
    }
    for rival in &plan.rivals {
        line.push_str(&format!(" --rival {}", quoted(&rival.to_string_lossy())));
    }
    line
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+,:=@%".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The typed placement if this machine has it, else the usual one. Remarks about it are notices.
///
/// # Errors
///
/// A sentence that names the missing core, and the available ones.
pub(crate) fn placement(typed: Option<Placement>, notices: &mut Vec<String>) -> Result<Placement, Failure> {
    let (placement, notice) = match typed {
        Some(placement) => {
            let cores = machine::resolve(placement).map_err(Failure::told)?;
            (placement, machine::siblings_note(cores))
        }
        None => machine::usual_placement(),
    };
    notices.extend(notice);
    Ok(placement)
}

/// The typed values, each once and in order; or the default.
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
pub(crate) fn random_seed() -> u64 {
    std::hash::RandomState::new().build_hasher().finish() % 1_000_000_000
}

/// The named programs and those built below a folder, each once.
fn rivals(wish: &Wish) -> Result<Vec<PathBuf>, Failure> {
    let mut rivals = wish.rivals.iter().map(|path| rival(path)).collect::<Result<Vec<_>, _>>()?;
    if let Some(folder) = &wish.rivals_below {
        rivals.extend(built_below(folder)?);
    }
    Ok(chosen(&rivals, &[]))
}

/// Every `NAME/NAME` below `folder` that can be started, by name. A folder without one has not been built.
fn built_below(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let refuse = |why: &dyn Display| Failure::told(format_args!("--rivals {}: {why}", folder.display()));
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|error| refuse(&error))?;
    let programs = entries.iter().map(|entry| entry.path().join(entry.file_name()));
    let mut found: Vec<PathBuf> = programs.filter_map(|path| rival(&path).ok()).collect();
    found.sort();
    if found.is_empty() {
        return Err(refuse(&format_args!(
            "no rival is built there; build them with `make -C {}`",
            folder.display()
        )));
    }
    Ok(found)
}

/// The absolute path of a program that can be started, so that the plan can be rerun from anywhere.
fn rival(path: &Path) -> Result<PathBuf, Failure> {
    let refuse = |why: &str| Failure::told(format_args!("--rival {}: {why}", path.display()));
    let whole = path.canonicalize().map_err(|error| refuse(&error.to_string()))?;
    let facts = fs::metadata(&whole).map_err(|error| refuse(&error.to_string()))?;
    if !facts.is_file() || facts.permissions().mode() & 0o111 == 0 {
        return Err(refuse("not an executable program"));
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn typed(line: &str) -> Wish {
        wish(["ipcscope", "race", "--placement", "unpinned"].into_iter().chain(line.split_whitespace()))
    }

    fn wish<'a>(words: impl Iterator<Item = &'a str>) -> Wish {
        match args::Typed::try_parse_from(words).unwrap().verb {
            Some(args::Verb::Race(race)) => Wish::from(&*race),
            _ => unreachable!("the line says `race`"),
        }
    }

    #[test]
    fn the_command_of_a_plan_decides_the_same_plan() {
        for line in [
            "",
            "unix --quick --launches 1 --count 40 --workload corked,stream --rate 7k",
            "pipe shm --size 64,1k --wait hybrid:20us,block --seed 7",
            "--workload paced --rate 5k --quick",
            "tcp --count 17 --launches 3 --rival /bin/true",
            "shm --capacity 2M",
        ] {
            let plan = decide(&typed(line)).unwrap().plan;
            let command = command(&plan);
            assert_eq!(decide(&wish(command.split_whitespace())).unwrap().plan, plan, "{command}");
        }
        for placement in [Placement::SameCore, Placement::Unpinned] {
            let plan = Plan { placement, ..decide(&typed("pipe")).unwrap().plan };
            assert_eq!(decide(&wish(command(&plan).split_whitespace())).unwrap().plan, plan);
        }
    }

    #[test]
    fn a_shell_takes_the_command_as_it_is_meant() {
        let rival = "/a b/it's $HOME";
        let plan = Plan { rivals: vec![rival.into()], ..decide(&typed("pipe")).unwrap().plan };
        let script = format!("printf '%s\\n' {}", command(&plan));
        let words = std::process::Command::new("sh").args(["-c", &script]).output().unwrap().stdout;
        let words = String::from_utf8(words).unwrap();
        assert_eq!(wish(words.lines()).rivals, [std::path::Path::new(rival)], "{script}");
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
            "--rivals /nowhere",
            "--rivals /proc/self/fdinfo",
        ] {
            match decide(&typed(line)) {
                Err(Failure(sentence)) => assert_eq!(sentence.lines().count(), 1, "{sentence}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }
}
