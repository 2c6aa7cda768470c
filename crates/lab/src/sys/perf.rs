//! perf_event_open(2), tried: whether the kernel would count its own events for this process.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// perf_event_attr as its first version has it (64 bytes), which every kernel accepts.
#[repr(C)]
#[derive(Default)]
struct Attr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    bp_type: u32,
    config1: u64,
}

const _: () = assert!(size_of::<Attr>() == 64);

const PERF_TYPE_SOFTWARE: u32 = 1;
const PERF_COUNT_SW_CONTEXT_SWITCHES: u64 = 3;
const DISABLED: u64 = 1;
const FLAG_CLOEXEC: libc::c_ulong = 8;

/// Opens a counter of this process's context switches, kernel side included, and closes it again. It never
/// counted.
///
/// # Errors
/// `EACCES` or `EPERM` when this user may not see kernel events, `ENOSYS` where there is no perf.
pub fn try_kernel_counter() -> io::Result<()> {
    let attr = Attr {
        kind: PERF_TYPE_SOFTWARE,
        size: size_of::<Attr>() as u32,
        config: PERF_COUNT_SW_CONTEXT_SWITCHES,
        flags: DISABLED,
        ..Attr::default()
    };
    let (own_process, any_cpu, no_group): (libc::pid_t, libc::c_int, libc::c_int) = (0, -1, -1);
    // SAFETY: the kernel reads `attr.size` bytes from `attr`, which is exactly that long, and writes back at
    // most its size field, for which nothing else holds a reference while the call lasts.
    let fd = unsafe {
        let mut attr = attr;
        libc::syscall(libc::SYS_perf_event_open, &raw mut attr, own_process, any_cpu, no_group, FLAG_CLOEXEC)
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just made this descriptor, so that nobody else owns it.
    drop(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) });
    Ok(())
}
