//! `ipcscope compare` and what the page asks for: two reports, a choice.

use std::fs;

use serde_json::{Value, json};

use crate::client::Lab;
use crate::harness::Desk;

const SAMPLE: &str = include_str!("sample.json");

/// The sample with everything in its first row taking three times as long.
fn slower() -> String {
    let mut report: Value = serde_json::from_str(SAMPLE).expect("JSON");
    let row = &mut report["rows"][0];
    let triple = |value: &mut Value| *value = json!(value.as_u64().expect("a number") * 3);
    triple(&mut row["latency_ns"]["p50"]);
    for launch in row["each_launch"].as_array_mut().expect("a list") {
        triple(&mut launch["latency_ns_p50"]);
    }
    report.to_string()
}

fn desk() -> Desk {
    let desk = Desk::new();
    fs::write(desk.path("a.json"), SAMPLE).expect("a file");
    fs::write(desk.path("b.json"), slower()).expect("a file");
    desk
}

#[test]
fn the_exit_code_is_3_only_past_the_limit() {
    let desk = desk();
    desk.run("compare a.json a.json --fail-over 0").ended_with(0);
    let table = desk.run("compare a.json b.json").ended_with(0);
    assert!(
        table.stdout.lines().any(|line| line.contains("3× (2.94–3.06)") && line.ends_with("worse")),
        "{table:#?}"
    );
    assert_eq!(table.stderr, "");
    let past = desk.run("compare a.json b.json --fail-over 150%").ended_with(3);
    assert!(past.stderr.contains("past the limit: shm ping-pong 64 B spin cross-core"), "{past:#?}");
    desk.run("compare a.json b.json --fail-over 250").ended_with(0);
    desk.run("compare b.json a.json --fail-over 0").ended_with(0);
}

/// What a gate must not let pass, though no row has become slower; the control is the sample itself, above.
#[test]
fn what_was_not_compared_is_past_the_limit() {
    let desk = desk();
    type Case = (&'static str, &'static str, fn(&mut Value));
    let cases: [Case; 9] = [
        ("b has no such row", "--allow-missing", |b| b["rows"].as_array_mut().expect("a list").truncate(1)),
        ("b was cut short", "--allow-missing", |b| b["interrupted"] = true.into()),
        ("one launch only", "--allow-unjudged", |b| {
            b["rows"][0]["each_launch"].as_array_mut().expect("a list").truncate(1);
        }),
        ("processor: A made-up processor in a, Another in b", "--allow-unjudged", |b| {
            b["machine"]["cpu"] = "Another".into();
        }),
        ("paced at another rate", "--allow-unjudged", |b| b["plan"]["rate_per_s"] = 7.into()),
        ("failed in b: it died", "", |b| b["rows"][1]["failed"] = "it died".into()),
        ("stands 2 times in b", "", |b| {
            let row = b["rows"][0].clone();
            b["rows"].as_array_mut().expect("a list").push(row);
        }),
        ("cannot be true in b", "", |b| b["rows"][0]["latency_ns"]["p50"] = 1.into()),
        ("cannot be true in b", "", |b| {
            b["rows"][5]["messages_per_s"] = json!(-9.1e6);
            for launch in b["rows"][5]["each_launch"].as_array_mut().expect("a list") {
                launch["messages_per_s"] = json!(-9.1e6);
            }
        }),
    ];
    for (words, allows, change) in cases {
        let mut b: Value = serde_json::from_str(SAMPLE).expect("JSON");
        change(&mut b);
        fs::write(desk.path("b.json"), b.to_string()).expect("a file");
        desk.run("compare a.json b.json").ended_with(0);
        let past = desk.run("compare a.json b.json --fail-over 1000").ended_with(3);
        assert!(past.stderr.contains(words), "{words}: {past:#?}");
        assert!(past.stderr.lines().all(|line| line.starts_with("ipcscope: past the limit: ")), "{past:#?}");
        for flag in ["--allow-missing", "--allow-unjudged"] {
            let code = if flag == allows { 0 } else { 3 };
            desk.run(&format!("compare a.json b.json --fail-over 1000 {flag}")).ended_with(code);
        }
    }
    let mut none: Value = serde_json::from_str(SAMPLE).expect("JSON");
    none["rows"].as_array_mut().expect("a list").clear();
    fs::write(desk.path("none.json"), none.to_string()).expect("a file");
    desk.run("compare a.json none.json --fail-over 10").ended_with(3);
    desk.run("compare none.json a.json --fail-over 10").ended_with(3);
    desk.run("compare a.json b.json --allow-missing").refused("--fail-over");
}

