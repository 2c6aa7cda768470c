//! A mechanism's story, as data.
//!
//! Every mechanism carries one [`SceneDesign`]: the parts of its *stage* (what there is to see), the
//! ordered [`Step`]s of one message (actor, act, place and condition) and a [`Budget`] for each way
//! of waiting (what one message may cost). A display draws the scene; a probe compares its counts
//! with the budget. One source, so the explanation cannot drift from the code.
//!
//! Only the mechanisms of this crate make scenes. Serde writes and reads the parts of a scene, so
//! that a recording can carry the scene that explains it; a form, an act or a condition that this
//! version does not know is read as `Other`.
//!
//! This module is behind the feature `scene`: a program that only talks does not compile it.
//!
//! ```
//! use crossing::{Kind, scene::Act};
//!
//! let calls: Vec<&str> = Kind::Pipe.scene().steps.iter()
//!     .filter_map(|step| match &step.act { Act::Syscall { name } => Some(&**name), _ => None })
//!     .collect();
//! assert!(calls.contains(&"write") && calls.contains(&"read"));
//! ```

use std::borrow::Cow;

#[cfg(feature = "schemars")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::Kind;

/// The story of one mechanism.
///
/// # Examples
/// ```
/// use crossing::Kind;
///
/// // The story as text.
/// let scene = Kind::Unix.scene();
/// for step in scene.steps {
///     println!("{}: {}", step.actor.name(), step.text);
/// }
/// assert!(scene.duplex && !scene.cross_host);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SceneDesign {
    /// The mechanism.
    pub kind: Kind,
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
}

/// One thing on the stage.
///
/// # Examples
/// ```
/// use crossing::{Kind, scene::Space};
///
/// // What stands below the line: only a system call gets there.
/// let below = Kind::Pipe.scene().stage.iter().filter(|part| part.space == Space::Kernel);
/// assert!(below.clone().any(|part| part.label.contains("pipe")));
/// # assert!(below.count() > 0);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(JsonSchema))]
pub struct Part {
    /// The name by which steps refer to it.
    pub id: Cow<'static, str>,
    /// What it is.
    pub form: Form,
    /// The words beside it.
    pub label: Cow<'static, str>,
    /// On which side of the line it stands.
    pub space: Space,
}

impl Part {
    /// A process.
    pub(crate) const fn process(actor: Actor) -> Part {
        Part::user(actor.name(), Form::Process { actor }, actor.name())
    }

    /// Something in user space.
    pub(crate) const fn user(id: &'static str, form: Form, label: &'static str) -> Part {
        Part { id: Cow::Borrowed(id), form, label: Cow::Borrowed(label), space: Space::User }
    }

    /// Something in the kernel.
    pub(crate) const fn kernel(id: &'static str, form: Form, label: &'static str) -> Part {
        Part { id: Cow::Borrowed(id), form, label: Cow::Borrowed(label), space: Space::Kernel }
    }
}

/// The vocabulary of a stage. A display that draws these forms can draw any mechanism.
///
/// # Examples
/// ```
/// use crossing::{Kind, scene::{Actor, Form}};
///
/// // Whether a process could overwrite what the other one has written.
/// let shared = Kind::Shm.scene().stage.iter().any(|part| match part.form {
///     Form::Region { writer: None } => true,
///     Form::Region { writer: Some(Actor::Sender | Actor::Receiver) } => false,
///     _ => false,
/// });
/// assert!(!shared);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(JsonSchema))]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Form {
    /// A process.
    Process {
        /// Which.
        actor: Actor,
    },
    /// Memory that a process has mapped.
    Region {
        /// The one that may write it; `None` when both may.
        writer: Option<Actor>,
    },
    /// A kernel buffer, passed through in order.
    Buffer {
        /// How many slots it has.
        slots: u32,
    },
    /// A queue of bytes.
    Queue,
    /// A layer that a message passes on its way.
    Layer,
    /// A name by which the two find each other: a path, an address.
    Name,
    /// A form that this version does not know: read, and never made.
    #[serde(other)]
    #[cfg_attr(feature = "schemars", schemars(skip))]
    Other,
}

