//! perf_event_open(2): counters of what the kernel does, and rings of records of it.
//!
//! Nothing here knows what is worth counting: that is [`probe`](crate::probe)'s business. A [`Counter`] is one
//! event that was opened; a [`Ring`] is memory that the kernel writes records to, and may be shared by all
//! counters of one core or of one thread.
//!
//! # References
//! perf_event_open(2), include/uapi/linux/perf_event.h of the kernel.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

use super::mapping::Mapping;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PerfEvent {
    /// A tracepoint, by the number that tracefs gives it.
    Tracepoint(u64),
    /// Context switches.
    Switches,
    /// Nothing by itself: the bearer of [`Records::switches`].
    Nothing,
    /// Every instruction that writes the byte at this address, or reads it too. Processors have about four of
    /// these.
    Byte {
        /// In the address space of the watched process; a kernel address is the same for all.
        address: u64,
        /// Whether reading counts as well as writing. (x86 cannot tell a read from a write.)
        reads: bool,
    },
}

/// The watched process or core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// One thread, wherever it runs. 0 is the calling one.
    Thread(u32),
    /// Every thread on one core.
    Core(u32),
}

/// What is written to the ring for each event. Without any a counter only counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Records {
    /// A record for each event.
    pub samples: bool,
    /// … with the functions that led to it, of the kernel only.
    pub stack: bool,
    /// … with the fields of the tracepoint.
    pub fields: bool,
    /// A record whenever the thread gets or gives up a core.
    pub switches: bool,
}

/// perf_event_attr up to its sixth version (112 bytes): what Linux 4.8 knows.
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
    bp_addr: u64,
    bp_len: u64,
    branch_sample_type: u64,
    sample_regs_user: u64,
    sample_stack_user: u32,
    clockid: i32,
    sample_regs_intr: u64,
    aux_watermark: u32,
    sample_max_stack: u16,
    reserved: u16,
}

const _: () = assert!(size_of::<Attr>() == 112);

const TYPE_SOFTWARE: u32 = 1;
const TYPE_TRACEPOINT: u32 = 2;
const TYPE_BREAKPOINT: u32 = 5;
const SW_CONTEXT_SWITCHES: u64 = 3;
const SW_DUMMY: u64 = 9;
const BP_WRITE: u32 = 2;
const BP_READ_WRITE: u32 = 3;

/// The order of a sample's fields is the kernel's; see [`Sample`].
const SAMPLE_IP: u64 = 1;
const SAMPLE_TID: u64 = 1 << 1;
const SAMPLE_TIME: u64 = 1 << 2;
const SAMPLE_CALLCHAIN: u64 = 1 << 5;
const SAMPLE_CPU: u64 = 1 << 7;
const SAMPLE_RAW: u64 = 1 << 10;
const SAMPLE_IDENTIFIER: u64 = 1 << 16;
const SAMPLE_ALWAYS: u64 = SAMPLE_IDENTIFIER | SAMPLE_IP | SAMPLE_TID | SAMPLE_TIME | SAMPLE_CPU;

const DISABLED: u64 = 1;
const EXCLUDE_KERNEL: u64 = 1 << 5;
const EXCLUDE_HYPERVISOR: u64 = 1 << 6;
const WATERMARK: u64 = 1 << 14;
const SAMPLE_ID_ALL: u64 = 1 << 18;
const EXCLUDE_CALLCHAIN_USER: u64 = 1 << 22;
const USE_CLOCKID: u64 = 1 << 25;
const CONTEXT_SWITCH: u64 = 1 << 26;

const FLAG_CLOEXEC: libc::c_ulong = 8;

const IOC_ENABLE: libc::c_ulong = 0x2400;
const IOC_DISABLE: libc::c_ulong = 0x2401;
const IOC_SET_OUTPUT: libc::c_ulong = 0x2405;
const IOC_SET_FILTER: libc::c_ulong = 0x4008_2406;
const IOC_ID: libc::c_ulong = 0x8008_2407;

/// One event that was opened. It counts from [`Counter::enable`] on.
#[derive(Debug)]
pub struct Counter {
    file: File,
    id: u64,
}

