//! A scene as a trace carries it: what [`crossing::scene`] says of a mechanism, in words of its own, so that a
//! trace can be drawn by whoever has it, even of a mechanism that this program has never heard of.
//!
//! The structure is written in `docs/trace.md`. A form, an act or a condition that is not known is read as
//! `Other`, and is to be shown as nothing in particular.

use crossing::scene as design;
use serde::{Deserialize, Serialize};

/// The story of one mechanism.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scene {
    /// Its short name, such as `pipe`.
    pub kind: String,
    /// What people call it.
    pub title: String,
    /// One or two sentences.
    pub summary: String,
    /// The paragraph that explains.
    pub explanation: String,
    /// A few words each, for a card.
    pub tags: Vec<String>,
    /// Whether one connection carries messages both ways.
    pub duplex: bool,
    /// Whether the peer may be on another machine.
    pub cross_host: bool,
    /// What textbooks say.
    pub quoted: Quoted,
    /// What there is to see, from top to bottom.
    pub stage: Vec<Part>,
    /// What happens to one message, in order.
    pub steps: Vec<Step>,
    /// What one message may cost, for each way of waiting.
    pub budgets: Vec<Budget>,
    /// What can be tried on it.
    pub experiments: Vec<Experiment>,
}

/// What textbooks say; never measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// One thing on the stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The name by which steps refer to it.
    pub id: String,
    /// What it is.
    pub form: Form,
    /// The words beside it.
    pub label: String,
    /// On which side of the line it stands.
    pub space: Space,
    /// What can be read of it.
    pub gauges: Vec<Gauge>,
}

/// What a part is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Form {
    /// A process.
    Process {
        /// Which.
        actor: Actor,
    },
    /// Memory that a process has mapped.
    Region {
        /// Who may write it.
        writer: Actor,
    },
    /// A kernel buffer.
    Buffer {
        /// Of so many slots.
        slots: u32,
    },
    /// A queue of bytes.
    Queue,
    /// A layer that a message passes.
    Layer,
    /// A name by which the two find each other.
    Name,
    /// Something that this program does not know.
    #[serde(other)]
    Other,
}

/// The two sides of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Space {
    /// The processes' own memory.
    User,
    /// Only a system call gets there.
    Kernel,
}

/// A figure that can be read of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gauge {
    /// The key in the `values` of a `gauges` event.
    pub field: String,
    /// The words beside it.
    pub label: String,
    /// Its unit; empty for a plain number, a text or a boolean.
    pub unit: String,
}

/// Who does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    /// The process that sends forward.
    Sender,
    /// The process that receives.
    Receiver,
    /// The kernel.
    Kernel,
}

impl Actor {
    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Actor::Sender => "sender",
            Actor::Receiver => "receiver",
            Actor::Kernel => "kernel",
        }
    }
}

/// One step of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// A short name, unique in its scene.
    pub id: String,
    /// Who does it.
    pub actor: Actor,
    /// What is done.
    pub act: Act,
    /// The part it is done at.
    pub at: String,
    /// The part that bytes go to, if they move.
    pub to: Option<String>,
    /// When it happens at all.
    pub when: When,
    /// One sentence.
    pub text: String,
}

/// What a step is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Act {
    /// A system call.
    Syscall {
        /// Its name.
        name: String,
    },
    /// The process writes memory itself.
    Store,
    /// The process reads memory itself.
    Load,
    /// The kernel copies the message.
    Copy,
    /// The kernel makes the other process runnable.
    Wake,
    /// The process gives up its core.
    Sleep,
    /// The process looks whether something has arrived.
    Poll,
    /// Something that this program does not know.
    #[serde(other)]
    Other,
}

/// Under which condition a step happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// For every message.
    Always,
    /// Only if the receiver came before the message.
    ReceiverFirst,
    /// Only if the receiver sleeps.
    ReceiverAsleep,
    /// Only if there is no room.
    Full,
    /// A condition that this program does not know.
    #[serde(other)]
    Other,
}

/// What one message may cost under one way of waiting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// The way of waiting, by name.
    pub wait: String,
    /// System calls of the sender.
    pub sender_syscalls: Range,
    /// System calls of the receiver.
    pub receiver_syscalls: Range,
    /// Copies made by the kernel.
    pub kernel_copies: Range,
    /// Times a sleeping receiver is made runnable.
    pub wakes: Range,
}