/// The two sides of the line that depth is measured from.
///
/// # Examples
/// ```
/// use crossing::{Kind, scene::Space};
///
/// for part in Kind::Shm.scene().stage {
///     let depth = match part.space {
///         Space::User => "above",
///         Space::Kernel => "below",
///     };
///     println!("{depth}: {}", part.label);
/// }
/// assert!(Kind::Shm.scene().stage.iter().any(|part| part.space == Space::User));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Space {
    /// Above the line: the processes' own memory.
    User,
    /// Below the line: only a system call gets there.
    Kernel,
}

/// The actor of a step.
///
/// # Examples
/// ```
/// use crossing::{Kind, scene::Actor};
///
/// // The kernel's part in a message through a pipe.
/// let steps = Kind::Pipe.scene().steps;
/// let by_kernel = steps.iter().filter(|step| step.actor == Actor::Kernel).count();
/// assert!(0 < by_kernel && by_kernel < steps.len());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    /// The process that sends forward.
    Sender,
    /// The process that receives.
    Receiver,
    /// The kernel, on behalf of either.
    Kernel,
}

impl Actor {
    /// In a word: `sender`, `receiver`, `kernel`. A process on the stage has its actor's name as its id.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Kind, scene::Actor};
    ///
    /// // Its process on the stage.
    /// let name = Actor::Sender.name();
    /// assert_eq!(name, "sender");
    /// assert!(Kind::Pipe.scene().stage.iter().any(|part| part.id == name));
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Actor::Sender => "sender",
            Actor::Receiver => "receiver",
            Actor::Kernel => "kernel",
        }
    }
}

/// One step of a message.
///
/// # Examples
/// ```
/// use crossing::Kind;
///
/// // Each step names parts of its stage.
/// let scene = Kind::Tcp.scene();
/// let is_there = |id: &str| scene.stage.iter().any(|part| part.id == id);
/// for step in scene.steps {
///     assert!(is_there(&step.at) && step.to.as_deref().is_none_or(is_there), "{}", step.id);
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(JsonSchema))]
pub struct Step {
    /// A short name, unique in its scene.
    pub id: Cow<'static, str>,
    /// Its actor.
    pub actor: Actor,
    /// What is done.
    pub act: Act,
    /// The part it is done at.
    pub at: Cow<'static, str>,
    /// The part that bytes go to, if they move.
    pub to: Option<Cow<'static, str>>,
    /// When it happens at all.
    pub when: When,
    /// One sentence.
    pub text: Cow<'static, str>,
    /// What the step changes on the stage. A trace that was written before effects existed has none.
    #[serde(default)]
    pub effects: Cow<'static, [Effect]>,
}

/// What a step changes on the stage: between two readings of a gauge, its figure follows from the
/// effects of the steps since.
///
/// An effect names its gauge as forward messages see it. For a message that travels back, the gauge
/// is the other direction's: `back_` before the field, or `receiver_` in place of `sender_` and the
/// other way round.
///
/// # Examples
/// ```
/// use crossing::{Kind, scene::Effect};
///
/// // Which gauges a message through shared memory moves.
/// let steps = Kind::Shm.scene().steps;
/// let gauges: Vec<&str> = steps.iter().flat_map(|step| step.effects.iter()).filter_map(|effect| match effect {
///     Effect::Add { gauge, .. } | Effect::Take { gauge, .. } => Some(&**gauge),
///     Effect::Set { gauge, .. } | Effect::Show { gauge } => Some(&**gauge),
///     Effect::Sleeps { .. } | Effect::Wakes { .. } => None,
///     _ => None,
/// }).collect();
/// assert!(gauges.contains(&"receiver_asleep"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(JsonSchema))]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Effect {
    /// The gauge grows by so many bytes.
    Add {
        /// The gauge's field.
        gauge: Cow<'static, str>,
        /// How many.
        by: Amount,
    },
    /// The gauge shrinks by so many bytes.
    Take {
        /// The gauge's field.
        gauge: Cow<'static, str>,
        /// How many.
        by: Amount,
    },
    /// The gauge says yes or no from here on.
    Set {
        /// The gauge's field.
        gauge: Cow<'static, str>,
        /// What it says.
        to: bool,
    },
    /// The gauge shows the text of the message.
    Show {
        /// The gauge's field.
        gauge: Cow<'static, str>,
    },
    /// The step's process sleeps from here on, in the queue of this part.
    Sleeps {
        /// The part's id.
        at: Cow<'static, str>,
    },
    /// A process sleeps no longer.
    Wakes {
        /// Which.
        process: Actor,
    },
    /// An effect that this version does not know: read, and never made.
    #[serde(other)]
    #[cfg_attr(feature = "schemars", schemars(skip))]
    Other,
}

