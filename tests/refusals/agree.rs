//! What `doctor` says is held against what `show` does, condition by condition: a mechanism that it calls well works, and one
//! that it calls missing does not.

use std::collections::BTreeMap;

use crossing::Kind;
use serde_json::Value;

use crate::Ran;
use crate::case::Verb;
use crate::judge::{Fault, Rule};

/// What was seen under one condition.
#[derive(Default)]
struct Seen<'a> {
    /// What doctor has found, if it could say so.
    found: Option<Value>,
    /// What show came to. Under a call that it does not make, it was not run.
    shown: BTreeMap<&'static str, &'a Ran>,
    /// Whether a race had rows that failed.
    race_failed: bool,
}

/// Every condition under which the two are not of one mind.
pub(crate) fn disagreements(ran: &[Ran]) -> Vec<(String, Fault)> {
    let mut by_condition: BTreeMap<String, Seen<'_>> = BTreeMap::new();
    for one in ran.iter().filter(|one| !one.case.condition.has_no_end()) {
        let seen = by_condition.entry(one.case.condition.to_string()).or_default();
        match one.case.verb {
            Verb::Doctor if one.outcome.code == Some(0) => {
                seen.found = serde_json::from_str(&one.outcome.stdout).ok();
            }
            Verb::Show(kind) => {
                seen.shown.insert(kind.name(), one);
            }
            Verb::Race => seen.race_failed = one.outcome.code != Some(0),
            Verb::Map | Verb::Doctor => {}
        }
    }
    let mut faults = Vec::new();
    for (condition, Seen { found, shown, race_failed }) in by_condition {
        let Some(found) = found else { continue };
        for kind in Kind::ALL {
            let works = shown.get(kind.name()).is_none_or(|ran| ran.outcome.code == Some(0));
            let said = shown.get(kind.name()).map_or("", |ran| ran.outcome.stderr.trim());
            if let Some(what) = disagreement(&found, kind, works, race_failed, said) {
                faults.push((format!("{kind} under {condition}"), Fault { rule: Rule::Disagrees, what }));
            }
        }
    }
    faults
}

/// How doctor and show differ about one mechanism; `None` if they do not.
fn disagreement(found: &Value, kind: Kind, works: bool, race_failed: bool, said: &str) -> Option<String> {
    let findings = found["findings"].as_array()?;
    let state =
        |what: &str| findings.iter().find(|one| one["what"] == what).and_then(|one| one["state"].as_str());
    match state(&format!("mechanism: {kind}")) {
        None => Some("doctor does not speak of it".into()),
        // With so few descriptors or processes each of the two has its own number at which they run out.
        Some("ok") if !works && ["open files", "processes"].map(state) == [Some("ok"); 2] => {
            Some(format!("doctor calls it ok, and show fails: {said}"))
        }
        // Doctor tries a race, too.
        Some("missing") if works && !race_failed => {
            Some("doctor calls it missing, and show works, as does a race".into())
        }
        Some(_) => None,
    }
}

#[test]
fn each_way_to_differ_is_a_disagreement() {
    let found = |state: &str, files: &str| {
        serde_json::json!({ "findings": [
            { "what": "mechanism: pipe", "state": state },
            { "what": "open files", "state": files }, { "what": "processes", "state": "ok" },
        ]})
    };
    let differ =
        |state, files, works| disagreement(&found(state, files), Kind::Pipe, works, false, "").is_some();
    assert!(!differ("ok", "ok", true) && !differ("missing", "ok", false) && !differ("limited", "ok", true));
    assert!(differ("ok", "ok", false) && differ("missing", "ok", true));
    assert!(!differ("ok", "limited", false), "few descriptors");
    assert!(disagreement(&found("ok", "ok"), Kind::Tcp, true, false, "").is_some(), "it is not spoken of");
}
