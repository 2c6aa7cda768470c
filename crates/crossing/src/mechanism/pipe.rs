//! A pipe each way.
//!
//! **One message.** The sender's write(2) copies the frame into pages of the kernel; the receiver's read(2) copies it out
//! again. Two calls, two copies: that is the price of the wall between the two.
//!
//! **The kernel's buffer** is a ring of 16 slots of a page each (pipe(7); F_GETPIPE_SZ says 64 KiB). Small writes share a
//! slot. When all are used the writer sleeps, and is woken when the reader has emptied enough.
//!
//! **Waiting.** A sleeping reader is woken by the write. A spinning end makes its descriptor non-blocking and asks again and
//! again; each empty answer is a system call.
//!
//! **Meeting.** A pipe has one direction, so each side makes one, keeps the writing end, and sends the reading end over the
//! rendezvous, a Unix packet socket, which is then closed. The pipes tell of a death by themselves: end of file, EPIPE.
//!
//! # References
//! pipe(7), fs/pipe.c of the kernel. RWF_NOSIGNAL (Linux 6.18) in include/uapi/linux/fs.h.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, OFlags};
use rustix::io::{Errno, ReadWriteFlags};
use rustix::pipe::PipeFlags;

use super::{Halves, Kind, Mechanism};
use crate::config::Config;
use crate::error::ConnectError;
use crate::frame::{FrameReceiver, FrameSender, Wire};
use crate::hello::{Hello, recv_hello, send_packet};
use crate::scene::{Act, Actor, Budget, Form, Gauge, Part, Quoted, Range, Scene, Space, Step, When};
use crate::wait::only_core;

/// A pipe each way.
#[derive(Debug, Clone, Copy)]
pub struct Pipe;

impl Mechanism for Pipe {
    type Outbound = FrameSender<PipeEnd>;
    type Inbound = FrameReceiver<PipeEnd>;

    fn accepts(kind: Kind) -> bool {
        kind == Kind::Pipe
    }

    fn open(kind: Kind, rendezvous: OwnedFd, config: &Config) -> Result<Halves<Self>, ConnectError> {
        let deadline = config.handshake_deadline();
        let (theirs, mine) =
            rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(ConnectError::io("make a pipe"))?;
        let hello = Hello {
            kind,
            membarrier: false,
            max_message: config.max_message,
            capacity: 0,
            core: only_core(),
            nonce: 0,
        };
        send_packet(rendezvous.as_fd(), &hello.encode(), Some(theirs.as_fd()))?;
        drop(theirs);
        let (peer, inbound, _) = recv_hello(&rendezvous, kind, deadline)?;
        check_reading_end(&inbound)?;
        let max_message = config.max_message.min(peer.max_message);
        Ok(Halves::<Self> {
            outbound: FrameSender::new(PipeEnd::new(mine), max_message),
            inbound: FrameReceiver::new(PipeEnd::new(inbound), max_message),
            one_core: hello.shares_core(&peer),
        })
    }
}

/// The rendezvous of two ends that know each other from birth.
pub(crate) fn rendezvous() -> Result<(OwnedFd, OwnedFd), Errno> {
    super::shm::rendezvous()
}

/// What a peer hands over must be a pipe, open for reading: anything else could be made to block or to lie.
fn check_reading_end(fd: &OwnedFd) -> Result<(), ConnectError> {
    let stat = rustix::fs::fstat(fd).map_err(ConnectError::io("look at the peer's pipe"))?;
    let flags = rustix::fs::fcntl_getfl(fd).map_err(ConnectError::io("look at the peer's pipe"))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Fifo {
        return Err(ConnectError::Refused { field: "file type", why: "not a pipe".into() });
    }
    if flags & OFlags::RWMODE != OFlags::RDONLY {
        return Err(ConnectError::Refused {
            field: "file type",
            why: "not the reading end of a pipe".into(),
        });
    }
    Ok(())
}

/// RWF_NOSIGNAL: no SIGPIPE for this write. Since Linux 6.18.
const NO_SIGNAL: ReadWriteFlags = ReadWriteFlags::from_bits_retain(0x100);

/// How a write to a pipe is kept from raising SIGPIPE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quiet {
    /// Each write says so.
    PerWrite,
    /// The signal is ignored in this process.
    Ignored,
}

/// One end of one pipe.
#[derive(Debug)]
pub struct PipeEnd {
    fd: Option<OwnedFd>,
    /// Whether the descriptor is non-blocking at the moment. It follows the calls: who alternates pays a call for each change.
    non_blocking: bool,
    quiet: Quiet,
}

impl PipeEnd {
    fn new(fd: OwnedFd) -> PipeEnd {
        // A write of nothing: a kernel that knows the flag takes it, another says EOPNOTSUPP or EINVAL. On the reading
        // end it is EBADF, and does not matter.
        let quiet = match rustix::io::pwritev2(&fd, &[], u64::MAX, NO_SIGNAL) {
            Ok(_) | Err(Errno::BADF) => Quiet::PerWrite,
            Err(_) => {
                crate::sys::ignore_sigpipe();
                Quiet::Ignored
            }
        };
        let non_blocking = rustix::fs::fcntl_getfl(&fd).is_ok_and(|flags| flags.contains(OFlags::NONBLOCK));
        PipeEnd { fd: Some(fd), non_blocking, quiet }
    }

