//! Shared memory: two regions, each written by one process and readable by the other.
//!
//! **One message.** The sender copies the bytes into the ring of its own region and stores its `tail`; the receiver, which has
//! mapped the same pages for reading, loads `tail` and copies the bytes out. The kernel has no part in it: no
//! system call, no copy of its own. Both copies are made by the processes.
//!
//! **Waiting.** A spinning receiver loads `tail` again and again. One that may sleep raises a flag and sleeps in
//! futex_waitv(2) on the low half of `tail` through its read-only mapping; the sender then owes it one
//! futex(2) wake.
//!
//! **Meeting.** The two find each other over a rendezvous, a Unix packet socket: each makes and seals a region of its own,
//! sends the descriptor, checks and maps what it got, says that it is ready, and keeps the socket as the
//! peer's lifeline.
//!
//! **Limits.** The ring holds at least two of the longest messages. Linux 5.16 or newer (futex_waitv).
//!
//! # References
//! memfd_create(2), futex(2), futex_waitv in Documentation/userspace-api/futex2.rst, membarrier(2),
//! pidfd_open(2).

mod blob;
mod in_place;
mod lane;
mod line;
mod memfd;
mod memory;
mod opaque;
mod region;
mod ring;
mod rules;
mod watch;

#[cfg(test)]
mod tests;

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::{PidfdFlags, WaitId, WaitIdOptions};
use rustix::thread::{MembarrierCommand, MembarrierQuery};

pub use self::blob::{Blob, BlobMut};
pub use self::in_place::{Message, TrustedReceiver};
use self::lane::Lane;
use self::line::Line;
use self::region::{CAPACITY_LEAST, CAPACITY_LIMIT, Layout, Own, Theirs, View};
use self::ring::{Consumer, Producer, START, frame};
use self::watch::{RECEIVER_CLOSES, SENDER_CLOSES, Watch};
use super::{Halves, Inbound, Kind, Mechanism, Outbound};
use crate::config::Config;
use crate::error::{ConnectError, RecvError, SendError};
use crate::hello::{Hello, recv_hello, recv_packet, send_packet};
use crate::scene::{Act, Actor, Budget, Experiment, Form, Gauge, Part, Quoted, Range, Scene, Step, When};
use crate::wait::{Patience, Until, only_core};

/// Shared memory.
#[derive(Debug, Clone, Copy)]
pub struct Shm;

impl Mechanism for Shm {
    type Outbound = Out;
    type Inbound = In;

    fn accepts(kind: Kind) -> bool {
        kind == Kind::Shm
    }

    fn open(_: Kind, rendezvous: OwnedFd, config: &Config) -> Result<Halves<Self>, ConnectError> {
        let (link, lanes, agreed) = Link::open(rendezvous, config)?;
        let Agreed { max_message, asymmetric, one_core } = agreed;
        let (mine, theirs) = (link.own.layout().capacity, link.theirs.layout().capacity);
        let view = View::new(
            Arc::new(link),
            |link| (&link.own, &link.theirs, link.watch.status(), &link.sent),
            asymmetric,
        );
        let ring = Producer::new(view.clone(), mine, START);
        let ring = if one_core { ring.publishing_whole() } else { ring };
        let outbound = Out { ring, max_message, claimed: None, line: Line::new(mine), lane: lanes.out };
        let inbound =
            In { ring: Consumer::new(view, theirs, max_message, START), max_message, lane: lanes.inward };
        Ok(Halves::<Self> { outbound, inbound, one_core })
    }
}

