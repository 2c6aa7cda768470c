//! The sending half, as futures.

use std::fmt;
use std::future::poll_fn;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use ::tokio::io::Interest;

use super::watched::{Turns, WatchedFd};
use crate::error::SendError;
use crate::halves::{Any, Mechanism};
use crate::kind::Kind;
use crate::ready::Ready;

/// A [`Sender`](crate::Sender) whose waits are futures.
///
/// Dropping it may wait for a full channel, up to [`Config::linger`](crate::Config::linger), as every drop of a sender does; and on
/// a runtime's thread. [Flush](AsyncSender::flush) it first, or choose a linger of zero.
///
/// # Examples
/// ```
/// use crossing::tokio::AsyncSender;
/// # use crossing::{Config, Connection, Kind};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
///
/// let (here, mut there) = Connection::pair(Kind::Unix, &Config::default())?;
/// let mut sender = AsyncSender::new(here.split().0);
/// sender.send(b"hello").await?;
/// sender.flush().await?;          // now dropping it waits for nothing
/// drop(sender);
/// assert_eq!(there.recv(&mut [0; 64])?, 5);
/// # Ok(())
/// # }
/// ```
pub struct AsyncSender<M: Mechanism = Any> {
    /// Registered with the first wait: mostly there is room.
    watched: Option<WatchedFd>,
    turns: Turns,
    sender: crate::Sender<M>,
}

