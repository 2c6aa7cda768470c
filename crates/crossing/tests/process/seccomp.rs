//! A filter before a process's system calls, as container runtimes put it there: it answers some of them with an error.
//!
//! The tests of every package take this file by its path; it needs no library.
//!
//! # References
//! seccomp(2), bpf(4) for the instructions, include/uapi/linux/seccomp.h.
#![allow(unsafe_code)]
// Each program of tests takes what it needs.
#![allow(dead_code)]

use std::io;

/// One instruction of a filter.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Instruction {
    code: u16,
    jump_if: u8,
    jump_else: u8,
    value: u32,
}

/// Where the number of the call stands in what a filter sees, `struct seccomp_data`.
pub(crate) const NUMBER: u32 = 0;

/// Where the low half of an argument stands.
pub(crate) const fn low_half_of_argument(number: u32) -> u32 {
    16 + 8 * number + if cfg!(target_endian = "big") { 4 } else { 0 }
}

/// Loads a word of what the filter sees.
pub(crate) fn load(at: u32) -> Instruction {
    Instruction { code: 0x20, jump_if: 0, jump_else: 0, value: at }
}

/// Passes over `otherwise` instructions unless what was loaded is `value`.
pub(crate) fn unless(value: u32, otherwise: u8) -> Instruction {
    Instruction { code: 0x15, jump_if: 0, jump_else: otherwise, value }
}

/// Passes over `otherwise` instructions unless what was loaded has one of `bits`.
pub(crate) fn unless_any(bits: u32, otherwise: u8) -> Instruction {
    Instruction { code: 0x45, jump_if: 0, jump_else: otherwise, value: bits }
}

/// The call is made.
pub(crate) fn allow() -> Instruction {
    Instruction { code: 0x06, jump_if: 0, jump_else: 0, value: 0x7fff_0000 }
}

/// The call is not made, and says `errno`.
pub(crate) fn refuse(errno: u32) -> Instruction {
    Instruction { code: 0x06, jump_if: 0, jump_else: 0, value: 0x0005_0000 | errno }
}

/// A filter that answers each of `calls` with `errno`.
pub(crate) fn refusing(calls: &[u32], errno: u32) -> Vec<Instruction> {
    let each = calls.iter().flat_map(|&call| [unless(call, 1), refuse(errno)]);
    [load(NUMBER)].into_iter().chain(each).chain([allow()]).collect()
}

/// Puts the filter before the calls of this thread, and of all that it will start, for good. Allocates nothing: it may be
/// called between fork and exec.
pub(crate) fn install(filter: &[Instruction]) -> io::Result<()> {
    #[repr(C)]
    struct Program {
        len: u16,
        instructions: *const Instruction,
    }
    unsafe extern "C" {
        fn prctl(option: i32, ...) -> i32;
    }
    const PR_SET_SECCOMP: i32 = 22;
    const PR_SET_NO_NEW_PRIVS: i32 = 38;
    const SECCOMP_MODE_FILTER: u64 = 2;
    let program = Program { len: filter.len() as u16, instructions: filter.as_ptr() };
    // SAFETY: the first call takes numbers only; the program of the second and what it points to live until it returns, and the
    // kernel copies them and writes nothing.
    let done = unsafe {
        prctl(PR_SET_NO_NEW_PRIVS, 1_u64, 0_u64, 0_u64, 0_u64) == 0
            && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &raw const program) == 0
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}
