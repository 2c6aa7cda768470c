//! What is seen in a trace: each kind of event with the fields of its own, and the two processes that they are of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    /// Its name, of a program that the lab did not start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
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
        /// Its bytes, where messages differ in size.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
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
