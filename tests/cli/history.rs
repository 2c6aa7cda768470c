//! The history of races: kept by the terminal and by the page, exported, taken in, deleted.

use std::fs;

use serde_json::json;

use crate::client::{Lab, frame_that};
use crate::harness::Desk;
use crate::schema;

const SAMPLE: &str = include_str!("sample.json");

#[test]
fn a_race_in_the_terminal_is_seen_by_the_page() {
    let desk = Desk::new();
    let lab = Lab::start(&desk);
    assert_eq!(lab.get("/api/runs").with(200).json(), json!([]));
    let race = "race pipe --count 200 --launches 2 --placement unpinned --wait block --workload ping-pong";
    desk.run(race).ended_with(0);
    desk.run(race).ended_with(0);
    let runs = lab.get("/api/runs").json();
    assert_eq!(runs.as_array().map(Vec::len), Some(2), "{runs}");
    assert!(runs[0]["started_unix_ms"].as_u64() >= runs[1]["started_unix_ms"].as_u64(), "{runs}");
    assert!(runs[0]["title"].as_str().expect("words").contains("200 messages"), "{runs}");
    let id = runs[0]["id"].as_str().expect("an id");
    assert_eq!(desk.runs(), [runs[1]["id"].as_str().expect("an id"), id].map(|id| format!("{id}.json")));
    let report = lab.get(&format!("/api/runs/{id}")).with(200).json();
    assert_eq!(schema::check(&report), Vec::<String>::new());
}

#[test]
fn a_probe_in_the_terminal_is_seen_by_the_page() {
    let desk = Desk::new();
    let lab = Lab::start(&desk);
    let came_along = lab.get("/api/probe").with(200).json();
    assert_eq!(came_along["id"], json!(null), "nothing was counted here yet");
    assert!(came_along["report"]["machine"]["cpu"].is_string(), "it says whose it is");
    assert_eq!(came_along["report"]["rows"].as_array().map(Vec::len), Some(16));
    desk.run("probe pipe --wait block --placement unpinned --messages 100").ended_with(0);
    let own = lab.get("/api/probe").with(200).json();
    assert!(own["id"].is_string(), "{own}");
    assert_eq!(own["report"]["rows"][0]["kind"], "pipe");
    assert!(own["report"]["started_unix_ms"].as_u64() > came_along["report"]["started_unix_ms"].as_u64());
}

#[test]
fn a_report_is_taken_in_exported_and_deleted() {
    let desk = Desk::new();
    let lab = Lab::start(&desk);
    let mut socket = lab.live();
    let taken = lab.ask("POST", "/api/runs", SAMPLE).with(201).json();
    let id = taken["id"].as_str().expect("an id");
    assert_eq!(frame_that(&mut socket, "runs")["runs"][0]["id"], id);
    assert_eq!(lab.ask("POST", "/api/runs", SAMPLE).with(201).json()["id"], id, "it is there already");
    for (form, ending, kind, words) in [
        ("json", "json", "application/json", "\"schema\": 1"),
        ("csv", "csv", "text/csv", "kind,entrant,"),
        ("markdown", "md", "text/markdown", "| entrant |"),
        ("html", "html", "text/html", "id=\"report\""),
    ] {
        let answer = lab.get(&format!("/api/runs/{id}/export/{form}")).with(200);
        assert!(answer.head.contains(&format!("content-type: {kind}")), "{answer:#?}");
        let file = format!("content-disposition: attachment; filename=\"ipcscope-{id}.{ending}\"");
        assert!(answer.head.contains(&file), "{answer:#?}");
        assert!(answer.body.contains(words), "{answer:#?}");
    }
    let brief = lab.get(&format!("/api/runs/{id}/brief")).with(200).json();
    assert_eq!(brief["report"]["rows"][0]["latency_ns"]["histogram"], json!([]));
    assert!(brief["report"]["rows"][0]["latency_ns"]["p50"].is_number(), "{brief}");
    let judged = lab.get(&format!("/api/runs/{id}/judged")).with(200).json();
    assert_eq!(
        (&judged["report"], &judged["judged"]),
        (&serde_json::from_str(SAMPLE).expect("JSON"), &brief["judged"])
    );
    assert_eq!(judged["judged"]["groups"][0]["rows"][1]["cells"][1], "2.10 µs");
    let beside = |query: &str| lab.get(&format!("/api/runs/{id}/beside?{query}"));
    let found = beside("kind=pipe&wait=spin&placement=cross-core&size=64").with(200).json();
    assert_eq!((&found["p50"], &found["versus"][0]["title"]), (&json!("2.10 µs"), &json!("Shared memory")));
    assert_eq!(beside("kind=pipe&wait=spin&placement=same-core&size=64").with(200).json(), json!(null));
    beside("kind=pipe&wait=sometimes&placement=same-core&size=64").with(422);
    lab.get("/api/runs/1/judged").with(404);
    lab.get("/api/runs/1/brief").with(404);
    assert!(lab.get(&format!("/api/runs/{id}/export/pdf")).with(404).error().contains("json, csv"));
    lab.ask("DELETE", &format!("/api/runs/{id}"), "").with(204);
    assert_eq!(frame_that(&mut socket, "runs")["runs"], json!([]));
    lab.ask("DELETE", &format!("/api/runs/{id}"), "").with(404);
    lab.get(&format!("/api/runs/{id}")).with(404);
    assert_eq!(desk.runs(), Vec::<String>::new());
}

#[test]
fn what_is_no_report_is_refused_by_line_and_field() {
    let desk = Desk::new();
    let lab = Lab::start(&desk);
    let newer = SAMPLE.replacen("\"schema\": 1", "\"schema\": 9", 1);
    let wrong = SAMPLE.replacen("\"elapsed_ms\": 4200", "\"elapsed_ms\": \"long\"", 1);
    for (body, words) in [
        (&SAMPLE[..SAMPLE.len() / 2], "the text is cut short"),
        (newer.as_str(), "field `schema` is 9, and this ipcscope reads 1"),
        (wrong.as_str(), "line 5: field `elapsed_ms`: "),
        ("{\"format\":\"ipcscope-trace\"}", "line 1: field `format` is `ipcscope-trace`"),
        ("hello", "line 1: "),
        ("{}", "line 1: field `schema` is missing"),
    ] {
        let answer = lab.ask("POST", "/api/runs", body).with(422);
        assert!(answer.error().contains(words), "{words}: {answer:#?}");
    }
    assert_eq!(desk.runs(), Vec::<String>::new());
}

#[test]
fn foreign_files_in_the_folder_are_named_and_left_alone() {
    let desk = Desk::new();
    let folder = desk.path("state/ipcscope/runs");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("20260101-000000-000.json"), "{\"schema\": 1").expect("half a report");
    fs::write(folder.join("shopping.txt"), "milk").expect("a list");
    let lab = Lab::start(&desk);
    assert_eq!(lab.get("/api/runs").with(200).json(), json!([]));
    let unreadable = lab.get("/api/lab").with(200).json()["unreadable"].clone();
    assert_eq!(unreadable[0]["file"], "20260101-000000-000.json");
    assert!(unreadable[0]["why"].as_str().expect("a sentence").contains("line 1"), "{unreadable}");
    assert_eq!(unreadable[1]["file"], "shopping.txt");
    lab.get("/api/runs/20260101-000000-000").with(422);
    lab.ask("DELETE", "/api/runs/..%2Fsecret", "").with(404);
    assert_eq!(desk.runs(), ["20260101-000000-000.json", "shopping.txt"]);
}
