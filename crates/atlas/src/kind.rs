//! The kinds of edges, and their names.

use crossing::Kind;
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

    /// Its name on a page.
    pub fn title(self) -> &'static str {
        match self {
            EdgeKind::Pipe => "Pipe",
            EdgeKind::Fifo => "Named pipe",
            EdgeKind::UnixStream => "Unix stream",
            EdgeKind::UnixDatagram => "Unix datagrams",
            EdgeKind::UnixSeqpacket => "Unix packets",
            EdgeKind::Tcp => "TCP",
            EdgeKind::Udp => "UDP",
            EdgeKind::Memfd => "Memory (memfd)",
            EdgeKind::PosixMemory => "Memory (/dev/shm)",
            EdgeKind::SysvMemory => "Memory (System V)",
            EdgeKind::AnonymousMemory => "Memory (inherited)",
            EdgeKind::MappedFile => "Mapped file",
            EdgeKind::PosixQueue => "Queue (POSIX)",
            EdgeKind::SysvQueue => "Queue (System V)",
            EdgeKind::Eventfd => "Event counter",
            EdgeKind::Pty => "Terminal",
        }
    }

    /// What it is, in a sentence for a reader who has not met it.
    pub fn means(self) -> &'static str {
        match self {
            EdgeKind::Pipe => "Bytes go one way, through a buffer in the kernel: pipe(7).",
            EdgeKind::Fifo => {
                "A pipe that has a path, so that programs which are not related find it: fifo(7)."
            }
            EdgeKind::UnixStream => "Bytes go both ways between two sockets of this machine: unix(7).",
            EdgeKind::UnixDatagram => "Whole messages from one socket of this machine to another: unix(7).",
            EdgeKind::UnixSeqpacket => "Whole messages, in order, between two connected sockets: unix(7).",
            EdgeKind::Tcp => {
                "Bytes go both ways between two sockets, on this machine or between two: tcp(7)."
            }
            EdgeKind::Udp => "Whole messages that may be lost, on this machine or between two: udp(7).",
            EdgeKind::Memfd => "Memory without a name, whose descriptor was handed on: memfd_create(2).",
            EdgeKind::PosixMemory => "Memory with a name in /dev/shm, which several map: shm_overview(7).",
            EdgeKind::SysvMemory => "Memory with a number, which several attach: shmget(2).",
            EdgeKind::AnonymousMemory => "Memory that a process shares with the children it forked: mmap(2).",
            EdgeKind::MappedFile => {
                "A file that several have mapped, so that each sees what one writes: mmap(2)."
            }
            EdgeKind::PosixQueue => "A queue of messages with a name, kept by the kernel: mq_overview(7).",
            EdgeKind::SysvQueue => "A queue of messages with a number, kept by the kernel: msgget(2).",
            EdgeKind::Eventfd => "A counter in the kernel that one raises and another waits for: eventfd(2).",
            EdgeKind::Pty => {
                "A terminal program at one side, and what runs in the terminal at the other: pty(7)."
            }
        }
    }

    /// The mechanism of `crossing` that carries bytes in the same way, if one does.
    pub fn mechanism(self) -> Option<Kind> {
        match self {
            EdgeKind::Pipe | EdgeKind::Fifo => Some(Kind::Pipe),
            EdgeKind::UnixStream | EdgeKind::UnixDatagram | EdgeKind::UnixSeqpacket => Some(Kind::Unix),
            EdgeKind::Tcp => Some(Kind::Tcp),
            EdgeKind::Memfd
            | EdgeKind::PosixMemory
            | EdgeKind::SysvMemory
            | EdgeKind::AnonymousMemory
            | EdgeKind::MappedFile => Some(Kind::Shm),
            EdgeKind::Udp
            | EdgeKind::PosixQueue
            | EdgeKind::SysvQueue
            | EdgeKind::Eventfd
            | EdgeKind::Pty => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_every_kind_once_and_in_order() {
        // A kind that is added makes this incomplete, and then belongs into the list.
        let last = |kind| match kind {
            EdgeKind::Pipe | EdgeKind::Fifo | EdgeKind::UnixStream | EdgeKind::UnixDatagram => 3,
            EdgeKind::UnixSeqpacket | EdgeKind::Tcp | EdgeKind::Udp | EdgeKind::Memfd => 7,
            EdgeKind::PosixMemory | EdgeKind::SysvMemory | EdgeKind::AnonymousMemory => 10,
            EdgeKind::MappedFile | EdgeKind::PosixQueue | EdgeKind::SysvQueue | EdgeKind::Eventfd => 14,
            EdgeKind::Pty => 15,
        };
        assert!(EdgeKind::ALL.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(EdgeKind::ALL.len(), 1 + EdgeKind::ALL.map(last).into_iter().max().unwrap());
        for kind in EdgeKind::ALL {
            assert!(kind.means().ends_with(").") && !kind.title().is_empty(), "{kind:?}");
        }
    }
}
