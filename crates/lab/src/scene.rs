//! A scene as a trace carries it: a mechanism's design ([`crossing::scene`]) and the words about it, so that a trace can be
//! drawn by any program that has it, even of a mechanism that this one has never heard of.
//!
//! The structure is written in `docs/trace.md`. A form, an act or a condition that is not known is read as
//! `Other`, and is to be shown as nothing in particular.

use serde::{Deserialize, Serialize};

pub use crossing::scene::{Act, Actor, Amount, Budget, Effect, Form, Part, Range, Space, Step, When};

/// The story of one mechanism.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Scene {
    /// Its short name, such as `pipe`.
    pub kind: String,
    /// Its title.
    pub title: String,
    /// One or two sentences: what happens to a message.
    pub summary: String,
    /// The paragraph that explains: what the kernel does, what it costs, and where that can be seen.
    pub explanation: String,
    /// A few words each, for a card.
    pub tags: Vec<String>,
    /// Whether one connection carries messages both ways.
    pub duplex: bool,
    /// Whether the peer may be on another machine.
    pub cross_host: bool,
    /// The textbooks' figures; never measured.
    pub quoted: Quoted,
    /// The parts that are shown, from top to bottom.
    pub stage: Vec<ScenePart>,
    /// The steps of one message, in order.
    pub steps: Vec<Step>,
    /// The bounds on the cost of one message, for each way of waiting.
    pub budgets: Vec<Budget>,
    /// The experiments that it offers.
    pub experiments: Vec<Experiment>,
}

/// The textbooks' figures in short words; never measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Quoted {
    /// Copies per message.
    pub copies: String,
    /// System calls per message.
    pub syscalls: String,
    /// Latency of one message.
    pub latency: String,
    /// When to use it.
    pub use_when: String,
}

/// One thing on the stage, with what can be read of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "Part"))]
pub struct ScenePart {
    /// Its kind.
    #[serde(flatten)]
    pub part: Part,
    /// The gauges that can be read while it is shown.
    pub gauges: Vec<Gauge>,
    /// How full it is, where that can be read. An older trace does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
}

/// The two gauges that say how full a part is: both in bytes, and what is held is never more than the size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Level {
    /// The field of the gauge that says what it holds.
    pub held: String,
    /// The field of the gauge that says how much fits.
    pub size: String,
}

/// A figure that can be read of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Gauge {
    /// The key in the `values` of a `gauges` event.
    pub field: String,
    /// The words beside it.
    pub label: String,
    /// Its unit; empty for a plain number or a yes or no, `text` for words.
    pub unit: String,
}

/// Something that can be tried on a mechanism, with real processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Experiment {
    /// The name by which it is asked for, unique in its scene.
    pub id: String,
    /// The words on the button.
    pub title: String,
    /// What the experiment does, and what to watch.
    pub text: String,
}

impl Scene {
    /// The same, with what can be read of the part `id`.
    pub(crate) fn showing(self, id: &str, gauges: impl Into<Vec<Gauge>>) -> Scene {
        self.with(id, |shown| shown.gauges = gauges.into())
    }

    /// The same, with how full the part `id` is: the gauge of what it holds, and the one of its size.
    pub(crate) fn filling(self, id: &str, held: &str, size: &str) -> Scene {
        self.with(id, |shown| shown.level = Some(Level { held: held.into(), size: size.into() }))
    }

    /// The same for two programs that are only watched, and write and read by the calls of these names: without what is read of
    /// the lab's own processes or promised of them. On a channel of one way nothing stands for the way back.
    pub fn watched(mut self, writes: &str, reads: &str, one_way: bool) -> Scene {
        for shown in &mut self.stage {
            shown.gauges.clear();
            shown.level = None;
        }
        for step in &mut self.steps {
            let of_process =
                |effect: &&Effect| matches!(effect, Effect::Sleeps { .. } | Effect::Wakes { .. });
            step.effects = step.effects.iter().filter(of_process).cloned().collect();
            let Act::Syscall { .. } = step.act else { continue };
            let (name, text) = match (step.actor, step.when) {
                (Actor::Sender, _) => (writes, format!("The sender calls {writes}().")),
                (_, When::ReceiverFirst) => {
                    (reads, format!("The receiver calls {reads}(); there is nothing yet."))
                }
                _ => (reads, format!("The receiver is in {reads}(), which finds the bytes.")),
            };
            step.act = Act::Syscall { name: name.to_owned().into() };
            step.text = text.into();
        }
        if one_way {
            let steps = &self.steps;
            let is_on_the_way =
                |id: &str| steps.iter().any(|step| step.at == id || step.to.as_deref() == Some(id));
            self.stage.retain(|shown| match shown.part.form {
                Form::Buffer { .. } | Form::Queue => is_on_the_way(&shown.part.id),
                _ => true,
            });
            self.duplex = false;
        }
        Scene { budgets: vec![], experiments: vec![], ..self }
    }

