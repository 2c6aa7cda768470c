//! A generation: one connection of a session, whose messages are counted.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::account::Account;
use crate::channel::{Connection, Receiver, Sender};
use crate::error::{ConnectError, RecvError, SendError};
use crate::owner::{self, Owner};
use crate::peer::Peer;
use crate::poll::{Interest, Pollable};
use crate::ready::Ready;

/// One connection of a session: the first, or one that follows another that ended.
///
/// A [`Supervisor`](crate::Supervisor) makes it at one end, [`Sessions`](crate::Sessions) at the
/// other. Messages are counted on both sides, from 0, in each direction. When a connection has
/// ended and the next stands between the same two processes, each learns how many of its messages
/// the other has [received](Generation::delivered). A sender that then sends from that one on has
/// each message received once and in order. As soon as one of the processes is another, what the
/// one before has received is not known, and both begin to count anew.
///
/// The next generation ends this one: every call that would send or receive then says
/// `Disconnected`, also where the connection still stands.
///
/// # Examples
/// ```
/// use crossing::{Config, Generation, Listener, Sessions, Supervisor};
///
/// let listener = Listener::bind(&"unix:@crossing-example-generation".parse()?)?;
/// let address = listener.address().clone();
/// // The server forgets no session while it runs.
/// let server = std::thread::spawn(move || -> Result<(), crossing::Error> {
///     let sessions = Sessions::new();
///     for _ in 0..2 {
///         // It takes one message of each connection, and goes away.
///         let mut generation = sessions.accept(listener.accept()?, &Config::default())?;
///         generation.recv(&mut [0; 8])?;
///     }
///     Ok(())
/// });
///
/// let mut supervisor = Supervisor::dialling(&address);
/// let mut generation = supervisor.next_generation()?;
/// assert_eq!((generation.number(), generation.delivered()), (1, None));
/// generation.send(b"one")?;
/// while generation.send(b"two") != Err(crossing::SendError::Disconnected) {}
///
/// let mut generation = supervisor.next_generation()?;
/// // However many were sent, one was received: the next is the one with the number 1.
/// assert_eq!((generation.number(), generation.delivered()), (2, Some(1)));
/// generation.send(b"two")?;
/// # server.join().expect("no panic")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Generation {
    connection: Connection,
    standing: Standing,
    delivered: Option<u64>,
}

/// A half of a [`Generation`] that sends. It counts what it sends.
///
/// # Examples
/// ```
/// # let listener = crossing::Listener::bind(&"tcp://127.0.0.1:0".parse()?)?;
/// # let mut supervisor = crossing::Supervisor::dialling(listener.address());
/// # let other = std::thread::spawn(move || {
/// #     crossing::Sessions::new().accept(listener.accept()?, &crossing::Config::default())
/// # });
/// # let generation = supervisor.next_generation()?;
/// # let mut other = other.join().expect("no panic")?;
/// // It sends in a thread of its own, while this one receives.
/// let (mut sender, mut receiver) = generation.split();
/// let sending = std::thread::spawn(move || sender.send(b"question"));
/// # other.recv(&mut [0; 64])?;
/// # other.send(b"answer")?;
/// assert_eq!(receiver.recv(&mut [0; 64])?, 6);
/// # sending.join().expect("no panic")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GenerationSender {
    sender: Sender,
    standing: Standing,
}

/// A half of a [`Generation`] that receives. It counts what it receives.
///
/// # Examples
/// ```
/// # let listener = crossing::Listener::bind(&"tcp://127.0.0.1:0".parse()?)?;
/// # let mut supervisor = crossing::Supervisor::dialling(listener.address());
/// # let other = std::thread::spawn(move || {
/// #     crossing::Sessions::new().accept(listener.accept()?, &crossing::Config::default())
/// # });
/// # let generation = supervisor.next_generation()?;
/// # let mut other = other.join().expect("no panic")?;
/// // It receives in a thread of its own, while this one sends.
/// let (mut sender, mut receiver) = generation.split();
/// let receiving = std::thread::spawn(move || receiver.recv(&mut [0; 64]));
/// sender.send(b"question")?;
/// # other.send(b"answer")?;
/// assert_eq!(receiving.join().expect("no panic")?, 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GenerationReceiver {
    receiver: Receiver,
    standing: Standing,
}

