//! `ipcscope doctor`.

// The filter is put in place between fork and exec.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;

use crossing::Kind;
use lab::sys::calls;

use crate::harness::{Desk, Ran};
use crate::seccomp;

#[test]
fn findings_say_their_state_in_words() {
    let ran = Desk::new().run("doctor").ended_with(0);
    assert!(ran.stdout.lines().count() > 3, "{ran:#?}");
    assert!(!ran.stdout.contains('\x1b'), "no colour into a pipe: {ran:#?}");
    for line in ran.stdout.lines().take_while(|line| !line.is_empty()) {
        let known = ["ok ", "limited ", "missing ", "         "].iter().any(|start| line.starts_with(start));
        assert!(known, "{line}");
    }
}

#[test]
fn findings_as_json() {
    let report = Desk::new().run("doctor --json").ended_with(0).json();
    assert_eq!(report["schema"], 1);
    let findings = report["findings"].as_array().expect("a list");
    assert!(!findings.is_empty());
    for finding in findings {
        assert!(finding["what"].is_string() && finding["detail"].is_string(), "{finding}");
        assert!(["ok", "limited", "missing"].contains(&finding["state"].as_str().unwrap_or("")), "{finding}");
        assert!(finding["remedy"].is_string() || finding["remedy"].is_null(), "{finding}");
    }
}

const PERM: u32 = 1;
const NOSYS: u32 = 38;

/// Runs the binary where `call` is refused with `errno`.
fn refused(desk: &Desk, call: &str, errno: u32, line: &str) -> Ran {
    let number = calls::number(call).expect("a call that is known");
    let filter = seccomp::refusing(&[u32::try_from(number).expect("a small number")], errno);
    let mut command = desk.command(line.split_whitespace());
    // SAFETY: between fork and exec the closure makes two system calls, and reads memory that it owns.
    unsafe { command.pre_exec(move || seccomp::install(&filter)) };
    Ran::of(&format!("without {call}: {line}"), command.output().expect("it starts behind a filter"))
}

fn states(ran: &Ran) -> BTreeMap<String, String> {
    let report = ran.json();
    let findings = report["findings"].as_array().expect("a list").iter();
    let word = |value: &serde_json::Value| value.as_str().expect("a word").to_owned();
    findings.map(|finding| (word(&finding["what"]), word(&finding["state"]))).collect()
}

#[test]
fn what_is_ok_under_a_refused_call_works_and_what_is_missing_does_not() {
    let desk = Desk::new();
    for (call, errno) in [
        ("futex_waitv", NOSYS),
        ("membarrier", PERM),
        ("memfd_create", PERM),
        ("pidfd_open", NOSYS),
        ("pidfd_send_signal", PERM),
        ("pipe2", PERM),
        ("epoll_create1", PERM),
        ("sched_setaffinity", PERM),
        ("prctl", PERM),
    ] {
        let found = states(&refused(&desk, call, errno, "doctor --json").ended_with(0));
        for kind in Kind::ALL {
            let shown = refused(&desk, call, errno, &format!("show {kind} --messages 2"));
            let line =
                format!("race {kind} --count 20 --launches 1 --workload ping-pong --wait block --seed 1");
            let raced = refused(&desk, call, errno, &line);
            let works = shown.code == Some(0) && raced.code == Some(0);
            let told = &found[&format!("mechanism: {kind}")];
            assert_eq!(told != "missing", works, "{call} {errno}: {told}, and {shown:#?}, {raced:#?}");
        }
    }
}

#[test]
fn the_call_that_is_refused_is_named() {
    let desk = Desk::new();
    for (call, finding, state) in [
        ("futex_waitv", "futex_waitv", "limited"),
        ("membarrier", "membarrier", "limited"),
        ("memfd_create", "sealed memory", "missing"),
        ("pidfd_open", "pidfd", "missing"),
        ("sched_setaffinity", "pinning", "limited"),
        ("sendmsg", "Unix sockets", "missing"),
        ("flock", "flock", "limited"),
        ("getsockopt", "SO_PEERCRED", "missing"),
        ("getsockopt", "SO_PEERPIDFD", "limited"),
        ("setsockopt", "SO_PASSCRED", "limited"),
        ("ptrace", "probes: ptrace", "limited"),
    ] {
        let found = states(&refused(&desk, call, PERM, "doctor --json").ended_with(0));
        assert_eq!(found[finding], state, "{call}: {found:?}");
    }
}

#[test]
fn a_cost_that_cannot_be_read_is_no_number() {
    let line =
        "race pipe --count 40 --launches 1 --workload ping-pong --wait block --json --placement unpinned";
    let report = refused(&Desk::new(), "getrusage", PERM, line).ended_with(0).report();
    let row = report.rows.iter().find(|row| row.kind == "pipe").expect("a row");
    assert_eq!((row.verified, row.sides), (40, None), "{row:?}");
    assert!(row.notes.iter().any(|note| note.contains("getrusage")), "{row:?}");
}

#[test]
fn a_row_says_how_shared_memory_slept() {
    let desk = Desk::new();
    let line =
        "race shm --count 40 --launches 1 --workload ping-pong --wait spin,block --json --placement unpinned";
    let notes = |ran: Ran| -> Vec<(String, bool)> {
        let report = ran.ended_with(0).report();
        let rows = report.rows.iter().filter(|row| row.kind == "shm");
        rows.map(|row| (row.wait.to_string(), row.notes.iter().any(|note| note.contains("slept by futex"))))
            .collect()
    };
    let of = |spin, block| [("spin".to_owned(), spin), ("block".to_owned(), block)];
    assert_eq!(notes(refused(&desk, "futex_waitv", PERM, line)), of(false, true));
    assert_eq!(notes(desk.run(line)), of(false, false), "the control");
}
