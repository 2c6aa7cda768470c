//! The published schema describes the traces that are written: every field, and no other.

use crossing::Kind;
use lab::trace::{Event, Trace};
use serde_json::{Value, json};

use crate::harness::Desk;
use crate::schema::check_by;

const SCHEMA: &str = include_str!("../../docs/trace.schema.json");
const DOCUMENT: &str = include_str!("../../docs/trace.md");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).expect("JSON")
}

/// What is wrong with a trace, line by line.
pub(crate) fn check(lines: &str) -> Vec<String> {
    let [header, event] =
        ["Header", "Event"].map(|name| jsonschema::validator_for(&part(name)).expect("a schema"));
    let found = lines.lines().enumerate().flat_map(|(index, line)| {
        let value: Value = serde_json::from_str(line).expect("a line of JSON");
        let faults = if index == 0 { &header } else { &event }.iter_errors(&value);
        faults.map(|fault| format!("line {}: {fault}", index + 1)).collect::<Vec<_>>()
    });
    found.collect()
}

/// A definition of the schema as a schema of its own.
fn part(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}"), "$defs": schema()["$defs"]})
}

#[test]
fn a_real_trace_holds_to_the_schema() {
    let desk = Desk::new();
    for kind in Kind::ALL {
        let ran = desk.run(&format!("show {kind} --messages 3 --placement unpinned --json")).ended_with(0);
        assert_eq!(check(&ran.stdout), Vec::<String>::new(), "{kind}");
    }
}

#[test]
fn the_check_sees_every_kind_of_fault() {
    let good = json!({"t_ns": 1, "what": "state", "side": "sender", "state": "running"});
    let event = part("Event");
    assert_eq!(check_by(&event, &good), Vec::<String>::new());
    for (field, wrong) in [
        ("t_ns", json!(-1)),
        ("t_ns", json!(0.5)),
        ("what", json!("eclipse")),
        ("what", json!("batch-end")),
        ("side", json!("nobody")),
        ("state", json!("tired")),
        ("mood", json!("good")),
        ("direction", json!("forward")),
    ] {
        let mut bad = good.clone();
        bad[field] = wrong;
        assert!(!check_by(&event, &bad).is_empty(), "{bad}");
    }
    assert!(!check_by(&event, &json!({"what": "batch-end"})).is_empty(), "a missing field");
}

#[test]
fn the_document_and_the_schema_know_the_same_kinds_of_events() {
    let schema = schema();
    let listed = schema["$defs"]["Event"]["oneOf"].as_array().expect("a list");
    let rows = DOCUMENT.lines().skip_while(|line| !line.starts_with("| `what` | more fields"));
    let named: Vec<&str> = rows
        .skip(2)
        .take_while(|line| line.starts_with("| `"))
        .flat_map(|line| line[1..].split('|').next().expect("a cell").split('`').skip(1).step_by(2))
        .collect();
    assert_eq!(named.len(), listed.len(), "{named:?}");
    for name in named {
        let defined = listed.iter().any(|event| event["properties"]["what"]["const"] == *name);
        assert!(defined, "docs/trace.schema.json does not define `{name}`");
    }
}

#[test]
fn the_example_in_the_documents_is_a_trace() {
    let mut lines: Vec<String> =
        DOCUMENT.lines().filter(|line| line.starts_with('{')).map(str::to_owned).collect();
    // The document leaves the scene out.
    let scene = lab::scene::Scene::of(Kind::Pipe);
    let scene = serde_json::to_string(&scene).expect("JSON");
    lines[0] = lines[0].replace("\"scene\":{}", &format!("\"scene\":{scene}"));
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let trace = Trace::read(text.as_bytes()).expect("a trace");
    assert_eq!(trace.events.len(), 6);
    assert_eq!(check(&text), Vec::<String>::new());
    // What is read is written again as it stood.
    assert_eq!(trace.events.iter().map(Event::line).collect::<Vec<_>>(), lines[1..]);
}