/// Which generation of which account it is.
#[derive(Debug, Clone)]
struct Standing {
    account: Arc<Account>,
    number: u64,
    owner: Owner,
}

impl Standing {
    /// Sends one message by `send`, and counts it if it was taken.
    fn send<T>(&self, send: impl FnOnce() -> Result<T, SendError>) -> Result<T, SendError> {
        // A forked child may have the lock as another thread of its parent's held it: for good.
        if !self.owner.is_me() {
            return Err(SendError::Forked);
        }
        {
            let mut tally = self.account.tally();
            if tally.generation != self.number {
                return Err(SendError::Disconnected);
            }
            // Before it goes: the other end may have it, and a connection after this one, before
            // this call returns.
            tally.sent += 1;
        }
        let outcome = send();
        let mut tally = self.account.tally();
        match outcome {
            // Whether it was received, the next generation knows.
            _ if tally.generation != self.number => Err(SendError::Disconnected),
            Ok(_) | Err(SendError::Unfinished) => outcome,
            Err(_) => {
                tally.sent -= 1;
                outcome
            }
        }
    }

    /// Receives one message by `recv`, and counts it.
    fn recv<T>(&self, recv: impl FnOnce() -> Result<T, RecvError>) -> Result<T, RecvError> {
        // As in `send`.
        if !self.owner.is_me() {
            return Err(RecvError::Forked);
        }
        let outcome = recv();
        let mut tally = self.account.tally();
        if tally.generation != self.number {
            // What has come was not counted: it comes again.
            return Err(RecvError::Disconnected);
        }
        if outcome.is_ok() {
            tally.received += 1;
        }
        outcome
    }
}

impl Generation {
    pub(super) fn new(
        connection: Connection,
        account: Arc<Account>,
        number: u64,
        delivered: Option<u64>,
    ) -> Result<Generation, ConnectError> {
        let owner = Owner::me().map_err(ConnectError::io(owner::NOTICING))?;
        Ok(Generation { connection, standing: Standing { account, number, owner }, delivered })
    }

