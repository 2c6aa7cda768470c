//! Races that the page starts: the news it gets, and what remains when it leaves or the lab dies.

use lab::Report;
use rustix::process::Signal;
use serde_json::Value;

use crate::client::{LONG, Lab, frame, frame_that};
use crate::harness::{all_gone, eventually};
use crate::schema;

const SHORT: &str =
    r#"{"kinds":["pipe","shm"],"waits":["block"],"placement":"unpinned","count":200,"launches":2}"#;
fn run(lab: &Lab, id: &Value) -> Report {
    schema::report(lab.get(&format!("/api/runs/{}", id.as_str().expect("an id"))).with(200).json())
}

#[test]
fn a_race_from_its_start_to_its_report() {
    let lab = Lab::new();
    let mut socket = lab.socket("/api/live");
    let first = frame(&mut socket);
    assert_eq!(
        (&first["is"], &first["race"], &first["pages"]),
        (&"snapshot".into(), &Value::Null, &1.into())
    );
    let answer = lab.ask("POST", "/api/race", SHORT).with(202).json();
    assert_eq!(answer["plan"]["count"], 200);
    assert!(answer["command"].as_str().expect("a line").starts_with("ipcscope race pipe shm "), "{answer}");

    let mut seq = first["seq"].as_u64();
    let mut kinds = Vec::new();
    let ended = loop {
        let frame = frame(&mut socket);
        assert!(frame["seq"].as_u64() > seq, "{frame}");
        seq = frame["seq"].as_u64();
        kinds.push(frame["is"].as_str().expect("a word").to_owned());
        match frame["is"].as_str() {
            Some("race") => {
                assert_eq!(frame["plan"], answer["plan"]);
                assert!(frame["done"].as_u64() <= frame["total"].as_u64(), "{frame}");
            }
            Some("race-ended") => break frame,
            other => panic!("{other:?}"),
        }
    };
    assert!(kinds.contains(&"race".into()), "{kinds:?}");
    assert_eq!((&ended["interrupted"], &ended["error"]), (&false.into(), &Value::Null));
    let runs = frame_that(&mut socket, "runs")["runs"].clone();
    assert_eq!(runs[0]["id"], ended["run"]);
    assert_eq!((&runs[0]["failed_rows"], &runs[0]["command"]), (&0.into(), &answer["command"]));
    assert_eq!(lab.get("/api/runs").with(200).json(), runs);
    assert_eq!(lab.get("/api/lab").json()["last_run"], ended["run"]);
    let report = run(&lab, &ended["run"]);
    assert!(report.page_open, "a page followed");
    assert!(report.rows.iter().all(|row| row.failed.is_none()), "{report:?}");
}

#[test]
fn a_race_that_nobody_follows_says_so() {
    let lab = Lab::new();
    lab.ask("POST", "/api/race", SHORT).with(202);
    eventually("the race is in the history", || lab.get("/api/runs").json()[0].is_object());
    let report = run(&lab, &lab.get("/api/runs").json()[0]["id"]);
    assert!(!report.page_open);
}

#[test]
fn the_last_page_leaves_and_another_takes_up_the_race() {
    let lab = Lab::new();
    let mut socket = lab.live();
    lab.ask("POST", "/api/race", LONG).with(202);
    frame_that(&mut socket, "race");
    // A tab that is closed, without a word.
    drop(socket);
    let mut again = lab.socket("/api/live");
    let snapshot = frame(&mut again);
    assert_eq!(snapshot["race"]["plan"]["count"], 20_000_000, "{snapshot}");
    let mut second = lab.socket("/api/live");
    assert!(frame(&mut second)["race"].is_object());
    lab.ask("POST", "/api/race", SHORT).with(409);
    // Nor are processes started to see what works.
    let findings = lab.get("/api/doctor").with(200).json()["findings"].clone();
    assert_eq!(findings.as_array().map(Vec::len), Some(1), "{findings}");
    assert!(findings[0]["text"].as_str().is_some_and(|text| text.contains("to itself")), "{findings}");
    lab.ask("DELETE", "/api/race", "").with(204);
    for page in [&mut again, &mut second] {
        assert_eq!(frame_that(page, "race-ended")["interrupted"], true);
    }
    lab.ask("DELETE", "/api/race", "").with(404);
    lab.is_alone_again();
}

#[test]
fn a_lab_that_ends_keeps_what_was_measured_and_one_that_is_killed_leaves_nobody() {
    for signal in [Signal::TERM, Signal::HUP, Signal::QUIT, Signal::KILL] {
        let mut lab = Lab::new();
        lab.ask("POST", "/api/race", LONG).with(202);
        let workers = lab.running.two_workers();
        lab.running.signal(signal);
        assert_eq!(lab.running.wait(), (signal != Signal::KILL).then_some(0));
        all_gone(&workers);
    }
}

#[test]
fn silence_when_nothing_happens() {
    let lab = Lab::new();
    let mut socket = lab.live();
    socket.get_ref().set_read_timeout(Some(std::time::Duration::from_millis(700))).expect("a timeout");
    assert!(socket.read().is_err(), "nothing has happened, and something was said");
}

#[test]
fn a_probe_has_the_machine_to_itself_and_can_be_stopped() {
    let lab = Lab::new();
    let mut socket = lab.socket("/api/live");
    assert_eq!(frame(&mut socket)["probe"], Value::Null);
    let answer = lab.ask("POST", "/api/probe", "").with(202).json();
    assert!(
        answer["command"].as_str().expect("a line").starts_with("ipcscope probe all --placement "),
        "{answer}"
    );
    let moved = frame_that(&mut socket, "probe");
    assert!(moved["done"].as_u64() <= moved["total"].as_u64(), "{moved}");
    assert!(lab.ask("POST", "/api/race", SHORT).with(409).error().contains("a probe runs already"));
    assert!(lab.ask("POST", "/api/probe", "").with(409).error().contains("a probe runs already"));
    let mut late = lab.socket("/api/live");
    let snapshot = frame(&mut late);
    assert_eq!((&snapshot["race"], &snapshot["probe"]["is"]), (&Value::Null, &"probe".into()));
    lab.ask("DELETE", "/api/race", "").with(404);
    lab.ask("DELETE", "/api/probe", "").with(204);
    let ended = frame_that(&mut socket, "probe-ended");
    assert_eq!((&ended["interrupted"], &ended["run"]), (&true.into(), &Value::Null));
    lab.ask("DELETE", "/api/probe", "").with(404);
    lab.is_alone_again();
}
