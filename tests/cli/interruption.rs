//! Signals that end a program: what was measured is shown, kept and exported, no process and no half-written file is left.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;

use lab::Report;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::harness::{Desk, Running, all_gone, eventually};
use crate::schema;

/// A race that would take minutes (its null entrant, which is one process, seconds), stopped by
/// `signal` once its measured processes run: what it printed, its exit code, and the measured
/// processes.
fn interrupt(desk: &Desk, signal: Signal) -> (String, Option<i32>, Vec<u32>) {
    let line = "race pipe --count 2M --launches 1 --wait block --workload ping-pong --placement unpinned \
                --export-json cut.json";
    let mut running = desk.start(line);
    let workers = running.two_workers();
    running.signal(signal);
    let code = running.wait();
    let mut table = String::new();
    running.0.stdout.take().expect("a pipe").read_to_string(&mut table).expect("text");
    (table, code, workers)
}

#[test]
fn every_such_signal_ends_a_race_and_leaves_nobody() {
    let signals = [
        (Signal::HUP, 129),
        (Signal::INT, 130),
        (Signal::QUIT, 131),
        (Signal::USR1, 138),
        (Signal::TERM, 143),
        (Signal::XCPU, 152),
    ];
    for (signal, code) in signals {
        let desk = Desk::new();
        let (table, ended, workers) = interrupt(&desk, signal);
        assert_eq!(ended, Some(code), "{table}");
        all_gone(&workers);
        assert!(table.contains("interrupted"), "{table}");
        assert_eq!(desk.names(), ["cut.json"]);
        let report: Report =
            serde_json::from_slice(&fs::read(desk.path("cut.json")).expect("the export")).expect("a report");
        assert!(report.interrupted);
    }
}

/// A race of two launches, each of which takes a while.
const TWO_LAUNCHES: &str =
    "race pipe --count 200k --launches 2 --wait block --workload ping-pong --placement unpinned --seed 3";

/// Waits until the second launch of the two processes runs.
fn second_launch_runs(running: &Running) {
    let mut pids = BTreeSet::new();
    eventually("the second two processes run", || {
        let now = running.children();
        if now.len() >= 2 {
            pids.extend(now);
        }
        pids.len() >= 4
    });
}

#[test]
fn a_signal_to_the_whole_group_loses_no_launch_that_was_finished() {
    for signal in [Signal::HUP, Signal::INT, Signal::TERM] {
        let desk = Desk::new();
        let mut command = desk.command(TWO_LAUNCHES.split_whitespace().chain(["--json"]));
        let mut running = Running(command.process_group(0).spawn().expect("the binary starts"));
        second_launch_runs(&running);
        kill_process_group(Pid::from_child(&running.0), signal).expect("the signal is sent");
        let text = String::from_utf8(read(running.0.stdout.take())).expect("text");
        assert_eq!(running.wait(), Some(128 + signal.as_raw()), "{text}");
        let report = schema::report(serde_json::from_str(&text).expect("JSON"));
        let row = report.rows.iter().find(|row| row.kind == "pipe").expect("a row");
        assert_eq!((row.failed.as_deref(), row.launches, row.verified), (None, 1, 100_000), "{row:?}");
        assert!(report.interrupted && row.latency_ns.is_some());
        assert_eq!(desk.runs().len(), 1);
    }
}

#[test]
fn measured_processes_leave_the_signal_to_the_lab() {
    let desk = Desk::new();
    let mut running = desk.start(TWO_LAUNCHES);
    let workers = running.two_workers();
    for worker in workers {
        let worker = i32::try_from(worker).ok().and_then(Pid::from_raw).expect("a pid");
        for signal in [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM] {
            rustix::process::kill_process(worker, signal).expect("the signal is sent");
        }
    }
    assert_eq!(running.wait(), Some(0));
}

#[test]
fn a_second_signal_ends_a_run_that_waits_for_its_reader() {
    let desk = Desk::new();
    // A pipe that is full, and that is not read.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(&writer, true).expect("it does not block");
    while rustix::io::write(&writer, &[b'x'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).expect("it blocks");
    let mut command = desk.command(TWO_LAUNCHES.split_whitespace());
    command.stdout(File::from(OwnedFd::from(writer)));
    let mut running = Running(command.spawn().expect("the binary starts"));
    drop(command);
    second_launch_runs(&running);
    running.signal(Signal::HUP);
    eventually("the race is kept", || desk.runs().len() == 1);
    running.signal(Signal::INT);
    assert_eq!(running.wait(), Some(130));
    drop(reader);
}

#[test]
fn nohup_means_it_and_ignored_children_can_be_waited_for() {
    let desk = Desk::new();
    let words = ["bash", "-c", "trap '' HUP CHLD; exec \"$@\"", "bash"];
    let mut command = desk.behind(&words, TWO_LAUNCHES);
    let mut running = Running(command.spawn().expect("bash"));
    second_launch_runs(&running);
    running.signal(Signal::HUP);
    assert_eq!(running.wait(), Some(0));
    assert_eq!(desk.runs().len(), 1);
}

#[test]
fn a_reader_that_has_gone_changes_neither_the_code_nor_what_is_kept() {
    let desk = Desk::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = desk.command(TWO_LAUNCHES.split_whitespace());
    command.stdout(File::from(OwnedFd::from(writer)));
    let mut running = Running(command.spawn().expect("the binary starts"));
    second_launch_runs(&running);
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(143));
    assert_eq!(desk.runs().len(), 1);
}

#[test]
fn a_probe_keeps_the_rows_that_it_has_finished() {
    let desk = Desk::new();
    let line = "probe all --placement unpinned --messages 5000 --export-json cut.json";
    let mut running = desk.start(line);
    let mut seen = BTreeSet::new();
    eventually("it is beyond its first row", || {
        seen.extend(running.children());
        seen.len() >= 12
    });
    running.signal(Signal::HUP);
    let code = running.wait();
    let text = String::from_utf8(read(running.0.stdout.take())).expect("text");
    assert_eq!(code, Some(129), "{text}");
    assert!(text.contains("interrupted after "), "{text}");
    let kept: serde_json::Value =
        serde_json::from_slice(&fs::read(desk.path("cut.json")).expect("the export")).expect("a report");
    let rows = kept["rows"].as_array().expect("rows");
    assert!(!rows.is_empty() && rows.iter().all(|row| row["failed"].is_null()), "{text}");
}

fn read(from: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    from.expect("a pipe").read_to_end(&mut bytes).expect("bytes");
    bytes
}

#[test]
fn what_was_shown_until_then_is_shown_and_nobody_is_left() {
    let desk = Desk::new();
    let mut running = desk.start("show pipe --messages 200 --json");
    let mut pids = Vec::new();
    eventually("a process runs", || {
        pids = running.children();
        !pids.is_empty()
    });
    running.signal(Signal::QUIT);
    let code = running.wait();
    let text = String::from_utf8(read(running.0.stdout.take())).expect("text");
    assert!(code == Some(131) || (code == Some(0) && !text.is_empty()), "{code:?}: {text}");
    assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{text}");
    all_gone(&pids);
}