/// The rendezvous of two ends that know each other from birth.
pub(crate) fn rendezvous() -> Result<(OwnedFd, OwnedFd), Errno> {
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

/// What both halves of a connection share.
#[derive(Debug)]
pub(crate) struct Link {
    own: Own,
    theirs: Theirs,
    watch: Watch,
    /// Whether this end has sent since its receiver last asked: see [`ring`].
    sent: AtomicBool,
}

/// The lanes of both directions: see [`lane`].
struct Lanes {
    out: Lane,
    inward: Lane,
}

/// What both ends agreed on.
struct Agreed {
    /// The longest message in bytes.
    max_message: usize,
    /// Whether fences may be asymmetric: both processes have registered for membarrier(2).
    asymmetric: bool,
    /// Whether both share their only core.
    one_core: bool,
}

/// What is said when this side has checked and mapped the peer's region.
const READY: [u8; 1] = [b'!'];

impl Link {
    /// The handshake.
    fn open(rendezvous: OwnedFd, config: &Config) -> Result<(Link, Lanes, Agreed), ConnectError> {
        let deadline = config.handshake_deadline();
        let mut nonce = [0; 8];
        rustix::rand::getrandom(&mut nonce, rustix::rand::GetRandomFlags::empty())
            .map_err(ConnectError::io("draw a random number"))?;
        let layout = Layout { capacity: ring_bytes(config)?, nonce: u64::from_le_bytes(nonce) };
        let membarrier = register();
        let own = Own::create(layout)?;
        let me = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
            .map_err(ConnectError::io("open a pidfd of this process"))?;
        let hello = Hello {
            kind: Kind::Shm,
            membarrier,
            max_message: config.max_message,
            capacity: layout.capacity,
            core: only_core(),
            nonce: layout.nonce,
        };
        let (out, theirs) = Lane::pair()?;
        send_packet(rendezvous.as_fd(), &hello.encode(), &[own.memfd(), me.as_fd(), theirs.as_fd()])?;
        drop((me, theirs));
        let (peer, [memfd, pidfd, inward]) = recv_hello(&rendezvous, Kind::Shm, deadline)?;
        let theirs = Theirs::open(memfd, Layout { capacity: peer.capacity, nonce: peer.nonce })?;
        check_pidfd(&pidfd)?;
        let lanes = Lanes { out, inward: Lane::check(inward)? };
        send_packet(rendezvous.as_fd(), &READY, &[])?;
        let (ready, []) = recv_packet::<1, 0>(rendezvous.as_fd(), deadline)?;
        if ready != READY {
            let why = format!("{ready:02x?} where {READY:02x?} belongs");
            return Err(ConnectError::Refused { field: "handshake packet", why });
        }
        let watch = Watch::start(rendezvous, pidfd)?;
        let agreed = Agreed {
            max_message: config.max_message.min(peer.max_message),
            asymmetric: membarrier && peer.membarrier,
            one_core: hello.shares_core(&peer),
        };
        Ok((Link { own, theirs, watch, sent: AtomicBool::new(false) }, lanes, agreed))
    }
}

/// What a peer hands over as its pidfd must be one: another file could make the watcher wait. That it is its
/// own is the peer's interest, since it is the peer's death that would go unnoticed.
fn check_pidfd(fd: &OwnedFd) -> Result<(), ConnectError> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match rustix::process::waitid(WaitId::PidFd(fd.as_fd()), options) {
        // A child of ours, or a process that is none.
        Ok(_) | Err(Errno::CHILD) => Ok(()),
        Err(_) => Err(ConnectError::Refused { field: "pidfd", why: "not a pidfd".into() }),
    }
}

/// The size of the ring for `config`, in bytes: a power of two, and room for two of the longest messages.
fn ring_bytes(config: &Config) -> Result<u64, ConnectError> {
    let least = frame(config.max_message) * 2;
    let wanted = (config.capacity_bytes as u64).max(least).max(CAPACITY_LEAST);
    let bytes = wanted.checked_next_power_of_two().filter(|&bytes| bytes <= CAPACITY_LIMIT);
    bytes.ok_or_else(|| {
        ConnectError::Config(format!("a ring of {wanted} bytes is larger than the limit of {CAPACITY_LIMIT}"))
    })
}

/// Registers this process for membarrier(2). Whether the kernel can do it.
fn register() -> bool {
    rules::ASYMMETRIC
        && rustix::thread::membarrier_query().contains(MembarrierQuery::GLOBAL_EXPEDITED)
        && rustix::thread::membarrier(MembarrierCommand::RegisterGlobalExpedited).is_ok()
}

/// The sending half.
#[derive(Debug)]
pub struct Out {
    ring: Producer<View<Link>>,
    max_message: usize,
    /// The place and length of a message that is being written in place.
    claimed: Option<(u64, usize)>,
    /// What a cork has gathered.
    line: Line,
    lane: Lane,
}

impl Out {
    /// Shows the reader everything in line, if there is room for it.
    fn publish_line(&mut self) -> Result<(), SendError> {
        if !self.line.is_empty() {
            self.ring.stage_frames(self.line.frames())?;
            self.line.clear();
        }
        self.ring.publish();
        Ok(())
    }
}

impl Outbound for Out {
    fn max_message(&self) -> usize {
        self.max_message
    }

    #[inline(always)]
    fn send_at_once(&mut self, message: &[u8]) -> bool {
        self.line.is_empty() && self.ring.send_at_once(message)
    }

    fn send(&mut self, message: &[u8], patience: &mut Patience) -> Result<(), SendError> {
        loop {
            match self.publish_line().and_then(|()| self.ring.stage(message)) {
                Err(SendError::Full) => self.wait_room(message.len(), patience)?,
                outcome => {
                    self.ring.publish();
                    return outcome;
                }
            }
        }
    }

