//! Pages: whether the memory that two processes call shared is the same memory.
//!
//! The proof is the number of the physical page behind an address (/proc/PID/pagemap), which root is shown. Without
//! it there is strong evidence: both map the same file at the same offset, and the kernel charges each with its
//! proportional share of it (Pss).

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::sys::maps::{self, ProcessMapping};

/// The facts about one page of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageState {
    /// The number of the physical page; `None` when the kernel does not show it to this user.
    pub frame: Option<u64>,
    /// Whether the page is there at all.
    pub present: bool,
    /// Whether the page belongs to a file or to shared memory.
    pub of_file: bool,
    /// Whether no other process has mapped it.
    pub exclusive: bool,
}

/// The mappings that the process `pid` shares, from its lowest address to its highest.
///
/// # Errors
/// When /proc/PID/maps cannot be read.
pub fn shared_mappings(pid: u32) -> io::Result<Vec<ProcessMapping>> {
    let mut all = maps::of(pid)?;
    all.retain(|mapping| mapping.shared);
    Ok(all)
}

/// Bytes of another process's memory.
///
/// # Errors
/// When the process may not be looked into, or has no such memory.
pub fn read_memory(pid: u32, at: Range<u64>) -> io::Result<Vec<u8>> {
    let len = usize::try_from(at.end.saturating_sub(at.start)).map_err(io::Error::other)?;
    let mut bytes = vec![0; len];
    File::open(format!("/proc/{pid}/mem"))?.read_exact_at(&mut bytes, at.start)?;
    Ok(bytes)
}

/// The place of `needle` in the memory that `mapping` of `pid` is.
///
/// # Errors
/// As [`read_memory`].
pub fn find(pid: u32, mapping: &ProcessMapping, needle: &[u8]) -> io::Result<Option<u64>> {
    let bytes = read_memory(pid, mapping.at.clone())?;
    let place = bytes.windows(needle.len().max(1)).position(|window| window == needle);
    Ok(place.map(|place| mapping.at.start + place as u64))
}

const PRESENT: u64 = 1 << 63;
const OF_FILE: u64 = 1 << 61;
const EXCLUSIVE: u64 = 1 << 56;
const FRAME: u64 = (1 << 55) - 1;

/// The kernel's facts about the page that holds `address` of `pid`.
///
/// # Errors
/// When /proc/PID/pagemap cannot be read.
pub fn page(pid: u32, address: u64) -> io::Result<PageState> {
    let mut entry = [0; 8];
    let index = address / rustix::param::page_size() as u64;
    File::open(format!("/proc/{pid}/pagemap"))?.read_exact_at(&mut entry, index * 8)?;
    let entry = u64::from_ne_bytes(entry);
    let has = |bit| entry & bit != 0;
    let frame = (has(PRESENT) && entry & FRAME != 0).then_some(entry & FRAME);
    Ok(PageState { frame, present: has(PRESENT), of_file: has(OF_FILE), exclusive: has(EXCLUSIVE) })
}

/// How often the physical page `frame` is mapped.
///
/// # Errors
/// When /proc/kpagecount cannot be read: it is root's.
pub fn times_mapped(frame: u64) -> io::Result<u64> {
    let mut count = [0; 8];
    File::open("/proc/kpagecount")?.read_exact_at(&mut count, frame * 8)?;
    Ok(u64::from_ne_bytes(count))
}

/// What a mapping that begins at `start` is charged: all of what is in memory, and the proportional share, in KiB.
///
/// # Errors
/// When /proc/PID/smaps cannot be read.
pub fn charged_kib(pid: u32, start: u64) -> io::Result<Option<(u64, u64)>> {
    Ok(charged(&fs::read_to_string(format!("/proc/{pid}/smaps"))?, start))
}

fn charged(smaps: &str, start: u64) -> Option<(u64, u64)> {
    let head = format!("{start:x}-");
    let mut lines = smaps.lines().skip_while(|line| !line.starts_with(&head));
    let mut value = |name: &str| -> Option<u64> {
        let line = lines.find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    Some((value("Rss:")?, value("Pss:")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::mapping::{self, Mapping};

    #[test]
    fn only_shared_mappings_are_read() {
        let page = mapping::page("only-shared").unwrap();
        let _mapped = Mapping::page(&page).unwrap();
        let all = shared_mappings(std::process::id()).unwrap();
        let is_page = |one: &&ProcessMapping| one.name.starts_with("/memfd:only-shared (deleted)");
        assert!(all.iter().all(|one| one.shared) && all.iter().any(|one| is_page(&one) && one.writable));
        assert!(maps::of("self").unwrap().iter().any(|one| !one.shared));
    }

    #[test]
    fn the_share_of_a_mapping_is_read() {
        let smaps = "7f00-7f10 r--s 0 00:01 7 /x\nRss:   8 kB\nPss:   4 kB\nPss_Dirty: 1 kB\n\
                     8f00-8f10 r--s 0 00:01 7 /y\nRss:   2 kB\nPss:   2 kB\n";
        assert_eq!(charged(smaps, 0x7f00), Some((8, 4)));
        assert_eq!(charged(smaps, 0x8f00), Some((2, 2)));
        assert_eq!(charged(smaps, 0x9f00), None);
    }

    #[test]
    fn memory_of_this_process_is_read_and_its_page_is_there() {
        let here = *b"a line that stands nowhere else";
        let at = here.as_ptr().expose_provenance() as u64;
        assert_eq!(read_memory(std::process::id(), at..at + 6).unwrap(), b"a line");
        let page = page(std::process::id(), at).unwrap();
        assert!(page.present && !page.of_file, "{page:?}");
    }
}
