//! Places: where a message is received to.
//!
//! A slice has the length that it has. A vector grows to the message: its memory is reserved once the length is known, and
//! written to as the bytes come, so that a length which is only announced costs addresses and no memory.

use std::io;

use crate::error::RecvError;

/// How far a vector is opened before anything has come, in bytes. Then twice as far as the bytes have come.
const FIRST_BYTES: usize = 64 << 10;

/// Where a message is received to.
pub trait MessagePlace {
    /// Makes room for a message of `len` bytes. An error if it can have none.
    fn admit(&mut self, len: usize) -> Result<(), RecvError>;

    /// The first `upto` bytes of an admitted message. What was written to them stays.
    fn part(&mut self, upto: usize) -> &mut [u8];

    /// How far to open the place of an admitted message of `len` bytes, of which `at` have come.
    fn reach(&self, at: usize, len: usize) -> usize;
}

impl MessagePlace for [u8] {
    #[inline(always)]
    fn admit(&mut self, len: usize) -> Result<(), RecvError> {
        let room = self.len();
        if len <= room { Ok(()) } else { Err(RecvError::TooLong { len, room }) }
    }

    #[inline(always)]
    fn part(&mut self, upto: usize) -> &mut [u8] {
        &mut self[..upto]
    }

    fn reach(&self, _: usize, len: usize) -> usize {
        len
    }
}

/// A vector that grows to the message. It keeps what it holds beyond that, so that those bytes need not be made zeros
/// again: shorten it afterwards.
#[derive(Debug)]
pub(crate) struct Growing<'a>(pub(crate) &'a mut Vec<u8>);

impl MessagePlace for Growing<'_> {
    #[inline(always)]
    fn admit(&mut self, len: usize) -> Result<(), RecvError> {
        if len <= self.0.capacity() { Ok(()) } else { self.reserve(len) }
    }

    #[inline(always)]
    fn part(&mut self, upto: usize) -> &mut [u8] {
        if self.0.len() < upto {
            self.0.resize(upto, 0);
        }
        &mut self.0[..upto]
    }

    fn reach(&self, at: usize, len: usize) -> usize {
        len.min(FIRST_BYTES.max(2 * at).max(self.0.len()))
    }
}

impl Growing<'_> {
    #[cold]
    fn reserve(&mut self, len: usize) -> Result<(), RecvError> {
        self.0.clear();
        self.0.try_reserve_exact(len).map_err(|_| RecvError::Io(io::ErrorKind::OutOfMemory.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_has_the_room_that_it_has() {
        let place = &mut [7; 4][..];
        assert_eq!(place.admit(4), Ok(()));
        assert_eq!(place.admit(5), Err(RecvError::TooLong { len: 5, room: 4 }));
        assert_eq!((place.part(3).len(), place.reach(0, 4)), (3, 4));
    }

    #[test]
    fn a_vector_grows_to_the_message_and_opens_as_it_comes() {
        let mut vec = Vec::new();
        let mut place = Growing(&mut vec);
        let len = 1 << 20;
        place.admit(len).unwrap();
        assert_eq!((place.0.len(), place.0.capacity()), (0, len));
        let steps =
            std::iter::successors(Some(0), |&at| Some(place.reach(at, len)).filter(|&next| next > at));
        assert_eq!(steps.collect::<Vec<_>>(), [0, 1 << 16, 1 << 17, 1 << 18, 1 << 19, len]);
        place.part(5).copy_from_slice(b"bytes");
        assert_eq!(&place.part(9)[..5], b"bytes");
        // What it held before is no reason to open it step by step.
        place.part(len);
        assert_eq!(place.reach(0, len), len);
        // A shorter one keeps the memory, and none that is too long is a panic.
        place.admit(3).unwrap();
        assert_eq!(place.0.capacity(), len);
        assert!(matches!(place.admit(usize::MAX), Err(RecvError::Io(_))));
    }
}