impl Counter {
    /// Opens an event. `kernel` says whether what happens in the kernel counts too, which takes a privilege
    /// (see `perf_event_paranoid`).
    ///
    /// # Errors
    /// `EACCES` or `EPERM` without the privilege, `ENOENT` or `EOPNOTSUPP` where there is no such thing, `ENOSPC`
    /// when all watchpoints of the processor are in use, `ENOSYS` where there is no perf.
    pub fn open(watched: PerfEvent, whom: Whom, records: Records, kernel: bool) -> io::Result<Counter> {
        let (kind, config, bp_type, bp_addr) = match watched {
            PerfEvent::Tracepoint(id) => (TYPE_TRACEPOINT, id, 0, 0),
            PerfEvent::Switches => (TYPE_SOFTWARE, SW_CONTEXT_SWITCHES, 0, 0),
            PerfEvent::Nothing => (TYPE_SOFTWARE, SW_DUMMY, 0, 0),
            PerfEvent::Byte { address, reads } => {
                (TYPE_BREAKPOINT, 0, if reads { BP_READ_WRITE } else { BP_WRITE }, address)
            }
        };
        let flag = |on: bool, flag: u64| if on { flag } else { 0 };
        let attr = Attr {
            kind,
            size: size_of::<Attr>() as u32,
            config,
            sample_period: u64::from(records.samples),
            sample_type: SAMPLE_ALWAYS
                | flag(records.stack, SAMPLE_CALLCHAIN)
                | flag(records.fields, SAMPLE_RAW),
            flags: DISABLED
                | EXCLUDE_HYPERVISOR
                | SAMPLE_ID_ALL
                | EXCLUDE_CALLCHAIN_USER
                | USE_CLOCKID
                // A record must not cause a wake-up: a watermark that is never reached prevents it.
                | WATERMARK
                | flag(!kernel, EXCLUDE_KERNEL)
                | flag(records.switches, CONTEXT_SWITCH),
            wakeup_events: u32::MAX,
            bp_type,
            bp_addr,
            bp_len: u64::from(bp_type != 0),
            clockid: libc::CLOCK_MONOTONIC,
            ..Attr::default()
        };
        let (pid, core) = match whom {
            Whom::Thread(tid) => (tid as libc::pid_t, -1),
            Whom::Core(core) => (-1, core as libc::c_int),
        };
        let no_group: libc::c_int = -1;
        // SAFETY: the kernel reads `attr.size` bytes from `attr`, which is exactly that long, and writes back at
        // most its size field, for which nothing else holds a reference while the call lasts.
        let fd = unsafe {
            let mut attr = attr;
            libc::syscall(libc::SYS_perf_event_open, &raw mut attr, pid, core, no_group, FLAG_CLOEXEC)
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has just made this descriptor, so nothing else owns it.
        let file = File::from(unsafe { OwnedFd::from_raw_fd(fd as RawFd) });
        let mut id = 0_u64;
        control(&file, IOC_ID, (&raw mut id).expose_provenance() as libc::c_ulong)?;
        Ok(Counter { file, id })
    }

    /// What its records are marked with.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Counts only events of a tracepoint for which `expression` holds, such as `pid == 7`.
    ///
    /// # Errors
    /// `EINVAL` when the kernel does not understand it.
    pub fn only(&self, expression: &str) -> io::Result<()> {
        let text = CString::new(expression)?;
        control(&self.file, IOC_SET_FILTER, text.as_ptr().expose_provenance() as libc::c_ulong)
    }

    /// Begins to count.
    ///
    /// # Errors
    /// Those of ioctl(2).
    pub fn enable(&self) -> io::Result<()> {
        control(&self.file, IOC_ENABLE, 0)
    }

    /// Stops counting.
    ///
    /// # Errors
    /// Those of ioctl(2).
    pub fn disable(&self) -> io::Result<()> {
        control(&self.file, IOC_DISABLE, 0)
    }

    /// Events so far.
    ///
    /// # Errors
    /// Those of read(2).
    pub fn count(&self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        (&self.file).read_exact(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }
}

/// One ioctl(2) of a perf descriptor; `argument` is a number or an address that is valid during the call.
fn control(file: &File, request: libc::c_ulong, argument: libc::c_ulong) -> io::Result<()> {
    // SAFETY: the requests of this file either take a number, or read a terminated text, or write one u64; what
    // `argument` points to lives in the caller until the call has returned.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), request, argument) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Where the kernel tells how far it has written, in bytes from the beginning of a ring's first page.
const DATA_HEAD: usize = 1024;
/// Where we tell how far we have read.
const DATA_TAIL: usize = 1032;

/// Memory that the kernel writes records to.
#[derive(Debug)]
pub struct Ring {
    owner: Counter,
    map: Mapping,
    page: usize,
    /// A power of two.
    bytes: usize,
}

impl Ring {
    /// Gives `owner` a ring of `pages` pages, a power of two.
    ///
    /// # Errors
    /// `EPERM` when it is more than this user may lock (perf_event_mlock_kb).
    pub fn of(owner: Counter, pages: usize) -> io::Result<Ring> {
        let page = rustix::param::page_size();
        let bytes = pages.next_power_of_two() * page;
        let map = Mapping::of_kernel(&owner.file, page + bytes)?;
        Ok(Ring { owner, map, page, bytes })
    }

    /// Lets the records of `other` come to this ring. Both must be of the same core, or of the same thread.
    ///
    /// # Errors
    /// `EINVAL` when they are not.
    pub fn take_in(&self, other: &Counter) -> io::Result<()> {
        control(&other.file, IOC_SET_OUTPUT, self.owner.file.as_raw_fd() as libc::c_ulong)
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        &self.map.words()[offset / size_of::<AtomicU64>()]
    }

    /// Takes every record that has come since the last time. Whether the ring was full: then the kernel may have
    /// left records out, which it says in the next one that it writes, if it writes another.
    pub fn drain(&mut self, mut each: impl FnMut(&Record<'_>)) -> bool {
        /// No record is longer.
        const LONGEST: u64 = 8 << 10;
        // Pairs with the kernel's release of the records before it.
        let head = self.word(DATA_HEAD).load(Ordering::Acquire);
        let mut tail = self.word(DATA_TAIL).load(Ordering::Relaxed);
        let full = head - tail + LONGEST > self.bytes as u64;
        let mut copy = Vec::new();
        while tail < head {
            let mut header = [0; 8];
            self.copy_out(tail, &mut header);
            let kind = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]);
            let misc = u16::from_ne_bytes([header[4], header[5]]);
            let size = usize::from(u16::from_ne_bytes([header[6], header[7]]));
            if size < header.len() || tail + size as u64 > head {
                break;
            }
            copy.resize(size - header.len(), 0);
            self.copy_out(tail + header.len() as u64, &mut copy);
            each(&Record { kind, misc, body: &copy });
            tail += size as u64;
        }
        // Gives the space back: what was read is copied.
        self.word(DATA_TAIL).store(head, Ordering::Release);
        full
    }

    fn copy_out(&self, from: u64, to: &mut [u8]) {
        let records = &self.map.bytes()[self.page..];
        for (i, byte) in to.iter_mut().enumerate() {
            // The kernel does not write between tail and head.
            *byte = records[(from as usize + i) & (self.bytes - 1)].load(Ordering::Relaxed);
        }
    }
}

const RECORD_LOST: u32 = 2;
const RECORD_SAMPLE: u32 = 9;
const RECORD_SWITCH: u32 = 14;
const MISC_SWITCH_OUT: u16 = 1 << 13;
const MISC_SWITCH_OUT_PREEMPT: u16 = 1 << 14;

/// One record as the kernel wrote it.
#[derive(Debug)]
pub struct Record<'a> {
    kind: u32,
    misc: u16,
    body: &'a [u8],
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// An event.
    Sample(Sample),
    /// The thread got a core, or gave it up; and whether it was put aside rather than went to sleep.
    Switch {
        /// When, on CLOCK_MONOTONIC.
        t_ns: u64,
        /// Which thread.
        tid: u32,
        /// On which core.
        cpu: u32,
        /// Whether it gave the core up.
        out: bool,
        /// Whether it could have gone on.
        preempted: bool,
    },
    /// This many records found no room.
    Lost(u64),
}

/// One event with everything that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// [`Counter::id`] of what it is an event of.
    pub id: u64,
    /// Where the processor was.
    pub ip: u64,
    /// The thread it ran.
    pub tid: u32,
    /// When, on CLOCK_MONOTONIC.
    pub t_ns: u64,
    /// The core.
    pub cpu: u32,
    /// The kernel's functions that led to it, the innermost first; empty when they were not asked for.
    pub stack: Vec<u64>,
    /// The fields of the tracepoint.
    pub fields: Vec<u8>,
}

