//! The tap: every system call by which watched processes use watched descriptors, as the kernel sees it begin and end.
//!
//! It costs each system call of *every* process on this machine about 0.2 microseconds while it is open, and one that is
//! recorded half a microsecond. Nothing of it outlives this process.

mod assembler;
mod program;
mod recorded;

use std::fs;
use std::io;
use std::os::linux::fs::MetadataExt;

use lab::sys::bpf::{AttachedProgram, KernelMap, KernelMapKind, KernelRing};

use program::{RECORD_WORDS, SharedMaps, attach_both};
pub(super) use recorded::Recorded;

/// How many processes, descriptors and threads one watch may have.
const PROCESSES: u32 = 1 << 10;
const DESCRIPTORS: u32 = 1 << 14;
const THREADS: u32 = 1 << 14;
/// Numbers of system calls are below this.
const CALLS: u32 = 1 << 10;
/// The ring's size: some 130 000 records. It is mapped twice, and counts twice as this process's memory.
const RING_BYTES: u32 = 8 << 20;

/// The first pid namespace has this inode: PROC_PID_INIT_INO in include/linux/proc_ns.h.
const FIRST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// A system call that has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TappedCall {
    /// When it began, on CLOCK_MONOTONIC; `None` if that was before the watch.
    pub(super) began_ns: Option<u64>,
    /// When it ended.
    pub(super) ended_ns: u64,
    pub(super) process: u32,
    pub(super) thread: u32,
    pub(super) number: u32,
    /// The lower halves of its first four arguments.
    pub(super) arguments: [u32; 4],
    /// What it returned: negative is an error's number.
    pub(super) result: i64,
}

/// A call that has not returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OpenCall {
    pub(super) process: u32,
    pub(super) thread: u32,
    pub(super) began_ns: u64,
}

/// An open tap.
#[derive(Debug)]
pub(super) struct CallTap {
    maps: SharedMaps,
    records: KernelRing,
    _programs: [AttachedProgram; 2],
}

impl CallTap {
    /// Opens a tap for these calls, by number. No process is watched yet.
    ///
    /// # Errors
    /// `EPERM` without CAP_BPF and CAP_PERFMON; `Unsupported` in a pid namespace other than the machine's own, or on another
    /// processor than x86-64.
    pub(super) fn open(calls: &[(u32, Recorded)]) -> io::Result<CallTap> {
        if fs::metadata("/proc/self/ns/pid")?.st_ino() != FIRST_PID_NAMESPACE {
            let what = "the kernel would tell other pids than this process sees: it is in a pid namespace";
            return Err(io::Error::new(io::ErrorKind::Unsupported, what));
        }
        let maps = SharedMaps {
            processes: KernelMap::new(KernelMapKind::Hash, 4, 4, PROCESSES)?,
            calls: KernelMap::new(KernelMapKind::Array, 4, 4, CALLS)?,
            descriptors: KernelMap::new(KernelMapKind::Hash, 8, 4, DESCRIPTORS)?,
            open: KernelMap::new(KernelMapKind::Hash, 8, 8, THREADS)?,
            lost: KernelMap::new(KernelMapKind::Array, 4, 8, 1)?,
            ring: KernelMap::new(KernelMapKind::Ring, 0, 0, RING_BYTES)?,
        };
        for (number, scope) in calls {
            maps.calls.insert(&number.to_ne_bytes(), &(*scope as u32).to_ne_bytes())?;
        }
        let records = KernelRing::of(&maps.ring, RING_BYTES)?;
        let programs = attach_both(&maps)?;
        Ok(CallTap { maps, records, _programs: programs })
    }

    /// Watches this process from now on.
    ///
    /// # Errors
    /// `E2BIG` when there are too many.
    pub(super) fn watch(&self, process: u32) -> io::Result<()> {
        self.maps.processes.insert(&process.to_ne_bytes(), &[0; 4])
    }

    /// Records calls on this descriptor from now on.
    ///
    /// # Errors
    /// `E2BIG` when there are too many.
    pub(super) fn watch_descriptor(&self, process: u32, descriptor: u32) -> io::Result<()> {
        self.maps.descriptors.insert(&descriptor_key(process, descriptor), &[0; 4])
    }

    /// Records calls on this descriptor no longer.
    ///
    /// # Errors
    /// Those of bpf(2).
    pub(super) fn leave_descriptor(&self, process: u32, descriptor: u32) -> io::Result<()> {
        self.maps.descriptors.remove(&descriptor_key(process, descriptor)).map(|_| ())
    }

