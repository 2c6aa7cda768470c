//! Poll: many halves, waited for at once, by one thread.
//!
//! A [`Poll`] owns what it waits for, and lends whatever is ready, each in its turn. It holds one
//! epoll(7). What was lent is armed when the next is asked for, so that a turn may take one message or
//! as many as it likes.
//!
//! # References
//! epoll(7).

mod entries;
mod error;
mod pollable;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustix::io::Errno;

pub use self::entries::PollKey;
use self::entries::{Entries, Entry, Place};
pub use self::error::PollError;
pub use self::pollable::{Interest, Pollable};
use crate::deadline::timespec;
use crate::descriptor::{FIRST_FREE, above_stdio};
use crate::owner::Owner;
use crate::ready::Ready;
use crate::stopper::Stopper;
use crate::wait::{Patience, Polled, Until, WaitStrategy};

/// How many turns go by before the kernel is asked what else is ready, while something always is. Asking after 64 cost a message of
/// 64 B 5 ns of 22.
const TURNS: u32 = 256;

/// How many halves are polled before a sleep: those whose turns came last.
const WATCHED: usize = 4;

/// Many halves of connections, or listeners, waited for at once.
///
/// It lends what is ready: [`next`](Poll::next) returns a half of which the next call does not wait. Take one message from
/// it, or several; what is left makes it ready again, behind the others that are. Thousands of idle
/// halves cost nothing while one of them is busy.
///
/// `H` is what it holds: [`Receiver`](crate::Receiver)s, [`Connection`](crate::Connection)s (for their
/// receiving halves), [`Sender`](crate::Sender)s that wait for room, [`Listener`](crate::Listener)s, a pair
/// of one of these with something of yours, or an enum of yours over them: see [`Pollable`].
///
/// | | as long as it takes | not at all | until a deadline | for a time |
/// |---|---|---|---|---|
/// | `Poll` | `next` | `try_next` | `next_deadline` | `next_timeout` |
///
/// It belongs to the process that made it, like a connection. The `Poll` takes one descriptor, and a half
/// that it holds none more; where both halves of one connection have the same one, the second takes a
/// copy.
///
/// # Examples
/// ```
/// use crossing::{Config, Connection, Kind, Poll};
///
/// let mut poll = Poll::new()?;
/// let mut clients = Vec::new();
/// for name in ["anna", "bert"] {
///     let (here, there) = Connection::pair(Kind::Shm, &Config::small())?;
///     clients.push(here);
///     poll.insert((there, name))?;
/// }
/// clients[1].send(b"hello")?;
///
/// let (_key, (connection, name)) = poll.next()?;
/// let mut buffer = [0; 64];
/// let len = connection.receiver().try_recv(&mut buffer)?;
/// assert_eq!((*name, &buffer[..len]), ("bert", &b"hello"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Poll<H> {
    /// Dropped first: an entry goes with its epoll, even if a forked child has a copy of its descriptor.
    epoll: OwnedFd,
    owner: Owner,
    entries: Entries<H>,
    /// Those that are ready, in their order.
    ready: VecDeque<PollKey>,
    /// The one that was lent last, which is not armed yet.
    lent: Option<PollKey>,
    /// Those that are not armed yet, because polling may find something sooner. The latest is the last.
    watched: Vec<PollKey>,
    /// How many turns there were since the kernel was asked.
    turns: u32,
    patience: Patience,
}

