//! `ipcscope map`. The edges themselves are tested in crates/atlas/tests.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::Desk;
use crate::schema;

const SCHEMA: &str = include_str!("../../docs/map.schema.json");

/// A process that waits, and is joined with this one by its three streams' pipes. It does not outlive its test.
struct Joined(Child);

impl Joined {
    fn start() -> Joined {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Joined(command.spawn().expect("cat starts"))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_map_as_json_holds_to_its_schema_and_has_both_ends() {
    let joined = Joined::start();
    let map = Desk::new().run(&format!("map {} --json", joined.pid())).ended_with(0).json();
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    assert_eq!(schema::check_by(&schema, &map), Vec::<String>::new());
    let edges = map["edges"].as_array().expect("edges");
    // Another test may be starting a process, which has this one's descriptors for a moment.
    let has = |edge: &&Value, pid: u32, fd: Option<i64>, direction: &str| {
        let at_end = |end: &Value| {
            let of = end["process"]["pid"] == pid && end[direction] == true;
            of && fd.is_none_or(|fd| end["descriptors"][0] == fd)
        };
        edge["kind"] == "pipe" && edge["ends"].as_array().expect("ends").iter().any(at_end)
    };
    for (fd, there, here) in [(0, "reads", "writes"), (1, "writes", "reads"), (2, "writes", "reads")] {
        let of_stream: Vec<&Value> =
            edges.iter().filter(|edge| has(edge, joined.pid(), Some(fd), there)).collect();
        let [pipe] = &of_stream[..] else { panic!("{fd}: {map:#}") };
        assert!(has(pipe, std::process::id(), None, here), "{fd}: {pipe:#}");
    }
    let mut false_map = map;
    false_map["edges"][0]["kind"] = "string-and-cups".into();
    assert!(!schema::check_by(&schema, &false_map).is_empty(), "the check sees a fault");
}

#[test]
fn a_table_has_a_line_for_each_edge() {
    let joined = Joined::start();
    let table = Desk::new().run(&format!("map {}", joined.pid())).ended_with(0).stdout;
    let end = format!("cat[{}]", joined.pid());
    let lines =
        |words: &str| table.lines().filter(|line| line.contains(words) && line.contains(" pipe ")).count();
    // It may have inherited more than its streams from whatever runs this test.
    assert!(lines(&format!("→ {end}")) >= 1 && lines(&format!("{end} → ")) >= 2, "{table}");
}

#[test]
fn what_names_no_process_is_refused() {
    let desk = Desk::new();
    desk.run("map no-such-program").refused("no process here is called 'no-such-program'");
    // Beyond the largest number that Linux gives.
    desk.run("map 4194305").refused("there is no process 4194305 here");
    let thread = std::thread::spawn(|| {
        let link = std::fs::read_link("/proc/thread-self").expect("a link");
        let thread = link.file_name().expect("a number").to_string_lossy().into_owned();
        let says = format!("{thread} is a thread of process {}", std::process::id());
        Desk::new().run(&format!("map {thread}")).refused(&says);
    });
    thread.join().expect("it holds");
}

#[test]
fn a_thread_of_the_kernel_is_joined_with_nothing() {
    let kernel = std::fs::read_to_string("/proc/2/comm").unwrap_or_default();
    if kernel.trim() != "kthreadd" {
        return crate::cannot_run::cannot_run(
            crate::cannot_run::Lacks::Part,
            "the kernel's threads are not seen here",
        );
    }
    let map = Desk::new().run("map 2 --json").ended_with(0).json();
    assert_eq!(
        (map["edges"].as_array().map(Vec::len), &map["processes"][0]["kernel_thread"]),
        (Some(0), &true.into())
    );
}
