//! Findings as lines: the state in words first, the remedy set in below.

use lab::doctor::{Finding, FindingState};
use serde_json::{Value, json};

use super::grid::wrap;
use super::{Ink, foreign};

const WIDTH: usize = 100;

/// The lines of `ipcscope doctor`.
pub(crate) fn lines(findings: &[Finding], ink: Ink) -> String {
    let mut lines = String::new();
    for finding in findings {
        let state = format!("{:<8}", word(finding.state));
        let state = match finding.state {
            FindingState::Good => ink.good(&state),
            FindingState::Limited => ink.fair(&state),
            FindingState::Missing => ink.bad(&state),
        };
        let text = format!("{}: {}", finding.what, finding.detail);
        lines.push_str(&format!("{state} {}\n", wrap(&text, WIDTH - 9, 9)));
        if let Some(remedy) = &finding.remedy {
            lines.push_str(&format!("         {}\n", wrap(&format!("→ {remedy}"), WIDTH - 9, 11)));
        }
    }
    let number = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (good, limited, missing) =
        (number(FindingState::Good), number(FindingState::Limited), number(FindingState::Missing));
    lines.push_str(&format!("\n{good} ok, {limited} limited, {missing} missing\n"));
    lines
}

/// The findings as JSON.
pub(crate) fn json(findings: &[Finding]) -> String {
    let findings: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({
                "what": finding.what,
                "state": word(finding.state),
                "detail": finding.detail,
                "remedy": finding.remedy,
            })
        })
        .collect();
    foreign::json(format!("{:#}\n", json!({ "schema": 1, "findings": findings })))
}

fn word(state: FindingState) -> &'static str {
    match state {
        FindingState::Good => "ok",
        FindingState::Limited => "limited",
        FindingState::Missing => "missing",
    }
}
