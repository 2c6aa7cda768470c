//! One finding: what was tried, how it went, and what to do about it.

use serde::{Deserialize, Serialize};

/// How good a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingState {
    /// As it should be.
    Good,
    /// It works, with a consequence that a reader of numbers should know.
    Limited,
    /// It is not there.
    Missing,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The thing that was tried.
    pub what: String,
    /// How it went.
    pub state: FindingState,
    /// The observation.
    pub detail: String,
    /// The remedy, if there is one.
    pub remedy: Option<String>,
}

pub(super) fn good(what: &str, detail: impl Into<String>) -> Finding {
    Finding { what: what.into(), state: FindingState::Good, detail: detail.into(), remedy: None }
}

pub(super) fn limited(what: &str, detail: impl Into<String>, remedy: &str) -> Finding {
    Finding {
        what: what.into(),
        state: FindingState::Limited,
        detail: detail.into(),
        remedy: Some(remedy.into()),
    }
}

pub(super) fn missing(what: &str, detail: impl Into<String>, remedy: &str) -> Finding {
    Finding {
        what: what.into(),
        state: FindingState::Missing,
        detail: detail.into(),
        remedy: Some(remedy.into()),
    }
}
