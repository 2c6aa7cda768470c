//! A stage: two real processes, told what to do and looked at while they do it. Counts and facts, never times.

mod ends;
mod experiments;
mod gauges;
mod messages;

use std::collections::BTreeMap;
use std::path::Path;

use crossing::{Kind, WaitStrategy};
use lab::plan::Placement;
use lab::stage::{Command, Stage, StageSetup};
use lab::trace::{Event, ProcessState, Side, Tone, Trace, What};
use serde_json::Value;

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
        let setup = StageSetup {
            wait,
            placement: Placement::Unpinned,
            size_bytes,
            program: env!("CARGO_BIN_EXE_ipcscope").into(),
            ..StageSetup::of(kind)
        };
        let stage = Stage::open(&setup).expect("a stage");
        let lines = stage.header().line() + "\n";
        Watched { stage, lines }
    }

    /// The events of one command, and what the command came to.
    fn tried(&mut self, command: &str) -> (Vec<Event>, Result<(), String>) {
        self.tried_with(command, |_| {})
    }

    /// The same, and `look` sees each event when it is told.
    fn tried_with(
        &mut self,
        command: &str,
        mut look: impl FnMut(&Event),
    ) -> (Vec<Event>, Result<(), String>) {
        let command = Command::read(command).expect("a command");
        let mut events = Vec::new();
        let outcome = self.stage.run(&command, &mut |event| {
            look(&event);
            events.push(event);
        });
        events.iter().for_each(|event| self.lines += &(event.line() + "\n"));
        (events, outcome.map_err(|over| over.to_string()))
    }

    #[track_caller]
    fn run(&mut self, command: &str) -> Vec<Event> {
        let (events, outcome) = self.tried(command);
        assert_eq!(outcome, Ok(()), "{command}: {events:#?}");
        events
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
        // A note is told at once.
        let others = trace.events.iter().filter(|event| !matches!(event.what, What::Note { .. }));
        assert!(others.is_sorted_by_key(|event| event.t_ns), "the events are in order of time");
    }
}

/// Whether there is such a process, dead or alive.
fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// The messages that were received, in the order of their events: number, words, and the receiving
/// side.
fn received(events: &[Event]) -> Vec<(u64, String, Side)> {
    let of = |event: &Event| match &event.what {
        What::RecvEnd { payload, .. } => Some((event.message?, payload.clone()?, event.side?)),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

/// Every look at the gauges, in order.
fn gauges(events: &[Event]) -> Vec<&BTreeMap<String, Value>> {
    let mut looks = Vec::new();
    for event in events {
        if let What::Gauges { values, .. } = &event.what {
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
