//! Watching an edge from the page: what is seen, one at a time, and what is refused.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::client::{LONG, Lab};
use crate::harness::eventually;
use crate::schema;

const SCHEMA: &str = include_str!("../../docs/watch.schema.json");

/// Two processes with a pipe between them, through which one writes a line ten times a second.
struct Pair(Child);

impl Pair {
    fn start() -> Pair {
        let mut command = Command::new("sh");
        command.args(["-c", "(while echo 0123456789; do sleep 0.1; done) | (while read line; do :; done)"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // A group of its own, so that all of it is ended.
        Pair(command.process_group(0).spawn().expect("sh starts"))
    }

    /// The pipe between the two, by the map of the lab.
    fn pipe(&self, lab: &Lab) -> String {
        let mut found = None;
        eventually("the pair is on the map", || {
            let map = lab.get("/api/map").with(200).json();
            let of_pair = |end: &Value| {
                let processes = map["processes"].as_array().expect("a list");
                let process = processes.iter().find(|one| one["id"] == end["process"]);
                process.is_some_and(|one| one["parent"] == self.0.id())
            };
            let edges = map["edges"].as_array().expect("a list");
            let pipe = edges.iter().find(|edge| {
                let ends = edge["ends"].as_array().expect("a list");
                let has = |way: &str, fd: i64| {
                    ends.iter().any(|end| end[way] == true && end["descriptors"][0] == fd && of_pair(end))
                };
                edge["kind"] == "pipe" && has("writes", 1) && has("reads", 0)
            });
            found = pipe.map(|pipe| pipe["id"].as_str().expect("a name").to_owned());
            found.is_some()
        });
        found.expect("it was found")
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.0.wait();
    }
}

fn wish(edge: &str, seconds: u64) -> String {
    json!({ "edge": edge, "seconds": seconds }).to_string()
}

/// The answer once nothing is watched.
fn ended(lab: &Lab) -> Value {
    let mut answer = Value::Null;
    eventually("the watch has ended", || {
        answer = lab.get("/api/watch").with(200).json();
        answer["running"].is_null()
    });
    answer
}

#[test]
fn an_edge_is_watched_and_all_that_was_seen_can_be_kept() {
    let (lab, pair) = (Lab::new(), Pair::start());
    let pipe = pair.pipe(&lab);
    assert_eq!(lab.get("/api/watch").json(), json!({ "running": null, "last": null, "failed": null }));
    lab.get("/api/watch/report").with(404);
    lab.ask("POST", "/api/watch", &wish(&pipe, 2)).with(202);
    let running = lab.get("/api/watch").json()["running"].clone();
    assert_eq!((&running["edge"], &running["lasts_ms"]), (&pipe.clone().into(), &2_000.into()));
    assert!(lab.ask("POST", "/api/watch", &wish(&pipe, 2)).with(409).error().contains("is watched already"));
    let seen = ended(&lab)["last"].clone();
    assert_eq!(seen["edge"], pipe.as_str());
    let directions = seen["directions"].as_array().expect("a list");
    assert_eq!(directions.len(), 1, "a pipe has one: {seen:#}");
    assert!(seen["ends"].as_array().is_some_and(|ends| ends.len() >= 2), "{seen:#}");
    let report = lab.get("/api/watch/report").with(200);
    assert!(report.head.contains("attachment"), "{report:#?}");
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    assert_eq!(schema::check_by(&schema, &report.json()), Vec::<String>::new());
    assert_eq!(report.json()["edge"]["id"], pipe.as_str());
}

#[test]
fn a_watch_can_be_stopped_and_ends_for_a_race() {
    let (lab, pair) = (Lab::new(), Pair::start());
    let pipe = pair.pipe(&lab);
    lab.ask("DELETE", "/api/watch", "").with(404);
    let told = |answer: &Value| answer["last"]["told"].to_string();
    lab.ask("POST", "/api/watch", &wish(&pipe, 60)).with(202);
    lab.ask("DELETE", "/api/watch", "").with(204);
    let stopped = ended(&lab);
    assert!(told(&stopped).contains("it was stopped"), "{stopped:#}");
    lab.ask("POST", "/api/watch", &wish(&pipe, 60)).with(202);
    lab.ask("POST", "/api/race", LONG).with(202);
    let gave_way = ended(&lab);
    assert!(told(&gave_way).contains("it was stopped"), "{gave_way:#}");
    assert!(lab.ask("POST", "/api/watch", &wish(&pipe, 1)).with(409).error().contains("a race runs"));
    lab.ask("DELETE", "/api/race", "").with(204);
}

#[test]
fn what_cannot_be_watched_is_refused_or_told() {
    let lab = Lab::new();
    for (body, words) in [
        (wish("pipe:1", 0), "1 to 60"),
        (wish("pipe:1", 61), "1 to 60"),
        (r#"{"edge":"pipe:1"}"#.into(), "seconds"),
        (r#"{"edge":7,"seconds":1}"#.into(), "field `edge`: "),
        (r#"{"edge":"pipe:1","seconds":1,"pid":1}"#.into(), "unknown field `pid`"),
    ] {
        let answer = lab.ask("POST", "/api/watch", &body).with(422);
        assert!(answer.error().contains(words), "{body}: {answer:#?}");
    }
    lab.ask("POST", "/api/watch", &wish("no such edge", 1)).with(202);
    let answer = ended(&lab);
    assert_eq!(answer["failed"]["edge"], "no such edge");
    assert!(answer["failed"]["why"].as_str().is_some_and(|why| why.contains("no edge")), "{answer}");
}

#[test]
fn no_other_page_can_watch_or_see_what_was_watched() {
    let lab = Lab::new();
    let (host, token) = (lab.host(), lab.token().to_owned());
    let json = ("Content-Type", "application/json");
    let body = wish("pipe:1", 1);
    for origin in ["http://evil.example", "null"] {
        let headers = [("Host", host.as_str()), ("Origin", origin), ("X-Ipcscope-Token", &token), json];
        lab.send("POST", "/api/watch", &headers, &body).with(403);
        for read in ["/api/watch", "/api/watch/report"] {
            lab.send("GET", read, &[("Host", &host), ("Origin", origin)], "").with(403);
            lab.send("GET", read, &[("Host", &host), ("Sec-Fetch-Site", "cross-site")], "").with(403);
        }
    }
    let own = format!("http://{host}");
    lab.send("POST", "/api/watch", &[("Host", &host), ("Origin", &own), json], &body).with(403);
    lab.send("DELETE", "/api/watch", &[("Host", &host), ("Origin", &own)], "").with(403);
    assert_eq!(lab.get("/api/watch").json()["failed"], Value::Null, "nothing was watched");
}
