//! The receiving half, as futures.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use ::tokio::io::Interest;

use super::watched::{Turns, WatchedFd};
use crate::error::{End, RecvError};
use crate::halves::{Any, Mechanism};
use crate::kind::Kind;
use crate::ready::Ready;

/// From how many messages without a wait it is a stream.
const STREAM: u32 = 4;

/// A [`Receiver`](crate::Receiver) whose waits are futures.
///
/// # Examples
/// ```
/// use crossing::tokio::AsyncReceiver;
/// # use crossing::{Config, Connection, Kind};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
///
/// let (mut here, there) = Connection::pair(Kind::Shm, &Config::default())?;
/// let mut receiver = AsyncReceiver::new(there.split().1)?;
/// here.send(b"hello")?;
/// assert_eq!(receiver.recv(&mut [0; 64]).await?, 5);
/// # Ok(())
/// # }
/// ```
pub struct AsyncReceiver<M: Mechanism = Any> {
    watched: WatchedFd,
    turns: Turns,
    /// How many messages came without a wait before them.
    received: u32,
    receiver: crate::Receiver<M>,
}

impl<M: Mechanism> AsyncReceiver<M> {
    /// Registers a half with the runtime.
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    ///
    /// # Panics
    /// Outside of a runtime, or in one whose I/O is not enabled, like all of tokio's I/O.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncReceiver};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (mut here, there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// // Only this half waits in the runtime; the other one may block in a thread of its own.
    /// let (mut sender, receiver) = there.split();
    /// let mut receiver = AsyncReceiver::new(receiver)?;
    /// here.send(b"question")?;
    /// assert_eq!(receiver.recv(&mut [0; 64]).await?, 8);
    /// sender.send(b"answer")?;
    /// # assert_eq!(here.recv(&mut [0; 64])?, 6);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(receiver: crate::Receiver<M>) -> io::Result<AsyncReceiver<M>> {
        let watched = WatchedFd::new(receiver.as_fd(), Interest::READABLE)?;
        Ok(AsyncReceiver { watched, turns: Turns::default(), received: 0, receiver })
    }

    /// Waits for the next message, copies it into `buffer` and returns its length in bytes.
    ///
    /// # Cancel safety
    /// A message is taken in the moment in which the future becomes ready: if it is dropped before, none is lost.
    ///
    /// # Errors
    /// Those of [`Receiver::recv`](crate::Receiver::recv).
    ///
    /// # Examples
    /// ```
    /// use crossing::{End, RecvError};
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncReceiver};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (mut here, there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let mut receiver = AsyncReceiver::new(there.split().1)?;
    /// # here.send(b"one")?;
    /// # here.send(b"three")?;
    /// # drop(here);
    ///
    /// let (mut buffer, mut bytes) = ([0; 64], 0);
    /// loop {
    ///     match receiver.recv(&mut buffer).await {
    ///         Ok(len) => bytes += len,
    ///         Err(RecvError::Disconnected) if receiver.end() == Some(End::Closed) => break,
    ///         Err(error) => return Err(error.into()),
    ///     }
    /// }
    /// assert_eq!(bytes, 8);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn recv<'a>(
        &'a mut self,
        buffer: &'a mut [u8],
    ) -> impl Future<Output = Result<usize, RecvError>> + Send + use<'a, M> {
        poll_fn(move |context| self.poll_recv(context, buffer))
    }

    /// The same, for a future of your own: [`recv`](AsyncReceiver::recv) polls it. It remembers the task that polled last.
    ///
    /// # Errors
    /// Those of [`recv`](AsyncReceiver::recv).
    ///
    /// # Examples
    /// ```
    /// use std::future::poll_fn;
    /// use std::task::Poll;
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncReceiver};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_quiet, there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let mut one = AsyncReceiver::new(there.split().1)?;
    /// # let (mut loud, there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// # let mut other = AsyncReceiver::new(there.split().1)?;
    /// # loud.send(b"hello")?;
    ///
    /// // What comes first, from either.
    /// let mut buffer = [0; 64];
    /// let len = poll_fn(|context| match one.poll_recv(context, &mut buffer) {
    ///     Poll::Ready(outcome) => Poll::Ready(outcome),
    ///     Poll::Pending => other.poll_recv(context, &mut buffer),
    /// });
    /// assert_eq!(len.await?, 5);
    /// # Ok(())
    /// # }
    /// ```
    #[inline(always)]
    pub fn poll_recv(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, RecvError>> {
        if self.turns.take() {
            if let Some(len) = self.receiver.recv_at_once(buffer) {
                self.received = self.received.saturating_add(1);
                return Poll::Ready(Ok(len));
            }
        }
        self.poll_slowly(context, buffer)
    }

    #[inline(never)]
    fn poll_slowly(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, RecvError>> {
        ready!(self.turns.give(context));
        loop {
            match self.receiver.try_recv(buffer) {
                Err(RecvError::Empty) => ready!(self.poll_ready(context))?,
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    /// Waits until there may be something to receive: then use a non-blocking form of the [half](AsyncReceiver::get_mut). For
    /// forms that are not here.
    ///
    /// # Cancel safety
    /// It takes nothing.
    ///
    /// # Errors
    /// [`Io`](RecvError::Io).
    ///
    /// # Examples
    /// ```
    /// use crossing::RecvError;
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncReceiver};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (mut here, there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let mut receiver = AsyncReceiver::new(there.split().1)?;
    /// # here.send(b"of any length")?;
    ///
    /// // A message into a vector, which grows with it.
    /// let mut message = Vec::new();
    /// loop {
    ///     receiver.ready().await?;
    ///     match receiver.get_mut().try_recv_vec(&mut message) {
    ///         Err(RecvError::Empty) => {}
    ///         outcome => break outcome.map(drop)?,
    ///     }
    /// }
    /// assert_eq!(message, b"of any length");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ready(&mut self) -> Result<(), RecvError> {
        poll_fn(|context| self.poll_ready(context)).await
    }

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), RecvError>> {
        // In the middle of a stream the next message is mostly nearer than a wake-up.
        let streaming = std::mem::take(&mut self.received) >= STREAM;
        if streaming && self.receiver.poll_briefly() || self.receiver.arm() == Ready::Now {
            return Poll::Ready(Ok(()));
        }
        self.watched.poll_ready(context).map_err(RecvError::Io)
    }

    /// See [`Receiver::end`](crate::Receiver::end).
    ///
    /// # Examples
    /// ```
    /// use crossing::{End, RecvError};
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncReceiver};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (here, there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let mut receiver = AsyncReceiver::new(there.split().1)?;
    ///
    /// drop(here);
    /// assert_eq!(receiver.recv(&mut [0; 64]).await, Err(RecvError::Disconnected));
    /// assert_eq!(receiver.end(), Some(End::Closed));      // it was not killed
    /// # Ok(())
    /// # }
    /// ```
    pub fn end(&self) -> Option<End> {
        self.receiver.end()
    }

    /// The mechanism that it goes over.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncReceiver};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (_here, there) = Connection::pair(Kind::Tcp, &Config::default())?;
    /// let receiver = AsyncReceiver::new(there.split().1)?;
    /// assert_eq!(receiver.kind(), Kind::Tcp);
    /// # Ok(())
    /// # }
    /// ```
    pub fn kind(&self) -> Kind {
        self.receiver.kind()
    }

    /// The longest message that both ends agreed on, in bytes.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncReceiver};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (mut here, there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let mut receiver = AsyncReceiver::new(there.split().1)?;
    /// # here.send(&[7; 1000])?;
    /// // Large enough for any message that can come.
    /// let mut buffer = vec![0; receiver.max_message()];
    /// assert_eq!(receiver.recv(&mut buffer).await?, 1000);
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_message(&self) -> usize {
        self.receiver.max_message()
    }

    /// The half itself, for its non-blocking forms. One that blocks blocks the runtime's thread.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncReceiver};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (mut here, there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let mut receiver = AsyncReceiver::new(there.split().1)?;
    /// here.send(b"1st picture")?;
    /// here.send(b"2nd picture")?;
    /// receiver.ready().await?;
    /// let latest = receiver.get_mut().try_recv_latest(&mut [0; 64])?;
    /// assert_eq!((latest.len, latest.passed), (11, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_mut(&mut self) -> &mut crate::Receiver<M> {
        &mut self.receiver
    }

    /// The half itself, which is not registered any more.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncReceiver};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (mut here, there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let receiver = AsyncReceiver::new(there.split().1)?;
    /// // To a thread of its own, which may block and spin.
    /// let mut receiver = receiver.into_inner();
    /// let thread = std::thread::spawn(move || receiver.recv(&mut [0; 64]));
    /// here.send(b"hello")?;
    /// assert_eq!(thread.join().expect("no panic")?, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_inner(self) -> crate::Receiver<M> {
        let AsyncReceiver { watched, receiver, .. } = self;
        drop(watched);
        receiver
    }
}

impl<M: Mechanism> fmt::Debug for AsyncReceiver<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.receiver.fmt(f)
    }
}