    #[inline(always)]
    fn stage_at_once(&mut self, message: &[u8]) -> bool {
        self.line.push(message)
    }

    fn stage(&mut self, message: &[u8]) -> Result<(), SendError> {
        if self.line.push(message) {
            return Ok(());
        }
        self.publish_line()?;
        if self.line.push(message) {
            return Ok(());
        }
        // Too long for any line: it goes by itself.
        self.ring.stage(message)?;
        self.ring.publish();
        Ok(())
    }

    fn claim(&mut self, len: usize) -> Result<(), SendError> {
        self.publish_line()?;
        self.claimed = Some((self.ring.claim(len)?, len));
        Ok(())
    }

    fn claimed(&self) -> &[u8] {
        let (place, len) = self.claimed.unwrap_or_default();
        self.ring.memory().place(place, len)
    }

    fn claimed_mut(&mut self) -> &mut [u8] {
        let (place, len) = self.claimed.unwrap_or_default();
        self.ring.memory_mut().place_mut(place, len)
    }

    fn commit(&mut self) {
        if let Some((_, len)) = self.claimed.take() {
            self.ring.commit(len);
        }
    }

    fn abandon(&mut self) {
        self.claimed = None;
    }

    fn publish(&mut self, patience: &mut Patience) -> Result<(), SendError> {
        loop {
            match self.publish_line() {
                Err(SendError::Full) => self.wait_room(0, patience)?,
                outcome => return outcome,
            }
        }
    }

    fn wait_room(&mut self, len: usize, patience: &mut Patience) -> Result<(), SendError> {
        let bytes = if self.line.is_empty() { frame(len) } else { self.line.frames().len() as u64 };
        self.ring.wait_room(bytes, patience)
    }

    fn hang_up(&mut self) {
        self.ring.memory().link().watch.hang_up();
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        // What was put in line by a cork that is still open was never promised; what was published stays
        // readable.
        self.ring.memory().link().watch.tell(SENDER_CLOSES);
    }
}

/// The receiving half.
#[derive(Debug)]
pub struct In {
    ring: Consumer<View<Link>>,
    max_message: usize,
    lane: Lane,
}

impl In {
    /// Where the next message stands: see [`Consumer::try_find`].
    fn find(&mut self, patience: &mut Patience) -> Result<(u64, usize), RecvError> {
        let would_wait = patience.until != Until::Now;
        loop {
            match self.ring.try_find(would_wait) {
                Err(RecvError::Empty) => self.ring.wait(patience)?,
                outcome => return outcome,
            }
        }
    }
}

impl Inbound for In {
    fn max_message(&self) -> usize {
        self.max_message
    }

    #[inline(always)]
    fn recv_at_once(&mut self, buffer: &mut [u8]) -> Option<usize> {
        self.ring.recv_at_once(buffer)
    }

    fn recv(&mut self, buffer: &mut [u8], patience: &mut Patience) -> Result<usize, RecvError> {
        let would_wait = patience.until != Until::Now;
        let mut part = 0;
        loop {
            match self.ring.try_recv(buffer, &mut part, would_wait) {
                Err(RecvError::Empty) => self.ring.wait(patience)?,
                outcome => return outcome,
            }
        }
    }

    fn hang_up(&mut self) {
        self.ring.memory().link().watch.hang_up();
    }
}

impl Drop for In {
    fn drop(&mut self) {
        self.ring.memory().link().watch.tell(RECEIVER_CLOSES);
    }
}