impl Effect {
    /// The gauge grows by the message's frame.
    pub(crate) const fn add(gauge: &'static str) -> Effect {
        Effect::Add { gauge: Cow::Borrowed(gauge), by: Amount::Frame }
    }

    /// The gauge grows by what fits of a message that is longer than its medium.
    pub(crate) const fn add_fitting(gauge: &'static str) -> Effect {
        Effect::Add { gauge: Cow::Borrowed(gauge), by: Amount::Fitting }
    }

    /// The gauge shrinks by what the receiver's call has read.
    pub(crate) const fn take_read(gauge: &'static str) -> Effect {
        Effect::Take { gauge: Cow::Borrowed(gauge), by: Amount::Read }
    }

    /// The gauge says yes or no.
    pub(crate) const fn set(gauge: &'static str, to: bool) -> Effect {
        Effect::Set { gauge: Cow::Borrowed(gauge), to }
    }

    /// The gauge shows the message's text.
    pub(crate) const fn show(gauge: &'static str) -> Effect {
        Effect::Show { gauge: Cow::Borrowed(gauge) }
    }

    /// The step's process sleeps at the part `at`.
    pub(crate) const fn sleeps(at: &'static str) -> Effect {
        Effect::Sleeps { at: Cow::Borrowed(at) }
    }
}

/// How many bytes an effect moves.
///
/// # Examples
/// ```
/// use crossing::scene::Amount;
///
/// /// How many bytes an effect moves, of a message that takes `frame` bytes.
/// fn bytes(amount: Amount, frame: u64, read: u64, room: u64) -> u64 {
///     match amount {
///         Amount::Frame => frame,
///         Amount::Read => read,
///         Amount::Fitting => frame.min(room),
///         _ => 0,
///     }
/// }
/// assert_eq!(bytes(Amount::Frame, 72, 0, 4096), 72);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Amount {
    /// As many as the message has with its header and padding.
    Frame,
    /// As many as the receiver's call took out of the kernel: the message, and whatever lay behind
    /// it. None at all if an earlier call had brought the message.
    Read,
    /// Of a message that is longer than its medium, as many as there is room for: they are copied
    /// before the sender sleeps. Of a message that would fit into the empty medium, none.
    Fitting,
    /// An amount that this version does not know: read, and never made.
    #[serde(other)]
    #[cfg_attr(feature = "schemars", schemars(skip))]
    Other,
}

/// There is room again: a sender that slept for want of it sleeps no longer.
pub(crate) const ROOM: Effect = Effect::Wakes { process: Actor::Sender };

/// The receiver sleeps no longer.
pub(crate) const WAKES: &[Effect] = &[Effect::Wakes { process: Actor::Receiver }];

impl Step {
    /// A step of the sender's at the part `at`, for every message.
    pub(crate) const fn sender(id: &'static str, act: Act, at: &'static str, text: &'static str) -> Step {
        Step::new(id, Actor::Sender, act, at, text)
    }

    /// A step of the receiver's.
    pub(crate) const fn receiver(id: &'static str, act: Act, at: &'static str, text: &'static str) -> Step {
        Step::new(id, Actor::Receiver, act, at, text)
    }

    /// A step of the kernel's.
    pub(crate) const fn kernel(id: &'static str, act: Act, at: &'static str, text: &'static str) -> Step {
        Step::new(id, Actor::Kernel, act, at, text)
    }

    /// The kernel copies the message.
    pub(crate) const fn copy(id: &'static str, at: &'static str, text: &'static str) -> Step {
        Step::kernel(id, Act::Copy, at, text)
    }

