//! The line: messages that a cork has gathered, as they will stand in the ring.
//!
//! They are put together in private memory and copied into the ring at one go. Stores leave the processor in order: one that
//! waits for a cache line of the ring, which the reader has had, holds up whatever is stored after it, the making of the
//! next message too. At one go the lines of the ring are wanted one right after the other, and while messages are
//! made nothing waits.

use super::opaque;
use super::ring::{GRAIN, frame};
use crate::tuning::SHM_LINE_BYTES;

/// Frames in line.
#[derive(Debug)]
pub(super) struct Line {
    words: Box<[u64]>,
    /// How many of them are filled.
    filled: usize,
}

impl Line {
    /// An empty line before a ring of `capacity` bytes.
    pub(super) fn new(capacity: u64) -> Line {
        // As with a message: no more than half of the ring.
        let words = SHM_LINE_BYTES.min(capacity / 2) / GRAIN;
        Line { words: vec![0; words as usize].into_boxed_slice(), filled: 0 }
    }

    /// Puts a message in line, if it fits there now. One that would take more than a quarter of a line never does: it
    /// gains nothing there.
    #[inline(always)]
    pub(super) fn push(&mut self, message: &[u8]) -> bool {
        let words = (frame(message.len()) / GRAIN) as usize;
        let fits = words <= self.words.len() / 4 && words <= self.words.len() - self.filled;
        if fits {
            let (header, bytes) = (self.filled, self.filled + 1);
            self.filled += words;
            self.words[header] = (message.len() as u64).to_le();
            opaque::fill(&mut self.words[bytes..self.filled], message);
        }
        fits
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// The frames in line.
    pub(super) fn frames(&self) -> &[u8] {
        opaque::bytes(&self.words[..self.filled])
    }

    /// Forgets it.
    pub(super) fn clear(&mut self) {
        self.filled = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_stand_as_they_do_in_the_ring() {
        let mut line = Line::new(4096);
        assert!(line.is_empty());
        assert!(line.push(b"") && line.push(b"seven b") && line.push(b"nine byte"));
        let mut expected = vec![0, 0, 0, 0, 0, 0, 0, 0];
        expected.extend_from_slice(b"\x07\0\0\0\0\0\0\0seven b\0");
        expected.extend_from_slice(b"\x09\0\0\0\0\0\0\0nine byte\0\0\0\0\0\0\0");
        assert_eq!(line.frames(), expected);
        line.clear();
        assert!(line.is_empty() && line.frames().is_empty());
    }

    #[test]
    fn a_line_is_at_most_half_the_ring_and_a_message_a_quarter_of_it() {
        for (capacity, bytes) in [(4096, 2048), (8192, 4096), (1 << 20, 4096)] {
            let mut line = Line::new(capacity);
            assert!(!line.push(&vec![0; bytes / 4 - 7]), "ring of {capacity}");
            let longest = vec![0; bytes / 4 - 8];
            assert!((0..4).all(|_| line.push(&longest)), "ring of {capacity}");
            assert!(!line.push(b""), "ring of {capacity}");
            assert_eq!(line.frames().len(), bytes, "ring of {capacity}");
        }
    }
}
