//! One event of a trace: a line of JSON with time, event, actor and message.
//!
//! What is common to all events stands beside `what`; the fields that belong to one `what` stand in its
//! variant of [`What`].

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::line::{ReadError, line, parse, take};
use crate::machine::Unavailable;
use crate::scene::{ScenePart, Space, Step};

pub use crate::scene::Actor as Side;

/// One of the two processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Process {
    /// Which of the two.
    pub actor: Side,
    /// Its process id.
    pub pid: u32,
    /// The process id of its parent.
    pub parent: u32,
    /// The core it was read back on; `None` when unpinned.
    pub core: Option<usize>,
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When, in nanoseconds from the first event of the trace.
    pub t_ns: u64,
    /// What.
    pub what: What,
    /// The actor; `None` for the lab itself.
    pub side: Option<Side>,
    /// Which message, counted from 0 over the whole trace.
    pub message: Option<u64>,
    /// Whether the message travels from the receiver to the sender.
    pub back: bool,
    /// The core the event was seen on.
    pub cpu: Option<u32>,
    /// The step of the scene that the event is an instance of.
    pub step: Option<String>,
    /// A sentence for the log.
    pub text: Option<String>,
}

/// What the gauges say: from a gauge's field to a number, a text or a boolean.
pub type Values = BTreeMap<String, Value>;

