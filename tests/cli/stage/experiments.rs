//! The experiments: each shows its point, on every mechanism that has it.

use std::collections::BTreeMap;

use crossing::{Kind, WaitStrategy};
use lab::scene::{Form, Space};
use lab::trace::{Access, Event, Side, What};

use crate::cannot_run::{Lacks, cannot_run};

use super::{Watched, exists, gauges, received, slept_in};

impl Watched {
    #[track_caller]
    fn experiment(&mut self, id: &str) -> Seen {
        Seen::of(self.run(&format!(r#"{{"do":"experiment","id":"{id}"}}"#)))
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

    /// Which process died of it, and of what.
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
    let mut stage = Watched::open(Kind::Shm);
    let seen = stage.experiment("wild-textbook");
    assert_eq!(seen.held, Some(false), "{seen:#?}");
    assert_eq!(seen.deaths(), []);
    assert_eq!(seen.rows[0][2], "10 of 10");
    assert!(seen.verdict.starts_with("0 of 10 messages arrived whole: 10 came damaged"), "{}", seen.verdict);
    // It plays on a stage of its own: one region that both may write, and nothing of the sealed ones.
    let at = |found: &dyn Fn(&What) -> bool| seen.events.iter().position(|event| found(&event.what));
    let staged = at(&|what| matches!(what, What::Stage { .. })).expect("a stage");
    assert!(staged < at(&|what| matches!(what, What::SendBegin { .. })).expect("a message"));
    let What::Stage { parts, steps } = &seen.events[staged].what else { unreachable!() };
    let regions = parts.iter().filter_map(|shown| match shown.part.form {
        Form::Region { writer } => Some(writer),
        _ => None,
    });
    assert_eq!(regions.collect::<Vec<_>>(), [None]);
    assert!(steps.iter().all(|step| parts.iter().any(|shown| shown.part.id == step.at)));
    let mut fields: Vec<&str> =
        parts.iter().flat_map(|shown| &shown.gauges).map(|gauge| &*gauge.field).collect();
    fields.sort_unstable();
    let looks = gauges(&seen.events);
    assert_eq!(looks.len(), 2, "before the sender strays, and after");
    assert!(looks.iter().all(|values| values.keys().eq(fields.iter())), "{looks:#?}");
    assert_ne!(looks[0], looks[1]);
    stage.is_a_trace();
}

#[test]
fn each_touch_of_a_byte_says_to_which_copy_it_belongs() {
    for kind in Kind::ALL {
        let mut stage = Watched::open(kind);
        let seen = stage.experiment("life-of-a-byte");
        if seen.held.is_none() {
            return cannot_run(Lacks::Right, format!("watching a byte: {}", seen.verdict));
        }
        let mut copies: BTreeMap<u64, Vec<(Access, Option<Space>)>> = BTreeMap::new();
        for event in &seen.events {
            if let What::Copy { copy: Some(copy), access: Some(access), space, .. } = event.what {
                copies.entry(copy).or_default().push((access, space));
                // The scene has each copy of the kernel's.
                assert!(event.step.is_some() || space != Some(Space::Kernel), "{kind}: {event:?}");
            }
        }
        // A copy is one that reads and one that writes, both by the kernel or both by the program.
        let whole = copies.values().filter(|touches| {
            touches.len() == 2 && touches[0].0 != touches[1].0 && touches[0].1 == touches[1].1
        });
        assert_eq!((copies.len(), copies.is_empty()), (whole.count(), false), "{kind}: {copies:?}");
        assert!(copies.keys().copied().eq(1..=copies.len() as u64), "{kind}: {copies:?}");
        for row in &seen.rows {
            assert!(row[4] == "–" || row[4].starts_with("copy "), "{kind}: {row:?}");
        }
        let by_kernel = copies.values().filter(|touches| touches[0].1 == Some(Space::Kernel)).count();
        if kind == Kind::Shm {
            assert_eq!(by_kernel, 0);
        } else if !seen.verdict.contains("at least") {
            assert_eq!(by_kernel, 2, "{kind}: {}", seen.verdict);
            assert!(seen.verdict.contains("(copies 2 and 3 of the table)"), "{kind}: {}", seen.verdict);
        }
        stage.is_a_trace();
    }
}

#[test]
fn a_buffer_is_filled_until_its_writer_sleeps_and_nothing_is_lost() {
    for kind in Kind::ALL {
        let call = match kind {
            Kind::Shm => "futex_waitv",
            Kind::Pipe => "write",
            Kind::Unix | Kind::Tcp => "sendto",
        };
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
        let followed = |what: fn(&What) -> bool| {
            seen.events
                .iter()
                .filter(|event| what(&event.what))
                .map(|event| event.message)
                .collect::<Vec<_>>()
        };
        let [began, arrived] = [
            followed(|what| matches!(what, What::SendBegin { .. })),
            followed(|what| matches!(what, What::RecvEnd { .. })),
        ];
        assert_eq!(began.len(), 1, "{kind}: the send that waited is told");
        assert!(arrived.contains(&began[0]), "{kind}: and that its message arrived");
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
            // On TCP a peer that leaves messages unread cuts the connection.
            let word = if kind == Kind::Tcp && waiting > 0 { "reset" } else { "disconnected" };
            assert_eq!((number(3), &*row[5]), (waiting, word), "{kind}: {row:?}");
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
        return cannot_run(Lacks::Right, format!("losing segments: {remedy}"));
    }
    assert_eq!(seen.held, Some(true), "{seen:#?}");
    assert!(seen.rows.len() >= 3, "every fourth of twelve: {:?}", seen.rows);
    assert!(
        seen.rows.iter().all(|row| row[2].parse::<u32>().is_ok_and(|again| again > 0)),
        "{:?}",
        seen.rows
    );
    let numbers: Vec<u64> = received(&seen.events).into_iter().map(|(number, ..)| number).collect();
    assert!(numbers.len() == 12 && numbers.is_sorted(), "{numbers:?}");
    // A lost segment is not in the receiver's queue: it reaches that when it is sent again.
    let again: Vec<_> =
        seen.events.iter().filter(|event| matches!(event.what, What::Packet { .. })).collect();
    assert!(!again.is_empty() && again.iter().all(|event| event.step.as_deref() == Some("device")));
    for event in again {
        let arrived =
            |other: &&Event| other.message == event.message && matches!(other.what, What::RecvEnd { .. });
        let arrival = seen.events.iter().find(arrived).expect("it arrives");
        assert!(event.t_ns <= arrival.t_ns, "{event:?} {arrival:?}");
    }
}

#[test]
fn bytes_are_copied_by_streams_and_shared_by_memory() {
    for kind in Kind::ALL {
        let found: &[&str] = match kind {
            Kind::Shm | Kind::Pipe => &["copied", "shared"],
            Kind::Unix | Kind::Tcp => &["copied"],
        };
        let mut stage = Watched::open(kind);
        let seen = stage.experiment("copied-or-shared");
        assert_eq!(seen.held, Some(true), "{kind}: {seen:#?}");
        assert_eq!(seen.rows.iter().map(|row| &*row[2]).collect::<Vec<_>>(), found, "{kind}");
        stage.is_a_trace();
    }
}

#[test]
fn the_stage_survives_its_experiments_and_their_processes_do_not() {
    for kind in Kind::ALL {
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
