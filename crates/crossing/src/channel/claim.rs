//! A claim: a message that is written where it goes out from.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use super::sender::Sender;
use crate::error::SendError;
use crate::halves::{Any, Mechanism, Outbound};
use crate::wait::Until;

impl<M: Mechanism> Sender<M> {
    /// Room for a message of `len` bytes, to be written in place: on shared memory that is the ring itself.
    /// The room holds arbitrary bytes. Nothing is sent until [`Claim::commit`].
    ///
    /// # From which size it pays
    /// On shared memory from the smallest on, for a message that is *made* in the room: a claim costs no
    /// more than a `send`, and saves its copy. A stream of messages that are made by a few stores and
    /// received takes 0.9 of the time at 64 B, 0.7 at 1 KiB and 0.6 at 4 KiB. A message that is there
    /// already is copied either way: `send` it. (The record `results/2026-11-29-kvm-epyc-2-cores`
    /// of the project says on which machine, and how it was measured.)
    ///
    /// On a pipe and on sockets the room is a buffer of this process, from which the kernel takes the message as it
    /// does from a `send`: the system call costs far more than the copy that is saved.
    ///
    /// # Errors
    /// Those of [`send`](Sender::send).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// let mut claim = here.sender().claim(3)?;
    /// claim.copy_from_slice(b"abc");
    /// claim.commit()?;
    /// # let mut buffer = [0; 64];
    /// # assert_eq!(there.recv(&mut buffer)?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn claim(&mut self, len: usize) -> Result<Claim<'_, M>, SendError> {
        self.claim_within(len, Until::Forever)
    }

    /// Room for a message of `len` bytes, if there is any now. Its commit will not wait either.
    ///
    /// # Errors
    /// Those of [`send`](Sender::send), and [`Full`](SendError::Full).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// use crossing::SendError;
    ///
    /// match sender.try_claim(8) {
    ///     Ok(mut claim) => {
    ///         claim.copy_from_slice(&42_u64.to_le_bytes());
    ///         claim.commit()?;
    ///     }
    ///     Err(SendError::Full) => println!("the peer is behind"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # assert_eq!(receiver.skip()?, 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn try_claim(&mut self, len: usize) -> Result<Claim<'_, M>, SendError> {
        self.claim_within(len, Until::Now)
    }

    /// Room for a message of `len` bytes, if there is any before `deadline`. Its commit will not wait for longer either.
    ///
    /// # Errors
    /// Those of [`send`](Sender::send), and [`Timeout`](SendError::Timeout).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// use std::time::{Duration, Instant};
    ///
    /// // Three messages within five seconds.
    /// let deadline = Instant::now() + Duration::from_secs(5);
    /// for number in 0..3_u64 {
    ///     let mut claim = sender.claim_deadline(8, deadline)?;
    ///     claim.copy_from_slice(&number.to_le_bytes());
    ///     claim.commit()?;
    /// }
    /// # assert_eq!(receiver.pending()?.messages, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn claim_deadline(&mut self, len: usize, deadline: Instant) -> Result<Claim<'_, M>, SendError> {
        self.claim_within(len, Until::At(deadline))
    }

    /// Room for a message of `len` bytes, if there is any within `timeout`. Its commit will not wait for longer either.
    ///
    /// # Errors
    /// See [`claim_deadline`](Sender::claim_deadline).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// use std::io::Read;
    /// use std::time::Duration;
    ///
    /// # let mut file = &b"some content"[..];
    /// let mut claim = sender.claim_timeout(12, Duration::from_secs(5))?;
    /// file.read_exact(&mut claim)?; // into the ring
    /// claim.commit()?;
    /// # assert_eq!(receiver.skip()?, 12);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn claim_timeout(&mut self, len: usize, timeout: Duration) -> Result<Claim<'_, M>, SendError> {
        self.claim_within(len, Until::after(timeout))
    }

    #[inline(always)]
    fn claim_within(&mut self, len: usize, until: Until) -> Result<Claim<'_, M>, SendError> {
        if !(self.may_send(len) && self.outbound.claim_at_once(len)) {
            self.claim_until(len, until)?;
        }
        Ok(Claim { sender: self, len, until })
    }

    #[inline(never)]
    fn claim_until(&mut self, len: usize, until: Until) -> Result<(), SendError> {
        self.with_room(len, until, |outbound| outbound.claim(len))
    }

    /// Publishes the message that a commit has put in line.
    #[inline(never)]
    fn send_committed(&mut self, until: Until) -> Result<(), SendError> {
        match self.flush_until(until) {
            Err(SendError::Full | SendError::Timeout | SendError::Stopped | SendError::Io(_))
                if self.outbound.has_in_line() =>
            {
                Err(SendError::Unfinished)
            }
            outcome => outcome,
        }
    }
}

