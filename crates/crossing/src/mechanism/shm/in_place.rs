//! Reading messages in place, from a trusted peer.
//!
//! A [`Receiver`] copies each message out before the program reads it, so that the peer can no
//! longer change it. That copy is most of the cost of a long message. If you know that the peer
//! leaves published messages alone, because it is your own program and sends through this crate,
//! you can avoid the copy: with [`Claim`](crate::Claim) at the other end nothing is copied at all,
//! and a mebibyte takes as long as 64 bytes. A short message costs no more than a copied one.
//!
//! Everything else stays checked: indices, lengths, and the peer's death.

#![allow(unsafe_code)]

use std::fmt;
use std::ops::Deref;
use std::time::{Duration, Instant};

use super::blob::Blob;
use super::{RingReceiver, Shm};
use crate::channel::{Pending, Receiver};
use crate::error::{End, RecvError};
use crate::halves::Inbound;
use crate::owner::Substitute;
use crate::wait::{Until, WaitStrategy};

impl Receiver<Shm> {
    /// Receives in place from now on: messages are read where the peer has written them.
    ///
    /// # From which size it pays
    /// From the smallest on, for a reader that looks at every byte: it takes as long as one that copies first at 16 B, and a
    /// stream takes 0.85 of the time at 64 B and 0.6 at 1 KiB. A reader that looks at a few bytes of
    /// each message gains from 1 KiB on (0.8; 0.6 at 4 KiB), because below the sender's copy is what takes
    /// the time. With [claims](crate::Sender::claim) at the other end nothing is copied, and such a
    /// stream takes 0.4 of the time at 256 B, 0.15 at 1 KiB and 0.1 at 4 KiB. (The record
    /// `results/2026-11-29-kvm-epyc-2-cores` of the project says on which machine, and how it was
    /// measured.)
    ///
    /// # Safety
    /// While a [`Message`] exists, the peer does not write to its bytes. A peer that sends through this crate does not,
    /// because a message's place is given back only when the `Message` is dropped. A peer that is taken over, or writes to
    /// its own region past this crate, could: then bytes change behind a `&[u8]`, which is undefined behaviour *here*.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Connection, Kind, Shm};
    ///
    /// let (mut here, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// let mut receiver = unsafe { there.split().1.trusting() };
    /// let mut claim = here.sender().claim(5)?;
    /// claim.copy_from_slice(b"in it");
    /// claim.commit()?;
    /// assert_eq!(&*receiver.recv()?, b"in it");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub unsafe fn trusting(self) -> TrustedReceiver {
        TrustedReceiver { receiver: self, substitute: Substitute::default() }
    }
}

/// The half of a shared-memory connection that reads messages where they stand: see [`Receiver::trusting`].
///
/// # Examples
/// ```
/// use crossing::{Config, Connection, Kind, Shm, TrustedReceiver};
///
/// /// Adds up what comes, without a copy of it.
/// fn total(receiver: &mut TrustedReceiver) -> u64 {
///     let mut total = 0;
///     while let Ok(message) = receiver.recv() {
///         total += message.iter().map(|byte| u64::from(*byte)).sum::<u64>();
///     }
///     total
/// }
///
/// let (mut here, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
/// // SAFETY: the other end is in this very program, and sends through `crossing`.
/// let mut receiver = unsafe { there.split().1.trusting() };
/// here.send(&[1, 2, 3])?;
/// here.send(&[4])?;
/// drop(here);
/// assert_eq!(total(&mut receiver), 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TrustedReceiver {
    receiver: Receiver<Shm>,
    /// What a forked child reads in place of a message.
    substitute: Substitute,
}

