//! What a poll can wait for.

use std::os::fd::{AsFd, BorrowedFd};

use crate::channel::{Connection, Receiver, Sender};
use crate::endpoint::listener::Listener;
use crate::halves::Mechanism;
use crate::ready::Ready;

/// For what a descriptor is waited for.
///
/// # Examples
/// ```
/// # use crossing::{Config, Connection, Kind};
/// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
/// use crossing::{Interest, Pollable};
///
/// assert_eq!(here.receiver().interest(), Interest::Readable); // a message
/// assert_eq!(here.sender().interest(), Interest::Writable); // room
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interest {
    /// Until it can be read from.
    Readable,
    /// Until it can be written to.
    Writable,
}

/// What a [`Poll`](super::Poll) can wait for.
///
/// Implement it for an enum of yours, to hold different things in one poll, or for a descriptor of
/// yours: the first three are all it takes.
///
/// # Examples
/// ```
/// use std::os::fd::BorrowedFd;
/// use crossing::{Interest, Listener, Pollable, Ready, Receiver};
///
/// enum Source {
///     Door(Listener),
///     Client(Receiver),
/// }
///
/// impl Source {
///     fn pollable(&mut self) -> &mut dyn Pollable {
///         match self {
///             Source::Door(listener) => listener,
///             Source::Client(receiver) => receiver,
///         }
///     }
/// }
///
/// impl Pollable for Source {
///     fn descriptor(&self) -> BorrowedFd<'_> {
///         match self {
///             Source::Door(listener) => listener.descriptor(),
///             Source::Client(receiver) => receiver.descriptor(),
///         }
///     }
///     fn interest(&self) -> Interest {
///         Interest::Readable
///     }
///     fn arm(&mut self) -> Ready {
///         self.pollable().arm()
///     }
///     fn is_ready(&mut self) -> bool {
///         self.pollable().is_ready()
///     }
///     fn shows_by_itself(&self) -> bool {
///         match self {
///             Source::Door(listener) => listener.shows_by_itself(),
///             Source::Client(receiver) => receiver.shows_by_itself(),
///         }
///     }
/// }
/// ```
pub trait Pollable {
    /// What is waited for. It must stay the same.
    ///
    /// # Examples
    /// ```
    /// use std::{io::Write, os::fd::{AsFd, BorrowedFd}, os::unix::net::UnixStream};
    ///
    /// # use crossing::{Interest, Poll, Pollable, Ready};
    /// struct Signals(UnixStream);
    /// impl Pollable for Signals {
    ///     fn descriptor(&self) -> BorrowedFd<'_> {
    ///         self.0.as_fd()
    ///     }
    /// #     fn interest(&self) -> Interest { Interest::Readable }
    /// #     fn arm(&mut self) -> Ready { Ready::Wait }
    /// }
    /// # let (mut handler, signals) = UnixStream::pair()?;
    /// # let mut poll = Poll::new()?;
    /// # poll.insert(Signals(signals))?;
    /// # handler.write_all(b"!")?;
    /// # poll.next()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn descriptor(&self) -> BorrowedFd<'_>;

    /// For what. It must stay the same.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, Interest, Poll, Pollable, Ready, Sender};
    /// # use std::os::fd::BorrowedFd;
    /// struct Outbox(Sender, Vec<Vec<u8>>);
    /// impl Pollable for Outbox {
    ///     fn interest(&self) -> Interest {
    ///         Interest::Writable // ready when there is room
    ///     }
    /// #     fn descriptor(&self) -> BorrowedFd<'_> { self.0.descriptor() }
    /// #     fn arm(&mut self) -> Ready { Pollable::arm(&mut self.0) }
    /// }
    /// # let (here, _there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// # let mut poll = Poll::new()?;
    /// # poll.insert(Outbox(here.split().0, Vec::new()))?;
    /// # poll.next()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn interest(&self) -> Interest;

