//! A thing that cannot be had, why, and the remedy.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something this machine will not give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Unavailable {
    /// The thing that was wanted.
    pub what: String,
    /// Why it cannot be had.
    pub why: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.what, self.why, self.remedy)
    }
}

impl std::error::Error for Unavailable {}