    /// The receiver came first: it waits in the system call `call`.
    pub(crate) const fn waits(call: &'static str, at: &'static str, text: &'static str) -> Step {
        Step::receiver("wait", Act::syscall(call), at, text).when(When::ReceiverFirst)
    }

    /// … and the kernel puts it to sleep in its call.
    pub(crate) const fn sleep(text: &'static str) -> Step {
        Step::receiver("sleep", Act::Sleep, "receiver", text).when(When::ReceiverAsleep)
    }

    /// The kernel ends that sleep.
    pub(crate) const fn wake() -> Step {
        let text = "It makes the sleeping receiver runnable.";
        Step::kernel("wake", Act::Wake, "receiver", text).when(When::ReceiverAsleep).effects(WAKES)
    }

    /// There is no room, and the sender sleeps until there is.
    pub(crate) const fn full(text: &'static str) -> Step {
        Step::sender("full", Act::Sleep, "sender", text).when(When::Full)
    }

    const fn new(id: &'static str, actor: Actor, act: Act, at: &'static str, text: &'static str) -> Step {
        let (id, at, text) = (Cow::Borrowed(id), Cow::Borrowed(at), Cow::Borrowed(text));
        Step { id, actor, act, at, to: None, when: When::Always, text, effects: Cow::Borrowed(&[]) }
    }

    /// … that moves the message to the part `to`.
    pub(crate) const fn to(mut self, to: &'static str) -> Step {
        // A constant cannot run a destructor, and a step that goes nowhere yet has nothing to give back.
        std::mem::forget(self.to.replace(Cow::Borrowed(to)));
        self
    }

    /// … that changes this on the stage.
    pub(crate) const fn effects(mut self, effects: &'static [Effect]) -> Step {
        std::mem::forget(std::mem::replace(&mut self.effects, Cow::Borrowed(effects)));
        self
    }

    /// … that happens only under a condition.
    pub(crate) const fn when(mut self, when: When) -> Step {
        self.when = when;
        self
    }
}

/// What a step is made of.
///
/// # Examples
/// ```
/// use crossing::{Kind, scene::Act};
///
/// // How often a message is copied by the kernel.
/// let copies = |kind: Kind| kind.scene().steps.iter().filter(|step| step.act == Act::Copy).count();
/// assert_eq!((copies(Kind::Shm), copies(Kind::Unix)), (0, 2));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(JsonSchema))]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Act {
    /// The process enters the kernel.
    Syscall {
        /// By this call.
        name: Cow<'static, str>,
    },
    /// The process writes bytes to memory itself.
    Store,
    /// The process reads bytes from memory itself.
    Load,
    /// The kernel copies the message.
    Copy,
    /// The kernel makes the other process runnable.
    Wake,
    /// The process gives up its core until it is woken.
    Sleep,
    /// The process looks whether something has arrived.
    Poll,
    /// An act that this version does not know: read, and never made.
    #[serde(other)]
    #[cfg_attr(feature = "schemars", schemars(skip))]
    Other,
}

impl Act {
    /// The process enters the kernel by the call `name`.
    pub(crate) const fn syscall(name: &'static str) -> Act {
        Act::Syscall { name: Cow::Borrowed(name) }
    }
}

/// Under which condition a step happens.
///
/// # Examples
/// ```
/// use crossing::{Kind, scene::When};
///
/// // What happens to a message if there is room, and its receiver is late.
/// let steps = Kind::Unix.scene().steps.iter().filter(|step| step.when == When::Always);
/// let told: Vec<&str> = steps.map(|step| &*step.text).collect();
/// assert!(!told.is_empty());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(JsonSchema))]
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
    /// A condition that this version does not know: read, and never made.
    #[serde(other)]
    #[cfg_attr(feature = "schemars", schemars(skip))]
    Other,
}

