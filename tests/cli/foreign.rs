//! Text that is not ours: what a mailed report, a file's name or a guest brings along is shown, and never obeyed.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::client::Lab;
use crate::harness::{Desk, Ran};

const SAMPLE: &str = include_str!("sample.json");
const HOSTILE: &str =
    "=1+1\u{1b}[2J\u{9b}31m\nipcscope: past the limit: forged\r\t\u{202e}\u{2066}\u{200b}\u{7f}<script>| x |";

/// The sample with hostile names, failures, notes and machine.
fn hostile() -> Value {
    let mut report: Value = serde_json::from_str(SAMPLE).expect("JSON");
    for row in report["rows"].as_array_mut().expect("a list") {
        row["kind"] = format!("{}{HOSTILE}", row["kind"].as_str().expect("a name")).into();
        row["notes"] = json!([HOSTILE]);
    }
    report["rows"][0]["kind"] = HOSTILE.into();
    report["rows"][1]["failed"] = HOSTILE.into();
    report["version"] = HOSTILE.into();
    report["plan"]["rivals"] = json!([HOSTILE]);
    for fact in ["cpu", "kernel", "os", "virtualised", "container", "governor", "clock_source"] {
        report["machine"][fact] = HOSTILE.into();
    }
    report
}

/// No byte of it is obeyed: no control character but line ends, nothing that turns or hides text, no forged line.
#[track_caller]
fn is_harmless(text: &str) {
    let bad = |letter: char| {
        letter.is_control() && letter != '\n'
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let found: Vec<char> = text.chars().filter(|&letter| bad(letter)).collect();
    assert!(found.is_empty(), "{found:?} in {text:?}");
    assert!(!text.lines().any(|line| line == "ipcscope: past the limit: forged"), "{text}");
}

#[test]
fn a_mailed_report_is_compared_and_exported_without_being_obeyed() {
    let desk = Desk::new();
    fs::write(desk.path("a.json"), SAMPLE).expect("a file");
    fs::write(desk.path("b.json"), hostile().to_string()).expect("a file");
    for line in [
        "compare a.json b.json --fail-over 10",
        "compare b.json a.json --fail-over 10",
        "compare b.json b.json --color always",
        "compare a.json b.json --json",
    ] {
        let ran = desk.run(line);
        let painted = ["\u{1b}[0m", "\u{1b}[2m", "\u{1b}[31m", "\u{1b}[32m"];
        is_harmless(&painted.iter().fold(ran.stdout, |text, code| text.replace(code, "")));
        is_harmless(&ran.stderr);
    }
    let lab = Lab::start(&desk);
    let taken = lab.ask("POST", "/api/runs", &hostile().to_string()).with(201).json();
    for form in ["json", "csv", "markdown", "html"] {
        let export = format!("/api/runs/{}/export/{form}", taken["id"].as_str().expect("an id"));
        let answer = lab.get(&export).with(200);
        is_harmless(&answer.body.replace("\r\n", "\n"));
    }
    // The control: it was all there.
    assert_eq!(hostile()["rows"][0]["kind"], HOSTILE);
}

#[test]
fn neither_a_file_s_name_nor_its_content_is_obeyed_in_an_error() {
    let desk = Desk::new();
    fs::write(desk.path("a.json"), SAMPLE).expect("a file");
    let unknown = SAMPLE.replacen("\"cross-core\"", &Value::from(HOSTILE).to_string(), 1);
    fs::write(desk.path("unknown.json"), unknown).expect("a file");
    fs::write(desk.path("other.json"), json!({ "format": HOSTILE }).to_string()).expect("a file");
    let missing = "no\u{1b}[2Jsuch\nipcscope: past the limit: forged\u{202e}";
    for verb in [&["compare", "a.json"][..], &["replay"]] {
        for file in ["unknown.json", "other.json", missing] {
            let line = verb.iter().chain([&file]);
            let ran = Ran::of(file, desk.command(line).output().expect("the binary starts")).ended_with(2);
            is_harmless(&ran.stderr);
            assert_eq!(ran.stderr.lines().count(), 1, "{ran:#?}");
        }
    }
    let typed = ["race", "pipe\u{1b}[2J"];
    is_harmless(&Ran::of("typed", desk.command(typed).output().expect("the binary starts")).stderr);
}

/// A guest that says hostile things, and fails with them.
#[test]
fn a_guest_is_not_obeyed() {
    let desk = Desk::new();
    let guest = desk.path("guest\u{1b}[2J");
    fs::write(&guest, "#!/bin/sh\nprintf 'no\\033[2J\\nipcscope: past the limit: forged\\n' >&2\nprintf '{\"error\":\"\\\\u001b[2J\\\\u202e\"}\\n'\n")
        .expect("a script");
    fs::set_permissions(&guest, fs::Permissions::from_mode(0o755)).expect("our own");
    let line = "race pipe --count 100 --launches 2 --placement unpinned --wait block --workload ping-pong --export-csv a.csv --rival";
    let mut command = desk.command(line.split_whitespace());
    let ran = Ran::of("guest", command.arg(&guest).output().expect("the binary starts"));
    is_harmless(&ran.stdout);
    is_harmless(&ran.stderr);
    if let Ok(export) = fs::read_to_string(desk.path("a.csv")) {
        is_harmless(&export.replace("\r\n", "\n"));
    }
}
