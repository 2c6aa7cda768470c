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
    pub fn end(&self) -> Option<End> {
        self.receiver.end()
    }

    /// The mechanism that it goes over.
    pub fn kind(&self) -> Kind {
        self.receiver.kind()
    }

    /// The longest message that both ends agreed on, in bytes.
    pub fn max_message(&self) -> usize {
        self.receiver.max_message()
    }

    /// The half itself, for its non-blocking forms. One that blocks blocks the runtime's thread.
    pub fn get_mut(&mut self) -> &mut crate::Receiver<M> {
        &mut self.receiver
    }

    /// The half itself, which is not registered any more.
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
