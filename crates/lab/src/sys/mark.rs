//! Marks: a system call without effect, by which a measured process shows its tracer where it is.
//!
//! prctl(2) with a number that no kernel knows returns `EINVAL` and leaves nothing behind. A tracer sees it in
//! its place between the calls that matter; without one it costs a fraction of a microsecond, and it stands
//! outside of every loop over messages.
#![allow(unsafe_code)]

/// "IPC" and a number: far from every option that prctl(2) has.
const FIRST: u64 = 0x4950_4300;

/// Where a measured process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The next call belongs to the messages.
    Begin,
    /// The last one did.
    End,
}

impl Mark {
    fn number(self) -> u64 {
        match self {
            Mark::Begin => FIRST,
            Mark::End => FIRST + 1,
        }
    }

    /// The mark that the system call `call` with these arguments is.
    pub fn of(call: u64, args: &[u64]) -> Option<Mark> {
        let number = (call == libc::SYS_prctl as u64).then(|| args.first().copied())??;
        [Mark::Begin, Mark::End].into_iter().find(|mark| mark.number() == number)
    }

    /// Leaves the mark.
    pub fn leave(self) {
        // SAFETY: the kernel knows no such option and looks at no argument.
        unsafe { libc::prctl(self.number() as libc::c_int, 0_u64, 0_u64, 0_u64, 0_u64) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_told_from_other_calls() {
        for mark in [Mark::Begin, Mark::End] {
            mark.leave();
            assert_eq!(Mark::of(libc::SYS_prctl as u64, &[mark.number(), 0]), Some(mark));
            assert_eq!(Mark::of(libc::SYS_read as u64, &[mark.number(), 0]), None);
        }
        assert_eq!(Mark::of(libc::SYS_prctl as u64, &[15]), None);
        assert_eq!(Mark::of(libc::SYS_prctl as u64, &[]), None);
    }
}
