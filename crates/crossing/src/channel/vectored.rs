//! One message from several places: a header and a payload need not be put together first.

use std::io::IoSlice;
use std::time::{Duration, Instant};

use super::cork::Cork;
use super::sender::Sender;
use crate::error::SendError;
use crate::halves::{Mechanism, Outbound};
use crate::parts;
use crate::wait::Until;

impl<M: Mechanism> Sender<M> {
    /// Sends one message that is put together from `parts`, one behind the other, and waits for room if there is none.
    ///
    /// Each part is copied once, to where a [`send`](Sender::send) copies a whole message. A long message of up to 15 parts
    /// goes through a pipe and through sockets from where its parts are.
    ///
    /// # From which size it pays
    /// On shared memory from 256 B: sent and received, a message of two parts takes 0.8 of the time of one that is put
    /// together first, at 256 B, at 1 KiB and at 4 KiB; below it costs 2 to 3 ns more. On a Unix socket it saves a tenth
    /// from 16 KiB on, and nothing before.
    /// (Record `results/2026-11-29-kvm-epyc-2-cores-forms` of the project.)
    ///
    /// # Errors
    /// Those of [`send`](Sender::send).
    ///
    /// # Examples
    /// ```
    /// use std::io::IoSlice;
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// let parts = [&b"header, "[..], b"payload"].map(IoSlice::new);
    /// here.send_vectored(&parts)?;
    ///
    /// let mut buffer = [0; 64];
    /// let len = there.recv(&mut buffer)?;
    /// assert_eq!(&buffer[..len], b"header, payload");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_vectored(&mut self, parts: &[IoSlice<'_>]) -> Result<(), SendError> {
        self.send_vectored_until(parts, Until::Forever)
    }

    /// Sends one message that is put together from `parts` if there is room now.
    ///
    /// # Errors
    /// Those of [`try_send`](Sender::try_send).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// use std::io::IoSlice;
    /// use crossing::SendError;
    ///
    /// let parts = [&b"header"[..], b"payload"].map(IoSlice::new);
    /// match sender.try_send_vectored(&parts) {
    ///     Err(SendError::Full) => println!("not taken: the peer is behind"),
    ///     outcome => outcome?,
    /// }
    /// # assert_eq!(receiver.skip()?, 13);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_send_vectored(&mut self, parts: &[IoSlice<'_>]) -> Result<(), SendError> {
        self.send_vectored_until(parts, Until::Now)
    }

    /// Sends one message that is put together from `parts` if there is room before `deadline`.
    ///
    /// # Errors
    /// Those of [`send_deadline`](Sender::send_deadline).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// use std::io::IoSlice;
    /// use std::time::{Duration, Instant};
    ///
    /// let deadline = Instant::now() + Duration::from_secs(5);
    /// for payload in [b"one", b"two"] {
    ///     sender.send_vectored_deadline(&[IoSlice::new(b"number "), IoSlice::new(payload)], deadline)?;
    /// }
    /// # assert_eq!([receiver.skip()?, receiver.skip()?], [10, 10]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_vectored_deadline(
        &mut self,
        parts: &[IoSlice<'_>],
        deadline: Instant,
    ) -> Result<(), SendError> {
        self.send_vectored_until(parts, Until::At(deadline))
    }

    /// Sends one message that is put together from `parts` if there is room within `timeout`.
    ///
    /// # Errors
    /// Those of [`send_deadline`](Sender::send_deadline).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// use std::io::IoSlice;
    /// use std::time::Duration;
    ///
    /// let parts = [&b"header"[..], b"payload"].map(IoSlice::new);
    /// sender.send_vectored_timeout(&parts, Duration::from_secs(5))?;
    /// assert_eq!(receiver.skip()?, 13);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_vectored_timeout(
        &mut self,
        parts: &[IoSlice<'_>],
        timeout: Duration,
    ) -> Result<(), SendError> {
        self.send_vectored_until(parts, Until::after(timeout))
    }

    fn send_vectored_until(&mut self, parts: &[IoSlice<'_>], until: Until) -> Result<(), SendError> {
        let len = parts::len(parts);
        self.check(len)?;
        self.ask(until, |outbound, patience| outbound.send_vectored(parts, len, patience))
    }
}

