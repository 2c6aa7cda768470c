//! Lanes on demand: most connections never send a blob, so the lane is made with the first one.
//!
//! The sender of the first blob asks for a [`Lane`] over the rendezvous, and the thread that
//! watches there in the receiver's process makes one and answers with its far end: whatever the
//! receiver does, and if it never takes a blob. The receiving end makes the lane, because a socket
//! keeps the options of its maker: SO_PASSPIDFD, set by a peer, would make the kernel put
//! unrequested descriptors into this process.
//!
//! Either process may be out of descriptors just then. If it is the asked one, it owes the answer:
//! each call of the receiver tries again, and says why it cannot. If it is the asking one, the
//! answer is lost: its call says so, and it asks again with its next blob. A peer that asks more
//! often than [`REQUESTS`], or answers unasked, is cut off.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use super::lane::{Lane, say};
use crate::descriptor::packet_pair;

/// A sender's request for a lane, over the rendezvous.
pub(super) const WANTED: u8 = b'L';
/// The answer, with the far end of a lane.
pub(super) const LANE: u8 = b'A';

/// How often a peer may ask for one lane after the other.
const REQUESTS: u32 = 16;

/// The lanes of one connection, from when they are made until a half takes them.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    inbound: Mutex<InboundLane>,
    outbound: Mutex<OutboundLane>,
}

/// The lane on which this end receives.
#[derive(Debug, Default)]
struct InboundLane {
    requests: u32,
    /// Whether the peer has asked and was not answered.
    owed: bool,
    lane: Option<Lane>,
}

/// The lane on which this end sends.
#[derive(Debug, Default)]
struct OutboundLane {
    asked: bool,
    /// The answer.
    came: Option<Result<Lane, Errno>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that holds the lock can panic halfway through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lanes {
    /// The peer asks for a lane. Whether it may.
    pub(super) fn wanted(&self, rendezvous: BorrowedFd<'_>) -> bool {
        let mut inbound = lock(&self.inbound);
        inbound.requests += 1;
        if inbound.requests > REQUESTS {
            return false;
        }
        // The peer has not got the one before, if there was one.
        (inbound.owed, inbound.lane) = (true, None);
        // The next receive tries again after a failure here.
        let _ = inbound.answer(rendezvous);
        true
    }

    /// The peer answers, with a descriptor unless this process has no place for it. Whether it may.
    pub(super) fn came(&self, fd: Option<OwnedFd>) -> bool {
        let mut outbound = lock(&self.outbound);
        let answer = fd.map_or(Err(Errno::MFILE), Lane::from_peer);
        let right = std::mem::take(&mut outbound.asked) && !matches!(answer, Err(Errno::PROTOTYPE));
        if right {
            outbound.came = Some(answer);
        }
        right
    }

    /// The lane to receive on, once it is there; again when the peer has asked for another.
    pub(super) fn take_inbound(&self, rendezvous: BorrowedFd<'_>) -> Result<Option<Lane>, Errno> {
        let mut inbound = lock(&self.inbound);
        inbound.answer(rendezvous)?;
        Ok(inbound.lane.take())
    }

    /// The lane to send on, once it is there. It is asked for once; and again after an error.
    pub(super) fn take_outbound(&self, rendezvous: BorrowedFd<'_>) -> Result<Option<Lane>, Errno> {
        let mut outbound = lock(&self.outbound);
        if let Some(came) = outbound.came.take() {
            return came.map(Some);
        }
        if !outbound.asked {
            say(rendezvous, WANTED, None)?;
            outbound.asked = true;
        }
        Ok(None)
    }
}

impl InboundLane {
    /// Answers the peer, if that is owed.
    fn answer(&mut self, rendezvous: BorrowedFd<'_>) -> Result<(), Errno> {
        if self.owed {
            let (mine, theirs) = packet_pair()?;
            let mine = Lane::new(mine)?;
            say(rendezvous, LANE, Some(theirs.as_fd()))?;
            (self.owed, self.lane) = (false, Some(mine));
        }
        Ok(())
    }
}
