//! bpf(2): maps that the kernel and this process share, programs that the kernel runs at its tracepoints, and a ring of what they
//! tell.
//!
//! Nothing here knows what a program does. Everything ends with its descriptor: a process that is killed leaves no program behind.
//!
//! # References
//! bpf(2), bpf-helpers(7), include/uapi/linux/bpf.h and Documentation/bpf/ringbuf.rst of the kernel.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::Ordering;

use super::mapping::{Mapping, ReadOnly};

const MAP_CREATE: libc::c_long = 0;
const MAP_LOOKUP: libc::c_long = 1;
const MAP_UPDATE: libc::c_long = 2;
const MAP_DELETE: libc::c_long = 3;
const MAP_NEXT_KEY: libc::c_long = 4;
const PROGRAM_LOAD: libc::c_long = 5;
const RAW_TRACEPOINT_OPEN: libc::c_long = 17;

const RAW_TRACEPOINT: u32 = 17;

/// The kind of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelMapKind {
    /// From any key to a value.
    Hash = 1,
    /// From 0, 1, 2, … to a value, all of them there from the beginning, and zero.
    Array = 2,
    /// A ring of records, from the kernel to this process.
    Ring = 27,
}

/// A map. Its keys and values are bytes in the machine's order.
#[derive(Debug)]
pub struct KernelMap {
    fd: OwnedFd,
    key_bytes: usize,
    value_bytes: usize,
}

/// One call of bpf(2). `attributes` is the union of the call that `command` names, as words.
fn bpf(command: libc::c_long, attributes: &mut [u64; 16]) -> io::Result<RawFd> {
    // SAFETY: the kernel reads and writes at most as many bytes of `attributes` as it is told, which is its size. The addresses in
    // it are of memory that each caller here holds borrowed, with the length that it names, until this returns.
    let done =
        unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_mut_ptr(), size_of_val(attributes)) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(done as RawFd) }
}

