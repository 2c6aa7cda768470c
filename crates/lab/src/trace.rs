//! A trace: what happened to a few messages, as both processes, the lab and the kernel saw it.
//!
//! One line of JSON for each event, the header first (`docs/trace.md`, `docs/trace.schema.json`). The live
//! stream of a stage, a recorded file and a fixture are the same bytes. All times are nanoseconds on one
//! clock, counted from the first event of the trace.

mod event;
mod line;
mod what;

use std::fmt;
use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::line::{line, parse, take};
use crate::scene::Scene;

pub use event::Event;
pub use line::ReadError;
pub use what::{Access, Basis, Call, Mode, Process, ProcessState, Side, Tone, Values, What};

/// The version of the trace's structure.
pub const SCHEMA: u32 = 2;

/// The word in every header.
const FORMAT: &str = "ipcscope-trace";

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
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Header {
    /// Always `ipcscope-trace`.
    #[cfg_attr(feature = "schemars", schemars(extend("const" = FORMAT)))]
    pub format: String,
    /// The version of this structure. It changes when a field changes its meaning or goes away.
    #[cfg_attr(feature = "schemars", schemars(extend("const" = SCHEMA)))]
    pub schema: u32,
    /// The mechanism's scene, all that is needed to draw the trace.
    pub scene: Scene,
    /// How both sides waited.
    pub wait: String,
    /// Where they were put.
    pub placement: String,
    /// The process that sends forward, and the one that receives.
    pub processes: [Process; 2],
    /// The channel between two programs that were only watched: an edge of the map. Absent of the lab's own processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Bytes in each message; where they differ, in the longest.
    pub size_bytes: u32,
    /// Bytes of each message with its header and padding, as it lies in the mechanism. An older trace does not
    /// tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_bytes: Option<u64>,
    /// What the calls cost when neither side has to wait. An older trace does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<CallCosts>,
    /// The clock that stamped the events: `tsc` or `monotonic`.
    #[cfg_attr(feature = "schemars", schemars(extend("enum" = ["tsc", "monotonic"])))]
    pub clock: String,
    /// When it was recorded, in milliseconds since 1970-01-01 UTC.
    pub started_unix_ms: u64,
    /// One line about the machine.
    pub machine: String,
}

/// The time that one call takes when it need not wait for the other process: the median of several, measured with the two
/// processes of the trace when they were started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct CallCosts {
    /// A `send` while its receiver is idle, in nanoseconds.
    pub send_ns: u64,
    /// A `recv` of a message that has arrived already, in nanoseconds.
    pub recv_ns: u64,
}

impl Header {
    /// A header of now; what the two processes are is the caller's to say.
    pub fn new(
        scene: Scene,
        wait: impl fmt::Display,
        placement: impl fmt::Display,
        processes: [Process; 2],
        size_bytes: u32,
        clock: &str,
    ) -> Header {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Header {
            format: FORMAT.into(),
            schema: SCHEMA,
            scene,
            wait: wait.to_string(),
            placement: placement.to_string(),
            processes,
            channel: None,
            size_bytes,
            frame_bytes: None,
            calls: None,
            clock: clock.into(),
            started_unix_ms: since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
            machine: crate::machine::Machine::read().in_one_line(),
        }
    }

    /// The line, without its end.
    pub fn line(&self) -> String {
        line(self)
    }
}

