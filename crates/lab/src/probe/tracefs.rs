//! Tracefs: the numbers by which the kernel knows its tracepoints, and where their fields are.
//!
//! It is read where it is mounted. Where it is not, root can have it all the same: a mount without
//! a place in the file system is private to this process and gone when its descriptor is closed.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

/// Where it is mounted, by custom.
const PLACES: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// The folder of all tracepoints.
#[derive(Debug)]
pub struct Tracefs {
    folder: OwnedFd,
    /// Where it was found.
    pub place: &'static str,
}

impl Tracefs {
    /// Finds it, or mounts it for this process alone.
    ///
    /// # Errors
    /// `EACCES` or `EPERM` for every user but root, as a rule.
    pub fn open() -> io::Result<Tracefs> {
        for place in PLACES {
            if let Ok(folder) = folder(CWD, place)
                && rustix::fs::accessat(
                    &folder,
                    "events/header_page",
                    rustix::fs::Access::READ_OK,
                    rustix::fs::AtFlags::empty(),
                )
                .is_ok()
            {
                return Ok(Tracefs { folder, place });
            }
        }
        match mounted() {
            Ok(folder) => Ok(Tracefs { folder, place: "mounted for this process alone" }),
            Err(Errno::NODEV) => Err(Errno::NODEV.into()),
            Err(errno) => {
                let error = io::Error::from(errno);
                Err(io::Error::new(error.kind(), format!("tracefs is not readable for this user: {error}")))
            }
        }
    }

    /// The tracepoint `name`, such as `sched/sched_waking`.
    ///
    /// # Errors
    /// `ENOENT` where this kernel has no such tracepoint, `InvalidData` when it describes itself in a way that is
    /// not understood.
    pub fn tracepoint(&self, name: &str) -> io::Result<Tracepoint> {
        let path = format!("events/{name}/format");
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(&self.folder, path.as_str(), flags, Mode::empty())?);
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Tracepoint::of(&text).ok_or_else(|| {
            let why = format!("{path} describes the tracepoint in a way that is not understood");
            io::Error::new(io::ErrorKind::InvalidData, why)
        })
    }
}

/// A tracefs of our own.
fn mounted() -> Result<OwnedFd, Errno> {
    let new = rustix::mount::fsopen("tracefs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_create(&new)?;
    rustix::mount::fsmount(&new, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_RDONLY)
}

fn folder(at: impl std::os::fd::AsFd, path: &str) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(at, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// One tracepoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracepoint {
    /// Its number.
    pub id: u64,
    fields: Vec<Field>,
}

/// Where a field is in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: String,
    offset: usize,
    size: usize,
    signed: bool,
}

impl Tracepoint {
    /// Reads the file `format`.
    fn of(format: &str) -> Option<Tracepoint> {
        let id = format.lines().find_map(|line| line.strip_prefix("ID:"))?.trim().parse().ok()?;
        let fields: Vec<Field> = format.lines().filter_map(Field::of).collect();
        (!fields.is_empty()).then_some(Tracepoint { id, fields })
    }

    /// A number of the record `fields`; of an array its element `index`, which has eight bytes.
    pub fn number(&self, fields: &[u8], name: &str, index: usize) -> Option<i64> {
        let field = self.fields.iter().find(|field| field.name == name)?;
        let size = if field.size > 8 { 8 } else { field.size };
        let from = field.offset + index * size;
        let bytes = fields.get(from..from + size)?;
        if from + size > field.offset + field.size {
            return None;
        }
        let mut wide = [0; 8];
        // The kernel writes numbers in the order of this machine.
        if cfg!(target_endian = "little") {
            wide[..size].copy_from_slice(bytes);
        } else {
            wide[8 - size..].copy_from_slice(bytes);
        }
        let value = i64::from_ne_bytes(wide);
        let unused = 64 - 8 * size as u32;
        Some(if field.signed { value << unused >> unused } else { value })
    }
}

impl Field {
    /// A line such as `field:pid_t pid; offset:24; size:4; signed:1;`, with tabs between the parts.
    fn of(line: &str) -> Option<Field> {
        let mut parts = line.trim().strip_prefix("field:")?.split(';').map(str::trim);
        let declared = parts.next()?;
        let name = declared.rsplit([' ', '*']).next()?;
        let name = name.split('[').next()?.to_owned();
        let mut offset = None;
        let (mut size, mut signed) = (None, false);
        for part in parts {
            match part.split_once(':') {
                Some(("offset", number)) => offset = number.parse().ok(),
                Some(("size", number)) => size = number.parse().ok(),
                Some(("signed", number)) => signed = number == "1",
                _ => {}
            }
        }
        Some(Field { name, offset: offset?, size: size?, signed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: &str = "name: sys_enter\nID: 443\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
        \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\tfield:long id;\toffset:8;\tsize:8;\tsigned:1;\n\
        \tfield:unsigned long args[6];\toffset:16;\tsize:48;\tsigned:0;\n\tfield:const void * skbaddr;\toffset:64;\tsize:8;\tsigned:0;\n";

    #[test]
    fn fields_are_found_and_read() {
        let tracepoint = Tracepoint::of(FORMAT).unwrap();
        assert_eq!(tracepoint.id, 443);
        let mut record = vec![0; 72];
        record[4..8].copy_from_slice(&(-2_i32).to_ne_bytes());
        record[8..16].copy_from_slice(&7_i64.to_ne_bytes());
        record[24..32].copy_from_slice(&0x1234_u64.to_ne_bytes());
        record[64..72].copy_from_slice(&9_u64.to_ne_bytes());
        let number = |name, index| tracepoint.number(&record, name, index);
        assert_eq!(number("common_pid", 0), Some(-2));
        assert_eq!((number("id", 0), number("args", 1), number("args", 6)), (Some(7), Some(0x1234), None));
        assert_eq!(number("skbaddr", 0), Some(9));
        assert_eq!(number("nothing", 0), None);
        assert_eq!(tracepoint.number(&record[..20], "args", 5), None, "a record that was cut short");
    }

    #[test]
    fn what_is_no_format_is_none() {
        for text in ["", "ID: x\n", "ID: 5\n", "name: a\nfield:int a;\toffset:0;\tsize:4;\n"] {
            assert_eq!(Tracepoint::of(text), None, "{text}");
        }
    }
}