impl<H: Pollable> Poll<H> {
    /// Waits for nothing yet.
    ///
    /// # Errors
    /// Those of epoll_create1(2): this process or this machine has no more descriptors.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Connection, Kind, Poll};
    ///
    /// let mut poll = Poll::new()?;
    /// let (mut here, there) = Connection::pair(Kind::Shm, &Config::small())?;
    /// poll.insert(there)?;
    /// here.send(b"hello")?;
    /// let (_, connection) = poll.next()?;
    /// # assert_eq!(connection.recv(&mut [0; 64])?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new() -> io::Result<Poll<H>> {
        let owner = Owner::me()?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).and_then(above_stdio)?;
        Ok(Poll {
            epoll,
            owner,
            entries: Entries::new(),
            ready: VecDeque::new(),
            lent: None,
            watched: Vec::with_capacity(WATCHED + 1),
            turns: 0,
            patience: Patience::new(WaitStrategy::HYBRID, false),
        })
    }

    /// Waits for `half`, too. The key finds it again.
    ///
    /// # Errors
    /// Those of epoll_ctl(2): this user has as many halves in such sets as it may have
    /// (/proc/sys/fs/epoll/max_user_watches). A forked child gets `PermissionDenied`. The half is dropped then.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Connection, Kind, Poll};
    ///
    /// let mut poll = Poll::new()?;
    /// let (mut here, there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// let key = poll.insert(there)?;
    /// here.send(b"hello")?;
    /// assert_eq!(poll.next()?.0, key);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn insert(&mut self, half: H) -> io::Result<PollKey> {
        if !self.owner.is_me() {
            return Err(PollError::Forked.into());
        }
        let key = self.entries.next_key();
        let flags = match half.interest() {
            Interest::Readable => epoll::EventFlags::IN | epoll::EventFlags::RDHUP,
            Interest::Writable => epoll::EventFlags::OUT,
        };
        let data = epoll::EventData::new_u64(key.number());
        let copy = match epoll::add(&self.epoll, half.descriptor(), data, flags) {
            Err(Errno::EXIST) => {
                let copy = rustix::io::fcntl_dupfd_cloexec(half.descriptor(), FIRST_FREE)?;
                epoll::add(&self.epoll, &copy, data, flags)?;
                Some(copy)
            }
            added => added.map(|()| None)?,
        };
        self.entries.insert(key, Entry { half, copy, place: Place::Elsewhere });
        self.arm(key);
        Ok(key)
    }

    /// Waits for it no longer, and gives it back. `None` if it was removed before.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, Poll};
    /// # let mut poll = Poll::new()?;
    /// # let (here, there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// # poll.insert(there)?;
    /// # drop(here);
    /// // A client has gone.
    /// let (key, client) = poll.next()?;
    /// if client.recv(&mut [0; 64]).is_err_and(|error| error.is_closed()) {
    ///     poll.remove(key);
    /// }
    /// assert!(poll.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove(&mut self, key: PollKey) -> Option<H> {
        let Entry { half, copy, .. } = self.entries.remove(key)?;
        if self.owner.is_me() {
            // By name: a forked child may have a copy of the descriptor, with which the entry would stay. ENOENT if what the
            // descriptor was is closed.
            let _ = epoll::delete(&self.epoll, copy.as_ref().map_or(half.descriptor(), AsFd::as_fd));
        }
        self.watched.retain(|&watched| watched != key);
        Some(half)
    }

    /// What `key` finds.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, Poll};
    /// # let mut poll = Poll::new()?;
    /// # let (mut here, there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// let key = poll.insert(there)?;
    /// if let Some(client) = poll.get_mut(key) {
    ///     client.send(b"welcome")?;
    /// }
    /// # assert_eq!(here.recv(&mut [0; 64])?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_mut(&mut self, key: PollKey) -> Option<&mut H> {
        self.entries.get_mut(key).map(|entry| &mut entry.half)
    }

    /// All that it holds, in no particular order.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, Poll};
    /// # let mut poll = Poll::new()?;
    /// # let (mut here, there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// # poll.insert(there)?;
    /// for (_, client) in poll.iter_mut() {
    ///     client.send(b"the server goes down")?;
    /// }
    /// # assert_eq!(here.recv(&mut [0; 64])?, 20);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (PollKey, &mut H)> {
        self.entries.iter_mut().map(|(key, entry)| (key, &mut entry.half))
    }

    /// How many it holds.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, Poll};
    /// # let mut poll = Poll::new()?;
    /// # let (_here, there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// poll.insert(there)?;
    /// assert_eq!(poll.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, Poll};
    /// # let mut poll = Poll::new()?;
    /// # let (mut here, there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// # poll.insert(there)?;
    /// # here.send(b"the last")?;
    /// # drop(here);
    /// while !poll.is_empty() {
    ///     let (key, client) = poll.next()?;
    ///     match client.receiver().try_recv(&mut [0; 64]) {
    ///         Err(error) if error.is_closed() => drop(poll.remove(key)),
    ///         outcome => println!("{outcome:?}"),
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How it waits from now on. [`WaitStrategy::HYBRID`] by default: the shared memory that was ready last is polled for as
    /// long as that says, before the thread sleeps.
    ///
    /// # Examples
    /// ```
    /// use crossing::WaitStrategy;
    ///
    /// # use crossing::{Poll, Receiver};
    /// # let mut poll = Poll::<Receiver>::new()?;
    /// poll.set_wait(WaitStrategy::Block); // sleeps at once
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_wait(&mut self, wait: WaitStrategy) {
        self.patience.set_strategy(wait);
    }

    /// Lets `stopper` end waits from now on: they say [`Stopped`](PollError::Stopped).
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Connection, Kind, Poll, PollError, Stopper};
    ///
    /// let (mut poll, stopper) = (Poll::new()?, Stopper::new()?);
    /// poll.set_stopper(&stopper)?;
    /// # let (_here, there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// # poll.insert(there)?;
    /// let waiting = std::thread::spawn(move || poll.next().map(|(key, _)| key));
    /// stopper.stop();
    /// assert_eq!(waiting.join().expect("no panic"), Err(PollError::Stopped));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_stopper(&mut self, stopper: &Stopper) -> io::Result<()> {
        if self.owner.is_me() {
            if let Some(before) = self.patience.stopper() {
                let _ = epoll::delete(&self.epoll, before);
            }
            let data = epoll::EventData::new_u64(PollKey::OF_NOTHING);
            epoll::add(&self.epoll, stopper, data, epoll::EventFlags::IN)?;
        }
        self.patience.set_stopper(stopper);
        Ok(())
    }

    /// The next half that is ready, as long as it takes.
    ///
    /// The next call on that half does not wait: it finds a message (or room, or a client), an end, or an error. Now and then it
    /// finds nothing after all; `try_` forms say so.
    ///
    /// # Errors
    /// [`Vacant`](PollError::Vacant) where there is nothing to wait for; [`Stopped`](PollError::Stopped);
    /// [`Forked`](PollError::Forked); [`Io`](PollError::Io).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, Poll};
    /// # let mut poll = Poll::new()?;
    /// # let (mut here, there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// # poll.insert(there)?;
    /// # here.send(b"question")?;
    /// let mut buffer = [0; 64];
    /// let (key, client) = poll.next()?;
    /// match client.receiver().try_recv(&mut buffer) {
    ///     Ok(len) => client.send(&buffer[..len])?,
    ///     Err(error) if error.is_empty() => {} // nothing after all
    ///     Err(_) => drop(poll.remove(key)),
    /// }
    /// # assert_eq!(here.recv(&mut buffer)?, 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[allow(clippy::should_implement_trait, reason = "an iterator could not lend")]
    pub fn next(&mut self) -> Result<(PollKey, &mut H), PollError> {
        self.next_until(Until::Forever)
    }

    /// The next half that is ready, if one is now.
    ///
    /// # Errors
    /// Those of [`next`](Poll::next), and [`Nothing`](PollError::Nothing) in place of `Stopped`.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, Poll, PollError};
    /// # let mut poll = Poll::new()?;
    /// # let (_here, there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// # poll.insert(there)?;
    /// match poll.try_next() {
    ///     Ok((_, client)) => println!("{client:?} is ready"),
    ///     Err(PollError::Nothing) => println!("time for other work"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_next(&mut self) -> Result<(PollKey, &mut H), PollError> {
        self.next_until(Until::Now)
    }

    /// The next half that is ready, if one is before `deadline`.
    ///
    /// # Errors
    /// Those of [`next`](Poll::next), and [`Timeout`](PollError::Timeout).
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// # use crossing::{Config, Connection, Kind, Poll, PollError};
    /// # let mut poll = Poll::new()?;
    /// # let (_here, there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// # poll.insert(there)?;
    /// let next_tick = Instant::now() + Duration::from_millis(1);
    /// loop {
    ///     match poll.next_deadline(next_tick) {
    ///         Ok((_, client)) => println!("{client:?} is ready"),
    ///         Err(error) if error.is_timeout() => break, // the tick
    ///         Err(error) => return Err(error.into()),
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn next_deadline(&mut self, deadline: Instant) -> Result<(PollKey, &mut H), PollError> {
        self.next_until(Until::At(deadline))
    }

    /// The next half that is ready, if one is within `timeout`.
    ///
    /// # Errors
    /// Those of [`next_deadline`](Poll::next_deadline).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use crossing::{Config, Connection, Kind, Poll, PollError};
    ///
    /// let mut poll = Poll::new()?;
    /// let (here, _there) = Connection::pair(Kind::Pipe, &Config::default())?;
    /// poll.insert(here)?;
    /// assert_eq!(poll.next_timeout(Duration::from_millis(1)).err(), Some(PollError::Timeout));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<(PollKey, &mut H), PollError> {
        self.next_until(Until::after(timeout))
    }

    #[inline]
    fn next_until(&mut self, until: Until) -> Result<(PollKey, &mut H), PollError> {
        let key = match self.lent_again() {
            Some(key) => key,
            None => self.next_key(until)?,
        };
        self.turns += 1;
        self.lent = Some(key);
        // It has just been found.
        self.entries.get_mut(key).map(|entry| (key, &mut entry.half)).ok_or(PollError::Nothing)
    }

    fn next_key(&mut self, until: Until) -> Result<PollKey, PollError> {
        if !self.owner.is_me() {
            return Err(PollError::Forked);
        }
        if let Some(key) = self.lent.take() {
            self.give_back(key);
        }
        if self.turns >= TURNS {
            self.ask(Some(Duration::ZERO))?;
            self.look_at_watched();
        }
        self.patience.until(until);
        loop {
            if let Some(key) = self.next_ready() {
                return Ok(key);
            }
            if self.is_empty() {
                return Err(PollError::Vacant);
            }
            if let Some(key) = self.watch() {
                return Ok(key);
            }
            let left = self.patience.left();
            let left = if self.patience.strategy == WaitStrategy::Spin {
                Some(Duration::ZERO)
            } else {
                // Before a sleep.
                while let Some(key) = self.watched.pop() {
                    self.arm(key);
                }
                left
            };
            if !self.ready.is_empty() {
                continue;
            }
            self.ask(left)?;
            self.patience.slept();
            if self.ready.is_empty() && self.patience.left().is_some_and(|left| left.is_zero()) {
                return Err(PollError::over(&self.patience));
            }
        }
    }

    /// The one that was lent, if it is ready and nothing else is in line.
    #[inline]
    fn lent_again(&mut self) -> Option<PollKey> {
        let key = self.lent.filter(|_| self.turns < TURNS && self.ready.is_empty() && self.owner.is_me())?;
        self.entries.get_mut(key)?.half.is_ready().then_some(key)
    }

    /// The first of those that are ready, which is not ready any more.
    fn next_ready(&mut self) -> Option<PollKey> {
        loop {
            let key = self.ready.pop_front()?;
            // One that was removed meanwhile has no place.
            if let Some(entry) = self.entries.get_mut(key) {
                entry.place = Place::Elsewhere;
                return Some(key);
            }
        }
    }

    /// Takes a half back after its turn.
    fn give_back(&mut self, key: PollKey) {
        let Some(Entry { half, .. }) = self.entries.get_mut(key) else { return };
        if half.is_ready() {
            self.queue(key);
        } else if half.shows_by_itself() {
            self.watched.retain(|&watched| watched != key);
            self.watched.push(key);
            if self.watched.len() > WATCHED {
                let key = self.watched.remove(0);
                self.arm(key);
            }
        } else {
            self.arm(key);
        }
    }

    /// Arms a half, unless it is ready by now.
    fn arm(&mut self, key: PollKey) {
        if self.entries.get_mut(key).is_some_and(|it| it.half.arm() == Ready::Now) {
            self.queue(key);
        }
    }

    fn queue(&mut self, key: PollKey) {
        if let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.place == Place::Elsewhere) {
            entry.place = Place::InLine;
            self.ready.push_back(key);
        }
    }

    /// Lets those that are not armed have their turns too: the kernel does not tell of them.
    fn look_at_watched(&mut self) {
        for at in (0..self.watched.len()).rev() {
            let key = self.watched[at];
            if self.entries.get_mut(key).is_some_and(|it| it.half.is_ready()) {
                self.watched.remove(at);
                self.queue(key);
            }
        }
    }

    /// Polls those that were ready last, as the strategy has it.
    fn watch(&mut self) -> Option<PollKey> {
        let Poll { entries, watched, patience, .. } = self;
        let look =
            || watched.iter().rposition(|&key| entries.get_mut(key).is_some_and(|it| it.half.is_ready()));
        let Polled::Found(at) = patience.poll_for_a_while(look) else { return None };
        Some(self.watched.remove(at))
    }

    /// Asks the kernel what is ready, and waits for that as long as `left` says.
    fn ask(&mut self, left: Option<Duration>) -> Result<(), PollError> {
        self.turns = 0;
        let mut events = [const { std::mem::MaybeUninit::<epoll::Event>::uninit() }; 64];
        let timeout = left.map(timespec);
        let told = match epoll::wait(&self.epoll, &mut events[..], timeout.as_ref()) {
            Ok((told, _)) => told,
            // The caller looks at the clock.
            Err(Errno::INTR) => return Ok(()),
            Err(errno) => return Err(PollError::Io(errno.into())),
        };
        for event in &*told {
            let key = PollKey::of(event.data.u64());
            self.watched.retain(|&watched| watched != key);
            self.queue(key);
        }
        Ok(())
    }
}

impl<H> AsFd for Poll<H> {
    /// The epoll: readable while something may be ready. To be waited for by another poll, after
    /// [`try_next`](Poll::try_next) has said [`Nothing`](PollError::Nothing).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl<H> fmt::Debug for Poll<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poll").field("len", &self.entries.len()).finish_non_exhaustive()
    }
}
