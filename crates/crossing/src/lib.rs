//! Two processes talk: shared memory, pipes, Unix sockets and TCP behind one contract.
//!
//! The same few words serve all four mechanisms. A [`Connection`] is full duplex, keeps message boundaries
//! and order, and [splits](Connection::split) into a [`Sender`] and a [`Receiver`]; each call comes in a
//! blocking, a non-blocking and a deadline form; each end chooses [how it waits](WaitStrategy); a plain
//! `send` is published when it returns, and a [`Cork`] lets many messages share one publication.
//!
//! Shared memory is **safe against the peer**: each process writes only memory that it owns; the
//! kernel keeps the peer from writing it, and everything from the peer is checked before use. A
//! peer's death is reported within milliseconds, after everything it had published has been
//! received; a peer that is merely stopped is a [timeout](RecvError::Timeout). A peer that breaks
//! the protocol poisons its own connection with a [`Violation`], and nothing else.
//!
//! # Parent and child
//!
//! ```
//! use std::process::Command;
//! use crossing::{Config, Endpoint, Kind};
//!
//! # if let Ok(end) = Endpoint::inherited() {
//! #     assert_eq!(end.connect(&Config::default())?.recv(&mut [0; 64])?, 5);
//! #     return Ok(());
//! # }
//! # let program = std::env::current_exe()?;
//! let (here, there) = Endpoint::pair(Kind::Shm)?;
//! let mut child = there.spawn(Command::new(program))?;     // in the child: Endpoint::inherited()?.connect(…)
//! let mut connection = here.connect(&Config::default())?;
//! connection.send(b"hello")?;
//! # assert!(child.wait()?.success());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Server and client
//!
//! ```
//! use crossing::{Address, Config, Connection, Listener};
//!
//! # let path = format!("shm:{}/crossing-lib-{}.sock", std::env::temp_dir().display(), std::process::id());
//! let address: Address = path.parse()?;                     // shm:/run/user/1000/sensor.sock
//! let listener = Listener::bind(&address)?;                 // in the server
//! # let server = std::thread::spawn(move || {
//! let mut server = listener.accept()?.connect(&Config::default())?;
//! # server.recv(&mut [0; 64])?;
//! # Ok::<(), crossing::Error>(())
//! # });
//!
//! let mut client = Connection::dial(&address, &Config::default())?;   // in the client
//! # client.send(b"hello")?;
//! # server.join().expect("no panic")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Each end of a Unix socket checks the other process's user ([`Peers`]). `examples/echo.rs` is a
//! robust server: it bounds silent peers ([`ListenOptions`]), and goes on when descriptors run out.
//! `examples/server` is one for many clients, in one thread.
//!
//! # Where to go on
//!
//! The [guide] has a chapter on each thing that goes beyond one type, such as waiting for many, and
//! limits and costs. `examples/` has programs to start from, which run by the command in their first
//! line.
//!
//! # Fewer copies
//!
//! A message is copied into the channel and out of it. On shared memory you can avoid either copy:
//! [`Sender::claim`] lends the place in the ring, so that you make the message in place;
//! [`Receiver::trusting`] lends the arrived message in place, if you trust the peer; and a [`Blob`]
//! is memory that can never be written again, so that you can read it in place even from an
//! untrusted peer. Each says from which size it pays: for a claim and for reading in place, that is
//! the smallest.
//!
//! # Fork
//!
//! A connection belongs to the process that made it: a child that is forked and executes nothing gets
//! [`SendError::Forked`] or [`RecvError::Forked`] from every call, and makes connections of its own.
//! [Fork, threads and signals](guide::processes) has all of it.
//!
//! # What it does not do
//!
//! One sender and one receiver for each direction; no broadcast. No serialisation: a message is
//! bytes. When `send` returns, the message is published, not received: only an answer confirms
//! that. Linux 5.16 or newer.

#![deny(missing_docs)]

#[cfg(not(target_os = "linux"))]
compile_error!("crossing needs Linux 5.16 or newer: sealed memfds, futex_waitv, pidfds");

mod channel;
mod config;
mod credentials;
mod deadline;
mod descriptor;
mod endpoint;
mod error;
mod frame;
pub mod guide;
mod halves;
mod hello;
mod kind;
mod mechanism;
mod owner;
mod packet;
mod parse;
mod parts;
mod pause;
mod peer;
mod place;
mod poll;
mod ready;
mod refusal;
#[cfg(feature = "scene")]
pub mod scene;
mod session;
mod stopper;
mod supervisor;
mod sys;
#[cfg(feature = "tokio")]
pub mod tokio;
mod tuning;
mod wait;

pub use channel::{
    Claim, Connection, Cork, CorkClaim, CorkedConnection, Incoming, Latest, Pending, Receiver, Sender,
};
pub use config::Config;
pub use credentials::Peers;
pub use endpoint::activation::Activated;
pub use endpoint::listen_options::ListenOptions;
pub use endpoint::listener::Listener;
pub use endpoint::spawn::{OwnedChild, Spawn};
pub use endpoint::{Address, Endpoint};
pub use error::{ConnectError, End, Error, RecvError, SendError, Violation};
pub use halves::{Any, Mechanism};
pub use kind::Kind;
pub use mechanism::{
    Blob, BlobMut, MemoryLimit, Message, Pipe, SealError, Shm, Shortage, Sleeping, Tcp, TrustedReceiver,
    Unix, sleeping,
};
#[cfg(feature = "scene")]
#[doc(hidden)]
pub use mechanism::{REGION_FILE, RegionHeader};
pub use parse::ParseError;
#[doc(hidden)]
pub use pause::pause;
pub use peer::{Peer, PeerState};
pub use poll::{Interest, Poll, PollError, PollKey, Pollable};
pub use ready::Ready;
pub use session::{Generation, GenerationReceiver, GenerationSender, Sessions};
pub use stopper::Stopper;
pub use supervisor::{Backoff, SupervisedEnd, Supervisor, SupervisorError};
pub use wait::{Spacing, WaitStrategy};

/// The example of the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
