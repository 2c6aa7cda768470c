//! `ipcscope replay`: a trace is checked, and served as it is.

use std::fs;

use crate::client::Lab;
use crate::harness::Desk;

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