    /// Its number: 1 for the first connection of the session, and larger for each that follows.
    /// Both ends are told the same. An attempt that failed has had a number, too.
    ///
    /// # Examples
    /// ```
    /// # let listener = crossing::Listener::bind(&"tcp://127.0.0.1:0".parse()?)?;
    /// # let mut supervisor = crossing::Supervisor::dialling(listener.address());
    /// # let other = std::thread::spawn(move || {
    /// #     crossing::Sessions::new().accept(listener.accept()?, &crossing::Config::default())
    /// # });
    /// let generation = supervisor.next_generation()?;
    /// # let other = other.join().expect("no panic")?;
    /// // For the log: both ends call it by the same number.
    /// assert_eq!((generation.number(), other.number()), (1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn number(&self) -> u64 {
        self.standing.number
    }

    /// How many messages of this side the process at the other end had received when this
    /// generation began: the next to send is the one with this number, counted from 0.
    ///
    /// *Received* means that a receive has returned the message to the program there. `None` when
    /// the other end does not know: it is another process than before, or its program has no
    /// [`Sessions`](crate::Sessions). Then what was sent earlier may have been received or not, and
    /// what is sent again may be received twice; both sides count anew, from 0.
    ///
    /// # Examples
    /// ```
    /// # use std::collections::VecDeque;
    /// # let listener = crossing::Listener::bind(&"tcp://127.0.0.1:0".parse()?)?;
    /// # let mut supervisor = crossing::Supervisor::dialling(listener.address());
    /// # let server = std::thread::spawn(move || -> Result<(), crossing::Error> {
    /// #     let sessions = crossing::Sessions::new();
    /// #     for _ in 0..2 {
    /// #         let mut other = sessions.accept(listener.accept()?, &crossing::Config::default())?;
    /// #         other.recv(&mut [0; 64])?;
    /// #     }
    /// #     Ok(())
    /// # });
    /// // What may have to be sent again. The server takes one message, and closes.
    /// let mut kept = VecDeque::from([b"one", b"two"]);
    /// let mut generation = supervisor.next_generation()?;
    /// assert_eq!(generation.delivered(), None);       // it begins
    /// for message in &kept {
    ///     // An error: how many were received, the next generation says.
    ///     let _ = generation.send(*message);
    /// }
    /// # let _ = generation.recv(&mut [0; 64]);
    ///
    /// let mut generation = supervisor.next_generation()?;
    /// kept.drain(..generation.delivered().unwrap_or(0) as usize);
    /// assert_eq!(kept, [b"two"]);
    /// # generation.send(kept[0])?;
    /// # server.join().expect("no panic")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn delivered(&self) -> Option<u64> {
        self.delivered
    }

    /// How many messages of this side were sent to the process at the other end, with those that it
    /// [had received](Generation::delivered) before: the number of the next.
    ///
    /// # Examples
    /// ```
    /// # let listener = crossing::Listener::bind(&"tcp://127.0.0.1:0".parse()?)?;
    /// # let mut supervisor = crossing::Supervisor::dialling(listener.address());
    /// # let other = std::thread::spawn(move || {
    /// #     crossing::Sessions::new().accept(listener.accept()?, &crossing::Config::default())
    /// # });
    /// # let mut generation = supervisor.next_generation()?;
    /// # let _other = other.join().expect("no panic")?;
    /// // The number of a message goes with it, for an answer that names it.
    /// for word in ["one", "two"] {
    ///     let number = generation.sent();
    ///     generation.send(format!("{number} {word}").as_bytes())?;
    /// }
    /// assert_eq!(generation.sent(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sent(&self) -> u64 {
        self.standing.account.tally().sent
    }

    /// How many messages of the process at the other end this side has received.
    ///
    /// # Examples
    /// ```
    /// # let listener = crossing::Listener::bind(&"tcp://127.0.0.1:0".parse()?)?;
    /// # let mut supervisor = crossing::Supervisor::dialling(listener.address());
    /// # let other = std::thread::spawn(move || {
    /// #     crossing::Sessions::new().accept(listener.accept()?, &crossing::Config::default())
    /// # });
    /// # let mut generation = supervisor.next_generation()?;
    /// # let mut other = other.join().expect("no panic")?;
    /// generation.send(b"one")?;
    /// generation.send(b"two")?;
    /// other.recv(&mut [0; 64])?;
    /// assert_eq!((generation.sent(), other.received()), (2, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn received(&self) -> u64 {
        self.standing.account.tally().received
    }

    /// Which process is at the other end.
    ///
    /// # Examples
    /// ```
    /// # let listener = crossing::Listener::bind(&format!("unix:@crossing-peer-{}", std::process::id()).parse()?)?;
    /// # let mut supervisor = crossing::Supervisor::dialling(listener.address());
    /// # let other = std::thread::spawn(move || {
    /// #     crossing::Sessions::new().accept(listener.accept()?, &crossing::Config::default())
    /// # });
    /// let generation = supervisor.next_generation()?;
    /// # let _other = other.join().expect("no panic")?;
    /// // A server that was started again is another process than before.
    /// println!("connection {} is to {:?}", generation.number(), generation.peer().pid());
    /// # assert_eq!(generation.peer().pid(), Some(std::process::id()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peer(&self) -> Peer {
        self.connection.peer()
    }

    /// The two halves.
    ///
    /// # Examples
    /// ```
    /// # let listener = crossing::Listener::bind(&"tcp://127.0.0.1:0".parse()?)?;
    /// # let mut supervisor = crossing::Supervisor::dialling(listener.address());
    /// # let other = std::thread::spawn(move || {
    /// #     crossing::Sessions::new().accept(listener.accept()?, &crossing::Config::default())
    /// # });
    /// let (mut sender, mut receiver) = supervisor.next_generation()?.split();
    /// # let mut other = other.join().expect("no panic")?;
    /// let receiving = std::thread::spawn(move || receiver.recv(&mut [0; 64]));
    /// sender.send(b"from another thread than the one that receives")?;
    /// # other.send(b"answer")?;
    /// assert_eq!(receiving.join().expect("no panic")?, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn split(self) -> (GenerationSender, GenerationReceiver) {
        let Generation { connection, standing, .. } = self;
        let (sender, receiver) = connection.split();
        (GenerationSender { sender, standing: standing.clone() }, GenerationReceiver { receiver, standing })
    }

    /// The longest message that both ends agreed on, in bytes.
    ///
    /// # Examples
    /// ```
    /// # let listener = crossing::Listener::bind(&"tcp://127.0.0.1:0".parse()?)?;
    /// # let mut supervisor = crossing::Supervisor::dialling(listener.address());
    /// # let other = std::thread::spawn(move || {
    /// #     crossing::Sessions::new().accept(listener.accept()?, &crossing::Config::default())
    /// # });
    /// let generation = supervisor.next_generation()?;
    /// # let mut other = other.join().expect("no panic")?;
    /// # other.send(b"hello")?;
    /// # let mut generation = generation;
    /// // Large enough for any message that can come.
    /// let mut buffer = vec![0; generation.max_message()];
    /// let len = generation.recv(&mut buffer)?;
    /// # assert_eq!(&buffer[..len], b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_message(&self) -> usize {
        self.connection.max_message()
    }
}

