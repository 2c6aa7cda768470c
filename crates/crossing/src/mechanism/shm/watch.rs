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
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::thread::futex;

use super::memory::Status;
use super::watcher::Watcher;
use crate::error::ConnectError;
use crate::owner::{self, Owner};

/// What an end says over the rendezvous when its sender goes.
pub(super) const SENDER_CLOSES: u8 = b'S';
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
    pidfd: OwnedFd,
    status: AtomicU32,
}

impl Watch {
    /// Has `watcher` watch the process behind `pidfd` and the `rendezvous` with it.
    pub(super) fn start(
        watcher: Arc<Watcher>,
        rendezvous: OwnedFd,
        pidfd: OwnedFd,
    ) -> Result<Watch, ConnectError> {
        let owner = Owner::me().map_err(ConnectError::io(owner::NOTICING))?;
        let watched = Arc::new(Watched { rendezvous, pidfd, status: AtomicU32::new(0) });
        let id = watcher.add(&watched).map_err(ConnectError::io("watch for the peer's death"))?;
        Ok(Watch { watcher, id, owner, watched })
    }

    /// The word that holds the [`Status`] of the peer.
    pub(super) fn status(&self) -> &AtomicU32 {
        &self.watched.status
    }

    /// What is known of the peer.
    pub(super) fn known(&self) -> Status {
        Status(self.status().load(Ordering::Acquire))
    }

    /// What tells a sleeper of its end: a pidfd, which can be read then, and the rendezvous, which hangs up.
    pub(super) fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.watched.pidfd(), self.watched.rendezvous()]
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

    pub(super) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Notes that there is no peer any more.
    pub(super) fn note_gone(&self) {
        self.set(Status::GONE);
    }

    /// Notes what became of the peer, and wakes everyone in this process who sleeps on it.
    fn set(&self, what: Status) {
        self.status.fetch_or(what.0, Ordering::SeqCst);
        // Fails on no address that exists.
        let _ = futex::wake(&self.status, futex::Flags::PRIVATE, i32::MAX as u32);
    }

    /// Reads what the rendezvous has to say. Whether there is more to come.
    pub(super) fn listen(&self) -> bool {
        loop {
            let mut notice = [0; 2];
            let received = rustix::net::recv(&self.rendezvous, &mut notice, RecvFlags::DONTWAIT);
            let what = match received.map(|(bytes, _)| bytes) {
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return true,
                Ok(1) if notice[0] == SENDER_CLOSES => Status::SENDER_CLOSED,
                Ok(1) if notice[0] == RECEIVER_CLOSES => Status::RECEIVER_CLOSED,
                // The end of file, or something that no correct peer says.
                Ok(_) | Err(_) => Status::GONE,
            };
            // Said twice is no better than said wrong: a peer cannot keep this thread busy.
            let known = Status(self.status.load(Ordering::SeqCst));
            let what = if known.intersects(what) { Status::GONE } else { what };
            self.set(what);
            if what == Status::GONE {
                return false;
            }
        }
    }
}
