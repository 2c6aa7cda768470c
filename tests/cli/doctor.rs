//! `ipcscope doctor`.

use crate::harness::Desk;

#[test]
fn findings_say_their_state_in_words() {
    let ran = Desk::new().run("doctor").ended_with(0);
    assert!(ran.stdout.lines().count() > 3, "{ran:#?}");
    assert!(!ran.stdout.contains('\x1b'), "no colour into a pipe: {ran:#?}");
    for line in ran.stdout.lines().take_while(|line| !line.is_empty()) {
        let known = ["ok ", "limited ", "missing ", "         "].iter().any(|start| line.starts_with(start));
        assert!(known, "{line}");
    }
}

#[test]
fn findings_as_json() {
    let report = Desk::new().run("doctor --json").ended_with(0).json();
    assert_eq!(report["schema"], 1);
    let findings = report["findings"].as_array().expect("a list");
    assert!(!findings.is_empty());
    for finding in findings {
        assert!(finding["what"].is_string() && finding["detail"].is_string(), "{finding}");
        assert!(["ok", "limited", "missing"].contains(&finding["state"].as_str().unwrap_or("")), "{finding}");
        assert!(finding["remedy"].is_string() || finding["remedy"].is_null(), "{finding}");
    }
}
