//! When two of the system's errors are the same.

use std::io;

/// Whether both have the same number of the operating system; without one, the same kind.
pub(crate) fn is_same(one: &io::Error, other: &io::Error) -> bool {
    (one.raw_os_error(), one.kind()) == (other.raw_os_error(), other.kind())
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn a_number_decides_and_without_one_the_kind() {
        let full = |why: &str| Error::new(ErrorKind::WouldBlock, why);
        let again = || Error::from_raw_os_error(11);
        assert!(is_same(&again(), &again()) && is_same(&full("a"), &full("b")));
        assert_eq!(again().kind(), ErrorKind::WouldBlock);
        assert!(!is_same(&again(), &full("a")) && !is_same(&again(), &Error::from_raw_os_error(12)));
        assert!(!is_same(&full("a"), &ErrorKind::TimedOut.into()));
    }
}
