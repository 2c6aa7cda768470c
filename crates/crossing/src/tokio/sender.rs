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
pub struct AsyncSender<M: Mechanism = Any> {
    /// Registered with the first wait: mostly there is room.
    watched: Option<WatchedFd>,
    turns: Turns,
    sender: crate::Sender<M>,
}

impl<M: Mechanism> AsyncSender<M> {
    /// Takes a half over. It is registered with the runtime when it first waits for room; where the receiving half has
    /// the same descriptor, with a copy of it.
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
    pub fn has_in_line(&self) -> bool {
        self.sender.has_in_line()
    }

    /// The mechanism that it goes over.
    pub fn kind(&self) -> Kind {
        self.sender.kind()
    }

    /// The longest message that both ends agreed on, in bytes.
    pub fn max_message(&self) -> usize {
        self.sender.max_message()
    }

    /// The half itself, for its non-blocking forms. One that blocks blocks the runtime's thread.
    pub fn get_mut(&mut self) -> &mut crate::Sender<M> {
        &mut self.sender
    }

    /// The half itself, which is not registered any more.
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
