//! What a process has cost so far: getrusage(2), and the peak of its memory from /proc.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;

/// What this process has cost since it began, all its threads together.
///
/// The kernel measures the *sum* of user and system time exactly and splits it by sampling at its timer
/// ticks, so the split of a window shorter than some tens of ticks is coarse while the sum is not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time in user mode, in nanoseconds.
    pub user_ns: u64,
    /// Time in the kernel, in nanoseconds.
    pub system_ns: u64,
    /// Times it went to sleep by itself.
    pub voluntary: u64,
    /// Times it was put aside.
    pub involuntary: u64,
    /// Page faults that needed no disk.
    pub minor_faults: u64,
}

/// Takes the snapshot: one system call, no allocation. Where the call is refused it is empty: ask [`try_usage`] once, whether it
/// means anything.
pub fn usage() -> Usage {
    try_usage().unwrap_or_default()
}

/// The same.
///
/// # Errors
/// Those of getrusage(2): a sandbox may refuse it.
pub fn try_usage() -> io::Result<Usage> {
    let mut raw = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `raw` has the size and alignment that the kernel writes to, and nothing else refers to it.
    let done = unsafe { libc::getrusage(libc::RUSAGE_SELF, raw.as_mut_ptr()) };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: every field of rusage is a plain integer, for which the zeroes it was made of are a valid value
    // too.
    let raw = unsafe { raw.assume_init() };
    let ns = |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1_000;
    Ok(Usage {
        user_ns: ns(raw.ru_utime),
        system_ns: ns(raw.ru_stime),
        voluntary: raw.ru_nvcsw as u64,
        involuntary: raw.ru_nivcsw as u64,
        minor_faults: raw.ru_minflt as u64,
    })
}

/// The most memory this program ever held, in KiB (VmHWM of /proc/self/status); `None` where /proc is not
/// mounted.
///
/// Not `ru_maxrss`: that survives exec(2), so a small worker started by a large parent reports the parent's
/// peak.
pub fn peak_rss_kib() -> Option<u64> {
    vm_hwm_kib(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn vm_hwm_kib(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    value.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_from_status() {
        assert_eq!(vm_hwm_kib("Name:\tx\nVmPeak:\t   9 kB\nVmHWM:\t    2468 kB\nVmRSS:\t1 kB\n"), Some(2468));
        assert_eq!(vm_hwm_kib("Name:\tkthread\n"), None);
        assert_eq!(vm_hwm_kib("VmHWM:\tmany kB\n"), None);
        assert!(peak_rss_kib().unwrap() > 0);
    }
}