impl<M: Mechanism> Cork<'_, M> {
    /// Puts one message in line that is put together from `parts`. When the line is full it is published, and waits for
    /// room.
    ///
    /// # Errors
    /// Those of [`Sender::send`].
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (mut cork, receiver) = (here.sender().cork(), there.receiver());
    /// use std::io::IoSlice;
    ///
    /// for payload in [b"one", b"two"] {
    ///     cork.send_vectored(&[IoSlice::new(b"number "), IoSlice::new(payload)])?;
    /// }
    /// cork.flush()?; // two messages
    /// assert_eq!(receiver.pending()?.messages, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_vectored(&mut self, parts: &[IoSlice<'_>]) -> Result<(), SendError> {
        self.send_vectored_until(parts, Until::Forever)
    }

    /// Puts one message in line that is put together from `parts`, if there is room in line, or can be made without a wait.
    ///
    /// # Errors
    /// Those of [`Cork::try_send`].
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (mut cork, receiver) = (here.sender().cork(), there.receiver());
    /// use std::io::IoSlice;
    /// use crossing::SendError;
    ///
    /// let parts = [&b"header"[..], b"payload"].map(IoSlice::new);
    /// match cork.try_send_vectored(&parts) {
    ///     Err(SendError::Full) => println!("not taken: the peer is behind"),
    ///     outcome => outcome?,
    /// }
    /// # cork.flush()?;
    /// # assert_eq!(receiver.skip()?, 13);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_send_vectored(&mut self, parts: &[IoSlice<'_>]) -> Result<(), SendError> {
        self.send_vectored_until(parts, Until::Now)
    }

    /// Puts one message in line that is put together from `parts`, if there is room in line before `deadline`.
    ///
    /// # Errors
    /// Those of [`Cork::send_deadline`].
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (mut cork, receiver) = (here.sender().cork(), there.receiver());
    /// use std::io::IoSlice;
    /// use std::time::{Duration, Instant};
    ///
    /// let parts = [&b"header"[..], b"payload"].map(IoSlice::new);
    /// let deadline = Instant::now() + Duration::from_secs(5);
    /// cork.send_vectored_deadline(&parts, deadline)?;
    /// cork.flush_deadline(deadline)?;
    /// # assert_eq!(receiver.skip()?, 13);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_vectored_deadline(
        &mut self,
        parts: &[IoSlice<'_>],
        deadline: Instant,
    ) -> Result<(), SendError> {
        self.send_vectored_until(parts, Until::At(deadline))
    }

    /// Puts one message in line that is put together from `parts`, if there is room in line within `timeout`.
    ///
    /// # Errors
    /// Those of [`Cork::send_deadline`].
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (mut cork, receiver) = (here.sender().cork(), there.receiver());
    /// use std::io::IoSlice;
    /// use std::time::Duration;
    ///
    /// let parts = [&b"header"[..], b"payload"].map(IoSlice::new);
    /// cork.send_vectored_timeout(&parts, Duration::from_secs(5))?;
    /// cork.flush()?;
    /// # assert_eq!(receiver.skip()?, 13);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_vectored_timeout(
        &mut self,
        parts: &[IoSlice<'_>],
        timeout: Duration,
    ) -> Result<(), SendError> {
        self.send_vectored_until(parts, Until::after(timeout))
    }

    fn send_vectored_until(&mut self, parts: &[IoSlice<'_>], until: Until) -> Result<(), SendError> {
        let len = parts::len(parts);
        if self.sender.outbound.goes_alone(len) {
            return self.sender.send_vectored_until(parts, until);
        }
        self.sender.with_room(len, until, |outbound| {
            outbound.claim_in_line(len)?;
            parts::copy(parts, outbound.claimed_in_line_mut(len));
            outbound.commit_in_line(len);
            Ok(())
        })
    }
}