/// The hidden beginning of each example of a form: a session, of which `other` is the other end.
macro_rules! meeting {
    () => {
        "# use std::time::{Duration, Instant};
# use crossing::{Config, Listener, RecvError, SendError, Sessions, Supervisor};
# let listener = Listener::bind(&\"tcp://127.0.0.1:0\".parse()?)?;
# let mut supervisor = Supervisor::dialling(listener.address());
# let other = std::thread::spawn(move || Sessions::new().accept(listener.accept()?, &Config::default()));
# let generation = supervisor.next_generation()?;
# let mut other = other.join().expect(\"no panic\")?;"
    };
}

/// Sends one message in every form, through whatever has a sender and a standing. In the examples it is called `$name`, and
/// `$made` makes it.
macro_rules! sends {
    ($type:ident as $name:literal made by $made:literal: $half:expr) => {
        impl $type {
            /// Sends a message by a form of the half that has no method here, and counts one.
            ///
            /// # Errors
            /// Those of the form; [`Disconnected`](SendError::Disconnected) once another generation
            /// has begun.
            ///
            /// # Examples
            /// ```
            #[doc = meeting!()]
            #[doc = $made]
            #[doc = concat!($name, ".send_with(|half| {")]
            ///     let mut place = half.claim(8)?;
            ///     place.copy_from_slice(b"in place");
            ///     place.commit()
            /// })?;
            /// # assert_eq!(other.recv(&mut [0; 64])?, 8);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn send_with<T>(
                &mut self,
                form: impl FnOnce(&mut Sender) -> Result<T, SendError>,
            ) -> Result<T, SendError> {
                let half: fn(&mut $type) -> &mut Sender = $half;
                let standing = self.standing.clone();
                standing.send(|| form(half(self)))
            }

            /// See [`Sender::send`].
            ///
            /// # Errors
            /// See there; [`Disconnected`](SendError::Disconnected) once another generation has
            /// begun.
            ///
            /// # Examples
            /// ```
            #[doc = meeting!()]
            #[doc = $made]
            #[doc = concat!("match ", $name, ".send(b\"hello\") {")]
            ///     Err(SendError::Disconnected) => println!("ask the supervisor for the next"),
            ///     outcome => outcome?,
            /// }
            /// # assert_eq!(other.recv(&mut [0; 64])?, 5);
            /// assert_eq!(other.received(), 1);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
                self.send_with(|sender| sender.send(message))
            }

            /// See [`Sender::try_send`].
            ///
            /// # Errors
            /// See there; [`Disconnected`](SendError::Disconnected) once another generation has
            /// begun.
            ///
            /// # Examples
            /// ```
            #[doc = meeting!()]
            #[doc = $made]
            #[doc = concat!("match ", $name, ".try_send(b\"if there is room\") {")]
            ///     Err(SendError::Full) => println!("not taken, and not counted"),
            ///     outcome => outcome?,
            /// }
            /// # assert_eq!(other.recv(&mut [0; 64])?, 16);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn try_send(&mut self, message: &[u8]) -> Result<(), SendError> {
                self.send_with(|sender| sender.try_send(message))
            }

            /// See [`Sender::send_deadline`].
            ///
            /// # Errors
            /// See there; [`Disconnected`](SendError::Disconnected) once another generation has
            /// begun.
            ///
            /// # Examples
            /// ```
            #[doc = meeting!()]
            #[doc = $made]
            /// // Both within five seconds.
            /// let deadline = Instant::now() + Duration::from_secs(5);
            #[doc = concat!($name, ".send_deadline(b\"header\", deadline)?;")]
            #[doc = concat!($name, ".send_deadline(b\"payload\", deadline)?;")]
            /// # assert_eq!([other.recv(&mut [0; 64])?, other.recv(&mut [0; 64])?], [6, 7]);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn send_deadline(&mut self, message: &[u8], deadline: Instant) -> Result<(), SendError> {
                self.send_with(|sender| sender.send_deadline(message, deadline))
            }

            /// See [`Sender::send_timeout`].
            ///
            /// # Errors
            /// See there; [`Disconnected`](SendError::Disconnected) once another generation has
            /// begun.
            ///
            /// # Examples
            /// ```
            #[doc = meeting!()]
            #[doc = $made]
            #[doc = concat!("match ", $name, ".send_timeout(b\"news\", Duration::from_millis(100)) {")]
            ///     Err(SendError::Timeout) => println!("not taken: the other end is behind"),
            ///     outcome => outcome?,
            /// }
            /// # assert_eq!(other.recv(&mut [0; 64])?, 4);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
                self.send_with(|sender| sender.send_timeout(message, timeout))
            }

            /// See [`Sender::flush`].
            ///
            /// # Errors
            /// See there.
            ///
            /// # Examples
            /// ```
            #[doc = meeting!()]
            #[doc = $made]
            #[doc = concat!("match ", $name, ".try_send(b\"hello\") {")]
            ///     // It was taken and is counted: only a part of it waits here.
            #[doc = concat!("    Err(SendError::Unfinished) => ", $name, ".flush()?,")]
            ///     outcome => outcome?,
            /// }
            /// # assert_eq!(other.recv(&mut [0; 64])?, 5);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn flush(&mut self) -> Result<(), SendError> {
                let half: fn(&mut $type) -> &mut Sender = $half;
                half(self).flush()
            }
        }
    };
}