/// Room for one message, written in place. Dropped without a [commit](Claim::commit), it is given back and
/// nothing is sent.
///
/// In a child that was forked while there was a claim, the copy is memory of the child's own: bytes
/// written there go nowhere, and the commit fails with [`Forked`](SendError::Forked). On shared
/// memory the copy begins as zeros.
///
/// # Examples
/// ```
/// # use crossing::{Config, Connection, Kind};
/// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
/// # let (sender, receiver) = (here.sender(), there.receiver());
/// let mut claim = sender.claim(4)?;
/// claim.fill(7);
/// drop(claim); // nothing is sent
///
/// let mut claim = sender.claim(256)?;
/// for (byte, value) in claim.iter_mut().zip(0..=255) {
///     *byte = value;
/// }
/// claim.commit()?;
/// # assert_eq!(receiver.skip()?, 256);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Claim<'a, M: Mechanism = Any> {
    pub(super) sender: &'a mut Sender<M>,
    len: usize,
    /// How long the form that granted it may wait.
    pub(super) until: Until,
}

impl<M: Mechanism> Claim<'_, M> {
    /// Copies a whole message into the room, as [`slice::copy_from_slice`] does.
    ///
    /// On shared memory this is the copy that [`send`](Sender::send) makes. For a message that was made just before it is
    /// faster than a slice's: a processor that loads more at once than it has stored waits until those
    /// stores have left it, behind all the stores to the ring.
    ///
    /// # Panics
    /// When the message is not as long as the room.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// let reading = 21.5_f64.to_le_bytes();
    /// let mut claim = sender.claim(reading.len())?;
    /// claim.copy_from_slice(&reading);
    /// claim.commit()?;
    /// # assert_eq!(receiver.recv(&mut [0; 64])?, 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn copy_from_slice(&mut self, message: &[u8]) {
        assert_eq!(message.len(), self.len, "a claim is filled by a message of its length");
        self.sender.outbound.fill_claimed(message);
    }

    /// Sends the message that was written.
    ///
    /// A commit waits no longer than the form that granted the claim: after [`try_claim`](Sender::try_claim) never, after
    /// [`claim_deadline`](Sender::claim_deadline) until that deadline, after [`claim`](Sender::claim) as
    /// [`send`](Sender::send) does. On shared memory the room was there when it was granted, and no commit waits at all.
    ///
    /// # Errors
    /// [`Unfinished`](SendError::Unfinished) when the kernel has not taken all of the message within that time (on a pipe and on
    /// sockets): it counts as sent, waits in the sender's line, and goes with the next send or [`flush`](Sender::flush). Until it
    /// has gone, `try_claim` says [`Full`](SendError::Full): no more than one message waits so. Else those of
    /// [`send`](Sender::send).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// let mut claim = sender.claim(3)?;
    /// claim.copy_from_slice(b"abc");
    /// claim.commit()?; // now the peer can receive it
    /// assert_eq!(receiver.recv(&mut [0; 64])?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn commit(self) -> Result<(), SendError> {
        self.sender.gate.pass()?;
        if self.sender.outbound.commit(self.len) { Ok(()) } else { self.sender.send_committed(self.until) }
    }
}

impl<M: Mechanism> Drop for Claim<'_, M> {
    #[inline(always)]
    fn drop(&mut self) {
        // After a commit there is nothing to give back.
        self.sender.outbound.abandon();
    }
}

impl<M: Mechanism> Deref for Claim<'_, M> {
    type Target = [u8];
    #[inline(always)]
    fn deref(&self) -> &[u8] {
        self.sender.outbound.claimed(self.len)
    }
}

impl<M: Mechanism> DerefMut for Claim<'_, M> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [u8] {
        self.sender.outbound.claimed_mut(self.len)
    }
}

impl<M: Mechanism> fmt::Debug for Claim<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("bytes", &self.len).finish()
    }
}
