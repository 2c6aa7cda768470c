//! The handshake: what both ends tell each other before the first message.
//!
//! Each end sends one [`Hello`] of 32 bytes and reads the other's. On `unix:` and `tcp://` it goes through
//! the connection itself; on shared memory and pipes through the rendezvous socket, with descriptors beside
//! it. The bytes are written down in `docs/wire.md`, so that a program in any language can be the other end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
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
use crate::mechanism::Kind;

/// The protocol's version: raised when an end of the old version could not talk to one of the new.
const VERSION: u16 = 2;

/// The largest message any connection may agree on, in bytes.
pub(crate) const MESSAGE_LIMIT: usize = 64 << 20;

/// What an end says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) kind: Kind,
    /// Shared memory: this process has registered for membarrier(2).
    pub(crate) membarrier: bool,
    /// The longest message it will accept and send, in bytes; the lesser of both holds.
    pub(crate) max_message: usize,
    /// Shared memory: the size of its ring in bytes. Zero elsewhere.
    pub(crate) capacity: u64,
    /// The one core that this end may run on, if it is one only: two ends on one core must not poll against
    /// each other.
    pub(crate) core: Option<u16>,
    /// Shared memory: the number that its region's header carries as well. Zero elsewhere.
    pub(crate) nonce: u64,
}

impl Hello {
    pub(crate) const BYTES: usize = 32;
    const MAGIC: &[u8; 8] = b"CROSSING";

    pub(crate) fn encode(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(Self::MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[10] = self.kind.code();
        bytes[11] = u8::from(self.membarrier);
        bytes[12..16].copy_from_slice(&u32::try_from(self.max_message).unwrap_or(u32::MAX).to_le_bytes());
        bytes[16..20].copy_from_slice(&u32::try_from(self.capacity).unwrap_or(u32::MAX).to_le_bytes());
        bytes[20..22].copy_from_slice(&self.core.map_or(0, |core| core.saturating_add(1)).to_le_bytes());
        bytes[24..].copy_from_slice(&self.nonce.to_le_bytes());
        bytes
    }

    /// Whether both ends may run on one core only, and on the same.
    pub(crate) fn shares_core(&self, other: &Hello) -> bool {
        self.core.is_some() && self.core == other.core
    }

    /// Reads what the other end said, and refuses by name what does not fit.
    pub(crate) fn decode(bytes: &[u8; Self::BYTES], kind: Kind) -> Result<Hello, ConnectError> {
        let refused = |field, why| Err(ConnectError::Refused { field, why });
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        if &bytes[..8] != Self::MAGIC {
            return refused("magic", format!("{:02x?} is not the greeting of a crossing end", &bytes[..8]));
        }
        let version = u16_at(8);
        if version != VERSION {
            return refused("version", format!("{version}, and this end speaks {VERSION}"));
        }
        if bytes[10] != kind.code() {
            let theirs = Kind::ALL.into_iter().find(|kind| kind.code() == bytes[10]);
            let theirs = theirs.map_or_else(|| format!("number {}", bytes[10]), |kind| kind.to_string());
            return refused("mechanism", format!("{theirs}, and this end is {kind}"));
        }
        if bytes[11] > 1 {
            return refused("flags", format!("{:#x}, of which only 1 is known", bytes[11]));
        }
        let max_message = u32_at(12) as usize;
        if max_message > MESSAGE_LIMIT {
            return refused("max_message", format!("{max_message} bytes, more than {MESSAGE_LIMIT}"));
        }
        let nonce = u64::from_le_bytes(std::array::from_fn(|i| bytes[24 + i]));
        let shm_only = u32_at(16) != 0 || nonce != 0 || bytes[11] != 0;
        if u16_at(22) != 0 || (kind != Kind::Shm && shm_only) {
            return refused("reserved bytes", "not zero".into());
        }
        Ok(Hello {
            kind,
            membarrier: bytes[11] == 1,
            max_message,
            capacity: u32_at(16).into(),
            core: u16_at(20).checked_sub(1),
            nonce,
        })
    }
}

/// Waits until `fd` can be read, or has ended.
pub(crate) fn wait_readable(fd: BorrowedFd<'_>, deadline: Instant) -> Result<(), ConnectError> {
    wait(fd, PollFlags::IN, Some(deadline))
}

/// Sends `bytes` as one packet, with `fds` beside it.
pub(crate) fn send_packet(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
) -> Result<(), ConnectError> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(fds));
    }
    let data = [std::io::IoSlice::new(bytes)];
    loop {
        return match rustix::net::sendmsg(socket, &data, &mut ancillary, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => continue,
            Err(Errno::PIPE | Errno::CONNRESET) => Err(ConnectError::Disconnected),
            Err(errno) => Err(ConnectError::io("send the handshake")(errno)),
            Ok(_) => Ok(()),
        };
    }
}