/// Receives one message in every form, through whatever has a receiver and a standing. In the examples it is called `$name`,
/// and `$made` makes it.
macro_rules! receives {
    ($type:ident as $name:literal made by $made:literal: $half:expr, $shared:expr, $shows:expr) => {
        impl $type {
            /// Receives a message by a form of the half that has no method here, and counts one.
            /// The form must take exactly one.
            ///
            /// # Errors
            /// Those of the form; [`Disconnected`](RecvError::Disconnected) once another generation
            /// has begun.
            ///
            /// # Examples
            /// ```
            #[doc = meeting!()]
            #[doc = $made]
            /// # other.send(b"hello")?;
            /// // A form that has no method here.
            /// let mut message = Vec::new();
            #[doc = concat!($name, ".recv_with(|half| half.recv_vec_timeout(&mut message, Duration::from_secs(5)))?;")]
            /// assert_eq!(message, b"hello");
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn recv_with<T>(
                &mut self,
                form: impl FnOnce(&mut Receiver) -> Result<T, RecvError>,
            ) -> Result<T, RecvError> {
                let half: fn(&mut $type) -> &mut Receiver = $half;
                let standing = self.standing.clone();
                standing.recv(|| form(half(self)))
            }

            /// See [`Receiver::recv`].
            ///
            /// # Errors
            /// See there; [`Disconnected`](RecvError::Disconnected) once another generation has
            /// begun.
            ///
            /// # Examples
            /// ```
            #[doc = meeting!()]
            #[doc = $made]
            /// # other.send(b"hello")?;
            /// # drop(other);
            /// let mut buffer = [0; 64];
            #[doc = concat!("assert_eq!(", $name, ".recv(&mut buffer)?, 5);")]
            /// // The other end has closed: the supervisor has the next generation.
            #[doc = concat!("assert!(", $name, ".recv(&mut buffer).is_err_and(|error| error.is_closed()));")]
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn recv(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
                self.recv_with(|receiver| receiver.recv(buffer))
            }

            /// See [`Receiver::try_recv`].
            ///
            /// # Errors
            /// See there; [`Disconnected`](RecvError::Disconnected) once another generation has
            /// begun.
            ///
            /// # Examples
            /// ```
            #[doc = meeting!()]
            #[doc = $made]
            #[doc = concat!("match ", $name, ".try_recv(&mut [0; 64]) {")]
            ///     Err(RecvError::Empty) => println!("nothing yet"),
            ///     outcome => println!("{} bytes", outcome?),
            /// }
            /// # assert_eq!(other.sent(), 0);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn try_recv(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
                self.recv_with(|receiver| receiver.try_recv(buffer))
            }

            /// See [`Receiver::recv_deadline`].
            ///
            /// # Errors
            /// See there; [`Disconnected`](RecvError::Disconnected) once another generation has
            /// begun.
            ///
            /// # Examples
            /// ```
            #[doc = meeting!()]
            #[doc = $made]
            /// # other.send(b"hello")?;
            #[doc = concat!("# assert_eq!(", $name, ".recv(&mut [0; 64])?, 5);")]
            /// let deadline = Instant::now() + Duration::from_millis(1);
            #[doc = concat!("match ", $name, ".recv_deadline(&mut [0; 64], deadline) {")]
            ///     Err(RecvError::Timeout) => println!("it is late, and may still come"),
            ///     outcome => println!("{} bytes", outcome?),
            /// }
            /// # assert_eq!(other.sent(), 1);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn recv_deadline(
                &mut self,
                buffer: &mut [u8],
                deadline: Instant,
            ) -> Result<usize, RecvError> {
                self.recv_with(|receiver| receiver.recv_deadline(buffer, deadline))
            }

            /// See [`Receiver::recv_timeout`].
            ///
            /// # Errors
            /// See there; [`Disconnected`](RecvError::Disconnected) once another generation has
            /// begun.
            ///
            /// # Examples
            /// ```
            #[doc = meeting!()]
            #[doc = $made]
            /// # other.send(b"hello")?;
            #[doc = concat!("let len = ", $name, ".recv_timeout(&mut [0; 64], Duration::from_secs(5))?;")]
            /// assert_eq!(len, 5);
            #[doc = concat!("let outcome = ", $name, ".recv_timeout(&mut [0; 64], Duration::from_millis(1));")]
            /// assert!(outcome.is_err_and(|error| error.is_timeout()));
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn recv_timeout(
                &mut self,
                buffer: &mut [u8],
                timeout: Duration,
            ) -> Result<usize, RecvError> {
                self.recv_with(|receiver| receiver.recv_timeout(buffer, timeout))
            }

            /// See [`Receiver::recv_vec`].
            ///
            /// # Errors
            /// See there; [`Disconnected`](RecvError::Disconnected) once another generation has
            /// begun.
            ///
            /// # Examples
            /// ```
            #[doc = meeting!()]
            #[doc = $made]
            /// # other.send(b"of any length")?;
            /// let mut message = Vec::new();     // grows with the messages, and is used again
            #[doc = concat!($name, ".recv_vec(&mut message)?;")]
            /// assert_eq!(message, b"of any length");
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn recv_vec(&mut self, message: &mut Vec<u8>) -> Result<usize, RecvError> {
                self.recv_with(|receiver| receiver.recv_vec(message))
            }
        }

        /// See [`Receiver`].
        impl AsFd for $type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                let half: fn(&$type) -> BorrowedFd<'_> = $shared;
                half(self)
            }
        }

        impl Pollable for $type {
            fn descriptor(&self) -> BorrowedFd<'_> {
                self.as_fd()
            }

            fn interest(&self) -> Interest {
                Interest::Readable
            }

            fn arm(&mut self) -> Ready {
                let half: fn(&mut $type) -> &mut Receiver = $half;
                Pollable::arm(half(self))
            }

            fn is_ready(&mut self) -> bool {
                let half: fn(&mut $type) -> &mut Receiver = $half;
                Pollable::is_ready(half(self))
            }

            fn shows_by_itself(&self) -> bool {
                let shared: fn(&$type) -> bool = $shows;
                shared(self)
            }
        }
    };
}

