//! A thing that cannot be had, why, and the remedy.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Something this machine will not give.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("{what}: {why}; {remedy}")]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Unavailable {
    /// The thing that was wanted.
    pub what: String,
    /// Why it cannot be had.
    pub why: String,
    /// What to do about it.
    pub remedy: String,
}
