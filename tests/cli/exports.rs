//! Exports of a real race: files that are whole, and streams that hold one form only.

use std::fs;

use crate::harness::Desk;
use crate::schema;

const RACE: &str =
    "race pipe --count 100 --launches 2 --placement unpinned --wait block --workload ping-pong";

#[test]
fn every_form_is_written_whole_and_nothing_else_is_left() {
    let desk = Desk::new();
    let ran = desk
        .run(&format!(
            "{RACE} --export-json a.json --export-csv a.csv --export-markdown a.md --export-html a.html"
        ))
        .ended_with(0);
    assert!(ran.stdout.contains("ping-pong, 64 B, block"), "{ran:#?}");
    assert_eq!(desk.names(), ["a.csv", "a.html", "a.json", "a.md"]);
    let read = |name: &str| fs::read_to_string(desk.path(name)).expect(name);
    assert_eq!(schema::check(&serde_json::from_str(&read("a.json")).expect("JSON")), Vec::<String>::new());
    let csv = read("a.csv");
    assert!(csv.starts_with("kind,entrant,workload,size_bytes,"), "{csv}");
    assert!(csv.lines().any(|line| line.starts_with("pipe,mechanism,ping-pong,64,unpinned,")), "{csv}");
    let page = read("a.html");
    assert!(
        page.starts_with("<!doctype html>")
            && page.contains("<script type=\"importmap\">")
            && page.ends_with("</html>\n"),
        "{page}"
    );
    assert!(read("a.md").lines().any(|line| line.starts_with("| pipe |")), "{}", read("a.md"));
}

#[test]
fn a_dash_is_stdout_and_then_there_is_no_table() {
    let ran = Desk::new().run(&format!("{RACE} --export-csv -")).ended_with(0);
    assert!(ran.stdout.starts_with("kind,entrant,"), "{ran:#?}");
    assert!(!ran.stdout.contains("vs best"), "{ran:#?}");
}

#[test]
fn a_full_disk_is_told_after_the_table() {
    let ran = Desk::new().run(&format!("{RACE} --export-json /dev/full")).ended_with(2);
    assert!(ran.stdout.contains("ping-pong, 64 B, block"), "{ran:#?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:#?}");
    assert!(ran.stderr.contains("/dev/full"), "{ran:#?}");
}
