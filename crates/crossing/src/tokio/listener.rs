//! The listener, as futures.

use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::task::{Poll, ready};

use ::tokio::io::Interest;

use super::watched::{Turns, WatchedFd};
use crate::endpoint::{Address, Endpoint};
use crate::error::ConnectError;

/// A [`Listener`](crate::Listener) whose waits are futures.
///
/// # Examples
/// ```
/// use crossing::tokio::{AsyncListener, connect};
/// use crossing::{Config, Error};
///
/// async fn serve(listener: crossing::Listener) -> Result<(), Error> {
///     let mut listener = AsyncListener::new(listener)?;
///     loop {
///         let endpoint = listener.accept().await?;
///         tokio::spawn(async move {
///             // The handshake is the client's business, and keeps no other waiting.
///             let mut client = connect(endpoint, &Config::small()).await?;
///             client.send(b"welcome").await?;
///             Ok::<(), Error>(())
///         });
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let listener = crossing::Listener::bind(&"tcp://127.0.0.1:0".parse()?)?;
/// # let address = listener.address().clone();
/// # tokio::spawn(serve(listener));
/// # let mut client = crossing::tokio::dial(&address, &Config::small()).await?;
/// # assert_eq!(client.recv(&mut [0; 64]).await?, 7);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AsyncListener {
    watched: WatchedFd,
    turns: Turns,
    listener: crate::Listener,
}

impl AsyncListener {
    /// Registers a listener with the runtime.
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    ///
    /// # Panics
    /// Outside of a runtime, or in one whose I/O is not enabled, like all of tokio's I/O.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Address, Kind, Listener, tokio::AsyncListener};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let path = std::env::temp_dir().join(format!("crossing-async-listener-{}", std::process::id()));
    ///
    /// let address = Address::at_path(Kind::Shm, path)?;
    /// let mut listener = AsyncListener::new(Listener::options().reclaim(true).bind(&address)?)?;
    /// # let config = crossing::Config::default();
    /// # let client = tokio::spawn(async move { crossing::tokio::dial(&address, &config).await });
    /// let endpoint = listener.accept().await?;
    /// # let mut server = crossing::tokio::connect(endpoint, &crossing::Config::default()).await?;
    /// # client.await??.send(b"hello").await?;
    /// # assert_eq!(server.recv(&mut [0; 64]).await?, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(listener: crate::Listener) -> io::Result<AsyncListener> {
        let watched = WatchedFd::new(listener.as_fd(), Interest::READABLE)?;
        Ok(AsyncListener { watched, turns: Turns::default(), listener })
    }

    /// Waits for the next peer. [`connect`](super::connect) it in a task of its own.
    ///
    /// # Cancel safety
    /// A peer is taken in the moment in which the future becomes ready: if it is dropped before, none is lost.
    ///
    /// # Errors
    /// Those of [`Listener::try_accept`](crate::Listener::try_accept). A shortage is told at once: let some time pass before
    /// you accept again.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use crossing::{ConnectError, Endpoint, Listener, tokio::AsyncListener};
    ///
    /// /// The next peer, whatever goes wrong with others.
    /// async fn next(listener: &mut AsyncListener) -> Result<Endpoint, ConnectError> {
    ///     loop {
    ///         match listener.accept().await {
    ///             // This process has as many descriptors as it may have. The peer is still there later.
    ///             Err(error) if error.is_shortage() => tokio::time::sleep(Duration::from_millis(100)).await,
    ///             outcome => return outcome,
    ///         }
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut listener = AsyncListener::new(Listener::bind(&"tcp://127.0.0.1:0".parse()?)?)?;
    /// # let address = listener.address().clone();
    /// # let dialled = Endpoint::dial(&address, &crossing::Config::default())?;
    /// # assert_eq!(next(&mut listener).await?.kind(), dialled.kind());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn accept(&mut self) -> Result<Endpoint, ConnectError> {
        self.turns.take();
        poll_fn(|context| {
            ready!(self.turns.give(context));
            loop {
                if let Some(endpoint) = self.listener.try_accept()? {
                    return Poll::Ready(Ok(endpoint));
                }
                let failed = |source| ConnectError::Io { doing: "wait for a peer".into(), source };
                ready!(self.watched.poll_ready(context)).map_err(failed)?;
            }
        })
        .await
    }

    /// Where it listens.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Listener, tokio::AsyncListener};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///
    /// let listener = AsyncListener::new(Listener::bind(&"tcp://127.0.0.1:0".parse()?)?)?;
    /// // The port that the system chose.
    /// assert_ne!(listener.address().host_port(), Some("127.0.0.1:0"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn address(&self) -> &Address {
        self.listener.address()
    }
}
