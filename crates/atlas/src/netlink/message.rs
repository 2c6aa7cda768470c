//! The frame of every message of netlink(7): a request for a table, and the parts of the answer.

use rustix::io::Errno;

/// SOCK_DIAG_BY_FAMILY of include/uapi/linux/sock_diag.h.
const BY_FAMILY: u16 = 20;
/// NLM_F_REQUEST | NLM_F_DUMP of include/uapi/linux/netlink.h.
const DUMP: u16 = 0x301;
/// NLM_F_DUMP_INTR.
const CHANGED: u16 = 0x10;
/// NLMSG_ERROR.
const ERROR: u16 = 2;
/// NLMSG_DONE.
const DONE: u16 = 3;
/// The length of a header.
const HEADER: usize = 16;

/// A part of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AnswerPart<'a> {
    /// One entry of the table.
    Body { body: &'a [u8], changed: bool },
    /// The table is at its end.
    Done,
    /// The kernel gives no table.
    Refused(Errno),
    /// What follows makes no message.
    Cut,
}

/// A request for a table, with `body` for its kind.
pub(super) fn request(sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = (HEADER + body.len()) as u32;
    let mut message = Vec::with_capacity(length as usize);
    message.extend(length.to_ne_bytes());
    message.extend(BY_FAMILY.to_ne_bytes());
    message.extend(DUMP.to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    message.extend([0; 4]);
    message.extend(body);
    message
}

/// The parts of one datagram that answer the request with this number.
pub(super) fn parts(datagram: &[u8], sequence: u32) -> impl Iterator<Item = AnswerPart<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let Some((header, body, after)) = take(rest) else {
                rest = &[];
                return Some(AnswerPart::Cut);
            };
            rest = after;
            if word(header, 8) != Some(sequence) {
                continue;
            }
            let changed = half(header, 6).is_some_and(|flags| flags & CHANGED != 0);
            return Some(match half(header, 4) {
                Some(BY_FAMILY) => AnswerPart::Body { body, changed },
                // What the last part says is an error when it is below 0.
                Some(DONE) => word(body, 0).and_then(errno).map_or(AnswerPart::Done, AnswerPart::Refused),
                Some(ERROR) => AnswerPart::Refused(word(body, 0).and_then(errno).unwrap_or(Errno::PROTO)),
                _ => continue,
            });
        }
    })
}

/// The first message: its header, its body, and what follows it.
fn take(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let length = usize::try_from(word(bytes, 0)?).ok()?;
    let message = bytes.get(..length).filter(|message| message.len() >= HEADER)?;
    let (header, body) = message.split_at(HEADER);
    Some((header, body, bytes.get(padded(length)..).unwrap_or_default()))
}

fn errno(word: u32) -> Option<Errno> {
    let number = (word as i32).checked_neg().filter(|number| (1..4096).contains(number))?;
    Some(Errno::from_raw_os_error(number))
}

/// The attributes behind the fixed part of a body, each with its kind. What makes none ends them.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::from(half(rest, 0)?);
        let kind = half(rest, 2)?;
        let value = rest.get(4..length)?;
        rest = rest.get(padded(length)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}

pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

pub(super) fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
        let mut message = request(sequence, body);
        message[4..6].copy_from_slice(&kind.to_ne_bytes());
        message[6..8].copy_from_slice(&flags.to_ne_bytes());
        message.resize(padded(message.len()), 0);
        message
    }

    #[test]
    fn parts_of_one_datagram_are_told_apart() {
        let datagram = [
            message(BY_FAMILY, 2, 7, b"one"),
            message(BY_FAMILY, 2, 6, b"of another request"),
            message(BY_FAMILY, 2 | CHANGED, 7, b"two"),
            message(DONE, 2, 7, &0_u32.to_ne_bytes()),
        ]
        .concat();
        let all: Vec<_> = parts(&datagram, 7).collect();
        let body = |body: &'static [u8], changed| AnswerPart::Body { body, changed };
        assert_eq!(all, [body(b"one", false), body(b"two", true), AnswerPart::Done]);
        let refused = |kind, word: i32| {
            let datagram = message(kind, 0, 7, &word.to_ne_bytes());
            format!("{:?}", parts(&datagram, 7).collect::<Vec<_>>())
        };
        let expected = format!("{:?}", [AnswerPart::Refused(Errno::PERM)]);
        assert_eq!([refused(ERROR, -1), refused(DONE, -1)], [expected.clone(), expected]);
        assert_eq!(refused(ERROR, i32::MIN), format!("{:?}", [AnswerPart::Refused(Errno::PROTO)]));
    }

    #[test]
    fn what_is_cut_or_false_ends_without_a_panic() {
        let whole = [message(BY_FAMILY, 2, 7, &[5; 30]), message(DONE, 2, 7, &[0; 4])].concat();
        for end in 0..whole.len() {
            let told: Vec<_> = parts(&whole[..end], 7).collect();
            assert!(!told.contains(&AnswerPart::Done), "{end}: {told:?}");
            // The first message has 46 bytes, and two that fill a word.
            let is_between = end == 0 || (46..=48).contains(&end);
            assert!(is_between || told.last() == Some(&AnswerPart::Cut), "{end}: {told:?}");
        }
        for length in [0_u32, 1, 15, u32::MAX, u32::MAX - 3] {
            let mut false_length = whole.clone();
            false_length[..4].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(parts(&false_length, 7).collect::<Vec<_>>(), [AnswerPart::Cut], "{length}");
        }
    }

    #[test]
    fn attributes_end_where_they_make_no_sense() {
        let attribute = |kind: u16, value: &[u8]| {
            let length = (4 + value.len()) as u16;
            let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
            bytes.resize(padded(bytes.len()), 0);
            bytes
        };
        let both = [attribute(1, b"abc"), attribute(2, b"")].concat();
        assert_eq!(attributes(&both).collect::<Vec<_>>(), [(1, &b"abc"[..]), (2, b"")]);
        for end in 0..both.len() {
            assert!(attributes(&both[..end]).count() <= 1, "{end}");
        }
        for length in [0_u16, 3, u16::MAX] {
            let mut bytes = both.clone();
            bytes[..2].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(attributes(&bytes).count(), 0, "{length}");
        }
    }
}
