//! The receiving half: every form of a receive, and what becomes of an error.

use std::fmt;
use std::time::{Duration, Instant};

use super::gate::{Closed, Gate};
use crate::error::{End, RecvError};
use crate::halves::{Any, Inbound, Mechanism};
use crate::kind::Kind;
use crate::owner::Owner;
use crate::place::{Growing, MessagePlace};
use crate::stopper::Stopper;
use crate::wait::{Patience, Until, WaitStrategy};

/// The half of a connection that receives.
///
/// Dropping the receiver makes the peer's sends fail with
/// [`Disconnected`](crate::SendError::Disconnected). On TCP this needs both halves dropped, and
/// dropping the last may wait up to [`Config::linger`](crate::Config::linger): see
/// [`Sender`](crate::Sender).
///
/// # Examples
/// ```
/// # use crossing::{Config, Connection, Kind};
/// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
/// let (mut requests, mut log) = (there.split().1, Vec::new());
/// let working = std::thread::spawn(move || {
///     for request in requests.messages().flatten() {
///         log.push(request);
///     }
///     log
/// });
/// here.send(b"a request")?;
/// drop(here); // ends the loop
/// assert_eq!(working.join().expect("no panic"), [b"a request"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Receiver<M: Mechanism = Any> {
    kind: Kind,
    inbound: M::Inbound,
    gate: Gate,
    patience: Patience,
    /// Whether the end was told.
    over: bool,
}

impl<M: Mechanism> Receiver<M> {
    pub(super) fn new(kind: Kind, inbound: M::Inbound, patience: Patience, owner: Owner) -> Self {
        Receiver { kind, inbound, gate: Gate::new(owner), patience, over: false }
    }

