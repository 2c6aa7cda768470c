//! A stage: two real processes, told what to do and looked at while they do it. Counts and facts, never times.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread;

use crossing::{Kind, WaitStrategy};
use lab::plan::Placement;
use lab::stage::{Command, Setup, Stage};
use lab::trace::{Event, ProcessState, Side, Tone, Trace, What};
use serde_json::Value;

use crate::harness::{Desk, Running, eventually};
use crate::trace::check;

/// A stage whose every line is kept.
struct Watched {
    stage: Stage,
    lines: String,
}

impl Watched {
    fn open(kind: Kind) -> Watched {
        Watched::with(kind, WaitStrategy::Block, 64)
    }

    fn with(kind: Kind, wait: WaitStrategy, size_bytes: u32) -> Watched {
        let setup = Setup {
            wait,
            placement: Placement::Unpinned,
            size_bytes,
            program: env!("CARGO_BIN_EXE_ipcscope").into(),
            ..Setup::of(kind)
        };
        let stage = Stage::open(&setup).expect("a stage");
        let lines = stage.header().line() + "\n";
        Watched { stage, lines }
    }

    /// The events of one command, and what the command came to.
    fn tried(&mut self, command: &str) -> (Vec<Event>, Result<(), String>) {
        let command = Command::read(command).expect("a command");
        let mut events = Vec::new();
        let outcome = self.stage.run(&command, &mut |event| events.push(event));
        events.iter().for_each(|event| self.lines += &(event.line() + "\n"));
        (events, outcome.map_err(|over| over.to_string()))
    }

    #[track_caller]
    fn run(&mut self, command: &str) -> Vec<Event> {
        let (events, outcome) = self.tried(command);
        assert_eq!(outcome, Ok(()), "{command}: {events:#?}");
        events
    }