impl<M: Mechanism> AsyncSender<M> {
    /// Takes a half over. It is registered with the runtime when it first waits for room; where the receiving half has
    /// the same descriptor, with a copy of it.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncSender};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// // Only this half waits in the runtime; the other one may block in a thread of its own.
    /// let (sender, mut receiver) = here.split();
    /// let mut sender = AsyncSender::new(sender);
    /// sender.send(b"question").await?;
    /// # assert_eq!(there.recv(&mut [0; 64])?, 8);
    /// # there.send(b"answer")?;
    /// assert_eq!(receiver.recv(&mut [0; 64])?, 6);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(sender: crate::Sender<M>) -> AsyncSender<M> {
        AsyncSender { watched: None, turns: Turns::default(), sender }
    }

    /// Sends a message, and waits for room if there is none.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, nothing of the message was sent; or, on a pipe and on sockets, all of it
    /// was taken and the rest goes with the next send or [`flush`](AsyncSender::flush). So a message is never cut. Send it again only
    /// if [`has_in_line`](AsyncSender::has_in_line) says no.
    ///
    /// # Errors
    /// Those of [`Sender::send`](crate::Sender::send).
    ///
    /// # Panics
    /// If it must wait outside of a runtime, or in one whose I/O is not enabled, like all of tokio's I/O.
    ///
    /// # Examples
    /// ```
    /// use crossing::SendError;
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncSender};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let mut sender = AsyncSender::new(here.split().0);
    /// # let receiving = std::thread::spawn(move || (there.recv(&mut [0; 64]), there.recv(&mut [0; 64])));
    ///
    /// for word in ["one", "two"] {
    ///     match sender.send(word.as_bytes()).await {
    ///         Err(SendError::Disconnected) => break,      // the receiver is gone: stop
    ///         outcome => outcome?,
    ///     }
    /// }
    /// # assert_eq!(receiving.join().expect("no panic"), (Ok(3), Ok(3)));
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn send<'a>(
        &'a mut self,
        message: &'a [u8],
    ) -> impl Future<Output = Result<(), SendError>> + Send + use<'a, M> {
        let mut taken = false;
        poll_fn(move |context| {
            if !taken && self.turns.take() && self.sender.sends_at_once(message) {
                return Poll::Ready(Ok(()));
            }
            self.poll_slowly(context, message, &mut taken)
        })
    }

    #[inline(never)]
    fn poll_slowly(
        &mut self,
        context: &mut Context<'_>,
        message: &[u8],
        taken: &mut bool,
    ) -> Poll<Result<(), SendError>> {
        ready!(self.turns.give(context));
        while !*taken {
            match self.sender.try_send(message) {
                Err(SendError::Full) => ready!(self.poll_ready(context, message.len()))?,
                Err(SendError::Unfinished) => *taken = true,
                outcome => return Poll::Ready(outcome),
            }
        }
        self.poll_flush(context)
    }

    /// Publishes what is in line.
    ///
    /// # Cancel safety
    /// What was not published stays in line.
    ///
    /// # Errors
    /// Those of [`Sender::flush`](crate::Sender::flush).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncSender};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (here, mut there) = Connection::pair(Kind::Pipe, &Config::default())?;
    /// # let mut sender = AsyncSender::new(here.split().0);
    /// let mut cork = sender.get_mut().cork();
    /// cork.try_send(b"one")?;
    /// cork.try_send(b"two")?;
    /// drop(cork);                     // publishes what there is room for
    /// sender.flush().await?;          // … and the rest
    /// assert!(!sender.has_in_line());
    /// # assert_eq!([there.recv(&mut [0; 64])?, there.recv(&mut [0; 64])?], [3, 3]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn flush(&mut self) -> Result<(), SendError> {
        poll_fn(|context| self.poll_flush(context)).await
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        loop {
            match self.sender.try_flush() {
                Err(SendError::Full) => ready!(self.poll_ready(context, 0))?,
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    /// Waits until there may be room for a message of `len` bytes: then use a non-blocking form of the
    /// [half](AsyncSender::get_mut). For forms that are not here.
    ///
    /// # Cancel safety
    /// It sends nothing.
    ///
    /// # Errors
    /// [`Io`](SendError::Io).
    ///
    /// # Examples
    /// ```
    /// use crossing::SendError;
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncSender};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let mut sender = AsyncSender::new(here.split().0);
    ///
    /// // A message that is made in place.
    /// loop {
    ///     sender.ready(8).await?;
    ///     match sender.get_mut().try_claim(8) {
    ///         Ok(mut claim) => {
    ///             claim.copy_from_slice(&7_u64.to_le_bytes());
    ///             break claim.commit()?;
    ///         }
    ///         Err(SendError::Full) => {}
    ///         Err(error) => return Err(error.into()),
    ///     }
    /// }
    /// assert_eq!(there.recv(&mut [0; 64])?, 8);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ready(&mut self, len: usize) -> Result<(), SendError> {
        poll_fn(|context| self.poll_ready(context, len)).await
    }

    fn poll_ready(&mut self, context: &mut Context<'_>, len: usize) -> Poll<Result<(), SendError>> {
        if self.sender.arm(len) == Ready::Now {
            return Poll::Ready(Ok(()));
        }
        let watched = match self.watched.take() {
            Some(watched) => watched,
            None => WatchedFd::new(self.sender.as_fd(), Interest::WRITABLE).map_err(SendError::Io)?,
        };
        self.watched.insert(watched).poll_ready(context).map_err(SendError::Io)
    }

    /// Whether something that was taken waits to be published.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use tokio::time::timeout;
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncSender};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (here, mut there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// # let mut sender = AsyncSender::new(here.split().0);
    /// # let message = [7; 60_000];
    /// # let mut taken = 0_usize;
    ///
    /// // Until the channel is full: the receiver takes none.
    /// while timeout(Duration::from_millis(1), sender.send(&message)).await.is_ok() {
    /// #     taken += 1;
    /// }
    /// if sender.has_in_line() {
    ///     println!("the last one was taken: it goes with the next send");
    /// #     taken += 1;
    /// } else {
    ///     println!("nothing of the last one was sent: it may be sent again");
    /// }
    /// # let receiving = std::thread::spawn(move || (0..taken).try_for_each(|_| there.recv_vec(&mut Vec::new()).map(drop)));
    /// # sender.flush().await?;
    /// # receiving.join().expect("no panic")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn has_in_line(&self) -> bool {
        self.sender.has_in_line()
    }

    /// The mechanism that it goes over.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncSender};
    /// let (here, _there) = Connection::pair(Kind::Tcp, &Config::default())?;
    /// let sender = AsyncSender::new(here.split().0);
    /// assert_eq!(sender.kind(), Kind::Tcp);
    /// # Ok::<(), crossing::ConnectError>(())
    /// ```
    pub fn kind(&self) -> Kind {
        self.sender.kind()
    }

    /// The longest message that both ends agreed on, in bytes.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, SendError, tokio::AsyncSender};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (here, _there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let mut sender = AsyncSender::new(here.split().0);
    /// let too_long = vec![0; sender.max_message() + 1];
    /// assert!(matches!(sender.send(&too_long).await, Err(SendError::TooLong { .. })));
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_message(&self) -> usize {
        self.sender.max_message()
    }

    /// The half itself, for its non-blocking forms. One that blocks blocks the runtime's thread.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncSender};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let mut sender = AsyncSender::new(here.split().0);
    /// // A header and what belongs to it, from two places.
    /// let parts = [&b"header "[..], b"payload"].map(std::io::IoSlice::new);
    /// sender.ready(14).await?;
    /// sender.get_mut().try_send_vectored(&parts)?;
    /// assert_eq!(there.recv(&mut [0; 64])?, 14);
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_mut(&mut self) -> &mut crate::Sender<M> {
        &mut self.sender
    }

    /// The half itself, which is not registered any more.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncSender};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let sender = AsyncSender::new(here.split().0);
    /// // To a thread of its own, which may block.
    /// let mut sender = sender.into_inner();
    /// let thread = std::thread::spawn(move || sender.send(b"from a thread"));
    /// assert_eq!(there.recv(&mut [0; 64])?, 13);
    /// # thread.join().expect("no panic")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_inner(self) -> crate::Sender<M> {
        let AsyncSender { watched, sender, .. } = self;
        drop(watched);
        sender
    }
}

impl<M: Mechanism> fmt::Debug for AsyncSender<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sender.fmt(f)
    }
}
