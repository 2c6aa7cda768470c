//! Scenes hold: what one message costs, counted on the running kernel, keeps within the scene's budget. Counts, never times.

mod journey;
mod strace;
mod unprivileged;

use std::sync::atomic::AtomicBool;

use crossing::scene::{Budget, Range};
use crossing::{Kind, WaitStrategy};
use lab::plan::Placement;
use lab::probe::{ProbeSetup, Probed, Question, Tool, probe, probe_against};

use crate::cannot_run::{Lacks, cannot_run};
use crate::harness::Desk;

/// Messages in each row: enough to outweigh what the workers do around them.
const MESSAGES: u64 = 300;

fn setup(kind: Kind, wait: WaitStrategy) -> ProbeSetup {
    let program = env!("CARGO_BIN_EXE_ipcscope").into();
    ProbeSetup { program, ..ProbeSetup::new(kind, wait, Placement::Unpinned) }
}

fn budget(kind: Kind, wait: WaitStrategy) -> Budget {
    let budgets = kind.scene().budgets.iter();
    budgets
        .clone()
        .find(|budget| budget.wait == wait.name())
        .expect("a budget for each way of waiting")
        .clone()
}

/// Which instrument answered, and what it read.
fn told(row: &Probed) -> String {
    let figures = row.figures.iter().filter_map(|figure| {
        let best = figure.best()?;
        let words = figure.question.words();
        Some(format!("{words} {:.2} by {} (held: {:?})", best.per_message, best.instrument, figure.held))
    });
    format!("{} {}: {}", row.kind, row.wait, figures.collect::<Vec<_>>().join("; "))
}

#[test]
fn every_scene_holds_under_every_way_of_waiting() {
    let never = AtomicBool::new(false);
    for kind in Kind::ALL {
        let waits = [WaitStrategy::Spin, WaitStrategy::HYBRID, WaitStrategy::Block];
        let setups = waits.map(|wait| setup(kind, wait));
        let report = probe(&setups, MESSAGES, &mut |_, _, _| {}, &never);
        for row in &report.rows {
            println!("{}", told(row));
            assert_eq!(row.failed, None, "{kind} {}", row.wait);
            let broken: Vec<_> = row.broken().map(|figure| figure.question).collect();
            assert!(broken.is_empty(), "{broken:?} left the budget: {}", told(row));
            // A figure that could not be counted would hold any budget.
            for question in [Question::SenderCalls, Question::ReceiverCalls] {
                let figure = row.figure(question).expect("every question is asked");
                assert!(
                    figure.held == Some(true) || figure.unavailable.is_some(),
                    "{question:?} was not held against anything: {}",
                    told(row)
                );
            }
        }
    }
}

#[test]
fn a_wrong_budget_is_noticed() {
    let never = AtomicBool::new(false);
    let wait = WaitStrategy::Block;
    let row = probe_against(&setup(Kind::Pipe, wait), MESSAGES, &budget(Kind::Pipe, wait), &never);
    let sender = row.figure(Question::SenderCalls).expect("every question is asked");
    if sender.held.is_none() {
        let why = format!("nothing counts calls here: {:?}", sender.unavailable);
        return cannot_run(Lacks::told(&why), why);
    }
    assert_eq!(sender.held, Some(true), "{}", told(&row));
    let wrong = Budget { sender_syscalls: Range::exactly(2.0), ..budget(Kind::Pipe, wait) };
    let row = probe_against(&setup(Kind::Pipe, wait), MESSAGES, &wrong, &never);
    let broken: Vec<_> = row.broken().map(|figure| figure.question).collect();
    assert_eq!(broken, [Question::SenderCalls], "{}", told(&row));
}

#[test]
fn instruments_that_count_the_same_agree() {
    let never = AtomicBool::new(false);
    for kind in Kind::ALL {
        let report = probe(&[setup(kind, WaitStrategy::Block)], MESSAGES, &mut |_, _, _| {}, &never);
        for question in [Question::SenderCalls, Question::ReceiverCalls] {
            let readings = &report.rows[0].figure(question).expect("every question is asked").readings;
            // Over shared memory a receiver that is awake still makes no call, and rows may differ by a few of these.
            let counts = readings.iter().map(|reading| match kind {
                Kind::Shm => reading.per_message.round(),
                Kind::Pipe | Kind::Unix | Kind::Tcp => reading.per_message,
            });
            let counts: Vec<_> = counts.collect();
            assert!(counts.windows(2).all(|two| two[0] == two[1]), "{kind} {question:?}: {readings:?}");
        }
    }
}

#[test]
fn every_instrument_says_what_it_adds() {
    let never = AtomicBool::new(false);
    let report = probe(&[setup(Kind::Unix, WaitStrategy::Block)], MESSAGES, &mut |_, _, _| {}, &never);
    let row = &report.rows[0];
    let is_there = |tool| report.instruments.iter().any(|one| one.tool == tool && one.is_there());
    for (tool, name) in [
        (Tool::Tracepoints, "tracepoints"),
        (Tool::Tracepoints, "tracepoints, as a stream"),
        (Tool::Switches, "perf switch records"),
        (Tool::Ptrace, "ptrace"),
        (Tool::UserWatchpoints, "watchpoints, user"),
        (Tool::KernelWatchpoints, "watchpoints, user and kernel memory"),
    ] {
        let told = row.overheads.iter().any(|overhead| overhead.instrument.starts_with(name));
        assert_eq!(told, is_there(tool), "{name}: {:?}", row.overheads);
    }
    for one in report.instruments.iter().filter(|one| !one.tool.looks_on()) {
        assert!(one.tried_ns > 0, "{one:?}");
    }
    // A message that has no room for a time has no flight, and that is said.
    let short = Desk::new().run("probe pipe --wait block --placement unpinned --messages 100 --size 8");
    let short = short.ended_with(0).stdout;
    assert!(short.contains("overhead: not measured") && short.contains("asked between two rows"), "{short}");
}

#[test]
fn a_report_is_one_object_and_nonsense_is_refused() {
    let desk = Desk::new();
    let report =
        desk.run("probe pipe --wait block --placement unpinned --messages 100 --json").ended_with(0).json();
    assert_eq!(report["format"], "ipcscope-probe");
    assert_eq!(report["rows"].as_array().map(Vec::len), Some(1));
    desk.run("probe smoke").refused("smoke");
    desk.run("probe pipe --messages 1").refused("100");
}