    /// Takes the calls that have returned since the last time, in the order in which they did.
    pub(super) fn drain(&mut self, mut each: impl FnMut(TappedCall)) {
        self.records.drain(|words| {
            if let Some(call) = TappedCall::read(words) {
                each(call);
            }
        });
    }

    /// How many calls found no room in the ring so far.
    ///
    /// # Errors
    /// Those of bpf(2).
    pub(super) fn lost(&self) -> io::Result<u64> {
        let count = self.maps.lost.get(&[0; 4])?.and_then(|bytes| bytes.try_into().ok());
        Ok(count.map_or(0, u64::from_ne_bytes))
    }

    /// The calls that have not returned, of any number that was asked for and on any descriptor.
    ///
    /// # Errors
    /// Those of bpf(2).
    pub(super) fn in_flight(&self) -> io::Result<Vec<OpenCall>> {
        let mut calls = Vec::new();
        for key in self.maps.open.keys(THREADS as usize)? {
            let began = self.maps.open.get(&key)?.and_then(|bytes| bytes.try_into().ok());
            let ids = key.try_into().map_or(0, u64::from_ne_bytes);
            let began_ns = began.map_or(0, u64::from_ne_bytes);
            if began_ns != 0 {
                calls.push(OpenCall { process: (ids >> 32) as u32, thread: ids as u32, began_ns });
            }
        }
        Ok(calls)
    }
}

/// The process in the upper half, as the program puts it together.
fn descriptor_key(process: u32, descriptor: u32) -> [u8; 8] {
    (u64::from(process) << 32 | u64::from(descriptor)).to_ne_bytes()
}

impl TappedCall {
    fn read(words: &[u64]) -> Option<TappedCall> {
        let &[began, ended_ns, ids, number, two_three, four, result] = words.first_chunk::<RECORD_WORDS>()?;
        let halves = |word: u64| (word as u32, (word >> 32) as u32);
        let ((number, first), (second, third), (fourth, _)) =
            (halves(number), halves(two_three), halves(four));
        Some(TappedCall {
            began_ns: (began != 0).then_some(began),
            ended_ns,
            process: (ids >> 32) as u32,
            thread: ids as u32,
            number,
            arguments: [first, second, third, fourth],
            result: result as i64,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    use std::process;

    use super::*;
    use crate::cannot_run::{Lacks, cannot_run};

    #[test]
    fn calls_on_a_watched_descriptor_are_recorded_and_no_others() {
        let (read, write) = (libc::SYS_read as u32, libc::SYS_write as u32);
        let mut tap = match CallTap::open(&[(read, Recorded::Descriptor), (write, Recorded::Descriptor)]) {
            Ok(tap) => tap,
            Err(error) => return cannot_run(Lacks::by(&error), format!("a tap: {error}")),
        };
        let (mut out, mut into) = io::pipe().unwrap();
        let (mut other_out, mut other_in) = io::pipe().unwrap();
        tap.watch(process::id()).unwrap();
        let (reads, writes) = (out.as_raw_fd() as u32, into.as_raw_fd() as u32);
        for descriptor in [reads, writes] {
            tap.watch_descriptor(process::id(), descriptor).unwrap();
        }
        for len in 1..=100 {
            into.write_all(&vec![0; len]).unwrap();
            other_in.write_all(&[1]).unwrap();
            other_out.read_exact(&mut [0]).unwrap();
            assert_eq!(out.read(&mut [0; 1000]).unwrap(), len);
        }
        let mut calls = Vec::new();
        tap.drain(|call| calls.push(call));
        assert_eq!((calls.len(), tap.lost().unwrap()), (200, 0));
        for (n, pair) in calls.chunks(2).enumerate() {
            let [written, was_read] = pair else { unreachable!() };
            assert_eq!((written.number, written.arguments[0], written.result), (write, writes, n as i64 + 1));
            assert_eq!(
                (was_read.number, was_read.arguments[0], was_read.result),
                (read, reads, n as i64 + 1)
            );
            assert_eq!((written.process, was_read.arguments[2]), (process::id(), 1000));
            assert!(written.began_ns.is_some_and(|began| began <= written.ended_ns));
            assert!(was_read.began_ns.is_some_and(|began| began >= written.ended_ns));
        }
        tap.leave_descriptor(process::id(), writes).unwrap();
        into.write_all(&[0; 5]).unwrap();
        out.read_exact(&mut [0; 5]).unwrap();
        tap.leave_descriptor(process::id(), reads).unwrap();
        into.write_all(&[0; 5]).unwrap();
        out.read_exact(&mut [0; 5]).unwrap();
        let mut after = Vec::new();
        tap.drain(|call| after.push(call.number));
        assert_eq!(after, [read]);
    }
}
