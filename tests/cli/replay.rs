//! `ipcscope replay`: a trace is checked, and served as it is.

use std::fs;

use lab::trace::Trace;
use serde_json::Value;

use crate::client::Lab;
use crate::harness::Desk;
use crate::trace;

/// Two strangers on a pipe; one read takes a part of a message, and one takes two messages.
const WATCHED: &str = include_str!("watched.ndjson");

#[test]
fn a_recorded_trace_is_served_byte_for_byte() {
    let desk = Desk::new();
    let trace = desk.run("show pipe --messages 3 --placement unpinned --json").ended_with(0).stdout;
    fs::write(desk.path("mailed.ndjson"), &trace).expect("a file");
    let lab = Lab::run(&desk, &["replay", "mailed.ndjson", "--listen", "127.0.0.1:0"]);
    assert!(lab.url.ends_with("/#/replay"), "{}", lab.url);
    assert_eq!(lab.get("/api/lab").with(200).json()["replay"], true);
    let answer = lab.get("/api/replay").with(200);
    assert!(answer.head.contains("application/x-ndjson"), "{answer:#?}");
    assert_eq!(answer.body, trace);
}

#[test]
fn what_is_no_trace_is_named_by_line_and_field() {
    let desk = Desk::new();
    let trace = desk.run("show pipe --messages 1 --placement unpinned --json").ended_with(0).stdout;
    let cut = &trace[..trace.len() - 9];
    let newer = trace.replacen("\"schema\":2", "\"schema\":9", 1);
    let wrong = trace.replacen("\"size_bytes\":64", "\"size_bytes\":\"some\"", 1);
    let report = include_str!("sample.json");
    for (text, words) in [
        (cut, "the line is cut short"),
        (newer.as_str(), "line 1: field `schema`: 9"),
        (wrong.as_str(), "line 1: field `size_bytes`: "),
        (report, "line 1: "),
        ("", "line 1: the file is empty"),
        ("\u{0}", "line 1: "),
    ] {
        fs::write(desk.path("broken.ndjson"), text).expect("a file");
        desk.run("replay broken.ndjson").refused(words);
    }
    desk.run("replay nowhere.ndjson").refused("nowhere.ndjson: No such file");
    desk.run("replay .").refused("it is not a file");
}

#[test]
fn a_trace_becomes_chrome_trace_events_and_no_page_is_opened() {
    let desk = Desk::new();
    let events = |name: &str| -> Vec<Value> {
        let text = fs::read_to_string(desk.path(name)).expect("a file");
        let whole: Value = serde_json::from_str(&text).expect("JSON");
        whole["traceEvents"].as_array().expect("a list").clone()
    };
    let of = |events: &[Value], ph: &str| events.iter().filter(|event| event["ph"] == ph).count();
    let trace = desk
        .run("show unix --messages 3 --placement unpinned --json --chrome-trace a.json")
        .ended_with(0)
        .stdout;
    let shown = events("a.json");
    assert_eq!(["X", "s", "f"].map(|ph| of(&shown, ph)), [6, 3, 3], "a send, a recv and an arrow each");
    fs::write(desk.path("mailed.ndjson"), &trace).expect("a file");
    desk.run("replay mailed.ndjson --chrome-trace b.json").ended_with(0);
    assert_eq!(events("b.json"), shown);
    fs::write(desk.path("watched.ndjson"), WATCHED).expect("a file");
    desk.run("replay watched.ndjson --chrome-trace c.json").ended_with(0);
    assert_eq!(["s", "f"].map(|ph| of(&events("c.json"), ph)), [4, 4]);
    desk.run("replay mailed.ndjson --chrome-trace .").refused("directory");
    desk.run("replay mailed.ndjson --chrome-trace d.json --open").refused("cannot be used with");
}

#[test]
fn a_trace_of_programs_that_were_watched_is_one_by_the_schema() {
    assert_eq!(trace::check(WATCHED), Vec::<String>::new());
    let trace = Trace::read(WATCHED.as_bytes()).expect("a trace");
    let mut again = Vec::new();
    trace.write(&mut again).expect("written");
    let again = String::from_utf8(again).expect("text");
    let values = |text: &str| -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    assert_eq!(values(&again), values(WATCHED), "what is read is written again");
    assert!(
        !trace::check(&WATCHED.replace("\"thread\":", "\"threads\":")).is_empty(),
        "the check sees a fault"
    );
}
