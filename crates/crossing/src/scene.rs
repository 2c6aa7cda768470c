//! A mechanism's story, as data.
//!
//! Every mechanism carries one [`Scene`]: the parts of its *stage* (what there is to see), the
//! ordered [`Step`]s of one message (actor, act, place and condition) and a [`Budget`] for each way
//! of waiting (what one message may cost). A display draws the scene; a probe compares its counts
//! with the budget. One source, so the explanation cannot drift from the code. Only the mechanisms
//! of this crate make scenes.
//!
//! ```
//! use crossing::{Kind, scene::Act};
//!
//! let calls: Vec<_> = Kind::Pipe.scene().steps.iter()
//!     .filter_map(|step| match step.act { Act::Syscall(name) => Some(name), _ => None })
//!     .collect();
//! assert!(calls.contains(&"write") && calls.contains(&"read"));
//! ```

use crate::kind::Kind;

/// The story of one mechanism.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scene {
    /// The mechanism.
    pub kind: Kind,
    /// What people call it, for headings: `Shared memory`.
    pub title: &'static str,
    /// One or two sentences: what happens to a message.
    pub summary: &'static str,
    /// The paragraph that explains: what the kernel does, what it costs, and where that can be seen.
    pub explanation: &'static str,
    /// Two or three words each, for a card.
    pub tags: &'static [&'static str],
    /// What there is to see, from top to bottom.
    pub stage: &'static [Part],
    /// What happens to one message, in order.
    pub steps: &'static [Step],
    /// What one message may cost, for each way of waiting.
    pub budgets: &'static [Budget],
    /// Whether one connection carries messages both ways (a pipe needs two pipes).
    pub duplex: bool,
    /// Whether the peer may be on another machine.
    pub cross_host: bool,
    /// What textbooks say of it, word for word short; never shown as measured.
    pub quoted: Quoted,
    /// What can be tried on it.
    pub experiments: &'static [Experiment],
}

/// Something that can be tried on a mechanism, with real processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Experiment {
    /// A short name, unique in its scene; the key by which an experiment is run.
    pub id: &'static str,
    /// The words on the button.
    pub title: &'static str,
    /// What will be done, and what to look at.
    pub text: &'static str,
}

impl Experiment {
    /// A channel without a reader.
    pub(crate) const FILL: Experiment = Experiment::new(
        "fill",
        "Fill the buffer",
        "The receiver stops reading. See how many messages fit, and in which call the sender then sleeps.",
    );
    /// How a sender learns of a death.
    pub(crate) const KILL_READER: Experiment = Experiment::new(
        "kill-reader",
        "Kill the receiver",
        "The receiver is killed while messages are in flight. See which error the sender gets, and when.",
    );
    /// Whether a message is the sender's own bytes.
    pub(crate) const COPIED_OR_SHARED: Experiment = Experiment::new(
        "copied-or-shared",
        "Copied or shared?",
        "Bytes are overwritten after they were sent. If the old byte arrives, it was copied; if the new one, shared.",
    );
    /// Every touch of a message.
    pub(crate) const LIFE_OF_A_BYTE: Experiment = Experiment::new(
        "life-of-a-byte",
        "The life of one byte",
        "Watchpoints on one byte of a message show which process touches it, in which function, and how often.",
    );

    /// An experiment.
    pub(crate) const fn new(id: &'static str, title: &'static str, text: &'static str) -> Experiment {
        Experiment { id, title, text }
    }
}

/// One thing on the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The name by which steps refer to it.
    pub id: &'static str,
    /// What it is.
    pub form: Form,
    /// The words beside it.
    pub label: &'static str,
    /// On which side of the line it stands.
    pub space: Space,
    /// What can be read of it while it is shown.
    pub gauges: &'static [Gauge],
}

impl Part {
    /// A process.
    pub(crate) const fn process(actor: Actor) -> Part {
        let id = actor.name();
        Part { id, form: Form::Process(actor), label: id, space: Space::User, gauges: &[] }
    }

    /// Something in user space.
    pub(crate) const fn user(
        id: &'static str,
        form: Form,
        label: &'static str,
        gauges: &'static [Gauge],
    ) -> Part {
        Part { id, form, label, space: Space::User, gauges }
    }

    /// Something in the kernel.
    pub(crate) const fn kernel(
        id: &'static str,
        form: Form,
        label: &'static str,
        gauges: &'static [Gauge],
    ) -> Part {
        Part { id, form, label, space: Space::Kernel, gauges }
    }
}

/// The vocabulary of a stage. A display that draws these forms can draw any mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A process, by its actor.
    Process(Actor),
    /// Memory that a process has mapped; the actor that may write it.
    Region(Actor),
    /// A kernel buffer with this many slots, passed through in order.
    Buffer(u32),
    /// A queue of bytes.
    Queue,
    /// A layer that a message passes on its way.
    Layer,
    /// A name by which the two find each other: a path, an address.
    Name,
}

/// The two sides of the line that depth is measured from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// Above the line: the processes' own memory.
    User,
    /// Below the line: only a system call gets there.
    Kernel,
}

