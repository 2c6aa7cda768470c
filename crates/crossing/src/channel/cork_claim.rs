//! A claim through a cork: a message that is written where the others are gathered.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use super::cork::Cork;
use super::sender::Sender;
use crate::error::SendError;
use crate::halves::{Any, Mechanism, Outbound};
use crate::wait::Until;

impl<M: Mechanism> Cork<'_, M> {
    /// Room in line for a message of `len` bytes, to be written in place. When the line is full it is published, and waits for
    /// room. The room holds arbitrary bytes. Nothing is put in line until [`CorkClaim::commit`].
    ///
    /// # From which size it pays
    /// On shared memory from 1 KiB, where the room is in the ring itself: 0.8 of the time of [`Cork::send`]. Below it is in
    /// the line, from where it is copied into the ring, and costs 2 to 3 ns more than a message that is copied into the
    /// line. (Record `results/2026-11-29-kvm-epyc-2-cores-forms` of the project.)
    ///
    /// # Errors
    /// Those of [`Sender::send`].
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// let mut cork = here.sender().cork();
    /// for number in 0..3_u32 {
    ///     let mut claim = cork.claim(4)?;
    ///     claim.copy_from_slice(&number.to_le_bytes());
    ///     claim.commit()?;
    /// }
    /// cork.flush()?; // one publication
    /// # for _ in 0..3 { assert_eq!(there.recv(&mut [0; 8])?, 4); }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn claim(&mut self, len: usize) -> Result<CorkClaim<'_, M>, SendError> {
        self.claim_until(len, Until::Forever)
    }

    /// Room in line for a message of `len` bytes, if there is any, or can be made without a wait.
    ///
    /// # Errors
    /// Those of [`Sender::send`], and [`Full`](SendError::Full).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (mut cork, receiver) = (here.sender().cork(), there.receiver());
    /// if let Ok(mut claim) = cork.try_claim(8) {
    ///     claim.copy_from_slice(&42_u64.to_le_bytes());
    ///     claim.commit()?;
    /// }
    /// cork.flush()?;
    /// # assert_eq!(receiver.skip()?, 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_claim(&mut self, len: usize) -> Result<CorkClaim<'_, M>, SendError> {
        self.claim_until(len, Until::Now)
    }

    /// Room in line for a message of `len` bytes, if there is any before `deadline`.
    ///
    /// # Errors
    /// Those of [`Sender::send`], and [`Timeout`](SendError::Timeout).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (mut cork, receiver) = (here.sender().cork(), there.receiver());
    /// use std::time::{Duration, Instant};
    ///
    /// let deadline = Instant::now() + Duration::from_secs(5);
    /// for number in 0..3_u64 {
    ///     let mut claim = cork.claim_deadline(8, deadline)?;
    ///     claim.copy_from_slice(&number.to_le_bytes());
    ///     claim.commit()?;
    /// }
    /// cork.flush_deadline(deadline)?;
    /// # assert_eq!(receiver.pending()?.messages, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn claim_deadline(&mut self, len: usize, deadline: Instant) -> Result<CorkClaim<'_, M>, SendError> {
        self.claim_until(len, Until::At(deadline))
    }

    /// Room in line for a message of `len` bytes, if there is any within `timeout`.
    ///
    /// # Errors
    /// See [`claim_deadline`](Cork::claim_deadline).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (mut cork, receiver) = (here.sender().cork(), there.receiver());
    /// use std::time::Duration;
    ///
    /// let mut claim = cork.claim_timeout(1024, Duration::from_secs(5))?;
    /// claim.fill(7);
    /// claim.commit()?;
    /// cork.flush()?;
    /// # assert_eq!(receiver.skip()?, 1024);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn claim_timeout(&mut self, len: usize, timeout: Duration) -> Result<CorkClaim<'_, M>, SendError> {
        self.claim_until(len, Until::after(timeout))
    }

    fn claim_until(&mut self, len: usize, until: Until) -> Result<CorkClaim<'_, M>, SendError> {
        self.sender.with_room(len, until, |outbound| outbound.claim_in_line(len))?;
        Ok(CorkClaim { sender: self.sender, len })
    }
}

/// Room for one message among those that a cork has gathered: see [`Cork::claim`]. Dropped without a
/// [commit](CorkClaim::commit), it is given back and nothing is put in line.
///
/// In a child that was forked while there was one, the copy is memory of the child's own: bytes written there go nowhere,
/// and the commit fails with [`Forked`](SendError::Forked).
///
/// # Examples
/// ```
/// # use crossing::{Config, Connection, Kind};
/// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
/// # let (mut cork, receiver) = (here.sender().cork(), there.receiver());
/// let mut claim = cork.claim(8)?;
/// claim[..4].copy_from_slice(b"even");
/// claim[4..].copy_from_slice(b"more");
/// claim.commit()?;
/// cork.flush()?;
/// # let mut message = Vec::new();
/// # receiver.recv_vec(&mut message)?;
/// # assert_eq!(message, b"evenmore");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CorkClaim<'a, M: Mechanism = Any> {
    sender: &'a mut Sender<M>,
    len: usize,
}

impl<M: Mechanism> CorkClaim<'_, M> {
    /// Puts the message that was written in line. It never waits: the room was there when it was granted. On shared memory a
    /// message that is too long for any line is published by itself.
    ///
    /// # Errors
    /// [`Poisoned`](SendError::Poisoned), [`Forked`](SendError::Forked).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (mut cork, receiver) = (here.sender().cork(), there.receiver());
    /// drop(cork.claim(8)?); // nothing is put in line
    /// let mut claim = cork.claim(3)?;
    /// claim.copy_from_slice(b"abc");
    /// claim.commit()?;
    /// cork.flush()?;
    /// assert_eq!(receiver.recv(&mut [0; 64])?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn commit(self) -> Result<(), SendError> {
        self.sender.gate.pass()?;
        self.sender.outbound.commit_in_line(self.len);
        Ok(())
    }
}

impl<M: Mechanism> Drop for CorkClaim<'_, M> {
    fn drop(&mut self) {
        // After a commit there is nothing to give back.
        self.sender.outbound.abandon();
    }
}

impl<M: Mechanism> Deref for CorkClaim<'_, M> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.sender.outbound.claimed_in_line(self.len)
    }
}

impl<M: Mechanism> DerefMut for CorkClaim<'_, M> {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.sender.outbound.claimed_in_line_mut(self.len)
    }
}

impl<M: Mechanism> fmt::Debug for CorkClaim<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CorkClaim").field("bytes", &self.len).finish()
    }
}
