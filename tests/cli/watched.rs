//! `ipcscope watch --trace`: two programs that this test starts and the lab does not know, as a trace.

use std::fs;
use std::process::{Child, Command, Stdio};

use lab::trace::{Side, Trace, What};
use serde_json::Value;

use crate::cannot_run::{Lacks, cannot_run};
use crate::harness::Desk;
use crate::trace;

/// A program that writes a line again and again, and one that reads each. They end with their test.
struct LivePair([Child; 2]);

impl LivePair {
    fn start() -> LivePair {
        let (out, into) = std::io::pipe().expect("a pipe");
        let mut reader = Command::new("cat");
        let reader = reader.stdin(out).stdout(Stdio::null()).spawn().expect("cat starts");
        let mut writer = Command::new("sh");
        writer.args(["-c", "while echo a secret; do sleep 0.01; done"]).stdin(Stdio::null()).stdout(into);
        LivePair([writer.spawn().expect("sh starts"), reader])
    }
}

impl Drop for LivePair {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn a_live_pair_is_a_trace_with_its_pids_names_and_calls_and_without_its_payload() {
    let (desk, pair) = (Desk::new(), LivePair::start());
    let [writer, reader] = pair.0.each_ref().map(Child::id);
    let ran = desk.run(&format!("watch {writer} {reader} --for 1s --trace a.ndjson --chrome-trace a.json"));
    if ran.code == Some(2) && ran.stderr.contains("no read was seen") {
        return cannot_run(Lacks::Right, format!("recording calls: {}", ran.stderr));
    }
    ran.ended_with(0);
    let lines = fs::read_to_string(desk.path("a.ndjson")).expect("a trace");
    assert_eq!(trace::check(&lines), Vec::<String>::new());
    assert!(!lines.contains("secret") && !lines.contains("\"what\":\"gauges\""), "{lines}");
    let trace = Trace::read(lines.as_bytes()).expect("a trace");
    let named = trace.header.processes.each_ref().map(|process| (process.pid, process.name.as_deref()));
    assert_eq!(named, [(writer, Some("sh")), (reader, Some("cat"))]);
    assert!(trace.header.channel.as_deref().is_some_and(|channel| channel.starts_with("pipe:")));
    let count = |wanted: fn(&What) -> bool| trace.events.iter().filter(|event| wanted(&event.what)).count();
    let arrived = count(|what| matches!(what, What::RecvEnd { .. }));
    assert!(arrived >= 2, "{lines}");
    for event in &trace.events {
        match &event.what {
            What::SendBegin { bytes, .. } => assert_eq!(*bytes, Some("a secret\n".len() as u64)),
            What::Syscall { name, .. } => {
                assert_eq!(name, if event.side == Some(Side::Sender) { "write" } else { "read" });
            }
            _ => {}
        }
    }
    // The same events, whichever command converts them.
    desk.run("replay a.ndjson --chrome-trace b.json").ended_with(0);
    let [a, b] = ["a.json", "b.json"].map(|name| fs::read_to_string(desk.path(name)).expect("a file"));
    assert_eq!(a, b);
    let whole: Value = serde_json::from_str(&a).expect("JSON");
    let arrows = whole["traceEvents"].as_array().expect("a list").iter().filter(|event| event["ph"] == "f");
    assert_eq!(arrows.count(), arrived);
}

#[test]
fn what_cannot_be_recorded_is_refused_with_the_reason() {
    let (desk, pair) = (Desk::new(), LivePair::start());
    let [writer, reader] = pair.0.each_ref().map(Child::id);
    let line = format!("watch {writer} {reader} --for 50ms --by looks --trace");
    // What was seen is printed all the same.
    let ran = desk.run(&format!("{line} a.ndjson"));
    assert!(
        ran.code == Some(2) && ran.stdout.contains("pipe") && ran.stderr.contains("no read was seen"),
        "{ran:#?}"
    );
    desk.run(&format!("{line} nowhere/a.ndjson")).refused("nowhere/a.ndjson");
    assert_eq!(desk.names(), Vec::<String>::new());
}
