//! The edges of a map: what two or more processes are joined by.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::kind::EdgeKind;
use crate::process::ProcessId;

/// What processes are joined by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Edge {
    /// The same in every map, for as long as the kernel's object lives.
    pub id: EdgeId,
    /// What it is.
    pub kind: EdgeKind,
    /// Its name, if it has one: a path, `@` and an abstract name, a memfd's name, a queue's, a TCP server's address.
    pub name: Option<String>,
    /// Its ends, those of side 0 first. A process may have more than one.
    pub ends: Vec<EdgeEnd>,
    /// What it can hold: a pipe's buffer, a memory's size, in bytes. `None` where it was not read or has no such limit.
    pub capacity_bytes: Option<u64>,
    /// What the kernel tells of a TCP connection.
    pub tcp: Option<TcpFacts>,
    /// What is at the other side, when no process of this map is.
    pub beyond: Option<Beyond>,
    /// Which figures of it could not be read, each with the reason.
    pub unread: Vec<String>,
}

/// The name of an edge: the kernel's own numbers of it, such as `pipe:4711`, `unix:118-119` or `memory:00:01:1042`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct EdgeId(pub String);

impl fmt::Display for EdgeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One process's end of an edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct EdgeEnd {
    /// The process.
    pub process: ProcessId,
    /// 0 or 1. Ends of one side are the same to the kernel: several processes have the same socket, or the writing end of one
    /// pipe. Memory and queues have one side only.
    pub side: u8,
    /// The address of this side, if it has one.
    pub address: Option<String>,
    /// The process's descriptors of it; none of memory that is mapped and not held open.
    pub descriptors: Vec<i32>,
    /// Whether the process may read here what the other ends write.
    pub reads: bool,
    /// Whether the process may write here what the other ends read.
    pub writes: bool,
    /// What waits to be read at this end, in bytes; of datagrams, the bytes of the first one. `None` where it was not read or is
    /// not counted.
    pub queued_bytes: Option<u64>,
    /// How many messages wait to be read at this end, of a queue of messages; of an eventfd its counter.
    pub queued_messages: Option<u64>,
    /// What this end has sent and the other side's kernel has not acknowledged, in bytes, of TCP.
    pub unacknowledged_bytes: Option<u64>,
    /// True where the kernel only says that this process made the last call: it may have others, and other processes, too.
    pub by_last_call: bool,
}

/// What the kernel tells of a TCP connection, by the socket of the first side that has been read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct TcpFacts {
    /// Its state in the words of tcp(7), such as `ESTABLISHED`.
    pub state: String,
    /// The smoothed round trip, in nanoseconds, of a resolution of one microsecond.
    pub rtt_ns: Option<u64>,
    /// Segments sent again, by both sides that were read.
    pub retransmits: Option<u64>,
    /// Bytes that side 0 has sent since the connection was made, and side 1, each without what was sent again.
    pub sent_bytes: [Option<u64>; 2],
}

/// What is at the other side of an edge, when no process of the map is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Beyond {
    /// What is known of it.
    pub kind: BeyondKind,
    /// Its address, if it has one.
    pub address: Option<String>,
}

/// What is known of a side at which no process was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BeyondKind {
    /// An address that is none of this machine's sockets' that were seen: the edge leaves the machine, or the namespace.
    Elsewhere,
    /// It is on this machine, and in none of the processes that could be read.
    Unseen,
    /// It is on this machine, and waits in the queue of a server that has not accepted it.
    Unaccepted,
    /// There is none: it was closed.
    Closed,
}

impl BeyondKind {
    /// The words for it.
    pub fn words(self) -> &'static str {
        match self {
            BeyondKind::Elsewhere => "elsewhere",
            BeyondKind::Unseen => "not seen",
            BeyondKind::Unaccepted => "not accepted yet",
            BeyondKind::Closed => "closed",
        }
    }
}
