//! A trace: what happened to a few messages, as both processes saw it.
//!
//! One line of JSON for each event, the header first (`docs/trace.md`). All times are nanoseconds on one
//! clock, counted from the first event of the trace.

use std::io::{self, BufRead, Write};

use crossing::{Kind, WaitStrategy};
use serde::{Deserialize, Serialize};

use crate::plan::{Placement, as_text};

/// The version of the trace's structure.
pub const SCHEMA: u32 = 1;

/// A whole trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The first line.
    pub header: Header,
    /// Every other line, in order of time.
    pub events: Vec<Event>,
}

/// The first line of a trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Always `ipcscope-trace`.
    pub format: String,
    /// [`SCHEMA`].
    pub schema: u32,
    /// The mechanism.
    #[serde(with = "as_text::one")]
    pub kind: Kind,
    /// How both sides waited.
    #[serde(with = "as_text::one")]
    pub wait: WaitStrategy,
    /// Where they were put.
    #[serde(with = "as_text::one")]
    pub placement: Placement,
    /// The process that sends and the one that receives.
    pub pids: [u32; 2],
    /// The cores they were read back on; `None` when unpinned.
    pub cores: Option<[usize; 2]>,
    /// Messages sent.
    pub messages: u64,
    /// Bytes in each.
    pub size_bytes: u32,
    /// The clock that stamped the events: `tsc` or `monotonic`.
    pub clock: String,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, in nanoseconds from the first event.
    pub t_ns: u64,
    /// Who.
    pub side: Side,
    /// Which message, from 0.
    pub message: u64,
    /// What.
    pub what: What,
    /// The core the event was seen on, where the clock tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
}

/// Which of the two processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The one that sends.
    Sender,
    /// The one that receives.
    Receiver,
}

/// What a process saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// About to call `send`.
    SendBegin,
    /// `send` has returned: the message is published.
    SendEnd,
    /// About to call `recv`.
    RecvBegin,
    /// `recv` has returned and the message was verified.
    RecvEnd,
}

impl Trace {
    /// Writes the trace, one line of JSON after the other.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *to, &self.header)?;
        writeln!(to)?;
        for event in &self.events {
            serde_json::to_writer(&mut *to, event)?;
            writeln!(to)?;
        }
        Ok(())
    }

    /// Reads a trace back. The error names the line, and the field where one is at fault.
    pub fn read(from: impl BufRead) -> Result<Trace, String> {
        let mut lines = from.lines().enumerate();
        let (_, first) = lines.next().ok_or("line 1: the file is empty")?;
        let first = first.map_err(|error| format!("line 1: {error}"))?;
        let header: Header = serde_json::from_str(&first).map_err(|error| format!("line 1: {error}"))?;
        if header.format != "ipcscope-trace" {
            return Err(format!("line 1: field `format` is `{}`, not `ipcscope-trace`", header.format));
        }
        if header.schema != SCHEMA {
            return Err(format!(
                "line 1: field `schema` is {}, and this ipcscope reads {SCHEMA}",
                header.schema
            ));
        }
        let mut events = Vec::new();
        for (index, line) in lines {
            let fault = |error: &dyn std::fmt::Display| format!("line {}: {error}", index + 1);
            let line = line.map_err(|error| fault(&error))?;
            events.push(serde_json::from_str(&line).map_err(|error| fault(&error))?);
        }
        Ok(Trace { header, events })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Trace {
        Trace {
            header: Header {
                format: "ipcscope-trace".into(),
                schema: SCHEMA,
                kind: Kind::Pipe,
                wait: WaitStrategy::Block,
                placement: Placement::CrossCore,
                pids: [10, 11],
                cores: Some([0, 1]),
                messages: 1,
                size_bytes: 64,
                clock: "tsc".into(),
            },
            events: vec![Event { t_ns: 0, side: Side::Sender, message: 0, what: What::SendBegin, cpu: None }],
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        let mut bytes = Vec::new();
        sample().write(&mut bytes).unwrap();
        assert_eq!(Trace::read(&bytes[..]).unwrap(), sample());
    }

    #[test]
    fn a_broken_line_is_named() {
        let mut bytes = Vec::new();
        sample().write(&mut bytes).unwrap();
        bytes.truncate(bytes.len() - 5);
        assert!(Trace::read(&bytes[..]).unwrap_err().starts_with("line 2: "));
        let foreign = Trace::read(&b"{\"some\":\"json\"}\n"[..]).unwrap_err();
        assert!(foreign.starts_with("line 1: missing field"), "{foreign}");
    }
}