impl Trace {
    /// Writes the trace, one line of JSON after the other.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        writeln!(to, "{}", self.header.line())?;
        for event in &self.events {
            writeln!(to, "{}", event.line())?;
        }
        Ok(())
    }

    /// Reads a file with one trace.
    ///
    /// # Errors
    /// As [`Trace::read_all`], and where another trace begins.
    pub fn read(from: impl BufRead) -> Result<Trace, ReadError> {
        let mut all = Trace::read_all(from)?;
        match all.len() {
            1 => Ok(all.remove(0)),
            _ => Err(ReadError::at(all[0].events.len() + 2, "another trace begins here")),
        }
    }

    /// Reads traces back, which stand one after the other: at least one. Events of a kind that this program does not know are
    /// left out.
    ///
    /// # Errors
    /// The line that is at fault, and the field where one is.
    pub fn read_all(from: impl BufRead) -> Result<Vec<Trace>, ReadError> {
        let mut traces: Vec<Trace> = Vec::new();
        for (index, line) in from.lines().enumerate() {
            let number = index + 1;
            let line = line.map_err(|error| ReadError::at(number, error))?;
            match traces.last_mut() {
                Some(_) if line.is_empty() => {}
                Some(trace) if !begins(&line) => {
                    trace.events.extend(Event::read(&line).map_err(|error| error.on_line(number))?);
                }
                _ => {
                    let header = header(&line).map_err(|error| error.on_line(number))?;
                    traces.push(Trace { header, events: Vec::new() });
                }
            }
        }
        if traces.is_empty() { Err(ReadError::at(1, "the file is empty")) } else { Ok(traces) }
    }
}

/// Whether another trace begins with this line: it is a header, and no event that has a field of that name.
fn begins(line: &str) -> bool {
    line.contains("\"format\"")
        && parse(line).is_ok_and(|value: Value| value.get("format").is_some() && value.get("what").is_none())
}

