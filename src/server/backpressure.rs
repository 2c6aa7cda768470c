//! A connection whose peer must read what it asked for. While answers wait for room, nothing more is read from the peer; and when no
//! room comes for a time, the connection ends.
//!
//! Everything above this (HTTP, WebSockets) answers what it reads, some of it by itself: a ping is answered by a pong. So
//! a peer that sends and never reads would make the answers pile up here, as fast as it can send. With this rule
//! it fills two buffers of the kernel and stops.
//!
//! The kernel reports room when a third of its buffer is free (`sk_stream_is_writeable`, include/net/sock.h), so a peer that
//! takes a byte now and then does not prolong its time byte by byte.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A stream, and what holds a place for as long as it is open.
#[derive(Debug)]
pub(crate) struct Backpressure<S, P> {
    stream: S,
    patience: Duration,
    /// Runs out when the kernel has had no room for this long.
    full: Option<Pin<Box<Sleep>>>,
    /// The task that wanted to read meanwhile.
    reader: Option<Waker>,
    _place: P,
}

impl<S, P> Backpressure<S, P> {
    /// A stream whose peer may leave its answers alone for as long as `patience`.
    pub(crate) fn new(stream: S, patience: Duration, place: P) -> Backpressure<S, P> {
        Backpressure { stream, patience, full: None, reader: None, _place: place }
    }

    /// The outcome of an attempt to write: counts the time without room, and lets the reader go on
    /// when there is some.
    fn wrote<T>(&mut self, cx: &mut Context<'_>, attempt: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if attempt.is_ready() {
            self.full = None;
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
            return attempt;
        }
        let patience = self.patience;
        let full = self.full.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(full.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")))
    }
}

impl<S: AsyncRead + Unpin, P: Unpin> AsyncRead for Backpressure<S, P> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.full.is_some() {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(cx, to)
    }
}

impl<S: AsyncWrite + Unpin, P: Unpin> AsyncWrite for Backpressure<S, P> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let attempt = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(cx, attempt)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let attempt = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.wrote(cx, attempt)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const SOON: Duration = Duration::from_millis(50);
    const NEVER: Duration = Duration::from_secs(3_600);

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
    }

    /// Writes until there is no room.
    async fn fill(stream: &mut Backpressure<DuplexStream, ()>) {
        poll_fn(|cx| {
            while let Poll::Ready(written) = Pin::new(&mut *stream).poll_write(cx, &[7; 64]) {
                written.unwrap();
            }
            Poll::Ready(())
        })
        .await;
    }

    #[test]
    fn a_peer_that_does_not_read_is_not_read() {
        run(async {
            let (ours, mut theirs) = duplex(1_024);
            let mut ours = Backpressure::new(ours, NEVER, ());
            theirs.write_all(b"before").await.unwrap();
            let mut heard = [0; 6];
            ours.read_exact(&mut heard).await.unwrap();
            fill(&mut ours).await;
            theirs.write_all(b"meanwhile").await.unwrap();
            let read = poll_fn(|cx| {
                let mut buffer = [0; 16];
                let mut to = ReadBuf::new(&mut buffer);
                Poll::Ready(Pin::new(&mut ours).poll_read(cx, &mut to).is_ready())
            });
            assert!(!read.await, "it reads on, and what it answers would pile up");
            // It reads, there is room, and the other direction goes on.
            let mut taken = [0; 1_024];
            theirs.read_exact(&mut taken).await.unwrap();
            ours.write_all(b"!").await.unwrap();
            let mut heard = [0; 9];
            ours.read_exact(&mut heard).await.unwrap();
            assert_eq!(&heard, b"meanwhile");
        });
    }

    #[test]
    fn room_wakes_who_wanted_to_read() {
        run(async {
            let (ours, mut theirs) = duplex(1_024);
            let mut ours = Backpressure::new(ours, NEVER, ());
            fill(&mut ours).await;
            theirs.write_all(b"word").await.unwrap();
            let (mut from, mut to) = tokio::io::split(ours);
            let reading = async {
                let mut heard = [0; 4];
                from.read_exact(&mut heard).await.unwrap();
                heard
            };
            let writing = to.write_all(&[7; 2_048]);
            let taking = async {
                let mut taken = [0; 3_072];
                theirs.read_exact(&mut taken).await.unwrap();
            };
            let (heard, written, ()) = tokio::join!(reading, writing, taking);
            assert_eq!((&heard, written.is_ok()), (b"word", true));
        });
    }

    #[test]
    fn without_room_for_a_time_it_ends() {
        run(async {
            let (ours, theirs) = duplex(1_024);
            let mut ours = Backpressure::new(ours, SOON, ());
            let error = ours.write_all(&[7; 4_096]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            drop(theirs);
        });
    }
}
