//! A cork: messages that share one publication.

use std::fmt;
use std::time::{Duration, Instant};

use super::receiver::Receiver;
use super::sender::Sender;
use crate::error::SendError;
use crate::halves::{Any, Mechanism, Outbound};
use crate::wait::Until;

impl<M: Mechanism> Sender<M> {
    /// Gathers messages: they are published together when the cork is [flushed](Cork::flush), is full or is
    /// dropped.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Pipe, &Config::default())?;
    /// let mut cork = here.cork();
    /// for message in [b"one", b"two"] {
    ///     cork.send(message)?;
    /// }
    /// cork.flush()?; // one system call
    /// # let mut buffer = [0; 64];
    /// # assert_eq!(there.recv(&mut buffer)?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cork(&mut self) -> Cork<'_, M> {
        Cork { sender: self }
    }
}

/// Messages that are gathered and published together.
///
/// # From which size it pays
/// On a pipe and on sockets for messages up to some KiB, because many share a system call: gathered and received, 64
/// messages through a Unix socket take a 29th of the time of single ones at 16 B, a fifth at 1 KiB, half at 4 KiB, and
/// the same at 16 KiB. On shared memory a publication is no call. There it pays where the receiver sleeps, or
/// on another core wants each line again. (Record `results/2026-11-29-kvm-epyc-2-cores-forms` of the project.)
///
/// Dropping it publishes as many of its messages as there is room for, and never waits. The rest
/// stays in the sender's line and goes first with its next call. [Flush](Cork::flush) it to see
/// errors, and before you wait for an answer.
///
/// # Examples
/// ```
/// # use crossing::{Config, Connection, Kind};
/// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
/// # let (sender, receiver) = (here.sender(), there.receiver());
/// let mut cork = sender.cork();
/// for row in 0..100_u32 {
///     cork.send(&row.to_le_bytes())?;
/// }
/// cork.flush()?; // one publication for all, and the error if there is one
/// # drop(cork);
/// # assert_eq!(receiver.pending()?.messages, 100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Cork<'a, M: Mechanism = Any> {
    pub(super) sender: &'a mut Sender<M>,
}

