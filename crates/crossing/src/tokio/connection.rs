//! Both halves, as futures, and how they come to be.

use std::fmt;
use std::io;

use super::receiver::AsyncReceiver;
use super::sender::AsyncSender;
use crate::config::Config;
use crate::endpoint::{Address, Endpoint};
use crate::error::{ConnectError, End, RecvError, SendError};
use crate::halves::{Any, Mechanism};
use crate::kind::Kind;

/// A [`Connection`](crate::Connection) whose waits are futures. [Split](AsyncConnection::split) it to send and receive in two
/// tasks.
pub struct AsyncConnection<M: Mechanism = Any> {
    sender: AsyncSender<M>,
    receiver: AsyncReceiver<M>,
}

impl<M: Mechanism> AsyncConnection<M> {
    /// Registers a connection with the runtime.
    ///
    /// # Errors
    /// Those of [`AsyncReceiver::new`].
    ///
    /// # Panics
    /// Outside of a runtime, or in one whose I/O is not enabled, like all of tokio's I/O.
    pub fn new(connection: crate::Connection<M>) -> io::Result<AsyncConnection<M>> {
        let (sender, receiver) = connection.split();
        Ok(AsyncConnection { receiver: AsyncReceiver::new(receiver)?, sender: AsyncSender::new(sender) })
    }

    /// See [`AsyncSender::send`], also for its cancel safety.
    ///
    /// # Errors
    /// See there.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.sender.send(message).await
    }

    /// See [`AsyncSender::flush`].
    ///
    /// # Errors
    /// See there.
    pub async fn flush(&mut self) -> Result<(), SendError> {
        self.sender.flush().await
    }

    /// See [`AsyncReceiver::recv`], also for its cancel safety.
    ///
    /// # Errors
    /// See there.
    pub async fn recv(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        self.receiver.recv(buffer).await
    }

    /// See [`Receiver::end`](crate::Receiver::end).
    pub fn end(&self) -> Option<End> {
        self.receiver.end()
    }

    /// The mechanism that it goes over.
    pub fn kind(&self) -> Kind {
        self.sender.kind()
    }

    /// The longest message that both ends agreed on, in bytes.
    pub fn max_message(&self) -> usize {
        self.sender.max_message()
    }

    /// The sending half.
    pub fn sender(&mut self) -> &mut AsyncSender<M> {
        &mut self.sender
    }

    /// The receiving half.
    pub fn receiver(&mut self) -> &mut AsyncReceiver<M> {
        &mut self.receiver
    }

    /// The two halves, for two tasks.
    pub fn split(self) -> (AsyncSender<M>, AsyncReceiver<M>) {
        (self.sender, self.receiver)
    }
}

impl<M: Mechanism> fmt::Debug for AsyncConnection<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncConnection").field("max_message", &self.max_message()).finish_non_exhaustive()
    }
}

/// Connects to the listener at `address`: [`Connection::dial`](crate::Connection::dial), on the runtime's pool for blocking calls.
///
/// # Cancel safety
/// If the future is dropped, so is the connection, once it is there: at most
/// [`Config::connect_timeout`](crate::Config::connect_timeout) later. The peer sees it end.
///
/// # Errors
/// Those of [`Connection::dial`](crate::Connection::dial), and [`Io`](ConnectError::Io) when the runtime shuts down.
///
/// # Examples
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let address = "shm:/run/user/1000/sensor.sock".parse()?;
/// let mut connection = crossing::tokio::dial(&address, &crossing::Config::default()).await?;
/// connection.send(b"hello").await?;
/// # Ok(())
/// # }
/// ```
pub async fn dial(address: &Address, config: &Config) -> Result<AsyncConnection<Any>, ConnectError> {
    let (address, config) = (address.clone(), config.clone());
    shaken(move || crate::Connection::dial(&address, &config)).await
}

/// Does the handshake: [`Endpoint::connect`], on the runtime's pool for blocking calls.
///
/// # Cancel safety
/// If the future is dropped, so is the connection, once it is there: at most
/// [`Config::connect_timeout`](crate::Config::connect_timeout) later. The peer sees it end.
///
/// # Errors
/// Those of [`Endpoint::connect`], and [`Io`](ConnectError::Io) when the runtime shuts down.
pub async fn connect(endpoint: Endpoint, config: &Config) -> Result<AsyncConnection<Any>, ConnectError> {
    let config = config.clone();
    shaken(move || endpoint.connect(&config)).await
}

/// The connection that `shake` makes, on a thread that may block.
async fn shaken(
    shake: impl FnOnce() -> Result<crate::Connection, ConnectError> + Send + 'static,
) -> Result<AsyncConnection<Any>, ConnectError> {
    let refused = |doing: &str, source| ConnectError::Io { doing: doing.into(), source };
    let shaken = ::tokio::task::spawn_blocking(shake).await;
    let connection = shaken.map_err(|error| refused("connect in the runtime's pool", error.into()))??;
    AsyncConnection::new(connection).map_err(|error| refused("register a connection with the runtime", error))
}
