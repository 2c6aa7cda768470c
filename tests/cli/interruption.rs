//! Ctrl-C in a race: what was measured is shown and exported, no process and no half-written file is left.

use std::fs;
use std::io::Read;
use std::path::Path;

use lab::Report;
use rustix::process::Signal;

use crate::harness::{Desk, Running, eventually};

/// The processes whose parent is `pid`.
pub(crate) fn children_of(pid: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("/proc");
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|process| parent_of(*process) == Some(pid))
        .collect()
}

fn parent_of(process: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// A race that would take minutes (its null entrant, which is one process, seconds), stopped by `signal` once its measured processes run: what it printed, its exit code,
/// and who had been measured.
fn interrupt(desk: &Desk, signal: Signal) -> (String, Option<i32>, Vec<u32>) {
    let line = "race pipe --count 20M --launches 1 --wait block --workload ping-pong --placement unpinned \
                --export-json cut.json";
    let mut running = Running(desk.command(line.split_whitespace()).spawn().expect("the binary starts"));
    let mut workers = Vec::new();
    eventually("two measured processes run", || {
        workers = children_of(running.0.id());
        workers.len() >= 2
    });
    running.signal(signal);
    let code = running.wait();
    let mut table = String::new();
    running.0.stdout.take().expect("a pipe").read_to_string(&mut table).expect("text");
    (table, code, workers)
}

#[test]
fn both_signals_end_a_race_with_130_and_leave_nobody() {
    for signal in [Signal::INT, Signal::TERM] {
        let desk = Desk::new();
        let (table, code, workers) = interrupt(&desk, signal);
        assert_eq!(code, Some(130), "{table}");
        for worker in workers {
            eventually("the measured process is gone", || !Path::new(&format!("/proc/{worker}")).exists());
        }
        assert!(table.contains("interrupted"), "{table}");
        assert_eq!(desk.names(), ["cut.json"]);
        let report: Report =
            serde_json::from_slice(&fs::read(desk.path("cut.json")).expect("the export")).expect("a report");
        assert!(report.interrupted);
    }
}
