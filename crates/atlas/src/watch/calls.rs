//! The system calls by which a channel's bytes are moved and waited for.

use super::tap::{Recorded, TappedCall};

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// Takes bytes out of the descriptor that is its first argument.
    Reads,
    /// Puts bytes into it.
    Writes,
    /// Puts bytes of the descriptor that is this argument into the one that is that argument.
    Moves { from: usize, to: usize },
    /// Copies bytes of the first into the second, and leaves them there as well.
    Tees,
    /// Waits for one or more of several descriptors.
    Waits,
    /// Closes a descriptor.
    Closes,
    /// Makes another descriptor of the same, which takes the number that is this argument, or any.
    Copies { to: Option<usize> },
}

/// A call, and how to read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KnownCall {
    pub(super) number: u32,
    pub(super) name: &'static str,
    pub(super) does: Does,
    /// Which argument has flags such as MSG_PEEK.
    flags: Option<usize>,
    /// Its result counts messages, and not bytes.
    pub(super) counts_messages: bool,
}

const fn known(number: libc::c_long, name: &'static str, does: Does) -> KnownCall {
    KnownCall { number: number as u32, name, does, flags: None, counts_messages: false }
}

const fn flagged(number: libc::c_long, name: &'static str, does: Does, flags: usize) -> KnownCall {
    KnownCall { flags: Some(flags), ..known(number, name, does) }
}

const fn many(number: libc::c_long, name: &'static str, does: Does) -> KnownCall {
    KnownCall { flags: Some(3), counts_messages: true, ..known(number, name, does) }
}

/// All that are recorded.
pub(super) const KNOWN: &[KnownCall] = &[
    known(libc::SYS_read, "read", Does::Reads),
    known(libc::SYS_readv, "readv", Does::Reads),
    flagged(libc::SYS_recvfrom, "recvfrom", Does::Reads, 3),
    flagged(libc::SYS_recvmsg, "recvmsg", Does::Reads, 2),
    many(libc::SYS_recvmmsg, "recvmmsg", Does::Reads),
    known(libc::SYS_preadv2, "preadv2", Does::Reads),
    known(libc::SYS_mq_timedreceive, "mq_timedreceive", Does::Reads),
    known(libc::SYS_write, "write", Does::Writes),
    known(libc::SYS_writev, "writev", Does::Writes),
    known(libc::SYS_sendto, "sendto", Does::Writes),
    known(libc::SYS_sendmsg, "sendmsg", Does::Writes),
    many(libc::SYS_sendmmsg, "sendmmsg", Does::Writes),
    known(libc::SYS_pwritev2, "pwritev2", Does::Writes),
    known(libc::SYS_vmsplice, "vmsplice", Does::Writes),
    known(libc::SYS_mq_timedsend, "mq_timedsend", Does::Writes),
    known(libc::SYS_splice, "splice", Does::Moves { from: 0, to: 2 }),
    known(libc::SYS_sendfile, "sendfile", Does::Moves { from: 1, to: 0 }),
    known(libc::SYS_tee, "tee", Does::Tees),
    known(libc::SYS_close, "close", Does::Closes),
    known(libc::SYS_dup, "dup", Does::Copies { to: None }),
    #[cfg(target_arch = "x86_64")]
    known(libc::SYS_dup2, "dup2", Does::Copies { to: Some(1) }),
    known(libc::SYS_dup3, "dup3", Does::Copies { to: Some(1) }),
    #[cfg(target_arch = "x86_64")]
    known(libc::SYS_poll, "poll", Does::Waits),
    known(libc::SYS_ppoll, "ppoll", Does::Waits),
    #[cfg(target_arch = "x86_64")]
    known(libc::SYS_select, "select", Does::Waits),
    known(libc::SYS_pselect6, "pselect6", Does::Waits),
    #[cfg(target_arch = "x86_64")]
    known(libc::SYS_epoll_wait, "epoll_wait", Does::Waits),
    known(libc::SYS_epoll_pwait, "epoll_pwait", Does::Waits),
    known(libc::SYS_epoll_pwait2, "epoll_pwait2", Does::Waits),
];

/// The call of this number.
pub(super) fn of(number: u32) -> Option<&'static KnownCall> {
    KNOWN.iter().find(|call| call.number == number)
}

impl KnownCall {
    /// When it is recorded: one that reads or writes, if it is about a watched descriptor; others have theirs in other arguments.
    pub(super) fn scope(&self) -> Recorded {
        match self.does {
            Does::Reads | Does::Writes | Does::Closes | Does::Copies { to: None } => Recorded::Descriptor,
            Does::Moves { .. } | Does::Tees | Does::Waits | Does::Copies { to: Some(_) } => Recorded::Always,
        }
    }

    /// What a call that has returned says of what it moved: a count, or the number of an error below zero.
    pub(super) fn result(&self, call: &TappedCall) -> i64 {
        // mq_timedsend(2) returns 0; how much it was given is its third argument.
        let sent = self.number == libc::SYS_mq_timedsend as u32 && call.result == 0;
        if sent { call.arguments[2].into() } else { call.result }
    }

    /// Whether a read with these arguments leaves what it reads where it is (MSG_PEEK of recv(2)), or reads errors only
    /// (MSG_ERRQUEUE).
    pub(super) fn takes_nothing(&self, arguments: [u32; 4]) -> bool {
        let flags = self.flags.map_or(0, |at| arguments[at]) as libc::c_int;
        self.does == Does::Reads && flags & (libc::MSG_PEEK | libc::MSG_ERRQUEUE) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_stands_once_and_a_peek_takes_nothing() {
        for call in KNOWN {
            assert_eq!(of(call.number), Some(call));
        }
        let flags = libc::MSG_PEEK as u32;
        assert!(of(libc::SYS_recvfrom as u32).unwrap().takes_nothing([0, 0, 0, flags]));
        assert!(of(libc::SYS_recvmsg as u32).unwrap().takes_nothing([0, 0, flags, 0]));
        assert!(!of(libc::SYS_recvmsg as u32).unwrap().takes_nothing([0, 0, 0, flags]));
        assert!(!of(libc::SYS_read as u32).unwrap().takes_nothing([0, 0, flags, flags]));
    }
}