/// Reads a header, and says first of all whether it is ours.
fn header(line: &str) -> Result<Header, ReadError> {
    let value: Value = parse(line)?;
    match value.get("format").and_then(Value::as_str) {
        Some(FORMAT) => {}
        Some(other) => return Err(ReadError::of(0, "format", format!("`{other}`, not `{FORMAT}`"))),
        None => return Err(ReadError::of(0, "format", "missing: this is not a trace of ipcscope")),
    }
    match value.get("schema").and_then(Value::as_u64) {
        Some(schema) if schema == u64::from(SCHEMA) => {}
        Some(schema) => {
            let why = format!("{schema}, and this ipcscope reads {SCHEMA}: record the trace anew");
            return Err(ReadError::of(0, "schema", why));
        }
        None => return Err(ReadError::of(0, "schema", "missing, or not a number")),
    }
    take(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Actor;
    use crossing::Kind;
    use serde_json::json;

    fn sample() -> Trace {
        let process = |actor, pid| Process { actor, pid, parent: 9, core: Some(0), name: None };
        Trace {
            header: Header::new(
                Scene::of(Kind::Pipe),
                crossing::WaitStrategy::Block,
                crate::plan::Placement::CrossCore,
                [process(Actor::Sender, 10), process(Actor::Receiver, 11)],
                64,
                "tsc",
            ),
            events: vec![Event::new(0, What::BatchBegin { mode: Mode::Step, count: 1 })],
        }
    }

    fn written(trace: &Trace) -> String {
        let mut bytes = Vec::new();
        trace.write(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn refused(text: &str) -> String {
        Trace::read(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_was_written_is_read_back() {
        let trace = sample();
        assert_eq!(Trace::read(written(&trace).as_bytes()).unwrap(), trace);
    }

    #[test]
    fn a_scene_that_nobody_has_heard_of_is_read() {
        let text = written(&sample())
            .replace(r#""kind":"pipe""#, r#""kind":"carrier-pigeon","wings":2"#)
            .replace(r#"{"is":"buffer","slots":16}"#, r#"{"is":"loft"}"#);
        let trace = Trace::read(text.as_bytes()).unwrap();
        assert_eq!(trace.header.scene.kind, "carrier-pigeon");
        assert!(trace.header.scene.stage.iter().any(|shown| shown.part.form == crate::scene::Form::Other));
    }

    #[test]
    fn what_is_not_known_is_ignored() {
        let text = written(&sample()) + "{\"t_ns\":5,\"what\":\"eclipse\",\"of\":\"the moon\"}\n\n";
        let text = text.replace("\"mode\":\"step\"", "\"mode\":\"step\",\"mood\":\"good\"");
        assert_eq!(Trace::read(text.as_bytes()).unwrap().events, sample().events);
    }

    #[test]
    fn the_line_and_the_field_at_fault_are_named() {
        let good = written(&sample());
        assert_eq!(refused(""), "line 1: the file is empty");
        assert_eq!(refused("<html>\n"), "line 1: this is not JSON (column 1)");
        assert_eq!(
            refused("{\"some\":\"json\"}\n"),
            "line 1: field `format`: missing: this is not a trace of ipcscope"
        );
        assert_eq!(refused("[1,2]\n"), "line 1: field `format`: missing: this is not a trace of ipcscope");
        assert!(refused(&good.replace("ipcscope-trace", "elf")).starts_with("line 1: field `format`: `elf`"));
        assert!(
            refused(&good.replace("\"schema\":2", "\"schema\":3"))
                .starts_with("line 1: field `schema`: 3, and this ipcscope reads 2")
        );
        let older = refused(&good.replace("\"schema\":2", "\"schema\":1"));
        assert!(older.ends_with("1, and this ipcscope reads 2: record the trace anew"), "{older}");
        assert!(
            refused(&good.replace("\"slots\":16", "\"slots\":\"many\""))
                .starts_with("line 1: field `scene.stage[1]")
        );
        assert!(
            refused(&good.replace("\"pid\":10", "\"pid\":-1"))
                .starts_with("line 1: field `processes[0].pid`")
        );
        assert!(refused(&good.replace("\"size_bytes\":64,", "")).contains("missing field `size_bytes`"));
        let cut = &good[..good.len() - 5];
        assert!(refused(cut).starts_with("line 2: the line is cut short"), "{}", refused(cut));
        assert!(refused(&good[..100]).starts_with("line 1: the line is cut short"));
    }

    /// The page reads the same file (tests/page/unit.test.mjs): what one refuses the other refuses, at the same field.
    #[test]
    fn traces_are_refused_as_the_page_refuses_them() {
        type Refusals = (Value, Vec<(Value, Option<String>)>, Vec<(String, String, Option<String>)>);
        let given: Value =
            serde_json::from_str(include_str!("../../../tests/page/fixtures/bad-traces.json")).unwrap();
        let (header, events, headers): Refusals =
            serde_json::from_value(json!([given["header"], given["events"], given["headers"]])).unwrap();
        let header = header.to_string();
        let changed = headers.into_iter().map(|(from, to, field)| {
            assert!(header.contains(&from), "{from}");
            (header.replacen(&from, &to, 1), "line 1: ", field)
        });
        let followed =
            events.into_iter().map(|(event, field)| (format!("{header}\n\n{event}\n"), "line 3: ", field));
        for (text, line, field) in changed.chain(followed) {
            let told = Trace::read(text.as_bytes()).map_err(|error| error.to_string());
            match (told, field) {
                (Ok(_), None) => {}
                (Err(why), Some(field)) => {
                    let named = why.contains(&format!("field `{field}"));
                    assert!(why.starts_with(line) && named, "{field}: {why}");
                }
                (told, field) => panic!("{field:?}: {told:?} {text}"),
            }
        }
    }

    #[test]
    fn several_traces_may_stand_in_one_file() {
        let trace = sample();
        let one = written(&trace);
        let both = format!("{one}\n{one}");
        assert_eq!(Trace::read_all(both.as_bytes()).unwrap(), [trace.clone(), trace.clone()]);
        assert_eq!(refused(&both), "line 3: another trace begins here");
        let second = both.replacen("\"schema\":2", "\"schema\":7", 2).replacen(":7", ":2", 1);
        let why = Trace::read_all(second.as_bytes()).unwrap_err().to_string();
        assert!(why.starts_with("line 4: field `schema`: 7"), "{why}");
        // A field that is not known may have any name.
        let odd = one + "{\"t_ns\":1,\"what\":\"batch-end\",\"format\":\"x\"}\n";
        assert_eq!(Trace::read(odd.as_bytes()).unwrap().events.len(), 2);
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let mut bytes = written(&sample()).into_bytes();
        bytes.extend([0xff, 0xfe, b'\n']);
        assert_eq!(Trace::read(&bytes[..]).unwrap_err().line, 3);
    }
}
