//! /proc/PID/stat and /proc/PID/status: proc_pid_stat(5). A process chooses its own name, which may hold spaces,
//! brackets and line ends.

use crate::process::TaskState;

/// PF_KTHREAD of include/linux/sched.h.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// What is taken from the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StatLine {
    pub(super) name: String,
    pub(super) state: TaskState,
    pub(super) parent: i32,
    pub(super) session: i32,
    pub(super) threads: u32,
    pub(super) started: u64,
    pub(super) kernel_thread: bool,
}

/// Reads /proc/PID/stat; `None` of what is no such file.
pub(super) fn parse(raw: &[u8]) -> Option<StatLine> {
    // The name stands between the first bracket and the last one.
    let from = raw.iter().position(|&byte| byte == b'(')?;
    let to = raw.iter().rposition(|&byte| byte == b')')?;
    let name = String::from_utf8_lossy(raw.get(from + 1..to)?).into_owned();
    let rest = str::from_utf8(raw.get(to + 1..)?).ok()?;
    // The first is field 3 of the manual page.
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).copied();
    Some(StatLine {
        name,
        state: TaskState::of(*field(3)?.as_bytes().first()?),
        parent: field(4)?.parse().ok()?,
        session: field(6)?.parse().ok()?,
        kernel_thread: field(9)?.parse::<u64>().ok()? & KERNEL_THREAD != 0,
        threads: field(20)?.parse().ok()?,
        started: field(22)?.parse().ok()?,
    })
}

/// The user of a process, by /proc/PID/status.
pub(super) fn uid(status: &[u8]) -> Option<u32> {
    field(status, "\nUid:")
}

/// The process that a thread belongs to, by /proc/TID/status.
pub(crate) fn thread_group(status: &[u8]) -> Option<i32> {
    field(status, "\nTgid:")
}

/// The first number of a line. A line of its own: the name in the first line cannot hold a line end, which is written `\n` there.
fn field<T: std::str::FromStr>(status: &[u8], begins: &str) -> Option<T> {
    let at = status.windows(begins.len()).position(|window| window == begins.as_bytes())?;
    let line = status[at + begins.len()..].split(|&byte| byte == b'\n').next()?;
    str::from_utf8(line).ok()?.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] =
        b"812 (a) S 1 (b\n) S 1 812 700 0 -1 4194560 9 0 0 0 1 2 0 0 20 0 3 0 123456 1000 5 1 2 3\n";

    #[test]
    fn a_name_may_hold_what_ends_names() {
        let stat = parse(LINE).expect("a line");
        assert_eq!(stat.name, "a) S 1 (b\n");
        assert_eq!((stat.parent, stat.session, stat.threads, stat.started), (1, 700, 3, 123_456));
        assert_eq!((stat.state, stat.kernel_thread), (TaskState::Sleeping, false));
        let kernel = b"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 1 0 0";
        assert!(parse(kernel).expect("a line").kernel_thread);
    }

    #[test]
    fn what_is_cut_anywhere_is_no_line_and_no_panic() {
        for end in 0..LINE.len() {
            let cut = parse(&LINE[..end]);
            assert!(cut.is_none() || LINE[..end].split(|&byte| byte == b' ').count() > 24, "{end}: {cut:?}");
        }
        for nonsense in
            [&b")("[..], b"(", b"1 () S", b"\xff\xfe", b"1 (x) S -1 - - - - - - - - - - - - - - - - - - -"]
        {
            assert_eq!(parse(nonsense), None);
        }
    }

    #[test]
    fn numbers_of_a_status_are_those_of_their_own_lines() {
        let status = b"Name:\tUid: 7\\nTgid:\t9\nTgid:\t12\nPid:\t13\nUid:\t1000\t1001\t1000\t1000\n";
        assert_eq!((uid(status), thread_group(status)), (Some(1000), Some(12)));
        assert_eq!((uid(b"Name:\tx\nUid:\n"), uid(b""), thread_group(b"Tgid:")), (None, None, None));
    }
}
