//! A Unix stream socket.
//!
//! **One message.** send(2) copies the frame into a socket buffer of the kernel and puts it into the *receiver's* queue
//! at once; recv(2) copies it out. Two calls, two copies, like a pipe; but one socket carries both directions.
//!
//! **The queue** is bounded at the sender (SO_SNDBUF), counted in what the buffers occupy rather than in bytes of messages: a
//! message of 64 bytes counts for 768. When the bound is reached the sender sleeps until the receiver has read.
//!
//! **Meeting.** Over the socket itself: each end sends a hello of 32 bytes and reads the other's (`docs/wire.md`). Two
//! ends that know each other are a socketpair; others meet at a path.
//!
//! **Death** is told by the socket: what was sent can still be read, then the end of the stream. An end that dies
//! with unread messages of ours resets the connection; what *it* had sent is still there behind the reset.
//!
//! # References
//! unix(7), socketpair(2), net/unix/af_unix.c of the kernel.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType};

use super::{Halves, Kind, Mechanism, Opened};
use crate::config::Config;
use crate::error::ConnectError;
use crate::frame::{FrameReceiver, FrameSender, Wire};
use crate::hello::{Hello, wait_readable};
use crate::scene::{Act, Actor, Budget, Form, Gauge, Part, Quoted, Range, Scene, Space, Step, When};
use crate::wait::only_core;

/// A Unix stream socket.
#[derive(Debug, Clone, Copy)]
pub struct Unix;

impl Mechanism for Unix {
    type Outbound = FrameSender<SocketHalf>;
    type Inbound = FrameReceiver<SocketHalf>;

    fn accepts(kind: Kind) -> bool {
        kind == Kind::Unix
    }

    fn open(kind: Kind, rendezvous: OwnedFd, config: &Config) -> Result<Halves<Self>, ConnectError> {
        greet(kind, rendezvous, config, only_core())
    }
}

/// Two ends that know each other from birth.
pub(crate) fn rendezvous() -> Result<(OwnedFd, OwnedFd), Errno> {
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
}

/// The handshake over the stream itself, and the two halves of the socket. `core` is what the peer is told of ours.
pub(crate) fn greet(
    kind: Kind,
    socket: OwnedFd,
    config: &Config,
    core: Option<u16>,
) -> Result<Opened<FrameSender<SocketHalf>, FrameReceiver<SocketHalf>>, ConnectError> {
    let deadline = config.handshake_deadline();
    let hello =
        Hello { kind, membarrier: false, max_message: config.max_message, capacity: 0, core, nonce: 0 };
    // A new socket has room for 32 bytes: this never waits.
    match rustix::net::send(&socket, &hello.encode(), SendFlags::NOSIGNAL) {
        Ok(Hello::BYTES) => {}
        Ok(_) | Err(Errno::PIPE | Errno::CONNRESET) => return Err(ConnectError::Disconnected),
        Err(errno) => return Err(ConnectError::io("send the handshake")(errno)),
    }
    let mut bytes = [0; Hello::BYTES];
    let mut read = 0;
    while read < bytes.len() {
        wait_readable(socket.as_fd(), deadline)?;
        match rustix::net::recv(&socket, &mut bytes[read..], RecvFlags::DONTWAIT) {
            Ok((_, 0)) | Err(Errno::CONNRESET) => return Err(ConnectError::Disconnected),
            Ok((_, more)) => read += more,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => return Err(ConnectError::io("receive the handshake")(errno)),
        }
    }
    let peer = Hello::decode(&bytes, kind)?;
    let max_message = config.max_message.min(peer.max_message);
    let socket = Arc::new(socket);
    let half = |way| SocketHalf { socket: socket.clone(), way };
    Ok(Opened {
        outbound: FrameSender::new(half(Shutdown::Write), max_message),
        inbound: FrameReceiver::new(half(Shutdown::Read), max_message),
        one_core: hello.shares_core(&peer),
    })
}

