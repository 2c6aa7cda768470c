//! One line of a trace as JSON, and why it cannot be read.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What has only texts as keys can always be written.
pub(super) fn line(what: &impl Serialize) -> String {
    serde_json::to_string(what).unwrap_or_default()
}

/// A line of JSON; one that stops in the middle is said to be cut short.
pub(super) fn parse(line: &str) -> Result<Value, ReadError> {
    serde_json::from_str(line).map_err(|error| {
        let why = if error.is_eof() { "the line is cut short" } else { "this is not JSON" };
        ReadError::at(0, format!("{why} (column {})", error.column()))
    })
}

/// A value as a type; the error names the field.
pub(super) fn take<T: DeserializeOwned>(value: Value) -> Result<T, ReadError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let field = error.path().to_string();
        ReadError { line: 0, field: (field != ".").then_some(field), why: error.into_inner().to_string() }
    })
}

/// Why a trace could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// The line, from 1.
    pub line: usize,
    /// The field at fault, as a path such as `scene.stage[0].form`.
    pub field: Option<String>,
    /// What is wrong.
    pub why: String,
}

impl ReadError {
    pub(super) fn at(line: usize, why: impl fmt::Display) -> ReadError {
        ReadError { line, field: None, why: why.to_string() }
    }

    pub(super) fn of(line: usize, field: &str, why: impl fmt::Display) -> ReadError {
        ReadError { line, field: Some(field.into()), why: why.to_string() }
    }

    pub(super) fn on_line(self, line: usize) -> ReadError {
        ReadError { line, ..self }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if let Some(field) = &self.field {
            write!(f, "field `{field}`: ")?;
        }
        f.write_str(&self.why)
    }
}

impl std::error::Error for ReadError {}
