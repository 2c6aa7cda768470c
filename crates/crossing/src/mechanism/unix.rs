//! A Unix stream socket.
//!
//! **One message.** send(2) copies the frame into a socket buffer of the kernel and puts it into the *receiver's* queue
//! at once; recv(2) copies it out. Two calls, two copies, like a pipe; but one socket carries both directions.
//!
//! **The queue** is bounded at the sender (SO_SNDBUF), counted in what the buffers occupy rather than in bytes of messages: a
//! message of 64 bytes counts for 768. When the bound is reached the sender sleeps until the receiver has
//! read. [`Config::capacity_bytes`](crate::Config::capacity_bytes) asks for another bound.
//!
//! **Meeting.** Over the socket itself: each end sends a hello of 32 bytes and reads the other's (`docs/wire.md`). Two
//! ends that know each other are a socketpair; others meet at a path.
//!
//! **The end** is told by the socket: what was sent can still be read, then the end of the stream.
//! A peer that leaves messages of ours unread causes ECONNRESET in our next call. Yet nothing of
//! what *it* had sent is missing, because that is in our own queue. So the receiver reports the
//! end, and the sender a peer that receives no more, as after EPIPE.
//!
//! # References
//! unix(7), socketpair(2), net/unix/af_unix.c of the kernel.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

use super::socket::{SocketHalf, SocketStream};
use crate::config::Config;
use crate::deadline::wait_readable;
use crate::descriptor::{self, both_above_stdio};
use crate::error::ConnectError;
use crate::frame::receiver::FrameReceiver;
use crate::frame::sender::FrameSender;
use crate::halves::{Halves, Mechanism, Opened};
use crate::hello::Hello;
use crate::kind::Kind;
use crate::owner::{self, Owner};
use crate::peer::Identity;
#[cfg(feature = "scene")]
use crate::scene::{Act, Actor, Budget, Effect, Form, Part, ROOM, SceneDesign, Step};
use crate::wait::only_core;

/// A Unix stream socket.
///
/// # Examples
/// ```
/// use crossing::{Config, Connection, Kind, Unix};
///
/// let (mut here, mut there) = Connection::<Unix>::pair_as(Kind::Unix, &Config::default())?;
/// here.send(b"by send(2)")?;
/// assert_eq!(there.recv(&mut [0; 64])?, 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Unix;

impl Mechanism for Unix {
    type Outbound = FrameSender<SocketHalf>;
    type Inbound = FrameReceiver<SocketHalf>;

    const KIND: Option<Kind> = Some(Kind::Unix);

    fn open(kind: Kind, rendezvous: OwnedFd, config: &Config) -> Result<Halves<Self>, ConnectError> {
        if let Some(wanted) = config.capacity_bytes {
            // Bytes that wait in a Unix socket count at its sender only.
            let _ = sockopt::set_socket_send_buffer_size(&rendezvous, socket_buffer(wanted));
        }
        greet(kind, rendezvous, config, only_core())
    }
}

/// The size to ask a socket for. The kernel takes an int, doubles it for its own overhead, and
/// gives what the administrator allows (wmem_max, rmem_max) without an error.
pub(crate) fn socket_buffer(wanted: usize) -> usize {
    wanted.min(i32::MAX as usize / 2)
}

/// Two ends that know each other from birth.
pub(crate) fn rendezvous() -> Result<(OwnedFd, OwnedFd), Errno> {
    both_above_stdio(rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// The handshake over the stream itself, and the two halves of the socket. `core` is what the peer is told of
/// ours.
pub(crate) fn greet(
    kind: Kind,
    socket: OwnedFd,
    config: &Config,
    core: Option<u16>,
) -> Result<Opened<FrameSender<SocketHalf>, FrameReceiver<SocketHalf>>, ConnectError> {
    let deadline = config.connect_deadline();
    let owner = Owner::me().map_err(ConnectError::io(owner::NOTICING))?;
    let hello = Hello { max_message: config.max_message, core, ..Hello::bare(kind) };
    let is_local = kind.meets_at().is_some();
    // A new socket has room for 32 bytes. An end that has gone may have said why before.
    let sent = if is_local {
        descriptor::send_as_this_process(&socket, &hello.encode())
    } else {
        rustix::net::send(&socket, &hello.encode(), SendFlags::NOSIGNAL)
    };
    match sent {
        Ok(_) | Err(Errno::PIPE | Errno::CONNRESET) => {}
        Err(errno) => return Err(ConnectError::io("send the handshake")(errno)),
    }
    let mut bytes = [0; Hello::BYTES];
    let mut read = 0;
    let mut identity = Identity::default();
    while read < bytes.len() {
        wait_readable(socket.as_fd(), deadline)?;
        let rest = &mut bytes[read..];
        let came = if is_local {
            descriptor::receive_from(socket.as_fd(), rest).map(|came| {
                identity = Identity(came.from);
                came.len
            })
        } else {
            rustix::net::recv(&socket, rest, RecvFlags::DONTWAIT).map(|(_, len)| len)
        };
        match came {
            Ok(0) | Err(Errno::CONNRESET) => return Err(ConnectError::Disconnected),
            Ok(more) => read += more,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => return Err(ConnectError::io("receive the handshake")(errno)),
        }
    }
    let peer = Hello::decode(&bytes, kind)?;
    let max_message = config.max_message.min(peer.max_message);
    let (writing, reading) = SocketStream::halves(socket, kind, config.linger, owner);
    Ok(Opened {
        outbound: FrameSender::new(writing, max_message, owner),
        inbound: FrameReceiver::new(reading, max_message, owner),
        one_core: hello.shares_core(&peer),
        owner,
        identity,
    })
}

/// The story of one message through a Unix socket.
#[cfg(feature = "scene")]
pub(crate) static SCENE: SceneDesign = SceneDesign {
    kind: Kind::Unix,
    stage: &[
        Part::process(Actor::Sender),
        Part::kernel("name", Form::Name, "socket: a path, or a pair without a name"),
        Part::kernel("queue", Form::Queue, "the receiver's queue"),
        Part::kernel("back", Form::Queue, "the sender's queue, for the way back"),
        Part::process(Actor::Receiver),
    ],
    steps: &[
        Step::waits("recvfrom", "queue", "The receiver calls recv(); its queue is empty."),
        Step::sleep("It sleeps in the kernel until something is queued.")
            .effects(const { &[Effect::sleeps("queue")] }),
        Step::sender(
            "send",
            Act::syscall("sendto"),
            "sender",
            "The sender calls send() with the framed message. sendmsg() sends one longer than 128 \
             KiB from the program's own memory.",
        )
        .to("queue"),
        Step::full("Its share of the queue is used up: the sender sleeps until the receiver has read.")
            .effects(const { &[Effect::sleeps("queue")] }),
        Step::copy(
            "copy-in",
            "queue",
            "The kernel copies the bytes into a socket buffer and queues it at the receiver.",
        )
        .effects(const { &[Effect::add("queued_bytes")] }),
        Step::wake(),
        Step::receiver(
            "recv",
            Act::syscall("recvfrom"),
            "queue",
            "The receiver is in recv(), which finds the buffer.",
        )
        .to("receiver"),
        Step::copy(
            "copy-out",
            "receiver",
            "The kernel copies the bytes into the receiver's memory and frees the buffer.",
        )
        .effects(const { &[Effect::take_read("queued_bytes"), ROOM] }),
    ],
    budgets: &Budget::IN_AND_OUT,
    duplex: true,
    cross_host: false,
};
