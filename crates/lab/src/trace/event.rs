//! One event of a trace: a line of JSON with time, event, actor and message.
//!
//! What is common to all events stands beside `what`; the fields that belong to one `what` stand in its
//! variant of [`What`].

use serde::de::Error as _;
use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::line::{ReadError, line, parse, take};
use super::what::{Side, What};

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
    /// The process, where a side has others than the one that the header names.
    pub pid: Option<u32>,
    /// The thread, where it is not the process's first.
    pub thread: Option<u32>,
    /// The core the event was seen on.
    pub cpu: Option<u32>,
    /// The step of the scene that the event is an instance of.
    pub step: Option<String>,
    /// A sentence for the log.
    pub text: Option<String>,
}

impl Event {
    /// An event of the lab's own.
    pub fn new(t_ns: u64, what: What) -> Event {
        Event {
            t_ns,
            what,
            side: None,
            message: None,
            back: false,
            pid: None,
            thread: None,
            cpu: None,
            step: None,
            text: None,
        }
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
        let Common { t_ns, side, message, direction, pid, thread, cpu, step, text } = take(value.clone())?;
        let what = match take(Value::Object(Map::from_iter([(name.clone(), value)]))) {
            Ok(what) => what,
            Err(ReadError { field: None, .. }) => return Ok(None),
            Err(error) => return Err(error.within(&name)),
        };
        if matches!(what, What::Note { .. }) && text.is_none() {
            return Err(ReadError::of(0, "text", "missing"));
        }
        let back = direction.is_some();
        Ok(Some(Event { t_ns, what, side, message, back, pid, thread, cpu, step, text }))
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
    /// The process, where a side has others than the one that the header names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    /// The thread, where it is not the process's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thread: Option<u32>,
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
        for (name, number) in [("pid", self.pid), ("thread", self.thread)] {
            if let Some(number) = number {
                map.serialize_entry(name, &number)?;
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
    use super::super::what::{Basis, Call, Process, ProcessState, Tone, Values};
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_stand_beside_each_other_in_a_fixed_order() {
        let what = What::SendBegin { payload: Some("hello".into()), bytes: None };
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
        let process = Process { actor: Side::Sender, pid: 1, parent: 2, core: None, name: None };
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
