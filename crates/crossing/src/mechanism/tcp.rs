//! A TCP connection.
//!
//! **One message.** send(2) copies the frame into a socket buffer, gives it sequence numbers and a checksum field, and sends the
//! segment down through IP to the device; on loopback the same call runs the receiving half of the stack as
//! well, up to the receiver's queue. recv(2) copies it out, and an acknowledgement goes back.
//!
//! **Nagle** is off (TCP_NODELAY): a plain `send` leaves at once. Batching is the cork's business.
//!
//! **The kernel's buffers** are tuned by the kernel, by what the network takes and what the receiver reads, unless
//! [`Config::capacity_bytes`](crate::Config::capacity_bytes) sets them for good.
//!
//! **Meeting.** Over the connection itself: each end sends a hello of 32 bytes and reads the other's (`docs/wire.md`).
//!
//! **The end.** A dropped end sends its last word and the end of the stream, and keeps reading
//! until the peer's kernel has acknowledged everything (`farewell.rs`), at most for
//! [`Config::linger`](crate::Config::linger). So everything it sent arrives, whatever it left
//! unread itself. A peer that has not taken everything by then may lose the rest, and gets an
//! error.
//!
//! A process that is killed cannot do that; its kernel closes the connection. If it had read
//! everything that had come, what it had sent still arrives, then the end of the stream. If not,
//! the kernel resets the connection: what had arrived is still read, and what was still on its way
//! is lost, although its `send` had returned. That is told as [`Reset`](crate::RecvError::Reset)
//! and never as [`Disconnected`](crate::RecvError::Disconnected). So "published or not published at
//! any kill" is promised on TCP for a connection that is used one way. One used both ways can lose
//! messages at a kill, and reports that it may have.
//!
//! The first `send` after a death succeeds and is lost: a `send` that returns means that the kernel
//! has the message, not that it was read. A machine that vanishes says nothing at all: use
//! deadlines. TCP cannot say "I receive no more, but still send": a [`Receiver`](crate::Receiver)
//! that is dropped alone is noticed by the peer only when the sender goes too.
//!
//! # References
//! tcp(7), RFC 9293, RFC 1122 4.2.2.13, net/ipv4/tcp.c of the kernel.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{SocketAddrAny, sockopt};

use super::socket::SocketHalf;
use super::unix::{greet, socket_buffer};
use crate::config::Config;
use crate::descriptor::both_above_stdio;
use crate::error::ConnectError;
use crate::frame::receiver::FrameReceiver;
use crate::frame::sender::FrameSender;
use crate::halves::{Halves, Mechanism};
use crate::kind::Kind;
#[cfg(feature = "scene")]
use crate::scene::{Act, Actor, Budget, Effect, Form, Part, ROOM, SceneDesign, Step};
use crate::wait::only_core;

/// A TCP connection.
///
/// # Examples
/// ```
/// use crossing::{Config, Connection, Kind, Tcp};
///
/// let (mut here, mut there) = Connection::<Tcp>::pair_as(Kind::Tcp, &Config::default())?;
/// here.send(b"by send(2)")?;
/// assert_eq!(there.recv(&mut [0; 64])?, 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Tcp;

impl Mechanism for Tcp {
    type Outbound = FrameSender<SocketHalf>;
    type Inbound = FrameReceiver<SocketHalf>;

    const KIND: Option<Kind> = Some(Kind::Tcp);

    fn open(kind: Kind, rendezvous: OwnedFd, config: &Config) -> Result<Halves<Self>, ConnectError> {
        // Fails on what is no TCP socket, and then the hello from there says what it is.
        let _ = sockopt::set_tcp_nodelay(&rendezvous, true);
        if let Some(wanted) = config.capacity_bytes {
            let _ = sockopt::set_socket_send_buffer_size(&rendezvous, socket_buffer(wanted));
            let _ = sockopt::set_socket_recv_buffer_size(&rendezvous, socket_buffer(wanted));
        }
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
    // Any process of this machine may connect to the port while it listens: take only the connection that we
    // made.
    loop {
        let (theirs, from) = listener.accept().map_err(errno)?;
        if from == me {
            return both_above_stdio((mine.into(), theirs.into()));
        }
    }
}

/// The story of one message through TCP on loopback.
#[cfg(feature = "scene")]
pub(crate) static SCENE: SceneDesign = SceneDesign {
    kind: Kind::Tcp,
    stage: &[
        Part::process(Actor::Sender),
        Part::kernel("socket", Form::Layer, "socket: send, recv"),
        Part::kernel("tcp", Form::Layer, "TCP: sequence numbers, acknowledgements"),
        Part::kernel("ip", Form::Layer, "IP and the loopback device"),
        Part::kernel("queue", Form::Queue, "the receiver's queue"),
        Part::kernel("back", Form::Queue, "the sender's queue, for the way back"),
        Part::process(Actor::Receiver),
    ],
    steps: &[
        Step::waits("recvfrom", "queue", "The receiver calls recv(); its queue is empty."),
        Step::sleep("It sleeps in the kernel until a segment is queued.")
            .effects(const { &[Effect::sleeps("queue")] }),
        Step::sender(
            "send",
            Act::syscall("sendto"),
            "sender",
            "The sender calls send() with the framed message. sendmsg() sends one longer than 128 \
             KiB from the program's own memory.",
        )
        .to("socket"),
        Step::full(
            "The window is closed and the socket has no more memory to keep bytes in: the sender sleeps \
             until the receiver has read.",
        )
        .effects(const { &[Effect::sleeps("socket")] }),
        Step::copy("copy-in", "socket", "The kernel copies the bytes into a socket buffer."),
        Step::kernel("segment", Act::Store, "tcp", "TCP gives the segment its sequence number.")
            .effects(const { &[Effect::add("seq_bytes")] }),
        Step::kernel(
            "device",
            Act::Store,
            "ip",
            "IP sends it to the loopback device, and the same call carries it up to the receiver's \
             queue.",
        )
        .to("queue")
        .effects(const { &[Effect::add("queued_bytes")] }),
        Step::wake(),
        Step::receiver(
            "recv",
            Act::syscall("recvfrom"),
            "queue",
            "The receiver is in recv(), which finds the segment.",
        )
        .to("receiver"),
        Step::copy("copy-out", "receiver", "The kernel copies the bytes into the receiver's memory.")
            .effects(const { &[Effect::take_read("queued_bytes"), ROOM] }),
        Step::kernel(
            "ack",
            Act::Store,
            "tcp",
            "An acknowledgement goes back, alone or with the next segment.",
        ),
    ],
    budgets: &Budget::IN_AND_OUT,
    duplex: true,
    cross_host: true,
};
