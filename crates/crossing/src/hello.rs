//! The handshake: what both ends tell each other before the first message.
//!
//! Each end sends one [`Hello`] of 32 bytes and reads the other's. On `unix:` and `tcp://` it goes
//! through the connection itself; on shared memory and pipes through the rendezvous socket, before
//! any descriptor. Version and mechanism come first and are judged first, so that ends of different
//! kinds refuse each other by name. The bytes are written down in `docs/wire.md`, so that a program
//! in any language can be the other end.

use std::os::fd::AsFd;

use rustix::net::SendFlags;

use crate::error::ConnectError;
use crate::kind::Kind;
use crate::refusal::{self, RefusalReason};

/// The protocol's version: raised when an end of the old version could not talk to one of the new.
const VERSION: u16 = 3;

/// The largest message any connection may agree on, in bytes.
pub(crate) const MESSAGE_LIMIT: usize = 64 << 20;

/// The announcement of one end.
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

    /// An end of this mechanism, of which nothing else is said.
    pub(crate) fn bare(kind: Kind) -> Hello {
        Hello { kind, membarrier: false, max_message: 0, capacity: 0, core: None, nonce: 0 }
    }

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
        if let Some(fault) = fault(bytes, Some(kind)) {
            return Err(fault);
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
        if u16_at(22) != 0 || (!kind.has_regions() && shm_only) {
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

/// The fault in the other end's first packet, as far as it shows before the length is checked: not
/// a hello, another version or mechanism, or a refusal. Without this end's own mechanism, only a
/// refusal shows.
pub(crate) fn fault(bytes: &[u8], own: Option<Kind>) -> Option<ConnectError> {
    let refused = |field, why| Some(ConnectError::Refused { field, why });
    let [magic @ .., v0, v1, mechanism, flags] = bytes.first_chunk::<12>()?;
    let version = u16::from_le_bytes([*v0, *v1]);
    let speaks = magic == Hello::MAGIC && version == VERSION;
    if speaks && own.is_none_or(|kind| kind.code() == *mechanism) && flags & refusal::FLAG != 0 {
        let number = bytes.get(12..16).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes);
        return Some(ConnectError::PeerRefused { why: refusal::sentence(number) });
    }
    let kind = own?;
    if magic != Hello::MAGIC {
        return refused("magic", format!("{magic:02x?} is not the greeting of a crossing end"));
    }
    if version != VERSION {
        return refused("version", format!("{version}, and this end speaks {VERSION}"));
    }
    if *mechanism != kind.code() {
        let theirs = Kind::ALL.into_iter().find(|kind| kind.code() == *mechanism);
        let theirs = theirs.map_or_else(|| format!("number {mechanism}"), |kind| kind.to_string());
        return refused("mechanism", format!("{theirs}, and this end is {kind}"));
    }
    None
}

/// The mechanism of an end that says this, if it is a hello.
pub(crate) fn kind_of(bytes: &[u8]) -> Option<Kind> {
    let code = bytes.strip_prefix(Hello::MAGIC)?.get(2)?;
    Kind::ALL.into_iter().find(|kind| kind.code() == *code)
}

/// Tells the other end of an `outcome` that is an error, as far as it listens.
pub(crate) fn telling<T>(
    socket: impl AsFd,
    kind: Kind,
    outcome: Result<T, ConnectError>,
) -> Result<T, ConnectError> {
    if let Some(reason) = outcome.as_ref().err().and_then(RefusalReason::of) {
        let mut bytes = Hello::bare(kind).encode();
        bytes[11] = refusal::FLAG;
        bytes[12..16].copy_from_slice(&(reason as u32).to_le_bytes());
        // It may have gone, and it may not listen any more.
        let _ = rustix::net::send(socket, &bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: Hello =
        Hello { kind: Kind::Tcp, membarrier: false, max_message: 65536, capacity: 0, core: None, nonce: 0 };

    #[test]
    fn the_bytes_are_those_of_the_document() {
        let expected = b"CROSSING\x03\x00\x04\x00\x00\x00\x01\x00\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
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
                // The flag that says that the end will not connect.
                Err(ConnectError::PeerRefused { .. }) => assert_eq!(bit, 11 * 8 + 7),
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
