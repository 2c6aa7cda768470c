//! The link: what both halves of a connection share, and the handshake that makes it.
//!
//! Each end makes and seals its region before it says anything, hands it over with a pidfd of itself and a lane for blobs, and
//! checks what it gets before it says that it is ready. What does not fit is refused by its name, and nothing of it
//! stays.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicBool;

use rustix::io::Errno;
use rustix::process::{PidfdFlags, WaitId, WaitIdOptions};
use rustix::thread::{MembarrierCommand, MembarrierQuery};

use super::lane::Lane;
use super::region::{CAPACITY_LEAST, CAPACITY_LIMIT, Layout, Own, Theirs};
use super::ring::frame;
use super::rules;
use super::watch::Watch;
use crate::config::Config;
use crate::endpoint::above_stdio;
use crate::error::ConnectError;
use crate::hello::{Hello, recv_hello, recv_packet, send_packet};
use crate::mechanism::Kind;
use crate::wait::only_core;

/// What both halves of a connection share.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) own: Own,
    pub(super) theirs: Theirs,
    pub(super) watch: Watch,
    /// Whether this end has sent since its receiver last asked: see [`ring`](super::ring).
    pub(super) sent: AtomicBool,
}

/// The lanes of both directions: see [`lane`](super::lane).
pub(super) struct Lanes {
    pub(super) outbound: Lane,
    pub(super) inbound: Lane,
}

/// What both ends agreed on.
pub(super) struct Agreed {
    /// The longest message in bytes.
    pub(super) max_message: usize,
    /// Whether fences may be asymmetric: both processes have registered for membarrier(2).
    pub(super) asymmetric: bool,
    /// Whether both share their only core.
    pub(super) one_core: bool,
}

/// What is said when this side has checked and mapped the peer's region.
const READY: [u8; 1] = [b'!'];

impl Link {
    /// The handshake.
    pub(super) fn open(rendezvous: OwnedFd, config: &Config) -> Result<(Link, Lanes, Agreed), ConnectError> {
        let deadline = config.connect_deadline();
        let mut nonce = [0; 8];
        rustix::rand::getrandom(&mut nonce, rustix::rand::GetRandomFlags::empty())
            .map_err(ConnectError::io("draw a random number"))?;
        let layout = Layout { capacity: ring_bytes(config)?, nonce: u64::from_le_bytes(nonce) };
        let membarrier = register();
        let own = Own::create(layout)?;
        let me = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
            .and_then(above_stdio)
            .map_err(ConnectError::io("open a pidfd of this process"))?;
        let hello = Hello {
            kind: Kind::Shm,
            membarrier,
            max_message: config.max_message,
            capacity: layout.capacity,
            core: only_core(),
            nonce: layout.nonce,
        };
        let (inbound, theirs) = Lane::pair()?;
        send_packet(rendezvous.as_fd(), &hello.encode(), &[own.memfd(), me.as_fd(), theirs.as_fd()])?;
        drop((me, theirs));
        let (peer, [memfd, pidfd, outbound]) = recv_hello(&rendezvous, Kind::Shm, deadline)?;
        let theirs = Theirs::open(memfd, Layout { capacity: peer.capacity, nonce: peer.nonce })?;
        check_pidfd(&pidfd)?;
        let lanes = Lanes { outbound: Lane::check(outbound)?, inbound };
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