/// The story of one message through shared memory.
pub(crate) static SCENE: Scene = Scene {
    kind: Kind::Shm,
    title: "Shared memory",
    summary: "The sender writes the message into memory that the receiver can read. The kernel has no \
              part in it, unless somebody sleeps.",
    explanation: "The same pages of memory stand at an address of each process, so a message is there for the \
                  receiver the moment it is written. The sender copies it into its region and stores one number, tail; \
                  the receiver reads tail and copies the message out. No call enters the kernel on the way: what a \
                  message costs is the journey of a few cache lines from one core to the other. Somebody who sleeps \
                  must be woken, though, and that takes the kernel after all (futex), which is why blocking shared \
                  memory is about as slow as a pipe. Each process can write its own region only; the other's is mapped \
                  for reading, so a stray write stops the one that strayed.",
    tags: &["0 kernel copies", "0 syscalls", "same host"],
    stage: &[
        Part::process(Actor::Sender),
        Part::user(
            "own",
            Form::Region(Actor::Sender),
            "the sender's region: it writes, the receiver reads",
            &[
                Gauge::text("sender_region_access", "mapped"),
                Gauge::new("tail", "tail: written so far", "B"),
                Gauge::new("back_head", "head: taken of the other region", "B"),
                Gauge::new("sender_asleep", "sender asleep", ""),
                Gauge::text("sender_region_message", "last message"),
                Gauge::text("sender_region_page", "page"),
            ],
        ),
        Part::user(
            "theirs",
            Form::Region(Actor::Receiver),
            "the receiver's region: it writes, the sender reads",
            &[
                Gauge::text("receiver_region_access", "mapped"),
                Gauge::new("back_tail", "tail: written so far", "B"),
                Gauge::new("head", "head: taken of the other region", "B"),
                Gauge::new("receiver_asleep", "receiver asleep", ""),
                Gauge::text("receiver_region_message", "last message"),
                Gauge::text("receiver_region_page", "page"),
            ],
        ),
        Part::process(Actor::Receiver),
        Part::kernel("futex", Form::Queue, "futex queue: who sleeps on a word of memory", &[]),
    ],
    steps: &[
        Step::new(
            "wait",
            Actor::Receiver,
            Act::Poll,
            "own",
            "The receiver loads tail again and again; it has not changed.",
        )
        .when(When::ReceiverFirst),
        Step::new(
            "flag",
            Actor::Receiver,
            Act::Store,
            "theirs",
            "It raises its sleeping flag.",
        )
        .when(When::ReceiverAsleep),
        Step::new(
            "barrier",
            Actor::Receiver,
            Act::Syscall("membarrier"),
            "theirs",
            "It has the kernel put a barrier on the sender's core, so that the sender needs none, and looks once more.",
        )
        .when(When::ReceiverAsleep),
        Step::new(
            "sleep",
            Actor::Receiver,
            Act::Syscall("futex_waitv"),
            "futex",
            "It sleeps on tail, and on the word that would tell of the sender's death.",
        )
        .when(When::ReceiverAsleep),
        Step::new(
            "store",
            Actor::Sender,
            Act::Store,
            "sender",
            "The sender copies the message into its own region.",
        )
        .to("own"),
        Step::new("publish", Actor::Sender, Act::Store, "own", "One store of tail publishes it."),
        Step::new(
            "wake",
            Actor::Sender,
            Act::Syscall("futex"),
            "futex",
            "The sender sees the flag and asks the kernel to wake the receiver.",
        )
        .when(When::ReceiverAsleep),
        Step::new(
            "look",
            Actor::Receiver,
            Act::Load,
            "own",
            "The receiver loads tail: the cache line crosses from core to core.",
        ),
        Step::new(
            "load",
            Actor::Receiver,
            Act::Load,
            "own",
            "It checks the length and copies the message out.",
        )
        .to("receiver"),
    ],
    budgets: &[
        Budget {
            wait: "spin",
            sender_syscalls: Range::exactly(0.0),
            receiver_syscalls: Range::exactly(0.0),
            kernel_copies: Range::exactly(0.0),
            wakes: Range::exactly(0.0),
        },
        Budget {
            wait: "hybrid",
            sender_syscalls: Range::between(0.0, 1.0),
            receiver_syscalls: Range::between(0.0, 2.0),
            kernel_copies: Range::exactly(0.0),
            wakes: Range::between(0.0, 1.0),
        },
        Budget {
            wait: "block",
            sender_syscalls: Range::exactly(1.0),
            receiver_syscalls: Range::exactly(2.0),
            kernel_copies: Range::exactly(0.0),
            wakes: Range::exactly(1.0),
        },
    ],
    duplex: true,
    cross_host: false,
    quoted: Quoted { copies: "0", syscalls: "0", latency: "~0.002 ms", use_when: "maximum speed" },
    experiments: &[
        Experiment::new(
            "wild",
            "Let one process go wild",
            "A process writes all over the other's region. Look at who dies, and whether any message was harmed.",
        ),
        Experiment::new(
            "wild-textbook",
            "The same with one region for both",
            "The layout of the textbooks, one region that both may write: the same act. Look at the messages.",
        ),
        Experiment { title: "Fill the ring", ..Experiment::FILL },
        Experiment::KILL_READER,
        Experiment::COPIED_OR_SHARED,
        Experiment::LIFE_OF_A_BYTE,
        Experiment::new(
            "one-page",
            "One page, two addresses",
            "Both have mapped the same memory. Look at the number of the physical page behind either address.",
        ),
    ],
};
