//! What a rehearsal reads of a watch: the kind of its edge, and its traffic.

use serde::Deserialize;
use thiserror::Error;

use crate::text::{self, JsonFault};
use crate::traffic::Traffic;

/// The format's name, in its field `format`.
pub const FORMAT: &str = "ipcscope-watch";

/// The version of the format that is read.
pub const SCHEMA: u64 = 1;

/// Why a text is no watch that can be rehearsed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WatchFault {
    /// It is no text, or packed.
    #[error("{0}")]
    NoText(String),
    /// It is no JSON, or cut short, or a field of it is not what it should be.
    #[error("{0}")]
    Json(JsonFault),
    /// It is something else of ours, or of another program.
    #[error("field `format` is `{0}`: this is no watch (`ipcscope watch --json` writes one)")]
    Format(String),
    /// It does not say what it is.
    #[error("field `format` is missing: this is no watch (`ipcscope watch --json` writes one)")]
    Nameless,
    /// It was written by another version.
    #[error("field `schema` is {0}, and this ipcscope reads {SCHEMA}: watch anew")]
    Version(String),
    /// It has no traffic.
    #[error("field `traffic` is missing: this watch kept no messages to rehearse")]
    NoTraffic,
}

/// A watch, as far as a rehearsal needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedFile {
    /// The kind of its edge, if it names one.
    pub edge: Option<String>,
    /// Its traffic.
    pub traffic: Traffic,
}

/// What tells whether the rest can be read.
#[derive(Deserialize)]
struct WatchHead {
    format: Option<serde_json::Value>,
    schema: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct WatchBody {
    edge: Option<WatchedEdge>,
    traffic: Option<Traffic>,
}

#[derive(Deserialize)]
struct WatchedEdge {
    kind: String,
}

impl WatchedFile {
    /// Reads a watch from any source.
    ///
    /// # Errors
    /// What it is instead, or which field is at fault where.
    pub fn read(text: &[u8]) -> Result<WatchedFile, WatchFault> {
        let text = text::plain(text).map_err(WatchFault::NoText)?;
        let head: WatchHead = text::json(text).map_err(WatchFault::Json)?;
        let told = |value: serde_json::Value| value.as_str().map_or(value.to_string(), str::to_owned);
        match head.format.map(told) {
            Some(format) if format == FORMAT => {}
            Some(format) => return Err(WatchFault::Format(format)),
            None => return Err(WatchFault::Nameless),
        }
        match head.schema {
            Some(schema) if schema == SCHEMA => {}
            schema => return Err(WatchFault::Version(schema.map_or("missing".into(), told))),
        }
        let WatchBody { edge, traffic } = text::json(text).map_err(WatchFault::Json)?;
        let traffic = traffic.ok_or(WatchFault::NoTraffic)?;
        Ok(WatchedFile { edge: edge.map(|edge| edge.kind), traffic })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn watch() -> Value {
        json!({
            "format": FORMAT, "schema": SCHEMA, "unknown": [1], "edge": {"kind": "pipe", "id": "pipe:7"},
            "traffic": {
                "messages": [{"side": 0, "bytes": 5, "after": 0, "thought_ns": 0}],
                "not_kept": 0, "waits": ["in-the-call", "not-seen"], "elapsed_ns": 7, "median_ns": [7, null],
            },
        })
    }

    fn fault(change: impl FnOnce(&mut Value)) -> WatchFault {
        let mut watch = watch();
        change(&mut watch);
        WatchedFile::read(watch.to_string().as_bytes()).unwrap_err()
    }

    #[test]
    fn what_a_rehearsal_needs_is_read_and_the_rest_ignored() {
        let read = WatchedFile::read(watch().to_string().as_bytes()).unwrap();
        assert_eq!(read.edge.as_deref(), Some("pipe"));
        assert_eq!((read.traffic.messages.len(), read.traffic.elapsed_ns), (1, 7));
    }

    #[test]
    fn other_kinds_and_versions_are_named() {
        assert_eq!(
            fault(|watch| watch["format"] = "ipcscope-trace".into()),
            WatchFault::Format("ipcscope-trace".into())
        );
        assert_eq!(fault(|watch| watch["format"] = Value::Null), WatchFault::Nameless);
        assert_eq!(fault(|watch| watch["schema"] = 2.into()), WatchFault::Version("2".into()));
        assert_eq!(fault(|watch| watch["schema"] = Value::Null), WatchFault::Version("missing".into()));
        assert_eq!(fault(|watch| watch["traffic"] = Value::Null), WatchFault::NoTraffic);
        let report = include_bytes!("../../../../tests/cli/sample.json");
        assert_eq!(WatchedFile::read(report), Err(WatchFault::Nameless));
        assert!(matches!(WatchedFile::read(b"\x1f\x8b"), Err(WatchFault::NoText(_))));
    }

    #[test]
    fn the_field_at_fault_is_named_and_a_cut_text_is_said_to_be_so() {
        let wrong = fault(|watch| watch["traffic"]["messages"][0]["bytes"] = (-1).into());
        assert!(wrong.to_string().contains("field `traffic.messages[0].bytes`"), "{wrong}");
        let far = fault(|watch| watch["traffic"]["elapsed_ns"] = json!(1e30));
        assert!(far.to_string().contains("field `traffic.elapsed_ns`"), "{far}");
        let whole = watch().to_string();
        for end in 0..whole.len() {
            assert!(WatchedFile::read(&whole.as_bytes()[..end]).is_err(), "{end}");
        }
        let cut = WatchedFile::read(&whole.as_bytes()[..whole.len() / 2]).unwrap_err().to_string();
        assert!(cut.contains("cut short"), "{cut}");
        for text in ["", "[]", "7", "\u{0}", "hello", &"[".repeat(100_000)] {
            assert!(WatchedFile::read(text.as_bytes()).is_err());
        }
        assert!(WatchedFile::read(format!("{whole}\n{whole}").as_bytes()).is_err());
    }
}