#[test]
fn json_is_what_the_page_gets() {
    let desk = desk();
    let printed = desk.run("compare a.json b.json --json").ended_with(0).json();
    assert_eq!(printed["rows"][0]["latency_ratio"]["verdict"], "worse");
    let lab = Lab::start(&desk);
    let id = lab.ask("POST", "/api/runs", SAMPLE).with(201).json()["id"].clone();
    let asked = format!("{{\"a\":{id},\"b\":{}}}", slower());
    assert_eq!(lab.ask("POST", "/api/compare", &asked).with(200).json(), printed);
    for (body, words) in [
        ("{\"a\":\"1\",\"b\":\"2\"}".to_owned(), "a: there is no such run"),
        (format!("{{\"a\":{id},\"b\":{{\"schema\":9}}}}"), "b: field `schema` is 9"),
        ("{\"a\":1}".to_owned(), "missing field `b`"),
    ] {
        let answer = lab.ask("POST", "/api/compare", &body);
        assert!([404, 422].contains(&answer.status) && answer.error().contains(words), "{answer:#?}");
    }
    // A run is known by its id in the terminal too.
    desk.run(&format!("compare {} b.json", id.as_str().expect("an id"))).ended_with(0);
}

#[test]
fn what_is_no_report_is_named_by_line_and_field() {
    let desk = desk();
    fs::write(desk.path("cut.json"), &SAMPLE[..SAMPLE.len() / 2]).expect("a file");
    fs::write(desk.path("old.json"), SAMPLE.replacen("\"schema\": 1", "\"schema\": 0", 1)).expect("a file");
    fs::write(desk.path("other.json"), "{\"rows\": []}").expect("a file");
    fs::write(desk.path("empty.json"), "").expect("a file");
    for (file, words) in [
        ("cut.json", "the text is cut short"),
        ("cut.json", "cut.json: line "),
        ("cut.json", "field `rows["),
        ("old.json", "field `schema` is 0, and this ipcscope reads 1"),
        ("other.json", "field `schema` is missing"),
        ("empty.json", "nothing in it"),
        ("nowhere.json", "nowhere.json: No such file"),
        ("nowhere.json", "no run in the history has that id"),
        (".", "it is not a file"),
        ("/dev/zero", "it is not a file"),
    ] {
        desk.run(&format!("compare a.json {file}")).refused(words);
    }
    desk.run("compare a.json b.json --fail-over much").refused("not a percentage");
}

#[test]
fn a_kept_run_that_is_broken_says_so() {
    let desk = desk();
    let folder = desk.path("state/ipcscope/runs");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("20260101-000000-000.json"), "{\"schema\": 1").expect("half a report");
    desk.run("compare a.json 20260101-000000-000")
        .refused("in the history, 20260101-000000-000.json: line 1");
}

#[test]
fn nothing_in_common_is_no_comparison() {
    let desk = desk();
    let mut other: Value = serde_json::from_str(SAMPLE).expect("JSON");
    other["rows"].as_array_mut().expect("a list").clear();
    fs::write(desk.path("none.json"), other.to_string()).expect("a file");
    let ran = desk.run("compare a.json none.json").ended_with(2);
    assert!(ran.stdout.contains("only in a") && ran.stderr.contains("nothing was compared"), "{ran:#?}");
}

#[test]
fn a_choice_rests_on_the_races_of_this_machine() {
    let lab = Lab::new();
    let before = lab.ask("POST", "/api/choose", "{}").with(200).json();
    assert_eq!(before["answers"].as_array().map(Vec::len), Some(crossing::Kind::ALL.len()), "{before}");
    // What would measure it is a race that can be asked for.
    assert_eq!(before["missing"]["sizes"], json!([64]), "{before}");
    let mut missing = before["missing"].clone();
    (missing["count"], missing["launches"], missing["placement"]) = (200.into(), 2.into(), "unpinned".into());
    missing["waits"] = json!(["block"]);
    lab.ask("POST", "/api/race", &missing.to_string()).with(202);
    crate::harness::eventually("the race has ended", || lab.get("/api/runs").json()[0].is_object());
    let after = lab.ask("POST", "/api/choose", "{}").with(200).json();
    assert_eq!(after["missing"], Value::Null, "{after}");
    let (run, row) = (&after["answers"][0]["reasons"][0]["run"], &after["answers"][0]["reasons"][0]["row"]);
    let report = lab.get(&format!("/api/runs/{}", run.as_str().expect("an id"))).with(200).json();
    let row = &report["rows"][row.as_u64().expect("an index") as usize];
    assert_eq!(row["kind"], after["answers"][0]["kind"]);
    for (body, words) in [
        ("{\"size_bytes\":0}", "size_bytes is out of range"),
        ("{\"isolation\":\"some\"}", "field `isolation`: "),
        ("{\"colour\":\"red\"}", "unknown field `colour`"),
    ] {
        assert!(lab.ask("POST", "/api/choose", body).with(422).error().contains(words), "{body}");
    }
}
