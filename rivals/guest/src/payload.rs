//! Messages: every byte of one follows from its number.

use crate::{Failure, Result};

/// Word `index` of message `seq`. The first says which message it is, the second is 0, the rest is a pattern that no
/// other message shares.
#[inline]
fn word(seq: u64, index: u64) -> u64 {
    match index {
        0 => seq,
        1 => 0,
        _ => seq.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(index),
    }
}

/// Makes message `seq`. Words are little-endian; a last word that is not whole keeps its low bytes.
#[inline]
pub(crate) fn make(message: &mut [u8], seq: u64) {
    let mut index = 0;
    let (words, rest) = message.as_chunks_mut::<8>();
    for bytes in words {
        *bytes = word(seq, index).to_le_bytes();
        index += 1;
    }
    rest.copy_from_slice(&word(seq, index).to_le_bytes()[..rest.len()]);
}

/// Whether this is message `seq`, every byte of it.
#[inline]
pub(crate) fn verify(message: &[u8], size_bytes: usize, seq: u64) -> Result<()> {
    let (words, rest) = message.as_chunks::<8>();
    let mut right = message.len() == size_bytes;
    let mut index = 0;
    for bytes in words {
        right &= *bytes == word(seq, index).to_le_bytes();
        index += 1;
    }
    if right && *rest == word(seq, index).to_le_bytes()[..rest.len()] {
        Ok(())
    } else {
        Err(wrong(message, seq))
    }
}

#[cold]
fn wrong(message: &[u8], seq: u64) -> Failure {
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
        for size in [1, 7, 8, 9, 16, 23, 64, 100, 4096] {
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
