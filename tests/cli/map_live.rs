//! The map that pages follow: what they are told, once for all of them, and that nothing is taken for none.

use std::io::Write;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tungstenite::{Message, WebSocket};

use crate::client::{LONG, Lab, frame, frame_that};
use crate::harness::eventually;
use crate::schema;

const LIVE: &str = "/api/map/live";
const SCHEMA: &str = include_str!("../../docs/map.schema.json");

/// A process that sleeps and never reads: what is written to it waits in the pipe.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Sleeper {
        let mut command = Command::new("sleep");
        Sleeper(command.arg("1000").stdin(Stdio::piped()).spawn().expect("sleep starts"))
    }

    fn pid(&self) -> i64 {
        i64::from(self.0.id())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Frames as a page keeps them.
struct Followed {
    socket: WebSocket<TcpStream>,
    processes: Vec<Value>,
    edges: Vec<Value>,
    seq: u64,
}

impl Followed {
    fn new(lab: &Lab) -> Followed {
        let mut socket = lab.socket(LIVE);
        let first = frame(&mut socket);
        assert_eq!(first["is"], "snapshot");
        assert!(first["kinds"].as_array().is_some_and(|kinds| kinds.len() > 10), "{first}");
        let list = |name: &str| first[name].as_array().expect("a list").clone();
        let seq = first["seq"].as_u64().expect("a number");
        Followed { processes: list("processes"), edges: list("edges"), seq, socket }
    }

    /// Takes the next change.
    fn next(&mut self) -> Value {
        let change = frame(&mut self.socket);
        assert_eq!(
            (&change["is"], change["seq"].as_u64()),
            (&"change".into(), Some(self.seq + 1)),
            "{change}"
        );
        self.seq += 1;
        let of = |name: &str| change[name].as_array().expect("a list").clone();
        for (kept, set, gone) in [
            (&mut self.processes, of("processes"), of("gone_processes")),
            (&mut self.edges, of("edges"), of("gone_edges")),
        ] {
            kept.retain(|one| !gone.contains(&one["id"]) && set.iter().all(|other| other["id"] != one["id"]));
            kept.extend(set);
        }
        change
    }

    fn process(&self, pid: i64) -> Option<&Value> {
        self.processes.iter().find(|process| process["pid"] == pid)
    }

    /// The pipe that the process reads as its standard input.
    fn stdin_of(&self, pid: i64) -> Option<&Value> {
        let process = &self.process(pid)?["id"];
        let reads =
            |end: &Value| end["process"] == *process && end["reads"] == true && end["descriptors"][0] == 0;
        self.edges.iter().find(|edge| edge["ends"].as_array().is_some_and(|ends| ends.iter().any(reads)))
    }

    fn queued(&self, pid: i64) -> Option<u64> {
        self.stdin_of(pid)?["ends"].as_array()?.iter().find_map(|end| end["queued_bytes"].as_u64())
    }
}

#[test]
fn a_page_is_told_what_is_new_what_fills_and_what_is_gone() {
    let lab = Lab::new();
    let mut page = Followed::new(&lab);
    let mut sleeper = Sleeper::start();
    let pid = sleeper.pid();
    while page.stdin_of(pid).is_none() {
        page.next();
    }
    assert_eq!(
        (page.process(pid).expect("it is there")["name"].as_str(), page.queued(pid)),
        (Some("sleep"), Some(0))
    );
    let id = page.stdin_of(pid).expect("a pipe")["id"].clone();
    sleeper.0.stdin.as_mut().expect("a pipe").write_all(&[7; 12_345]).expect("written");
    let filled = loop {
        let change = page.next();
        if change["edges"].as_array().expect("a list").iter().any(|edge| edge["id"] == id) {
            break change;
        }
    };
    assert_eq!(page.queued(pid), Some(12_345));
    let process = &page.process(pid).expect("it is there")["id"];
    let told = filled["processes"].as_array().expect("a list");
    assert!(told.iter().all(|one| one["id"] != *process), "what did not change is not told: {filled}");
    drop(sleeper);
    while page.process(pid).is_some() {
        page.next();
    }
    assert!(page.edges.iter().all(|edge| edge["id"] != id), "its pipe is gone with it");
}

#[test]
fn one_taking_serves_all_pages() {
    let lab = Lab::new();
    let mut pages = [Followed::new(&lab), Followed::new(&lab), Followed::new(&lab)];
    let last = pages.iter().map(|page| page.seq).max().expect("three");
    let told = pages.each_mut().map(|page| {
        loop {
            let change = page.next();
            if page.seq == last + 1 {
                break change["taken_unix_ms"].clone();
            }
        }
    });
    assert!(told.iter().all(|at| at == &told[0]), "{told:?}");
}

#[test]
fn nothing_is_taken_while_no_page_looks() {
    let lab = Lab::new();
    // A taking reads /proc, and that is counted.
    let read = || {
        let io = std::fs::read_to_string(format!("/proc/{}/io", lab.running.0.id())).expect("/proc");
        let count = io.lines().find_map(|line| line.strip_prefix("rchar: "));
        count.and_then(|count| count.parse::<u64>().ok()).expect("a count")
    };
    let mut page = Followed::new(&lab);
    let before = read();
    page.next();
    assert!(read() > before, "the control: while one looks, /proc is read");
    drop(page);
    eventually("the lab reads nothing for longer than from one map to the next", || {
        let before = read();
        std::thread::sleep(Duration::from_millis(1_500));
        read() == before
    });
}

#[test]
fn no_map_is_taken_beside_a_race() {
    let lab = Lab::new();
    let mut page = Followed::new(&lab);
    lab.ask("POST", "/api/race", LONG).with(202);
    let paused = frame_that(&mut page.socket, "paused");
    assert!(paused["why"].as_str().is_some_and(|why| why.contains("a race runs")), "{paused}");
    assert!(lab.get("/api/map").with(409).error().contains("a race runs"));
    // One that comes now is told why it sees nothing new.
    let mut late = lab.socket(LIVE);
    assert_eq!(
        (frame(&mut late)["is"].clone(), frame(&mut late)["is"].clone()),
        ("snapshot".into(), "paused".into())
    );
    lab.ask("DELETE", "/api/race", "").with(204);
    assert_eq!(frame_that(&mut page.socket, "paused")["why"], Value::Null);
    frame_that(&mut page.socket, "change");
    lab.is_alone_again();
}

#[test]
fn a_script_gets_the_map_that_the_command_line_prints() {
    let lab = Lab::new();
    let map = lab.get("/api/map").with(200).json();
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    assert_eq!(schema::check_by(&schema, &map), Vec::<String>::new());
    let own =
        map["processes"].as_array().expect("a list").iter().any(|one| one["id"]["pid"] == lab.running.0.id());
    assert!(own, "the lab is in it");
}

#[test]
fn too_many_pages_are_told_so() {
    let lab = Lab::new();
    let pages: Vec<_> = (0..16).map(|_| Followed::new(&lab)).collect();
    let mut more = lab.socket(LIVE);
    match more.read().expect("a frame") {
        Message::Close(Some(said)) => assert_eq!(u16::from(said.code), 1013),
        other => panic!("{other:?}"),
    }
    drop(pages);
    eventually("there is room again", || {
        matches!(lab.socket(LIVE).read().expect("a frame"), Message::Text(_))
    });
}
