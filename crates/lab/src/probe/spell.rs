//! A system call as one reads it: `read(5, 0x7f…, 65536) = 68`.

use super::calls::Called;
use crate::sys::calls;

/// The call in which a worker sleeps between two messages, of its own accord.
pub(super) const PAUSE: &str = "clock_nanosleep";

/// Whether a call is such a sleep.
pub(super) fn is_pause(number: u64) -> bool {
    calls::number(PAUSE) == Some(number)
}

/// The whole call with its result.
pub(super) fn line(call: &Called) -> String {
    format!("{}({}) = {}", call.name(), arguments(call.number, &call.args), result(call.result))
}

/// Which arguments of a call are a buffer and its length.
pub(super) fn buffer(number: u64, args: &[u64; 6]) -> Option<(u64, u64)> {
    let carries =
        ["read", "write", "sendto", "recvfrom"].iter().any(|name| calls::number(name) == Some(number));
    carries.then(|| (args[1], args[2]))
}

/// Whether a call returns the number of bytes that it gave to the kernel or took from it, in one
/// piece or in several.
pub(super) fn moves(number: u64) -> bool {
    let in_one = ["read", "write", "recvfrom", "sendto"];
    let in_several = ["readv", "writev", "preadv2", "pwritev2", "recvmsg", "sendmsg"];
    in_one.iter().chain(&in_several).any(|name| calls::number(name) == Some(number))
}

/// How many bytes a call gives the kernel from its buffer; `None` when it gives none.
pub(super) fn gives(number: u64, args: &[u64; 6]) -> Option<u64> {
    let gives = ["write", "sendto"].iter().any(|name| calls::number(name) == Some(number));
    gives.then_some(args[2])
}

/// The arguments, in words where they are known.
pub(super) fn arguments(number: u64, args: &[u64; 6]) -> String {
    let name = calls::name(number);
    match name.as_str() {
        "read" | "write" => format!("{}, {:#x}, {}", args[0], args[1], args[2]),
        "sendto" | "recvfrom" => {
            format!("{}, {:#x}, {}, {}", args[0], args[1], args[2], message_flags(args[3]))
        }
        "futex" => format!("{:#x}, {}, {}", args[0], futex(args[1]), args[2]),
        "futex_waitv" => format!("{:#x}, {} words", args[0], args[1]),
        "membarrier" => if args[0] == 2 { "GLOBAL_EXPEDITED" } else { "…" }.to_owned(),
        "ppoll" => format!("{:#x}, {}", args[0], args[1]),
        "sched_yield" => String::new(),
        "clock_nanosleep" => "…".into(),
        _ => args[..3].iter().map(|arg| format!("{arg:#x}")).collect::<Vec<_>>().join(", "),
    }
}

/// The result of a call: a number, or the name of an error.
pub(super) fn result(result: i64) -> String {
    let known = [
        (libc::EAGAIN, "EAGAIN"),
        (libc::EINTR, "EINTR"),
        (libc::EPIPE, "EPIPE"),
        (libc::ETIMEDOUT, "ETIMEDOUT"),
        (libc::ECONNRESET, "ECONNRESET"),
    ];
    match known.iter().find(|(number, _)| i64::from(-*number) == result) {
        Some((_, name)) => (*name).to_owned(),
        None if result < 0 => format!("error {}", -result),
        None => result.to_string(),
    }
}

fn message_flags(flags: u64) -> String {
    let known = [(libc::MSG_DONTWAIT, "MSG_DONTWAIT"), (libc::MSG_NOSIGNAL, "MSG_NOSIGNAL")];
    let mut left = flags;
    let mut words = Vec::new();
    for (flag, name) in known {
        if left & flag as u64 != 0 {
            left &= !(flag as u64);
            words.push(name.to_owned());
        }
    }
    if left != 0 || words.is_empty() {
        words.push(left.to_string());
    }
    words.join("|")
}

fn futex(operation: u64) -> String {
    let shared = operation & !(libc::FUTEX_PRIVATE_FLAG as u64);
    let name = match shared as i32 {
        libc::FUTEX_WAIT => "FUTEX_WAIT",
        libc::FUTEX_WAKE => "FUTEX_WAKE",
        _ => return operation.to_string(),
    };
    if shared == operation { name.into() } else { format!("{name}_PRIVATE") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_spelled() {
        let number = |name| calls::number(name).unwrap();
        let args = [3, 0x1000, 68, 0x4040, 0, 0];
        assert_eq!(arguments(number("write"), &args), "3, 0x1000, 68");
        assert_eq!(arguments(number("sendto"), &args), "3, 0x1000, 68, MSG_DONTWAIT|MSG_NOSIGNAL");
        assert_eq!(arguments(number("recvfrom"), &[3, 0x1000, 68, 0, 0, 0]), "3, 0x1000, 68, 0");
        assert_eq!(arguments(number("futex"), &[0x2000, 1, 1, 0, 0, 0]), "0x2000, FUTEX_WAKE, 1");
        assert_eq!(
            (result(68), result(-11), result(-9999)),
            ("68".into(), "EAGAIN".into(), "error 9999".into())
        );
        assert_eq!(buffer(number("read"), &args), Some((0x1000, 68)));
        assert_eq!(buffer(number("futex"), &args), None);
        let moving = ["read", "writev", "sendmsg", "futex"].map(|name| moves(number(name)));
        assert_eq!(moving, [true, true, true, false]);
    }
}
