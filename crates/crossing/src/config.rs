//! What an end may choose for itself.

use std::time::{Duration, Instant};

use crate::credentials::Peers;
use crate::deadline;
use crate::error::ConnectError;
use crate::hello::MESSAGE_LIMIT;
use crate::wait::WaitStrategy;

/// The choices of one end. Both ends may choose differently; the lesser `max_message` holds for both.
///
/// # Examples
/// ```
/// use crossing::{Config, WaitStrategy};
///
/// let config = Config { wait: WaitStrategy::Spin, ..Config::default() };
/// assert_eq!(config.max_message, 64 << 10);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The longest message in bytes. At most 64 MiB. 64 KiB by default.
    pub max_message: usize,
    /// How this end waits; can be changed later. [`WaitStrategy::HYBRID`] by default.
    pub wait: WaitStrategy,
    /// Shared memory: how many bytes may be on their way in the direction this end sends, each
    /// message with 8 bytes of header and padded to 8. Rounded up to a power of two that holds at
    /// least two of the longest messages. 256 KiB by default. Long messages can stream faster
    /// through a ring about twice as large as the processor's private cache (figures:
    /// results/2026-11-25-kvm-epyc-2-cores/README.md). The other mechanisms use the kernel's own
    /// buffers.
    pub capacity_bytes: usize,
    /// Shared memory: the largest ring that this end makes, or maps of the other end's, in bytes. 1
    /// GiB by default, and at most. The other end chooses the size of its ring, whose memory counts
    /// against its own limits; this bounds the addresses and page tables that the ring takes here.
    pub ring_limit_bytes: usize,
    /// Shared memory: how many blobs of this end's may be on their way, sent and not yet taken. At
    /// least 1, 64 by default; the kernel has room for some hundred. A blob on its way holds its
    /// memory, and a descriptor that counts against the user's limit.
    pub blobs_in_flight: usize,
    /// Shared memory: how many bytes those blobs may have together. 256 MiB by default. A longer blob goes alone.
    pub blob_bytes_in_flight: u64,
    /// Pipe, Unix socket, TCP: how large a buffer the kernel is asked for, in the direction this end sends; on TCP also
    /// for what it receives. `None`, the default, leaves it to the kernel, which is right for small messages
    /// however many there are. Messages of a pipe's 64 KiB and more go twice as fast through a pipe of 256 KiB or 1 MiB.
    /// On TCP a size chosen here ends the kernel's own tuning, which suits a network better, and below 32 KiB it makes the
    /// kernel wait for timers (200 ms and more).
    ///
    /// The kernel rounds, and gives less or nothing beyond the user's limits, which is no error:
    /// [`Sender::capacity_bytes`](crate::Sender::capacity_bytes) says what there is.
    pub kernel_buffer_bytes: Option<usize>,
    /// How long it may take to reach the other end and to agree with it, both together. 5 s by
    /// default. Making a large ring does not count: the other end is told of the work, and then
    /// waits for each part of 16 MiB as long as this, and at least 5 s.
    /// [`ring_limit_bytes`](Config::ring_limit_bytes) bounds how long a peer can keep an end
    /// waiting so.
    pub connect_timeout: Duration,
    /// Which users' processes this end talks to, if they met at a path or an abstract name. By
    /// default this user's and root's.
    pub peers: Peers,
    /// How long each of the two waits below may take that a drop may need, if the peer has not got everything yet. 1 s by default.
    ///
    /// The longest that dropping a [`Sender`](crate::Sender) waits for room for what is still in
    /// line and for its last word; in a channel with room it does not wait. On TCP dropping the
    /// last half also waits until the peer's kernel has acknowledged everything, because messages
    /// could be lost otherwise. That is mostly immediate; it takes 40 ms and a round trip when the
    /// peer neither reads nor closes. Zero never waits. Nor does a drop in a panic, which must not
    /// hold the program up, or in a forked child, which does not own the connection.
    pub linger: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            max_message: 64 << 10,
            wait: WaitStrategy::HYBRID,
            capacity_bytes: 256 << 10,
            ring_limit_bytes: 1 << 30,
            blobs_in_flight: 64,
            blob_bytes_in_flight: 256 << 20,
            kernel_buffer_bytes: None,
            connect_timeout: Duration::from_secs(5),
            peers: Peers::SameUserOrRoot,
            linger: Duration::from_secs(1),
        }
    }
}

impl Config {
    /// For many connections that carry little each: messages of up to 8 KiB, through a ring of 32 KiB. The rest as by default.
    ///
    /// An end on shared memory holds its whole ring from the first moment on, so that no send can fail for want of memory:
    /// 36 KiB with this configuration, and 260 KiB by default (more where pages are larger than 4 KiB). The other mechanisms
    /// hold nothing until something is sent.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Connection, Kind, WaitStrategy};
    ///
    /// let config = Config { wait: WaitStrategy::Block, ..Config::small() };
    /// let mut many: Vec<_> =
    ///     (0..100).map(|_| Connection::pair(Kind::Shm, &config)).collect::<Result<_, _>>()?;
    /// let (here, there) = &mut many[42];
    /// here.send(b"little")?;
    /// assert_eq!(there.recv(&mut [0; 8])?, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn small() -> Config {
        Config { max_message: 8 << 10, capacity_bytes: 32 << 10, ..Config::default() }
    }

    /// When the other end must have done its part of the handshake.
    pub(crate) fn connect_deadline(&self) -> Instant {
        deadline::after(self.connect_timeout)
    }

    /// Refuses what no connection could keep.
    pub(crate) fn check(&self) -> Result<(), ConnectError> {
        if self.max_message > MESSAGE_LIMIT {
            let why = format!("max_message is {} bytes, more than {MESSAGE_LIMIT}", self.max_message);
            return Err(ConnectError::Config(why));
        }
        if self.blobs_in_flight == 0 {
            return Err(ConnectError::Config("blobs_in_flight is 0, and one is the least".to_owned()));
        }
        Ok(())
    }
}
