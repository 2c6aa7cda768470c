//! The memory that a process has mapped and others may share: the lines of /proc/PID/maps with an `s`.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;

use lab::sys::maps;
use rustix::fs::OFlags;
use rustix::io::{Errno, Result};

use super::descriptor::FileId;
use super::file;

/// Memory that a process has mapped: all of its mappings of one file together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SharedMapping {
    pub(crate) file: FileId,
    /// The file's path, as the kernel tells it.
    pub(crate) name: String,
    pub(crate) writes: bool,
    /// How far into the file it is mapped.
    pub(crate) to_bytes: u64,
}

/// The mappings of the process whose folder is `at`. Its file may have a hundred thousand lines, so that it is read in parts.
pub(super) fn shared(at: BorrowedFd<'_>) -> Result<Vec<SharedMapping>> {
    let maps = file::open(at, "maps", OFlags::empty())?;
    let mut found = BTreeMap::new();
    let mut buffer = vec![0; 64 << 10];
    let mut kept = 0;
    loop {
        match rustix::io::read(&maps, &mut buffer[kept..]) {
            Ok(0) => break,
            Ok(more) => kept += more,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error),
        }
        let whole = buffer[..kept].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        note(&buffer[..whole], &mut found);
        buffer.copy_within(whole..kept, 0);
        kept -= whole;
        // No line is that long: this is not the file that it should be.
        if kept == buffer.len() {
            break;
        }
    }
    Ok(found.into_values().collect())
}

/// Takes note of the shared mappings of files among these lines.
fn note(lines: &[u8], found: &mut BTreeMap<FileId, SharedMapping>) {
    for mapping in maps::shared(lines) {
        let name = mapping.name.to_string_lossy();
        let Some(file) = file_of(&mapping.file).filter(|_| name.starts_with('/')) else { continue };
        let to_bytes = mapping.offset.saturating_add(mapping.at.end.saturating_sub(mapping.at.start));
        let of_file = found.entry(file).or_insert_with(|| SharedMapping {
            file,
            name: name.into_owned(),
            writes: false,
            to_bytes,
        });
        of_file.writes |= mapping.writable;
        of_file.to_bytes = of_file.to_bytes.max(to_bytes);
    }
}

/// A file by the words `00:1f` and 1042.
fn file_of((device, inode): &(String, u64)) -> Option<FileId> {
    let (major, minor) = device.split_once(':')?;
    let number = |text| u32::from_str_radix(text, 16).ok();
    Some(FileId { device: (number(major)?, number(minor)?), inode: *inode })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_of_one_file_are_one_and_those_without_a_file_are_none() {
        let lines = b"1000-3000 r--s 00000000 00:1f 42                 /dev/shm/a b\n\
                      3000-4000 rw-s 00005000 00:1f 42                 /dev/shm/a b\n\
                      4000-5000 rw-s 00000000 00:0f 12                 anon_inode:[io_uring]\n\
                      5000-6000 rw-p 00000000 fe:00 77                 /private\n\
                      6000-7000 rw-s nonsense\n";
        let mut found = BTreeMap::new();
        note(lines, &mut found);
        let file = FileId { device: (0, 0x1f), inode: 42 };
        let one = SharedMapping { file, name: "/dev/shm/a b".into(), writes: true, to_bytes: 0x6000 };
        assert_eq!(found.into_values().collect::<Vec<_>>(), [one]);
        assert_eq!(file.to_string(), "00:1f:42");
    }
}
