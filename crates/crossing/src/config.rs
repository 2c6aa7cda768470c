//! What an end may choose for itself.

use std::time::{Duration, Instant};

use crate::credentials::Peers;
use crate::deadline;
use crate::error::ConnectError;
use crate::hello::MESSAGE_LIMIT;
use crate::wait::WaitStrategy;

/// The choices of one end. Both ends may choose differently; the lesser `max_message` holds for both.
///
/// Each field can be read, and set by the method of its name.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use crossing::{Config, Peers, WaitStrategy};
///
/// let config = Config::default()
///     .max_message(1 << 20)
///     .wait(WaitStrategy::Spin)
///     .capacity_bytes(4 << 20)
///     .ring_limit_bytes(64 << 20)
///     .blobs_in_flight(8)
///     .blob_bytes_in_flight(32 << 20)
///     .connect_timeout(Duration::from_millis(200))
///     .peers(Peers::Anyone)
///     .linger(Duration::ZERO);
/// assert_eq!(config.max_message, 1 << 20);
/// assert_eq!(config.capacity_bytes, Some(4 << 20));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The longest message in bytes. At most 64 MiB. 64 KiB by default.
    pub max_message: usize,
    /// How this end waits; can be changed later. [`WaitStrategy::HYBRID`] by default.
    pub wait: WaitStrategy,
    /// How many bytes may be on their way in the direction that this end sends: the size of the ring on shared memory, of the
    /// kernel's buffer elsewhere. `None`, the default, is the mechanism's own choice: a ring of 256 KiB, and what the kernel
    /// gives. [`Sender::capacity_bytes`](crate::Sender::capacity_bytes) says how large it has become.
    ///
    /// | | what a size does | when another size pays |
    /// |---|---|---|
    /// | shared memory | rounded up to a power of two that holds at least two of the longest messages; each message takes 8 bytes more, padded to 8 | long messages can stream faster through a ring about twice as large as the processor's private cache (results/2026-11-25-kvm-epyc-2-cores/README.md) |
    /// | pipe | rounded up to a power of two of pages, at most the system's limit (1 MiB) | messages of 64 KiB and more go twice as fast through 256 KiB or 1 MiB |
    /// | Unix socket | the send buffer; the kernel doubles it, and counts its own overhead | for small messages the kernel's own choice is right, however many there are |
    /// | TCP | both buffers, and the end of the kernel's own tuning, which suits a network better | below 32 KiB the kernel waits for timers (200 ms and more) |
    ///
    /// The kernel gives less or nothing beyond the user's limits, which is no error.
    pub capacity_bytes: Option<usize>,
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
            capacity_bytes: None,
            ring_limit_bytes: 1 << 30,
            blobs_in_flight: 64,
            blob_bytes_in_flight: 256 << 20,
            connect_timeout: Duration::from_secs(5),
            peers: Peers::SameUserOrRoot,
            linger: Duration::from_secs(1),
        }
    }
}