    fn with(mut self, id: &str, change: impl FnOnce(&mut ScenePart)) -> Scene {
        let part = self.stage.iter_mut().find(|shown| shown.part.id == id);
        debug_assert!(part.is_some(), "{}: no part `{id}`", self.kind);
        if let Some(shown) = part {
            change(shown);
        }
        self
    }
}

impl Quoted {
    pub(crate) fn new(copies: &str, syscalls: &str, latency: &str, use_when: &str) -> Quoted {
        let [copies, syscalls, latency, use_when] = [copies, syscalls, latency, use_when].map(Into::into);
        Quoted { copies, syscalls, latency, use_when }
    }
}

impl Gauge {
    /// A gauge that `field` fills.
    pub(crate) fn new(field: &str, label: &str, unit: &str) -> Gauge {
        Gauge { field: field.into(), label: label.into(), unit: unit.into() }
    }

    /// A gauge that `field` fills with words.
    pub(crate) fn text(field: &str, label: &str) -> Gauge {
        Gauge::new(field, label, "text")
    }
}

impl Experiment {
    pub(crate) fn new(id: &str, title: &str, text: &str) -> Experiment {
        Experiment { id: id.into(), title: title.into(), text: text.into() }
    }

    /// A channel without a reader.
    pub(crate) fn fill() -> Experiment {
        Experiment::new(
            "fill",
            "Fill the buffer",
            "The receiver stops reading. See how many messages fit, and in which call the sender then sleeps.",
        )
    }

    /// How a sender learns of a death.
    pub(crate) fn kill_receiver() -> Experiment {
        Experiment::new(
            "kill-reader",
            "Kill the receiver",
            "The receiver is killed while messages are in flight. See which error the sender gets, and when.",
        )
    }

    /// Whether a message is the sender's own bytes.
    pub(crate) fn copied_or_shared() -> Experiment {
        Experiment::new(
            "copied-or-shared",
            "Copied or shared?",
            "Bytes are overwritten after they were sent. If the old byte arrives, it was copied; if the new one, shared.",
        )
    }

    /// Every touch of a message.
    pub(crate) fn life_of_a_byte() -> Experiment {
        Experiment::new(
            "life-of-a-byte",
            "The life of one byte",
            "Watchpoints on one byte of a message show which process touches it, in which function, and how often.",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossing::Kind;

    #[test]
    fn every_scene_is_read_back_as_it_was_written() {
        for kind in Kind::ALL {
            let scene = Scene::of(kind);
            let text = serde_json::to_string(&scene).unwrap();
            assert_eq!(serde_json::from_str::<Scene>(&text).unwrap(), scene, "{kind}");
            for experiment in &scene.experiments {
                assert_eq!(scene.experiments.iter().filter(|other| other.id == experiment.id).count(), 1);
            }
        }
    }

    #[test]
    fn of_programs_that_are_watched_nothing_is_said_that_only_the_lab_s_own_do() {
        for kind in Kind::ALL {
            let scene = Scene::of(kind).watched("writev", "recvmsg", false);
            assert!(scene.stage.iter().all(|shown| shown.gauges.is_empty() && shown.level.is_none()));
            assert!(scene.budgets.is_empty() && scene.experiments.is_empty());
            let calls = scene.steps.iter().filter_map(|step| match &step.act {
                Act::Syscall { name } => Some((step.actor, name.as_ref())),
                _ => None,
            });
            assert!(
                calls
                    .into_iter()
                    .all(|call| [(Actor::Sender, "writev"), (Actor::Receiver, "recvmsg")].contains(&call))
            );
        }
        let parts = |one_way| Scene::of(Kind::Pipe).watched("write", "read", one_way).stage.len();
        assert_eq!(parts(true) + 1, parts(false), "the second pipe");
    }

    #[test]
    fn the_words_are_those_of_the_document() {
        let scene = serde_json::to_value(Scene::of(Kind::Shm)).unwrap();
        assert_eq!(scene["stage"][0]["form"], serde_json::json!({"is": "process", "actor": "sender"}));
        assert_eq!(scene["stage"][1]["form"], serde_json::json!({"is": "region", "writer": "sender"}));
        assert_eq!(scene["steps"][2]["act"], serde_json::json!({"is": "syscall", "name": "membarrier"}));
        assert_eq!(scene["steps"][2]["when"], "receiver-asleep");
        assert_eq!(scene["steps"][0]["to"], serde_json::Value::Null);
    }

    #[test]
    fn what_is_not_known_is_something_else_and_no_fault() {
        let form: Form = serde_json::from_str(r#"{"is":"mailbox","flaps":2}"#).unwrap();
        assert_eq!(form, Form::Other);
        assert_eq!(serde_json::from_str::<Act>(r#"{"is":"teleport"}"#).unwrap(), Act::Other);
        assert_eq!(serde_json::from_str::<When>(r#""sundays""#).unwrap(), When::Other);
    }
}
