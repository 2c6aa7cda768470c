//! A message of the stage: words that a person can read, and a number that tells it from every other one.
//!
//! The words stand first, zeros follow, and the last eight bytes are the message's number (little-endian)
//! where there is room for it behind the words and a zero.

/// The most bytes that a person's words may have.
pub const WORDS_LIMIT: usize = 64;

const NUMBER_BYTES: usize = 8;

/// Makes message `number`: `text`, cut to what fits, or words of its own.
pub(crate) fn compose(message: &mut [u8], number: u64, text: Option<&str>) {
    let own = if text.is_none() { format!("message {number}") } else { String::new() };
    let words = cut(text.unwrap_or(&own), message.len()).as_bytes();
    message.fill(0);
    message[..words.len()].copy_from_slice(words);
    if let Some(place) = message.len().checked_sub(NUMBER_BYTES).filter(|&place| place > words.len()) {
        message[place..].copy_from_slice(&number.to_le_bytes());
    }
}

/// The words of a message as they came: up to the first zero.
pub(crate) fn words(message: &[u8]) -> String {
    let end = message.iter().take(WORDS_LIMIT).position(|&byte| byte == 0);
    String::from_utf8_lossy(&message[..end.unwrap_or(message.len().min(WORDS_LIMIT))]).into_owned()
}

/// The beginning of a message, kept without taking memory: between two calls of a burst there is no time to
/// make a text of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Glimpse {
    bytes: [u8; WORDS_LIMIT],
    len: usize,
}

impl Glimpse {
    /// Of `message`.
    pub(crate) fn of(message: &[u8]) -> Glimpse {
        let len = message.len().min(WORDS_LIMIT);
        let mut bytes = [0; WORDS_LIMIT];
        bytes[..len].copy_from_slice(&message[..len]);
        Glimpse { bytes, len }
    }

    /// Its words.
    pub(crate) fn words(&self) -> String {
        words(&self.bytes[..self.len])
    }
}

/// The longest beginning of `text` that has at most `bytes` bytes and ends with a whole letter.
fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_first_and_the_number_last() {
        let mut message = [9; 24];
        compose(&mut message, 7, Some("hello"));
        assert_eq!(words(&message), "hello");
        assert_eq!(message[16..], 7_u64.to_le_bytes());
        compose(&mut message, 3, None);
        assert_eq!(words(&message), "message 3");
    }

    #[test]
    fn words_are_cut_at_a_whole_letter() {
        let mut message = [9; 5];
        compose(&mut message, 1, Some("grün über"));
        assert_eq!(words(&message), "grün");
        compose(&mut message, 1, Some("grrrü"));
        assert_eq!(words(&message), "grrr");
        compose(&mut [], 1, Some("nothing fits"));
        assert_eq!(words(&[]), "");
    }

    #[test]
    fn messages_with_the_same_words_are_told_apart() {
        let (mut one, mut two) = ([0; 64], [0; 64]);
        compose(&mut one, 1, Some("same"));
        compose(&mut two, 2, Some("same"));
        assert_ne!(one, two);
    }

    #[test]
    fn what_is_no_text_is_shown_as_such() {
        assert_eq!(words(&[0xff, b'a', 0, b'b']), "\u{fffd}a");
        assert_eq!(words(&[b'x'; 100]).len(), WORDS_LIMIT);
    }
}