/// What was seen. The names in JSON are those of `docs/trace.md`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The events up to the next [`What::BatchEnd`] belong together.
    BatchBegin {
        /// How the messages are sent.
        mode: Mode,
        /// How many.
        count: u64,
    },
    /// The batch is over.
    BatchEnd {},
    /// About to call `send`.
    SendBegin {
        /// The text of the message.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payload: Option<String>,
    },
    /// `send` has returned: the message is published.
    SendEnd {},
    /// About to call `recv`.
    RecvBegin {},
    /// `recv` has returned, and the message was verified.
    RecvEnd {
        /// The text of the message that came.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payload: Option<String>,
        /// Bytes of further messages that the receiver has read from the kernel by now.
        #[serde(default, skip_serializing_if = "is_zero")]
        ahead_bytes: u64,
    },
    /// A call ended without a message.
    Failed {
        /// Which.
        call: Call,
        /// How, in a word: `disconnected`, `timeout`, `full`, …
        error: String,
    },
    /// What the kernel says of the process.
    State {
        /// In a word.
        state: ProcessState,
        /// The system call it sleeps in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<String>,
        /// Where in the kernel.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wchan: Option<String>,
        /// The core it runs on, or ran on last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        core: Option<u32>,
    },
    /// What the parts of the stage hold.
    Gauges {
        /// From a gauge's field to what it says.
        values: Values,
        /// How long the reading took, in nanoseconds: it ended at the event's time.
        #[serde(default, skip_serializing_if = "is_zero")]
        took_ns: u64,
    },
    /// The process is gone.
    Died {
        /// The signal that ended it, such as `SIGKILL`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<String>,
        /// What it exited with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
    },
    /// An experiment begins.
    ExperimentBegin {
        /// Which.
        id: String,
    },
    /// From here to the end of the experiment the events are of these two, and not of the stage's own.
    Processes {
        /// First the one that sends forward.
        processes: [Process; 2],
    },
    /// From here to the end of the experiment the stage is this one, and not the scene's.
    Stage {
        /// Its parts, in place of those of the scene.
        parts: Vec<ScenePart>,
        /// The steps of one message on it.
        steps: Vec<Step>,
    },
    /// It is over.
    ExperimentEnd {
        /// Which.
        id: String,
        /// One sentence: what was seen.
        verdict: String,
        /// Whether what is promised was seen; `None` when it could not be tried.
        held: Option<bool>,
        /// How many messages took part, if fewer were followed one by one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        messages: Option<u64>,
        /// How many of those arrived.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arrived: Option<u64>,
    },
    /// A system call, seen from outside.
    Syscall {
        /// Its name.
        name: String,
        /// Its arguments.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        args: Option<String>,
        /// What it returned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<i64>,
        /// How long it took, in nanoseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_ns: Option<u64>,
    },
    /// The message was read or written.
    Copy {
        /// By this function of kernel or program.
        function: String,
        /// How many bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
        /// Whether the function is the program's or the kernel's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        space: Option<Space>,
        /// The memory that was touched, in words. Both mappings of shared memory are one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<String>,
        /// Which copy of the message this belongs to, counted from 1 on its way.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        copy: Option<u64>,
        /// What that copy did here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        access: Option<Access>,
        /// The functions that led to it, as in a [`What::Wake`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// A process was made runnable.
    Wake {
        /// By this function.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        function: Option<String>,
        /// More about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// The process got a core.
    SwitchIn {
        /// By this function.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        function: Option<String>,
        /// More about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// The process gave up its core.
    SwitchOut {
        /// By this function.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        function: Option<String>,
        /// More about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// A page fault.
    Fault {
        /// In this function.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        function: Option<String>,
        /// More about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// A packet went through the network stack.
    Packet {
        /// Through this function.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        function: Option<String>,
        /// More about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// Figures that belong to what was just seen.
    Table {
        /// What they are.
        title: String,
        /// The heads of the columns.
        columns: Vec<String>,
        /// The rows.
        rows: Vec<Vec<String>>,
        /// Where the figures come from.
        basis: Basis,
        /// What measured them.
        instrument: String,
    },
    /// What cannot be had on this machine.
    Unavailable {
        /// What was wanted.
        figure: String,
        /// Why it cannot be had.
        why: String,
        /// What to do about it.
        remedy: String,
    },
    /// A sentence; it stands in the event's `text`.
    Note {
        /// How it is meant.
        tone: Tone,
    },
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How the messages of a batch are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// One at a time, looked at while it is on its way.
    Step,
    /// One after the other, as fast as they go; nothing is looked at.
    Burst,
    /// With pauses, so that each finds its receiver waiting; nothing is looked at.
    Paced,
    /// One, under the probes.
    Xray,
}

/// A call of the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// `send`.
    Send,
    /// `recv`.
    Recv,
}

/// What a copy does with the memory that it touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// The message is read here.
    Read,
    /// The message is written here.
    Write,
}

/// What the kernel says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ProcessState {
    /// It sleeps until the lab asks for something: it is not in the channel.
    Idle,
    /// It runs, or could.
    Running,
    /// It sleeps in a system call.
    Sleeping,
    /// It was stopped by a signal or a debugger.
    Stopped,
    /// It is gone.
    Dead,
}

/// Where a figure comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// From this machine, just now.
    Measured,
    /// From a textbook.
    Quoted,
    /// Computed from something measured.
    Modelled,
}

/// How a note is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    /// To be known.
    Plain,
    /// As it should be.
    Good,
    /// It went wrong, or could not be done.
    Bad,
}

impl What {
    /// The end of a `recv` of which no more is known than that it brought a message.
    pub fn received() -> What {
        What::RecvEnd { payload: None, ahead_bytes: 0 }
    }
}

impl From<Unavailable> for What {
    fn from(gone: Unavailable) -> What {
        What::Unavailable { figure: gone.what, why: gone.why, remedy: gone.remedy }
    }
}

impl Event {
    /// An event of the lab's own.
    pub fn new(t_ns: u64, what: What) -> Event {
        Event { t_ns, what, side: None, message: None, back: false, cpu: None, step: None, text: None }
    }

    /// The same, by `side`.
    pub fn by(self, side: Side) -> Event {
        Event { side: Some(side), ..self }
    }

    /// The same, of a message.
    pub fn of(self, message: u64) -> Event {
        Event { message: Some(message), ..self }
    }

    /// The same, with a sentence for the log.
    pub fn saying(self, text: impl Into<String>) -> Event {
        Event { text: Some(text.into()), ..self }
    }

    /// The line, without its end.
    pub fn line(&self) -> String {
        line(self)
    }

