//! `ipcscope show`: real messages of the real engine.

use lab::trace::{Side, Trace, What};

use crate::harness::Desk;

const KINDS: [&str; 4] = ["shm", "pipe", "unix", "tcp"];

#[test]
fn ten_messages_of_each_mechanism() {
    let desk = Desk::new();
    for kind in KINDS {
        let ran = desk.run(&format!("show {kind} --placement unpinned")).ended_with(0);
        for words in ["by design", "measured, clock", "10 of 10 messages received and verified", "process "] {
            assert!(ran.stdout.contains(words), "{kind}: {words}: {ran:#?}");
        }
        let lines = ran.stdout.lines().filter(|line| line.trim_start().starts_with('#')).count();
        assert_eq!(lines, 10, "{ran:#?}");
    }
}

#[test]
fn the_trace_can_be_read_back() {
    let desk = Desk::new();
    for kind in KINDS {
        for wait in ["spin", "hybrid", "block"] {
            let line =
                format!("show {kind} --messages 3 --size 1k --wait {wait} --placement unpinned --json");
            let ran = desk.run(&line).ended_with(0);
            let trace =
                Trace::read(ran.stdout.as_bytes()).unwrap_or_else(|error| panic!("{error}: {ran:#?}"));
            assert_eq!((trace.header.messages, trace.header.size_bytes), (3, 1024));
            assert_ne!(trace.header.pids[0], trace.header.pids[1], "two processes");
            assert!(trace.events.is_sorted_by_key(|event| event.t_ns), "in order of time");
            for message in 0..3 {
                for (side, what) in [
                    (Side::Sender, What::SendBegin),
                    (Side::Sender, What::SendEnd),
                    (Side::Receiver, What::RecvEnd),
                ] {
                    let seen = |event: &&lab::trace::Event| {
                        event.message == message && event.side == side && event.what == what
                    };
                    assert_eq!(trace.events.iter().filter(seen).count(), 1, "{line}: {message} {what:?}");
                }
            }
        }
    }
}

#[test]
fn the_example_in_the_documents_is_a_trace() {
    let document = include_str!("../../docs/trace.md");
    let example: String =
        document.lines().filter(|line| line.starts_with('{')).map(|line| format!("{line}\n")).collect();
    let trace = Trace::read(example.as_bytes()).expect("a trace");
    assert_eq!(trace.events.len(), 4);
}
