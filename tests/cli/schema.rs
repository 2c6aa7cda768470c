//! The published schema describes the reports that are written: every field, and no other.

use lab::Report;
use serde_json::{Value, json};

const SCHEMA: &str = include_str!("../../docs/report.schema.json");
const SAMPLE: &str = include_str!("sample.json");

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// The part of JSON Schema that ours uses. A keyword that it does not know is a fault, never skipped.
fn faults(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        let holds = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let pointer =
                    rule.as_str().and_then(|text| text.strip_prefix('#')).expect("a local reference");
                faults(root, root.pointer(pointer).expect("a definition"), value, at, found);
                true
            }
            "type" => match rule {
                Value::Array(types) => types.iter().any(|one| is_a(value, one)),
                one => is_a(value, one),
            },
            "const" => value == rule,
            "enum" => rule.as_array().expect("a list").contains(value),
            "anyOf" => rule.as_array().expect("a list").iter().any(|one| {
                let mut inner = Vec::new();
                faults(root, one, value, at, &mut inner);
                inner.is_empty()
            }),
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().expect("a number")),
            "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().expect("a number")),
            "minItems" => {
                value.as_array().is_none_or(|list| list.len() as u64 >= rule.as_u64().expect("a number"))
            }
            "maxItems" => {
                value.as_array().is_none_or(|list| list.len() as u64 <= rule.as_u64().expect("a number"))
            }
            // The values are held against the words of the command line by `Report` itself.
            "pattern" => true,
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    faults(root, rule, item, &format!("{at}/{index}"), found);
                }
                true
            }
            "properties" => {
                for (name, inner) in rule.as_object().expect("an object") {
                    if let Some(value) = value.get(name) {
                        faults(root, inner, value, &format!("{at}/{name}"), found);
                    }
                }
                true
            }
            "required" => rule
                .as_array()
                .expect("a list")
                .iter()
                .all(|name| value.get(name.as_str().expect("a name")).is_some()),
            "additionalProperties" => {
                assert_eq!(*rule, json!(false), "the schema is closed");
                value
                    .as_object()
                    .is_none_or(|object| object.keys().all(|name| schema["properties"].get(name).is_some()))
            }
            other => panic!("the check does not know `{other}`"),
        };
        if !holds {
            found.push(format!("{at}: {keyword} {rule} does not hold for {value}"));
        }
    }
}

fn is_a(value: &Value, name: &Value) -> bool {
    match name.as_str().expect("a type's name") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type `{other}`"),
    }
}

/// What is wrong with `report` by the published schema.
pub(crate) fn check(report: &Value) -> Vec<String> {
    check_by(&parsed(SCHEMA), report)
}

/// What is wrong with `value` by `schema`.
pub(crate) fn check_by(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    faults(schema, schema, value, "", &mut found);
    found
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
