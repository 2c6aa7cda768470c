//! Messages: every byte of one follows from its number.

use crate::{Failure, Result};

/// Words in a block: the loops are over whole blocks, which the compiler unrolls and does many words at a time.
const BLOCK: usize = 8;

/// Word `index` of message `seq`, from 2 on: a pattern that no other message shares.
#[inline]
fn pattern(seq: u64, index: u64) -> u64 {
    seq.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(index)
}

/// Any word. The first says which message it is, the second is 0.
#[inline]
fn word(seq: u64, index: u64) -> u64 {
    match index {
        0 => seq,
        1 => 0,
        _ => pattern(seq, index),
    }
}

/// The words of message `seq` from `index` on.
#[inline]
fn block(seq: u64, index: u64) -> [u64; BLOCK] {
    let first = pattern(seq, index);
    let mut words: [u64; BLOCK] = std::array::from_fn(|i| first.wrapping_add(i as u64));
    if index == 0 {
        words[..2].copy_from_slice(&[seq, 0]);
    }
    words
}

/// Makes message `seq`. Words are little-endian; a last word that is not whole keeps its low bytes.
#[inline]
pub(crate) fn make(message: &mut [u8], seq: u64) {
    let (words, rest) = message.as_chunks_mut::<8>();
    let (blocks, few) = words.as_chunks_mut::<BLOCK>();
    let mut index = 0;
    for made in blocks {
        *made = block(seq, index).map(u64::to_le_bytes);
        index += BLOCK as u64;
    }
    for made in few {
        *made = word(seq, index).to_le_bytes();
        index += 1;
    }
    if !rest.is_empty() {
        rest.copy_from_slice(&word(seq, index).to_le_bytes()[..rest.len()]);
    }
}

/// 0 if a block holds these words. It adds up what differs lane by lane, so that the compiler needs no branch.
#[inline]
fn difference(came: &[[u8; 8]; BLOCK], sent: &[u64; BLOCK]) -> u64 {
    let each: [u64; BLOCK] = std::array::from_fn(|i| u64::from_le_bytes(came[i]) ^ sent[i]);
    each.into_iter().fold(0, |wrong, one| wrong | one)
}

/// Whether this is message `seq`, every byte of it.
#[inline]
pub(crate) fn verify(message: &[u8], size_bytes: usize, seq: u64) -> Result<()> {
    let (words, rest) = message.as_chunks::<8>();
    let (blocks, few) = words.as_chunks::<BLOCK>();
    // Differences are gathered, not branched on.
    let mut wrong = (message.len() ^ size_bytes) as u64;
    let mut index = 0;
    for came in blocks {
        wrong |= difference(came, &block(seq, index));
        index += BLOCK as u64;
    }
    for came in few {
        wrong |= u64::from_le_bytes(*came) ^ word(seq, index);
        index += 1;
    }
    if !rest.is_empty() {
        wrong |= u64::from(*rest != word(seq, index).to_le_bytes()[..rest.len()]);
    }
    if wrong == 0 { Ok(()) } else { Err(incorrect(message, seq)) }
}

#[cold]
fn incorrect(message: &[u8], seq: u64) -> Failure {
    let mut sent = vec![0; message.len()];
    make(&mut sent, seq);
    let from = sent.iter().zip(message).position(|(sent, came)| sent != came).unwrap_or(message.len());
    Failure::Failed(format!(
        "message {seq} of {} bytes is not what was sent, from byte {from} on",
        message.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_right_and_any_other_byte_length_or_number_is_not() {
        for size in [1, 7, 8, 9, 16, 23, 63, 64, 65, 72, 100, 128, 200, 4096] {
            let mut message = vec![0xFF; size];
            make(&mut message, 77);
            verify(&message, size, 77).unwrap();
            verify(&message, size, 78).unwrap_err();
            verify(&message, size + 1, 77).unwrap_err();
            for byte in 0..size {
                message[byte] ^= 0x10;
                verify(&message, size, 77).unwrap_err();
                message[byte] ^= 0x10;
            }
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_protocol() {
        let mut message = [0; 20];
        make(&mut message, 3);
        let third = 3u64.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 2;
        assert_eq!(message[..8], 3u64.to_le_bytes());
        assert_eq!(message[8..16], [0; 8]);
        assert_eq!(message[16..], third.to_le_bytes()[..4]);
    }
}
