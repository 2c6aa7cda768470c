//! The link: what both halves of a connection share, and the handshake that makes it.
//!
//! Each end says hello and announces the size of its ring. When it has heard the other's, it makes
//! and seals its region, sends it with a pidfd of itself, checks what it receives, and says that it
//! is ready. What does not fit is refused by name, and nothing of it stays. Making a large ring
//! takes long, so an end reports progress meanwhile: [`work`](super::work).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::io::Errno;
use rustix::process::{PidfdFlags, WaitId, WaitIdOptions};
use rustix::thread::{MembarrierCommand, MembarrierQuery};

use super::bell::Bell;
use super::memory::Word;
use super::region::{CAPACITY_LIMIT, Own, RegionLayout, Theirs, page_bytes};
use super::ring::frame;
use super::view::Rings;
use super::watch::Watch;
use super::watcher::Watcher;
use super::work::{self, WorkClock};
use super::{rules, sleeping};
use crate::config::Config;
use crate::descriptor::{above_stdio, process_number};
use crate::error::ConnectError;
use crate::hello::{self, Hello};
use crate::kind::Kind;
use crate::packet::{expect, recv_hello, send_hello, send_packet};
use crate::peer::Identity;
use crate::tuning::RING_BYTES;
use crate::wait::only_core;

/// What both halves of a connection share.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) own: Own,
    pub(super) theirs: Arc<Theirs>,
    pub(super) watch: Watch,
    /// Whether this end has sent since its receiver last asked: see [`ring`](super::ring).
    pub(super) sent: AtomicBool,
}

impl Rings for Link {
    fn ring(&self, word: Word) {
        self.watch.ring(word);
    }

    fn hush(&self, word: Word) {
        self.watch.hush(word);
    }
}

/// What both ends agreed on.
pub(super) struct Agreed {
    /// The longest message in bytes.
    pub(super) max_message: usize,
    /// Whether fences may be asymmetric: both processes have registered for membarrier(2).
    pub(super) asymmetric: bool,
    /// Whether both share their only core.
    pub(super) one_core: bool,
    /// Which process has shaken hands.
    pub(super) identity: Identity,
}

/// The packet that carries the descriptors of this side's memory.
const MEMORY: [u8; 1] = [b'M'];
/// The packet that says that this side has checked and mapped the peer's region.
const READY: [u8; 1] = [b'!'];

impl Link {
    /// The handshake.
    pub(super) fn open(rendezvous: OwnedFd, config: &Config) -> Result<(Link, Agreed), ConnectError> {
        let shaken = shake(rendezvous.as_fd(), config);
        let ShmHandshake { own, theirs, watcher, pidfd, bell, agreed } =
            hello::telling(&rendezvous, Kind::Shm, shaken)?;
        let watch = Watch::start(watcher, rendezvous, pidfd, theirs.clone(), bell)?;
        Ok((Link { own, theirs, watch, sent: AtomicBool::new(false) }, agreed))
    }
}

/// The result of a handshake.
struct ShmHandshake {
    own: Own,
    theirs: Arc<Theirs>,
    watcher: Arc<Watcher>,
    /// None of an end of this very process.
    pidfd: Option<OwnedFd>,
    bell: Bell,
    agreed: Agreed,
}

