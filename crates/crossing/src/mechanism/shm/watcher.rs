//! The watcher: one thread of this process that sleeps on what tells of the ends of peers.
//!
//! It sleeps on the rendezvous of each connection, and on a pidfd of each process at the other end ([`watch`](super::watch)). It is
//! started with the first connection, takes no signal of the program's, and costs nothing while nothing happens.
//!
//! **It belongs to one process.** A forked child has a copy of what the thread sleeps on, but not the thread. It starts a watcher
//! of its own with its first connection, and touches nothing of its parent's: an epoll is shared with the copy, and what a child
//! entered there would wake its parent for a connection that the parent has not got.
//!
//! **No event comes twice.** A descriptor that is closed leaves an epoll only when the last copy of it is closed, and a child
//! may have one. So each is taken out by name before it is closed; and each reports a change once (`EPOLLET`), so that one that
//! stays in there cannot keep the thread awake.
//!
//! Where sleepers do not see what it notes, it wakes them, until they know ([`plain`](super::plain)).
//!
//! A failure to start it is an error of that connection only; the next connection tries again.
//!
//! # References
//! epoll(7), in particular its questions 6 and 9; pidfd_open(2).

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use rustix::event::epoll;
use rustix::io::Errno;

use super::watched::{WatchedPeer, WatchedProcess};
use crate::deadline::timespec;
use crate::descriptor::above_stdio;
use crate::descriptor::{ProcessNumber, process_number};
use crate::error::ConnectError;
use crate::owner::{self, PerProcess};
use crate::sys::SignalsBlocked;

/// The watcher of this process, while there is one.
static WATCHER: PerProcess<Mutex<Option<Arc<Watcher>>>> = PerProcess::new();

/// What the thread and the connections that it watches share.
#[derive(Debug)]
pub(super) struct Watcher {
    epoll: OwnedFd,
    table: Mutex<Table>,
}

/// Every connection of this process that is watched, by its id. It holds none of them: the descriptors are the connection's, also
/// in a child's copy of it.
#[derive(Debug, Default)]
struct Table {
    last_id: u64,
    /// Whether the thread has ended, so that nothing more can be watched.
    retired: bool,
    watched: HashMap<u64, Weak<WatchedPeer>>,
    /// The processes at the other ends, by their ids, …
    processes: HashMap<u64, ProcessEntry>,
    /// … and their ids by their numbers.
    ids: HashMap<ProcessNumber, u64>,
}

/// A process in the table.
#[derive(Debug)]
struct ProcessEntry {
    process: Arc<WatchedProcess>,
    /// How many connections there are to it.
    connections: usize,
}

impl Table {
    /// The id under which it was entered. EBADF once the thread has ended: the epoll's number may be another file's by now.
    fn insert(&mut self, watched: &Arc<WatchedPeer>) -> Result<u64, Errno> {
        let id = self.next_id()?;
        self.watched.insert(id, Arc::downgrade(watched));
        Ok(id)
    }

    fn next_id(&mut self) -> Result<u64, Errno> {
        if self.retired {
            return Err(Errno::BADF);
        }
        self.last_id += 1;
        Ok(self.last_id)
    }

    /// The connections to a process.
    fn connected_with(&self, process: u64) -> Vec<Arc<WatchedPeer>> {
        let is_with =
            |watched: &Arc<WatchedPeer>| watched.process.as_ref().is_some_and(|it| it.id == process);
        self.watched.values().filter_map(Weak::upgrade).filter(is_with).collect()
    }
}

/// What the kernel's events carry: the id of a process, or of a connection.
fn token(id: u64, is_process: bool) -> epoll::EventData {
    epoll::EventData::new_u64(id << 1 | u64::from(is_process))
}

/// What is told: news to read, or an end; once.
const TOLD: epoll::EventFlags =
    epoll::EventFlags::IN.union(epoll::EventFlags::RDHUP).union(epoll::EventFlags::ET);

