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
    is_open: bool,
}

impl Line {
    /// An empty line before a ring of `capacity` bytes.
    pub(super) fn new(capacity: u64) -> Line {
        // As with a message: no more than half of the ring.
        let words = SHM_LINE_BYTES.min(capacity / 2) / GRAIN;
        Line { words: vec![0; words as usize].into_boxed_slice(), filled: 0, is_open: false }
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

    /// Opens room for a message of `len` bytes at the end, under the same condition. Nothing is in line before it is
    /// [put there](Line::commit).
    pub(super) fn open(&mut self, len: usize) -> bool {
        let words = (frame(len) / GRAIN) as usize;
        let fits = words <= self.words.len() / 4 && words <= self.words.len() - self.filled;
        self.is_open = fits;
        if fits {
            // The padding behind the message says nothing of what stood there before.
            self.words[self.filled + words - 1] = 0;
            self.words[self.filled] = (len as u64).to_le();
        }
        fits
    }

    /// Whether the room that was opened last is here, and neither given back nor in line.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// The room that is open, for `len` bytes.
    pub(super) fn room(&self, len: usize) -> &[u8] {
        &opaque::bytes(&self.words[self.filled + 1..])[..len]
    }

    /// The same, to write to.
    pub(super) fn room_mut(&mut self, len: usize) -> &mut [u8] {
        &mut opaque::bytes_mut(&mut self.words[self.filled + 1..])[..len]
    }

    /// Puts the message of `len` bytes that was written there in line.
    pub(super) fn commit(&mut self, len: usize) {
        self.filled += (frame(len) / GRAIN) as usize;
        self.is_open = false;
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
    fn a_message_that_is_written_in_line_stands_as_one_that_was_copied() {
        let (mut copied, mut written) = (Line::new(4096), Line::new(4096));
        for round in 0..2 {
            for len in [0, 1, 7, 8, 9, 30] {
                let message = vec![0xab; len];
                assert!(copied.push(&message) && written.open(200));
                // Given back, with its bytes: none of them may show behind the next.
                written.room_mut(200).fill(0xff);
                assert!(written.open(len) && written.is_open());
                written.room_mut(len).copy_from_slice(&message);
                assert_eq!(written.room(len), message);
                written.commit(len);
                assert!(!written.is_open());
                assert_eq!(copied.frames(), written.frames(), "{len} bytes, round {round}");
            }
            copied.clear();
            written.clear();
        }
        assert!(written.open(9) && !written.open(2048 / 4 - 7), "longer than a quarter of it");
        assert!(!written.is_open(), "the room is not in line");
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