impl TrustedReceiver {
    /// Waits for the next message.
    ///
    /// Of a long message that is written by a plain `send`, nothing is there before all of it is.
    ///
    /// # Errors
    /// Those of [`Receiver::recv`]; never [`TooLong`](RecvError::TooLong).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, RecvError, Shm};
    /// # let (mut sender, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// # let mut receiver = unsafe { there.split().1.trusting() };
    /// sender.send(b"word by word")?;
    /// let message = receiver.recv()?;
    /// let words = message.split(|byte| *byte == b' ').count();
    /// drop(message);                  // its place is the sender's again
    /// assert_eq!(words, 3);
    ///
    /// drop(sender);
    /// assert_eq!(receiver.recv().map(drop), Err(RecvError::Disconnected));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn recv(&mut self) -> Result<Message<'_>, RecvError> {
        self.recv_within(Until::Forever)
    }

    /// The next message, if it is there now.
    ///
    /// # Errors
    /// Those of [`recv`](TrustedReceiver::recv), and [`Empty`](RecvError::Empty).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, RecvError, Shm};
    /// # let (mut sender, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// # let mut receiver = unsafe { there.split().1.trusting() };
    /// assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
    /// sender.send(b"now")?;
    /// assert_eq!(&*receiver.try_recv()?, b"now");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn try_recv(&mut self) -> Result<Message<'_>, RecvError> {
        self.recv_within(Until::Now)
    }

    /// Waits for the next message until `deadline`.
    ///
    /// # Errors
    /// Those of [`recv`](TrustedReceiver::recv), and [`Timeout`](RecvError::Timeout).
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, Instant};
    /// # use crossing::{Config, Connection, Kind, RecvError, Shm};
    /// # let (mut sender, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// # let mut receiver = unsafe { there.split().1.trusting() };
    ///
    /// sender.send(b"in time")?;
    /// let deadline = Instant::now() + Duration::from_millis(20);
    /// let mut bytes = 0;
    /// let end = loop {
    ///     match receiver.recv_deadline(deadline) {
    ///         Ok(message) => bytes += message.len(),
    ///         Err(error) => break error,
    ///     }
    /// };
    /// assert_eq!((bytes, end), (7, RecvError::Timeout));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<Message<'_>, RecvError> {
        self.recv_within(Until::At(deadline))
    }

    /// Waits for the next message for `timeout`.
    ///
    /// # Errors
    /// Those of [`recv_deadline`](TrustedReceiver::recv_deadline).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// # let (mut sender, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// # let mut receiver = unsafe { there.split().1.trusting() };
    ///
    /// sender.send(b"in time")?;
    /// assert_eq!(receiver.recv_timeout(Duration::from_secs(5))?.len(), 7);
    /// let outcome = receiver.recv_timeout(Duration::from_millis(1));
    /// assert!(outcome.is_err_and(|error| error.is_timeout()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Message<'_>, RecvError> {
        self.recv_within(Until::after(timeout))
    }

    #[inline(always)]
    fn recv_within(&mut self, until: Until) -> Result<Message<'_>, RecvError> {
        let open = self.receiver.is_open();
        let at_once = if open { self.receiver.inbound_mut().ring.find_at_once() } else { None };
        let (place, len) = match at_once {
            Some(found) => found,
            None => self.recv_until(until)?,
        };
        Ok(Message { from: self, place, len })
    }

    /// Waits until there is a message, and lends the newest of those that are there. The older ones are dropped; how many
    /// that were is told beside it. See [`Receiver::recv_latest`].
    ///
    /// # Errors
    /// Those of [`recv`](TrustedReceiver::recv).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// # let (mut here, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// # let mut receiver = unsafe { there.split().1.trusting() };
    /// here.send(b"1st picture")?;
    /// here.send(b"2nd picture")?;
    /// let (picture, passed) = receiver.recv_latest()?;
    /// assert_eq!((&*picture, passed), (&b"2nd picture"[..], 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_latest(&mut self) -> Result<(Message<'_>, usize), RecvError> {
        self.recv_latest_until(Until::Forever)
    }

    /// The newest message of those that are there now, if there is one.
    ///
    /// # Errors
    /// Those of [`recv`](TrustedReceiver::recv), and [`Empty`](RecvError::Empty).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, RecvError, Shm};
    /// # let (mut sender, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// # let mut receiver = unsafe { there.split().1.trusting() };
    /// for price in [b"100", b"101", b"103"] {
    ///     sender.send(price)?;
    /// }
    /// match receiver.try_recv_latest() {
    ///     Ok((price, passed)) => assert_eq!((&*price, passed), (&b"103"[..], 2)),
    ///     Err(RecvError::Empty) => { /* the price is what it was */ }
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # assert_eq!(receiver.try_recv_latest().map(drop), Err(RecvError::Empty));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_recv_latest(&mut self) -> Result<(Message<'_>, usize), RecvError> {
        self.recv_latest_until(Until::Now)
    }

    /// Waits until there is a message, at most until `deadline`, and lends the newest.
    ///
    /// # Errors
    /// Those of [`recv`](TrustedReceiver::recv), and [`Timeout`](RecvError::Timeout).
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, Instant};
    /// # use crossing::{Config, Connection, Kind, RecvError, Shm};
    /// # let (mut sender, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// # let mut receiver = unsafe { there.split().1.trusting() };
    ///
    /// sender.send(b"1st")?;
    /// sender.send(b"2nd")?;
    /// let deadline = Instant::now() + Duration::from_secs(5);
    /// let (picture, passed) = receiver.recv_latest_deadline(deadline)?;
    /// assert_eq!((&*picture, passed), (&b"2nd"[..], 1));
    /// # drop(picture);
    /// # assert_eq!(receiver.recv_latest_deadline(Instant::now()).map(drop), Err(RecvError::Timeout));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_latest_deadline(&mut self, deadline: Instant) -> Result<(Message<'_>, usize), RecvError> {
        self.recv_latest_until(Until::At(deadline))
    }

    /// Waits until there is a message, at most for `timeout`, and lends the newest.
    ///
    /// # Errors
    /// Those of [`recv_latest_deadline`](TrustedReceiver::recv_latest_deadline).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// # let (mut sender, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// # let mut receiver = unsafe { there.split().1.trusting() };
    ///
    /// sender.send(b"1st")?;
    /// sender.send(b"2nd")?;
    /// let (picture, passed) = receiver.recv_latest_timeout(Duration::from_secs(5))?;
    /// assert_eq!((&*picture, passed), (&b"2nd"[..], 1));
    /// drop(picture);
    /// let outcome = receiver.recv_latest_timeout(Duration::from_millis(1));
    /// assert!(outcome.is_err_and(|error| error.is_timeout()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_latest_timeout(&mut self, timeout: Duration) -> Result<(Message<'_>, usize), RecvError> {
        self.recv_latest_until(Until::after(timeout))
    }

    fn recv_latest_until(&mut self, until: Until) -> Result<(Message<'_>, usize), RecvError> {
        let ((place, len), passed) = self.receiver.ask(until, |inbound, patience| {
            let passed = inbound.skip_stale(patience)?;
            Ok((inbound.find(patience)?, passed))
        })?;
        Ok((Message { from: self, place, len }, passed))
    }

    /// As [`Receiver::skip`].
    ///
    /// # Errors
    /// Those of [`Receiver::skip`].
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// # let (mut sender, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// # let mut receiver = unsafe { there.split().1.trusting() };
    /// sender.send(b"a header")?;
    /// sender.send(b"the rest")?;
    /// assert_eq!(receiver.skip()?, 8);
    /// assert_eq!(&*receiver.recv()?, b"the rest");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn skip(&mut self) -> Result<usize, RecvError> {
        self.receiver.skip()
    }

    /// As [`Receiver::try_skip`].
    ///
    /// # Errors
    /// Those of [`Receiver::try_skip`].
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, RecvError, Shm};
    /// # let (mut sender, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// # let mut receiver = unsafe { there.split().1.trusting() };
    /// sender.send(b"not wanted")?;
    /// assert_eq!(receiver.try_skip(), Ok(10));
    /// assert_eq!(receiver.try_skip(), Err(RecvError::Empty));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_skip(&mut self) -> Result<usize, RecvError> {
        self.receiver.try_skip()
    }

    /// As [`Receiver::skip_deadline`].
    ///
    /// # Errors
    /// Those of [`Receiver::skip_deadline`].
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, Instant};
    /// # use crossing::{Config, Connection, Kind, RecvError, Shm};
    /// # let (mut sender, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// # let mut receiver = unsafe { there.split().1.trusting() };
    ///
    /// sender.send(b"not wanted")?;
    /// assert_eq!(receiver.skip_deadline(Instant::now() + Duration::from_secs(5)), Ok(10));
    /// assert_eq!(receiver.skip_deadline(Instant::now()), Err(RecvError::Timeout));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn skip_deadline(&mut self, deadline: Instant) -> Result<usize, RecvError> {
        self.receiver.skip_deadline(deadline)
    }

    /// As [`Receiver::skip_timeout`].
    ///
    /// # Errors
    /// Those of [`Receiver::skip_timeout`].
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// # use crossing::{Config, Connection, Kind, RecvError, Shm};
    /// # let (mut sender, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// # let mut receiver = unsafe { there.split().1.trusting() };
    ///
    /// sender.send(b"not wanted")?;
    /// assert_eq!(receiver.skip_timeout(Duration::from_secs(5)), Ok(10));
    /// assert_eq!(receiver.skip_timeout(Duration::from_millis(1)), Err(RecvError::Timeout));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn skip_timeout(&mut self, timeout: Duration) -> Result<usize, RecvError> {
        self.receiver.skip_timeout(timeout)
    }

    /// As [`Receiver::skip_stale`].
    ///
    /// # Errors
    /// Those of [`Receiver::skip_stale`].
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// # let (mut sender, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// # let mut receiver = unsafe { there.split().1.trusting() };
    /// for picture in [b"1st", b"2nd", b"3rd"] {
    ///     sender.send(picture)?;
    /// }
    /// assert_eq!(receiver.skip_stale()?, 2);
    /// assert_eq!(&*receiver.recv()?, b"3rd");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn skip_stale(&mut self) -> Result<usize, RecvError> {
        self.receiver.skip_stale()
    }

    /// As [`Receiver::pending`].
    ///
    /// # Errors
    /// Those of [`Receiver::pending`].
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// # let (mut sender, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// # let mut receiver = unsafe { there.split().1.trusting() };
    /// sender.send(b"one")?;
    /// sender.send(b"two")?;
    /// for _ in 0..receiver.pending()?.messages {
    ///     assert_eq!(receiver.recv()?.len(), 3);      // waits for none of them
    /// }
    /// assert_eq!(receiver.pending()?.messages, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pending(&mut self) -> Result<Pending, RecvError> {
        self.receiver.pending()
    }

    /// As [`Receiver::end`].
    ///
    /// # Examples
    /// ```
    /// use crossing::{End, RecvError};
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// # let (sender, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// # let mut receiver = unsafe { there.split().1.trusting() };
    ///
    /// assert_eq!(receiver.end(), None);
    /// drop(sender);
    /// assert_eq!(receiver.recv().map(drop), Err(RecvError::Disconnected));
    /// match receiver.end() {
    ///     Some(End::Abrupt) => println!("the peer has died: what it meant to send is not there"),
    ///     end => assert_eq!(end, Some(End::Closed)),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn end(&self) -> Option<End> {
        self.receiver.end()
    }

    #[inline(never)]
    fn recv_until(&mut self, until: Until) -> Result<(u64, usize), RecvError> {
        self.receiver.ask(until, RingReceiver::find)
    }

    /// As [`Receiver::recv_blob`].
    ///
    /// # Errors
    /// Those of [`Receiver::recv_blob`].
    ///
    /// # Examples
    /// ```
    /// use crossing::BlobMut;
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// # let (mut sender, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// # let mut receiver = unsafe { there.split().1.trusting() };
    ///
    /// sender.send_blob(&BlobMut::new(5000)?.seal()?)?;
    /// assert_eq!(receiver.recv_blob()?.len(), 5000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_blob(&mut self) -> Result<Blob, RecvError> {
        self.receiver.recv_blob()
    }

    /// As [`Receiver::try_recv_blob`].
    ///
    /// # Errors
    /// Those of [`Receiver::try_recv_blob`].
    ///
    /// # Examples
    /// ```
    /// use crossing::{BlobMut, RecvError};
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// # let (mut sender, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// # let mut receiver = unsafe { there.split().1.trusting() };
    ///
    /// assert_eq!(receiver.try_recv_blob().map(drop), Err(RecvError::Empty));
    /// sender.send_blob(&BlobMut::new(5000)?.seal()?)?;
    /// assert_eq!(receiver.try_recv_blob()?.len(), 5000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_recv_blob(&mut self) -> Result<Blob, RecvError> {
        self.receiver.try_recv_blob()
    }

    /// As [`Receiver::recv_blob_deadline`].
    ///
    /// # Errors
    /// Those of [`Receiver::recv_blob_deadline`].
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, Instant};
    /// use crossing::{BlobMut, RecvError};
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// # let (mut sender, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// # let mut receiver = unsafe { there.split().1.trusting() };
    ///
    /// sender.send_blob(&BlobMut::new(5000)?.seal()?)?;
    /// let deadline = Instant::now() + Duration::from_secs(5);
    /// assert_eq!(receiver.recv_blob_deadline(deadline)?.len(), 5000);
    /// # assert_eq!(receiver.recv_blob_deadline(Instant::now()).map(drop), Err(RecvError::Timeout));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_blob_deadline(&mut self, deadline: Instant) -> Result<Blob, RecvError> {
        self.receiver.recv_blob_deadline(deadline)
    }

    /// Waits for the next blob for `timeout`.
    ///
    /// # Errors
    /// Those of [`recv_blob_deadline`](TrustedReceiver::recv_blob_deadline).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use crossing::BlobMut;
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// # let (mut sender, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// # let mut receiver = unsafe { there.split().1.trusting() };
    ///
    /// sender.send_blob(&BlobMut::new(5000)?.seal()?)?;
    /// assert_eq!(receiver.recv_blob_timeout(Duration::from_secs(5))?.len(), 5000);
    /// let outcome = receiver.recv_blob_timeout(Duration::from_millis(1));
    /// assert!(outcome.is_err_and(|error| error.is_timeout()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_blob_timeout(&mut self, timeout: Duration) -> Result<Blob, RecvError> {
        self.receiver.recv_blob_timeout(timeout)
    }

    /// Back to a receiver that copies each message out. (It is not lent as `&mut Receiver`: safe
    /// code could then swap in another receiver, with an untrusted peer.)
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// # let (mut sender, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// # let mut receiver = unsafe { there.split().1.trusting() };
    /// sender.send(b"read in place")?;
    /// sender.send(b"to be kept")?;
    /// assert_eq!(receiver.recv()?.len(), 13);
    /// let mut kept = Vec::new();
    /// receiver.copying().recv_vec(&mut kept)?;
    /// assert_eq!(kept, b"to be kept");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn copying(self) -> Receiver<Shm> {
        self.receiver
    }

    /// The longest message that both ends agreed on, in bytes.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// let config = Config::default().max_message(1000);
    /// let (here, there) = Connection::<Shm>::pair_as(Kind::Shm, &config)?;
    /// // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// let receiver = unsafe { there.split().1.trusting() };
    /// assert_eq!(receiver.max_message(), 1000);
    /// # drop(here);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_message(&self) -> usize {
        self.receiver.max_message()
    }

    /// How this half waits from now on.
    ///
    /// # Examples
    /// ```
    /// use crossing::WaitStrategy;
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// # let (mut sender, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # // SAFETY: the other end is in this very program, and sends through `crossing`.
    /// # let mut receiver = unsafe { there.split().1.trusting() };
    ///
    /// // From now on messages are rare: sleep, and leave the core to others.
    /// receiver.set_wait(WaitStrategy::Block);
    /// sender.send(b"rare")?;
    /// assert_eq!(&*receiver.recv()?, b"rare");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_wait(&mut self, wait: WaitStrategy) {
        self.receiver.set_wait(wait);
    }
}