sends!(Generation as "generation" made by "# let mut generation = generation;": |it| it.connection.sender());
sends!(GenerationSender as "sender" made by "# let (mut sender, _receiver) = generation.split();": |it| &mut it.sender);
receives!(
    Generation as "generation" made by "# let mut generation = generation;": |it| it.connection.receiver(),
    |it| it.connection.as_fd(),
    |it| it.connection.shows_by_itself()
);
receives!(
    GenerationReceiver as "receiver" made by "# let (_sender, mut receiver) = generation.split();": |it| &mut it.receiver,
    |it| it.receiver.as_fd(),
    |it| Pollable::shows_by_itself(&it.receiver)
);

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, delivered) = (self.number(), self.delivered);
        f.debug_struct("Generation")
            .field("number", &number)
            .field("delivered", &delivered)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for GenerationSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GenerationSender").field("number", &self.standing.number).finish_non_exhaustive()
    }
}

impl fmt::Debug for GenerationReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GenerationReceiver").field("number", &self.standing.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stopper::Stopper;

    /// One that counts as the second generation of an account, and how the third begins.
    fn second() -> (Standing, impl Fn()) {
        let account = Account::new();
        let begin = {
            let account = account.clone();
            move |number| account.tally().begin(number, &Stopper::new().unwrap())
        };
        begin(2);
        (Standing { account, number: 2, owner: Owner::me().unwrap() }, move || begin(3))
    }

    fn counts(standing: &Standing) -> (u64, u64) {
        let tally = standing.account.tally();
        (tally.sent, tally.received)
    }

    #[test]
    fn what_was_taken_counts_and_what_was_not_does_not() {
        let (standing, _) = second();
        standing.send(|| Ok(())).unwrap();
        // The half has it, and sends the rest of it with the next.
        standing.send(|| Err::<(), _>(SendError::Unfinished)).unwrap_err();
        for refused in [SendError::Full, SendError::Timeout, SendError::TooLong { len: 9, max: 8 }] {
            standing.send(|| Err::<(), _>(refused)).unwrap_err();
        }
        assert_eq!(counts(&standing), (2, 0));
        standing.recv(|| Ok(5)).unwrap();
        for refused in [RecvError::Empty, RecvError::Timeout, RecvError::TooLong { len: 9, room: 8 }] {
            standing.recv(|| Err::<(), _>(refused)).unwrap_err();
        }
        assert_eq!(counts(&standing), (2, 1));
    }

    #[test]
    fn what_is_sent_counts_while_it_goes() {
        let (standing, _) = second();
        let seen = standing.send(|| Ok(counts(&standing)));
        assert_eq!(seen, Ok((1, 0)));
    }

    /// The call that was on its way when the next generation began has neither sent nor received.
    #[test]
    fn a_generation_that_ends_in_the_middle_of_a_call_does_not_count_it() {
        let (standing, third) = second();
        let outcome = standing.recv(|| {
            third();
            Ok(5)
        });
        assert_eq!((outcome, counts(&standing)), (Err(RecvError::Disconnected), (0, 0)));
        let (standing, third) = second();
        // The next generation has said what was delivered by then, and that counts.
        let outcome = standing.send(|| {
            third();
            standing.account.tally().sent = 7;
            Err::<(), _>(SendError::Full)
        });
        assert_eq!((outcome, counts(&standing)), (Err(SendError::Disconnected), (7, 0)));
        let outcome = standing.send(|| -> Result<(), _> { panic!("it is over, and sends nothing") });
        assert_eq!(outcome, Err(SendError::Disconnected));
    }
}
