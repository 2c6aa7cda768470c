//! Flight: the blobs that are on their way, as their sender knows them.
//!
//! A blob is on its way from when it is sent until the receiver takes it, and holds its memory meanwhile. How many may be, and of
//! how many bytes together, is the sender's choice. How many were taken is told by the receiver in a
//! [word](super::memory::Word::BlobsTaken) of its region: it is a claim, which is held against what was sent.

use std::collections::VecDeque;

use crate::config::Config;
use crate::error::Violation;

/// The blobs that were sent and not taken yet.
#[derive(Debug)]
pub(super) struct Flight {
    limit: usize,
    limit_bytes: u64,
    /// How many the receiver has taken, by its own account.
    taken: u64,
    /// How long each blob is that is on its way, in bytes, in their order.
    lengths: VecDeque<u64>,
    /// All of them together.
    bytes: u64,
}

impl Flight {
    pub(super) fn new(config: &Config) -> Flight {
        Flight {
            limit: config.blobs_in_flight,
            limit_bytes: config.blob_bytes_in_flight,
            taken: 0,
            lengths: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Takes note of how many the receiver says it has taken.
    pub(super) fn accept(&mut self, taken: u64) -> Result<(), Violation> {
        let more = taken.wrapping_sub(self.taken);
        if more > self.lengths.len() as u64 {
            return Err(Violation::Blob { why: "its count of taken blobs is past what was sent" });
        }
        self.taken = taken;
        self.bytes -= self.lengths.drain(..more as usize).sum::<u64>();
        Ok(())
    }

    /// Whether one more blob of this size may go. A blob longer than the limit goes alone.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        self.lengths.is_empty()
            || self.lengths.len() < self.limit && self.bytes.saturating_add(bytes) <= self.limit_bytes
    }

    /// Takes note of one that was sent.
    pub(super) fn add(&mut self, bytes: u64) {
        self.lengths.push_back(bytes);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    pub(super) fn blobs(&self) -> usize {
        self.lengths.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flight(limit: usize, limit_bytes: u64) -> Flight {
        Flight::new(&Config {
            blobs_in_flight: limit,
            blob_bytes_in_flight: limit_bytes,
            ..Config::default()
        })
    }

    #[test]
    fn what_is_on_its_way_is_counted_and_bounded() {
        let mut flight = flight(3, 100);
        for bytes in [10, 20, 30] {
            assert!(flight.has_room(bytes));
            flight.add(bytes);
        }
        assert!(!flight.has_room(0), "three are as many as may be");
        assert_eq!((flight.blobs(), flight.bytes()), (3, 60));
        flight.accept(1).expect("it is possible");
        assert_eq!((flight.blobs(), flight.bytes()), (2, 50));
        assert!(flight.has_room(50) && !flight.has_room(51));
        flight.accept(3).expect("it is possible");
        assert!(flight.has_room(1 << 40), "one goes alone, however long it is");
        flight.add(1 << 40);
        assert!(!flight.has_room(0));
    }

    #[test]
    fn more_than_was_sent_cannot_have_been_taken_nor_fewer_than_before() {
        for impossible in [0, 3, 1 << 32, u64::MAX] {
            let mut flight = flight(9, 9);
            flight.add(1);
            flight.accept(1).expect("it is possible");
            flight.add(1);
            assert!(flight.accept(impossible).is_err(), "{impossible}");
            assert_eq!(flight.blobs(), 1);
        }
    }
}
