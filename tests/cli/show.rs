//! `ipcscope show`: real messages of the real engine.

use crossing::Kind;
use lab::trace::{Event, Mode, Side, Trace, What};

use crate::harness::{Desk, Ran};

#[test]
fn ten_messages_of_each_mechanism() {
    let desk = Desk::new();
    for kind in Kind::ALL {
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
    for kind in Kind::ALL {
        for wait in ["spin", "hybrid", "block"] {
            let line =
                format!("show {kind} --messages 3 --size 1k --wait {wait} --placement unpinned --json");
            let ran = desk.run(&line).ended_with(0);
            let trace =
                Trace::read(ran.stdout.as_bytes()).unwrap_or_else(|error| panic!("{error}: {ran:#?}"));
            assert_eq!(trace.header.size_bytes, 1024);
            assert_eq!(trace.header.scene.kind, kind.name());
            let [sender, receiver] = &trace.header.processes;
            assert_ne!(sender.pid, receiver.pid, "two processes");
            assert!(trace.events.is_sorted_by_key(|event| event.t_ns), "in order of time");
            let first = trace.events.first().map(|event| &event.what);
            assert_eq!(first, Some(&What::BatchBegin { mode: Mode::Paced, count: 3 }));
            assert_eq!(trace.events.last().map(|event| &event.what), Some(&What::BatchEnd {}));
            for message in 0..3 {
                let words = Some(format!("message {message}"));
                let seen = |side, what| {
                    let is = |event: &&Event| {
                        event.message == Some(message) && event.side == Some(side) && event.what == what
                    };
                    trace.events.iter().filter(is).count()
                };
                assert_eq!(
                    seen(Side::Sender, What::SendBegin { payload: words.clone(), bytes: None }),
                    1,
                    "{line}: {message}"
                );
                assert_eq!(seen(Side::Sender, What::SendEnd {}), 1, "{line}: {message}");
                assert_eq!(seen(Side::Receiver, What::RecvBegin {}), 1, "{line}: {message}");
                // A receiver that was late finds more than one message, and takes whole ones, as many as there can be.
                let ended =
                    trace.events.iter().filter(|event| event.message == Some(message)).filter_map(|event| {
                        match &event.what {
                            What::RecvEnd { payload, ahead_bytes } if *payload == words => Some(*ahead_bytes),
                            _ => None,
                        }
                    });
                let frame = trace.header.frame_bytes.unwrap_or(trace.header.size_bytes.into());
                let further = [0, 1, 2].map(|further| further * frame);
                let ended: Vec<_> =
                    ended.map(|ahead| further[..3 - message as usize].contains(&ahead)).collect();
                assert_eq!(ended, [true], "{line}: {message}");
            }
        }
    }
}

/// The two ends of a Unix socket meet at a path, which has room for 107 bytes.
#[test]
fn a_long_folder_for_temporary_files_is_no_hindrance() {
    let desk = Desk::new();
    let long = desk.path(&"x".repeat(200));
    std::fs::create_dir(&long).expect("a folder");
    for (name, value) in
        [("TMPDIR", long.as_path()), ("TMPDIR", "/nowhere".as_ref()), ("XDG_RUNTIME_DIR", &long)]
    {
        let mut command = desk.command(["show", "unix", "--messages", "1", "--placement", "unpinned"]);
        command.env_remove("XDG_RUNTIME_DIR").env(name, value);
        Ran::of(name, command.output().expect("the binary starts")).ended_with(0);
    }
    assert_eq!(std::fs::read_dir(&long).expect("a folder").count(), 0, "nothing is left");
}
