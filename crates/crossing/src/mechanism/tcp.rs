//! A TCP connection.
//!
//! **One message.** send(2) copies the frame into a socket buffer, gives it sequence numbers and a checksum field, and sends the
//! segment down through IP to the device; on loopback the same call runs the receiving half of the stack as well, up to
//! the receiver's queue. recv(2) copies it out, and an acknowledgement goes back.
//!
//! **Nagle** is off (TCP_NODELAY): a plain `send` leaves at once. Batching is the cork's business.
//!
//! **Meeting.** Over the connection itself: each end sends a hello of 32 bytes and reads the other's (`docs/wire.md`).
//!
//! **Death.** A process that is killed has its connection closed by its kernel: what it had sent still arrives, then the
//! end of the stream. If messages of ours were unread the connection is reset instead; what had arrived before is still
//! read, but what its kernel still held for want of room is lost. The first `send` after a death succeeds and is lost: a
//! `send` that returns says that the kernel has the message, not that anyone has read it. A machine that
//! vanishes says nothing at all: use deadlines. TCP cannot say "I receive no more, but still send": a
//! [`Receiver`](crate::Receiver) that is dropped alone is noticed by the peer only when the sender goes too.
//!
//! # References
//! tcp(7), RFC 9293, net/ipv4/tcp.c of the kernel.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::SocketAddrAny;

use super::unix::{SocketHalf, greet};
use super::{Halves, Kind, Mechanism};
use crate::config::Config;
use crate::error::ConnectError;
use crate::frame::{FrameReceiver, FrameSender};
use crate::scene::{Act, Actor, Budget, Form, Gauge, Part, Quoted, Range, Scene, Space, Step, When};
use crate::wait::only_core;

/// A TCP connection.
#[derive(Debug, Clone, Copy)]
pub struct Tcp;

impl Mechanism for Tcp {
    type Outbound = FrameSender<SocketHalf>;
    type Inbound = FrameReceiver<SocketHalf>;

    fn accepts(kind: Kind) -> bool {
        kind == Kind::Tcp
    }

    fn open(kind: Kind, rendezvous: OwnedFd, config: &Config) -> Result<Halves<Self>, ConnectError> {
        rustix::net::sockopt::set_tcp_nodelay(&rendezvous, true)
            .map_err(ConnectError::io("switch TCP_NODELAY on"))?;
        // A core's number says something to a peer on the same machine only.
        let core = if is_local(&rendezvous) { only_core() } else { None };
        greet(kind, rendezvous, config, core)
    }
}

/// Whether both ends have the same address.
fn is_local(socket: &OwnedFd) -> bool {
    let address = |name: Option<SocketAddrAny>| SocketAddr::try_from(name?).ok();
    let here = address(rustix::net::getsockname(socket).ok());
    let there = address(rustix::net::getpeername(socket).ok().flatten());
    here.zip(there).is_some_and(|(here, there)| here.ip() == there.ip())
}

/// Two ends that know each other from birth: a connection over loopback.
pub(crate) fn rendezvous() -> Result<(OwnedFd, OwnedFd), Errno> {
    let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(errno)?;
    let mine = TcpStream::connect(listener.local_addr().map_err(errno)?).map_err(errno)?;
    let me = mine.local_addr().map_err(errno)?;
    // Any process of this machine may connect to the port while it listens: take only the connection that we made.
    loop {
        let (theirs, from) = listener.accept().map_err(errno)?;
        if from == me {
            return Ok((mine.into(), theirs.into()));
        }
    }
}

/// The story of one message through TCP on loopback.
pub(crate) static SCENE: Scene = Scene {
    kind: Kind::Tcp,
    title: "TCP socket",
    summary: "send() hands the message to the whole network stack, which numbers it, sends it through the loopback device and queues it at the receiver; recv() copies it out, and an acknowledgement goes back.",
    tags: &["sequence numbers and ACKs", "both ways", "cross-host"],
    stage: &[
        Part {
            id: "sender",
            form: Form::Process(Actor::Sender),
            label: "sender",
            space: Space::User,
            gauges: &[],
        },
        Part {
            id: "socket",
            form: Form::Layer,
            label: "socket API: send, recv",
            space: Space::Kernel,
            gauges: &[
                Gauge { field: "queued_bytes", label: "queued at the receiver", unit: "B" },
                Gauge { field: "unacked_bytes", label: "not yet acknowledged", unit: "B" },
            ],
        },
        Part {
            id: "tcp",
            form: Form::Layer,
            label: "TCP: sequence numbers, acknowledgements",
            space: Space::Kernel,
            gauges: &[
                Gauge { field: "segments_out", label: "segments out", unit: "" },
                Gauge { field: "retransmits", label: "retransmits", unit: "" },
                Gauge { field: "rtt_us", label: "round trip", unit: "us" },
            ],
        },
        Part {
            id: "ip",
            form: Form::Layer,
            label: "IP and the loopback device",
            space: Space::Kernel,
            gauges: &[],
        },
        Part {
            id: "queue",
            form: Form::Queue,
            label: "the receiver's queue",
            space: Space::Kernel,
            gauges: &[Gauge { field: "queued_bytes", label: "queued", unit: "B" }],
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
            text: "It sleeps in the kernel until a segment is queued.",
        },
        Step {
            id: "send",
            actor: Actor::Sender,
            act: Act::Syscall("sendto"),
            at: "sender",
            to: Some("socket"),
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
            text: "The window is closed: the sender sleeps until the receiver has read.",
        },
        Step {
            id: "copy-in",
            actor: Actor::Kernel,
            act: Act::Copy,
            at: "socket",
            to: None,
            when: When::Always,
            text: "The kernel copies the bytes into a socket buffer.",
        },
        Step {
            id: "segment",
            actor: Actor::Kernel,
            act: Act::Store,
            at: "tcp",
            to: None,
            when: When::Always,
            text: "TCP gives the segment its sequence number.",
        },
        Step {
            id: "device",
            actor: Actor::Kernel,
            act: Act::Store,
            at: "ip",
            to: Some("queue"),
            when: When::Always,
            text: "IP sends it to the loopback device, and the same call carries it up to the receiver's queue.",
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
            text: "The receiver is in recv(), which finds the segment.",
        },
        Step {
            id: "copy-out",
            actor: Actor::Kernel,
            act: Act::Copy,
            at: "receiver",
            to: None,
            when: When::Always,
            text: "The kernel copies the bytes into the receiver's memory.",
        },
        Step {
            id: "ack",
            actor: Actor::Kernel,
            act: Act::Store,
            at: "tcp",
            to: None,
            when: When::Always,
            text: "An acknowledgement goes back, alone or with the next segment.",
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
    cross_host: true,
    quoted: Quoted { copies: "3+", syscalls: "3+", latency: "~0.15 ms", use_when: "cross-host" },
};
