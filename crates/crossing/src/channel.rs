//! The contract: a connection, its two halves, and the ways to send and receive.
//!
//! Everything here holds for every mechanism; `tests/contract.rs` is the list of sentences, run for each of
//! them within one process and between two.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::endpoint::Endpoint;
use crate::error::{ConnectError, RecvError, SendError, Violation};
use crate::mechanism::{Any, Inbound, Kind, Mechanism, Opened, Outbound};
use crate::wait::{Patience, Until, WaitStrategy};

/// A full-duplex connection to the peer. [Split](Connection::split) it to send and receive from two threads.
///
/// `M` is the mechanism; [`Any`] is chosen at run time.
///
/// # Examples
/// ```
/// use crossing::{Config, Connection, Kind};
///
/// let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
/// here.send(b"ping")?;
/// let mut buffer = [0; 64];
/// let len = there.recv(&mut buffer)?;
/// assert_eq!(&buffer[..len], b"ping");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Connection<M: Mechanism = Any> {
    sender: Sender<M>,
    receiver: Receiver<M>,
}

impl Connection<Any> {
    /// Two connected ends in this process: for threads, and for tests.
    ///
    /// # Errors
    /// See [`Endpoint::connect`].
    pub fn pair(kind: Kind, config: &Config) -> Result<(Connection, Connection), ConnectError> {
        Connection::pair_as(kind, config)
    }
}

impl<M: Mechanism> Connection<M> {
    /// Like [`Connection::pair`], for a mechanism known at compile time.
    ///
    /// # Errors
    /// See [`Endpoint::connect`].
    pub fn pair_as(kind: Kind, config: &Config) -> Result<(Connection<M>, Connection<M>), ConnectError> {
        let (here, there) = Endpoint::pair(kind)?;
        std::thread::scope(|scope| {
            let there = scope.spawn(|| there.connect_as::<M>(config));
            let here = here.connect_as::<M>(config);
            let there = there.join().map_err(|_| ConnectError::Disconnected)?;
            Ok((here?, there?))
        })
    }

    pub(crate) fn new(opened: Opened<M::Outbound, M::Inbound>, wait: WaitStrategy) -> Self {
        let Opened { outbound, inbound, one_core } = opened;
        let patience = Patience::new(wait, one_core);
        Connection {
            sender: Sender { outbound, patience, poisoned: None },
            receiver: Receiver { inbound, patience, poisoned: None },
        }
    }

    /// The two halves. Dropping a half closes its direction; dropping both ends the connection.
    pub fn split(self) -> (Sender<M>, Receiver<M>) {
        (self.sender, self.receiver)
    }

    /// The sending half.
    pub fn sender(&mut self) -> &mut Sender<M> {
        &mut self.sender
    }

    /// The receiving half.
    pub fn receiver(&mut self) -> &mut Receiver<M> {
        &mut self.receiver
    }

    /// See [`Sender::send`].
    ///
    /// # Errors
    /// See there.
    #[inline(always)]
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.sender.send(message)
    }

    /// See [`Receiver::recv`].
    ///
    /// # Errors
    /// See there.
    #[inline(always)]
    pub fn recv(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        self.receiver.recv(buffer)
    }

    /// Gathers messages; see [`Sender::cork`]. Receiving through the corked connection publishes first.
    pub fn cork(&mut self) -> CorkedConnection<'_, M> {
        CorkedConnection { cork: Cork { sender: &mut self.sender }, receiver: &mut self.receiver }
    }

    /// The longest message that both ends agreed on, in bytes.
    pub fn max_message(&self) -> usize {
        self.sender.max_message()
    }

    /// How both halves wait from now on.
    pub fn set_wait(&mut self, wait: WaitStrategy) {
        self.sender.set_wait(wait);
        self.receiver.set_wait(wait);
    }
}

/// The half of a connection that sends.
///
/// A plain `send` publishes at once. To let many messages share one system call, or one publication,
/// [cork](Sender::cork) it. Dropping the sender ends its direction: the peer receives what was sent, then
/// [`Disconnected`](RecvError::Disconnected).
pub struct Sender<M: Mechanism = Any> {
    outbound: M::Outbound,
    patience: Patience,
    poisoned: Option<Violation>,
}

