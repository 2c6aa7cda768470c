//! `ipcscope race`: small races of the real engine. Counts are asserted, times never.

use std::process::Command;

use crossing::Kind;
use lab::Report;

use crate::harness::Desk;

/// Small enough for any machine; unpinned, because a test may not choose its cores.
const SMALL: &str = "--count 200 --launches 2 --placement unpinned --wait block";

/// A guest that says what it can do, and then does not.
const BROKEN: &str = r#"#!/bin/sh
[ "$1" = --describe ] || exit 3
echo '{"name":"broken","version":"1","kinds":["pipe"],"workloads":["ping-pong"],"waits":["block"]}'
"#;

#[test]
fn a_table_for_all_four() {
    let desk = Desk::new();
    let ran = desk.run(&format!("race {SMALL} --seed 42")).ended_with(0);
    assert_eq!(ran.stderr, "", "{ran:#?}");
    for words in [
        "ping-pong, 64 B, block",
        "stream, 64 B, block",
        "seed 42",
        "200 messages",
        "unpinned",
        "half of a measured",
    ] {
        assert!(ran.stdout.contains(words), "{words}: {ran:#?}");
    }
    for kind in Kind::ALL.map(Kind::name).into_iter().chain(["null"]) {
        let rows = ran.stdout.lines().filter(|line| line.starts_with(&format!("  {kind} "))).count();
        assert_eq!(rows, 2, "{kind}: {ran:#?}");
    }
    assert!(!ran.stdout.contains('\x1b'), "no colour into a pipe");
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 100), "{ran:#?}");
}

#[test]
fn json_is_the_report_and_nothing_else() {
    let desk = Desk::new();
    let ran = desk
        .run(&format!("race shm pipe {SMALL} --size 64,1k --workload ping-pong --json --seed 7"))
        .ended_with(0);
    let report = ran.report();
    assert_eq!(report.plan.sizes, [64, 1024]);
    assert_eq!(report.plan.seed, 7);
    for kind in ["shm", "pipe"] {
        for size in [64, 1024] {
            let row =
                report.rows.iter().find(|row| row.kind == kind && row.size_bytes == size).expect("a row");
            assert_eq!((row.messages, row.verified, row.failed.as_deref()), (200, 200, None), "{row:?}");
            // Of one of the two launches.
            let progress = row.progress.as_ref().expect("how it went on");
            assert!(progress.is_sorted() && progress.last().is_some_and(|last| last.1 == 100), "{row:?}");
            assert!((1..=64).contains(&progress.len()), "{row:?}");
        }
    }
}

#[test]
fn quick_says_so() {
    let ran = Desk::new()
        .run("race pipe --quick --count 100 --workload ping-pong --wait block --placement unpinned")
        .ended_with(0);
    assert!(ran.stdout.contains("quick: 100 messages a row"), "{ran:#?}");
}

#[test]
fn the_capacity_of_the_channels_is_carried_and_told() {
    let desk = Desk::new();
    // The memory of shared memory's processes shows which ring they had: they touch all of it, and their peer's.
    let peak_kib = |capacity: &str| {
        let line = format!("race shm {SMALL} --workload stream --json {capacity}");
        let report = desk.run(&line).ended_with(0).report();
        let row = report.rows.iter().find(|row| row.kind == "shm").expect("a row");
        (report.plan.capacity_bytes, row.sides.expect("two sides").map(|side| side.peak_rss_kib))
    };
    let ((none, usual), (some, large)) = (peak_kib(""), peak_kib("--capacity 4M"));
    assert_eq!((none, some), (None, Some(4 << 20)));
    for (usual, large) in usual.into_iter().zip(large) {
        assert!(large > usual + 2 * (4 << 10) - (1 << 10), "{large} KiB, and {usual} KiB without");
    }
}

#[test]
fn every_channel_tells_what_it_had_of_what_was_asked() {
    let desk = Desk::new();
    let had = |line: &str| {
        let report =
            desk.run(&format!("race {SMALL} --workload stream --json {line}")).ended_with(0).report();
        report.rows.into_iter().map(|row| (row.kind, row.channel_bytes)).collect::<Vec<_>>()
    };
    let most = std::fs::read_to_string("/proc/sys/net/core/wmem_max").expect("every Linux has it");
    let socket = 2 * most.trim().parse::<u32>().expect("a number").min(100_000);
    let asked = had("--capacity 100000");
    for kind in Kind::ALL {
        let bytes = match kind {
            Kind::Shm | Kind::Pipe => 131_072,
            Kind::Unix | Kind::Tcp => socket,
        };
        assert!(asked.contains(&(kind.to_string(), Some([bytes; 2]))), "{kind}: {asked:?}");
    }
    assert!(asked.contains(&("null".into(), None)), "{asked:?}");
    // The control: unless asked, each has its own.
    let usual = had("");
    for (kind, bytes) in [("shm", 262_144), ("pipe", 65_536)] {
        assert!(usual.contains(&(kind.into(), Some([bytes; 2]))), "{kind}: {usual:?}");
    }
    let ran = desk.run(&format!("race shm {SMALL} --workload stream --capacity 4k --size 64k")).ended_with(0);
    assert!(ran.stdout.contains("channels asked to hold 4 KiB in each direction"), "{ran:#?}");
    assert!(ran.stdout.contains("channels had: shm 256 KiB."), "{ran:#?}");
}

#[test]
fn the_paced_workload() {
    let line = format!("race pipe {SMALL} --workload paced --rate 5k --json");
    let report = Desk::new().run(&line).ended_with(0).report();
    assert_eq!(report.plan.rate_per_s, 5_000);
    let row = report.rows.iter().find(|row| row.kind == "pipe").expect("a row");
    assert!(row.missed.is_some(), "{row:?}");
}

#[test]
fn a_failed_row_says_why_and_the_exit_code_says_that() {
    let desk = Desk::new();
    // Another process writes it: a descriptor of ours could be inherited by a run that another test starts just now, and
    // a program that is open for writing cannot be started.
    let written = Command::new("sh")
        .args(["-c", "printf %s \"$0\" > broken && chmod 755 broken", BROKEN])
        .current_dir(desk.path(""))
        .status();
    assert!(written.expect("sh").success());
    let ran = desk.run(&format!("race pipe {SMALL} --workload ping-pong --rival ./broken")).ended_with(1);
    assert!(
        ran.stdout.lines().any(|line| line.starts_with("  broken") && line.contains("failed: ")),
        "{ran:#?}"
    );
    assert!(ran.stdout.lines().any(|line| line.starts_with("  pipe ") && line.contains("best")), "{ran:#?}");
}

#[test]
fn every_race_is_kept() {
    let desk = Desk::new();
    for _ in 0..2 {
        desk.run(&format!("race pipe {SMALL}")).ended_with(0);
    }
    assert_eq!(desk.runs().len(), 2);
    for name in desk.runs() {
        let text = std::fs::read(desk.path(&format!("state/ipcscope/runs/{name}"))).expect("it was kept");
        assert_eq!(Report::read(&text).expect("a report").plan.count, 200);
    }
}

#[test]
fn a_race_that_cannot_be_kept_is_still_a_race() {
    let desk = Desk::new();
    std::fs::write(desk.path("state"), "a file where the folder should be").expect("a file");
    let ran = desk.run(&format!("race pipe {SMALL}")).ended_with(0);
    assert!(ran.stdout.contains("pipe"), "{ran:#?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:#?}");
}