impl<M: Mechanism> Cork<'_, M> {
    /// Puts a message in line. When the line is full it is published, and waits for room.
    ///
    /// # Errors
    /// Those of [`Sender::send`].
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (mut cork, receiver) = (here.sender().cork(), there.receiver());
    /// cork.send(b"one")?;
    /// cork.send(b"two")?;
    /// assert_eq!(receiver.pending()?.messages, 0); // both are in line
    /// cork.flush()?;
    /// assert_eq!(receiver.pending()?.messages, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        if self.stages_at_once(message) { Ok(()) } else { self.send_until(message, Until::Forever) }
    }

    /// Puts a message in line, if there is room in line, or can be made without a wait.
    ///
    /// # Errors
    /// Those of [`Sender::try_send`]. After [`Full`](SendError::Full) the message was not taken, and the line is as it was.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (mut cork, receiver) = (here.sender().cork(), there.receiver());
    /// use crossing::SendError;
    ///
    /// match cork.try_send(b"if there is room") {
    ///     Err(SendError::Full) => println!("not taken: the peer is behind"),
    ///     outcome => outcome?,
    /// }
    /// # cork.flush()?;
    /// # assert_eq!(receiver.recv(&mut [0; 64])?, 16);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn try_send(&mut self, message: &[u8]) -> Result<(), SendError> {
        if self.stages_at_once(message) { Ok(()) } else { self.send_until(message, Until::Now) }
    }

    /// Puts a message in line, if there is room in line before `deadline`.
    ///
    /// # Errors
    /// Those of [`Sender::send_deadline`].
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (mut cork, receiver) = (here.sender().cork(), there.receiver());
    /// use std::time::{Duration, Instant};
    ///
    /// // All of it within five seconds.
    /// let deadline = Instant::now() + Duration::from_secs(5);
    /// for row in 0..100_u32 {
    ///     cork.send_deadline(&row.to_le_bytes(), deadline)?;
    /// }
    /// cork.flush_deadline(deadline)?;
    /// # assert_eq!(receiver.pending()?.messages, 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_deadline(&mut self, message: &[u8], deadline: Instant) -> Result<(), SendError> {
        self.send_until(message, Until::At(deadline))
    }

    /// Puts a message in line, if there is room in line within `timeout`.
    ///
    /// # Errors
    /// See [`send_deadline`](Cork::send_deadline).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (mut cork, receiver) = (here.sender().cork(), there.receiver());
    /// use std::time::Duration;
    ///
    /// cork.send_timeout(b"one", Duration::from_secs(5))?;
    /// cork.flush()?;
    /// # assert_eq!(receiver.recv(&mut [0; 64])?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.send_until(message, Until::after(timeout))
    }

    #[inline(always)]
    fn stages_at_once(&mut self, message: &[u8]) -> bool {
        self.sender.may_send(message.len()) && self.sender.outbound.stage_at_once(message)
    }

    #[inline(never)]
    fn send_until(&mut self, message: &[u8], until: Until) -> Result<(), SendError> {
        if self.sender.outbound.goes_alone(message.len()) {
            return self.sender.send_until(message, until);
        }
        self.sender.with_room(message.len(), until, |outbound| outbound.stage(message))
    }

    /// Publishes everything in line, and waits for room if there is none.
    ///
    /// # Errors
    /// Those of [`Sender::flush`].
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (mut cork, receiver) = (here.sender().cork(), there.receiver());
    /// cork.send(b"two parts of")?;
    /// cork.send(b"one question")?;
    /// cork.flush()?; // before you wait for the answer
    /// assert_eq!(receiver.pending()?.messages, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flush(&mut self) -> Result<(), SendError> {
        self.sender.flush()
    }

    /// Publishes of what is in line as much as there is room for now.
    ///
    /// # Errors
    /// Those of [`Sender::try_flush`].
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (mut cork, receiver) = (here.sender().cork(), there.receiver());
    /// use crossing::SendError;
    ///
    /// cork.send(b"news")?;
    /// match cork.try_flush() {
    ///     Err(SendError::Full) => println!("some of it waits in line for room"),
    ///     outcome => outcome?,
    /// }
    /// # assert_eq!(receiver.skip()?, 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_flush(&mut self) -> Result<(), SendError> {
        self.sender.try_flush()
    }

    /// Publishes everything in line, if there is room before `deadline`.
    ///
    /// # Errors
    /// Those of [`Sender::flush_deadline`].
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (mut cork, receiver) = (here.sender().cork(), there.receiver());
    /// use std::time::{Duration, Instant};
    ///
    /// cork.send(b"news")?;
    /// cork.flush_deadline(Instant::now() + Duration::from_secs(5))?;
    /// assert_eq!(receiver.pending()?.messages, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flush_deadline(&mut self, deadline: Instant) -> Result<(), SendError> {
        self.sender.flush_deadline(deadline)
    }

    /// Publishes everything in line, if there is room within `timeout`.
    ///
    /// # Errors
    /// See [`flush_deadline`](Cork::flush_deadline).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (mut cork, receiver) = (here.sender().cork(), there.receiver());
    /// use std::time::Duration;
    ///
    /// cork.send(b"news")?;
    /// cork.flush_timeout(Duration::from_secs(5))?;
    /// assert_eq!(receiver.pending()?.messages, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flush_timeout(&mut self, timeout: Duration) -> Result<(), SendError> {
        self.sender.flush_timeout(timeout)
    }
}

impl<M: Mechanism> Drop for Cork<'_, M> {
    fn drop(&mut self) {
        // A program that wants to know flushes; what does not go stays in line.
        let _ = self.try_flush();
    }
}

impl<M: Mechanism> fmt::Debug for Cork<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cork").finish_non_exhaustive()
    }
}

/// A connection that gathers its sends: see [`Connection::cork`](crate::Connection::cork).
///
/// # Examples
/// ```
/// # use crossing::{Config, Connection, Kind};
/// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
/// # there.send(b"done")?;
/// let mut corked = here.cork();
/// for part in [b"set x 1", b"set y 2"] {
///     corked.send(part)?;
/// }
/// let len = corked.recv(&mut [0; 64])?; // publishes both, then waits for the answer
/// # assert_eq!((len, there.pending()?.messages), (4, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CorkedConnection<'a, M: Mechanism = Any> {
    pub(super) cork: Cork<'a, M>,
    pub(super) receiver: &'a mut Receiver<M>,
}

impl<M: Mechanism> fmt::Debug for CorkedConnection<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CorkedConnection").finish_non_exhaustive()
    }
}
