//! The commands of a stage, as the page sends them (`docs/api.md`), checked before anything
//! happens.

use serde::Deserialize;
use serde_json::Value;

use crate::scene::Scene;
use crate::trace::Mode;

use crate::message::WORDS_LIMIT;

/// The most messages of one command.
pub const COUNT_LIMIT: u64 = 1_000;

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Look at both processes and at all gauges.
    Look,
    /// Send messages.
    Send(Messages),
    /// Look through one message, between processes made for it.
    Xray,
    /// Run one of the scene's experiments, on processes made for it.
    Experiment {
        /// Which.
        id: String,
    },
}

/// Messages to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Messages {
    /// How many, from 1 to [`COUNT_LIMIT`].
    pub count: u64,
    /// How: in steps that are looked at, in a burst, or paced.
    pub mode: Mode,
    /// The words in each message, at most [`WORDS_LIMIT`] bytes; else each says its number. They are cut to the
    /// stage's message size.
    #[serde(default)]
    pub text: Option<String>,
    /// From which process.
    #[serde(default)]
    pub direction: SendDirection,
    /// In steps: whether the receiving process is told to receive before the message is sent, and is seen
    /// asleep. Else the message is seen on its way.
    #[serde(default)]
    pub receiver_first: bool,
}

/// The way of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SendDirection {
    /// From the sender to the receiver.
    #[default]
    Forward,
    /// From the receiver to the sender.
    Back,
}

impl Command {
    /// Reads a command from JSON: an object whose `do` is `look`, `send`, `xray` or `experiment`.
    ///
    /// # Errors
    /// One sentence that names the field at fault.
    pub fn read(text: &str) -> Result<Command, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        let Value::Object(mut fields) = value else { return Err("a command is an object".into()) };
        match fields.remove("do") {
            Some(Value::String(verb)) => match verb.as_str() {
                "look" => Ok(Command::Look),
                "xray" => Ok(Command::Xray),
                "send" => take(fields.into()).map(Command::Send),
                "experiment" => {
                    take(fields.into()).map(|ExperimentCommand { id }| Command::Experiment { id })
                }
                other => {
                    Err(format!("field `do`: unknown command `{other}`: look, send, xray or experiment"))
                }
            },
            Some(_) => Err("field `do`: not a text".into()),
            None => Err("field `do`: missing: look, send, xray or experiment".into()),
        }
    }

    /// The first fault: a sentence that names the value and its limit.
    pub fn fault(&self, scene: &Scene) -> Option<String> {
        match self {
            Command::Look | Command::Xray => None,
            Command::Send(send) => send.fault(),
            Command::Experiment { id } => {
                let known: Vec<&str> =
                    scene.experiments.iter().map(|experiment| experiment.id.as_str()).collect();
                let unknown = !known.contains(&id.as_str());
                unknown.then(|| format!("unknown experiment `{id}`: one of {}", known.join(", ")))
            }
        }
    }
}

impl Messages {
    fn fault(&self) -> Option<String> {
        if self.count == 0 || self.count > COUNT_LIMIT {
            return Some(format!("count {} is out of range: 1 to {COUNT_LIMIT} messages", self.count));
        }
        if self.mode == Mode::Xray {
            return Some("an x-ray is a command of its own".into());
        }
        let text = self.text.as_deref().unwrap_or_default();
        if text.len() > WORDS_LIMIT {
            return Some(format!("the text has {} bytes, and {WORDS_LIMIT} are the most", text.len()));
        }
        text.contains('\0').then(|| "the text must not hold a zero byte: it would end there".into())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExperimentCommand {
    id: String,
}

fn take<T: serde::de::DeserializeOwned>(fields: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(fields).map_err(|error| {
        let field = error.path().to_string();
        let why = error.into_inner();
        if field == "." { why.to_string() } else { format!("field `{field}`: {why}") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossing::Kind;

    #[test]
    fn a_command_is_read_with_its_defaults() {
        let send = Messages {
            count: 10,
            mode: Mode::Step,
            text: None,
            direction: SendDirection::Forward,
            receiver_first: false,
        };
        let text = r#"{"do":"send","count":10,"mode":"step"}"#;
        assert_eq!(Command::read(text), Ok(Command::Send(send.clone())));
        let text =
            r#"{"do":"send","count":1,"mode":"burst","text":"hi","direction":"back","receiver_first":true}"#;
        let told = Messages {
            count: 1,
            mode: Mode::Burst,
            text: Some("hi".into()),
            direction: SendDirection::Back,
            receiver_first: true,
        };
        assert_eq!(Command::read(text), Ok(Command::Send(told)));
        let wild = Command::Experiment { id: "wild".into() };
        assert_eq!(Command::read(r#"{"do":"experiment","id":"wild"}"#), Ok(wild));
        assert_eq!(Command::read(r#"{"do":"look"}"#), Ok(Command::Look));
    }

    #[test]
    fn the_field_at_fault_is_named() {
        for (text, words) in [
            ("", "not JSON"),
            ("[]", "an object"),
            ("{}", "field `do`: missing"),
            (r#"{"do":7}"#, "field `do`: not a text"),
            (r#"{"do":"dance"}"#, "unknown command `dance`"),
            (r#"{"do":"send","mode":"step"}"#, "missing field `count`"),
            (r#"{"do":"send","count":-1,"mode":"step"}"#, "field `count`"),
            (r#"{"do":"send","count":1,"mode":"jump"}"#, "field `mode`"),
            (r#"{"do":"send","count":1,"mode":"step","direction":"up"}"#, "field `direction`"),
            (r#"{"do":"send","count":1,"mode":"step","colour":"red"}"#, "unknown field `colour`"),
            (r#"{"do":"experiment"}"#, "missing field `id`"),
        ] {
            let why = Command::read(text).unwrap_err();
            assert!(why.contains(words), "{text}: {why}");
        }
    }

    #[test]
    fn what_is_out_of_range_is_said_with_its_limit() {
        let scene = Scene::of(Kind::Pipe);
        let send = |count, text: Option<String>| {
            Command::Send(Messages {
                count,
                mode: Mode::Step,
                text,
                direction: SendDirection::Forward,
                receiver_first: false,
            })
        };
        assert_eq!(send(1, None).fault(&scene), None);
        assert_eq!(send(1_000, Some("x".repeat(64))).fault(&scene), None);
        assert!(send(0, None).fault(&scene).unwrap().contains("1 to 1000"));
        assert!(send(1_001, None).fault(&scene).unwrap().contains("1 to 1000"));
        assert!(send(1, Some("x".repeat(65))).fault(&scene).unwrap().contains("65 bytes"));
        assert!(send(1, Some("a\0b".into())).fault(&scene).unwrap().contains("zero"));
        let wild = Command::Experiment { id: "wild".into() };
        assert_eq!(
            wild.fault(&scene).unwrap(),
            "unknown experiment `wild`: one of fill, kill-reader, copied-or-shared, life-of-a-byte"
        );
    }
}