    #[track_caller]
    fn experiment(&mut self, id: &str) -> Seen {
        Seen::of(self.run(&format!(r#"{{"do":"experiment","id":"{id}"}}"#)))
    }

    fn pids(&self) -> [u32; 2] {
        self.stage.header().processes.each_ref().map(|process| process.pid)
    }

    /// What has been told is a trace, by the reader and by the schema.
    #[track_caller]
    fn is_a_trace(&self) {
        let trace = Trace::read(self.lines.as_bytes()).expect("a trace");
        assert_eq!(trace.events.len() + 1, self.lines.lines().count(), "every event is known");
        assert_eq!(check(&self.lines), Vec::<String>::new());
    }
}

/// What an experiment has shown.
#[derive(Debug)]
struct Seen {
    events: Vec<Event>,
    verdict: String,
    held: Option<bool>,
    /// The rows of its table.
    rows: Vec<Vec<String>>,
    /// Its processes, all of them.
    pids: Vec<u32>,
}

impl Seen {
    fn of(events: Vec<Event>) -> Seen {
        let mut seen = Seen {
            events: Vec::new(),
            verdict: String::new(),
            held: None,
            rows: Vec::new(),
            pids: Vec::new(),
        };
        for event in &events {
            match &event.what {
                What::Processes { processes } => {
                    seen.pids.extend(processes.iter().map(|process| process.pid));
                }
                What::Table { rows, .. } => seen.rows.clone_from(rows),
                What::ExperimentEnd { verdict, held, .. } => {
                    (seen.verdict, seen.held) = (verdict.clone(), *held);
                }
                _ => {}
            }
        }
        Seen { events, ..seen }
    }

    /// Who has died of it, and of what.
    fn deaths(&self) -> Vec<(Option<Side>, Option<&str>)> {
        let of = |event: &'_ Event| match &event.what {
            What::Died { signal, .. } => Some((event.side, signal.clone())),
            _ => None,
        };
        let names = ["SIGSEGV", "SIGKILL"];
        let known = |signal: Option<String>| names.into_iter().find(|name| signal.as_deref() == Some(name));
        self.events.iter().filter_map(of).map(|(side, signal)| (side, known(signal))).collect()
    }
}

/// Whether there is such a process, dead or alive.
fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("the signal is sent");
}

/// The messages that were received, in the order of their events: number, words, and by whom.
fn received(events: &[Event]) -> Vec<(u64, String, Side)> {
    let of = |event: &Event| match &event.what {
        What::RecvEnd { payload } => Some((event.message?, payload.clone()?, event.side?)),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

/// Every look at the gauges, in order.
fn gauges(events: &[Event]) -> Vec<&BTreeMap<String, Value>> {
    let mut looks = Vec::new();
    for event in events {
        if let What::Gauges { values } = &event.what {
            looks.push(values);
        }
    }
    looks
}

/// The calls in which a side was seen asleep.
fn slept_in(events: &[Event], side: Side) -> Vec<&str> {
    let mut calls = Vec::new();
    for event in events.iter().filter(|event| event.side == Some(side)) {
        if let What::State { state: ProcessState::Sleeping, call: Some(call), .. } = &event.what {
            calls.push(call.as_str());
        }
    }
    calls
}

fn notes(events: &[Event], tone: Tone) -> Vec<&str> {
    let of = |event: &&Event| event.what == What::Note { tone };
    events.iter().filter(of).filter_map(|event| event.text.as_deref()).collect()
}

#[test]
fn the_two_processes_are_real_and_leave_with_the_stage() {
    for kind in Kind::ALL {
        let stage = Watched::open(kind);
        let [sender, receiver] = stage.pids();
        assert_ne!(sender, receiver);
        for pid in [sender, receiver] {
            let program = fs::read_link(format!("/proc/{pid}/exe")).expect("a process");
            assert_eq!(program, Path::new(env!("CARGO_BIN_EXE_ipcscope")), "{kind}");
        }
        let parents = stage.stage.header().processes.each_ref().map(|process| process.parent);
        // The two ends of a pipe are parent and child.
        let second = if kind == Kind::Pipe { sender } else { std::process::id() };
        assert_eq!(parents, [std::process::id(), second], "{kind}");
        drop(stage);
        assert!(!exists(sender) && !exists(receiver), "{kind}: not even a zombie is left");
    }
}

#[test]
fn every_message_arrives_once_in_order_and_with_its_words() {
    for kind in Kind::ALL {
        let mut stage = Watched::open(kind);
        let mut first = 0;
        for mode in ["step", "burst", "paced"] {
            for (direction, side) in [("forward", Side::Receiver), ("back", Side::Sender)] {
                let events = stage.run(&format!(
                    r#"{{"do":"send","count":5,"mode":"{mode}","text":"grüße","direction":"{direction}"}}"#
                ));
                let due: Vec<_> =
                    (first..first + 5).map(|number| (number, "grüße".to_owned(), side)).collect();
                assert_eq!(received(&events), due, "{kind} {mode} {direction}");
                assert!(
                    events.is_sorted_by_key(|event| event.t_ns),
                    "{kind} {mode} {direction}: {events:#?}"
                );
                let back = events.iter().filter(|event| event.message.is_some()).all(|event| event.back);
                assert_eq!(back, direction == "back");
                first += 5;
            }
        }
        stage.is_a_trace();
    }
}

#[test]
fn every_way_of_waiting_can_be_had() {
    for kind in Kind::ALL {
        for wait in [WaitStrategy::Spin, WaitStrategy::HYBRID] {
            let mut stage = Watched::with(kind, wait, 100);
            for first in ["false", "true"] {
                let events = stage
                    .run(&format!(r#"{{"do":"send","count":3,"mode":"step","receiver_first":{first}}}"#));
                assert_eq!(received(&events).len(), 3, "{kind} {wait}");
            }
            assert_eq!(received(&stage.run(r#"{"do":"send","count":100,"mode":"burst"}"#)).len(), 100);
        }
    }
}

#[test]
fn in_a_step_the_message_is_seen_on_its_way() {
    for (kind, field, frame) in [
        (Kind::Shm, "tail", 72),
        (Kind::Pipe, "pipe_bytes", 68),
        (Kind::Unix, "queued_bytes", 68),
        (Kind::Tcp, "queued_bytes", 68),
    ] {
        let mut stage = Watched::open(kind);
        let before = stage.run(r#"{"do":"look"}"#);
        assert_eq!(gauges(&before)[0][field], 0, "{kind}");
        for (direction, prefix) in [("forward", ""), ("back", "back_")] {
            let events =
                stage.run(&format!(r#"{{"do":"send","count":1,"mode":"step","direction":"{direction}"}}"#));
            let field = format!("{prefix}{field}");
            let seen: Vec<&Value> = gauges(&events).into_iter().map(|values| &values[&field]).collect();
            // What was written to a ring stays counted; what was in a queue is gone.
            let after = if kind == Kind::Shm { frame } else { 0 };
            assert_eq!(seen, [frame, after], "{kind} {direction}");
        }
    }
}

#[test]
fn every_gauge_of_the_scene_is_filled_and_no_other() {
    for kind in Kind::ALL {
        let mut stage = Watched::open(kind);
        stage.run(r#"{"do":"send","count":1,"mode":"burst"}"#);
        let events = stage.run(r#"{"do":"look"}"#);
        let filled: Vec<&str> = gauges(&events)[0].keys().map(String::as_str).collect();
        let parts = &stage.stage.header().scene.stage;
        let mut named: Vec<&str> =
            parts.iter().flat_map(|part| &part.gauges).map(|gauge| gauge.field.as_str()).collect();
        named.sort_unstable();
        assert_eq!(filled, named, "{kind}");
    }
}

#[test]
fn shared_memory_is_one_page_that_one_process_may_write() {
    let mut stage = Watched::open(Kind::Shm);
    let events = stage.run(r#"{"do":"send","count":1,"mode":"step","text":"look at me"}"#);
    let values = gauges(&events)[0];
    assert_eq!(values["sender_region_access"], "sender reads and writes, receiver reads");
    assert_eq!(values["receiver_region_access"], "sender reads, receiver reads and writes");
    assert_eq!(values["sender_region_message"], "look at me");
    let page = values["sender_region_page"].as_str().expect("a text");
    assert!(page.contains("under both addresses"), "{page}");
}

#[test]
fn a_unix_socket_says_where_they_met_and_who_is_there() {
    let mut stage = Watched::open(Kind::Unix);
    let [sender, receiver] = stage.pids();
    let events = stage.run(r#"{"do":"look"}"#);
    let values = gauges(&events)[0];
    let text = |field: &str| values[field].as_str().expect("a text").to_owned();
    assert!(text("sender_credentials").starts_with(&format!("pid {sender}, uid ")), "{values:?}");
    assert!(text("receiver_credentials").starts_with(&format!("pid {receiver}, uid ")), "{values:?}");
    assert!(text("address").ends_with("/ipc.sock"));
    assert!(!Path::new(&text("address")).exists(), "a path is of use for the moment of meeting only");
}

#[test]
fn a_receiver_that_came_first_is_seen_asleep() {
    for (kind, call) in
        [(Kind::Shm, "futex_waitv"), (Kind::Pipe, "read"), (Kind::Unix, "recvfrom"), (Kind::Tcp, "recvfrom")]
    {
        let mut stage = Watched::open(kind);
        for (direction, side) in [("forward", Side::Receiver), ("back", Side::Sender)] {
            let events = stage.run(&format!(
                r#"{{"do":"send","count":2,"mode":"step","receiver_first":true,"direction":"{direction}"}}"#
            ));
            assert_eq!(slept_in(&events, side), [call; 2], "{kind} {direction}");
            if kind == Kind::Shm {
                // The flag that makes the other one wake it.
                let flag = format!("{}_asleep", side.name());
                let raised: Vec<&Value> = gauges(&events).into_iter().map(|values| &values[&flag]).collect();
                assert_eq!(raised, [true, false, true, false], "{direction}");
            }
            assert_eq!(received(&events).len(), 2);
        }
    }
}

#[test]
fn a_message_that_fits_nowhere_is_seen_from_a_sleeping_sender() {
    for (kind, call) in [(Kind::Pipe, "write"), (Kind::Unix, "sendto"), (Kind::Tcp, "sendto")] {
        // A receiver that keeps up ends a sleep before anybody looks: not each time.
        let mut slept = (0..8).map(|_| {
            let mut stage = Watched::with(kind, WaitStrategy::Block, 16 << 20);
            let events = stage.run(r#"{"do":"send","count":1,"mode":"step","text":"large"}"#);
            assert_eq!(received(&events), [(0, "large".to_owned(), Side::Receiver)], "{kind}");
            slept_in(&events, Side::Sender).join(", ")
        });
        let seen = slept.find(|calls| !calls.is_empty());
        assert_eq!(seen.as_deref(), Some(call), "{kind}");
    }
}

#[test]
fn words_are_cut_to_the_message() {
    let mut stage = Watched::with(Kind::Pipe, WaitStrategy::Block, 5);
    let events = stage.run(r#"{"do":"send","count":2,"mode":"step","text":"grün und mehr"}"#);
    let words: Vec<String> = received(&events).into_iter().map(|(_, words, _)| words).collect();
    assert_eq!(words, ["grün", "grün"]);
    let mut stage = Watched::with(Kind::Shm, WaitStrategy::Block, 1);
    assert_eq!(received(&stage.run(r#"{"do":"send","count":2,"mode":"burst"}"#)).len(), 2);
}

#[test]
fn what_cannot_be_had_is_said_and_the_stage_goes_on() {
    let mut stage = Watched::open(Kind::Pipe);
    let long = "x".repeat(65);
    for (command, words) in [
        (r#"{"do":"send","count":0,"mode":"step"}"#.to_owned(), "count 0 is out of range: 1 to 1000"),
        (r#"{"do":"send","count":1001,"mode":"burst"}"#.to_owned(), "count 1001 is out of range"),
        (
            format!(r#"{{"do":"send","count":1,"mode":"step","text":"{long}"}}"#),
            "65 bytes, and 64 are the most",
        ),
        (r#"{"do":"send","count":1,"mode":"step","text":"a\u0000b"}"#.to_owned(), "zero byte"),
        (r#"{"do":"experiment","id":"wild"}"#.to_owned(), "unknown experiment `wild`: one of fill"),
        (r#"{"do":"experiment","id":""}"#.to_owned(), "unknown experiment ``"),
    ] {
        let events = stage.run(&command);
        assert_eq!(events.len(), 1, "{events:#?}");
        let notes = notes(&events, Tone::Bad);
        assert!(notes.len() == 1 && notes[0].contains(words), "{command}: {notes:?}");
    }
    assert_eq!(received(&stage.run(r#"{"do":"send","count":1000,"mode":"burst"}"#)).len(), 1000);
    for size_bytes in [0, (16 << 20) + 1] {
        let refused = Stage::open(&Setup { size_bytes, ..Setup::of(Kind::Pipe) }).unwrap_err();
        assert!(refused.to_string().contains("1 to 16777216 bytes"), "{refused}");
    }
    let nobody = Setup { program: "/nonexistent".into(), ..Setup::of(Kind::Shm) };
    assert!(Stage::open(&nobody).unwrap_err().to_string().starts_with("cannot start a process: "));
}

#[test]
fn a_process_that_is_killed_is_told_of_and_the_next_command_says_what_to_do() {
    for kind in Kind::ALL {
        for victim in [0, 1] {
            let side = [Side::Sender, Side::Receiver][victim];
            let mut stage = Watched::open(kind);
            let pid = stage.pids()[victim];
            // In the middle of a batch that takes half a second.
            let murder = thread::spawn(move || {
                thread::sleep(std::time::Duration::from_millis(150));
                kill(pid);
            });
            let (events, outcome) = stage.tried(r#"{"do":"send","count":1000,"mode":"paced"}"#);
            murder.join().expect("the signal is sent");
            let died: Vec<Option<Side>> = events
                .iter()
                .filter(|event| matches!(event.what, What::Died { .. }))
                .map(|event| event.side)
                .collect();
            assert!(died.contains(&Some(side)), "{kind}: {events:#?}");
            let why = outcome.expect_err("the stage is over");
            assert!(why.contains("is gone: open another stage"), "{kind}: {why}");
            assert_eq!(notes(&events, Tone::Bad), [why.as_str()]);
            let (events, outcome) = stage.tried(r#"{"do":"look"}"#);
            assert_eq!((notes(&events, Tone::Bad), outcome), (vec![why.as_str()], Err(why.clone())));
            stage.is_a_trace();
            let pids = stage.pids();
            drop(stage);
            // A child whose parent was killed is reaped by whoever inherits orphans.
            eventually("not even a zombie is left", || !pids.into_iter().any(exists));
        }
    }
}

#[test]
fn a_stage_can_be_stopped_in_the_middle() {
    let mut stage = Watched::with(Kind::Tcp, WaitStrategy::Block, 64);
    let stopper = stage.stage.stopper();
    let other = thread::spawn(move || {
        thread::sleep(std::time::Duration::from_millis(100));
        stopper.store(true, Ordering::Relaxed);
    });
    let (_, outcome) = stage.tried(r#"{"do":"send","count":1000,"mode":"paced"}"#);
    assert_eq!(outcome, Err("the stage was told to stop".into()));
    other.join().expect("it was told");
}

#[test]
fn no_process_outlives_a_lab_that_is_killed() {
    let desk = Desk::new();
    for kind in Kind::ALL {
        let line = format!("show {kind} --messages 1000 --placement unpinned --wait spin");
        let child = desk.command(line.split_whitespace()).spawn().expect("the binary starts");
        let lab = child.id();
        let mut running = Running(child);
        let children = |pid: u32| -> Vec<u32> {
            // Those that any of its threads has started.
            let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
            lists
                .flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
                .filter_map(|pid| pid.parse().ok())
                .collect()
        };
        let mut workers = Vec::new();
        eventually("two processes are there", || {
            workers = children(lab);
            let of_children: Vec<u32> = workers.iter().flat_map(|&pid| children(pid)).collect();
            workers.extend(of_children);
            workers.len() == 2
        });
        running.signal(rustix::process::Signal::KILL);
        running.wait();
        let running = |pid: &u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
        };
        eventually("they are gone", || !workers.iter().any(running));
    }
}

#[test]
fn the_kernel_stops_a_process_that_strays_and_no_message_is_harmed() {
    let mut stage = Watched::open(Kind::Shm);
    let seen = stage.experiment("wild");
    assert_eq!(seen.held, Some(true), "{seen:#?}");
    let segv = Some("SIGSEGV");
    assert_eq!(seen.deaths(), [(Some(Side::Receiver), segv), (Some(Side::Sender), segv)]);
    // Ten messages are read by the survivor of the second pair, and each is what was sent.
    assert_eq!(received(&seen.events).len(), 10);
    assert_eq!(seen.rows[0][1..3], ["SIGSEGV", "0"]);
    assert_eq!(seen.rows[1][1..3], ["SIGSEGV", "0"]);
    stage.is_a_trace();
}

#[test]
fn the_textbook_layout_is_the_control_that_is_harmed() {
    let seen = Watched::open(Kind::Shm).experiment("wild-textbook");
    assert_eq!(seen.held, Some(false), "{seen:#?}");
    assert_eq!(seen.deaths(), []);
    assert_eq!(seen.rows[0][2], "10 of 10");
    assert!(seen.verdict.starts_with("10 of 10 messages came damaged"), "{}", seen.verdict);
}

#[test]
fn a_buffer_is_filled_until_its_writer_sleeps_and_nothing_is_lost() {
    for (kind, call) in
        [(Kind::Shm, "futex_waitv"), (Kind::Pipe, "write"), (Kind::Unix, "sendto"), (Kind::Tcp, "sendto")]
    {
        let mut stage = Watched::open(kind);
        let seen = stage.experiment("fill");
        assert_eq!(seen.held, Some(true), "{kind}: {seen:#?}");
        assert_eq!(slept_in(&seen.events, Side::Sender), [call], "{kind}: {}", seen.verdict);
        let number = |column: usize| seen.rows[0][column].parse::<u64>().expect("a number");
        let (fitted, sent, verified) = (number(0), number(3), number(4));
        assert!(fitted > 0 && fitted < sent && sent == verified, "{kind}: {:?}", seen.rows);
        // Each gets more than what fits, and the sender stops with the message that had no room.
        let waits = sent - fitted;
        assert!(waits <= 2, "{kind}: {:?}", seen.rows);
        stage.is_a_trace();
    }
}

#[test]
fn a_full_buffer_of_a_spinning_sender_is_full_too() {
    for kind in Kind::ALL {
        let seen = Watched::with(kind, WaitStrategy::Spin, 1000).experiment("fill");
        assert_eq!(seen.held, Some(true), "{kind}: {seen:#?}");
        assert_eq!(slept_in(&seen.events, Side::Sender), [""; 0], "{kind}");
    }
}

#[test]
fn the_death_of_a_reader_is_told_and_what_was_lost_is_counted() {
    for kind in Kind::ALL {
        let mut stage = Watched::open(kind);
        let seen = stage.experiment("kill-reader");
        assert_eq!(seen.held, Some(true), "{kind}: {seen:#?}");
        assert_eq!(seen.deaths(), [(Some(Side::Receiver), Some("SIGKILL")); 2], "{kind}");
        let [unread, nothing] = &seen.rows[..] else { panic!("{:?}", seen.rows) };
        for (row, waiting) in [(unread, 7), (nothing, 0)] {
            let number = |column: usize| row[column].parse::<u64>().expect("a number");
            assert_eq!((number(3), &*row[5]), (waiting, "disconnected"), "{kind}: {row:?}");
            let accepted = number(4);
            assert_eq!(number(6), waiting + accepted, "{kind}: {row:?}");
            match kind {
                // The descriptor itself tells, from the moment of the death on.
                Kind::Pipe | Kind::Unix => assert_eq!(accepted, 0, "{kind}: {row:?}"),
                // TCP closes politely when nothing is unread: the first send after that is accepted, and lost.
                Kind::Tcp if waiting == 0 => assert!(accepted >= 1, "{kind}: {row:?}"),
                // A packet tells, or a thread that must run first.
                Kind::Tcp | Kind::Shm => {}
            }
        }
        stage.is_a_trace();
    }
}

#[test]
fn lost_segments_are_sent_again_and_the_order_is_kept() {
    let mut stage = Watched::open(Kind::Tcp);
    let seen = stage.experiment("lose-segments");
    stage.is_a_trace();
    let refused: Vec<&What> = seen
        .events
        .iter()
        .map(|event| &event.what)
        .filter(|what| matches!(what, What::Unavailable { .. }))
        .collect();
    if let [What::Unavailable { remedy, .. }] = refused[..] {
        assert_eq!(seen.held, None);
        assert!(remedy.contains("CAP_NET_ADMIN"), "{remedy}");
        return;
    }
    assert_eq!(seen.held, Some(true), "{seen:#?}");
    let again: u32 = seen.rows.iter().map(|row| row[2].parse::<u32>().expect("a number")).sum();
    assert!(again >= 3, "{:?}", seen.rows);
    let numbers: Vec<u64> = received(&seen.events).into_iter().map(|(number, ..)| number).collect();
    assert!(numbers.len() >= 3 && numbers.is_sorted(), "{numbers:?}");
}

#[test]
fn bytes_are_copied_by_streams_and_shared_by_memory() {
    for (kind, found) in [
        (Kind::Shm, &["copied", "shared"][..]),
        (Kind::Pipe, &["copied", "shared"]),
        (Kind::Unix, &["copied"]),
        (Kind::Tcp, &["copied"]),
    ] {
        let mut stage = Watched::open(kind);
        let seen = stage.experiment("copied-or-shared");
        assert_eq!(seen.held, Some(true), "{kind}: {seen:#?}");
        assert_eq!(seen.rows.iter().map(|row| &*row[2]).collect::<Vec<_>>(), found, "{kind}");
        stage.is_a_trace();
    }
}

#[test]
fn the_stage_survives_its_experiments_and_their_processes_do_not() {
    for kind in [Kind::Shm, Kind::Pipe, Kind::Unix] {
        let mut stage = Watched::open(kind);
        let pids = stage.pids();
        let ids: Vec<String> =
            stage.stage.header().scene.experiments.iter().map(|experiment| experiment.id.clone()).collect();
        for id in ids {
            let seen = stage.experiment(&id);
            assert!(!seen.pids.is_empty() && !seen.pids.iter().any(|pid| pids.contains(pid)), "{kind} {id}");
            assert!(!seen.pids.iter().any(|&pid| exists(pid)), "{kind} {id}: not even a zombie is left");
        }
        let events = stage.run(r#"{"do":"send","count":3,"mode":"step"}"#);
        assert_eq!(received(&events).len(), 3, "{kind}");
        assert_eq!(stage.pids(), pids);
    }
}
