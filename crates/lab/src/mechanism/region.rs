//! A region of shared memory, looked at through its descriptor: its own first bytes say where everything stands.
//!
//! It is read and never mapped, so that looking disturbs neither process.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crossing::{Kind, RegionHeader};
use rustix::fs::fstat;

/// A region at one moment.
#[derive(Debug)]
pub(crate) struct Region {
    file: OwnedFd,
    /// Which file it is.
    pub(crate) inode: u64,
    pub(crate) header: RegionHeader,
}

impl Region {
    /// Looks at the region behind `file`.
    ///
    /// # Errors
    /// `InvalidData` when it is not a region; else those of pread(2).
    pub(crate) fn look(file: OwnedFd) -> io::Result<Region> {
        let mut bytes = [0; RegionHeader::BYTES];
        rustix::io::pread(&file, &mut bytes, 0)?;
        let header = RegionHeader::read(&bytes)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a region"))?;
        Ok(Region { inode: fstat(&file)?.st_ino, file, header })
    }

    /// The place of the last message in the file, if it has `size` bytes.
    pub(crate) fn last_message_at(&self, size: usize) -> Option<u64> {
        let header = Kind::Shm.frame_header(size);
        let begins = self.header.tail.checked_sub(Kind::Shm.frame_bytes(size))?;
        let mut found = vec![0; header.len()];
        let read = rustix::io::pread(&self.file, &mut found, self.header.place(begins)).ok()?;
        (read == header.len() && found == header).then(|| self.header.place(begins + header.len() as u64))
    }

    /// The beginning of the last message, at most 64 bytes of it.
    pub(crate) fn last_message(&self, size: usize) -> Option<Vec<u8>> {
        let at = self.last_message_at(size)?;
        // A message that wraps ends at the end of the file here, and goes on behind the header.
        let end = self.header.header_bytes + self.header.capacity;
        let mut bytes = vec![0; size.min(64)];
        let before = bytes.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
        let (first, rest) = bytes.split_at_mut(before);
        let read = rustix::io::pread(&self.file, first, at).ok()?;
        let wrapped = rustix::io::pread(&self.file, rest, self.header.header_bytes).ok()?;
        (read + wrapped == bytes.len()).then_some(bytes)
    }

    /// Every byte of it, to be compared with what it holds later.
    pub(crate) fn bytes(&self) -> io::Result<Vec<u8>> {
        let size = self.header.header_bytes + self.header.capacity;
        let mut all = vec![0; usize::try_from(size).unwrap_or(0)];
        let read = rustix::io::pread(self.file.as_fd(), &mut all, 0)?;
        all.truncate(read);
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossing::{Config, Connection};

    fn own_region() -> OwnedFd {
        let is_region = |entry: &std::fs::DirEntry| {
            let link = std::fs::read_link(entry.path()).unwrap_or_default();
            link.to_string_lossy().starts_with(crossing::REGION_FILE)
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
        let RegionHeader { tail, head, asleep, header_bytes, capacity } = region.header;
        assert_eq!((tail, head, asleep), (16, 0, false));
        assert_eq!(region.last_message(5).as_deref(), Some(&b"five!"[..]));
        assert_eq!(region.last_message(6), None);
        assert_eq!(region.bytes().unwrap().len() as u64, header_bytes + capacity);
    }

    #[test]
    fn what_is_no_region_is_refused() {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        assert_eq!(Region::look(file.into()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
