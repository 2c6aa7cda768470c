//! What happens when two processes talk, measured.
//!
//! The lab starts the processes (peers), puts them in their places, gives them a channel of [`crossing`],
//! lets them run a workload, and reports what each side saw and cost. It knows nothing of how a result is
//! shown: it prints nothing.
//!
//! The binary that uses it must call [`worker_main`] under the verb [`WORKER_VERB`]: the measured processes
//! are that same binary, started again.
//!
//! How a number is made is written in METHODOLOGY.md.

#![deny(missing_docs)]

#[cfg(test)]
#[path = "../../crossing/tests/process/cannot_run.rs"]
mod cannot_run;
pub mod choose;
pub mod clock;
pub mod compare;
mod control;
mod disturbance;
pub mod doctor;
mod entrant;
mod itself;
mod job;
pub mod judge;
mod lookout;
pub mod machine;
mod mechanism;
mod message;
mod peer;
pub mod plan;
pub mod probe;
pub mod race;
pub mod rehearsal;
pub mod rehearse;
pub mod report;
mod request;
mod rival;
mod round;
mod row;
pub mod scene;
pub mod score;
mod settle;
pub mod show;
pub mod shuffle;
pub mod stage;
pub mod stats;
pub mod sys;
pub mod text;
pub mod trace;
pub mod traffic;
mod two_peers;
pub mod units;
mod worker;
mod workload;

pub use peer::WORKER_VERB;
pub use report::Report;
pub use rival::end_guests;
pub use worker::worker_main;
pub use workload::payload;

/// The example of the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(feature = "schemars")]
mod schema_text;