    /// Reads a line; `None` when it is an event of a kind that this program does not know.
    ///
    /// # Errors
    /// The field at fault. The line's number is 0: only the caller knows it.
    pub fn read(text: &str) -> Result<Option<Event>, ReadError> {
        let Value::Object(fields) = parse(text)? else {
            return Err(ReadError::at(0, "an event is an object"));
        };
        let name = match fields.get("what") {
            Some(Value::String(name)) => name.clone(),
            Some(_) => return Err(ReadError::of(0, "what", "not a text")),
            None => return Err(ReadError::of(0, "what", "missing")),
        };
        let value = Value::Object(fields);
        let Common { t_ns, side, message, direction, cpu, step, text } = take(value.clone())?;
        let what = match take(Value::Object(Map::from_iter([(name.clone(), value)]))) {
            Ok(what) => what,
            Err(ReadError { field: None, .. }) => return Ok(None),
            Err(error) => return Err(error.within(&name)),
        };
        if matches!(what, What::Note { .. }) && text.is_none() {
            return Err(ReadError::of(0, "text", "missing"));
        }
        let back = direction.is_some();
        Ok(Some(Event { t_ns, what, side, message, back, cpu, step, text }))
    }
}

impl ReadError {
    /// The same, with the variant's name taken off the field's path.
    fn within(self, name: &str) -> ReadError {
        let field = self.field.map(|field| {
            let rest = field.strip_prefix(name).unwrap_or(&field);
            rest.trim_start_matches('.').to_owned()
        });
        ReadError { field: field.filter(|field| !field.is_empty()), ..self }
    }
}

