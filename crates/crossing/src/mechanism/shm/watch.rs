//! The watch: what is known of the peer of one connection.
//!
//! Shared memory says nothing when its writer is killed, and no wait may depend on memory that a dead process
//! owned. So two things are [watched](super::watcher) for each connection: a pidfd that the peer sent
//! of itself (immune to reused pids, and to descriptors that leaked into a grandchild) and the rendezvous
//! socket (whose end of file also crosses pid namespaces, and on which a peer says that it closes one
//! direction). What they tell goes into a word of private memory, on which sleepers wait beside the peer's
//! index.
//!
//! # References
//! pidfd_open(2), unix(7), futex(2).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::thread::futex;

use super::lane::Lane;
use super::lanes::{self, Lanes, Packet};
use super::memory::Status;
use super::plain::Known;
use super::region::Theirs;
use super::view;
use super::watcher::Watcher;
use crate::deadline::timespec;
use crate::error::ConnectError;
use crate::owner::{self, Owner};
use crate::wait::Patience;

/// What an end says over the rendezvous when its sender goes.
pub(super) const SENDER_CLOSES: u8 = b'S';
/// … when its sender goes and leaves messages in line, for which there was no room.
pub(super) const SENDER_GIVES_UP: u8 = b'G';
/// … when its receiver goes.
pub(super) const RECEIVER_CLOSES: u8 = b'R';

/// What is watched for one connection. Dropping it ends the watch and closes the rendezvous.
#[derive(Debug)]
pub(super) struct Watch {
    watcher: Arc<Watcher>,
    id: u64,
    owner: Owner,
    watched: Arc<Watched>,
}

/// What the watcher looks at, and where it notes what it sees.
#[derive(Debug)]
pub(super) struct Watched {
    rendezvous: OwnedFd,
    /// `None` where the peer is of this process.
    pidfd: Option<OwnedFd>,
    known: Known,
    /// The peer's region, on whose words its sleepers may sleep.
    theirs: Arc<Theirs>,
    lanes: Lanes,
}

impl Watch {
    /// Has `watcher` watch the process behind `pidfd` and the `rendezvous` with it.
    pub(super) fn start(
        watcher: Arc<Watcher>,
        rendezvous: OwnedFd,
        pidfd: Option<OwnedFd>,
        theirs: Arc<Theirs>,
    ) -> Result<Watch, ConnectError> {
        let owner = Owner::me().map_err(ConnectError::io(owner::NOTICING))?;
        let (known, lanes) = (Known::default(), Lanes::default());
        let watched = Arc::new(Watched { rendezvous, pidfd, known, theirs, lanes });
        let id = watcher.add(&watched).map_err(ConnectError::io("watch for the peer's death"))?;
        Ok(Watch { watcher, id, owner, watched })
    }

    /// The words that hold what is known of the peer.
    pub(super) fn known_words(&self) -> &Known {
        &self.watched.known
    }

    /// What is known of the peer.
    pub(super) fn known(&self) -> Status {
        Status(self.watched.known.status.load(Ordering::Acquire))
    }

    /// Forgets that something was told, which is asked for elsewhere. What is known then.
    pub(super) fn forget(&self, what: Status) -> Status {
        Status(self.watched.known.status.fetch_and(!what.0, Ordering::AcqRel) & !what.0)
    }

