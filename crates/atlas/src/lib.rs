//! Which programs of this machine are joined by what.
//!
//! A [`ProgramMap`] has the processes and the edges between them: pipes, sockets, shared memory, queues, each with the
//! descriptors of both ends. It is made from /proc and from the kernel's socket tables; what could not be read is
//! in [`ProgramMap::unread`] with the reason and the remedy. The atlas knows nothing of how a map is shown: it prints
//! nothing.

#![deny(missing_docs)]

#[cfg(test)]
#[path = "../../crossing/tests/process/cannot_run.rs"]
mod cannot_run;
mod collect;
mod edge;
mod holders;
mod kind;
mod map;
mod netlink;
mod proc;
mod process;
mod scope;
mod sockets;
mod unread;
mod watch;

pub use edge::{Beyond, BeyondKind, Edge, EdgeEnd, EdgeId, TcpFacts};
pub use kind::EdgeKind;
pub use map::{FORMAT, ProgramMap, SCHEMA};
pub use process::{ListeningSocket, NamespaceIds, ProcessId, RunningProcess, TaskState};
pub use scope::{Scope, ScopeError};
pub use unread::Unread;
pub use watch::{
    AimError, CallsSeen, Distribution, WATCH_FORMAT, WATCH_SCHEMA, WatchError, WatchFinding, WatchInstrument,
    WatchOptions, WatchReport, WatchedDirection, WatchedEnd, aim, watch, watch_and_record,
};

/// The example of the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct AtlasReadme;