/// A figure that can be read of a part while it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gauge {
    /// The field of a trace that fills it.
    pub field: &'static str,
    /// The words beside it.
    pub label: &'static str,
    /// Its unit; empty for a plain number or a yes or no, `text` for words.
    pub unit: &'static str,
}

impl Gauge {
    /// A gauge that `field` fills.
    pub(crate) const fn new(field: &'static str, label: &'static str, unit: &'static str) -> Gauge {
        Gauge { field, label, unit }
    }

    /// A gauge that `field` fills with words.
    pub(crate) const fn text(field: &'static str, label: &'static str) -> Gauge {
        Gauge::new(field, label, "text")
    }
}

/// The actor of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// The process that sends.
    Sender,
    /// The process that receives.
    Receiver,
    /// The kernel, on behalf of either.
    Kernel,
}

impl Actor {
    /// In a word: `sender`, `receiver`, `kernel`. A process on the stage has its actor's name as its id.
    pub const fn name(self) -> &'static str {
        match self {
            Actor::Sender => "sender",
            Actor::Receiver => "receiver",
            Actor::Kernel => "kernel",
        }
    }
}

/// One step of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// A short name, unique in its scene.
    pub id: &'static str,
    /// Its actor.
    pub actor: Actor,
    /// What is done.
    pub act: Act,
    /// The part it is done at.
    pub at: &'static str,
    /// Where bytes go, if they move.
    pub to: Option<&'static str>,
    /// When it happens at all.
    pub when: When,
    /// One sentence.
    pub text: &'static str,
}

impl Step {
    /// A step at the part `at`, for every message.
    pub(crate) const fn new(
        id: &'static str,
        actor: Actor,
        act: Act,
        at: &'static str,
        text: &'static str,
    ) -> Step {
        Step { id, actor, act, at, to: None, when: When::Always, text }
    }

    /// … that moves the message to the part `to`.
    pub(crate) const fn to(self, to: &'static str) -> Step {
        Step { to: Some(to), ..self }
    }

    /// … that happens only under a condition.
    pub(crate) const fn when(self, when: When) -> Step {
        Step { when, ..self }
    }
}

/// What a step is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Bytes are written to memory by the process itself.
    Store,
    /// Bytes are read from memory by the process itself.
    Load,
    /// The process enters the kernel by this call.
    Syscall(&'static str),
    /// The kernel copies the message.
    Copy,
    /// The kernel makes the other process runnable.
    Wake,
    /// The process gives up its core until it is woken.
    Sleep,
    /// The process looks whether something has arrived.
    Poll,
}

/// Under which condition a step happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// For every message.
    Always,
    /// Only if the receiver came before the message.
    ReceiverFirst,
    /// Only if the receiver sleeps.
    ReceiverAsleep,
    /// Only if there is no room.
    Full,
}

/// The cost of one message whose receiver waits for it, under one way of waiting: bounds for
/// measured counts. A message that arrives before its receiver waits needs no wake-up, and one call
/// may take many of those.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// The way of waiting, by name: `spin`, `hybrid` or `block`.
    pub wait: &'static str,
    /// System calls of the sender.
    pub sender_syscalls: Range,
    /// System calls of the receiver.
    pub receiver_syscalls: Range,
    /// Copies made by the kernel.
    pub kernel_copies: Range,
    /// Times the kernel makes a sleeping receiver runnable.
    pub wakes: Range,
}

impl Budget {
    /// What a message costs that goes through the kernel by one call in and one call out, for each way of
    /// waiting. A receiver that polls makes a call for every empty look.
    pub(crate) const IN_AND_OUT: [Budget; 3] = {
        const fn budget(wait: &'static str, receiver_syscalls: Range, wakes: Range) -> Budget {
            let sender_syscalls = Range::exactly(1.0);
            Budget { wait, sender_syscalls, receiver_syscalls, kernel_copies: Range::exactly(2.0), wakes }
        }
        [
            budget("spin", Range::at_least(1.0), Range::exactly(0.0)),
            budget("hybrid", Range::at_least(1.0), Range::between(0.0, 1.0)),
            budget("block", Range::exactly(1.0), Range::exactly(1.0)),
        ]
    };
}

/// From least to most, per message, on average over many; `most` is `None` where polling sets no bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// At least this many.
    pub least: f64,
    /// At most this many.
    pub most: Option<f64>,
}

impl Range {
    /// Exactly this many.
    pub const fn exactly(count: f64) -> Range {
        Range { least: count, most: Some(count) }
    }

    /// From `least` to `most`.
    pub const fn between(least: f64, most: f64) -> Range {
        Range { least, most: Some(most) }
    }

    /// `least` or more: each empty look costs one.
    pub const fn at_least(least: f64) -> Range {
        Range { least, most: None }
    }

    /// Whether `count` is within the bounds, allowing `slack` for starting and stopping.
    pub fn holds(self, count: f64, slack: f64) -> bool {
        count + slack >= self.least && self.most.is_none_or(|most| count <= most + slack)
    }
}

/// What textbooks say. To be shown as quoted, beside what was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quoted {
    /// Copies per message.
    pub copies: &'static str,
    /// System calls per message.
    pub syscalls: &'static str,
    /// Latency of one message.
    pub latency: &'static str,
    /// When to use it.
    pub use_when: &'static str,
}
