//! The rules: what no refusal may lead to.

use std::fmt;

use crate::case::{Case, Condition, Verb};
use crate::keeper::Outcome;

/// Which rule was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    Panic,
    Signal,
    Hang,
    Busy,
    LeftProcess,
    LeftFile,
    NoSentence,
    Untrue,
    Failed,
    Disagrees,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rule::Panic => "it panicked",
            Rule::Signal => "a signal ended it",
            Rule::Hang => "it hung",
            Rule::Busy => "it was busy with nothing",
            Rule::LeftProcess => "it left a process behind",
            Rule::LeftFile => "it left a file behind",
            Rule::NoSentence => "its error is no sentence",
            Rule::Untrue => "it said that it was done, and was not",
            Rule::Failed => "it failed, and nothing was in its way",
            Rule::Disagrees => "doctor says otherwise",
        })
    }
}

/// What was found.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) rule: Rule,
    pub(crate) what: String,
}

/// Bounds, none of which is a measure.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// A case that takes longer hangs.
    pub(crate) patience_s: u64,
    /// How long a case that cannot end is watched.
    pub(crate) without_end_s: u64,
    /// How long a process takes to end after its parent.
    pub(crate) grace_s: u64,
    /// A case takes some tenths of a second of the processor, even with a slow build; one that spins instead of sleeping
    /// takes as long as it waits.
    pub(crate) cpu_ms: u64,
}

impl Limits {
    pub(crate) fn usual() -> Limits {
        Limits { patience_s: 60, without_end_s: 3, grace_s: 20, cpu_ms: 6_000 }
    }
}

/// Every rule that the case has broken.
pub(crate) fn faults(case: &Case, outcome: &Outcome, limits: &Limits) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut say = |rule: Rule, what: String| faults.push(Fault { rule, what });
    let said = tail(&outcome.stderr);
    if outcome.code == Some(101) || outcome.stderr.contains("panicked at") {
        say(Rule::Panic, said.clone());
    }
    if case.condition.has_no_end() {
        // Neither how it ended is its own doing, nor what stayed because it did not.
        return faults;
    }
    if let Some(hung) = &outcome.hung {
        say(Rule::Hang, format!("{hung}; it said: {said}"));
    } else if let Some(signal) = outcome.signal.filter(|&signal| !is_meant(case, signal, outcome)) {
        say(Rule::Signal, format!("signal {signal}; {said}"));
    }
    // A lock of Rust's library or of glibc that cannot sleep tries again at once.
    if outcome.cpu_ms > limits.cpu_ms && !refuses(case, &["futex"]) {
        say(Rule::Busy, format!("{} ms of the processor; {said}", outcome.cpu_ms));
    }
    for left in &outcome.left {
        say(Rule::LeftProcess, left.clone());
    }
    for file in outcome.files.iter().filter(|file| !is_kept(case, file)) {
        say(Rule::LeftFile, file.clone());
    }
    if outcome.code.is_some_and(|code| code != 0)
        && case.condition.stderr_is_read()
        && let Some(why) = no_sentence(case, outcome)
    {
        say(Rule::NoSentence, format!("{why}: {said:?}, exit code {:?}", outcome.code));
    }
    if case.condition.hinders_nothing() && outcome.code != Some(0) {
        say(Rule::Failed, format!("{said:?}, exit code {:?}", outcome.code));
    }
    if outcome.code == Some(0) && stdout_is_read(&case.condition) && !is_done(case.verb, &outcome.stdout) {
        say(Rule::Untrue, format!("{said:?} {:?}", tail(&outcome.stdout)));
    }
    faults
}

/// The end of what was said, in one line.
fn tail(said: &str) -> String {
    let line = said.trim().replace('\n', " | ");
    let from = line.char_indices().rev().nth(400).map_or(0, |(at, _)| at);
    line[from..].to_owned()
}

fn stdout_is_read(condition: &Condition) -> bool {
    !matches!(condition, Condition::Closed([_, true, _]) | Condition::Full(1) | Condition::Unread(1))
}

/// Ends that are not the program's own: what the kernel, the loader, glibc or Rust's own library do before it runs or around
/// it, when a call that they cannot do without is refused.
const NOT_ITS_OWN: &[(&str, i32)] = &[
    // The loader has no memory for the C library, and none to say so.
    ("mmap", libc::SIGSEGV),
    // Before main, Rust's library looks whether the standard streams are open, and sets SIGPIPE. It aborts if it may not.
    ("poll", libc::SIGABRT),
    ("rt_sigaction", libc::SIGABRT),
    // Every lock of glibc aborts.
    ("futex", libc::SIGABRT),
    // A handler returns to nowhere.
    ("rt_sigreturn", libc::SIGSEGV),
];

/// Whether this end is the condition's own, and not the program's.
fn is_meant(case: &Case, signal: i32, outcome: &Outcome) -> bool {
    match &case.condition {
        // The kernel ends a process that needs more memory than there is.
        Condition::Memory(_) => signal == libc::SIGKILL,
        Condition::Refused { call, .. } => NOT_ITS_OWN.contains(&(&**call, signal)),
        // The kernel could not make the program's own pages, or the loader had none. Rust's library says that there is no memory,
        // and aborts.
        Condition::AddressSpace(_) => {
            let nothing = outcome.stdout.is_empty() && outcome.stderr.is_empty();
            nothing || outcome.stderr.starts_with("memory allocation of ")
        }
        _ => false,
    }
}

fn refuses(case: &Case, calls: &[&str]) -> bool {
    matches!(&case.condition, Condition::Refused { call, .. } if calls.contains(&&**call))
}

/// Whether this file is what the verb is to leave: a race is kept, and nothing else. What may not be removed stays.
fn is_kept(case: &Case, file: &str) -> bool {
    if refuses(case, &["unlink", "unlinkat"]) {
        return true;
    }
    case.verb == Verb::Race && file.contains("ipcscope/runs/") && file.ends_with(".json")
}

/// Whether what was printed is what a verb prints that has done its work.
fn is_done(verb: Verb, stdout: &str) -> bool {
    match verb {
        Verb::Show(_) => stdout.contains("2 of 2 messages received and verified"),
        Verb::Race => stdout.contains("ping-pong, 64 B, block"),
        Verb::Map => {
            serde_json::from_str::<atlas::ProgramMap>(stdout).is_ok_and(|map| !map.processes.is_empty())
        }
        Verb::Doctor => serde_json::from_str::<serde_json::Value>(stdout).is_ok(),
    }
}

/// Why what was said does not tell its reader what failed; `None` if it does.
fn no_sentence(case: &Case, outcome: &Outcome) -> Option<&'static str> {
    // Before the program runs its loader speaks for it, and the C library before and after.
    let by_loader =
        ["error while loading shared libraries", "Fatal glibc error", "cannot set up thread-local storage"];
    if by_loader.iter().any(|words| outcome.stderr.contains(words)) {
        return None;
    }
    let told = outcome.stderr.lines().find_map(|line| line.strip_prefix("ipcscope: "));
    // An entrant's failure is its row.
    let row = || outcome.stdout.lines().find(|line| line.contains("failed"));
    let sentence = match told {
        Some(sentence) => sentence,
        None if case.verb == Verb::Race => row().unwrap_or_default(),
        None => return Some("nothing that begins with the program's name"),
    };
    if sentence.split_whitespace().count() < 4 { Some("no sentence") } else { None }
}
