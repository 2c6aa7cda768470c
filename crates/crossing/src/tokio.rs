//! Halves for tokio: the same calls, as futures (feature `tokio`).
//!
//! Each type here owns its counterpart from the crate's root and registers its [descriptor](crate::Receiver::arm) with the
//! runtime. No thread stands behind a channel: thousands of them share the runtime's, even one
//! thread. Only a handshake, which takes well below a millisecond with a peer that answers, runs on the
//! runtime's pool for blocking calls.
//!
//! A message that is there is received, and one for which there is room is sent, without a look at the runtime. So that
//! other tasks have their turn, a task yields after every [`TURNS`] messages.
//!
//! # Cancel safety
//!
//! Every method says under this heading what its future may have done when it is dropped before it is
//! ready, as `tokio::select!` and timeouts do. In short: receiving, accepting and flushing lose nothing. A send is taken whole or
//! not at all.
//!
//! # Examples
//! ```
//! use crossing::{Config, Connection, Kind, tokio::AsyncConnection};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
//! # runtime.block_on(async {
//! let (here, there) = Connection::pair(Kind::Shm, &Config::default())?;
//! let (mut here, mut there) = (AsyncConnection::new(here)?, AsyncConnection::new(there)?);
//! let answering = tokio::spawn(async move {
//!     let mut buffer = [0; 64];
//!     let len = there.recv(&mut buffer).await?;
//!     there.send(&buffer[..len]).await?;
//!     Ok::<(), crossing::Error>(())
//! });
//! here.send(b"ping").await?;
//! assert_eq!(here.recv(&mut [0; 64]).await?, 4);
//! answering.await??;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod connection;
mod listener;
mod receiver;
mod sender;
mod watched;

pub use self::connection::{AsyncConnection, connect, dial};
pub use self::listener::AsyncListener;
pub use self::receiver::AsyncReceiver;
pub use self::sender::AsyncSender;
pub use self::watched::TURNS;