/// From least to most, per message.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// At least this many.
    pub least: f64,
    /// At most this many; `None` where polling sets no bound.
    pub most: Option<f64>,
}

/// Something that can be tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Experiment {
    /// The name by which it is asked for.
    pub id: String,
    /// The words on the button.
    pub title: String,
    /// What will be done, and what to look at.
    pub text: String,
}

impl From<&design::Scene> for Scene {
    fn from(scene: &design::Scene) -> Scene {
        Scene {
            kind: scene.kind.to_string(),
            title: scene.title.into(),
            summary: scene.summary.into(),
            explanation: scene.explanation.into(),
            tags: scene.tags.iter().map(|&tag| tag.into()).collect(),
            duplex: scene.duplex,
            cross_host: scene.cross_host,
            quoted: Quoted {
                copies: scene.quoted.copies.into(),
                syscalls: scene.quoted.syscalls.into(),
                latency: scene.quoted.latency.into(),
                use_when: scene.quoted.use_when.into(),
            },
            stage: scene.stage.iter().map(Part::from).collect(),
            steps: scene.steps.iter().map(Step::from).collect(),
            budgets: scene.budgets.iter().map(Budget::from).collect(),
            experiments: scene.experiments.iter().map(Experiment::from).collect(),
        }
    }
}

impl From<&design::Part> for Part {
    fn from(part: &design::Part) -> Part {
        Part {
            id: part.id.into(),
            form: match part.form {
                design::Form::Process(actor) => Form::Process { actor: actor.into() },
                design::Form::Region(writer) => Form::Region { writer: writer.into() },
                design::Form::Buffer(slots) => Form::Buffer { slots },
                design::Form::Queue => Form::Queue,
                design::Form::Layer => Form::Layer,
                design::Form::Name => Form::Name,
            },
            label: part.label.into(),
            space: match part.space {
                design::Space::User => Space::User,
                design::Space::Kernel => Space::Kernel,
            },
            gauges: part
                .gauges
                .iter()
                .map(|gauge| Gauge {
                    field: gauge.field.into(),
                    label: gauge.label.into(),
                    unit: gauge.unit.into(),
                })
                .collect(),
        }
    }
}

impl From<design::Actor> for Actor {
    fn from(actor: design::Actor) -> Actor {
        match actor {
            design::Actor::Sender => Actor::Sender,
            design::Actor::Receiver => Actor::Receiver,
            design::Actor::Kernel => Actor::Kernel,
        }
    }
}

impl From<&design::Step> for Step {
    fn from(step: &design::Step) -> Step {
        Step {
            id: step.id.into(),
            actor: step.actor.into(),
            act: match step.act {
                design::Act::Store => Act::Store,
                design::Act::Load => Act::Load,
                design::Act::Syscall(name) => Act::Syscall { name: name.into() },
                design::Act::Copy => Act::Copy,
                design::Act::Wake => Act::Wake,
                design::Act::Sleep => Act::Sleep,
                design::Act::Poll => Act::Poll,
            },
            at: step.at.into(),
            to: step.to.map(Into::into),
            when: match step.when {
                design::When::Always => When::Always,
                design::When::ReceiverFirst => When::ReceiverFirst,
                design::When::ReceiverAsleep => When::ReceiverAsleep,
                design::When::Full => When::Full,
            },
            text: step.text.into(),
        }
    }
}

impl From<&design::Budget> for Budget {
    fn from(budget: &design::Budget) -> Budget {
        let range = |range: design::Range| Range { least: range.least, most: range.most };
        Budget {
            wait: budget.wait.into(),
            sender_syscalls: range(budget.sender_syscalls),
            receiver_syscalls: range(budget.receiver_syscalls),
            kernel_copies: range(budget.kernel_copies),
            wakes: range(budget.wakes),
        }
    }
}

impl From<&design::Experiment> for Experiment {
    fn from(experiment: &design::Experiment) -> Experiment {
        Experiment { id: experiment.id.into(), title: experiment.title.into(), text: experiment.text.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossing::Kind;

    #[test]
    fn every_scene_is_read_back_as_it_was_written() {
        for kind in Kind::ALL {
            let scene = Scene::from(kind.scene());
            let text = serde_json::to_string(&scene).unwrap();
            assert_eq!(serde_json::from_str::<Scene>(&text).unwrap(), scene, "{kind}");
        }
    }

    #[test]
    fn the_words_are_those_of_the_document() {
        let scene = serde_json::to_value(Scene::from(Kind::Shm.scene())).unwrap();
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
