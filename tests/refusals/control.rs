//! Programs that break one rule each: a judge that finds no fault anywhere must find these. And one that fails as it should.

use std::fs;

use crossing::Kind;

use crate::case::{Case, Condition, Verb};
use crate::judge::{Limits, Rule, faults};
use crate::{Place, open_to_all, run, say};

/// What the shell runs instead of the binary, and the rule that it breaks.
const BROKEN: &[(&str, Rule)] = &[
    ("echo \"thread 'main' panicked at src/main.rs:1:1\" >&2; exit 101", Rule::Panic),
    ("kill -SEGV $$", Rule::Signal),
    ("kill -XFSZ $$", Rule::Signal),
    ("exec sleep 600", Rule::Hang),
    (
        "(ulimit -t 2; while :; do :; done); echo 'ipcscope: it is refused, and was tried again'>&2; exit 1",
        Rule::Busy,
    ),
    ("sleep 600 & echo 'ipcscope: no room for another process' >&2; exit 1", Rule::LeftProcess),
    ("echo > \"$TMPDIR\"/ipc.sock; echo 'ipcscope: no room for another file' >&2; exit 1", Rule::LeftFile),
    ("exit 1", Rule::NoSentence),
    ("echo 'Operation not permitted' >&2; exit 1", Rule::NoSentence),
    ("echo 'ipcscope: failed' >&2; exit 1", Rule::NoSentence),
    ("echo nothing", Rule::Untrue),
];

/// It fails, and breaks no rule where something is in its way.
const HONEST: &str = "echo 'ipcscope: memfd_create: Operation not permitted (os error 1)' >&2; exit 1";

/// Whether each is caught for what it does, and the honest one for nothing.
pub(crate) fn is_caught(place: &Place) -> bool {
    let limits = Limits { patience_s: 5, grace_s: 1, cpu_ms: 1_000, ..Limits::usual() };
    let found = |script: &str, condition: Condition| -> Vec<Rule> {
        let case = Case { verb: Verb::Show(Kind::Pipe), condition };
        let program = place.path().join("control");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("our own folder");
        open_to_all(&program);
        let outcome = run(place, &program, &case, &limits);
        faults(&case, &outcome, &limits).into_iter().map(|fault| fault.rule).collect()
    };
    let mut all = true;
    for (script, rule) in BROKEN {
        let found = found(script, Condition::NoHome);
        if !found.contains(rule) {
            say(&format!("control: `{script}` was not caught: {rule}, but {found:?}"));
            all = false;
        }
    }
    let missed = found(HONEST, Condition::Pages(64 << 10));
    if missed != [Rule::Failed] {
        say(&format!("control: a failure where nothing was in the way: {missed:?}"));
        all = false;
    }
    let blamed = found(HONEST, Condition::NoHome);
    if !blamed.is_empty() {
        say(&format!("control: an honest failure was blamed: {blamed:?}"));
    }
    all && blamed.is_empty()
}
