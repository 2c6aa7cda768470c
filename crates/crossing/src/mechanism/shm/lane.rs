//! The lane: how blobs go from one end to the other.
//!
//! Beside its ring each end has a Unix packet socket to the other, made for the handshake, on which nothing but the
//! descriptors of [`Blob`]s travels: one a packet. The kernel keeps their order, bounds their number, and closes those
//! that nobody takes. Messages and blobs do not wait for each other; but a blob that was sent before a message is there
//! when the message has come.
//!
//! A lane is made by the end that receives on it. Options of a socket stay with whoever made it: one such as SO_PASSPIDFD, set by
//! a peer, would have the kernel put descriptors into this process that nobody asked for.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, Shutdown, SocketType, sockopt,
};

use super::blob::Blob;
use super::watch::Watch;
use super::{RingReceiver, RingSender, Shm};
use crate::channel::{Receiver, Sender};
use crate::deadline::timespec;
use crate::error::{ConnectError, RecvError, SendError, Violation};
use crate::hello::descriptors;
use crate::owner::{self, Owner};
use crate::wait::{Patience, Until};

/// What is said beside a descriptor.
const BLOB: [u8; 1] = [b'B'];

impl Sender<Shm> {
    /// Hands a blob to the peer, and waits if too many are on their way (some hundred). It stays ours as well.
    ///
    /// # Errors
    /// Those of [`send`](Sender::send). [`Io`](SendError::Io) also when the user has too many descriptors on their way
    /// (`ETOOMANYREFS`).
    pub fn send_blob(&mut self, blob: &Blob) -> Result<(), SendError> {
        self.send_blob_until(blob, Until::Forever)
    }

    /// Hands a blob to the peer, if there is room for it on the way now.
    ///
    /// # Errors
    /// Those of [`send_blob`](Sender::send_blob), and [`Full`](SendError::Full).
    pub fn try_send_blob(&mut self, blob: &Blob) -> Result<(), SendError> {
        self.send_blob_until(blob, Until::Now)
    }

    /// Hands a blob to the peer, if there is room for it on the way before `deadline`.
    ///
    /// # Errors
    /// Those of [`send_blob`](Sender::send_blob), and [`Timeout`](SendError::Timeout).
    pub fn send_blob_deadline(&mut self, blob: &Blob, deadline: Instant) -> Result<(), SendError> {
        self.send_blob_until(blob, Until::At(deadline))
    }

    fn send_blob_until(&mut self, blob: &Blob, until: Until) -> Result<(), SendError> {
        self.ask(until, |out, patience| out.send_blob(blob.as_fd(), patience))
    }
}

impl Receiver<Shm> {
    /// Waits for the next blob.
    ///
    /// # Errors
    /// Those of [`recv`](Receiver::recv). [`Poisoned`](RecvError::Poisoned) when what came could still be changed by its
    /// sender. [`Io`](RecvError::Io) with `EMFILE` when this process has as many descriptors as it may have: that blob is
    /// lost, the connection goes on.
    pub fn recv_blob(&mut self) -> Result<Blob, RecvError> {
        self.recv_blob_until(Until::Forever)
    }

    /// Takes the next blob, if there is one now.
    ///
    /// # Errors
    /// Those of [`recv_blob`](Receiver::recv_blob), and [`Empty`](RecvError::Empty).
    pub fn try_recv_blob(&mut self) -> Result<Blob, RecvError> {
        self.recv_blob_until(Until::Now)
    }

    /// Waits for the next blob until `deadline`.
    ///
    /// # Errors
    /// Those of [`recv_blob`](Receiver::recv_blob), and [`Timeout`](RecvError::Timeout).
    pub fn recv_blob_deadline(&mut self, deadline: Instant) -> Result<Blob, RecvError> {
        self.recv_blob_until(Until::At(deadline))
    }

    fn recv_blob_until(&mut self, until: Until) -> Result<Blob, RecvError> {
        self.ask(until, RingReceiver::recv_blob)
    }
}

/// One end of a lane. Dropping it ends the lane, whoever else may have inherited the descriptor; in a forked child it does not.
#[derive(Debug)]
pub(super) struct Lane {
    socket: OwnedFd,
    owner: Owner,
}

impl Lane {
    fn new(socket: OwnedFd) -> Result<Lane, ConnectError> {
        let owner = Owner::me().map_err(ConnectError::io(owner::NOTICING))?;
        Ok(Lane { socket, owner })
    }

    /// My end, on which I receive, and the one that the peer gets.
    pub(super) fn pair() -> Result<(Lane, OwnedFd), ConnectError> {
        let (mine, theirs) = super::rendezvous().map_err(ConnectError::io("make a lane for blobs"))?;
        Ok((Lane::new(mine)?, theirs))
    }