/// Nothing that holds one of these locks can panic halfway through a change.
fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watcher {
    /// The watcher of this process, which is started if there is none.
    pub(super) fn of_this_process() -> Result<Arc<Watcher>, ConnectError> {
        let slot = WATCHER.get().map_err(ConnectError::io(owner::NOTICING))?;
        let mut slot = lock(slot);
        if let Some(watcher) = &*slot {
            return Ok(watcher.clone());
        }
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)
            .and_then(above_stdio)
            .map_err(ConnectError::io("make an epoll to watch for the peer's death"))?;
        let watcher = Arc::new(Watcher { epoll, table: Mutex::default() });
        let runs = watcher.clone();
        let _blocked = SignalsBlocked::new();
        let started = thread::Builder::new().name("crossing-watch".into()).spawn(move || runs.run());
        let doing = "start the thread that watches for the peer's death";
        started.map_err(|source| ConnectError::Io { doing: doing.into(), source })?;
        *slot = Some(watcher.clone());
        Ok(watcher)
    }

    /// Begins to watch a peer; returns the id of the entry.
    pub(super) fn add(&self, watched: &Arc<WatchedPeer>) -> Result<u64, Errno> {
        let id = lock(&self.table).insert(watched)?;
        let added = epoll::add(&self.epoll, watched.rendezvous(), token(id, false), TOLD).and_then(|()| {
            let Some(process) = &watched.process else { return Ok(()) };
            // Told once more, to this connection as well: it may have died before.
            epoll::modify(&self.epoll, &process.pidfd, token(process.id, true), TOLD)
        });
        if let Err(errno) = added {
            self.remove(id, watched);
            return Err(errno);
        }
        Ok(id)
    }

    /// The process behind `pidfd`, watched from now on, for one more connection to it. If it is watched already, the
    /// descriptor is closed: a process at the other end takes one, however many connections there are.
    pub(super) fn enter(&self, pidfd: OwnedFd) -> Result<Arc<WatchedProcess>, Errno> {
        let number = process_number(&pidfd);
        let mut table = lock(&self.table);
        let Table { processes, ids, .. } = &mut *table;
        if let Some(entered) = number.and_then(|number| processes.get_mut(ids.get(&number)?)) {
            entered.connections += 1;
            return Ok(entered.process.clone());
        }
        let id = table.next_id()?;
        epoll::add(&self.epoll, &pidfd, token(id, true), TOLD)?;
        let process = Arc::new(WatchedProcess { id, number, pidfd });
        table.processes.insert(id, ProcessEntry { process: process.clone(), connections: 1 });
        if let Some(number) = number {
            table.ids.insert(number, id);
        }
        Ok(process)
    }

    /// One connection to `process` less.
    pub(super) fn leave(&self, process: &WatchedProcess) {
        let mut table = lock(&self.table);
        let Some(entered) = table.processes.get_mut(&process.id) else { return };
        entered.connections -= 1;
        if entered.connections == 0 {
            self.forget(process.pidfd.as_fd());
            table.processes.remove(&process.id);
            if let Some(number) = process.number {
                table.ids.remove(&number);
            }
        }
    }

    /// Watches no longer. Its descriptors are still open.
    pub(super) fn remove(&self, id: u64, watched: &WatchedPeer) {
        self.forget(watched.rendezvous());
        lock(&self.table).watched.remove(&id);
        watched.process.iter().for_each(|process| self.leave(process));
    }

    fn forget(&self, fd: BorrowedFd<'_>) {
        // ENOENT when it was forgotten already.
        let _ = epoll::delete(&self.epoll, fd.as_fd());
    }

    fn run(self: Arc<Self>) {
        let mut events = Vec::with_capacity(16);
        let mut unaware = Unaware::default();
        loop {
            events.clear();
            let timeout = unaware.pause().map(timespec);
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => {
                    self.retire(unaware);
                    // The number is not ours any more: it must not be closed, and is kept with all of this for good.
                    return std::mem::forget(self);
                }
            }
            for event in &events {
                let token = event.data.u64();
                let id = token >> 1;
                if token & 1 == 1 {
                    let all = lock(&self.table).connected_with(id);
                    for watched in all {
                        // What the peer said before it died is read first.
                        watched.listen();
                        watched.note_gone();
                        unaware.look_after(&watched);
                    }
                    continue;
                }
                let watched = lock(&self.table).watched.get(&id).and_then(Weak::upgrade);
                let Some(watched) = watched else { continue };
                if !watched.listen() {
                    self.forget(watched.rendezvous());
                }
                unaware.look_after(&watched);
            }
            unaware.wake();
        }
    }

    /// Ends for want of what it sleeps on, as when a program closes all descriptors, those of this library too. Nothing waits for
    /// ever because of it: every connection is over, and the next one starts another watcher.
    fn retire(&self, mut unaware: Unaware) {
        if let Ok(slot) = WATCHER.get() {
            let mut slot = lock(slot);
            if slot.as_ref().is_some_and(|watcher| std::ptr::eq(&**watcher, self)) {
                *slot = None;
            }
        }
        let watched: Vec<_> = {
            let mut table = lock(&self.table);
            table.retired = true;
            table.watched.values().filter_map(Weak::upgrade).collect()
        };
        for watched in watched {
            watched.note_gone();
            unaware.look_after(&watched);
        }
        while let Some(pause) = unaware.pause() {
            crate::pause::pause(pause);
            unaware.wake();
        }
    }
}

/// Connections one half of which sleeps, or is about to, and does not know what has become of the peer: see
/// [`plain`](super::plain). Where futex_waitv(2) is allowed there are none.
#[derive(Default)]
struct Unaware {
    watched: Vec<Weak<WatchedPeer>>,
    pause: Duration,
}

impl Unaware {
    /// The first time between two wakes. A sleeper that was woken needs microseconds to say so, …
    const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
    /// … but a thread that is stopped just before it sleeps may take as long as it likes.
    const LONGEST_PAUSE: Duration = Duration::from_millis(100);

    /// Wakes the sleepers of `watched` after news of its peer, again and again until they know.
    fn look_after(&mut self, watched: &Arc<WatchedPeer>) {
        if watched.wake_unaware() {
            self.watched.push(Arc::downgrade(watched));
            self.pause = Self::SHORTEST_PAUSE;
        }
    }

    /// How long to wait before the next wake, if a sleeper is left.
    fn pause(&mut self) -> Option<Duration> {
        let pause = self.pause;
        self.pause = (pause * 2).min(Self::LONGEST_PAUSE);
        (!self.watched.is_empty()).then_some(pause)
    }

    /// Wakes them once more, and forgets those that know.
    fn wake(&mut self) {
        self.watched.retain(|watched| watched.upgrade().is_some_and(|watched| watched.wake_unaware()));
    }
}