fn shake(rendezvous: BorrowedFd<'_>, config: &Config) -> Result<ShmHandshake, ConnectError> {
    // Checked first: an end that could not learn of its peer's death must not connect.
    sleeping::check()?;
    let watcher = Watcher::of_this_process()?;
    let mut clock = WorkClock::start(rendezvous, config);
    let mut nonce = [0; 8];
    rustix::rand::getrandom(&mut nonce, rustix::rand::GetRandomFlags::empty())
        .map_err(ConnectError::io("draw a random number"))?;
    let mine = RegionLayout {
        header_bytes: page_bytes(),
        capacity: ring_bytes(config)?,
        nonce: u64::from_le_bytes(nonce),
    };
    let membarrier = register();
    let hello = Hello {
        kind: Kind::Shm,
        membarrier,
        max_message: config.max_message,
        capacity: mine.capacity,
        core: only_core(),
        nonce: mine.nonce,
    };
    send_hello(rendezvous, hello, clock.deadline)?;
    let (peer, from) = recv_hello(rendezvous, Kind::Shm, clock.deadline)?;
    let theirs = RegionLayout { capacity: peer.capacity, nonce: peer.nonce, ..mine };
    check_capacity(theirs, config)?;
    if peer.nonce == mine.nonce {
        return Err(ConnectError::Refused { field: "nonce", why: "the same as this end's".into() });
    }
    // One end makes the bells of both: the one that has drawn the larger number.
    let makes_bells = mine.nonce > peer.nonce;

    // Memory is made for an end that has shown to be one of ours.
    let own = clock.stands_for(|step| Own::create(mine, step))?;
    let me = crate::sys::own_pid()
        .and_then(|me| rustix::process::pidfd_open(me, PidfdFlags::empty()))
        .and_then(above_stdio)
        .map_err(ConnectError::io("open a pidfd of this process"))?;
    let made = makes_bells.then(Bell::pair).transpose().map_err(ConnectError::io("make a bell"))?;
    let (word, memfd, pidfd, bell) = if let Some((mine, theirs_bell)) = made {
        let with = [own.memfd(), me.as_fd(), theirs_bell.as_fd()];
        send_packet(rendezvous, &MEMORY, &with, clock.deadline)?;
        let (word, [memfd, pidfd]) = clock.receive(work::making(theirs))?;
        (word, memfd, pidfd, mine)
    } else {
        send_packet(rendezvous, &MEMORY, &[own.memfd(), me.as_fd()], clock.deadline)?;
        let (word, [memfd, pidfd, bell]) = clock.receive(work::making(theirs))?;
        (word, memfd, pidfd, Bell::from_peer(bell)?)
    };
    expect(word, MEMORY)?;
    let theirs = Arc::new(clock.stands_for(|step| Theirs::open(memfd, theirs, step))?);
    check_pidfd(&pidfd)?;
    // A peer in this very process dies with this end, and says over the rendezvous that it closes:
    // no pidfd is needed.
    let pidfd = (!are_same(&me, &pidfd)).then_some(pidfd);
    drop(me);
    send_packet(rendezvous, &READY, &[], clock.deadline)?;
    let (word, []) = clock.receive(work::mapping(mine))?;
    expect(word, READY)?;

    let agreed = Agreed {
        max_message: config.max_message.min(peer.max_message),
        asymmetric: membarrier && peer.membarrier,
        one_core: hello.shares_core(&peer),
        identity: Identity(from),
    };
    Ok(ShmHandshake { own, theirs, watcher, pidfd, bell, agreed })
}

/// That the ring which the peer has announced is one, and not larger than this end wants to map.
fn check_capacity(theirs: RegionLayout, config: &Config) -> Result<(), ConnectError> {
    let RegionLayout { capacity, header_bytes, .. } = theirs;
    let limit = ring_limit(config);
    if capacity.is_power_of_two() && (header_bytes..=limit).contains(&capacity) {
        return Ok(());
    }
    let why = format!("{capacity} bytes, and this end maps powers of two from {header_bytes} to {limit}");
    Err(ConnectError::Refused { field: "capacity", why })
}

/// Checks that what the peer sent is a pidfd: another file could make the watcher wait. Whether it
/// is the peer's own is not checked. A peer that sends another's harms only itself: its death would
/// go unnoticed.
fn check_pidfd(fd: &OwnedFd) -> Result<(), ConnectError> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match rustix::process::waitid(WaitId::PidFd(fd.as_fd()), options) {
        // A child of ours, or a process that is none.
        Ok(_) | Err(Errno::CHILD) => Ok(()),
        Err(Errno::BADF | Errno::INVAL) => {
            Err(ConnectError::Refused { field: "pidfd", why: "not a pidfd".into() })
        }
        // It is this process that may not look.
        Err(errno) => Err(ConnectError::io("look at the peer's pidfd")(errno)),
    }
}

/// Whether two pidfds refer to one process. Where pidfds have no numbers, the two count as different.
fn are_same(one: &OwnedFd, other: &OwnedFd) -> bool {
    process_number(one).is_some_and(|it| process_number(other) == Some(it))
}

/// The largest ring that `config` lets this end make or map, in bytes.
fn ring_limit(config: &Config) -> u64 {
    CAPACITY_LIMIT.min(config.ring_limit_bytes as u64)
}

/// The size of the ring for `config`, in bytes: a power of two, and room for two of the longest messages.
fn ring_bytes(config: &Config) -> Result<u64, ConnectError> {
    let least = frame(config.max_message) * 2;
    let asked = config.capacity_bytes.unwrap_or(RING_BYTES);
    let wanted = (asked as u64).max(least).max(page_bytes());
    let limit = ring_limit(config);
    let bytes = wanted.checked_next_power_of_two().filter(|&bytes| bytes <= limit);
    bytes.ok_or_else(|| {
        ConnectError::Config(format!(
            "messages of {} bytes and {} bytes on their way take a ring of {wanted} bytes, rounded up to a power of \
             two: more than the limit of {limit}",
            config.max_message, asked
        ))
    })
}

/// Registers this process for membarrier(2). Whether the kernel can do it.
fn register() -> bool {
    rules::ASYMMETRIC
        && rustix::thread::membarrier_query().contains(MembarrierQuery::GLOBAL_EXPEDITED)
        && rustix::thread::membarrier(MembarrierCommand::RegisterGlobalExpedited).is_ok()
}
