//! Lanes on demand: most connections never see a blob, so the way of blobs is made with the first one.
//!
//! The sender of the first blob asks for a [`Lane`] over the rendezvous, and the thread that watches there in the
//! receiver's process makes one and answers with its far end: whatever the receiver does, and if it never takes a blob. A
//! lane is made by the end that receives on it. Options of a socket stay with whoever made it: one such as SO_PASSPIDFD, set by a
//! peer, would have the kernel put descriptors into this process that nobody asked for.
//!
//! Either process may be out of descriptors just then. The asked one then owes the answer, and the receiver tries again with
//! each call, and is told why it cannot. The asking one loses the answer, is told, and asks again with its next blob;
//! a peer that asks more often than [`REQUESTS`] is cut off, and an answer that was not asked for as well.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};

use super::lane::Lane;
use crate::packet::descriptors;

/// What a sender says over the rendezvous when it wants to send blobs.
pub(super) const WANTED: u8 = b'L';
/// What is answered, beside the far end of a lane.
pub(super) const LANE: u8 = b'A';

/// How often a peer may ask for one lane after the other.
const REQUESTS: u32 = 16;

/// The lanes of one connection, from when they are made until a half takes them.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    inbound: Mutex<Inbound>,
    outbound: Mutex<Outbound>,
}

/// The lane on which this end receives.
#[derive(Debug, Default)]
struct Inbound {
    requests: u32,
    /// Whether the peer has asked and was not answered.
    owed: bool,
    lane: Option<Lane>,
}

/// The lane on which this end sends.
#[derive(Debug, Default)]
struct Outbound {
    asked: bool,
    /// What was answered.
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
        // What fails here is tried again by whoever wants to receive.
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

impl Inbound {
    /// Answers the peer, if that is owed.
    fn answer(&mut self, rendezvous: BorrowedFd<'_>) -> Result<(), Errno> {
        if self.owed {
            let (mine, theirs) = super::rendezvous()?;
            let mine = Lane::new(mine)?;
            say(rendezvous, LANE, Some(theirs.as_fd()))?;
            (self.owed, self.lane) = (false, Some(mine));
        }
        Ok(())
    }
}

/// Says one word over a packet socket, with a descriptor beside it, without waiting.
pub(super) fn say(socket: impl AsFd, word: u8, fd: Option<BorrowedFd<'_>>) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if let Some(fd) = &fd {
        ancillary.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(fd)));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    rustix::net::sendmsg(socket, &[io::IoSlice::new(&[word])], &mut ancillary, flags).map(drop)
}

/// A packet, as it came.
#[derive(Debug)]
pub(super) enum Packet {
    /// One word, and nothing else.
    Word(u8),
    /// One word and one descriptor.
    With(u8, OwnedFd),
    /// One word and a descriptor that this process has no place for.
    Lost(u8),
    /// The end.
    End,
    /// Anything else.
    Other,
}

/// Receives a packet, without waiting.
pub(super) fn hear(socket: impl AsFd) -> Result<Packet, Errno> {
    let mut bytes = [0; 1];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received =
        rustix::net::recvmsg(socket, &mut [io::IoSliceMut::new(&mut bytes)], &mut ancillary, flags)?;
    // The space for one descriptor has room for two, by its alignment.
    let mut fds = descriptors(&mut ancillary);
    let cut = received.flags.contains(ReturnFlags::CTRUNC);
    let one_word = received.bytes == 1 && !received.flags.contains(ReturnFlags::TRUNC);
    Ok(match (one_word, fds.pop(), fds.is_empty(), cut) {
        (true, Some(fd), true, false) => Packet::With(bytes[0], fd),
        (true, None, _, true) => Packet::Lost(bytes[0]),
        (true, None, _, false) => Packet::Word(bytes[0]),
        (false, None, _, false) if received.bytes == 0 => Packet::End,
        _ => Packet::Other,
    })
}