impl<M: Mechanism> Sender<M> {
    /// Sends a message, and waits for room if there is none.
    ///
    /// That it returns says that the message is published: the peer can receive it even if this process dies
    /// now. It does not say that anybody has received it.
    ///
    /// # Errors
    /// [`TooLong`](SendError::TooLong), [`Disconnected`](SendError::Disconnected),
    /// [`Poisoned`](SendError::Poisoned), [`Io`](SendError::Io).
    #[inline(always)]
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        if self.sends_at_once(message) { Ok(()) } else { self.send_until(message, Until::Forever) }
    }

    /// Sends a message if there is room now.
    ///
    /// # Errors
    /// Those of [`send`](Sender::send); [`Full`](SendError::Full); on a pipe and on sockets
    /// [`Unfinished`](SendError::Unfinished).
    #[inline(always)]
    pub fn try_send(&mut self, message: &[u8]) -> Result<(), SendError> {
        if self.sends_at_once(message) { Ok(()) } else { self.send_until(message, Until::Now) }
    }

    /// Sends a message if there is room before `deadline`.
    ///
    /// # Errors
    /// Those of [`send`](Sender::send); [`Timeout`](SendError::Timeout); on a pipe and on sockets
    /// [`Unfinished`](SendError::Unfinished).
    pub fn send_deadline(&mut self, message: &[u8], deadline: Instant) -> Result<(), SendError> {
        self.send_until(message, Until::At(deadline))
    }

    /// Sends a message if there is room within `timeout`.
    ///
    /// # Errors
    /// See [`send_deadline`](Sender::send_deadline).
    pub fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.send_until(message, Until::after(timeout))
    }

    #[inline(always)]
    fn sends_at_once(&mut self, message: &[u8]) -> bool {
        self.may_send(message.len()) && self.outbound.send_at_once(message)
    }

    #[inline(always)]
    fn may_send(&self, len: usize) -> bool {
        len <= self.outbound.max_message() && self.poisoned.is_none()
    }

    #[inline(never)]
    fn send_until(&mut self, message: &[u8], until: Until) -> Result<(), SendError> {
        self.check(message.len())?;
        self.ask(until, |outbound, patience| outbound.send(message, patience))
    }

    /// Asks the mechanism for something, unless the connection is over; and ends it when the peer broke the protocol.
    pub(crate) fn ask(
        &mut self,
        until: Until,
        ask: impl FnOnce(&mut M::Outbound, &mut Patience) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        if let Some(violation) = self.poisoned {
            return Err(SendError::Poisoned(violation));
        }
        let outcome = ask(&mut self.outbound, self.patience.until(until));
        self.judge(outcome)
    }

    /// Room for a message of `len` bytes, to be written in place: on shared memory that is the ring itself.
    /// The room holds arbitrary bytes. Nothing is sent until [`Claim::commit`].
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
    pub fn claim(&mut self, len: usize) -> Result<Claim<'_, M>, SendError> {
        self.claim_until(len, Until::Forever)
    }

    /// Room for a message of `len` bytes, if there is any now.
    ///
    /// # Errors
    /// Those of [`try_send`](Sender::try_send).
    pub fn try_claim(&mut self, len: usize) -> Result<Claim<'_, M>, SendError> {
        self.claim_until(len, Until::Now)
    }

    fn claim_until(&mut self, len: usize, until: Until) -> Result<Claim<'_, M>, SendError> {
        self.check(len)?;
        loop {
            let outcome = match self.outbound.claim(len) {
                Ok(()) => return Ok(Claim { sender: self }),
                Err(SendError::Full) => self.outbound.wait_room(len, self.patience.until(until)),
                Err(error) => Err(error),
            };
            self.judge(outcome)?;
        }
    }

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

    /// Finishes what an [`Unfinished`](SendError::Unfinished) send left behind.
    ///
    /// # Errors
    /// [`Disconnected`](SendError::Disconnected), [`Io`](SendError::Io).
    pub fn flush(&mut self) -> Result<(), SendError> {
        self.flush_until(Until::Forever)
    }

    /// The same, without waiting.
    ///
    /// # Errors
    /// Those of [`flush`](Sender::flush), and [`Full`](SendError::Full).
    pub fn try_flush(&mut self) -> Result<(), SendError> {
        self.flush_until(Until::Now)
    }

    fn flush_until(&mut self, until: Until) -> Result<(), SendError> {
        let outcome = self.outbound.publish(self.patience.until(until));
        self.judge(outcome)
    }

    /// The longest message that both ends agreed on, in bytes.
    pub fn max_message(&self) -> usize {
        self.outbound.max_message()
    }

    /// How large the kernel's buffer is at the moment that this half sends into, as the kernel counts. `None` on shared
    /// memory, which has none, and when the kernel does not say.
    ///
    /// On a pipe that is its size (F_GETPIPE_SZ). On sockets it is SO_SNDBUF, twice what was asked for, because the
    /// kernel counts its own overhead as well; on TCP it grows while the kernel tunes it.
    pub fn kernel_buffer_bytes(&self) -> Option<usize> {
        self.outbound.kernel_buffer_bytes()
    }

    /// How this half waits from now on.
    pub fn set_wait(&mut self, wait: WaitStrategy) {
        self.patience.set_strategy(wait);
    }

    #[inline]
    fn check(&self, len: usize) -> Result<(), SendError> {
        let max = self.outbound.max_message();
        if len > max {
            return Err(SendError::TooLong { len, max });
        }
        if let Some(violation) = self.poisoned {
            return Err(SendError::Poisoned(violation));
        }
        Ok(())
    }

    #[inline]
    fn judge(&mut self, outcome: Result<(), SendError>) -> Result<(), SendError> {
        if let Err(SendError::Poisoned(violation)) = outcome {
            self.poisoned = Some(violation);
            self.outbound.hang_up();
        }
        outcome
    }
}

