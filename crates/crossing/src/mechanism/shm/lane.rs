//! A lane: the way of blobs from one end to the other.
//!
//! It is a Unix packet socket that carries only the descriptors of [`Blob`](super::Blob)s, one a
//! packet, and in return a packet that wakes a sender waiting for one to be taken. The kernel keeps
//! their order, and closes those never taken. Messages and blobs do not wait for each other; but a
//! blob sent before a message is there when the message has arrived.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, Shutdown, SocketType, sockopt};

use crate::deadline::timespec;
use crate::descriptor::{self, ReceivedPacket};
use crate::error::Violation;
use crate::owner::Owner;
use crate::wait::Patience;

/// The byte that comes with a blob's descriptor.
const BLOB: u8 = b'B';
/// The receiver's answer when it has taken a blob.
const TAKEN: u8 = b'T';
/// The most such words that one look takes away.
const WORDS: usize = 512;

/// One end of a lane. Dropping it ends the lane, even if a child inherited the descriptor; a drop
/// in a forked child does not.
#[derive(Debug)]
pub(super) struct Lane {
    socket: OwnedFd,
    owner: Owner,
}

impl Lane {
    pub(super) fn new(socket: OwnedFd) -> Result<Lane, Errno> {
        Ok(Lane { socket, owner: Owner::me()? })
    }

    /// The end that a peer has handed over, on which I send. Another kind of file could make me wait: `EPROTOTYPE`.
    pub(super) fn from_peer(theirs: OwnedFd) -> Result<Lane, Errno> {
        let right = sockopt::socket_domain(&theirs) == Ok(AddressFamily::UNIX)
            && sockopt::socket_type(&theirs) == Ok(SocketType::SEQPACKET)
            && sockopt::socket_acceptconn(&theirs) == Ok(false);
        if right { Lane::new(theirs) } else { Err(Errno::PROTOTYPE) }
    }

    /// Sends a descriptor, without waiting.
    pub(super) fn send(&self, fd: BorrowedFd<'_>) -> Result<(), Errno> {
        say(&self.socket, BLOB, Some(fd))
    }

    /// Receives a packet without waiting: a descriptor, `None` after the last one, or a breach of
    /// the protocol.
    pub(super) fn recv(&self) -> Result<Option<Result<OwnedFd, Violation>>, Errno> {
        let heard = match hear(&self.socket) {
            // The sender closed the lane with answers unread. The kernel reports that once, before
            // the packets that are left.
            Err(Errno::CONNRESET) => hear(&self.socket),
            heard => heard,
        };
        match heard? {
            LanePacket::With(BLOB, fd) => Ok(Some(Ok(fd))),
            // A descriptor came, and this process can open no more.
            LanePacket::Lost(BLOB) => Err(Errno::MFILE),
            LanePacket::End => Ok(None),
            _ => Ok(Some(Err(Violation::Blob { why: "it is not one descriptor" }))),
        }
    }

    /// Wakes a sender that waits until a blob is taken. One that does not listen has enough to wake it already.
    pub(super) fn tell_taken(&self) {
        let _ = say(&self.socket, TAKEN, None);
    }

    /// Drains the answers that have woken this sender, so that only new ones wake it. `EPIPE` at
    /// the lane's end.
    ///
    /// Their content is ignored: the number of blobs taken stands in the peer's region.
    pub(super) fn take_words(&self) -> Result<(), Errno> {
        for _ in 0..WORDS {
            // Without room for descriptors the kernel drops those that come along.
            match rustix::net::recv(&self.socket, &mut [0; 1], RecvFlags::DONTWAIT) {
                Ok((0, _)) | Err(Errno::CONNRESET) => return Err(Errno::PIPE),
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Sleeps until the lane is ready for `events`, the connection has ended, which the peer's `pidfd` and the `rendezvous` tell, or
    /// patience ends.
    pub(super) fn sleep(
        &self,
        events: PollFlags,
        (pidfd, rendezvous): (Option<BorrowedFd<'_>>, BorrowedFd<'_>),
        patience: &Patience,
    ) -> Result<(), Errno> {
        let timeout = patience.left_blindly().map(timespec);
        let lane = PollFd::from_borrowed_fd(self.socket.as_fd(), events);
        // A hang-up of the rendezvous need not be asked for.
        let rendezvous = PollFd::from_borrowed_fd(rendezvous, PollFlags::empty());
        let pidfd = pidfd.map(|pidfd| PollFd::from_borrowed_fd(pidfd, PollFlags::IN));
        let woken = match pidfd {
            Some(pidfd) => poll(&mut [lane, rendezvous, pidfd], timeout.as_ref()),
            None => poll(&mut [lane, rendezvous], timeout.as_ref()),
        };
        match woken {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if self.owner.is_me() {
            let _ = rustix::net::shutdown(&self.socket, Shutdown::Both);
        }
    }
}

/// Says one word over a packet socket, with a descriptor beside it, without waiting.
pub(super) fn say(socket: impl AsFd, word: u8, fd: Option<BorrowedFd<'_>>) -> Result<(), Errno> {
    descriptor::send(socket, &[word], fd.as_slice())
}

/// A packet, as it came.
#[derive(Debug)]
pub(super) enum LanePacket {
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
pub(super) fn hear(socket: impl AsFd) -> Result<LanePacket, Errno> {
    let mut bytes = [0; 1];
    let ReceivedPacket { len, mut fds, short, long, .. } = descriptor::receive(socket, &mut bytes)?;
    Ok(match (len, fds.pop()) {
        _ if long || !fds.is_empty() => LanePacket::Other,
        (1, Some(fd)) if !short => LanePacket::With(bytes[0], fd),
        (1, None) if short => LanePacket::Lost(bytes[0]),
        (1, None) => LanePacket::Word(bytes[0]),
        (0, None) if !short => LanePacket::End,
        _ => LanePacket::Other,
    })
}