fn made(command: libc::c_long, attributes: &mut [u64; 16]) -> io::Result<OwnedFd> {
    let fd = bpf(command, attributes)?;
    // SAFETY: the call has just made this descriptor, so nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Two 32-bit fields of the union, the first at the lower address.
fn two(first: u32, second: u32) -> u64 {
    let ([a, b, c, d], [e, f, g, h]) = (first.to_ne_bytes(), second.to_ne_bytes());
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

fn address<T>(of: *const T) -> u64 {
    of.expose_provenance() as u64
}

impl KernelMap {
    /// Makes a map of at most `entries` entries. A ring has neither keys nor values; its `entries` are bytes, a power of two and a
    /// multiple of the page.
    ///
    /// # Errors
    /// `EPERM` without CAP_BPF; `ENOSYS` where there is no bpf(2); `E2BIG` or `ENOMEM` when it is too large.
    pub fn new(
        kind: KernelMapKind,
        key_bytes: usize,
        value_bytes: usize,
        entries: u32,
    ) -> io::Result<KernelMap> {
        let mut attributes = [0; 16];
        attributes[0] = two(kind as u32, key_bytes as u32);
        attributes[1] = two(value_bytes as u32, entries);
        Ok(KernelMap { fd: made(MAP_CREATE, &mut attributes)?, key_bytes, value_bytes })
    }

    fn access(&self, command: libc::c_long, key: &[u8], other: u64) -> io::Result<()> {
        if key.len() != self.key_bytes {
            let what = format!("a key of {} bytes, where the map has keys of {}", key.len(), self.key_bytes);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let mut attributes = [0; 16];
        attributes[0] = two(self.fd.as_raw_fd() as u32, 0);
        attributes[1] = address(key.as_ptr());
        attributes[2] = other;
        bpf(command, &mut attributes).map(|_| ())
    }

    /// Puts `value` where `key` is.
    ///
    /// # Errors
    /// `InvalidInput` when one of them has another size than the map's; `E2BIG` when it is full.
    pub fn insert(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        if value.len() != self.value_bytes {
            let what =
                format!("a value of {} bytes, where the map has values of {}", value.len(), self.value_bytes);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        self.access(MAP_UPDATE, key, address(value.as_ptr()))
    }

    /// The value where `key` is, if there is one.
    ///
    /// # Errors
    /// `InvalidInput` when the key has another size than the map's.
    pub fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        // The kernel writes a value of the map's size, rounded up to eight bytes only in maps of each processor, which are not made here.
        let mut value = vec![0_u8; self.value_bytes];
        match self.access(MAP_LOOKUP, key, value.as_mut_ptr().expose_provenance() as u64) {
            Ok(()) => Ok(Some(value)),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes out what is where `key` is. Whether there was something.
    ///
    /// # Errors
    /// `InvalidInput` when the key has another size than the map's.
    pub fn remove(&self, key: &[u8]) -> io::Result<bool> {
        match self.access(MAP_DELETE, key, 0) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Up to `most` keys. Others may come and go meanwhile.
    ///
    /// # Errors
    /// Those of bpf(2).
    pub fn keys(&self, most: usize) -> io::Result<Vec<Vec<u8>>> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        while keys.len() < most {
            let mut next = vec![0_u8; self.key_bytes];
            let mut attributes = [0; 16];
            attributes[0] = two(self.fd.as_raw_fd() as u32, 0);
            attributes[1] = keys.last().map_or(0, |key| address(key.as_ptr()));
            attributes[2] = next.as_mut_ptr().expose_provenance() as u64;
            match bpf(MAP_NEXT_KEY, &mut attributes) {
                Ok(_) => keys.push(next),
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(keys)
    }
}

impl AsFd for KernelMap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A program at a tracepoint of the kernel. It runs there until this is dropped.
#[derive(Debug)]
pub struct AttachedProgram {
    _link: OwnedFd,
}

/// Loads `instructions` and lets the kernel run them at the tracepoint `name`, such as `sys_enter`. `licence` is the program's,
/// by which the kernel decides which of its functions it may call.
///
/// # Errors
/// `EPERM` without CAP_BPF and CAP_PERFMON; `InvalidData` with the kernel's own words when it does not accept the program;
/// `ENOENT` where it has no such tracepoint.
pub fn attach(name: &str, instructions: &[u64], licence: &CStr) -> io::Result<AttachedProgram> {
    let program = match load(instructions, licence, &mut []) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EACCES)) => {
            let mut log = vec![0_u8; 64 << 10];
            load(instructions, licence, &mut log).map_err(|_| {
                let end = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
                let words = String::from_utf8_lossy(&log[..end]);
                let last = words.lines().rev().take(3).collect::<Vec<_>>();
                let last: Vec<_> = last.into_iter().rev().collect();
                io::Error::new(
                    error.kind(),
                    format!("the kernel does not accept the program: {}", last.join("; ")),
                )
            })?
        }
        loaded => loaded?,
    };
    let name = CString::new(name)?;
    let mut attributes = [0; 16];
    attributes[0] = address(name.as_ptr());
    attributes[1] = two(program.as_raw_fd() as u32, 0);
    // The link keeps the program.
    Ok(AttachedProgram { _link: made(RAW_TRACEPOINT_OPEN, &mut attributes)? })
}

fn load(instructions: &[u64], licence: &CStr, log: &mut [u8]) -> io::Result<OwnedFd> {
    let mut attributes = [0; 16];
    attributes[0] = two(RAW_TRACEPOINT, instructions.len() as u32);
    attributes[1] = address(instructions.as_ptr());
    attributes[2] = address(licence.as_ptr());
    if !log.is_empty() {
        attributes[3] = two(1, log.len() as u32);
        attributes[4] = log.as_mut_ptr().expose_provenance() as u64;
    }
    made(PROGRAM_LOAD, &mut attributes)
}

/// Bits of a record's length: it is still being written; it was given up.
const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
/// What stands before each record.
const HEADER_BYTES: u64 = 8;

/// The reading end of a [`KernelMapKind::Ring`].
#[derive(Debug)]
pub struct KernelRing {
    /// Up to where was read: the one page that this process writes.
    read: Mapping,
    /// Up to where was written, and the records, twice in a row.
    written: ReadOnly,
    bytes: u64,
    at: u64,
}

impl KernelRing {
    /// Maps the ring `of`, which was made with `bytes`.
    ///
    /// # Errors
    /// Those of mmap(2).
    pub fn of(ring: &KernelMap, bytes: u32) -> io::Result<KernelRing> {
        let page = rustix::param::page_size();
        let read = Mapping::of_kernel(ring, page)?;
        let written = ReadOnly::of_kernel(ring, page as u64, page + 2 * bytes as usize)?;
        Ok(KernelRing { read, written, bytes: u64::from(bytes), at: 0 })
    }

    /// Takes every record that is there, in the order in which they were begun. A record's words are copied to a buffer that is
    /// used again.
    pub fn drain(&mut self, mut each: impl FnMut(&[u64])) {
        let page_words = rustix::param::page_size() / 8;
        let mut record = Vec::new();
        // Pairs with the kernel's release of the records before it.
        let written = self.written.load(0, Ordering::Acquire).unwrap_or(self.at);
        while self.at < written {
            let at = page_words + ((self.at & (self.bytes - 1)) / 8) as usize;
            // Pairs with the kernel's release of the length, once the record is whole.
            let Some(header) = self.written.load(at, Ordering::Acquire) else { break };
            let [a, b, c, d, ..] = header.to_ne_bytes();
            let len = u32::from_ne_bytes([a, b, c, d]);
            if len & BUSY != 0 {
                break;
            }
            let bytes = u64::from(len & !DISCARDED);
            if len & DISCARDED == 0 {
                let from = at + (HEADER_BYTES / 8) as usize;
                record.clear();
                record.extend(
                    (from..from + bytes.div_ceil(8) as usize)
                        .map_while(|word| self.written.load(word, Ordering::Relaxed)),
                );
                each(&record);
            }
            self.at += HEADER_BYTES + bytes.next_multiple_of(8);
            // Gives the space back: what was read is copied.
            self.read.words()[0].store(self.at, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cannot_run::{Lacks, cannot_run};

    fn map(kind: KernelMapKind, key: usize, value: usize, entries: u32) -> Option<KernelMap> {
        match KernelMap::new(kind, key, value, entries) {
            Ok(map) => Some(map),
            Err(error) => {
                cannot_run(Lacks::by(&error), format!("bpf(2): {error}"));
                None
            }
        }
    }

    #[test]
    fn a_map_keeps_what_it_is_given() {
        let Some(map) = map(KernelMapKind::Hash, 8, 4, 3) else { return };
        assert_eq!(map.get(&[0; 8]).unwrap(), None);
        for n in 0..3_u64 {
            map.insert(&n.to_ne_bytes(), &[n as u8; 4]).unwrap();
        }
        assert_eq!(map.insert(&9_u64.to_ne_bytes(), &[9; 4]).unwrap_err().raw_os_error(), Some(libc::E2BIG));
        assert_eq!(map.get(&2_u64.to_ne_bytes()).unwrap(), Some(vec![2; 4]));
        assert!(map.remove(&1_u64.to_ne_bytes()).unwrap());
        assert!(!map.remove(&1_u64.to_ne_bytes()).unwrap());
        let mut keys = map.keys(10).unwrap();
        keys.sort();
        assert_eq!(keys, [0_u64.to_ne_bytes(), 2_u64.to_ne_bytes()]);
        assert_eq!(map.keys(1).unwrap().len(), 1);
        for refused in [map.insert(&[0; 7], &[0; 4]), map.insert(&[0; 8], &[0; 5])] {
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn a_program_that_the_kernel_refuses_is_told_with_its_words() {
        if map(KernelMapKind::Array, 4, 8, 1).is_none() {
            return;
        }
        // `exit` alone: register 0 was never set.
        let error = attach("sys_enter", &[0x95], c"GPL").unwrap_err();
        assert!(error.to_string().contains("R0"), "{error}");
        // `r0 = 0; exit`, where there is no such tracepoint.
        let error = attach("no_such_tracepoint", &[0xb7, 0x95], c"GPL").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
    }
}
