//! Packets: what goes over a rendezvous, with descriptors beside it.
//!
//! A packet holds what one call sent, whole, and its descriptors come with it or not at all. When this process has no room for them the
//! kernel leaves them out and says that something was cut off. That is this side's shortage, and is told as that; more
//! descriptors than belong there are the other side's doing.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

use crate::deadline::wait;
use crate::endpoint::above_stdio;
use crate::error::ConnectError;
use crate::hello;

/// How many descriptors there is room for: one more than belong beside any packet.
const ROOM: usize = 4;

/// A packet as it came.
pub(crate) struct Packet {
    bytes: [u8; 64],
    len: usize,
    fds: Vec<OwnedFd>,
    /// Descriptors came for which there was no room in this process.
    short: bool,
    /// It was longer, or had more descriptors, than there is room for here.
    long: bool,
}

/// Sends `bytes` as one packet, with `fds` beside it. A peer that reads nothing is waited for until the deadline.
pub(crate) fn send_packet(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
    deadline: Instant,
) -> Result<(), ConnectError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(ROOM))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(fds));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    loop {
        return match rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, flags) {
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => {
                wait(socket, PollFlags::OUT, Some(deadline))?;
                continue;
            }
            Err(Errno::PIPE | Errno::CONNRESET) => Err(last_word(socket, bytes)),
            Err(errno) => Err(ConnectError::io("send the handshake")(errno)),
            Ok(_) => Ok(()),
        };
    }
}

/// Why an end has gone to which `sent` could not be sent: what it said before may tell.
fn last_word(socket: BorrowedFd<'_>, sent: &[u8]) -> ConnectError {
    let said = receive(socket, Instant::now()).ok();
    let fault = said.and_then(|packet| hello::fault(packet.bytes(), hello::kind_of(sent)));
    fault.unwrap_or(ConnectError::Disconnected)
}

/// Receives one packet of exactly `N` bytes with exactly `FDS` descriptors. Anything else is refused, and the
/// descriptors that came are closed.
pub(crate) fn recv_packet<const N: usize, const FDS: usize>(
    socket: BorrowedFd<'_>,
    deadline: Instant,
) -> Result<([u8; N], [OwnedFd; FDS]), ConnectError> {
    receive(socket, deadline)?.exactly()
}

/// Receives one packet, whatever it is.
pub(crate) fn receive(socket: BorrowedFd<'_>, deadline: Instant) -> Result<Packet, ConnectError> {
    wait(socket, PollFlags::IN, Some(deadline))?;
    let mut bytes = [0; 64];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(ROOM))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let mut resets = 0;
    let received = loop {
        let mut data = [IoSliceMut::new(&mut bytes)];
        match rustix::net::recvmsg(socket, &mut data, &mut ancillary, flags) {
            Err(Errno::INTR) => {}
            // An end that goes while something of ours is unread; what it said before stands behind this word.
            Err(Errno::CONNRESET) if resets == 0 => resets += 1,
            Err(Errno::CONNRESET | Errno::AGAIN) => return Err(ConnectError::Disconnected),
            outcome => break outcome.map_err(ConnectError::io("receive the handshake"))?,
        }
    };
    let (fds, left_out) = take(&mut ancillary);
    if received.bytes == 0 && fds.is_empty() && !left_out {
        return Err(ConnectError::Disconnected);
    }
    let cut = received.flags.contains(ReturnFlags::CTRUNC);
    let long = received.flags.contains(ReturnFlags::TRUNC) || cut && fds.len() >= ROOM;
    Ok(Packet { bytes, len: received.bytes, short: left_out || cut && !long, long, fds })
}

impl Packet {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Refuses a packet that has not exactly `N` bytes and `FDS` descriptors.
    pub(crate) fn exactly<const N: usize, const FDS: usize>(
        self,
    ) -> Result<([u8; N], [OwnedFd; FDS]), ConnectError> {
        if let Some(refusal) = hello::fault(self.bytes(), None) {
            return Err(refusal);
        }
        let Packet { bytes, len, fds, short, long } = self;
        let refused = |why| ConnectError::Refused { field: "handshake packet", why };
        let bytes = bytes[..len].try_into().ok().filter(|_| !long);
        let bytes = bytes.ok_or_else(|| {
            let more = if long { "more than " } else { "" };
            refused(format!("{more}{len} bytes and {} descriptors where {N} and {FDS} belong", fds.len()))
        })?;
        if short && fds.len() < FDS {
            return Err(ConnectError::io("take the descriptors of the other end")(Errno::MFILE));
        }
        let fds = <[OwnedFd; FDS]>::try_from(fds).ok().filter(|_| !short);
        match fds {
            Some(fds) => Ok((bytes, fds)),
            None => Err(refused(format!("other descriptors than the {FDS} that belong there"))),
        }
    }
}

/// That a packet says what is due.
pub(crate) fn expect(word: [u8; 1], due: [u8; 1]) -> Result<(), ConnectError> {
    if word == due {
        return Ok(());
    }
    let why = format!("{word:02x?} where {due:02x?} belongs");
    Err(ConnectError::Refused { field: "handshake packet", why })
}

/// All the descriptors that came beside a packet: those that nobody keeps are closed. One for which there is no place is left
/// out, as the kernel leaves it out.
pub(crate) fn descriptors(ancillary: &mut RecvAncillaryBuffer<'_>) -> Vec<OwnedFd> {
    take(ancillary).0
}

/// The same, and whether one was left out here.
fn take(ancillary: &mut RecvAncillaryBuffer<'_>) -> (Vec<OwnedFd>, bool) {
    let (mut fds, mut left_out) = (Vec::new(), false);
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            for fd in rights {
                above_stdio(fd).map_or_else(|_| left_out = true, |fd| fds.push(fd));
            }
        }
    }
    (fds, left_out)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::mechanism::Kind;

    #[test]
    fn a_peer_that_reads_nothing_is_waited_for_until_the_deadline() {
        let (here, _there) = Kind::Shm.rendezvous().unwrap();
        let said = (0..1 << 20).find_map(|_| send_packet(here.as_fd(), b"x", &[], Instant::now()).err());
        assert!(matches!(said, Some(ConnectError::Timeout)), "{said:?}");
    }
}
