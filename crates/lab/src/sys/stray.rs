//! Stores that a correct program never makes: all over memory that may only be read, and over a message that
//! was published already. For experiments, in processes that are made for it.
//!
//! The memory meant is that of `crossing`'s regions as /proc/self/maps shows it: shared mappings of a memfd,
//! to which no reference of Rust's is ever made (see `region.rs` there).
#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::ops::Range;

/// What /proc says of the file of a region begins with this: the name that `crossing` gives to its memory.
pub(crate) const REGION: &str = "/memfd:crossing";

/// A mapping of a region in this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedRange {
    /// Its addresses.
    pub at: Range<usize>,
    /// Whether this process may store to it.
    pub writable: bool,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// The file, so that mappings of the same one can be told.
    pub inode: u64,
}

/// The regions that the process `pid` has mapped, or `self`, from its lowest address to its highest.
///
/// # Errors
/// What reading /proc says.
pub fn regions(pid: impl std::fmt::Display) -> io::Result<Vec<MappedRange>> {
    Ok(fs::read_to_string(format!("/proc/{pid}/maps"))?.lines().filter_map(region).collect())
}

/// A line of /proc/PID/maps, if it is a region: `7f00-7f10 r--s 00001000 00:01 22   /memfd:crossing (deleted)`.
fn region(line: &str) -> Option<MappedRange> {
    let mut fields = line.split_ascii_whitespace();
    let (from, to) = fields.next()?.split_once('-')?;
    let rights = fields.next()?;
    let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
    let inode = fields.nth(1)?.parse().ok()?;
    fields.next()?.starts_with(REGION).then_some(())?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    Some(MappedRange { at: address(from)?..address(to)?, writable: rights.contains('w'), offset, inode })
}

/// Stores one byte into every page of every region that this process may only read. The kernel is expected to
/// end it at the first; if it does not, the number of stores is returned.
///
/// # Errors
/// When there is no such region: then nothing was tried.
pub fn over_what_may_only_be_read() -> io::Result<usize> {
    // What has died in an experiment is not to be looked into: no core file.
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(rustix::process::Resource::Core, none)?;
    let theirs: Vec<MappedRange> = regions("self")?.into_iter().filter(|region| !region.writable).collect();
    if theirs.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "there is no region of a peer here"));
    }
    let mut stores = 0;
    for place in theirs.into_iter().flat_map(|region| region.at.step_by(4096)) {
        // SAFETY: it is meant to fault, and a fault ends the process here and now. If it did not, the byte would
        // be one of a mapping that is shared with a process which reads it as plain bytes.
        unsafe { std::ptr::with_exposed_provenance_mut::<u8>(place).write_volatile(b'#') };
        stores += 1;
    }
    Ok(stores)
}

/// Overwrites `bytes` of this process's own region, `from` bytes behind its beginning.
///
/// # Errors
/// When there is no such region, or it is shorter.
pub fn over_own_region(from: usize, bytes: &[u8]) -> io::Result<()> {
    let own = regions("self")?.into_iter().find(|region| region.writable && region.offset == 0);
    let own = own.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no own region here"))?;
    let end = from.checked_add(bytes.len()).filter(|&end| end <= own.at.len());
    end.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the region is shorter"))?;
    for (i, &byte) in bytes.iter().enumerate() {
        // SAFETY: within a mapping that this process may write, of which Rust has no reference at this moment:
        // the region's owner lends a place of it only while a claim is open, and none is.
        unsafe { std::ptr::with_exposed_provenance_mut::<u8>(own.at.start + from + i).write_volatile(byte) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_maps_is_read() {
        let line = "7f0010000000-7f0010042000 r--s 00001000 00:01 1042       /memfd:crossing (deleted)";
        let mapped = MappedRange {
            at: 0x7f00_1000_0000..0x7f00_1004_2000,
            writable: false,
            offset: 0x1000,
            inode: 1042,
        };
        assert_eq!(region(line), Some(mapped));
        assert_eq!(region("7f00-7f10 rw-p 00000000 00:00 0 "), None);
        assert_eq!(region("7f00-7f10 rw-s 00000000 00:01 7 /memfd:other (deleted)"), None);
        assert_eq!(region("nonsense"), None);
    }

    #[test]
    fn nothing_is_tried_where_there_is_no_region() {
        assert_eq!(over_own_region(0, b"x").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
