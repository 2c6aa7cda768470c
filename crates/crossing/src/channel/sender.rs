//! The sending half: every form of a send, and what becomes of an error.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use super::gate::Gate;
use crate::error::{End, SendError};
use crate::halves::{Any, Mechanism, Outbound};
use crate::kind::Kind;
use crate::owner::Owner;
use crate::stopper::Stopper;
use crate::wait::{Patience, Until, WaitStrategy};

/// The half of a connection that sends.
///
/// A plain `send` publishes at once. To let many messages share one system call, or one publication,
/// [cork](Sender::cork) it.
///
/// Dropping the sender ends its direction: the peer receives what was sent, then
/// [`Disconnected`](crate::RecvError::Disconnected), and can ask [whether it was
/// closed](crate::Receiver::end). The drop first sends what is still in line. If there is no room,
/// it waits at most [`Config::linger`](crate::Config::linger); the rest is then lost, and the peer
/// sees an abrupt end. On TCP dropping the last half waits, within the same limit, for everything
/// sent to arrive. A drop in a panic or in a forked child never waits.
///
/// # Examples
/// ```
/// # use crossing::{Config, Connection, Kind};
/// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
/// let (mut log, _) = here.split();
/// let working = std::thread::spawn(move || log.send(b"started"));
/// # working.join().expect("no panic")?;
/// // The thread has dropped its sender: that was the last message.
/// let mut lines = there.receiver().messages();
/// assert_eq!(lines.next().transpose()?, Some(b"started".to_vec()));
/// assert_eq!(lines.next(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sender<M: Mechanism = Any> {
    kind: Kind,
    pub(super) outbound: M::Outbound,
    pub(super) gate: Gate,
    patience: Patience,
    /// How long dropping it may wait.
    linger: Duration,
    /// How it ended, once a call has told it, as far as that call knew.
    end: Option<End>,
}

impl<M: Mechanism> Sender<M> {
    pub(super) fn new(
        kind: Kind,
        outbound: M::Outbound,
        patience: Patience,
        linger: Duration,
        owner: Owner,
    ) -> Self {
        Sender { kind, outbound, gate: Gate::new(owner), patience, linger, end: None }
    }