/// The half of a connection that receives.
///
/// Dropping it tells the peer's sender, whose sends then end in [`Disconnected`](SendError::Disconnected); on
/// TCP that is told only when both halves are gone.
pub struct Receiver<M: Mechanism = Any> {
    inbound: M::Inbound,
    patience: Patience,
    poisoned: Option<Violation>,
}

impl<M: Mechanism> Receiver<M> {
    /// Waits for the next message, copies it into `buffer` and returns its length in bytes.
    ///
    /// # Errors
    /// [`TooLong`](RecvError::TooLong) when the buffer is too short, the message being kept;
    /// [`Disconnected`](RecvError::Disconnected), [`Poisoned`](RecvError::Poisoned),
    /// [`Io`](RecvError::Io).
    #[inline(always)]
    pub fn recv(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        match self.recv_at_once(buffer) {
            Some(len) => Ok(len),
            None => self.recv_until(buffer, Until::Forever),
        }
    }

    /// Takes the next message if there is one now.
    ///
    /// # Errors
    /// Those of [`recv`](Receiver::recv), and [`Empty`](RecvError::Empty).
    #[inline(always)]
    pub fn try_recv(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        match self.recv_at_once(buffer) {
            Some(len) => Ok(len),
            None => self.recv_until(buffer, Until::Now),
        }
    }

    /// Waits for the next message until `deadline`.
    ///
    /// # Errors
    /// Those of [`recv`](Receiver::recv), and [`Timeout`](RecvError::Timeout).
    pub fn recv_deadline(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, RecvError> {
        self.recv_until(buffer, Until::At(deadline))
    }

    /// Waits for the next message for `timeout`.
    ///
    /// # Errors
    /// Those of [`recv_deadline`](Receiver::recv_deadline).
    pub fn recv_timeout(&mut self, buffer: &mut [u8], timeout: Duration) -> Result<usize, RecvError> {
        self.recv_until(buffer, Until::after(timeout))
    }

    #[inline(always)]
    fn recv_at_once(&mut self, buffer: &mut [u8]) -> Option<usize> {
        if self.poisoned.is_some() { None } else { self.inbound.recv_at_once(buffer) }
    }

    #[inline(never)]
    fn recv_until(&mut self, buffer: &mut [u8], until: Until) -> Result<usize, RecvError> {
        self.ask(until, |inbound, patience| inbound.recv(buffer, patience))
    }

    /// Asks the mechanism for something, unless the connection is over; and ends it when the peer broke the protocol.
    #[inline]
    pub(crate) fn ask<T>(
        &mut self,
        until: Until,
        ask: impl FnOnce(&mut M::Inbound, &mut Patience) -> Result<T, RecvError>,
    ) -> Result<T, RecvError> {
        if let Some(violation) = self.poisoned {
            return Err(RecvError::Poisoned(violation));
        }
        let outcome = ask(&mut self.inbound, self.patience.until(until));
        if let Err(RecvError::Poisoned(violation)) = outcome {
            self.poisoned = Some(violation);
            self.inbound.hang_up();
        }
        outcome
    }

    /// What the mechanism receives with.
    pub(crate) fn inbound(&self) -> &M::Inbound {
        &self.inbound
    }

    /// The same, to change it.
    pub(crate) fn inbound_mut(&mut self) -> &mut M::Inbound {
        &mut self.inbound
    }

    /// The longest message that both ends agreed on, in bytes: a buffer of this length fits every message.
    pub fn max_message(&self) -> usize {
        self.inbound.max_message()
    }

    /// How this half waits from now on.
    pub fn set_wait(&mut self, wait: WaitStrategy) {
        self.patience.set_strategy(wait);
    }
}

/// Room for one message, written in place. Dropped without a [commit](Claim::commit), it is given back and
/// nothing is sent.
pub struct Claim<'a, M: Mechanism = Any> {
    sender: &'a mut Sender<M>,
}