    #[inline]
    fn mode(&mut self, non_blocking: bool) -> Result<BorrowedFd<'_>, Errno> {
        let fd = self.fd.as_ref().ok_or(Errno::PIPE)?;
        if self.non_blocking != non_blocking {
            let flags = if non_blocking { OFlags::NONBLOCK } else { OFlags::empty() };
            rustix::fs::fcntl_setfl(fd, flags)?;
            self.non_blocking = non_blocking;
        }
        Ok(fd.as_fd())
    }
}

impl Wire for PipeEnd {
    #[inline]
    fn read(&mut self, buffer: &mut [u8], now: bool) -> Result<usize, Errno> {
        rustix::io::read(self.mode(now)?, buffer)
    }

    #[inline]
    fn write(&mut self, bytes: &[u8], now: bool) -> Result<usize, Errno> {
        let quiet = self.quiet;
        let fd = self.mode(now)?;
        match quiet {
            Quiet::PerWrite => rustix::io::pwritev2(fd, &[IoSlice::new(bytes)], u64::MAX, NO_SIGNAL),
            Quiet::Ignored => rustix::io::write(fd, bytes),
        }
    }

    fn fd(&self) -> Result<BorrowedFd<'_>, Errno> {
        self.fd.as_ref().map(AsFd::as_fd).ok_or(Errno::PIPE)
    }

    fn close(&mut self) {
        self.fd = None;
    }

    fn hang_up(&mut self) {
        self.fd = None;
    }
}

/// The story of one message through a pipe.
pub(crate) static SCENE: Scene = Scene {
    kind: Kind::Pipe,
    title: "Pipe",
    summary: "write() copies the message into a buffer of the kernel, read() copies it out again. The reader sleeps until there is something to read.",
    tags: &["2 kernel copies", "2 syscalls", "one way each"],
    stage: &[
        Part {
            id: "sender",
            form: Form::Process(Actor::Sender),
            label: "sender",
            space: Space::User,
            gauges: &[],
        },
        Part {
            id: "buffer",
            form: Form::Buffer(16),
            label: "pipe buffer: 16 slots of a page",
            space: Space::Kernel,
            gauges: &[
                Gauge { field: "pipe_bytes", label: "in the pipe", unit: "B" },
                Gauge { field: "pipe_size_bytes", label: "size", unit: "B" },
            ],
        },
        Part {
            id: "receiver",
            form: Form::Process(Actor::Receiver),
            label: "receiver",
            space: Space::User,
            gauges: &[],
        },
    ],
    steps: &[
        Step {
            id: "wait",
            actor: Actor::Receiver,
            act: Act::Syscall("read"),
            at: "buffer",
            to: None,
            when: When::ReceiverFirst,
            text: "The receiver calls read(); the pipe is empty.",
        },
        Step {
            id: "sleep",
            actor: Actor::Receiver,
            act: Act::Sleep,
            at: "receiver",
            to: None,
            when: When::ReceiverFirst,
            text: "It sleeps in the kernel until somebody writes.",
        },
        Step {
            id: "write",
            actor: Actor::Sender,
            act: Act::Syscall("write"),
            at: "sender",
            to: Some("buffer"),
            when: When::Always,
            text: "The sender calls write() with the framed message.",
        },
        Step {
            id: "full",
            actor: Actor::Sender,
            act: Act::Sleep,
            at: "sender",
            to: None,
            when: When::Full,
            text: "The pipe is full: the sender sleeps until the receiver has made room.",
        },
        Step {
            id: "copy-in",
            actor: Actor::Kernel,
            act: Act::Copy,
            at: "buffer",
            to: None,
            when: When::Always,
            text: "The kernel copies the bytes into a slot of the pipe.",
        },
        Step {
            id: "wake",
            actor: Actor::Kernel,
            act: Act::Wake,
            at: "receiver",
            to: None,
            when: When::ReceiverFirst,
            text: "It makes the sleeping receiver runnable.",
        },
        Step {
            id: "read",
            actor: Actor::Receiver,
            act: Act::Syscall("read"),
            at: "buffer",
            to: Some("receiver"),
            when: When::Always,
            text: "The receiver is in read(), which finds the bytes.",
        },
        Step {
            id: "copy-out",
            actor: Actor::Kernel,
            act: Act::Copy,
            at: "receiver",
            to: None,
            when: When::Always,
            text: "The kernel copies them into the receiver's memory.",
        },
    ],
    budgets: &[
        Budget {
            wait: "spin",
            sender_syscalls: Range::exactly(1.0),
            receiver_syscalls: Range::at_least(1.0),
            kernel_copies: Range::exactly(2.0),
            wakes: Range::exactly(0.0),
        },
        Budget {
            wait: "hybrid",
            sender_syscalls: Range::exactly(1.0),
            receiver_syscalls: Range::at_least(0.0),
            kernel_copies: Range::exactly(2.0),
            wakes: Range::between(0.0, 1.0),
        },
        Budget {
            wait: "block",
            sender_syscalls: Range::exactly(1.0),
            receiver_syscalls: Range::between(0.0, 1.0),
            kernel_copies: Range::exactly(2.0),
            wakes: Range::between(0.0, 1.0),
        },
    ],
    duplex: false,
    cross_host: false,
    quoted: Quoted { copies: "2", syscalls: "2", latency: "~0.04 ms", use_when: "simple IPC" },
};
