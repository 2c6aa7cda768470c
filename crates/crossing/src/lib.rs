//! Two processes talk: shared memory, pipes, Unix sockets and TCP behind one contract.
//!
//! The same few words serve all four mechanisms. A [`Connection`] is full duplex, keeps message boundaries
//! and order, and [splits](Connection::split) into a [`Sender`] and a [`Receiver`]; each call comes in a
//! blocking, a non-blocking and a deadline form; each end chooses [how it waits](WaitStrategy); a plain
//! `send` is published when it returns, and a [`Cork`] lets many messages share one publication.
//!
//! Shared memory is **safe against the peer**: each process writes only memory that it owns, which the kernel
//! keeps the other from writing; what the peer says is checked before it is believed. A peer that dies is
//! told of within milliseconds, after everything it had published has been received; a peer that is merely
//! stopped is a [timeout](RecvError::Timeout). A peer that breaks the protocol poisons its own connection
//! with a [`Violation`], and nothing else.
//!
//! # Parent and child
//!
//! ```no_run
//! use std::process::Command;
//! use crossing::{Config, Endpoint, Kind};
//!
//! let (here, there) = Endpoint::pair(Kind::Shm)?;
//! let mut child = there.spawn(Command::new("./child"))?;   // in the child: Endpoint::inherited()?.connect(…)
//! let mut connection = here.connect(&Config::default())?;
//! connection.send(b"hello")?;
//! # child.wait()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Server and client
//!
//! ```no_run
//! use crossing::{Address, Config, Endpoint, Listener};
//!
//! let address: Address = "shm:/run/user/1000/sensor.sock".parse()?;
//! let listener = Listener::bind(&address)?;                 // in the server
//! let mut server = listener.accept()?.connect(&Config::default())?;
//!
//! let mut client = Endpoint::to(&address)?.connect(&Config::default())?;   // in the client
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Fewer copies
//!
//! A message is copied into the channel and out of it. On shared memory there are ways around either: [`Sender::claim`]
//! lends the place in the ring, so that a message is made where it goes out from; [`Receiver::trusting`] lends it where it
//! came in, to those who trust the peer; and a [`Blob`] is memory that nobody can write any more, so that it can be read
//! as it is even from a peer that nobody trusts.
//!
//! # What it does not do
//!
//! One sender and one receiver for each direction; no broadcast. No serialisation: a message is bytes. That
//! `send` returned says the message is published, not that it was received: only an answer says that. Linux
//! 5.16 or newer.

#![deny(missing_docs)]

#[cfg(not(target_os = "linux"))]
compile_error!("crossing needs Linux 5.16 or newer: sealed memfds, futex_waitv, pidfds");

mod channel;
mod config;
mod endpoint;
mod error;
mod frame;
mod hello;
mod mechanism;
mod owner;
pub mod scene;
mod sys;
mod wait;

pub use channel::{Claim, Connection, Cork, CorkedConnection, Receiver, Sender};
pub use config::Config;
pub use endpoint::{Address, Endpoint, Listener};
pub use error::{ConnectError, RecvError, SendError, Violation};
pub use mechanism::{
    Any, Blob, BlobMut, Kind, Mechanism, MemoryLimit, Message, Pipe, SealError, Shm, Shortage, Tcp,
    TrustedReceiver, Unix,
};
pub use wait::{Spacing, WaitStrategy};