impl Record<'_> {
    /// Reads the record, which was written under `records`; `None` when it is of another kind, or cut short.
    pub fn read(&self, records: Records) -> Option<Said> {
        let mut words = Words(self.body);
        match self.kind {
            RECORD_SAMPLE => {
                let (id, ip) = (words.long()?, words.long()?);
                let (_, tid, t_ns, cpu, _) =
                    (words.word()?, words.word()?, words.long()?, words.word()?, words.word()?);
                let mut stack = Vec::new();
                if records.stack {
                    for _ in 0..words.long()? {
                        stack.push(words.long()?);
                    }
                    // Above this stand marks that say whose functions follow, and no addresses.
                    stack.retain(|&address| address < -4095_i64 as u64);
                }
                let fields = match records.fields {
                    true => {
                        let len = words.word()? as usize;
                        words.0.get(..len)?.to_vec()
                    }
                    false => Vec::new(),
                };
                Some(Said::Sample(Sample { id, ip, tid, t_ns, cpu, stack, fields }))
            }
            RECORD_SWITCH => {
                let (_, tid, t_ns, cpu) = (words.word()?, words.word()?, words.long()?, words.word()?);
                let out = self.misc & MISC_SWITCH_OUT != 0;
                let preempted = self.misc & MISC_SWITCH_OUT_PREEMPT != 0;
                Some(Said::Switch { t_ns, tid, cpu, out, preempted })
            }
            RECORD_LOST => {
                let _ = words.long()?;
                Some(Said::Lost(words.long()?))
            }
            _ => None,
        }
    }
}

