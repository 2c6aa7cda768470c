//! Packets: what goes over a rendezvous before there is a connection, within the deadline of the handshake.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::PollFlags;
use rustix::io::Errno;

use crate::deadline::wait;
use crate::descriptor::{self, ReceivedPacket};
use crate::error::ConnectError;
use crate::hello::{self, Hello};
use crate::kind::Kind;
use crate::sys::Credentials;

/// A packet as it came.
struct RendezvousPacket {
    bytes: [u8; 64],
    came: ReceivedPacket,
}

/// Sends `bytes` as one packet, with `fds` beside it. A peer that reads nothing is waited for until the deadline.
pub(crate) fn send_packet(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
    deadline: Instant,
) -> Result<(), ConnectError> {
    send_until(socket, bytes, deadline, || descriptor::send(socket, bytes, fds))
}

/// Sends the hello as one packet, with the credentials of this process.
pub(crate) fn send_hello(
    socket: BorrowedFd<'_>,
    hello: Hello,
    deadline: Instant,
) -> Result<(), ConnectError> {
    let bytes = hello.encode();
    send_until(socket, &bytes, deadline, || descriptor::send_as_this_process(socket, &bytes).map(drop))
}

fn send_until(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    deadline: Instant,
    send: impl Fn() -> Result<(), Errno>,
) -> Result<(), ConnectError> {
    loop {
        match send() {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait(socket, PollFlags::OUT, Some(deadline))?,
            Err(Errno::PIPE | Errno::CONNRESET) => return Err(last_word(socket, bytes)),
            sent => return sent.map_err(ConnectError::io("send the handshake")),
        }
    }
}

/// Why an end has gone to which `sent` could not be sent: what it said before may tell.
fn last_word(socket: BorrowedFd<'_>, sent: &[u8]) -> ConnectError {
    let said = receive(socket, Instant::now(), |socket, bytes| descriptor::receive(socket, bytes)).ok();
    let fault = said.and_then(|packet| hello::fault(packet.bytes(), hello::kind_of(sent)));
    fault.unwrap_or(ConnectError::Disconnected)
}

/// Receives one packet of exactly `N` bytes with exactly `FDS` descriptors. Anything else is refused, and the
/// descriptors that came are closed.
pub(crate) fn recv_packet<const N: usize, const FDS: usize>(
    socket: BorrowedFd<'_>,
    deadline: Instant,
) -> Result<([u8; N], [OwnedFd; FDS]), ConnectError> {
    receive(socket, deadline, |socket, bytes| descriptor::receive(socket, bytes))?.exactly()
}

/// Receives one packet by `take`, whatever it is.
fn receive(
    socket: BorrowedFd<'_>,
    deadline: Instant,
    take: impl Fn(BorrowedFd<'_>, &mut [u8]) -> Result<ReceivedPacket, Errno>,
) -> Result<RendezvousPacket, ConnectError> {
    wait(socket, PollFlags::IN, Some(deadline))?;
    let mut bytes = [0; 64];
    let mut resets = 0;
    let came = loop {
        match take(socket, &mut bytes) {
            Err(Errno::INTR) => {}
            // The peer went while a packet of ours was unread. Its own packets can be read after
            // this error.
            Err(Errno::CONNRESET) if resets == 0 => resets += 1,
            Err(Errno::CONNRESET | Errno::AGAIN) => return Err(ConnectError::Disconnected),
            outcome => break outcome.map_err(ConnectError::io("receive the handshake"))?,
        }
    };
    if came.len == 0 && came.fds.is_empty() && !came.short {
        return Err(ConnectError::Disconnected);
    }
    Ok(RendezvousPacket { bytes, came })
}

impl RendezvousPacket {
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.came.len]
    }

    /// Refuses a packet that has not exactly `N` bytes and `FDS` descriptors.
    fn exactly<const N: usize, const FDS: usize>(self) -> Result<([u8; N], [OwnedFd; FDS]), ConnectError> {
        if let Some(refusal) = hello::fault(self.bytes(), None) {
            return Err(refusal);
        }
        let RendezvousPacket { bytes, came: ReceivedPacket { len, fds, short, long, .. } } = self;
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

/// The hello of the other end, as a packet. It is judged before it is asked whether the packet is
/// what it should be: another mechanism's may be another. With it comes which process has sent it,
/// if that has said so.
pub(crate) fn recv_hello(
    socket: BorrowedFd<'_>,
    kind: Kind,
    deadline: Instant,
) -> Result<(Hello, Option<Credentials>), ConnectError> {
    let packet = receive(socket, deadline, descriptor::receive_from)?;
    if let Some(fault) = hello::fault(packet.bytes(), Some(kind)) {
        return Err(fault);
    }
    let from = packet.came.from;
    let (bytes, []) = packet.exactly::<{ Hello::BYTES }, 0>()?;
    Ok((Hello::decode(&bytes, kind)?, from))
}

/// That a packet says what is due.
pub(crate) fn expect(word: [u8; 1], due: [u8; 1]) -> Result<(), ConnectError> {
    if word == due {
        return Ok(());
    }
    let why = format!("{word:02x?} where {due:02x?} belongs");
    Err(ConnectError::Refused { field: "handshake packet", why })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_peer_that_reads_nothing_is_waited_for_until_the_deadline() {
        let (here, _there) = descriptor::packet_pair().unwrap();
        let said = (0..1 << 20).find_map(|_| send_packet(here.as_fd(), b"x", &[], Instant::now()).err());
        assert!(matches!(said, Some(ConnectError::Timeout)), "{said:?}");
    }
}
