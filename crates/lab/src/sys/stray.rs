//! Stores that a correct program never makes: all over memory that may only be read, and over a message that
//! was published already. For experiments, in processes that are made for it.
//!
//! The memory meant is that of `crossing`'s regions as /proc/self/maps shows it: shared mappings of a memfd,
//! to which no reference of Rust's is ever made (see `region.rs` there).
#![allow(unsafe_code)]

use std::io;
use std::ops::Range;

use super::maps::{self, ProcessMapping};

/// The regions that the process `pid` has mapped, or `self`, from its lowest address to its highest.
///
/// # Errors
/// What reading /proc says.
pub fn regions(pid: impl std::fmt::Display) -> io::Result<Vec<ProcessMapping>> {
    let mut all = maps::of(pid)?;
    let is_region = |name: &[u8]| name.starts_with(crossing::REGION_FILE.as_bytes());
    all.retain(|mapping| is_region(mapping.name.as_os_str().as_encoded_bytes()));
    Ok(all)
}

/// The addresses of a mapping of this process.
fn addresses(own: &ProcessMapping) -> io::Result<Range<usize>> {
    let address = |at: u64| usize::try_from(at).map_err(io::Error::other);
    Ok(address(own.at.start)?..address(own.at.end)?)
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
    let theirs = regions("self")?.into_iter().filter(|region| !region.writable);
    let theirs = theirs.map(|region| addresses(&region)).collect::<io::Result<Vec<_>>>()?;
    if theirs.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "there is no region of a peer here"));
    }
    let mut stores = 0;
    for place in theirs.into_iter().flat_map(|at| at.step_by(4096)) {
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
    let own = addresses(&own)?;
    let end = from.checked_add(bytes.len()).filter(|&end| end <= own.len());
    end.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the region is shorter"))?;
    for (i, &byte) in bytes.iter().enumerate() {
        // SAFETY: within a mapping that this process may write, of which Rust has no reference at this moment:
        // the region's owner lends a place of it only while a claim is open, and none is.
        unsafe { std::ptr::with_exposed_provenance_mut::<u8>(own.start + from + i).write_volatile(byte) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_tried_where_there_is_no_region() {
        assert_eq!(over_own_region(0, b"x").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
