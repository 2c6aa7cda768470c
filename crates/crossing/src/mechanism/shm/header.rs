//! The header of a region at one moment, for a program that looks at it from outside: the lab's gauges.

use super::memory::Word;
use super::region::{RegionLayout, offset};
use super::ring::START;

/// A region's header, as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegionHeader {
    /// Bytes before the ring.
    pub header_bytes: u64,
    /// The ring's size in bytes.
    pub capacity: u64,
    /// How far its owner has written, in bytes from the beginning of the connection.
    pub tail: u64,
    /// How far its owner has taken from the other region.
    pub head: u64,
    /// Whether its owner sleeps until it is woken.
    pub asleep: bool,
}

impl RegionHeader {
    /// The bytes at a region's beginning that [`read`](Self::read) takes.
    pub const BYTES: usize = offset(Word::BlobsTaken);

    /// Reads a region's first bytes; `None` if they are not those of a region.
    pub fn read(bytes: &[u8; Self::BYTES]) -> Option<RegionHeader> {
        let RegionLayout { header_bytes, capacity, .. } = RegionLayout::decode(bytes.first_chunk()?)?;
        let word = |word| u64::from_le_bytes(std::array::from_fn(|i| bytes[offset(word) + i]));
        Some(RegionHeader {
            header_bytes,
            capacity,
            tail: word(Word::Tail).wrapping_sub(START),
            head: word(Word::Head).wrapping_sub(START),
            // A flag is odd while its owner sleeps: one for want of room, one for want of a message.
            asleep: (word(Word::SenderAsleep) | word(Word::ReceiverAsleep)) & 1 == 1,
        })
    }

    /// The place in the file of a byte of the connection.
    pub fn place(&self, index: u64) -> u64 {
        self.header_bytes + (START.wrapping_add(index) & (self.capacity - 1))
    }
}