impl Config {
    /// For many connections that carry little each: messages of up to 8 KiB, 32 KiB of them on their way. The rest as by default.
    ///
    /// An end on shared memory holds its whole ring from the first moment on, so that no send can fail for want of memory:
    /// 36 KiB with this configuration, and 260 KiB by default (more where pages are larger than 4 KiB). The other mechanisms
    /// hold nothing until something is sent.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Connection, Kind, WaitStrategy};
    ///
    /// let config = Config::small().wait(WaitStrategy::Block);
    /// let mut many: Vec<_> =
    ///     (0..100).map(|_| Connection::pair(Kind::Shm, &config)).collect::<Result<_, _>>()?;
    /// let (here, there) = &mut many[42];
    /// here.send(b"little")?;
    /// assert_eq!(there.recv(&mut [0; 8])?, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn small() -> Config {
        Config::default().max_message(8 << 10).capacity_bytes(32 << 10)
    }

    /// Sets the longest message in bytes. See [the field](Config#structfield.max_message).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// let (mut here, _there) = Connection::pair(Kind::Shm, &Config::default().max_message(1 << 20))?;
    /// here.send(&vec![0; 200_000])?; // the default takes 64 KiB at most
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_message(self, bytes: usize) -> Config {
        Config { max_message: bytes, ..self }
    }

    /// Sets how this end waits. See [the field](Config#structfield.wait).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use crossing::WaitStrategy;
    ///
    /// # use crossing::{Config, Connection, Kind};
    /// let patient = Config::default().wait(WaitStrategy::Block);
    /// let quick = Config::default().wait(WaitStrategy::Hybrid { spin: Duration::from_micros(20) });
    /// # for config in [patient, quick] {
    /// #     let (mut here, mut there) = Connection::pair(Kind::Shm, &config)?;
    /// #     here.send(b"ping")?;
    /// #     assert_eq!(there.recv(&mut [0; 64])?, 4);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait(self, wait: WaitStrategy) -> Config {
        Config { wait, ..self }
    }

    /// Asks for room for this many bytes on their way. See [the field](Config#structfield.capacity_bytes).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// let config = Config::default().capacity_bytes(1 << 20);
    /// let (here, _there) = Connection::pair(Kind::Shm, &config)?;
    /// assert_eq!(here.capacity_bytes(), Some(1 << 20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capacity_bytes(self, bytes: usize) -> Config {
        Config { capacity_bytes: Some(bytes), ..self }
    }

    /// Sets the largest ring that this end makes or maps, in bytes. See [the field](Config#structfield.ring_limit_bytes).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// // A server for many clients: none of them makes it map more than 1 MiB.
    /// let config = Config::small().ring_limit_bytes(1 << 20);
    /// assert!(Connection::pair(Kind::Shm, &config).is_ok());
    /// assert!(Connection::pair(Kind::Shm, &config.capacity_bytes(2 << 20)).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ring_limit_bytes(self, bytes: usize) -> Config {
        Config { ring_limit_bytes: bytes, ..self }
    }

    /// Sets how many blobs may be on their way. See [the field](Config#structfield.blobs_in_flight).
    ///
    /// # Examples
    /// ```
    /// use crossing::{BlobMut, Config, Connection, Kind, SendError, Shm};
    ///
    /// let config = Config::default().blobs_in_flight(1);
    /// let (mut here, mut there) = Connection::<Shm>::pair_as(Kind::Shm, &config)?;
    /// let blob = BlobMut::new(4096)?.seal()?;
    /// here.send_blob(&blob)?;
    /// assert_eq!(here.try_send_blob(&blob), Err(SendError::Full));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn blobs_in_flight(self, blobs: usize) -> Config {
        Config { blobs_in_flight: blobs, ..self }
    }

    /// Sets how many bytes those blobs may have together. See [the field](Config#structfield.blob_bytes_in_flight).
    ///
    /// # Examples
    /// ```
    /// use crossing::{BlobMut, Config, Connection, Kind, SendError, Shm};
    ///
    /// let config = Config::default().blob_bytes_in_flight(64 << 10);
    /// let (mut here, mut there) = Connection::<Shm>::pair_as(Kind::Shm, &config)?;
    /// let blob = BlobMut::new(40 << 10)?.seal()?;
    /// here.send_blob(&blob)?;
    /// assert_eq!(here.try_send_blob(&blob), Err(SendError::Full)); // 80 KiB together
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn blob_bytes_in_flight(self, bytes: u64) -> Config {
        Config { blob_bytes_in_flight: bytes, ..self }
    }

    /// Sets how long it may take to reach the other end and to agree with it. See [the
    /// field](Config#structfield.connect_timeout).
    ///
    /// # Examples
    /// ```
    /// use std::{os::unix::net::UnixStream, time::Duration};
    /// use crossing::{Config, ConnectError, Endpoint, Kind};
    ///
    /// let (socket, _silent) = UnixStream::pair()?;
    /// let config = Config::default().connect_timeout(Duration::from_millis(10));
    /// let outcome = Endpoint::from_fd(Kind::Unix, socket.into())?.connect(&config);
    /// assert!(matches!(outcome, Err(ConnectError::Timeout)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect_timeout(self, timeout: Duration) -> Config {
        Config { connect_timeout: timeout, ..self }
    }

    /// Sets which users' processes this end talks to. See [the field](Config#structfield.peers).
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Peers};
    ///
    /// let config = Config::default().peers(Peers::Anyone); // a service for every user
    /// assert_eq!(config.peers, Peers::Anyone);
    /// ```
    pub fn peers(self, peers: Peers) -> Config {
        Config { peers, ..self }
    }

    /// Sets how long a drop may wait. See [the field](Config#structfield.linger).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// # use crossing::{Config, Connection, Kind};
    /// let config = Config::default().linger(Duration::ZERO);
    /// let (mut here, _there) = Connection::pair(Kind::Unix, &config)?;
    /// while here.try_send(b"more than the peer receives").is_ok() {}
    /// drop(here); // does not wait for room: the last of it may be lost
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn linger(self, linger: Duration) -> Config {
        Config { linger, ..self }
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
