//! Refusals: what the binary does when the kernel, the container or the shell says no.
//!
//! `show` of each mechanism, a small `race`, a `map` and `doctor` run under every condition of [`case`]: each system call that they
//! make is refused in turn, descriptors, threads, memory, file sizes and streams run out, `/proc` and the loopback are gone.
//! A case may fail. It may not panic, die of a signal, hang, spin, or leave a process or a file behind; its error is a
//! sentence; and `doctor` does not call well what `show` cannot do. [`judge`] has the rules, [`control`] the programs that
//! break each of them and must be caught.
//!
//! `IPCSCOPE_REFUSALS=<words>` runs only the cases whose name holds all of the words.

mod agree;
#[path = "../../crates/crossing/tests/process/cannot_run.rs"]
mod cannot_run;
mod case;
mod control;
mod filter;
mod judge;
mod keeper;
#[path = "../../crates/crossing/tests/process/seccomp.rs"]
mod seccomp;
mod setup;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, thread};

use cannot_run::{Lacks, cannot_run};
use case::Case;
use judge::{Fault, Limits};
use keeper::{JOB, Job, Outcome};

/// A case that ran, and what it came to.
pub(crate) struct Ran {
    pub(crate) case: Case,
    pub(crate) outcome: Outcome,
}

/// A folder that every user may enter, with a copy of the binary in it. Dropping it removes it.
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new(name: &str) -> Place {
        let place = Place(env::temp_dir().join(format!("ipcscope-{name}-{}", std::process::id())));
        fs::create_dir_all(&place.0).expect("a folder for the test");
        open_to_all(&place.0);
        fs::copy(env!("CARGO_BIN_EXE_ipcscope"), place.binary()).expect("a copy of the binary");
        open_to_all(&place.binary());
        place
    }

    pub(crate) fn binary(&self) -> PathBuf {
        self.0.join("ipcscope")
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Lets every user read, write and enter it.
fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("our own file");
}

/// Runs one case in a folder of its own, under a keeper.
pub(crate) fn run(place: &Place, program: &Path, case: &Case, limits: &Limits) -> Outcome {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let folder = place.0.join(format!("case-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    for name in ["tmp", "home", "here"] {
        fs::create_dir_all(folder.join(name)).expect("a folder for the case");
        open_to_all(&folder.join(name));
    }
    let job = Job {
        program: program.to_owned(),
        args: case.args(),
        condition: case.condition.clone(),
        folder: folder.clone(),
        patience_s: if case.condition.has_no_end() { limits.without_end_s } else { limits.patience_s },
        grace_s: limits.grace_s,
    };
    let mut command = Command::new(env::current_exe().expect("this program has a path"));
    command.args(["keeper::keeps", "--exact", "--test-threads=1"]);
    command.env(JOB, serde_json::to_string(&job).expect("a job is JSON"));
    let ran = command.stdin(Stdio::null()).output().expect("this program starts again");
    let told = fs::read_to_string(folder.join("outcome.json"));
    let told = told.unwrap_or_else(|error| panic!("{}: the keeper failed: {error}: {ran:?}", case.name()));
    let _ = fs::remove_dir_all(&folder);
    serde_json::from_str(&told).expect("an outcome is JSON")
}

/// What takes longer is told, so that the whole stays short.
const SLOW_MS: u64 = 3_000;

/// Runs all of them, a few at a time.
fn run_all(place: &Place, cases: Vec<Case>, limits: &Limits) -> Vec<Ran> {
    let (queue, done) = (Mutex::new(cases.into_iter().rev().collect::<Vec<_>>()), Mutex::new(Vec::new()));
    let at_once = thread::available_parallelism().map_or(2, usize::from).clamp(2, 4) + 1;
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let Some(case) = queue.lock().expect("no panic").pop() else { return };
                    let outcome = run(place, &place.binary(), &case, limits);
                    if outcome.wall_ms > SLOW_MS {
                        say(&format!("slow: {}: {} ms", case.name(), outcome.wall_ms));
                    }
                    done.lock().expect("no panic").push(Ran { case, outcome });
                }
            });
        }
    });
    done.into_inner().expect("no panic")
}

fn wanted(case: &Case) -> bool {
    let words = env::var("IPCSCOPE_REFUSALS").unwrap_or_default();
    words.split_whitespace().all(|word| case.name().contains(word))
}

/// Those conditions that this machine cannot make, each with its reason.
fn said_of_untried(ran: &[Ran]) {
    let mut untried = BTreeMap::new();
    for Ran { case, outcome } in ran {
        if let Some(why) = &outcome.not_set_up {
            untried.entry(case.condition.kind()).or_insert(why);
        }
    }
    for (what, why) in untried {
        cannot_run(if what.is_rare() { Lacks::Part } else { Lacks::Right }, format!("{what}: {why}"));
    }
}

#[test]
fn whatever_is_refused_the_outcome_is_honest() {
    let place = Place::new("refusals");
    let limits = Limits::usual();
    let calls = match filter::calls_in_use(&place) {
        Ok(calls) => calls,
        Err(why) => return cannot_run(Lacks::Tool, why),
    };
    let cases: Vec<Case> = case::all(&calls).into_iter().filter(wanted).collect();
    say(&format!("refusals: {} cases, {} calls", cases.len(), calls.len()));
    let ran = run_all(&place, cases, &limits);
    said_of_untried(&ran);
    let ran: Vec<Ran> = ran.into_iter().filter(|ran| ran.outcome.not_set_up.is_none()).collect();
    let mut bad: Vec<(String, Fault)> = Vec::new();
    for Ran { case, outcome } in &ran {
        bad.extend(judge::faults(case, outcome, &limits).into_iter().map(|fault| (case.name(), fault)));
    }
    bad.extend(agree::disagreements(&ran));
    bad.sort_by(|one, other| (one.1.rule, &one.0).cmp(&(other.1.rule, &other.0)));
    for (name, fault) in &bad {
        say(&format!("bad: {}: {name}: {}", fault.rule, fault.what));
    }
    let caught = control::is_caught(&place);
    let (cases, of) = (ran.len(), if caught { "yes" } else { "no" });
    say(&format!("refusals: cases {cases}, bad {}, control caught: {of}", bad.len()));
    assert!(bad.is_empty() && caught, "refusals: {} bad, control caught: {of}", bad.len());
    if env::var_os("IPCSCOPE_REFUSALS").is_none() {
        assert!(cases >= 400, "only {cases} cases were tried");
    }
}

/// Not through print!, which the harness would keep to itself.
fn say(line: &str) {
    // A closed stream is ignored.
    let _ = writeln!(std::io::stderr(), "{line}");
}
