//! The words of a command line, from /proc/PID/cmdline. They are of the process's own choice: any bytes, any length.

/// No more bytes of a command line are read.
pub(super) const READ: usize = 2049;

/// The words, each as text. Where there are more bytes than are read, the last word ends with `…`.
pub(super) fn words(raw: &[u8]) -> Vec<String> {
    let cut = raw.len() >= READ;
    let raw = if cut { &raw[..READ - 1] } else { raw.strip_suffix(&[0]).unwrap_or(raw) };
    if raw.is_empty() {
        return Vec::new();
    }
    let mut words: Vec<String> =
        raw.split(|&byte| byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    if let Some(last) = words.last_mut().filter(|_| cut) {
        last.push('…');
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_their_spaces_and_a_long_line_says_that_it_is_cut() {
        assert_eq!(words(b"a\0b c\0\"d\"\0"), ["a", "b c", "\"d\""]);
        assert_eq!(words(b"a\0\0"), ["a", ""]);
        assert_eq!(words(b""), [""; 0]);
        assert_eq!(words(b"\xff\x1b[2J"), ["\u{fffd}\u{1b}[2J"]);
        let long = words(&[b'x'; READ]);
        assert!(long.len() == 1 && long[0].len() == READ - 1 + '…'.len_utf8() && long[0].ends_with('…'));
    }
}
