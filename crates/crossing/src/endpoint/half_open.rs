//! Half-open peers: accepted, with an unfinished handshake.
//!
//! Each costs a descriptor and, in a typical server, a thread; a silent peer costs them until the
//! deadline. So their number is limited, and a new peer beyond the limit replaces the oldest. A
//! correct peer is never the oldest for long: a handshake takes less than a millisecond. Shedding a
//! peer shuts its socket down, which ends its handshake at any stage.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use rustix::net::Shutdown;

use crate::descriptor::FIRST_FREE;

/// Those of one listener, the oldest first.
#[derive(Debug)]
pub(super) struct HalfOpen {
    limit: usize,
    waiting: Mutex<VecDeque<HalfOpenPeer>>,
}

#[derive(Debug)]
struct HalfOpenPeer {
    /// Another descriptor of its socket: the handshake owns the first.
    socket: OwnedFd,
    shed: Arc<AtomicBool>,
}

/// A place among the half-open, left when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    among: Arc<HalfOpen>,
    shed: Arc<AtomicBool>,
}

impl HalfOpen {
    pub(super) fn new(limit: usize) -> Arc<HalfOpen> {
        Arc::new(HalfOpen { limit: limit.max(1), waiting: Mutex::default() })
    }

    /// Gives a peer its place. None to one that came with the last descriptor: it is served all the same, and cannot be shed.
    pub(super) fn admit(self: &Arc<Self>, socket: &OwnedFd) -> Result<Option<Seat>, Errno> {
        let another = loop {
            match rustix::io::fcntl_dupfd_cloexec(socket, FIRST_FREE) {
                Err(Errno::MFILE) if self.shed_oldest() => {}
                Err(Errno::MFILE) => return Ok(None),
                outcome => break outcome?,
            }
        };
        let shed = Arc::new(AtomicBool::new(false));
        let mut waiting = self.waiting();
        while waiting.len() >= self.limit {
            waiting.pop_front().as_ref().map(HalfOpenPeer::shed);
        }
        waiting.push_back(HalfOpenPeer { socket: another, shed: shed.clone() });
        Ok(Some(Seat { among: self.clone(), shed }))
    }

    /// Ends the handshake of the oldest. Whether there was one.
    pub(super) fn shed_oldest(&self) -> bool {
        self.waiting().pop_front().as_ref().map(HalfOpenPeer::shed).is_some()
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<HalfOpenPeer>> {
        // What a panic leaves there is whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HalfOpenPeer {
    fn shed(&self) {
        // Read when the handshake has ended by the shutdown, which comes after it.
        self.shed.store(true, Ordering::Release);
        // Fails only where the peer has gone.
        let _ = rustix::net::shutdown(self.socket.as_fd(), Shutdown::Both);
    }
}

impl Seat {
    /// Leaves the place, and says for good whether it was taken: from here on it cannot be.
    pub(super) fn leave(self) -> bool {
        let shed = self.shed.clone();
        drop(self);
        // Pairs with the store in `HalfOpenPeer::shed`.
        shed.load(Ordering::Acquire)
    }

    /// How many may be half open.
    pub(super) fn limit(&self) -> usize {
        self.among.limit
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.among.waiting().retain(|waiting| !Arc::ptr_eq(&waiting.shed, &self.shed));
    }
}
