//! `ipcscope race --rivals`: guests are found, run beside ours with the floor around them, and not believed blindly.

use std::path::Path;
use std::process::Command;

use lab::Report;
use lab::report::{Entrant, ReportRow};

use crate::harness::{Desk, eventually};

const SMALL: &str = "--count 200 --launches 2 --workload ping-pong --wait block --seed 1 --json";

/// Answers each job by what its own name says. It must not be believed, whatever it says but `gap`.
const LIAR: &str = r#"#!/bin/sh
name=$(basename "$0")
if [ "$1" = --describe ]; then
    echo "{\"name\":\"$name\",\"version\":\"1\",\"kinds\":[\"pipe\"],\"workloads\":[\"ping-pong\"],\"waits\":[\"block\"]}"
    exit 0
fi
read -r job
n=$(echo "$job" | sed 's/.*"messages":\([0-9]*\).*/\1/')
answer() { echo "{\"name\":\"$name\",\"version\":\"1\",\"messages\":$n,\"verified\":$1,\"elapsed_ns\":$2,\"latency_ns\":[$3]}"; }
case $name in
    helper)    sleep 100000 & answer $n $((n * 2000)) "[1000,$n]"; echo $! >> helpers ;;
    truth)     answer $n $((n * 2000)) "[1000,$n]" ;;
    fewer)     answer $((n - 1)) $((n * 2000)) "[1000,$n]" ;;
    samples)   answer $n $((n * 2000)) "[1000,$((n + 1))]" ;;
    sum)       answer $n $((n * 2000)) "[10,$n]" ;;
    slow)      answer $n 3600000000000 "[$((1800000000000 / n)),$n]" ;;
    other)     n=7; answer 7 14000 "[1000,7]" ;;
    garbage)   echo "I won" ;;
    silent)    ;;
    dead)      echo "the sky fell" >&2; kill -9 $$ ;;
    refuses)   echo "no such core" >&2; exit 1 ;;
    gap)       echo '{"unsupported":"not on a Tuesday"}' ;;
esac
"#;

/// A folder of rivals that are all the same script. The shell writes it, for a descriptor of ours could be inherited by
/// a run that another test starts just now, and what is open for writing cannot be started.
fn liars(desk: &Desk, names: &str) {
    let written = Command::new("sh")
        .args(["-c", "for n in $1; do mkdir -p rivals/$n && printf %s \"$0\" > rivals/$n/$n && chmod 755 rivals/$n/$n; done"])
        .args([LIAR, names])
        .current_dir(desk.path(""))
        .status();
    assert!(written.expect("sh").success());
}

fn row<'a>(report: &'a Report, kind: &str) -> &'a ReportRow {
    report
        .rows
        .iter()
        .find(|row| row.kind == kind)
        .unwrap_or_else(|| panic!("no {kind} in {:?}", report.rows))
}

#[test]
fn a_built_rival_is_found_and_run_between_two_looks_at_the_floor() {
    let desk = Desk::new();
    std::fs::create_dir_all(desk.path("guests/plain-c")).expect("a folder");
    std::fs::create_dir_all(desk.path("guests/not-built")).expect("a folder");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("rivals/plain-c/plain-c.c");
    let built = Command::new("cc").arg("-o").arg(desk.path("guests/plain-c/plain-c")).arg(source).status();
    assert!(built.expect("cc is installed by ./check").success());

    let report = desk.run(&format!("race pipe tcp {SMALL} --rivals guests")).ended_with(0).report();
    assert_eq!(report.plan.rivals.len(), 1, "{:?}", report.plan);
    for kind in ["plain-c/pipe", "plain-c/tcp"] {
        let row = row(&report, kind);
        assert_eq!((row.messages, row.verified, row.failed.as_deref()), (200, 200, None), "{row:?}");
        // Only on a core for each process is there a floor.
        let pinned_apart = row.cores.is_some_and(|[a, b]| a != b);
        let looks = row.floor.as_ref().map_or(0, |floor| floor.each_round_ns.len());
        assert_eq!(looks, if pinned_apart { 2 } else { 0 }, "{row:?}");
        assert_eq!(row.state.is_some(), pinned_apart, "{row:?}");
    }
    assert!(report.rows.iter().all(|row| !row.kind.starts_with("plain-c/shm")), "it says that it cannot");
}

#[test]
fn a_rival_that_lies_has_no_number() {
    let desk = Desk::new();
    let lies = [
        ("fewer", "were verified"),
        ("samples", "samples of"),
        ("sum", "add up to"),
        ("slow", "claims to have sent for"),
        ("other", "tells of 7 messages"),
        ("garbage", "no answer"),
        ("silent", "no answer"),
        ("dead", "the sky fell"),
        ("refuses", "no such core"),
    ];
    liars(&desk, &format!("truth {}", lies.map(|(name, _)| name).join(" ")));
    let report = desk.run(&format!("race pipe {SMALL} --rivals")).ended_with(1).report();
    // The control: the same script, saying what could be true.
    let truth = row(&report, "truth/pipe");
    assert_eq!((truth.failed.as_deref(), truth.verified), (None, 200), "{truth:?}");
    for (name, why) in lies {
        let row = row(&report, &format!("{name}/pipe"));
        assert!(row.failed.as_ref().is_some_and(|failed| failed.contains(why)), "{row:?}");
        assert!(row.latency_ns.is_none() && row.messages_per_s.is_none(), "{row:?}");
    }
    assert!(row(&report, "pipe").failed.is_none(), "no other entrant is hurt");
}

#[test]
fn a_rival_whose_helper_keeps_its_output_open_has_answered() {
    let desk = Desk::new();
    liars(&desk, "helper");
    let report = desk.run(&format!("race pipe {SMALL} --rivals")).ended_with(0).report();
    let row = row(&report, "helper/pipe");
    assert_eq!((row.failed.as_deref(), row.verified), (None, 200), "{row:?}");
    let helpers = std::fs::read_to_string(desk.path("helpers")).expect("the helpers' numbers");
    assert!(helpers.lines().count() >= 2, "{helpers}");
    for helper in helpers.lines() {
        let stat = format!("/proc/{helper}/stat");
        eventually("the helper is gone", || {
            std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "))
        });
    }
}

#[test]
fn what_a_rival_cannot_do_is_a_gap_and_no_failure() {
    let desk = Desk::new();
    liars(&desk, "gap");
    let report = desk.run(&format!("race pipe {SMALL} --rivals rivals")).ended_with(0).report();
    let row = row(&report, "gap/pipe");
    assert_eq!((row.entrant, row.messages, &row.latency_ns), (Entrant::Rival, 0, &None), "{row:?}");
    assert!(row.notes.iter().any(|note| note.contains("not on a Tuesday")), "{row:?}");
}

#[test]
fn a_folder_without_rivals_is_refused() {
    let desk = Desk::new();
    desk.run("race pipe --rivals").refused("--rivals rivals: ");
    std::fs::create_dir_all(desk.path("rivals/not-built")).expect("a folder");
    desk.run("race pipe --rivals").refused("make -C rivals");
}
