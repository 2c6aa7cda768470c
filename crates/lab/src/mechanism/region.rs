//! A region of shared memory, looked at through its descriptor: its own first bytes say where everything stands.
//!
//! It is read and never mapped, so that looking disturbs neither process.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crossing::Kind;
use rustix::fs::fstat;

/// The first word of a region.
const MAGIC: u64 = u64::from_le_bytes(*b"CROSSREG");
/// The most bytes of header that are read.
const HEADER_LIMIT: u64 = 4096;

/// A region at one moment.
#[derive(Debug)]
pub(crate) struct Region {
    file: OwnedFd,
    header: Vec<u8>,
    header_bytes: u64,
    capacity: u64,
    start: u64,
    /// Which file it is.
    pub(crate) inode: u64,
    /// How far its owner has written, in bytes from the beginning of the connection.
    pub(crate) tail: u64,
    /// How far its owner has taken from the other region.
    pub(crate) head: u64,
    /// Whether its owner sleeps until it is woken.
    pub(crate) asleep: bool,
}

impl Region {
    /// Looks at the region behind `file`.
    ///
    /// # Errors
    /// `InvalidData` when it is not a region; else those of pread(2).
    pub(crate) fn look(file: OwnedFd) -> io::Result<Region> {
        let strange = || io::Error::new(io::ErrorKind::InvalidData, "not a region");
        let mut header = vec![0; HEADER_LIMIT as usize];
        let read = rustix::io::pread(&file, &mut header, 0)?;
        header.truncate(read);
        let field = |place: usize| word(&header, place as u64 * 8).ok_or_else(strange);
        if field(0)? != MAGIC {
            return Err(strange());
        }
        let (words, start, capacity, header_bytes) = (field(2)?, field(4)?, field(5)?, field(7)?);
        let at = |packed: u64, half: u32| word(&header, (packed >> (16 * half)) & 0xffff).ok_or_else(strange);
        let (tail, head) = (at(words, 0)?, at(words, 1)?);
        // A flag is odd while its owner sleeps: one for want of room, one for want of a message.
        let asleep = (at(words, 2)? | at(words, 3)?) & 1 == 1;
        if !capacity.is_power_of_two() || !header_bytes.is_power_of_two() {
            return Err(strange());
        }
        let inode = fstat(&file)?.st_ino;
        let (tail, head) = (tail.wrapping_sub(start), head.wrapping_sub(start));
        Ok(Region { file, header, header_bytes, capacity, start, inode, tail, head, asleep })
    }

    /// The place of the last message in the file, if it has `size` bytes.
    pub(crate) fn last_message_at(&self, size: usize) -> Option<u64> {
        let header = Kind::Shm.frame_header(size);
        let begins = self.tail.checked_sub(Kind::Shm.frame_bytes(size))?;
        let mut found = vec![0; header.len()];
        let read = rustix::io::pread(&self.file, &mut found, self.place(begins)).ok()?;
        (read == header.len() && found == header).then(|| self.place(begins + header.len() as u64))
    }

    /// The beginning of the last message, at most 64 bytes of it.
    pub(crate) fn last_message(&self, size: usize) -> Option<Vec<u8>> {
        let at = self.last_message_at(size)?;
        // A message that wraps ends at the end of the file here, and goes on behind the header.
        let end = self.header_bytes + self.capacity;
        let mut bytes = vec![0; size.min(64)];
        let before = bytes.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
        let (first, rest) = bytes.split_at_mut(before);
        let read = rustix::io::pread(&self.file, first, at).ok()?;
        let wrapped = rustix::io::pread(&self.file, rest, self.header_bytes).ok()?;
        (read + wrapped == bytes.len()).then_some(bytes)
    }

    /// Every byte of it, to be compared with what it holds later.
    pub(crate) fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut all = self.header.clone();
        all.resize(usize::try_from(self.header_bytes + self.capacity).unwrap_or(0), 0);
        let read = rustix::io::pread(self.file.as_fd(), &mut all, 0)?;
        all.truncate(read);
        Ok(all)
    }

    /// The place in the file of a byte of the ring.
    fn place(&self, index: u64) -> u64 {
        self.header_bytes + (self.start.wrapping_add(index) & (self.capacity - 1))
    }
}

fn word(header: &[u8], at: u64) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    let bytes = header.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossing::{Config, Connection};

    fn own_region() -> OwnedFd {
        let is_region = |entry: &std::fs::DirEntry| {
            let link = std::fs::read_link(entry.path()).unwrap_or_default();
            link.to_string_lossy().starts_with(crate::sys::stray::REGION)
        };
        let mut entries = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let entry = entries.find(is_region).unwrap();
        std::fs::File::open(entry.path()).unwrap().into()
    }

    #[test]
    fn what_was_sent_is_found_in_the_region() {
        // Sender and receiver are of this process here, so there are two regions; both have sent one message.
        let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default()).unwrap();
        here.send(b"five!").unwrap();
        there.send(b"five!").unwrap();
        let region = Region::look(own_region()).unwrap();
        assert_eq!((region.tail, region.head, region.asleep), (16, 0, false));
        assert_eq!(region.last_message(5).as_deref(), Some(&b"five!"[..]));
        assert_eq!(region.last_message(6), None);
        assert_eq!(region.bytes().unwrap().len() as u64, region.header_bytes + region.capacity);
    }

    #[test]
    fn what_is_no_region_is_refused() {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        assert_eq!(Region::look(file.into()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
