//! The signals that ask a program to end, and how the measured processes are kept from them.
//!
//! A terminal, a shell or a supervisor sends such a signal to a whole group of processes. The lab alone decides what it means: it
//! ends the measured processes itself, and loses no round that was finished.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

/// Signals that ask a program to end: Ctrl-C, a lost terminal, `kill`, and those of batch systems
/// before they kill.
pub const ENDING: [i32; 8] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGXCPU,
];

/// Keeps [`ENDING`] from the calling thread, and from every process that it starts: the mask is inherited.
pub fn block_ending() {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the whole set that it is given.
    let mut set = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    };
    for signal in ENDING {
        // SAFETY: the set was initialised above, and the numbers are those of signals.
        unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    // SAFETY: the set is valid, and the former mask is not asked for. It fails for a wrong first
    // argument only.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_thread_blocks_its_children_block() {
        let blocked = std::thread::spawn(|| {
            block_ending();
            let status = std::process::Command::new("grep").args(["SigBlk", "/proc/self/status"]).output();
            String::from_utf8(status.unwrap().stdout).unwrap()
        });
        let blocked = blocked.join().unwrap();
        let mask = u64::from_str_radix(blocked.trim_start_matches("SigBlk:").trim(), 16).unwrap();
        for signal in ENDING {
            assert_ne!(mask & (1 << (signal - 1)), 0, "{signal}: {blocked}");
        }
        assert_eq!(mask & (1 << (libc::SIGSEGV - 1)), 0);
    }
}
