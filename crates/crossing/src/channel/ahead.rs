//! What lies ahead of a receiver: messages that are counted, passed over, or taken as the newest of many.

use std::time::{Duration, Instant};

use super::receiver::Receiver;
use crate::error::RecvError;
use crate::halves::{Inbound, Mechanism};
use crate::wait::Until;

/// What can be received without a wait, as far as it is known: see [`Receiver::pending`].
///
/// # Examples
/// ```
/// # use crossing::{Config, Connection, Kind};
/// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
/// here.send(b"one")?;
/// here.send(b"two")?;
/// let pending = there.pending()?;
/// println!("{} messages behind, {} bytes", pending.messages, pending.bytes);
/// # assert_eq!(pending.messages, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Pending {
    /// The least number of messages that can be received without a wait.
    pub messages: usize,
    /// The bytes that have come and were not received, with the lengths of their messages and what a ring is padded with.
    pub bytes: usize,
}

/// The newest message of those that were there: see [`Receiver::recv_latest`].
///
/// # Examples
/// ```
/// # use crossing::{Config, Connection, Kind};
/// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
/// # here.send(b"1st")?;
/// # here.send(b"2nd")?;
/// let mut picture = [0; 64];
/// let latest = there.recv_latest(&mut picture)?;
/// println!("{} pictures dropped, {:?} is shown", latest.passed, &picture[..latest.len]);
/// # assert_eq!((latest.passed, &picture[..latest.len]), (1, &b"2nd"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Latest {
    /// Its length in bytes.
    pub len: usize,
    /// How many messages before it were passed over.
    pub passed: usize,
}