/// The cost of one message whose receiver waits for it, under one way of waiting: bounds for
/// measured counts. A message that arrives before its receiver waits needs no wake-up, and one call
/// may take many of those.
///
/// # Examples
/// ```
/// use crossing::Kind;
///
/// // A message through shared memory between two that spin costs no system call.
/// let budgets = Kind::Shm.scene().budgets;
/// let Some(budget) = budgets.iter().find(|budget| budget.wait == "spin") else { panic!() };
/// assert!(budget.sender_syscalls.holds(0.0, 0.0) && budget.kernel_copies.holds(0.0, 0.0));
/// assert!(!budget.sender_syscalls.holds(1.0, 0.1));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(JsonSchema))]
pub struct Budget {
    /// The way of waiting, by name: `spin`, `hybrid` or `block`.
    pub wait: Cow<'static, str>,
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
    /// Under the way of waiting `wait`: the sender's calls, the receiver's, the kernel's copies, and wake-ups.
    pub(crate) const fn new(wait: &'static str, costs: [Range; 4]) -> Budget {
        let wait = Cow::Borrowed(wait);
        let [sender_syscalls, receiver_syscalls, kernel_copies, wakes] = costs;
        Budget { wait, sender_syscalls, receiver_syscalls, kernel_copies, wakes }
    }

    /// What a message costs that goes through the kernel by one call in and one call out, for each way of
    /// waiting. A receiver that polls makes a call for every empty look.
    pub(crate) const IN_AND_OUT: [Budget; 3] = {
        const fn budget(wait: &'static str, receiver: Range, wakes: Range) -> Budget {
            Budget::new(wait, [Range::exactly(1.0), receiver, Range::exactly(2.0), wakes])
        }
        [
            budget("spin", Range::at_least(1.0), Range::exactly(0.0)),
            budget("hybrid", Range::at_least(1.0), Range::between(0.0, 1.0)),
            budget("block", Range::exactly(1.0), Range::exactly(1.0)),
        ]
    };
}

/// From least to most, per message, on average over many; `most` is `None` where polling sets no bound.
///
/// # Examples
/// ```
/// use crossing::scene::Range;
///
/// let calls = Range { least: 1.0, most: Some(2.0) };
/// let measured = 1_500.0 / 1_000.0;       // calls of so many messages
/// assert!(calls.holds(measured, 0.01));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(JsonSchema))]
pub struct Range {
    /// At least this many.
    pub least: f64,
    /// At most this many; `None` where polling sets no bound.
    pub most: Option<f64>,
}

impl Range {
    /// Exactly this many.
    ///
    /// # Examples
    /// ```
    /// use crossing::scene::Range;
    ///
    /// let copies = Range::exactly(2.0);
    /// assert!(copies.holds(2.0, 0.0) && !copies.holds(3.0, 0.5));
    /// ```
    pub const fn exactly(count: f64) -> Range {
        Range { least: count, most: Some(count) }
    }

    /// From `least` to `most`.
    ///
    /// # Examples
    /// ```
    /// use crossing::scene::Range;
    ///
    /// // A receiver that may sleep, or may not.
    /// let wakes = Range::between(0.0, 1.0);
    /// assert!(wakes.holds(0.3, 0.0) && !wakes.holds(1.2, 0.1));
    /// ```
    pub const fn between(least: f64, most: f64) -> Range {
        Range { least, most: Some(most) }
    }

    /// `least` or more: each empty look costs one.
    ///
    /// # Examples
    /// ```
    /// use crossing::scene::Range;
    ///
    /// // A receiver that polls.
    /// let calls = Range::at_least(1.0);
    /// assert!(calls.holds(1_000_000.0, 0.0) && !calls.holds(0.5, 0.1));
    /// ```
    pub const fn at_least(least: f64) -> Range {
        Range { least, most: None }
    }

    /// Whether `count` is within the bounds, allowing `slack` for starting and stopping.
    ///
    /// # Examples
    /// ```
    /// use crossing::scene::Range;
    ///
    /// // A thousand messages with a call each, and two more calls to begin and to end.
    /// let measured = 1_002.0 / 1_000.0;
    /// assert!(Range::exactly(1.0).holds(measured, 0.01));
    /// assert!(!Range::exactly(1.0).holds(measured, 0.001));
    /// ```
    pub fn holds(self, count: f64, slack: f64) -> bool {
        count + slack >= self.least && self.most.is_none_or(|most| count <= most + slack)
    }
}