/// The fields that every event may have.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
struct Common {
    /// When, in nanoseconds from the first event of the trace.
    t_ns: u64,
    /// The side that did it; absent for what the lab itself did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    side: Option<Side>,
    /// Which message, counted from 0 over the whole trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<u64>,
    /// `back` for a message that travels from the receiver to the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    direction: Option<Direction>,
    /// The core the event was seen on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cpu: Option<u32>,
    /// The step of the scene that the event is an instance of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    /// A sentence for the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// The one direction that is said.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
enum Direction {
    Back,
}

impl Serialize for Event {
    /// The common fields and those of `what` beside each other.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Value::Object(tagged) = serde_json::to_value(&self.what).map_err(S::Error::custom)? else {
            return Err(S::Error::custom("an event has fields"));
        };
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("t_ns", &self.t_ns)?;
        for (name, fields) in tagged {
            map.serialize_entry("what", &name)?;
            if let Some(side) = self.side {
                map.serialize_entry("side", &side)?;
            }
            if let Some(message) = self.message {
                map.serialize_entry("message", &message)?;
            }
            if self.back {
                map.serialize_entry("direction", &Direction::Back)?;
            }
            for (name, value) in fields.as_object().into_iter().flatten() {
                map.serialize_entry(name, value)?;
            }
        }
        if let Some(cpu) = self.cpu {
            map.serialize_entry("cpu", &cpu)?;
        }
        if let Some(step) = &self.step {
            map.serialize_entry("step", step)?;
        }
        if let Some(text) = &self.text {
            map.serialize_entry("text", text)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Event {
    /// An event of a kind that is not known is an error here; [`Event::read`] tells it from a fault.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Value::deserialize(from)?.to_string();
        match Event::read(&text) {
            Ok(Some(event)) => Ok(event),
            Ok(None) => Err(D::Error::custom("an event of an unknown kind")),
            Err(error) => Err(D::Error::custom(error)),
        }
    }
}

/// An event's fields stand beside each other: the common ones, and those of its `what`.
#[cfg(feature = "schemars")]
impl schemars::JsonSchema for Event {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Event".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let common = Common::json_schema(generator).to_value();
        let one_of: Vec<Value> = What::json_schema(generator).to_value()["oneOf"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|variant| {
                let (name, own) =
                    variant["properties"].as_object().and_then(|one| one.iter().next()).unwrap();
                let mut whole = common.clone();
                whole["description"] = variant["description"].clone();
                whole["properties"]["what"] = serde_json::json!({ "const": name });
                for (field, schema) in own["properties"].as_object().into_iter().flatten() {
                    whole["properties"][field] = schema.clone();
                }
                let all = whole["required"].as_array_mut().unwrap();
                all.push("what".into());
                all.extend(own["required"].as_array().cloned().into_iter().flatten());
                if name == "note" {
                    all.push("text".into());
                    whole["properties"]["text"]["type"] = "string".into();
                }
                whole
            })
            .collect();
        schemars::json_schema!({ "description": "Every line but the first.", "oneOf": one_of })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_stand_beside_each_other_in_a_fixed_order() {
        let what = What::SendBegin { payload: Some("hello".into()) };
        let event = Event { back: true, cpu: Some(1), ..Event::new(7, what).by(Side::Receiver).of(3) };
        assert_eq!(
            event.line(),
            r#"{"t_ns":7,"what":"send-begin","side":"receiver","message":3,"direction":"back","payload":"hello","cpu":1}"#
        );
        assert_eq!(Event::new(0, What::BatchEnd {}).line(), r#"{"t_ns":0,"what":"batch-end"}"#);
    }

    #[test]
    fn every_kind_of_event_is_read_back() {
        let values = Values::from([("full".into(), json!(true)), ("bytes".into(), json!(7))]);
        let process = Process { actor: Side::Sender, pid: 1, parent: 2, core: None };
        let table = What::Table {
            title: "t".into(),
            columns: vec!["a".into()],
            rows: vec![vec!["1".into()]],
            basis: Basis::Measured,
            instrument: "i".into(),
        };
        for what in [
            What::received(),
            What::Failed { call: Call::Send, error: "disconnected".into() },
            What::State {
                state: ProcessState::Sleeping,
                call: Some("read".into()),
                wchan: None,
                core: Some(1),
            },
            What::Gauges { values, took_ns: 900 },
            What::Died { signal: Some("SIGSEGV".into()), exit_code: None },
            What::ExperimentBegin { id: "wild".into() },
            What::Processes { processes: [process.clone(), process] },
            What::ExperimentEnd {
                id: "wild".into(),
                verdict: "v".into(),
                held: None,
                messages: Some(3),
                arrived: Some(2),
            },
            table,
            What::Note { tone: Tone::Bad },
        ] {
            let event = Event::new(1, what).by(Side::Sender).saying("so it is");
            assert_eq!(Event::read(&event.line()), Ok(Some(event.clone())));
            assert_eq!(serde_json::from_str::<Event>(&event.line()).unwrap(), event);
        }
    }

    #[test]
    fn the_field_at_fault_is_named() {
        let refused = |text: &str| Event::read(text).unwrap_err().to_string();
        assert_eq!(refused("7"), "line 0: an event is an object");
        assert_eq!(refused(r#"{"t_ns":1}"#), "line 0: field `what`: missing");
        for (text, field) in [
            (r#"{"t_ns":"soon","what":"batch-end"}"#, "t_ns"),
            (r#"{"t_ns":1,"what":"batch-end","side":"nobody"}"#, "side"),
            (r#"{"t_ns":1,"what":"batch-begin","mode":"walk","count":1}"#, "mode"),
            (r#"{"t_ns":1,"what":"batch-begin","mode":"step","count":-1}"#, "count"),
            (
                r#"{"t_ns":1,"what":"table","title":"t","columns":["a"],"rows":[[1]],"basis":"quoted","instrument":""}"#,
                "rows[0][0]",
            ),
        ] {
            assert!(refused(text).starts_with(&format!("line 0: field `{field}`")), "{}", refused(text));
        }
        assert!(refused(r#"{"t_ns":1,"what":"batch-begin"}"#).contains("missing field `mode`"));
        assert_eq!(Event::read(r#"{"t_ns":1,"what":"eclipse"}"#), Ok(None));
    }
}
