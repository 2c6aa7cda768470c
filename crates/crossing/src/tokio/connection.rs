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
///
/// # Examples
/// ```
/// use crossing::tokio::AsyncConnection;
/// use crossing::{Error, RecvError};
///
/// /// A task: answers until the other end is gone.
/// async fn echo(mut connection: AsyncConnection) -> Result<u32, Error> {
///     let mut buffer = [0; 64];
///     for answered in 0.. {
///         match connection.recv(&mut buffer).await {
///             Ok(len) => connection.send(&buffer[..len]).await?,
///             Err(RecvError::Disconnected) => return Ok(answered),
///             Err(error) => return Err(error.into()),
///         }
///     }
///     unreachable!()
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (here, there) = crossing::Connection::pair(crossing::Kind::Shm, &crossing::Config::default())?;
/// # let echoing = tokio::spawn(echo(AsyncConnection::new(there)?));
/// # let mut here = AsyncConnection::new(here)?;
/// # here.send(b"ping").await?;
/// # assert_eq!(here.recv(&mut [0; 64]).await?, 4);
/// # drop(here);
/// # assert_eq!(echoing.await??, 1);
/// # Ok(())
/// # }
/// ```
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
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncConnection};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // Any connection, however it was made: here both ends.
    /// let (here, there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// let (mut here, mut there) = (AsyncConnection::new(here)?, AsyncConnection::new(there)?);
    /// here.send(b"hello").await?;
    /// assert_eq!(there.recv(&mut [0; 64]).await?, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(connection: crate::Connection<M>) -> io::Result<AsyncConnection<M>> {
        let (sender, receiver) = connection.split();
        Ok(AsyncConnection { receiver: AsyncReceiver::new(receiver)?, sender: AsyncSender::new(sender) })
    }

    /// See [`AsyncSender::send`], also for its cancel safety.
    ///
    /// # Errors
    /// See there.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, SendError, tokio::AsyncConnection};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let mut connection = AsyncConnection::new(here)?;
    /// connection.send(b"question").await?;
    /// assert_eq!(there.recv(&mut [0; 64])?, 8);
    ///
    /// drop(there);
    /// // Soon after, a send is told. Until then it may be taken, and is lost.
    /// while connection.send(b"question").await != Err(SendError::Disconnected) {}
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.sender.send(message).await
    }

    /// See [`AsyncSender::flush`].
    ///
    /// # Errors
    /// See there.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncConnection};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (here, mut there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// # let mut connection = AsyncConnection::new(here)?;
    /// // Gathered without a wait, and published by one system call.
    /// let mut cork = connection.sender().get_mut().cork();
    /// cork.try_send(b"one")?;
    /// cork.try_send(b"two")?;
    /// drop(cork);
    /// connection.flush().await?;      // what there was no room for
    /// # assert_eq!([there.recv(&mut [0; 64])?, there.recv(&mut [0; 64])?], [3, 3]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn flush(&mut self) -> Result<(), SendError> {
        self.sender.flush().await
    }

    /// See [`AsyncReceiver::recv`], also for its cancel safety.
    ///
    /// # Errors
    /// See there.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use tokio::time::timeout;
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncConnection};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let mut connection = AsyncConnection::new(here)?;
    ///
    /// let mut buffer = [0; 64];
    /// // A wait that is given up has taken nothing.
    /// assert!(timeout(Duration::from_millis(1), connection.recv(&mut buffer)).await.is_err());
    /// there.send(b"late")?;
    /// let len = connection.recv(&mut buffer).await?;
    /// assert_eq!(&buffer[..len], b"late");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        self.receiver.recv(buffer).await
    }

    /// See [`Receiver::end`](crate::Receiver::end).
    ///
    /// # Examples
    /// ```
    /// use crossing::{End, RecvError};
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncConnection};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (here, there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let mut connection = AsyncConnection::new(here)?;
    ///
    /// assert_eq!(connection.end(), None);
    /// drop(there);
    /// assert_eq!(connection.recv(&mut [0; 64]).await, Err(RecvError::Disconnected));
    /// match connection.end() {
    ///     Some(End::Abrupt) => println!("the peer has died"),
    ///     end => assert_eq!(end, Some(End::Closed)),
    /// }
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
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncConnection};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (here, _there) = Connection::pair(Kind::Pipe, &Config::default())?;
    /// let connection = AsyncConnection::new(here)?;
    /// assert_eq!(connection.kind(), Kind::Pipe);
    /// # Ok(())
    /// # }
    /// ```
    pub fn kind(&self) -> Kind {
        self.sender.kind()
    }

    /// The longest message that both ends agreed on, in bytes.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncConnection};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let mut connection = AsyncConnection::new(here)?;
    /// # let file = vec![7; 100_000];
    /// for part in file.chunks(connection.max_message()) {
    ///     connection.send(part).await?;
    /// }
    /// # assert_eq!(there.recv_vec(&mut Vec::new())?, file.len().min(connection.max_message()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_message(&self) -> usize {
        self.sender.max_message()
    }

    /// The sending half.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncConnection};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let mut connection = AsyncConnection::new(here)?;
    /// // For what only the half has.
    /// connection.sender().ready(5).await?;
    /// connection.sender().get_mut().try_send(b"hello")?;
    /// assert_eq!(there.recv(&mut [0; 64])?, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn sender(&mut self) -> &mut AsyncSender<M> {
        &mut self.sender
    }

    /// The receiving half.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncConnection};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let mut connection = AsyncConnection::new(here)?;
    /// there.send(b"1st picture")?;
    /// there.send(b"2nd picture")?;
    /// // For what only the half has.
    /// let receiver = connection.receiver().get_mut();
    /// assert_eq!(receiver.skip_stale()?, 1);
    /// assert_eq!(connection.recv(&mut [0; 64]).await?, 11);
    /// # Ok(())
    /// # }
    /// ```
    pub fn receiver(&mut self) -> &mut AsyncReceiver<M> {
        &mut self.receiver
    }

    /// The two halves, for two tasks.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, tokio::AsyncConnection};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (here, there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// let (mut sender, _) = AsyncConnection::new(here)?.split();
    /// let (_, mut receiver) = AsyncConnection::new(there)?.split();
    /// let receiving = tokio::spawn(async move { receiver.recv(&mut [0; 64]).await });
    /// sender.send(b"from one task to another").await?;
    /// assert_eq!(receiving.await??, 24);
    /// # Ok(())
    /// # }
    /// ```
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
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = std::env::temp_dir().join(format!("crossing-async-dial-{}.sock", std::process::id()));
/// # let address = crossing::Address::at_path(crossing::Kind::Shm, path)?;
/// # let listener = crossing::Listener::bind(&address)?;
/// # let server = std::thread::spawn(move || listener.accept()?.connect(&crossing::Config::default()));
/// let config = crossing::Config::default();
/// let mut connection = crossing::tokio::dial(&address, &config).await?;     // shm:/run/user/1000/sensor.sock
/// connection.send(b"hello").await?;
/// # assert_eq!(server.join().expect("no panic")?.recv(&mut [0; 64])?, 5);
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
///
/// # Examples
/// ```
/// use std::process::Command;
/// use crossing::{Config, Endpoint, Kind};
/// # // The child is this program itself.
/// # if let Ok(end) = Endpoint::inherited() {
/// #     end.connect(&Config::default())?.send(b"here I am")?;
/// #     return Ok(());
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn parent() -> Result<(), Box<dyn std::error::Error>> {
/// # let program = std::env::current_exe()?;
///
/// let (here, there) = Endpoint::pair(Kind::Shm)?;
/// let mut child = there.spawn(Command::new(program))?;
/// let mut connection = crossing::tokio::connect(here, &Config::default()).await?;
/// assert_eq!(connection.recv(&mut [0; 64]).await?, 9);
/// # assert!(child.wait()?.success());
/// # Ok(())
/// # }
/// # parent()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