/// Numbers, one after the other.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn word(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_ne_bytes(*bytes))
    }

    fn long(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_ne_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn a_sample_is_read_and_a_short_one_is_none() {
        let records = Records { samples: true, stack: true, fields: true, switches: false };
        let mut body = bytes(&[7, 0x1000, 12 << 32 | 11, 99, 1, 3, -512_i64 as u64, 0x1000, 0x2000]);
        body.extend(4_u32.to_ne_bytes());
        body.extend([1, 2, 3, 4]);
        let read = |body: &[u8]| Record { kind: RECORD_SAMPLE, misc: 0, body }.read(records);
        let sample = Sample {
            id: 7,
            ip: 0x1000,
            tid: 12,
            t_ns: 99,
            cpu: 1,
            stack: vec![0x1000, 0x2000],
            fields: vec![1, 2, 3, 4],
        };
        assert_eq!(read(&body), Some(Said::Sample(sample)));
        for len in 0..body.len() {
            assert_eq!(read(&body[..len]), None, "{len}");
        }
    }

    #[test]
    fn switches_and_losses_are_read() {
        let body = bytes(&[12 << 32 | 11, 99, 3]);
        let switch = Record { kind: RECORD_SWITCH, misc: MISC_SWITCH_OUT, body: &body };
        let said = Said::Switch { t_ns: 99, tid: 12, cpu: 3, out: true, preempted: false };
        assert_eq!(switch.read(Records::default()), Some(said));
        let lost = Record { kind: RECORD_LOST, misc: 0, body: &bytes(&[1, 42]) };
        assert_eq!(lost.read(Records::default()), Some(Said::Lost(42)));
        assert_eq!(Record { kind: 77, misc: 0, body: &body }.read(Records::default()), None);
    }
}