/// One direction of a stream socket. The last half to go closes it.
#[derive(Debug)]
pub struct SocketHalf {
    socket: Arc<OwnedFd>,
    way: Shutdown,
}

impl Wire for SocketHalf {
    #[inline]
    fn read(&mut self, buffer: &mut [u8], now: bool) -> Result<usize, Errno> {
        let flags = if now { RecvFlags::DONTWAIT } else { RecvFlags::empty() };
        rustix::net::recv(&*self.socket, buffer, flags).map(|(bytes, _)| bytes)
    }

    #[inline]
    fn write(&mut self, bytes: &[u8], now: bool) -> Result<usize, Errno> {
        let flags = if now { SendFlags::DONTWAIT } else { SendFlags::empty() };
        rustix::net::send(&*self.socket, bytes, flags | SendFlags::NOSIGNAL)
    }

    fn fd(&self) -> Result<BorrowedFd<'_>, Errno> {
        Ok(self.socket.as_fd())
    }

    fn close(&mut self) {
        // ENOTCONN when the peer was first.
        let _ = rustix::net::shutdown(&*self.socket, self.way);
    }

    fn hang_up(&mut self) {
        let _ = rustix::net::shutdown(&*self.socket, Shutdown::Both);
    }
}

/// The story of one message through a Unix socket.
pub(crate) static SCENE: Scene = Scene {
    kind: Kind::Unix,
    title: "Unix socket",
    summary: "send() copies the message into a socket buffer and puts it into the receiver's queue; recv() copies it out. One socket carries both directions.",
    tags: &["2 kernel copies", "both ways", "same host"],
    stage: &[
        Part {
            id: "sender",
            form: Form::Process(Actor::Sender),
            label: "sender",
            space: Space::User,
            gauges: &[],
        },
        Part {
            id: "name",
            form: Form::Name,
            label: "socket: a path, or a pair without a name",
            space: Space::Kernel,
            gauges: &[],
        },
        Part {
            id: "queue",
            form: Form::Queue,
            label: "the receiver's queue",
            space: Space::Kernel,
            gauges: &[
                Gauge { field: "queued_bytes", label: "queued", unit: "B" },
                Gauge { field: "back_queued_bytes", label: "queued the other way", unit: "B" },
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
            act: Act::Syscall("recvfrom"),
            at: "queue",
            to: None,
            when: When::ReceiverFirst,
            text: "The receiver calls recv(); its queue is empty.",
        },
        Step {
            id: "sleep",
            actor: Actor::Receiver,
            act: Act::Sleep,
            at: "receiver",
            to: None,
            when: When::ReceiverFirst,
            text: "It sleeps in the kernel until something is queued.",
        },
        Step {
            id: "send",
            actor: Actor::Sender,
            act: Act::Syscall("sendto"),
            at: "sender",
            to: Some("queue"),
            when: When::Always,
            text: "The sender calls send() with the framed message.",
        },
        Step {
            id: "full",
            actor: Actor::Sender,
            act: Act::Sleep,
            at: "sender",
            to: None,
            when: When::Full,
            text: "Its share of the queue is used up: the sender sleeps until the receiver has read.",
        },
        Step {
            id: "copy-in",
            actor: Actor::Kernel,
            act: Act::Copy,
            at: "queue",
            to: None,
            when: When::Always,
            text: "The kernel copies the bytes into a socket buffer and queues it at the receiver.",
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
            id: "recv",
            actor: Actor::Receiver,
            act: Act::Syscall("recvfrom"),
            at: "queue",
            to: Some("receiver"),
            when: When::Always,
            text: "The receiver is in recv(), which finds the buffer.",
        },
        Step {
            id: "copy-out",
            actor: Actor::Kernel,
            act: Act::Copy,
            at: "receiver",
            to: None,
            when: When::Always,
            text: "The kernel copies the bytes into the receiver's memory and frees the buffer.",
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
    duplex: true,
    cross_host: false,
    quoted: Quoted { copies: "2", syscalls: "2", latency: "~0.05 ms", use_when: "bidirectional" },
};