    /// Sends a message, and waits for room if there is none.
    ///
    /// When it returns, the message is published: the peer can receive it even if this process dies
    /// now. It does not mean that the peer has received it.
    ///
    /// # Errors
    /// [`TooLong`](SendError::TooLong), [`Disconnected`](SendError::Disconnected), [`Reset`](SendError::Reset),
    /// [`Poisoned`](SendError::Poisoned), [`Forked`](SendError::Forked), [`Io`](SendError::Io).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// sender.send(b"ping")?;
    /// sender.send(b"")?; // an empty message is a message
    /// assert_eq!(receiver.recv(&mut [0; 64])?, 4);
    /// assert_eq!(receiver.recv(&mut [0; 64])?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        if self.sends_at_once(message) { Ok(()) } else { self.send_until(message, Until::Forever) }
    }

    /// Sends a message if there is room now.
    ///
    /// # Errors
    /// Those of [`send`](Sender::send); [`Full`](SendError::Full); on a pipe and on sockets
    /// [`Unfinished`](SendError::Unfinished).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// use crossing::SendError;
    ///
    /// match sender.try_send(b"if there is room") {
    ///     Ok(()) | Err(SendError::Unfinished) => {} // taken
    ///     Err(SendError::Full) => println!("not taken: the peer is behind"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # assert_eq!(receiver.recv(&mut [0; 64])?, 16);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn try_send(&mut self, message: &[u8]) -> Result<(), SendError> {
        if self.sends_at_once(message) { Ok(()) } else { self.send_until(message, Until::Now) }
    }

    /// Sends a message if there is room before `deadline`.
    ///
    /// # Errors
    /// Those of [`send`](Sender::send); [`Timeout`](SendError::Timeout); on a pipe and on sockets
    /// [`Unfinished`](SendError::Unfinished).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// use std::time::{Duration, Instant};
    ///
    /// // All of it within five seconds.
    /// let deadline = Instant::now() + Duration::from_secs(5);
    /// for row in [b"one", b"two"] {
    ///     sender.send_deadline(row, deadline)?;
    /// }
    /// # assert_eq!(receiver.pending()?.messages, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_deadline(&mut self, message: &[u8], deadline: Instant) -> Result<(), SendError> {
        self.send_until(message, Until::At(deadline))
    }

    /// Sends a message if there is room within `timeout`.
    ///
    /// # Errors
    /// See [`send_deadline`](Sender::send_deadline).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// use std::time::Duration;
    /// use crossing::SendError;
    ///
    /// # while sender.try_send(b"more").is_ok() {}
    /// match sender.send_timeout(b"news", Duration::from_millis(1)) {
    ///     Err(SendError::Timeout) => println!("not taken: the peer receives nothing"),
    ///     outcome => outcome?,
    /// }
    /// # assert_eq!(sender.try_send(b"news"), Err(SendError::Full));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.send_until(message, Until::after(timeout))
    }

    #[inline(always)]
    pub(crate) fn sends_at_once(&mut self, message: &[u8]) -> bool {
        self.may_send(message.len()) && self.outbound.send_at_once(message)
    }

    #[inline(always)]
    pub(super) fn may_send(&self, len: usize) -> bool {
        len <= self.outbound.max_message() && self.gate.is_open()
    }

    #[inline(never)]
    pub(super) fn send_until(&mut self, message: &[u8], until: Until) -> Result<(), SendError> {
        self.check(message.len())?;
        self.ask(until, |outbound, patience| outbound.send(message, patience))
    }

    /// Asks the mechanism for something, unless the connection is over; and ends it when the peer broke the protocol.
    pub(crate) fn ask(
        &mut self,
        until: Until,
        ask: impl FnOnce(&mut M::Outbound, &mut Patience) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        self.gate.pass()?;
        let outcome = ask(&mut self.outbound, self.patience.until(until));
        self.judge(outcome)
    }

    /// What the mechanism sends with.
    pub(crate) fn outbound_mut(&mut self) -> &mut M::Outbound {
        &mut self.outbound
    }

    /// Does `ask` for a message of `len` bytes, and waits for room as often as there is none.
    #[inline]
    pub(super) fn with_room(
        &mut self,
        len: usize,
        until: Until,
        mut ask: impl FnMut(&mut M::Outbound) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        self.check(len)?;
        loop {
            let outcome = match ask(&mut self.outbound) {
                Err(SendError::Full) => self.outbound.wait_room(len, self.patience.until(until)),
                outcome => return self.judge(outcome),
            };
            self.judge(outcome)?;
        }
    }

    /// Publishes what is in line: what an [`Unfinished`](SendError::Unfinished) send or commit, or a cork that was dropped, left
    /// behind.
    ///
    /// # Errors
    /// [`Disconnected`](SendError::Disconnected), [`Reset`](SendError::Reset), [`Poisoned`](SendError::Poisoned), [`Forked`](SendError::Forked),
    /// [`Io`](SendError::Io).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// # while sender.try_send(b"more").is_ok() {}
    /// sender.cork().send(b"last")?; // a cork dropped into a full channel: it stays in line
    /// # assert!(sender.has_in_line());
    /// # while receiver.try_skip().is_ok() {}
    /// sender.flush()?; // the peer has made room
    /// assert_eq!(receiver.recv(&mut [0; 64])?, 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flush(&mut self) -> Result<(), SendError> {
        self.flush_until(Until::Forever)
    }

    /// The same, without waiting.
    ///
    /// # Errors
    /// Those of [`flush`](Sender::flush), and [`Full`](SendError::Full).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// use crossing::SendError;
    ///
    /// # while sender.try_send(b"more").is_ok() {}
    /// # sender.cork().send(b"last")?;
    /// if sender.try_flush() == Err(SendError::Full) {
    ///     println!("some of it waits in line for room");
    /// }
    /// # assert!(sender.has_in_line());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_flush(&mut self) -> Result<(), SendError> {
        self.flush_until(Until::Now)
    }

    /// The same, until `deadline`.
    ///
    /// # Errors
    /// Those of [`flush`](Sender::flush), and [`Timeout`](SendError::Timeout).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// use std::time::{Duration, Instant};
    ///
    /// sender.flush_deadline(Instant::now() + Duration::from_secs(5))?;
    /// assert!(!sender.has_in_line());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flush_deadline(&mut self, deadline: Instant) -> Result<(), SendError> {
        self.flush_until(Until::At(deadline))
    }

    /// The same, for `timeout`.
    ///
    /// # Errors
    /// See [`flush_deadline`](Sender::flush_deadline).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// use std::time::Duration;
    ///
    /// sender.flush_timeout(Duration::from_secs(5))?;
    /// assert!(!sender.has_in_line());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flush_timeout(&mut self, timeout: Duration) -> Result<(), SendError> {
        self.flush_until(Until::after(timeout))
    }

    pub(super) fn flush_until(&mut self, until: Until) -> Result<(), SendError> {
        self.ask(until, M::Outbound::publish)
    }

    /// Whether something that was taken waits to be published: the rest of an [`Unfinished`](SendError::Unfinished) message, or what
    /// a cork that was dropped has left.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// while sender.try_send(b"more").is_ok() {}
    /// sender.cork().send(b"last")?; // the cork is dropped, and there is no room
    /// assert!(sender.has_in_line());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn has_in_line(&self) -> bool {
        self.outbound.has_in_line()
    }

    /// How this direction ended: whether the peer dropped its receiver, or died, or was cut off, as
    /// far as the mechanism tells. `None` until a call has told the end, by
    /// [`Disconnected`](SendError::Disconnected) or [`Reset`](SendError::Reset).
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Connection, End, Kind, SendError};
    ///
    /// let (here, there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// let (mut sender, _) = here.split();
    /// drop(there);
    /// while sender.send(b"are you there?") != Err(SendError::Disconnected) {}
    /// // Not killed: it receives no more by its own choice.
    /// assert_eq!(sender.end(), Some(End::Closed));
    /// # Ok::<(), crossing::ConnectError>(())
    /// ```
    pub fn end(&self) -> Option<End> {
        self.end.map(|end| if end == End::Unknown { self.outbound.end() } else { end })
    }

    /// The mechanism that it goes over.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (here, _there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// let (sender, _) = here.split();
    /// assert_eq!(sender.kind(), Kind::Unix);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The longest message that both ends agreed on, in bytes.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// use crossing::SendError;
    ///
    /// let (len, max) = (sender.max_message() + 1, sender.max_message());
    /// assert_eq!(sender.send(&vec![0; len]), Err(SendError::TooLong { len, max }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_message(&self) -> usize {
        self.outbound.max_message()
    }

    /// How many bytes may be on their way in the direction that this half sends, at the moment. `None` when the kernel does not
    /// say.
    ///
    /// On shared memory that is the ring's size, on a pipe the pipe's (F_GETPIPE_SZ). On sockets it is SO_SNDBUF, twice what was asked for, because the
    /// kernel counts its own overhead as well; on TCP it grows while the kernel tunes it.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// let (mut here, _there) = Connection::pair(Kind::Shm, &Config::default().capacity_bytes(1 << 20))?;
    /// assert_eq!(here.sender().capacity_bytes(), Some(1 << 20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capacity_bytes(&self) -> Option<usize> {
        self.outbound.capacity_bytes()
    }

    /// Lets `stopper` end the waits of this half from now on: they say [`Stopped`](SendError::Stopped).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use crossing::{SendError, Stopper};
    ///
    /// let stopper = Stopper::new()?;
    /// let (mut sender, _) = here.split();
    /// sender.set_stopper(&stopper);
    /// let sending = std::thread::spawn(move || loop {
    ///     sender.send(b"more than the peer receives")?;
    /// });
    /// stopper.stop();
    /// let outcome: Result<(), SendError> = sending.join().expect("no panic");
    /// assert_eq!(outcome, Err(SendError::Stopped));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_stopper(&mut self, stopper: &Stopper) {
        self.patience.set_stopper(stopper);
    }

    /// How this half waits from now on.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// use crossing::WaitStrategy;
    ///
    /// sender.set_wait(WaitStrategy::Spin); // never sleeps for room
    /// # sender.send(b"hello")?;
    /// # assert_eq!(receiver.recv(&mut [0; 64])?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_wait(&mut self, wait: WaitStrategy) {
        self.patience.set_strategy(wait);
    }

    #[inline]
    pub(super) fn check(&self, len: usize) -> Result<(), SendError> {
        self.gate.pass()?;
        let max = self.outbound.max_message();
        if len > max {
            return Err(SendError::TooLong { len, max });
        }
        Ok(())
    }

    #[inline]
    fn judge(&mut self, outcome: Result<(), SendError>) -> Result<(), SendError> {
        match outcome {
            Err(SendError::Poisoned(violation)) => {
                self.gate.poison(violation);
                self.outbound.hang_up();
            }
            Err(SendError::Disconnected) => self.end = Some(End::Unknown),
            Err(SendError::Reset) => self.end = Some(End::Reset),
            _ => {}
        }
        outcome
    }
}

impl<M: Mechanism> Drop for Sender<M> {
    fn drop(&mut self) {
        // Neither of a forked child's parent nor of a connection that was hung up is anything left to say.
        if self.gate.is_open() {
            let until = if thread::panicking() { Until::Now } else { Until::after(self.linger) };
            self.outbound.close(self.patience.until(until));
        }
    }
}

impl<M: Mechanism> fmt::Debug for Sender<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("kind", &self.kind)
            .field("max_message", &self.max_message())
            .finish_non_exhaustive()
    }
}
