//! The memory map of a process: /proc/PID/maps, read in one place.

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// A mapping of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessMapping {
    /// Its addresses.
    pub at: Range<u64>,
    /// Whether the process may store to it.
    pub writable: bool,
    /// Whether a store reaches the file, and with it other processes.
    pub shared: bool,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// The file's device and inode: two mappings with the same are of the same file.
    pub file: (String, u64),
    /// The file's name, ` (deleted)` included; a word in brackets, or nothing, where there is no file.
    pub name: PathBuf,
}

/// The mappings of the process `pid`, or of `self`, from its lowest address to its highest.
///
/// # Errors
/// When /proc/PID/maps cannot be read.
pub fn of(pid: impl Display) -> io::Result<Vec<ProcessMapping>> {
    Ok(read(&fs::read(format!("/proc/{pid}/maps"))?))
}

/// Those of a file's lines that are of memory which processes may share. The others are not taken apart: there are thousands.
pub fn shared(lines: &[u8]) -> impl Iterator<Item = ProcessMapping> + '_ {
    let lines = lines.split(|&byte| byte == b'\n');
    let rights = |line: &&[u8]| {
        line.splitn(3, |&byte| byte == b' ').nth(1).is_some_and(|rights| rights.ends_with(b"s"))
    };
    lines.filter(rights).filter_map(mapping)
}

fn read(maps: &[u8]) -> Vec<ProcessMapping> {
    maps.split(|&byte| byte == b'\n').filter_map(mapping).collect()
}

/// A line such as `7f00-7f10 r--s 00001000 00:01 22   /memfd:name (deleted)`.
fn mapping(line: &[u8]) -> Option<ProcessMapping> {
    let mut fields = line.splitn(6, |&byte| byte == b' ');
    let mut field = || str::from_utf8(fields.next()?).ok();
    let number = |text| u64::from_str_radix(text, 16).ok();
    let (from, to) = field()?.split_once('-')?;
    let rights = field()?;
    let (writable, shared) = (rights.contains('w'), rights.ends_with('s'));
    let offset = number(field()?)?;
    let file = (field()?.to_owned(), field()?.parse().ok()?);
    let name = OsStr::from_bytes(fields.next().unwrap_or_default().trim_ascii()).into();
    Some(ProcessMapping { at: number(from)?..number(to)?, writable, shared, offset, file, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_with_spaces_in_the_name_and_nonsense_is_none() {
        let maps = b"7f0010000000-7f0010042000 r--s 00001000 00:01 1042       /memfd:crossing (deleted)\n\
                     nonsense\nx-y rw-s 0 00:01 1\n\
                     20-30 r-xp 00001000 fd:00 77                       /a b/c d\n\
                     30-40 rw-p 00000000 00:00 0 \n\n";
        let all = read(maps);
        let expected = ProcessMapping {
            at: 0x7f00_1000_0000..0x7f00_1004_2000,
            writable: false,
            shared: true,
            offset: 0x1000,
            file: ("00:01".into(), 1042),
            name: "/memfd:crossing (deleted)".into(),
        };
        assert_eq!(all[0], expected);
        let private = |one: &ProcessMapping| (one.name.clone(), one.writable, one.shared);
        assert_eq!(private(&all[1]), ("/a b/c d".into(), false, false));
        assert_eq!(private(&all[2]), (PathBuf::new(), true, false));
        assert_eq!(all.len(), 3);
        assert_eq!(shared(maps).collect::<Vec<_>>(), [expected]);
    }
}
