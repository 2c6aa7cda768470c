//! The watch: how one connection learns what became of its peer.
//!
//! Shared memory says nothing when its writer is killed, and no wait may depend on memory that a
//! dead process owned. So two things are [watched](super::watcher) for each connection: a pidfd
//! that the peer sent of itself (immune to reused pids, and to descriptors that leaked into a
//! grandchild) and the rendezvous socket (whose end of file also crosses pid namespaces, and on
//! which a peer says that it closes one direction). Their news goes into a word of private memory,
//! on which sleepers wait beside the peer's index.
//!
//! # References
//! pidfd_open(2), unix(7), futex(2).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::thread::futex;

use super::bell::Bell;
use super::lane::Lane;
use super::lanes::Lanes;
use super::memory::{Status, Word};
use super::plain::Known;
use super::region::Theirs;
use super::watched::{RECEIVER_CLOSES, WatchedPeer};
use super::watcher::Watcher;
use crate::deadline::timespec;
use crate::error::ConnectError;
use crate::owner::{self, Owner};
use crate::wait::Patience;

/// The watch over one connection's peer. Dropping it ends the watch and closes the rendezvous.
#[derive(Debug)]
pub(super) struct Watch {
    watcher: Arc<Watcher>,
    id: u64,
    owner: Owner,
    watched: Arc<WatchedPeer>,
}

impl Watch {
    /// Has `watcher` watch the process behind `pidfd` and the `rendezvous` with it.
    pub(super) fn start(
        watcher: Arc<Watcher>,
        rendezvous: OwnedFd,
        pidfd: Option<OwnedFd>,
        theirs: Arc<Theirs>,
        bell: Bell,
    ) -> Result<Watch, ConnectError> {
        let owner = Owner::me().map_err(ConnectError::io(owner::NOTICING))?;
        let (known, lanes) = (Known::default(), Lanes::default());
        let hearing = Mutex::default();
        let failed = || ConnectError::io("watch for the peer's death");
        let process = pidfd.map(|it| watcher.enter(it)).transpose().map_err(failed())?;
        let watched = Arc::new(WatchedPeer { rendezvous, process, known, theirs, lanes, bell, hearing });
        let id = watcher.add(&watched).map_err(failed())?;
        Ok(Watch { watcher, id, owner, watched })
    }

    /// The words that hold what is known of the peer.
    pub(super) fn known_words(&self) -> &Known {
        &self.watched.known
    }

    /// Makes the peer's descriptor ready, which it has armed for a change of my `word`.
    pub(super) fn ring(&self, word: Word) {
        match word {
            Word::Head => self.watched.hush(),
            _ => self.watched.bell.ring(),
        }
    }

    /// Makes my descriptor not ready, before it is armed for a change of the peer's `word`.
    pub(super) fn hush(&self, word: Word) {
        match word {
            Word::Head => self.watched.fill(),
            _ => self.watched.hush(),
        }
    }

    /// The descriptor that an armed half waits at.
    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.watched.bell.as_fd()
    }

    /// What is known of the peer.
    pub(super) fn known(&self) -> Status {
        Status(self.watched.known.status.load(Ordering::Acquire))
    }

    /// Clears `what`, whose news is kept elsewhere. Returns the remaining status.
    pub(super) fn forget(&self, what: Status) -> Status {
        Status(self.watched.known.status.fetch_and(!what.0, Ordering::AcqRel) & !what.0)
    }

    /// Sleeps until the status differs from `seen`, or patience ends.
    pub(super) fn sleep(&self, seen: Status, patience: &Patience) -> Result<(), Errno> {
        let timeout = patience.left_blindly().map(timespec);
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

    /// The descriptors that tell a sleeper of the peer's end: a pidfd, which becomes readable, and
    /// the rendezvous, which hangs up.
    pub(super) fn descriptors(&self) -> (Option<BorrowedFd<'_>>, BorrowedFd<'_>) {
        (self.watched.pidfd(), self.watched.rendezvous())
    }

    /// Tells the peer that one direction closes. A peer that is gone need not be told.
    pub(super) fn tell(&self, notice: u8) {
        if self.owner.is_me() {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            let _ = rustix::net::send(&self.watched.rendezvous, &[notice], flags);
            // The half at the other end that it concerns may be armed.
            self.ring(if notice == RECEIVER_CLOSES { Word::Head } else { Word::Tail });
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
