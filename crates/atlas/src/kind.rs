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
    /// Every kind, in the order in which they are listed.
    pub const ALL: [EdgeKind; 16] = [
        EdgeKind::Pipe,
        EdgeKind::Fifo,
        EdgeKind::UnixStream,
        EdgeKind::UnixDatagram,
        EdgeKind::UnixSeqpacket,
        EdgeKind::Tcp,
        EdgeKind::Udp,
        EdgeKind::Memfd,
        EdgeKind::PosixMemory,
        EdgeKind::SysvMemory,
        EdgeKind::AnonymousMemory,
        EdgeKind::MappedFile,
        EdgeKind::PosixQueue,
        EdgeKind::SysvQueue,
        EdgeKind::Eventfd,
        EdgeKind::Pty,
    ];

    /// Whether it carries one direction only, for all of its ends together.
    pub fn is_one_way(self) -> bool {
        use EdgeKind::{Eventfd, Fifo, Pipe, PosixQueue, SysvQueue};
        matches!(self, Pipe | Fifo | PosixQueue | SysvQueue | Eventfd)
    }

    /// Whether it keeps messages apart, so that each read takes one.
    pub fn is_of_messages(self) -> bool {
        use EdgeKind::{PosixQueue, SysvQueue, Udp, UnixDatagram, UnixSeqpacket};
        matches!(self, UnixDatagram | UnixSeqpacket | Udp | PosixQueue | SysvQueue)
    }

    /// Whether the bytes that are read are the bytes that were written, in their order. A terminal changes them, and an eventfd adds
    /// them up.
    pub fn keeps_bytes(self) -> bool {
        !matches!(self, EdgeKind::Pty | EdgeKind::Eventfd)
    }

    /// Whether it is memory that its processes have in common: no system call moves what goes through it.
    pub fn is_memory(self) -> bool {
        use EdgeKind::{AnonymousMemory, MappedFile, Memfd, PosixMemory, SysvMemory};
        matches!(self, Memfd | PosixMemory | SysvMemory | AnonymousMemory | MappedFile)
    }

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
