//! The published schema describes the reports that are written: every field, and no other.

use lab::Report;
use serde_json::{Value, json};

const SCHEMA: &str = include_str!("../../docs/report.schema.json");
const SAMPLE: &str = include_str!("sample.json");

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// What is wrong with `report` by the published schema.
pub(crate) fn check(report: &Value) -> Vec<String> {
    check_by(&parsed(SCHEMA), report)
}

/// A report, which holds to the published schema.
#[track_caller]
pub(crate) fn report(value: Value) -> Report {
    assert_eq!(check(&value), Vec::<String>::new());
    serde_json::from_value(value).expect("a report")
}

/// What is wrong with `value` by `schema`.
pub(crate) fn check_by(schema: &Value, value: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(schema).expect("a schema");
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn the_sample_is_a_whole_report() {
    let report: Report = serde_json::from_str(SAMPLE).expect("a report");
    assert_eq!(
        serde_json::to_value(&report).expect("JSON"),
        parsed(SAMPLE),
        "a field is missing in the sample"
    );
}

#[test]
fn the_sample_holds_to_the_schema() {
    assert_eq!(check(&parsed(SAMPLE)), Vec::<String>::new());
}

#[test]
fn the_records_hold_to_the_schema() {
    let results = concat!(env!("CARGO_MANIFEST_DIR"), "/results");
    let records = std::fs::read_dir(results).expect("the records").flatten();
    let races: Vec<_> =
        records.map(|record| record.path().join("race.json")).filter(|race| race.exists()).collect();
    assert!(!races.is_empty());
    for race in races {
        let text = std::fs::read_to_string(&race).expect("a record");
        assert_eq!(check(&parsed(&text)), Vec::<String>::new(), "{}", race.display());
    }
}

#[test]
fn the_check_sees_every_kind_of_fault() {
    for (pointer, wrong) in [
        ("/schema", json!(2)),
        ("/elapsed_ms", json!(1.5)),
        ("/rows", json!({})),
        ("/rows/0/entrant", json!("friend")),
        ("/rows/0/cores", json!([0])),
        ("/rows/0/sides/0/user_ns", json!(-1)),
        ("/rows/0/latency_ns/basis", json!("guess")),
        ("/rows/0/progress/0", json!([1])),
        ("/rows/0/channel_bytes", json!([4096])),
        ("/rows/0/channel_bytes/0", json!(-1)),
        ("/machine/cpu", json!(7)),
        ("/plan/sizes/0", json!(0)),
        ("/plan/capacity_bytes", json!(4095)),
        ("/plan/waits/0", json!("hybrid:soon")),
        ("/rows/0/placement", json!("elsewhere")),
    ] {
        let mut report = parsed(SAMPLE);
        report["plan"]["capacity_bytes"] = json!(4096);
        *report.pointer_mut(pointer).expect(pointer) = wrong;
        assert!(!check(&report).is_empty(), "{pointer}");
    }
    let mut report = parsed(SAMPLE);
    report["plan"].as_object_mut().expect("an object").remove("seed");
    assert!(!check(&report).is_empty(), "a missing field");
    let mut report = parsed(SAMPLE);
    report["machine"]["mood"] = json!("good");
    assert!(!check(&report).is_empty(), "an unknown field");
}