    /// Waits for the next message, copies it into `buffer` and returns its length in bytes.
    ///
    /// # Errors
    /// [`TooLong`](RecvError::TooLong) when the buffer is too short, the message being kept;
    /// [`Disconnected`](RecvError::Disconnected), [`Reset`](RecvError::Reset), [`Poisoned`](RecvError::Poisoned),
    /// [`Forked`](RecvError::Forked), [`Io`](RecvError::Io).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// # sender.send(b"ping")?;
    /// let mut buffer = [0; 64];
    /// let len = receiver.recv(&mut buffer)?;
    /// assert_eq!(&buffer[..len], b"ping");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn recv(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        self.recv_within(buffer, Until::Forever)
    }

    /// Takes the next message if there is one now. In the middle of a stream it may let the sender get ahead first, for as long as
    /// a cache line takes to travel.
    ///
    /// # Errors
    /// Those of [`recv`](Receiver::recv), and [`Empty`](RecvError::Empty).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// use crossing::RecvError;
    ///
    /// let mut buffer = [0; 64];
    /// match receiver.try_recv(&mut buffer) {
    ///     Ok(len) => println!("{:?}", &buffer[..len]),
    ///     Err(RecvError::Empty) => println!("there is none now"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn try_recv(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        self.recv_within(buffer, Until::Now)
    }

    /// Waits for the next message until `deadline`.
    ///
    /// # Errors
    /// Those of [`recv`](Receiver::recv), and [`Timeout`](RecvError::Timeout).
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
    /// let (mut header, mut payload) = ([0; 16], [0; 1024]);
    /// receiver.recv_deadline(&mut header, deadline)?;
    /// let len = receiver.recv_deadline(&mut payload, deadline)?;
    /// # assert_eq!(len, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_deadline(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, RecvError> {
        self.recv_until(buffer, Until::At(deadline))
    }

    /// Waits for the next message for `timeout`.
    ///
    /// # Errors
    /// Those of [`recv_deadline`](Receiver::recv_deadline).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, _there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use std::time::Duration;
    /// use crossing::RecvError;
    ///
    /// // A peer that is stopped is late, and not known to be dead.
    /// let outcome = here.receiver().recv_timeout(&mut [0; 64], Duration::from_millis(1));
    /// assert!(matches!(outcome, Err(RecvError::Timeout)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_timeout(&mut self, buffer: &mut [u8], timeout: Duration) -> Result<usize, RecvError> {
        self.recv_until(buffer, Until::after(timeout))
    }

    /// Waits for the next message, and makes it the content of `message`, whatever that held. Returns its length in bytes.
    ///
    /// The vector grows to the message if it has to, never to the longest that there could be, and keeps its memory for the
    /// next message. It is empty after an error. Only what has come of a message is written to memory, however
    /// long a message the peer announces.
    ///
    /// # From which size it pays
    /// From any: into a vector that is used again it takes as long as [`recv`](Receiver::recv) into a buffer, from 16 B to
    /// 60 KiB, on shared memory and on a Unix socket. A new vector for each message costs 11 ns more.
    /// (Record `results/2026-11-29-kvm-epyc-2-cores-forms` of the project.)
    ///
    /// # Errors
    /// Those of [`recv`](Receiver::recv), but never [`TooLong`](RecvError::TooLong). [`Io`](RecvError::Io) of the kind
    /// `OutOfMemory` when the vector cannot grow; the message is kept.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// let (mut here, there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// let (_, mut receiver) = there.split();
    /// let mut message = Vec::new();
    /// for said in ["of some length", "of another"] {
    ///     here.send(said.as_bytes())?;
    ///     receiver.recv_vec(&mut message)?;
    ///     assert_eq!(message, said.as_bytes());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn recv_vec(&mut self, message: &mut Vec<u8>) -> Result<usize, RecvError> {
        self.recv_vec_until(message, Until::Forever)
    }

    /// Takes the next message into a vector if there is one now.
    ///
    /// # Errors
    /// Those of [`recv_vec`](Receiver::recv_vec), and [`Empty`](RecvError::Empty).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// # sender.send(b"one")?;
    /// # sender.send(b"two")?;
    /// let mut message = Vec::new();
    /// while receiver.try_recv_vec(&mut message).is_ok() {
    ///     println!("{message:?}");
    /// }
    /// assert!(message.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_recv_vec(&mut self, message: &mut Vec<u8>) -> Result<usize, RecvError> {
        self.recv_vec_until(message, Until::Now)
    }

    /// Waits for the next message until `deadline`, and takes it into a vector.
    ///
    /// # Errors
    /// Those of [`recv_vec`](Receiver::recv_vec), and [`Timeout`](RecvError::Timeout).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// use std::time::{Duration, Instant};
    ///
    /// # sender.send(b"one")?;
    /// # sender.send(b"two")?;
    /// let (mut one, mut two) = (Vec::new(), Vec::new());
    /// let deadline = Instant::now() + Duration::from_secs(5);
    /// receiver.recv_vec_deadline(&mut one, deadline)?;
    /// receiver.recv_vec_deadline(&mut two, deadline)?;
    /// # assert_eq!([one, two], [b"one", b"two"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_vec_deadline(
        &mut self,
        message: &mut Vec<u8>,
        deadline: Instant,
    ) -> Result<usize, RecvError> {
        self.recv_vec_until(message, Until::At(deadline))
    }

    /// Waits for the next message for `timeout`, and takes it into a vector.
    ///
    /// # Errors
    /// Those of [`recv_vec_deadline`](Receiver::recv_vec_deadline).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// use std::time::Duration;
    /// use crossing::RecvError;
    ///
    /// let mut message = Vec::new();
    /// match receiver.recv_vec_timeout(&mut message, Duration::from_millis(1)) {
    ///     Err(RecvError::Timeout) => println!("the peer is late"),
    ///     outcome => println!("{} bytes", outcome?),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_vec_timeout(&mut self, message: &mut Vec<u8>, timeout: Duration) -> Result<usize, RecvError> {
        self.recv_vec_until(message, Until::after(timeout))
    }

    #[inline(always)]
    pub(crate) fn recv_at_once<P: MessagePlace + ?Sized>(&mut self, place: &mut P) -> Option<usize> {
        if self.gate.is_open() { self.inbound.recv_at_once(place) } else { None }
    }

    #[inline(never)]
    pub(super) fn recv_until<P: MessagePlace + ?Sized>(
        &mut self,
        place: &mut P,
        until: Until,
    ) -> Result<usize, RecvError> {
        self.ask(until, |inbound, patience| inbound.recv(place, patience))
    }

    #[inline(always)]
    pub(super) fn recv_within(&mut self, buffer: &mut [u8], until: Until) -> Result<usize, RecvError> {
        match self.recv_at_once(buffer) {
            Some(len) => Ok(len),
            None => self.recv_until(buffer, until),
        }
    }

    /// Receives into a vector, which has the message's length afterwards, and is empty after an error.
    #[inline(always)]
    pub(super) fn recv_vec_until(&mut self, message: &mut Vec<u8>, until: Until) -> Result<usize, RecvError> {
        let place = &mut Growing(message);
        let outcome = match self.recv_at_once(place) {
            Some(len) => Ok(len),
            None => self.recv_until(place, until),
        };
        message.truncate(*outcome.as_ref().unwrap_or(&0));
        outcome
    }

    /// How this direction ended: whether the peer closed it, ended without closing, or was cut off. `None` until a receive has
    /// told the end, by [`Disconnected`](RecvError::Disconnected) or [`Reset`](RecvError::Reset).
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Connection, End, Kind, RecvError};
    ///
    /// let (here, there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// let (sender, _) = here.split();
    /// let (_, mut receiver) = there.split();
    /// drop(sender);
    /// assert!(matches!(receiver.recv(&mut [0; 64]), Err(RecvError::Disconnected)));
    /// // Not killed: every message that it was given has been received.
    /// assert_eq!(receiver.end(), Some(End::Closed));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn end(&self) -> Option<End> {
        self.over.then(|| self.inbound.end())
    }

    /// Asks the mechanism for something, unless the connection is over; and ends it when the peer broke the protocol.
    #[inline]
    pub(crate) fn ask<T>(
        &mut self,
        until: Until,
        ask: impl FnOnce(&mut M::Inbound, &mut Patience) -> Result<T, RecvError>,
    ) -> Result<T, RecvError> {
        self.gate.pass()?;
        let outcome = ask(&mut self.inbound, self.patience.until(until));
        match outcome {
            Err(RecvError::Poisoned(violation)) => {
                self.gate.poison(violation);
                self.inbound.hang_up();
            }
            Err(RecvError::Disconnected | RecvError::Reset) => self.over = true,
            _ => {}
        }
        outcome
    }

    /// Polls for about as long as a sleep would cost, where that shows anything. Whether there is something to receive.
    #[cfg(feature = "tokio")]
    pub(crate) fn poll_briefly(&mut self) -> bool {
        if !self.shows_by_itself() {
            return false;
        }
        let Receiver { inbound, patience, .. } = self;
        patience.until(Until::Forever).poll_briefly(|| inbound.is_ready().then_some(())).is_some()
    }

    /// How it waits.
    pub(super) fn patience(&self) -> &Patience {
        &self.patience
    }

    /// Whether this half may be used.
    #[inline(always)]
    pub(crate) fn is_open(&self) -> bool {
        self.gate.is_open()
    }

    /// Whether this process is the one that made the connection.
    #[inline(always)]
    pub(crate) fn is_mine(&self) -> bool {
        self.gate.pass() != Err(Closed::Forked)
    }

    /// What the mechanism receives with.
    #[inline(always)]
    pub(crate) fn inbound(&self) -> &M::Inbound {
        &self.inbound
    }

    /// The same, to change it.
    #[inline(always)]
    pub(crate) fn inbound_mut(&mut self) -> &mut M::Inbound {
        &mut self.inbound
    }

    /// The mechanism that it goes over.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (_here, there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// let (_, receiver) = there.split();
    /// assert_eq!(receiver.kind(), Kind::Unix);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The longest message that both ends agreed on, in bytes: a buffer of this length fits every message.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (sender, receiver) = (here.sender(), there.receiver());
    /// let mut buffer = vec![0; receiver.max_message()];
    /// sender.send(b"of whatever length")?;
    /// assert_eq!(receiver.recv(&mut buffer)?, 18);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_message(&self) -> usize {
        self.inbound.max_message()
    }

    /// Bytes of frames that this half has read from the kernel already, and that no receive has
    /// returned yet: one read takes whatever has arrived. Always 0 for shared memory, which has no
    /// reads. While it is not 0, poll(2) on a descriptor does not tell of every message.
    ///
    /// ```
    /// use crossing::{Config, Connection, Kind};
    ///
    /// let (mut here, there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// let (_, mut receiver) = there.split();
    /// here.send(b"one")?;
    /// here.send(b"two")?;
    /// let mut buffer = [0; 64];
    /// receiver.recv(&mut buffer)?;
    /// // `two` came with the same read: a header of 4 bytes, and 3 more.
    /// assert_eq!(receiver.bytes_ahead(), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bytes_ahead(&self) -> usize {
        self.inbound.bytes_ahead()
    }

    /// Lets `stopper` end the waits of this half from now on: they say [`Stopped`](RecvError::Stopped).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use crossing::{RecvError, Stopper};
    ///
    /// let stopper = Stopper::new()?;
    /// let (_, mut receiver) = here.split();
    /// receiver.set_stopper(&stopper);
    /// let waiting = std::thread::spawn(move || receiver.recv(&mut [0; 64]));
    /// stopper.stop();
    /// assert_eq!(waiting.join().expect("no panic"), Err(RecvError::Stopped));
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
    /// receiver.set_wait(WaitStrategy::Block); // a wait costs no processor time
    /// # sender.send(b"hello")?;
    /// # assert_eq!(receiver.recv(&mut [0; 64])?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_wait(&mut self, wait: WaitStrategy) {
        self.patience.set_strategy(wait);
    }
}

impl<M: Mechanism> fmt::Debug for Receiver<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("kind", &self.kind)
            .field("max_message", &self.max_message())
            .finish_non_exhaustive()
    }
}
