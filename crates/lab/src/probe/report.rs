//! The result of a probe, with everything that is needed to believe it.
//!
//! Figures of a probe never stand beside those of a race, because instruments slow a process down.
//! The one time here, the flight of a message, says by how much.

use crossing::{Kind, WaitStrategy};
use serde::{Deserialize, Serialize};

use super::figure::{ProbeFigure, Question};
use super::instruments::Instrument;
use crate::machine::Machine;
use crate::plan::{Placement, as_text};

/// The version of the report's structure.
pub const SCHEMA: u32 = 1;

/// The result of one probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ProbeReport {
    /// Always `ipcscope-probe`.
    pub format: String,
    /// The version of this structure. It changes when a field changes its meaning or goes away.
    #[cfg_attr(feature = "schemars", schemars(extend("const" = SCHEMA)))]
    pub schema: u32,
    /// The version of ipcscope that measured.
    pub version: String,
    /// When it began, in milliseconds since 1970-01-01 UTC.
    pub started_unix_ms: u64,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// Where it ran.
    pub machine: Machine,
    /// The instruments of this machine.
    pub instruments: Vec<Instrument>,
    /// One for each mechanism, way of waiting and placement.
    pub rows: Vec<Probed>,
}

/// The cost of one message over one mechanism, under one way of waiting and placement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Probed {
    /// The mechanism.
    #[serde(with = "as_text::one")]
    #[cfg_attr(feature = "schemars", schemars(with = "crate::schema_text::KindText"))]
    pub kind: Kind,
    /// How both sides waited.
    #[serde(with = "as_text::one")]
    #[cfg_attr(feature = "schemars", schemars(with = "crate::schema_text::WaitText"))]
    pub wait: WaitStrategy,
    /// Where the two ran.
    #[serde(with = "as_text::one")]
    #[cfg_attr(feature = "schemars", schemars(with = "crate::schema_text::PlacementText"))]
    pub placement: Placement,
    /// The cores they were read back on.
    pub cores: Option<[usize; 2]>,
    /// Bytes in each message.
    pub size_bytes: u32,
    /// Every question.
    pub figures: Vec<ProbeFigure>,
    /// The calls of one message, as they were made: of the sender, and of the receiver.
    pub calls: Option<[Calls; 2]>,
    /// A touch of one byte of the message.
    pub touches: Vec<TouchedBy>,
    /// The time that each instrument adds to a message.
    pub overheads: Vec<Overhead>,
    /// Why there are no figures, if so.
    pub failed: Option<String>,
}

impl Probed {
    /// The figure that answers `question`.
    pub fn figure(&self, question: Question) -> Option<&ProbeFigure> {
        self.figures.iter().find(|figure| figure.question == question)
    }

    /// The figures that have left the scene's budget.
    pub fn broken(&self) -> impl Iterator<Item = &ProbeFigure> {
        self.figures.iter().filter(|figure| figure.held == Some(false))
    }
}

/// The calls of one side for one message, and how usual they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Calls {
    /// Each as one reads it: `write(5, 0x7f…, 68) = 68`. Repeated ones are counted: `recvfrom(…) = EAGAIN, 3 times`.
    pub lines: Vec<String>,
    /// Messages that took the same calls with the same outcome.
    pub alike: u64,
    /// Messages in all.
    pub messages: u64,
}

/// Touches of the byte at one place by one function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct TouchedBy {
    /// Where the byte was.
    pub place: String,
    /// The running process: `sender`, `receiver` or `another task`.
    pub who: String,
    /// The kernel's function, or `the program itself`.
    pub function: String,
    /// The functions that led to it, the innermost first.
    pub stack: Vec<String>,
}

/// The time that an instrument adds to the flight of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Overhead {
    /// The instrument.
    pub instrument: String,
    /// Median flight without any instrument, in nanoseconds.
    pub alone_ns_p50: u64,
    /// … with this one.
    pub flight_ns_p50: u64,
}
