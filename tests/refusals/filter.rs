//! Which system calls are made, asked of strace, and a filter that refuses one of them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::process::{Command, Stdio};

use crate::Place;
use crate::case::Verb;
use crate::seccomp::{
    self, Instruction, NUMBER, allow, load, low_half_of_argument, refuse, unless, unless_any,
};

/// A system call, and the verbs that make it.
#[derive(Debug, Clone)]
pub(crate) struct InUse {
    pub(crate) call: String,
    pub(crate) number: u32,
    pub(crate) by: Vec<Verb>,
}

/// Calls that must be among those that are found: without them strace did not look where it should.
const LANDMARKS: &[&str] = &["execve", "mmap", "memfd_create", "recvmsg", "socket", "pidfd_open", "wait4"];

/// Every call that any of the verbs makes, as strace sees it.
///
/// # Errors
/// If there is no strace, or if it saw too little.
pub(crate) fn calls_in_use(place: &Place) -> Result<Vec<InUse>, String> {
    let mut found: BTreeMap<(String, u32), Vec<Verb>> = BTreeMap::new();
    for verb in Verb::all() {
        let told = place.path().join("strace");
        let mut command = Command::new("strace");
        command.args(["-f", "-n", "-qq", "-o"]).arg(&told).arg(place.binary()).args(verb.line().split(' '));
        command.env("HOME", place.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().map_err(|error| format!("strace: {error} (./check installs it)"))?;
        let text = fs::read(&told).map_err(|error| format!("strace left nothing: {error}"))?;
        for call in String::from_utf8_lossy(&text).lines().filter_map(call_of) {
            let by = found.entry(call).or_default();
            if !by.contains(&verb) {
                by.push(verb);
            }
        }
    }
    let missing: Vec<_> =
        LANDMARKS.iter().filter(|call| !found.keys().any(|(found, _)| found == *call)).collect();
    if !missing.is_empty() {
        return Err(format!("strace saw none of {missing:?}"));
    }
    Ok(found.into_iter().map(|((call, number), by)| InUse { call, number, by }).collect())
}

/// The name and number in a line of `strace -f -n`: `1234 [  39] getpid() = 1234`.
fn call_of(line: &str) -> Option<(String, u32)> {
    let (_, behind) = line.split_once('[')?;
    let (number, behind) = behind.split_once(']')?;
    let (call, _) = behind.trim_start().split_once('(')?;
    let is_name = call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    Some((call.to_owned(), number.trim().parse().ok()?)).filter(|_| is_name)
}

/// A program for the kernel that refuses some calls and allows the others.
#[derive(Debug, Clone)]
pub(crate) struct Filter(Vec<Instruction>);

impl Filter {
    /// Refuses the call with this number. `but` is the address of the one path that may be executed all the same: that of
    /// the program which is to be tried.
    pub(crate) fn refusing(number: u32, errno: i32, but: u64) -> Filter {
        let execve = libc::SYS_execve as u32;
        Filter(vec![
            load(NUMBER),
            unless(number, 5),
            unless(execve, 3),
            load(low_half_of_argument(0)),
            unless(but as u32, 1),
            allow(),
            refuse(errno.unsigned_abs()),
            allow(),
        ])
    }

    /// Lets no thread be started. Where its flags stand in memory (clone3) the call is not there, so that the older one is
    /// used.
    pub(crate) fn without_threads() -> Filter {
        Filter(vec![
            load(NUMBER),
            unless(libc::SYS_clone3 as u32, 1),
            refuse(libc::ENOSYS.unsigned_abs()),
            unless(libc::SYS_clone as u32, 3),
            load(low_half_of_argument(0)),
            unless_any(libc::CLONE_THREAD as u32, 1),
            refuse(libc::EAGAIN.unsigned_abs()),
            allow(),
        ])
    }

    /// Puts it on this process and on all that it will start.
    pub(crate) fn install(&self) -> io::Result<()> {
        seccomp::install(&self.0)
    }
}

#[test]
fn a_line_of_strace_is_read() {
    assert_eq!(call_of("1234  [  39] getpid()     = 1234"), Some(("getpid".into(), 39)));
    assert_eq!(call_of("12 [ 202] futex(0x7, FUTEX_WAKE, 1 <unfinished ...>"), Some(("futex".into(), 202)));
    assert_eq!(call_of("12 [ 202] <... futex resumed>) = 0"), None);
    assert_eq!(call_of("1234  +++ exited with 0 +++"), None);
}