/// A message where its sender has written it. Dropping it gives the place back to the sender; until
/// then its bytes take room in the ring. A leaked one is received again.
///
/// In a child that was forked while there was a message, its copy shows zeros: the place is kept for the parent alone, and
/// the peer may write there as soon as the parent has dropped it.
///
/// # Examples
/// ```
/// # use crossing::{Config, Connection, Kind, Shm};
/// # let (mut sender, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
/// # // SAFETY: the other end is in this very program, and sends through `crossing`.
/// # let mut receiver = unsafe { there.split().1.trusting() };
/// sender.send(&7_u32.to_le_bytes())?;
/// let message = receiver.recv()?;         // a `Message`, which is used as a slice
/// let number = u32::from_le_bytes(message[..4].try_into()?);
/// drop(message);                          // gives the place back
/// assert_eq!(number, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Message<'a> {
    from: &'a mut TrustedReceiver,
    place: u64,
    len: usize,
}

impl Deref for Message<'_> {
    type Target = [u8];
    #[inline(always)]
    fn deref(&self) -> &[u8] {
        if !self.from.receiver.is_mine() {
            return self.from.substitute.bytes(self.len);
        }
        // SAFETY: the ring has found this message published, and it is given back only when this value goes; that the peer
        // does not write to it until then was promised to `Receiver::trusting`.
        unsafe { self.from.receiver.inbound().ring.memory().published(self.place, self.len) }
    }
}

impl Drop for Message<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // In a forked child there is nothing to give back, and no place to say so.
        if self.from.receiver.is_mine() {
            self.from.receiver.inbound_mut().ring.leave_found();
        }
    }
}

impl fmt::Debug for TrustedReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedReceiver").field("max_message", &self.max_message()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("bytes", &self.len).finish()
    }
}
