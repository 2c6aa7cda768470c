//! The table of unix(7) sockets: include/uapi/linux/unix_diag.h.

use super::message::{attributes, half, word};

/// A socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnixSocket {
    pub(crate) kind: UnixType,
    pub(crate) inode: u64,
    pub(crate) listens: bool,
    /// The path, or `@` and the abstract name.
    pub(crate) name: Option<String>,
    /// The socket that it is connected with: 0 when that has no inode, being gone or not yet accepted.
    pub(crate) peer: Option<u64>,
    /// The sockets that wait to be accepted by this one.
    pub(crate) pending: Vec<u64>,
    /// What waits to be read, of datagrams of the first.
    pub(crate) queued_bytes: Option<u64>,
    /// Whether it can no more be read, and written: shutdown(2), or the peer has gone.
    pub(crate) shut: [bool; 2],
}

/// What a socket carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnixType {
    Stream,
    Datagram,
    Seqpacket,
}

const AF_UNIX: u8 = 1;
/// TCP_LISTEN of include/net/tcp_states.h.
const LISTEN: u8 = 10;
/// UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_ICONS | UDIAG_SHOW_RQLEN.
const SHOW: u32 = 1 | 4 | 8 | 0x10;

/// The request for all of them.
pub(super) fn request() -> Vec<u8> {
    let mut body = vec![AF_UNIX, 0, 0, 0];
    // In any state, and any inode.
    for word in [u32::MAX, 0, SHOW, u32::MAX, u32::MAX] {
        body.extend(word.to_ne_bytes());
    }
    body
}

/// One entry; `None` of what is cut.
pub(super) fn parse(body: &[u8]) -> Option<UnixSocket> {
    let kind = match body.get(1)? {
        // SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET.
        1 => UnixType::Stream,
        5 => UnixType::Seqpacket,
        _ => UnixType::Datagram,
    };
    let listens = *body.get(2)? == LISTEN;
    let inode = word(body, 4)?.into();
    let mut socket = UnixSocket {
        kind,
        inode,
        listens,
        name: None,
        peer: None,
        pending: Vec::new(),
        queued_bytes: None,
        shut: [false; 2],
    };
    for (attribute, value) in attributes(body.get(16..)?) {
        match attribute {
            // UNIX_DIAG_NAME, _PEER, _ICONS, _RQLEN, _SHUTDOWN.
            0 => socket.name = name(value),
            2 => socket.peer = word(value, 0).map(u64::from),
            3 => {
                let inodes = value.chunks_exact(4).filter_map(|one| word(one, 0));
                socket.pending = inodes.map(u64::from).collect();
            }
            // Of a server this is how many connections wait.
            4 if !listens => socket.queued_bytes = word(value, 0).map(u64::from),
            6 => {
                let bits = value.first().copied().unwrap_or(0);
                socket.shut = [bits & 1 != 0, bits & 2 != 0];
            }
            _ => {}
        }
    }
    half(body, 0).map(|_| socket)
}

/// A name as it is written: an abstract one begins with a zero byte, and may hold more.
fn name(raw: &[u8]) -> Option<String> {
    let path = |raw: &[u8]| {
        let end = raw.iter().position(|&byte| byte == 0).unwrap_or(raw.len());
        String::from_utf8_lossy(&raw[..end]).into_owned()
    };
    match raw {
        [] => None,
        [0, rest @ ..] => Some(format!("@{}", String::from_utf8_lossy(rest).replace('\0', "@"))),
        raw => Some(path(raw)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Vec<u8> {
        let mut body = vec![AF_UNIX, 1, 1, 0];
        body.extend(4711_u32.to_ne_bytes());
        body.extend([0; 8]);
        let mut put = |kind: u16, value: &[u8]| {
            body.extend((4 + value.len() as u16).to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(value);
            body.resize(body.len().next_multiple_of(4), 0);
        };
        put(0, b"\0ab\0c");
        put(2, &4712_u32.to_ne_bytes());
        put(4, &[64, 0, 0, 0, 0, 0, 0, 0]);
        put(6, &[2]);
        body
    }

    #[test]
    fn an_entry_is_read_whole_and_a_cut_one_without_a_panic() {
        let socket = parse(&entry()).expect("an entry");
        assert_eq!((socket.kind, socket.inode, socket.peer), (UnixType::Stream, 4711, Some(4712)));
        assert_eq!((socket.name.as_deref(), socket.shut), (Some("@ab@c"), [false, true]));
        assert_eq!(socket.queued_bytes, Some(u64::from(64_u32.to_le())));
        let whole = entry();
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]).is_some(), end >= 16, "{end}");
        }
        assert_eq!(name(b"/a b\0\0"), Some("/a b".into()));
        assert_eq!((name(b""), name(b"\0")), (None, Some("@".into())));
    }
}