impl<M: Mechanism> Receiver<M> {
    /// Waits for the next message and drops it. Returns its length in bytes.
    ///
    /// Nothing is copied to the program. On shared memory not one byte of the message is read, so it takes the same time
    /// whatever its length. On a pipe and on sockets the message has to be read from the kernel all the same.
    ///
    /// # From which size it pays
    /// On shared memory from 256 B: with its `send` a message that is skipped takes 0.84 of the time of one that is received,
    /// 0.71 at 1 KiB and 0.58 at 60 KiB. On a Unix socket the system calls are most of it: 0.98 at 1 KiB, 0.87 at 60 KiB.
    /// (Record `results/2026-11-29-kvm-epyc-2-cores-forms` of the project.)
    ///
    /// # Errors
    /// Those of [`recv`](Receiver::recv), but never [`TooLong`](RecvError::TooLong).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// let (mut here, there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// let (_, mut receiver) = there.split();
    /// here.send(b"not for me")?;
    /// here.send(b"for me")?;
    /// assert_eq!(receiver.skip()?, 10);
    /// assert_eq!(receiver.recv(&mut [0; 64])?, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn skip(&mut self) -> Result<usize, RecvError> {
        self.skip_until(Until::Forever)
    }

    /// Drops the next message if there is one now.
    ///
    /// # Errors
    /// Those of [`skip`](Receiver::skip), and [`Empty`](RecvError::Empty).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// # sender.send(b"stale")?;
    /// # sender.send(b"stale, too")?;
    /// let mut dropped = 0;
    /// while receiver.try_skip().is_ok() {
    ///     dropped += 1;
    /// }
    /// assert_eq!(dropped, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_skip(&mut self) -> Result<usize, RecvError> {
        self.skip_until(Until::Now)
    }

    /// Waits for the next message until `deadline`, and drops it.
    ///
    /// # Errors
    /// Those of [`skip`](Receiver::skip), and [`Timeout`](RecvError::Timeout).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// use std::time::{Duration, Instant};
    ///
    /// # sender.send(b"header")?;
    /// # sender.send(b"payload")?;
    /// // Both messages within five seconds.
    /// let deadline = Instant::now() + Duration::from_secs(5);
    /// receiver.skip_deadline(deadline)?;
    /// let len = receiver.recv_deadline(&mut [0; 64], deadline)?;
    /// # assert_eq!(len, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn skip_deadline(&mut self, deadline: Instant) -> Result<usize, RecvError> {
        self.skip_until(Until::At(deadline))
    }

    /// Waits for the next message for `timeout`, and drops it.
    ///
    /// # Errors
    /// Those of [`skip_deadline`](Receiver::skip_deadline).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// use std::time::Duration;
    /// use crossing::RecvError;
    ///
    /// match receiver.skip_timeout(Duration::from_millis(1)) {
    ///     Err(RecvError::Timeout) => println!("the peer is late"),
    ///     outcome => println!("{} bytes were passed over", outcome?),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn skip_timeout(&mut self, timeout: Duration) -> Result<usize, RecvError> {
        self.skip_until(Until::after(timeout))
    }

    pub(super) fn skip_until(&mut self, until: Until) -> Result<usize, RecvError> {
        self.ask(until, M::Inbound::skip)
    }

    /// Drops every message but the newest of those that are there now, and waits for none. Returns how many it dropped.
    ///
    /// Any form of a receive takes the newest after that: into a vector, or in place.
    ///
    /// # Errors
    /// Those of [`skip`](Receiver::skip).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// let (mut here, there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// let (_, mut receiver) = there.split();
    /// for picture in [b"1st", b"2nd", b"3rd"] {
    ///     here.send(picture)?;
    /// }
    /// let mut picture = Vec::new();
    /// assert_eq!(receiver.skip_stale()?, 2);
    /// receiver.recv_vec(&mut picture)?;
    /// assert_eq!(picture, b"3rd");
    /// assert_eq!(receiver.skip_stale()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn skip_stale(&mut self) -> Result<usize, RecvError> {
        match self.ask(Until::Now, M::Inbound::skip_stale) {
            Err(RecvError::Empty) => Ok(0),
            outcome => outcome,
        }
    }

    /// Waits until there is a message, and takes the newest of those that are there then. The older ones are dropped.
    ///
    /// Only messages that are there whole are compared. What comes during the call does not prolong it.
    ///
    /// # From which size it pays
    /// On shared memory from 256 B, because the older ones are [skipped](Receiver::skip). Where only the newest of 64 messages,
    /// or of as many as make 24 KiB, is taken, each and its `send` take 0.90 of the time of a message that is received at
    /// 256 B, 0.73 at 1 KiB and 0.75 at 4 KiB. Below it is the same, and on a Unix socket too, within a twentieth. A newest
    /// message that is alone costs what [`recv`](Receiver::recv) costs. (Record `results/2026-11-29-kvm-epyc-2-cores-forms` of the project.)
    ///
    /// # Errors
    /// Those of [`recv`](Receiver::recv). After [`TooLong`](RecvError::TooLong) the newest message is kept, and the older ones
    /// are dropped.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// let (mut here, there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// let (_, mut receiver) = there.split();
    /// for price in [b"100", b"101", b"103"] {
    ///     here.send(price)?;
    /// }
    /// let mut price = [0; 8];
    /// let latest = receiver.recv_latest(&mut price)?;
    /// assert_eq!(&price[..latest.len], b"103");
    /// assert_eq!(latest.passed, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_latest(&mut self, buffer: &mut [u8]) -> Result<Latest, RecvError> {
        self.recv_latest_until(buffer, Until::Forever)
    }

    /// Takes the newest message of those that are there now, if there is one.
    ///
    /// # Errors
    /// Those of [`recv_latest`](Receiver::recv_latest), and [`Empty`](RecvError::Empty).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// use crossing::RecvError;
    ///
    /// let mut price = *b"100";
    /// match receiver.try_recv_latest(&mut price) {
    ///     Ok(latest) => println!("{} prices were out of date", latest.passed),
    ///     Err(RecvError::Empty) => {} // the price is what it was
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # assert_eq!(&price, b"100");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_recv_latest(&mut self, buffer: &mut [u8]) -> Result<Latest, RecvError> {
        self.recv_latest_until(buffer, Until::Now)
    }

    /// Waits until there is a message, at most until `deadline`, and takes the newest of those that are there.
    ///
    /// # Errors
    /// Those of [`recv_latest`](Receiver::recv_latest), and [`Timeout`](RecvError::Timeout).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// use std::time::{Duration, Instant};
    ///
    /// # sender.send(b"100")?;
    /// # sender.send(b"103")?;
    /// let (mut price, deadline) = ([0; 8], Instant::now() + Duration::from_secs(5));
    /// let latest = receiver.recv_latest_deadline(&mut price, deadline)?;
    /// assert_eq!(&price[..latest.len], b"103");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_latest_deadline(
        &mut self,
        buffer: &mut [u8],
        deadline: Instant,
    ) -> Result<Latest, RecvError> {
        self.recv_latest_until(buffer, Until::At(deadline))
    }

    /// Waits until there is a message, at most for `timeout`, and takes the newest of those that are there.
    ///
    /// # Errors
    /// Those of [`recv_latest_deadline`](Receiver::recv_latest_deadline).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// use std::time::Duration;
    /// use crossing::RecvError;
    ///
    /// match receiver.recv_latest_timeout(&mut [0; 8], Duration::from_millis(1)) {
    ///     Err(RecvError::Timeout) => println!("no news"),
    ///     outcome => println!("{} prices were out of date", outcome?.passed),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_latest_timeout(&mut self, buffer: &mut [u8], timeout: Duration) -> Result<Latest, RecvError> {
        self.recv_latest_until(buffer, Until::after(timeout))
    }

    pub(super) fn recv_latest_until(&mut self, buffer: &mut [u8], until: Until) -> Result<Latest, RecvError> {
        self.ask(until, |inbound, patience| {
            let passed = inbound.skip_stale(patience)?;
            Ok(Latest { len: inbound.recv(buffer, patience)?, passed })
        })
    }

    /// How much can be received without a wait. Nothing is taken.
    ///
    /// | | `messages` | `bytes` | what it costs |
    /// |---|---|---|---|
    /// | shared memory | exact | exact | a look at the length of each message that is there |
    /// | pipe, sockets | those whose lengths this half has read; at least 1 if a receive would not wait | exact | a system call (FIONREAD), and another if nothing has been read ahead |
    ///
    /// The peer may send more meanwhile. Of a message that is not there whole, `bytes` counts what has come.
    ///
    /// # Errors
    /// The end, as [`recv`](Receiver::recv) tells it: once there is nothing more to receive.
    /// [`Poisoned`](RecvError::Poisoned), [`Forked`](RecvError::Forked), [`Io`](RecvError::Io).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// let (mut here, there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// let (_, mut receiver) = there.split();
    /// assert_eq!(receiver.pending()?.messages, 0);
    /// here.send(b"one")?;
    /// here.send(b"two")?;
    /// let pending = receiver.pending()?;
    /// assert_eq!((pending.messages, pending.bytes), (2, 32));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pending(&mut self) -> Result<Pending, RecvError> {
        let (messages, bytes) = self.ask(Until::Now, M::Inbound::pending)?;
        Ok(Pending { messages, bytes })
    }
}
