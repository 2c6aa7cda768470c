//! The processes of a map.

use serde::{Deserialize, Serialize};

use crate::kind::EdgeKind;

/// Which process: its number may be used again, the pair is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ProcessId {
    /// The process's number.
    pub pid: i32,
    /// When it was started, in clock ticks since the machine was (`starttime` of /proc/PID/stat).
    pub started: u64,
}

/// A process, as /proc told it at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct RunningProcess {
    /// Which it is.
    pub id: ProcessId,
    /// The name that the kernel has of it, of at most 15 bytes.
    pub name: String,
    /// The words of its command line; the last ends with `…` where they were too long. Empty of a kernel thread.
    pub command: Vec<String>,
    /// The process that started it, or that has taken it over.
    pub parent: i32,
    /// The number of its user.
    pub uid: u32,
    /// The systemd unit or the container that it runs in, from its control group.
    pub service: Option<String>,
    /// The number of its session.
    pub session: i32,
    /// Its namespaces; `None` where they may not be looked at.
    pub namespaces: Option<NamespaceIds>,
    /// How many threads it has.
    pub threads: u32,
    /// What its first thread does.
    pub state: TaskState,
    /// Whether it is a thread of the kernel, which has no descriptors.
    pub kernel_thread: bool,
    /// The sockets at which it may be reached, and which are no edges.
    pub listens: Vec<ListeningSocket>,
}

/// The namespaces of a process, by the inode that the kernel gives each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct NamespaceIds {
    /// Of process numbers.
    pub pid: u64,
    /// Of the network.
    pub net: u64,
    /// Of System V IPC and POSIX message queues.
    pub ipc: u64,
    /// Of mounts.
    pub mnt: u64,
    /// Of users.
    pub user: u64,
}

/// What a process does: the state in /proc/PID/stat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TaskState {
    /// It runs, or could.
    Running,
    /// It sleeps until something happens.
    Sleeping,
    /// It sleeps, and cannot be woken by a signal: mostly for a disk.
    Uninterruptible,
    /// A signal has stopped it.
    Stopped,
    /// A debugger has stopped it.
    Traced,
    /// It has ended, and its parent has not asked how.
    Zombie,
    /// A thread of the kernel that has nothing to do.
    Idle,
    /// A state that is not known here.
    Other,
}

impl TaskState {
    /// The state that the letter in /proc/PID/stat means.
    pub(crate) fn of(letter: u8) -> TaskState {
        match letter {
            b'R' => TaskState::Running,
            b'S' => TaskState::Sleeping,
            b'D' => TaskState::Uninterruptible,
            b'T' => TaskState::Stopped,
            b't' => TaskState::Traced,
            b'Z' | b'X' => TaskState::Zombie,
            b'I' => TaskState::Idle,
            _ => TaskState::Other,
        }
    }
}

/// A socket that has no peer of its own: others find it by its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ListeningSocket {
    /// What a connection to it would be.
    pub kind: EdgeKind,
    /// Its address: a path, `@` and an abstract name, or an address and a port.
    pub address: String,
    /// The process's descriptors of it.
    pub descriptors: Vec<i32>,
}
