//! Parts: one message that stands in several places.

use std::io::IoSlice;

/// How many bytes they have together.
pub(crate) fn len(parts: &[IoSlice<'_>]) -> usize {
    // The same memory may be named so often that no number is large enough.
    parts.iter().fold(0, |len, part| len.saturating_add(part.len()))
}

/// Copies them one behind the other. `to` has their length.
pub(crate) fn copy(parts: &[IoSlice<'_>], mut to: &mut [u8]) {
    for part in parts {
        let (here, behind) = to.split_at_mut(part.len());
        here.copy_from_slice(part);
        to = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_and_copied_in_their_order() {
        let parts = [&b"one"[..], b"", b"and two"].map(IoSlice::new);
        assert_eq!((len(&parts), len(&[])), (10, 0));
        let mut to = [0; 10];
        copy(&parts, &mut to);
        assert_eq!(&to, b"oneand two");
    }
}
