//! Tests that cannot run here: they say so, and where they must run they fail.
//!
//! A test that needs a privilege, a kernel or a tool must not pass in silence without it. With
//! `IPCSCOPE_MUST_RUN` in the environment (`./check` sets it) it fails, unless the machine excuses
//! it: only the machine's own root may inspect the kernel, and a kernel or a processor may lack a
//! part. A tool that `./check` installs is never excused.

// Each program of tests takes what it needs.
#![allow(dead_code)]

use std::fmt::Display;
use std::io::{self, Write};
use std::{env, fs};

/// Where a test learns that it must run.
const MUST_RUN: &str = "IPCSCOPE_MUST_RUN";

/// What a test has not got here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lacks {
    /// A right of the machine's own root.
    Right,
    /// A part of the kernel or of the processor.
    Part,
    /// A program that `./check` installs.
    Tool,
}

impl Lacks {
    /// What `error` says is lacking, when an instrument of the kernel was asked for.
    pub(crate) fn by(error: &io::Error) -> Lacks {
        match error.raw_os_error() {
            // ENOENT, ENXIO, ENODEV, ENOSPC (all watchpoints are taken), ENOSYS, EOPNOTSUPP.
            Some(2 | 6 | 19 | 28 | 38 | 95) => Lacks::Part,
            _ => Lacks::Right,
        }
    }

    /// The same, from the words in which the lab tells it.
    pub(crate) fn told(why: &str) -> Lacks {
        let words = ["this kernel has no", "this kernel or processor does not", "watchpoints are in use"];
        if words.iter().any(|words| why.contains(words)) { Lacks::Part } else { Lacks::Right }
    }
}

/// Says that a test could not run, and why.
///
/// # Panics
/// Where the test must run: with `IPCSCOPE_MUST_RUN` set, if nothing excuses it.
#[track_caller]
pub(crate) fn cannot_run(lacks: Lacks, why: impl Display) {
    // A closed stderr is ignored.
    let _ = writeln!(io::stderr(), "not tried: {why}");
    let must = env::var_os(MUST_RUN).is_some();
    assert!(!must || is_excused(lacks, own_root()), "this test must run here, and could not: {why}");
}

/// Whether the lack is excused. `own_root`: this process has every right on this machine.
fn is_excused(lacks: Lacks, own_root: bool) -> bool {
    match lacks {
        Lacks::Right => !own_root,
        Lacks::Part => true,
        Lacks::Tool => false,
    }
}

/// Whether this process may do everything on this machine: it has CAP_SYS_ADMIN, no filter of system calls, and its user
/// namespace is the machine's.
fn own_root() -> bool {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    has_all_rights(&read("/proc/self/status"), &read("/proc/self/uid_map"))
}

fn has_all_rights(status: &str, uid_map: &str) -> bool {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let capabilities = field("CapEff:").and_then(|word| u64::from_str_radix(word, 16).ok()).unwrap_or(0);
    let everybody = uid_map.split_whitespace().eq(["0", "0", "4294967295"]);
    // CAP_SYS_ADMIN of include/uapi/linux/capability.h.
    capabilities & 1 << 21 != 0 && field("Seccomp:") == Some("0") && everybody
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "Name:\tx\nCapEff:\t000001ffffffffff\nSeccomp:\t0\nSeccomp_filters:\t0\n";
    const MACHINE: &str = "         0          0 4294967295\n";

    #[test]
    fn the_machine_s_own_root_has_no_excuse_but_a_missing_part() {
        assert!(has_all_rights(ROOT, MACHINE));
        for (status, map) in [
            (&*ROOT.replace("1ffffffffff", "00000000000"), MACHINE),
            (&ROOT.replace("Seccomp:\t0", "Seccomp:\t2"), MACHINE),
            (ROOT, "         0       1000          1\n"),
            ("", ""),
        ] {
            assert!(!has_all_rights(status, map), "{status}{map}");
        }
        let excused = |lacks| [is_excused(lacks, true), is_excused(lacks, false)];
        assert_eq!(excused(Lacks::Right), [false, true]);
        assert_eq!(excused(Lacks::Part), [true, true]);
        assert_eq!(excused(Lacks::Tool), [false, false]);
    }
}
