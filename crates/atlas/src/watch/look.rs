//! One look from outside at a process and at what waits in a channel. Nothing is stopped, and nothing is held afterwards.

use std::fs;
use std::io;

use lab::sys::calls;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

/// How many threads of a process are looked at.
const THREADS: usize = 64;

/// What a thread was doing, and what it has done so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ThreadLook {
    pub(super) thread: i32,
    /// `R`, `S`, `D`, `T`, … of proc_pid_stat(5).
    pub(super) state: char,
    /// The call that it is in and the first argument; `None` on a core, or where it may not be asked.
    pub(super) call: Option<(u32, u32)>,
    /// Where in the kernel it sleeps, if the kernel tells.
    wchan: Option<String>,
    pub(super) slept: u64,
    pub(super) preempted: u64,
    pub(super) on_core_ns: u64,
}

impl ThreadLook {
    /// What it was doing, in words.
    pub(super) fn doing(&self) -> String {
        let call = self.call.map(|(number, _)| calls::name(number.into()));
        match (self.state, call, &self.wchan) {
            ('R', ..) => "on a core, or waiting for one".into(),
            ('T' | 't', ..) => "stopped".into(),
            ('Z' | 'X', ..) => "ended".into(),
            (_, Some(call), _) => format!("asleep in {call}"),
            (_, None, Some(place)) => format!("asleep in the kernel's {place}"),
            _ => "asleep".into(),
        }
    }
}

/// Looks at the threads of a process, at most 64. Empty when it has ended.
pub(super) fn threads(process: i32) -> Vec<ThreadLook> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    let threads = tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok());
    threads.take(THREADS).filter_map(|thread| look_at(process, thread)).collect()
}

fn look_at(process: i32, thread: i32) -> Option<ThreadLook> {
    let read = |file: &str| fs::read_to_string(format!("/proc/{process}/task/{thread}/{file}")).ok();
    let status = read("status")?;
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
    };
    let count = |name: &str| field(name).and_then(|value| value.parse().ok()).unwrap_or(0);
    let on_core_ns = read("schedstat").and_then(|line| line.split(' ').next()?.parse().ok()).unwrap_or(0);
    let wchan = read("wchan").filter(|place| !place.is_empty() && place != "0");
    Some(ThreadLook {
        thread,
        state: field("State")?.chars().next()?,
        call: read("syscall").and_then(|line| syscall(&line)),
        wchan,
        slept: count("voluntary_ctxt_switches"),
        preempted: count("nonvoluntary_ctxt_switches"),
        on_core_ns,
    })
}

/// The number of a call and its first argument, from proc_pid_syscall(5).
fn syscall(line: &str) -> Option<(u32, u32)> {
    let mut words = line.split_ascii_whitespace();
    let number = words.next()?.parse().ok()?;
    let argument = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
    Some((number, argument as u32))
}

/// What can be read from a process's descriptor, in bytes; of datagrams, the bytes of the first. The descriptor is duplicated
/// (pidfd_getfd(2)), asked (FIONREAD) and closed at once: held longer, the duplicate would keep a pipe from ending.
pub(super) fn queued(process: i32, descriptor: i32) -> io::Result<u64> {
    if descriptor < 0 {
        return Err(Errno::BADF.into());
    }
    let pid = Pid::from_raw(process).ok_or(Errno::SRCH)?;
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    let duplicate = pidfd_getfd(process, descriptor, PidfdGetfdFlags::empty())?;
    Ok(rustix::io::ioctl_fionread(duplicate)?)
}

/// What a process's descriptor refers to, such as `pipe:[4711]`.
pub(super) fn refers_to(process: i32, descriptor: i32) -> Option<String> {
    let link = fs::read_link(format!("/proc/{process}/fd/{descriptor}")).ok()?;
    Some(link.to_string_lossy().into_owned())
}

/// What a process has read and written so far, over all of its descriptors: proc_pid_io(5).
pub(super) fn io_so_far(process: i32) -> Option<[u64; 4]> {
    let text = fs::read_to_string(format!("/proc/{process}/io")).ok()?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    Some([field("syscr:")?, field("rchar:")?, field("syscw:")?, field("wchar:")?])
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    use std::process;

    use super::*;

    #[test]
    fn this_process_is_seen_as_it_is() {
        let own = process::id() as i32;
        assert!(threads(own).iter().any(|thread| thread.state == 'R'));
        let (mut out, mut into) = io::pipe().unwrap();
        into.write_all(b"four").unwrap();
        assert_eq!(queued(own, out.as_raw_fd()).unwrap(), 4);
        assert_eq!(queued(own, into.as_raw_fd()).unwrap(), 4, "of a pipe either end tells");
        assert!(refers_to(own, out.as_raw_fd()).unwrap().starts_with("pipe:["));
        out.read_exact(&mut [0; 4]).unwrap();
        let before = io_so_far(own).unwrap();
        into.write_all(&[0; 100]).unwrap();
        let after = io_so_far(own).unwrap();
        assert!(after[3] - before[3] >= 100 && after[2] > before[2]);
    }

    #[test]
    fn what_is_not_there_is_no_panic() {
        assert!(threads(i32::MAX).is_empty());
        assert!(
            queued(i32::MAX, 0).is_err()
                && queued(0, 0).is_err()
                && queued(process::id() as i32, -1).is_err()
        );
        assert_eq!((refers_to(i32::MAX, 0), io_so_far(i32::MAX)), (None, None));
    }

    #[test]
    fn the_kernel_s_line_of_a_call_is_read() {
        let line = "0 0x5 0x7ffe 0x10 0x0 0x0 0x0 0x7ffc 0x7f00\n";
        assert_eq!(
            (syscall(line), syscall("running\n"), syscall("-1 0x7ffc 0x7f00\n")),
            (Some((0, 5)), None, None)
        );
    }
}
