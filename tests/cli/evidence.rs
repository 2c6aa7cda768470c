//! What can be seen of two measured processes from outside: their system calls, their memory, and that they die with
//! the lab.

use std::collections::BTreeSet;
use std::fs;

use rustix::process::Signal;

use crate::harness::{Desk, all_gone, eventually};

/// System calls of a whole race, both processes and the lab, as strace counts them.
fn syscalls(desk: &Desk, mechanism: &str, count: u32) -> i64 {
    let race = format!("race {mechanism} --workload stream --wait spin --launches 1 --count {count}");
    let mut strace = desk.behind(&["strace", "-f", "-c", "-o", "strace.txt"], &race);
    let status = strace.output().expect("strace is installed by ./check");
    assert!(status.status.success(), "{status:?}");
    let table = fs::read_to_string(desk.path("strace.txt")).expect("strace's table");
    let total = table.lines().rev().find(|line| line.ends_with("total")).expect("a line of totals");
    total.split_whitespace().nth(3).and_then(|calls| calls.parse().ok()).expect("the fourth column")
}

#[test]
fn a_spinning_shm_stream_makes_no_system_call_for_a_message() {
    let desk = Desk::new();
    let (few, many) = (2_000, 42_000);
    // Whatever is not per message may differ by some: an interrupted wait, a clock that was read twice.
    let of_shm = syscalls(&desk, "shm", many) - syscalls(&desk, "shm", few);
    assert!(of_shm.abs() < 200, "40 000 messages made {of_shm} system calls");
    // The control: a pipe makes at least one write for each, and this count sees them. A pipe that is polled
    // makes one more for each empty look, however few its messages are, so nothing is subtracted.
    let of_pipe = syscalls(&desk, "pipe", many);
    assert!(of_pipe >= i64::from(many), "{many} messages through a pipe made only {of_pipe} system calls");
}

/// A race of hours whose first and only round is two processes: paced, because that workload has no null entrant, which
/// would run alone for a minute wherever the shuffled order puts it first.
const LONG: &str = "race shm --workload paced --launches 1 --count 900M";

/// The mappings of crossing's memory in a process: how they may be used, and the file.
fn regions(pid: u32) -> BTreeSet<(String, String)> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let region = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ours = words.get(5).is_some_and(|name| name.starts_with("/memfd:crossing"));
        ours.then(|| (words[1].to_owned(), words[4].to_owned()))
    };
    maps.lines().filter_map(region).collect()
}

#[test]
fn each_process_may_write_its_own_region_and_only_read_the_others() {
    let desk = Desk::new();
    let line = format!("{LONG} --wait block");
    let running = desk.start(&line);
    let mut seen = Vec::new();
    eventually("two processes have mapped two regions each", || {
        seen = running.children().into_iter().map(regions).filter(|maps| maps.len() == 2).collect();
        seen.len() == 2
    });
    let file = |maps: &BTreeSet<(String, String)>, mode: &str| {
        let found = maps.iter().find(|(found, _)| found == mode);
        found.unwrap_or_else(|| panic!("no {mode} in {maps:?}")).1.clone()
    };
    assert_eq!(file(&seen[0], "rw-s"), file(&seen[1], "r--s"));
    assert_eq!(file(&seen[1], "rw-s"), file(&seen[0], "r--s"));
    assert_ne!(file(&seen[0], "rw-s"), file(&seen[0], "r--s"));
}

#[test]
fn measured_processes_die_with_a_lab_that_is_killed() {
    for wait in ["spin", "block"] {
        let desk = Desk::new();
        let line = format!("{LONG} --wait {wait}");
        let mut running = desk.start(&line);
        let mut workers = Vec::new();
        eventually("two measured processes run", || {
            workers = running.children();
            workers.len() == 2 && workers.iter().all(|&worker| regions(worker).len() == 2)
        });
        // Stopped, one of them could not even notice.
        let stopped = rustix::process::Pid::from_raw(workers[0].cast_signed()).expect("a pid");
        rustix::process::kill_process(stopped, Signal::STOP).expect("the signal is sent");
        running.signal(Signal::KILL);
        running.wait();
        all_gone(&workers);
    }
}