impl<M: Mechanism> Claim<'_, M> {
    /// Sends the message that was written.
    ///
    /// # Errors
    /// Those of [`Sender::send`].
    pub fn commit(self) -> Result<(), SendError> {
        self.sender.outbound.commit();
        self.sender.flush()
    }
}

impl<M: Mechanism> Drop for Claim<'_, M> {
    fn drop(&mut self) {
        // After a commit there is nothing to give back.
        self.sender.outbound.abandon();
    }
}

/// Messages that are gathered and published together. Dropping it publishes what it holds, and waits for room
/// if it must.
pub struct Cork<'a, M: Mechanism = Any> {
    sender: &'a mut Sender<M>,
}

impl<M: Mechanism> Cork<'_, M> {
    /// Puts a message in line. When the line is full it is published, and waits for room.
    ///
    /// # Errors
    /// Those of [`Sender::send`].
    #[inline(always)]
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        let sender = &mut *self.sender;
        let staged = sender.may_send(message.len()) && sender.outbound.stage_at_once(message);
        if staged { Ok(()) } else { self.send_slowly(message) }
    }

    #[inline(never)]
    fn send_slowly(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.sender.check(message.len())?;
        loop {
            let outcome = match self.sender.outbound.stage(message) {
                Err(SendError::Full) => {
                    let Sender { outbound, patience, .. } = &mut *self.sender;
                    outbound.wait_room(message.len(), patience.until(Until::Forever))
                }
                outcome => return self.sender.judge(outcome),
            };
            self.sender.judge(outcome)?;
        }
    }

    /// Publishes everything in line.
    ///
    /// # Errors
    /// Those of [`Sender::send`].
    pub fn flush(&mut self) -> Result<(), SendError> {
        self.sender.flush()
    }
}

impl<M: Mechanism> Drop for Cork<'_, M> {
    fn drop(&mut self) {
        // Who wants to know flushes.
        let _ = self.flush();
    }
}

/// A connection whose sends are gathered: see [`Connection::cork`].
pub struct CorkedConnection<'a, M: Mechanism = Any> {
    cork: Cork<'a, M>,
    receiver: &'a mut Receiver<M>,
}

impl<M: Mechanism> CorkedConnection<'_, M> {
    /// See [`Cork::send`].
    ///
    /// # Errors
    /// See there.
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.cork.send(message)
    }

    /// See [`Cork::flush`].
    ///
    /// # Errors
    /// See there.
    pub fn flush(&mut self) -> Result<(), SendError> {
        self.cork.flush()
    }

    /// Publishes everything in line, then waits for the next message as [`Receiver::recv`] does: who waits
    /// for an answer has asked first.
    ///
    /// # Errors
    /// Those of [`Receiver::recv`].
    pub fn recv(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        // That it cannot be sent any more is told by the next send; what has come can still be received.
        let _ = self.flush();
        self.receiver.recv(buffer)
    }
}

impl<M: Mechanism> Deref for Claim<'_, M> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.sender.outbound.claimed()
    }
}

impl<M: Mechanism> DerefMut for Claim<'_, M> {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.sender.outbound.claimed_mut()
    }
}

impl<M: Mechanism> fmt::Debug for Connection<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("max_message", &self.max_message()).finish_non_exhaustive()
    }
}

impl<M: Mechanism> fmt::Debug for Sender<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("max_message", &self.max_message()).finish_non_exhaustive()
    }
}

impl<M: Mechanism> fmt::Debug for Receiver<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("max_message", &self.max_message()).finish_non_exhaustive()
    }
}

impl<M: Mechanism> fmt::Debug for Claim<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("bytes", &self.len()).finish()
    }
}

impl<M: Mechanism> fmt::Debug for CorkedConnection<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CorkedConnection").finish_non_exhaustive()
    }
}

impl<M: Mechanism> fmt::Debug for Cork<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cork").finish_non_exhaustive()
    }
}