/// Receives one packet of exactly `N` bytes with exactly `FDS` descriptors. Anything else is refused, and the
/// descriptors that came are closed.
pub(crate) fn recv_packet<const N: usize, const FDS: usize>(
    socket: BorrowedFd<'_>,
    deadline: Instant,
) -> Result<([u8; N], [OwnedFd; FDS]), ConnectError> {
    wait_readable(socket, deadline)?;
    let mut bytes = [0; N];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = loop {
        let mut data = [std::io::IoSliceMut::new(&mut bytes)];
        match rustix::net::recvmsg(socket, &mut data, &mut ancillary, flags) {
            Err(Errno::INTR) => {}
            Err(Errno::CONNRESET) => return Err(ConnectError::Disconnected),
            outcome => break outcome.map_err(ConnectError::io("receive the handshake"))?,
        }
    };
    let fds = descriptors(&mut ancillary);
    if received.bytes == 0 && fds.is_empty() {
        return Err(ConnectError::Disconnected);
    }
    let refused = |why| ConnectError::Refused { field: "handshake packet", why };
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(refused(format!("more descriptors than the {FDS} that belong there")));
    }
    if received.flags.contains(ReturnFlags::TRUNC) || received.bytes != N {
        let more = if received.bytes == N { "more than " } else { "" };
        return Err(refused(format!("{more}{} bytes where {N} belong", received.bytes)));
    }
    let fds = <[OwnedFd; FDS]>::try_from(fds)
        .map_err(|fds| refused(format!("{} descriptors where {FDS} belong", fds.len())))?;
    Ok((bytes, fds))
}

/// All the descriptors that came beside a packet: those that nobody keeps are closed. One for which there is no place is left
/// out, as the kernel leaves it out.
pub(crate) fn descriptors(ancillary: &mut RecvAncillaryBuffer<'_>) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights.filter_map(|fd| above_stdio(fd).ok()));
        }
    }
    fds
}

/// The hello of the other end with the descriptors that must come beside it.
pub(crate) fn recv_hello<const FDS: usize>(
    socket: &OwnedFd,
    kind: Kind,
    deadline: Instant,
) -> Result<(Hello, [OwnedFd; FDS]), ConnectError> {
    let (bytes, fds) = recv_packet::<{ Hello::BYTES }, FDS>(socket.as_fd(), deadline)?;
    Ok((Hello::decode(&bytes, kind)?, fds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: Hello =
        Hello { kind: Kind::Tcp, membarrier: false, max_message: 65536, capacity: 0, core: None, nonce: 0 };

    #[test]
    fn the_bytes_are_those_of_the_document() {
        let expected = b"CROSSING\x02\x00\x04\x00\x00\x00\x01\x00\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        assert_eq!(&HELLO.encode(), expected);
    }

    #[test]
    fn every_single_bit_that_is_wrong_is_refused_or_is_a_size_or_a_core() {
        for bit in 0..Hello::BYTES * 8 {
            let mut bytes = HELLO.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            match Hello::decode(&bytes, Kind::Tcp) {
                Ok(hello) => assert!(
                    [12, 13, 14, 15, 20, 21].contains(&(bit / 8)),
                    "bit {bit} was not seen: {hello:?}"
                ),
                Err(ConnectError::Refused { .. }) => {}
                Err(error) => panic!("bit {bit}: {error}"),
            }
        }
    }

    #[test]
    fn another_mechanism_is_named() {
        let error = Hello::decode(&HELLO.encode(), Kind::Unix).unwrap_err();
        assert_eq!(error.to_string(), "the other end was refused: mechanism: tcp, and this end is unix");
    }
}
