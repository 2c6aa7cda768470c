//! Small files and folders of /proc, read within a bound.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, RawDir};
use rustix::io::{Errno, Result};
use rustix::path::Arg;

/// Opens a folder.
pub(crate) fn folder(at: impl AsFd, path: impl Arg) -> Result<OwnedFd> {
    open(at, path, OFlags::DIRECTORY)
}

/// Opens a file for reading. One that would wait is not waited for.
pub(super) fn open(at: impl AsFd, path: impl Arg, flags: OFlags) -> Result<OwnedFd> {
    rustix::fs::openat(at, path, flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())
}

/// What a file holds, at most `most` bytes.
pub(crate) fn read(at: impl AsFd, path: impl Arg, most: usize) -> Result<Vec<u8>> {
    let file = open(at, path, OFlags::empty())?;
    let mut bytes = vec![0; most.min(4096)];
    let mut length = 0;
    while length < most {
        if length == bytes.len() {
            bytes.resize((2 * length).min(most), 0);
        }
        match rustix::io::read(&file, &mut bytes[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// The names in a folder that are numbers: processes, or descriptors.
pub(super) fn numbers(folder: BorrowedFd<'_>) -> Result<Vec<i32>> {
    let mut numbers = Vec::new();
    let mut buffer = [MaybeUninit::uninit(); 16 << 10];
    let mut entries = RawDir::new(folder, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        numbers.extend(entry.file_name().to_str().ok().and_then(|name| name.parse::<i32>().ok()));
    }
    Ok(numbers)
}
