//! Refusals: what a failed call means for a probe, and the remedy.

use std::io;

use crate::machine::{self, Unavailable};

/// Why `what` cannot be had, and what to do about it.
pub(crate) fn refused(what: &str, error: &io::Error) -> Unavailable {
    of_level(what, error, machine::perf_event_paranoid())
}

/// The same, at this `perf_event_paranoid` level.
fn of_level(what: &str, error: &io::Error, level: Option<i32>) -> Unavailable {
    let by_setting = || match level {
        Some(level) if !what.contains("pages") => format!("{error} (kernel.perf_event_paranoid is {level})"),
        _ => error.to_string(),
    };
    let (why, remedy) = match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) if what.contains("system call") => (
            format!("ptrace is refused: {error}"),
            "run outside of a sandbox that forbids ptrace, or set kernel.yama.ptrace_scope to 0 or 1",
        ),
        Some(libc::EACCES | libc::EPERM) => (by_setting(), privilege(what, level)),
        Some(libc::ENOSYS) => {
            (format!("this kernel has no such call: {error}"), "run a kernel with CONFIG_PERF_EVENTS")
        }
        Some(libc::ENODEV) => {
            ("this kernel has no tracefs".into(), "run a kernel with CONFIG_TRACING and CONFIG_EVENT_TRACING")
        }
        Some(libc::ENOENT | libc::EOPNOTSUPP) => (
            format!("this kernel or processor does not have it: {error}"),
            "run on another kernel or machine; the other instruments work without it",
        ),
        Some(libc::ENOSPC) => (
            "all of the processor's watchpoints are in use".into(),
            "end the debugger that uses them, and try again",
        ),
        _ if error.kind() == io::ErrorKind::PermissionDenied => (error.to_string(), privilege(what, level)),
        _ => (error.to_string(), "try again as root; the other instruments work without it"),
    };
    Unavailable { what: what.into(), why, remedy: remedy.into() }
}

/// How to be allowed to see `what`.
fn privilege(what: &str, level: Option<i32>) -> &'static str {
    let every_user = what.contains("switch records") || what.contains("memory of a process");
    match level {
        // Distributions have added levels above 2 that allow perf to root only.
        Some(level) if every_user && level > 2 => {
            "run as root, or allow it to every user: sysctl kernel.perf_event_paranoid=2"
        }
        _ if every_user => "allow perf_event_open in the container's seccomp profile, or run as root",
        _ => "run as root, and outside of a user namespace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_allows_perf_to_root_only_is_named_with_its_remedy() {
        let denied = io::Error::from_raw_os_error(libc::EACCES);
        let told = of_level("switch records", &denied, Some(4));
        assert!(told.why.contains("kernel.perf_event_paranoid is 4"), "{told}");
        assert!(told.remedy.contains("sysctl kernel.perf_event_paranoid=2"), "{told}");
        let told = of_level("switch records", &denied, Some(2));
        assert!(told.remedy.contains("seccomp"), "at 2 it is not the setting: {told}");
        let told = of_level("tracepoints of the kernel", &denied, Some(4));
        assert!(told.remedy.contains("root") && !told.remedy.contains("sysctl"), "{told}");
    }

    #[test]
    fn every_refusal_has_a_reason_and_a_remedy() {
        for number in
            [libc::EACCES, libc::EPERM, libc::ENOSYS, libc::ENODEV, libc::ENOENT, libc::ENOSPC, 9999]
        {
            for what in ["every system call of a process", "switch records", "tracepoints of the kernel"] {
                let told = refused(what, &io::Error::from_raw_os_error(number));
                assert!(told.what == what && !told.why.is_empty() && !told.remedy.is_empty(), "{told}");
            }
        }
    }
}
