//! The watcher: tells a connection that its peer has died or closed.
//!
//! Shared memory says nothing when its writer is killed, and no wait may depend on memory that a dead process
//! owned. So one thread of this process sleeps on two things for each connection: a pidfd that the peer sent
//! of itself (immune to reused pids, and to descriptors that leaked into a grandchild) and the rendezvous
//! socket (whose end of file also crosses pid namespaces, and on which a peer says that it closes one
//! direction). What it learns goes into a word of private memory, on which sleepers wait beside the peer's
//! index.
//!
//! # References
//! pidfd_open(2), epoll(7), unix(7), futex(2).

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::thread::futex;

use super::memory::Status;
use crate::endpoint::above_stdio;
use crate::error::ConnectError;
use crate::owner::{self, Owner};

/// What an end says over the rendezvous when its sender goes.
pub(super) const SENDER_CLOSES: u8 = b'S';
/// … when its receiver goes.
pub(super) const RECEIVER_CLOSES: u8 = b'R';

/// What is watched for one connection. Dropping it ends the watch and closes the rendezvous.
#[derive(Debug)]
pub(super) struct Watch {
    id: u64,
    owner: Owner,
    watched: Arc<Watched>,
}

#[derive(Debug)]
struct Watched {
    rendezvous: OwnedFd,
    pidfd: OwnedFd,
    status: AtomicU32,
}

impl Watch {
    /// Watches the process behind `pidfd` and the `rendezvous` with it.
    pub(super) fn start(rendezvous: OwnedFd, pidfd: OwnedFd) -> Result<Watch, ConnectError> {
        let owner = Owner::me().map_err(ConnectError::io(owner::NOTICING))?;
        let watched = Arc::new(Watched { rendezvous, pidfd, status: AtomicU32::new(0) });
        let id = watcher()?.add(&watched).map_err(ConnectError::io("watch for the peer's death"))?;
        Ok(Watch { id, owner, watched })
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
        [self.watched.pidfd.as_fd(), self.watched.rendezvous.as_fd()]
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
        self.watched.set(Status::GONE);
        if self.owner.is_me() {
            let _ = rustix::net::shutdown(&self.watched.rendezvous, rustix::net::Shutdown::Both);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(Ok(watcher)) = WATCHER.get()
            && self.owner.is_me()
        {
            watcher.remove(self.id, &self.watched);
        }
    }
}

impl Watched {
    /// Notes what became of the peer, and wakes everyone in this process who sleeps on it.
    fn set(&self, what: Status) {
        self.status.fetch_or(what.0, Ordering::SeqCst);
        // Fails on no address that exists.
        let _ = futex::wake(&self.status, futex::Flags::PRIVATE, i32::MAX as u32);
    }

    /// Reads what the rendezvous has to say. Whether there is more to come.
    fn listen(&self) -> bool {
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

static WATCHER: OnceLock<Result<Watcher, Errno>> = OnceLock::new();

/// The one thread of this process that watches.
struct Watcher {
    epoll: OwnedFd,
    table: Mutex<Table>,
}

/// Every connection of this process that is watched, by its id.
#[derive(Default)]
struct Table {
    last_id: u64,
    watched: HashMap<u64, Arc<Watched>>,
}

/// The watcher, started with the first connection.
fn watcher() -> Result<&'static Watcher, ConnectError> {
    let made = WATCHER.get_or_init(|| {
        let epoll = above_stdio(epoll::create(epoll::CreateFlags::CLOEXEC)?)?;
        thread::Builder::new()
            .name("crossing-watch".into())
            .stack_size(64 << 10)
            .spawn(|| {
                if let Ok(watcher) = WATCHER.wait() {
                    watcher.run();
                }
            })
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::AGAIN))?;
        Ok(Watcher { epoll, table: Mutex::default() })
    });
    made.as_ref()
        .map_err(|&errno| ConnectError::io("start the thread that watches for the peer's death")(errno))
}

impl Table {
    /// The id under which it was entered.
    fn insert(&mut self, watched: Arc<Watched>) -> u64 {
        self.last_id += 1;
        self.watched.insert(self.last_id, watched);
        self.last_id
    }
}

impl Watcher {
    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing that holds the lock can panic halfway through a change.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, watched: &Arc<Watched>) -> Result<u64, Errno> {
        let id = self.table().insert(watched.clone());
        let event = |pidfd: bool| epoll::EventData::new_u64(id << 1 | u64::from(pidfd));
        let flags = epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
        let added = epoll::add(&self.epoll, &watched.rendezvous, event(false), flags)
            .and_then(|()| epoll::add(&self.epoll, &watched.pidfd, event(true), flags));
        if let Err(errno) = added {
            self.remove(id, watched);
            return Err(errno);
        }
        Ok(id)
    }

    fn remove(&self, id: u64, watched: &Watched) {
        self.forget(watched.rendezvous.as_fd());
        self.forget(watched.pidfd.as_fd());
        self.table().watched.remove(&id);
    }

    fn forget(&self, fd: BorrowedFd<'_>) {
        // ENOENT when the watcher had already forgotten it.
        let _ = epoll::delete(&self.epoll, fd);
    }

    fn run(&self) {
        let mut events = Vec::with_capacity(16);
        loop {
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                // The descriptor was closed under us: nothing is left to watch.
                Err(_) => return,
            }
            for event in &events {
                let token = event.data.u64();
                let Some(watched) = self.table().watched.get(&(token >> 1)).cloned() else { continue };
                if token & 1 == 1 {
                    // What the peer said before it died is read first.
                    watched.listen();
                    watched.set(Status::GONE);
                    self.forget(watched.pidfd.as_fd());
                } else if !watched.listen() {
                    self.forget(watched.rendezvous.as_fd());
                }
            }
        }
    }
}
