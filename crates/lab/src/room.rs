//! How much room a channel has got, whatever was asked for: shared memory rounds it up and holds two of the longest messages,
//! and the kernel rounds, doubles, and gives less beyond a user's limits.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;

use crossing::{Connection, Kind, Mechanism};

use crate::stage::region::Region;
use crate::sys::stray;

/// What may be on its way in the direction that this process sends, in bytes: the ring of shared memory, else the kernel's
/// buffer as the kernel counts it. `None` when it is not told.
pub(crate) fn channel_bytes<M: Mechanism>(kind: Kind, connection: &mut Connection<M>) -> Option<u32> {
    let bytes = match kind {
        Kind::Shm => own_ring().ok()?,
        Kind::Pipe | Kind::Unix | Kind::Tcp => connection.sender().kernel_buffer_bytes()? as u64,
    };
    bytes.try_into().ok()
}

/// The size of the ring in the region that this process owns, which is the one that it may write, as the region says it.
fn own_ring() -> io::Result<u64> {
    let writable = stray::regions("self")?.into_iter().filter(|mapped| mapped.writable);
    let own: BTreeSet<u64> = writable.map(|mapped| mapped.inode).collect();
    for entry in fs::read_dir("/proc/self/fd")?.flatten() {
        let is_region = |link: std::path::PathBuf| link.to_string_lossy().starts_with("/memfd:crossing");
        if !fs::read_link(entry.path()).is_ok_and(is_region) {
            continue;
        }
        let file = File::open(entry.path())?;
        if own.contains(&file.metadata()?.ino()) {
            return Ok(Region::look(file.into())?.capacity);
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossing::Config;

    /// Both ends are in this process, which owns both regions then: they are alike.
    fn had(kind: Kind, capacity_bytes: usize, max_message: usize) -> Option<u32> {
        let asked = Some(capacity_bytes);
        let config = Config { capacity_bytes, kernel_buffer_bytes: asked, max_message, ..Config::default() };
        let (mut here, _there) = Connection::pair(kind, &config).unwrap();
        channel_bytes(kind, &mut here)
    }

    #[test]
    fn a_ring_is_what_it_was_rounded_up_to() {
        assert_eq!(had(Kind::Shm, 4096, 64), Some(4096));
        assert_eq!(had(Kind::Shm, 100_000, 64), Some(131_072));
        assert_eq!(
            had(Kind::Shm, 4096, 65_536),
            Some(262_144),
            "two of the longest messages, with their headers"
        );
    }

    #[test]
    fn the_kernels_buffer_is_what_the_kernel_says() {
        assert_eq!(had(Kind::Pipe, 100_000, 64), Some(131_072));
        let most = fs::read_to_string("/proc/sys/net/core/wmem_max").unwrap().trim().parse::<u32>().unwrap();
        for kind in [Kind::Unix, Kind::Tcp] {
            assert_eq!(had(kind, 100_000, 64), Some(2 * most.min(100_000)), "{kind}");
        }
    }
}
