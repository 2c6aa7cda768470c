//! Descriptors: the numbers they get in this process, and how they are passed to another. No other
//! file passes them.
//!
//! **Numbers.** Any code that prints or reads uses numbers 0, 1 and 2, and starting a child
//! replaces them there. If a process has closed one of them, the next descriptor that it opens gets
//! that number. So descriptors that are kept or handed over are moved above them.
//!
//! **Passing.** A packet holds what one call sent, whole, and its descriptors come with it or not
//! at all. When this process can open no more, the kernel leaves them out and reports a truncation.
//! That is a shortage on this side, and is reported as one. More descriptors than were asked for
//! are the other side's fault.
//!
//! # References
//! unix(7), SCM_RIGHTS.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, UCred,
};
use rustix::process::{Gid, Uid};

use crate::sys::{Credentials, ReceivedFrom};

/// How many descriptors there is room for beside a packet: one more than belong beside any.
const ROOM: usize = 4;

/// The first number that is not one of standard input, output and error.
pub(crate) const FIRST_FREE: RawFd = 3;

/// The same file under a number above 2. It costs a look at the number.
pub(crate) fn above_stdio(fd: OwnedFd) -> Result<OwnedFd, Errno> {
    if fd.as_raw_fd() >= FIRST_FREE { Ok(fd) } else { rustix::io::fcntl_dupfd_cloexec(fd, FIRST_FREE) }
}

/// The same, of two.
pub(crate) fn both_above_stdio((one, other): (OwnedFd, OwnedFd)) -> Result<(OwnedFd, OwnedFd), Errno> {
    Ok((above_stdio(one)?, above_stdio(other)?))
}

/// What identifies a process for as long as a pidfd of it is open: device and inode of the pidfd.
pub(crate) type ProcessNumber = (u64, u64);

/// The number of the process behind a pidfd. Since Linux 6.9 a pidfd's inode number identifies its process (pidfs); before that
/// there is none.
pub(crate) fn process_number(pidfd: &OwnedFd) -> Option<ProcessNumber> {
    const PIDFS: u64 = 0x5049_4446;
    let pidfs = rustix::fs::fstatfs(pidfd).ok()?.f_type as u64 == PIDFS;
    let stat = rustix::fs::fstat(pidfd).ok()?;
    pidfs.then_some((stat.st_dev, stat.st_ino))
}

/// Two packet sockets that lead to each other.
pub(crate) fn packet_pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    both_above_stdio(rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// Sends `bytes` as one packet with `fds` beside it, without waiting.
pub(crate) fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(ROOM))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(fds));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, flags).map(drop)
}

/// What came with one packet.
pub(crate) struct ReceivedPacket {
    /// How many bytes.
    pub(crate) len: usize,
    /// The descriptors. Those that are not kept are closed.
    pub(crate) fds: Vec<OwnedFd>,
    /// Descriptors came for which there was no room in this process.
    pub(crate) short: bool,
    /// It was longer, or had more descriptors, than there is room for here.
    pub(crate) long: bool,
    /// Which process has sent it, where that is asked for and was said.
    pub(crate) from: Option<Credentials>,
}

/// Receives one packet into `bytes`, without waiting.
pub(crate) fn receive(socket: impl AsFd, bytes: &mut [u8]) -> Result<ReceivedPacket, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(ROOM))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = rustix::net::recvmsg(socket, &mut [IoSliceMut::new(bytes)], &mut ancillary, flags)?;
    let (mut fds, mut left_out) = (Vec::new(), false);
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            for fd in rights {
                // One for which there is no place is left out, as the kernel leaves it out.
                above_stdio(fd).map_or_else(|_| left_out = true, |fd| fds.push(fd));
            }
        }
    }
    let cut = received.flags.contains(ReturnFlags::CTRUNC);
    let long = received.flags.contains(ReturnFlags::TRUNC) || cut && fds.len() >= ROOM;
    Ok(ReceivedPacket { len: received.bytes, fds, short: left_out || cut && !long, long, from: None })
}

/// Receives one packet without descriptors into `bytes`, without waiting, and asks which process
/// has sent it.
pub(crate) fn receive_from(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> Result<ReceivedPacket, Errno> {
    let ReceivedFrom { len, from, left_out, long } = crate::sys::receive_from(socket, bytes)?;
    Ok(ReceivedPacket { len, fds: Vec::new(), short: left_out, long, from })
}

/// Sends `bytes` over a Unix socket with the credentials of this process, without waiting. The
/// kernel refuses a process that says others, and one whose user or group has no number in its user
/// namespace: that one sends the bytes alone.
pub(crate) fn send_as_this_process(socket: impl AsFd, bytes: &[u8]) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    // Where it may not ask who it is, it says nothing.
    let me = crate::sys::own_pid().and_then(|pid| {
        let (uid, gid) = (crate::sys::own_user()?, crate::sys::own_group()?);
        Ok(UCred { pid, uid: Uid::from_raw(uid), gid: Gid::from_raw(gid) })
    });
    if let Ok(me) = me {
        ancillary.push(SendAncillaryMessage::ScmCredentials(me));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let packet = [IoSlice::new(bytes)];
    match rustix::net::sendmsg(&socket, &packet, &mut ancillary, flags) {
        Err(Errno::INVAL) => {
            rustix::net::sendmsg(&socket, &packet, &mut SendAncillaryBuffer::default(), flags)
        }
        sent => sent,
    }
}

/// Receives one packet of one descriptor, without waiting and without allocating: also between fork
/// and exec. `None` when no packet comes any more.
pub(crate) fn receive_one(socket: &OwnedFd) -> Result<Option<OwnedFd>, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut [0])], &mut ancillary, flags)?;
    let first = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
        _ => None,
    });
    Ok(first)
}