    /// The end that a peer has handed over, on which I send. Another kind of file could make me wait.
    pub(super) fn check(theirs: OwnedFd) -> Result<Lane, ConnectError> {
        let right = sockopt::socket_domain(&theirs) == Ok(AddressFamily::UNIX)
            && sockopt::socket_type(&theirs) == Ok(SocketType::SEQPACKET)
            && sockopt::socket_acceptconn(&theirs) == Ok(false);
        if right {
            return Lane::new(theirs);
        }
        Err(ConnectError::Refused { field: "lane", why: "not a Unix packet socket".into() })
    }

    /// Sends a descriptor, without waiting.
    fn send(&self, fd: BorrowedFd<'_>) -> Result<(), Errno> {
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let fds = [fd];
        ancillary.push(SendAncillaryMessage::ScmRights(&fds));
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        rustix::net::sendmsg(&self.socket, &[io::IoSlice::new(&BLOB)], &mut ancillary, flags).map(drop)
    }

    /// Receives a packet, without waiting: a descriptor, nothing after the last one, or what breaks the protocol.
    fn recv(&self) -> Result<Option<Result<OwnedFd, Violation>>, Errno> {
        let mut bytes = [0; BLOB.len()];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let mut data = [io::IoSliceMut::new(&mut bytes)];
        let received = rustix::net::recvmsg(&self.socket, &mut data, &mut ancillary, flags)?;
        // The space for one descriptor has room for two, by its alignment.
        let mut fds = descriptors(&mut ancillary);
        if received.bytes == 0 && fds.is_empty() {
            return Ok(None);
        }
        if fds.is_empty() && received.flags.contains(ReturnFlags::CTRUNC) {
            // There was one, and no room for it among this process's own.
            return Err(Errno::MFILE);
        }
        let cut = received.flags.intersects(ReturnFlags::CTRUNC | ReturnFlags::TRUNC);
        let right = !cut && received.bytes == BLOB.len() && bytes == BLOB && fds.len() == 1;
        let fd = fds.pop().filter(|_| right);
        Ok(Some(fd.ok_or(Violation::Blob { why: "it is not one descriptor" })))
    }

    /// Sleeps until the lane is ready for `events`, the connection has ended, or patience ends.
    fn sleep(&self, events: PollFlags, watch: &Watch, patience: &Patience) -> Result<(), Errno> {
        let timeout = patience.left().map(timespec);
        let lane = PollFd::from_borrowed_fd(self.socket.as_fd(), events);
        let [pidfd, rendezvous] = watch.descriptors();
        // A hang-up of the rendezvous need not be asked for.
        let pidfd = PollFd::from_borrowed_fd(pidfd, PollFlags::IN);
        let rendezvous = PollFd::from_borrowed_fd(rendezvous, PollFlags::empty());
        match poll(&mut [lane, pidfd, rendezvous], timeout.as_ref()) {
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

impl RingSender {
    fn send_blob(&mut self, blob: BorrowedFd<'_>, patience: &mut Patience) -> Result<(), SendError> {
        let watch = &self.ring.memory().link().watch;
        let look = |lane: &mut Lane| {
            // Not afterwards: who has the blob may go at once.
            if watch.known().ends_sending() {
                return Some(Err(SendError::Disconnected));
            }
            match lane.send(blob) {
                Err(Errno::AGAIN | Errno::INTR) => None,
                Err(Errno::PIPE | Errno::CONNRESET) => Some(Err(SendError::Disconnected)),
                outcome => Some(outcome.map_err(|errno| SendError::Io(errno.into()))),
            }
        };
        match patience
            .wait(&mut self.lane, look, |lane, patience| lane.sleep(PollFlags::OUT, watch, patience))
        {
            Ok(Some(outcome)) => outcome,
            Ok(None) => Err(SendError::timeout(patience)),
            Err(errno) => Err(SendError::Io(errno.into())),
        }
    }
}

impl RingReceiver {
    fn recv_blob(&mut self, patience: &mut Patience) -> Result<Blob, RecvError> {
        let watch = &self.ring.memory().link().watch;
        let look = |lane: &mut Lane| {
            // What the peer sent before its end is there once its end is known.
            let ended = watch.known().ends_receiving();
            match lane.recv() {
                Err(Errno::AGAIN) if ended => Some(Err(RecvError::Disconnected)),
                Err(Errno::AGAIN | Errno::INTR) => None,
                Ok(None) | Err(Errno::CONNRESET) => Some(Err(RecvError::Disconnected)),
                Ok(Some(Ok(memfd))) => Some(Ok(memfd)),
                Ok(Some(Err(violation))) => Some(Err(violation.into())),
                Err(errno) => Some(Err(RecvError::Io(errno.into()))),
            }
        };
        let sleep = |lane: &Lane, patience: &Patience| lane.sleep(PollFlags::IN, watch, patience);
        let memfd = match patience.wait(&mut self.lane, look, sleep) {
            Ok(Some(outcome)) => outcome?,
            Ok(None) => return Err(RecvError::timeout(patience)),
            Err(errno) => return Err(RecvError::Io(errno.into())),
        };
        Blob::open(memfd).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => Violation::Blob { why: "it is not sealed as a blob is" }.into(),
            _ => RecvError::Io(error),
        })
    }
}
