//! The kinds of edges, and their names.

use serde::{Deserialize, Serialize};

/// What an edge is. In this order they are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum EdgeKind {
    /// A pipe without a name: pipe(7).
    Pipe,
    /// A pipe with a name: fifo(7).
    Fifo,
    /// A stream of bytes over unix(7) sockets.
    UnixStream,
    /// Datagrams over unix(7) sockets.
    UnixDatagram,
    /// Messages in order over connected unix(7) sockets.
    UnixSeqpacket,
    /// A connection of tcp(7).
    Tcp,
    /// Datagrams of udp(7).
    Udp,
    /// Memory without a name in any file system: memfd_create(2).
    Memfd,
    /// Memory with a name in /dev/shm: shm_overview(7).
    PosixMemory,
    /// Memory of shmget(2).
    SysvMemory,
    /// Memory that a process has shared with its children: mmap(2) with MAP_SHARED and MAP_ANONYMOUS.
    AnonymousMemory,
    /// A file that several processes have mapped with MAP_SHARED, and one may write.
    MappedFile,
    /// A queue of mq_overview(7).
    PosixQueue,
    /// A queue of msgget(2).
    SysvQueue,
    /// A counter to wait for: eventfd(2).
    Eventfd,
    /// A pseudo-terminal: pty(7). Its master is side 0.
    Pty,
}

impl EdgeKind {
    /// Its name in a table, and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            EdgeKind::Pipe => "pipe",
            EdgeKind::Fifo => "fifo",
            EdgeKind::UnixStream => "unix-stream",
            EdgeKind::UnixDatagram => "unix-datagram",
            EdgeKind::UnixSeqpacket => "unix-seqpacket",
            EdgeKind::Tcp => "tcp",
            EdgeKind::Udp => "udp",
            EdgeKind::Memfd => "memfd",
            EdgeKind::PosixMemory => "posix-memory",
            EdgeKind::SysvMemory => "sysv-memory",
            EdgeKind::AnonymousMemory => "anonymous-memory",
            EdgeKind::MappedFile => "mapped-file",
            EdgeKind::PosixQueue => "posix-queue",
            EdgeKind::SysvQueue => "sysv-queue",
            EdgeKind::Eventfd => "eventfd",
            EdgeKind::Pty => "pty",
        }
    }
}
