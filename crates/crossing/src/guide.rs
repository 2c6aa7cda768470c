//! Chapters: what goes beyond one type.
//!
//! | chapter | answers |
//! |---|---|
//! | [`waiting`] | how one thread waits for much, and how a wait is ended |
//! | [`meeting`] | how two processes find each other, and which may |
//! | [`dying`] | how an end is told, and how to go on |
//! | [`processes`] | what a thread, a fork, an exec and a signal do |
//! | [`costs`] | what it takes, and where it ends |
//!
//! # Examples
//! Each has examples that run, such as this of [`waiting`]:
//! ```
//! use crossing::{Config, Connection, Kind, Poll};
//!
//! let mut poll = Poll::new()?;
//! let (mut here, there) = Connection::pair(Kind::Shm, &Config::default())?;
//! poll.insert(there)?;
//! here.send(b"hello")?;
//! let (_key, ready) = poll.next()?;
//! assert_eq!(ready.recv(&mut [0; 64])?, 5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![allow(rustdoc::redundant_explicit_links)]

#[doc = include_str!("../docs/waiting.md")]
pub mod waiting {}

#[doc = include_str!("../docs/costs.md")]
pub mod costs {}

#[doc = include_str!("../docs/meeting.md")]
pub mod meeting {}

#[doc = include_str!("../docs/dying.md")]
pub mod dying {}

#[doc = include_str!("../docs/processes.md")]
pub mod processes {}