    /// Sleeps until something else is known than `seen`, or patience ends.
    pub(super) fn sleep(&self, seen: Status, patience: &Patience) -> Result<(), Errno> {
        let timeout = patience.left().map(timespec);
        match futex::wait(&self.watched.known.status, futex::Flags::PRIVATE, seen.0, timeout.as_ref()) {
            Ok(()) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// See [`Lanes::take_inbound`].
    pub(super) fn take_inbound_lane(&self) -> Result<Option<Lane>, Errno> {
        self.watched.lanes.take_inbound(self.watched.rendezvous.as_fd())
    }

    /// See [`Lanes::take_outbound`].
    pub(super) fn take_outbound_lane(&self) -> Result<Option<Lane>, Errno> {
        self.watched.lanes.take_outbound(self.watched.rendezvous.as_fd())
    }

    /// What tells a sleeper of its end: a pidfd, which can be read then, and the rendezvous, which hangs up.
    pub(super) fn descriptors(&self) -> (Option<BorrowedFd<'_>>, BorrowedFd<'_>) {
        (self.watched.pidfd(), self.watched.rendezvous())
    }

    /// Tells the peer that one direction closes. A peer that is gone need not be told.
    pub(super) fn tell(&self, notice: u8) {
        if self.owner.is_me() {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            let _ = rustix::net::send(&self.watched.rendezvous, &[notice], flags);
        }
    }

    /// Ends the connection from this side: the peer broke the protocol.
    pub(super) fn hang_up(&self) {
        self.watched.note_gone();
        if self.owner.is_me() {
            let _ = rustix::net::shutdown(&self.watched.rendezvous, rustix::net::Shutdown::Both);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // A forked child's copy of the watcher is its parent's.
        if self.owner.is_me() {
            self.watcher.remove(self.id, &self.watched);
        }
    }
}

impl Watched {
    pub(super) fn rendezvous(&self) -> BorrowedFd<'_> {
        self.rendezvous.as_fd()
    }

    pub(super) fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// Notes that there is no peer any more.
    pub(super) fn note_gone(&self) {
        self.set(Status::GONE);
    }

    /// Notes what became of the peer, and wakes everyone in this process who sleeps on it.
    fn set(&self, what: Status) {
        let status = &self.known.status;
        status.fetch_or(what.0, Ordering::SeqCst);
        // Fails on no address that exists.
        let _ = futex::wake(status, futex::Flags::PRIVATE, i32::MAX as u32);
        self.wake_unaware();
    }

    /// Wakes those who sleep on the peer's words alone and do not know what is known. Whether there are any: then the watcher does
    /// it again after a while. (Where this end hangs up itself, it is the rendezvous that tells the watcher.)
    pub(super) fn wake_unaware(&self) -> bool {
        view::wake_unaware(&self.theirs, &self.known)
    }

    /// What a packet of the peer's means.
    fn told(&self, packet: Packet) -> Status {
        let known = Status(self.known.status.load(Ordering::SeqCst));
        // Said twice is no better than said wrong: a peer cannot keep this thread busy.
        let (what, right) = match packet {
            Packet::Word(SENDER_CLOSES) => (Status::SENDER_CLOSED, !known.intersects(Status::SENDER_CLOSED)),
            Packet::Word(SENDER_GIVES_UP) => {
                (Status::SENDER_CLOSED | Status::SENDER_GAVE_UP, !known.intersects(Status::SENDER_CLOSED))
            }
            Packet::Word(RECEIVER_CLOSES) => {
                (Status::RECEIVER_CLOSED, !known.intersects(Status::RECEIVER_CLOSED))
            }
            Packet::Word(lanes::WANTED) => (Status::LANE_WANTED, self.lanes.wanted(self.rendezvous.as_fd())),
            Packet::With(lanes::LANE, fd) => (Status::LANE_CAME, self.lanes.came(Some(fd))),
            Packet::Lost(lanes::LANE) => (Status::LANE_CAME, self.lanes.came(None)),
            // The end of file, or something that no correct peer says.
            _ => (Status::GONE, false),
        };
        if right { what } else { Status::GONE }
    }

    /// Reads what the rendezvous has to say. Whether there is more to come.
    pub(super) fn listen(&self) -> bool {
        loop {
            let what = match lanes::hear(&self.rendezvous) {
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return true,
                packet => packet.map_or(Status::GONE, |packet| self.told(packet)),
            };
            self.set(what);
            if what == Status::GONE {
                return false;
            }
        }
    }
}
