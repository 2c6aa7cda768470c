//! The state of a process by the kernel: whether it runs, and where it sleeps. Read from /proc,
//! from outside.
//!
//! # References
//! proc_pid_stat(5), proc_pid_syscall(5), proc_pid_wchan(5).

use std::fs;

use crate::sys::calls;
use crate::trace::{ProcessState, What};

/// A process as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenProcess {
    pub(crate) state: ProcessState,
    /// The system call it is in.
    pub(crate) call: Option<String>,
    /// Where in the kernel it sleeps.
    pub(crate) wchan: Option<String>,
    /// The core it runs on, or ran on last.
    pub(crate) core: Option<u32>,
}

impl SeenProcess {
    /// Looks at `pid`; a process that is not there is dead.
    pub(crate) fn of(pid: u32) -> SeenProcess {
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
        let dead = SeenProcess { state: ProcessState::Dead, call: None, wchan: None, core: None };
        let Some((state, core)) = read("stat").as_deref().and_then(of_stat) else { return dead };
        match state {
            ProcessState::Dead => dead,
            ProcessState::Sleeping => SeenProcess {
                state,
                call: read("syscall").as_deref().and_then(of_syscall),
                wchan: read("wchan").filter(|wchan| !wchan.is_empty() && wchan != "0"),
                core,
            },
            state => SeenProcess { state, call: None, wchan: None, core },
        }
    }

    /// As an event of the trace.
    pub(crate) fn event(self) -> What {
        What::State { state: self.state, call: self.call, wchan: self.wchan, core: self.core }
    }
}

/// The parent of `pid`; `None` when it is not there.
pub(crate) fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    fields(&stat)?.nth(1)?.parse().ok()
}

/// The fields behind the name, which may itself hold anything.
fn fields(stat: &str) -> Option<impl Iterator<Item = &str>> {
    Some(stat.rsplit_once(')')?.1.split_ascii_whitespace())
}

fn of_stat(stat: &str) -> Option<(ProcessState, Option<u32>)> {
    let mut fields = fields(stat)?;
    let state = match fields.next()? {
        "R" => ProcessState::Running,
        "T" | "t" => ProcessState::Stopped,
        "Z" | "X" | "x" => ProcessState::Dead,
        _ => ProcessState::Sleeping,
    };
    // The state is field 3, the processor field 39.
    Some((state, fields.nth(39 - 4).and_then(|core| core.parse().ok())))
}

/// The call that a process is in: `running`, or a number and its arguments, or -1 when it is in none.
fn of_syscall(text: &str) -> Option<String> {
    let number: u64 = text.split_ascii_whitespace().next()?.parse().ok()?;
    Some(calls::name(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat_is_read_whatever_the_process_is_called() {
        let rest = "S 41 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 9 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 17 1 0 0";
        let line = format!("42 (a ) R 7 (b) {rest}");
        assert_eq!(of_stat(&line), Some((ProcessState::Sleeping, Some(1))));
        assert_eq!(fields(&line).and_then(|mut fields| fields.nth(1)), Some("41"));
        assert_eq!(of_stat("42 (cut short"), None);
        assert_eq!(of_stat("42 (x) Z"), Some((ProcessState::Dead, None)));
    }

    #[test]
    fn a_call_is_named() {
        assert_eq!(of_syscall("running\n"), None);
        assert_eq!(of_syscall("-1 0x7ffc 0x7f\n"), None);
        assert_eq!(of_syscall(&format!("{} 0x0 0x1\n", libc::SYS_read)).as_deref(), Some("read"));
        assert_eq!(of_syscall("9999 0x0\n").as_deref(), Some("call 9999"));
    }

    #[test]
    fn this_process_runs_and_a_process_that_never_was_is_dead() {
        assert_eq!(SeenProcess::of(u32::MAX).state, ProcessState::Dead);
        let me = std::process::id();
        assert_eq!(parent(me), Some(std::os::unix::process::parent_id()));
        assert_ne!(SeenProcess::of(me).state, ProcessState::Dead);
    }
}
