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
mod scene;
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
pub(crate) use self::scene::SCENE;
use self::watch::{RECEIVER_CLOSES, SENDER_CLOSES, Watch};
use super::{Halves, Inbound, Kind, Mechanism, Outbound};
use crate::config::Config;
use crate::error::{ConnectError, RecvError, SendError};
use crate::hello::{Hello, recv_hello, recv_packet, send_packet};
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