    /// [`Ready::Now`] if the next call would not wait; else the descriptor tells when that changes.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, Interest, Poll, Pollable, Ready, Receiver};
    /// # use std::{collections::VecDeque, os::fd::BorrowedFd};
    /// struct Inbox(Receiver, VecDeque<Vec<u8>>);
    /// impl Pollable for Inbox {
    ///     fn arm(&mut self) -> Ready {
    ///         // The descriptor does not tell of what was received already.
    ///         if self.1.is_empty() { self.0.arm() } else { Ready::Now }
    ///     }
    /// #     fn descriptor(&self) -> BorrowedFd<'_> { self.0.descriptor() }
    /// #     fn interest(&self) -> Interest { Interest::Readable }
    /// }
    /// # let (_here, there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// # let mut poll = Poll::new()?;
    /// # poll.insert(Inbox(there.split().1, VecDeque::from([b"kept".to_vec()])))?;
    /// # poll.next()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn arm(&mut self) -> Ready;

    /// Whether the next call would not wait, as far as that shows without a system call.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use crossing::Pollable;
    ///
    /// assert!(!Pollable::is_ready(&mut there));
    /// here.send(b"hello")?;
    /// assert!(Pollable::is_ready(&mut there)); // seen in the ring, without a system call
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    fn is_ready(&mut self) -> bool {
        false
    }

    /// Whether [`is_ready`](Pollable::is_ready) shows all that happens, so that looking again and again is as good as a
    /// sleep: true of shared memory, if its two ends do not share their only core.
    ///
    /// # Examples
    /// ```
    /// use crossing::Pollable;
    ///
    /// # use crossing::{Config, Connection, Kind};
    /// let (here, _there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// assert!(!here.shows_by_itself()); // the kernel has to be asked
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn shows_by_itself(&self) -> bool {
        false
    }
}

impl<M: Mechanism> Pollable for Receiver<M> {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn interest(&self) -> Interest {
        Interest::Readable
    }

    fn arm(&mut self) -> Ready {
        Receiver::arm(self)
    }

    #[inline]
    fn is_ready(&mut self) -> bool {
        Receiver::is_ready(self)
    }

    fn shows_by_itself(&self) -> bool {
        Receiver::shows_by_itself(self)
    }
}

/// Waits until there is room for the longest message. On a pipe and on sockets the kernel says when there is room.
impl<M: Mechanism> Pollable for Sender<M> {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn interest(&self) -> Interest {
        Interest::Writable
    }

    fn arm(&mut self) -> Ready {
        Sender::arm(self, self.max_message())
    }
}

/// Waits for its receiving half.
impl<M: Mechanism> Pollable for Connection<M> {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn interest(&self) -> Interest {
        Interest::Readable
    }

    fn arm(&mut self) -> Ready {
        Connection::arm(self)
    }

    #[inline]
    fn is_ready(&mut self) -> bool {
        self.receiver().is_ready()
    }

    fn shows_by_itself(&self) -> bool {
        self.receiving().shows_by_itself()
    }
}

/// Waits for the next client.
impl Pollable for Listener {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn interest(&self) -> Interest {
        Interest::Readable
    }

    fn arm(&mut self) -> Ready {
        Ready::Wait
    }
}

/// Waits for the first.
impl<H: Pollable, T> Pollable for (H, T) {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.descriptor()
    }

    fn interest(&self) -> Interest {
        self.0.interest()
    }

    fn arm(&mut self) -> Ready {
        self.0.arm()
    }

    #[inline]
    fn is_ready(&mut self) -> bool {
        self.0.is_ready()
    }

    fn shows_by_itself(&self) -> bool {
        self.0.shows_by_itself()
    }
}

impl<H: Pollable + ?Sized> Pollable for Box<H> {
    fn descriptor(&self) -> BorrowedFd<'_> {
        (**self).descriptor()
    }

    fn interest(&self) -> Interest {
        (**self).interest()
    }

    fn arm(&mut self) -> Ready {
        (**self).arm()
    }

    #[inline]
    fn is_ready(&mut self) -> bool {
        (**self).is_ready()
    }

    fn shows_by_itself(&self) -> bool {
        (**self).shows_by_itself()
    }
}
