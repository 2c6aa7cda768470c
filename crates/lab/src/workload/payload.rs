//! The payload: a message that can be told from every other one.
//!
//! A message is a row of little-endian 64-bit words: its sequence number, a stamp (0 when there is none), and
//! words that follow from the number and the place. A message whose size is no multiple of 8 ends with the
//! low bytes of a word.

use std::fmt;

const BY_NUMBER: u64 = 0x9E37_79B9_7F4A_7C15;

/// A message that is not the one that was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    due: u64,
    len: usize,
    size: usize,
    /// The first word at fault, and what it holds.
    word: Option<(usize, u64)>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mismatch { due, len, size, word } = self;
        match word {
            None => write!(f, "message {due} has {len} bytes where {size} were sent"),
            Some((0, found)) => write!(f, "message {found} came where {due} was due"),
            Some((word, found)) => write!(f, "message {due} is damaged: word {word} is {found:#x}"),
        }
    }
}

impl std::error::Error for Mismatch {}

/// Words in a block: the loops below are over whole blocks, which the compiler unrolls.
const BLOCK: usize = 8;

/// The word at `place`, from 2 on.
#[inline]
fn filler(seq: u64, place: usize) -> u64 {
    seq.wrapping_mul(BY_NUMBER).wrapping_add(place as u64)
}

/// Any word.
#[inline]
fn word(seq: u64, stamp: u64, place: usize) -> u64 {
    match place {
        0 => seq,
        1 => stamp,
        _ => filler(seq, place),
    }
}

/// The bytes of message `seq` behind its number and its stamp, as many as tell it from every other.
pub(crate) fn words_of(seq: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&filler(seq, 2).to_le_bytes());
    bytes[8..].copy_from_slice(&filler(seq, 3).to_le_bytes());
    bytes
}

/// Makes message `seq`.
#[inline]
pub fn fill(message: &mut [u8], seq: u64, stamp: u64) {
    let (words, rest) = message.as_chunks_mut::<8>();
    let count = words.len();
    let (blocks, few) = words.as_chunks_mut::<BLOCK>();
    let mut place = 0;
    for block in blocks {
        let first = filler(seq, place);
        let mut made: [u64; BLOCK] = std::array::from_fn(|i| first.wrapping_add(i as u64));
        // Known before anything is stored: each word of a message is stored once.
        if place == 0 {
            made[..2].copy_from_slice(&[seq, stamp]);
        }
        *block = made.map(u64::to_le_bytes);
        place += BLOCK;
    }
    for bytes in few {
        *bytes = word(seq, stamp, place).to_le_bytes();
        place += 1;
    }
    if !rest.is_empty() {
        let last = word(seq, stamp, count).to_le_bytes();
        rest.copy_from_slice(&last[..rest.len()]);
    }
}

/// Verifies that `message` is number `seq` of `size` bytes, and returns its stamp.
///
/// # Errors
/// What is wrong with it.
#[inline]
pub fn check(message: &[u8], size: usize, seq: u64) -> Result<u64, Mismatch> {
    let stamp = stamp(message);
    let (words, rest) = message.as_chunks::<8>();
    let (blocks, few) = words.as_chunks::<BLOCK>();
    // Differences are gathered rather than branched on, so that long messages are compared many words at a
    // time.
    let mut wrong = (message.len() ^ size) as u64;
    let mut place = 0;
    for block in blocks {
        let first = filler(seq, place);
        // The number and the stamp stand where no filler does: the first block is compared without them,
        // below with them.
        let known = if place == 0 { 2 } else { 0 };
        for (i, bytes) in block.iter().enumerate() {
            let difference = u64::from_le_bytes(*bytes) ^ first.wrapping_add(i as u64);
            wrong |= if i < known { 0 } else { difference };
        }
        place += BLOCK;
    }
    for bytes in few {
        wrong |= u64::from_le_bytes(*bytes) ^ word(seq, stamp, place);
        place += 1;
    }
    if let Some(number) = words.first() {
        wrong |= u64::from_le_bytes(*number) ^ seq;
    }
    if !rest.is_empty() {
        let last = word(seq, stamp, place).to_le_bytes();
        wrong |= u64::from(*rest != last[..rest.len()]);
    }
    if wrong == 0 { Ok(stamp) } else { Err(mismatch(message, size, seq)) }
}

/// The stamp of a message; 0 when it is too short to have one.
#[inline]
fn stamp(message: &[u8]) -> u64 {
    match message.as_chunks::<8>() {
        ([_, stamp, ..], _) => u64::from_le_bytes(*stamp),
        _ => 0,
    }
}

#[cold]
fn mismatch(message: &[u8], size: usize, seq: u64) -> Mismatch {
    let stamp = stamp(message);
    let mut padded = [0; 8];
    let word_at = |(place, bytes): (usize, &[u8])| {
        padded[..bytes.len()].copy_from_slice(bytes);
        let expected = word(seq, stamp, place).to_le_bytes();
        (*bytes != expected[..bytes.len()]).then_some((place, u64::from_le_bytes(padded)))
    };
    let word = if message.len() == size { message.chunks(8).enumerate().find_map(word_at) } else { None };
    Mismatch { due: seq, len: message.len(), size, word }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_verified_and_every_flipped_bit_is_seen() {
        for size in [1, 7, 8, 9, 16, 17, 64, 100] {
            let mut message = vec![0; size];
            fill(&mut message, 0x0102_0304_0506_0708, 0);
            assert_eq!(check(&message, size, 0x0102_0304_0506_0708), Ok(0));
            for bit in 0..size * 8 {
                let in_stamp = size >= 16 && (8..16).contains(&(bit / 8));
                message[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(
                    check(&message, size, 0x0102_0304_0506_0708).is_ok(),
                    in_stamp,
                    "size {size} bit {bit}"
                );
                message[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    #[test]
    fn a_wrong_length_and_a_wrong_number_are_named() {
        let mut message = [0; 64];
        fill(&mut message, 5, 0);
        assert_eq!(check(&message, 64, 4).unwrap_err().to_string(), "message 5 came where 4 was due");
        let short = check(&message[..63], 64, 5).unwrap_err().to_string();
        assert_eq!(short, "message 5 has 63 bytes where 64 were sent");
        message[40] ^= 1;
        assert!(
            check(&message, 64, 5).unwrap_err().to_string().starts_with("message 5 is damaged: word 5 is")
        );
    }
}
