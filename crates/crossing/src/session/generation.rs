//! A generation: one connection of a session, whose messages are counted.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::account::Account;
use crate::channel::{Connection, Receiver, Sender};
use crate::error::{RecvError, SendError};
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
pub struct GenerationSender {
    sender: Sender,
    standing: Standing,
}

/// A half of a [`Generation`] that receives. It counts what it receives.
pub struct GenerationReceiver {
    receiver: Receiver,
    standing: Standing,
}

/// Which generation of which account it is.
#[derive(Debug, Clone)]
struct Standing {
    account: Arc<Account>,
    number: u64,
}

impl Standing {
    /// Sends one message by `send`, and counts it if it was taken.
    fn send<T>(&self, send: impl FnOnce() -> Result<T, SendError>) -> Result<T, SendError> {
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
    ) -> Generation {
        Generation { connection, standing: Standing { account, number }, delivered }
    }

    /// Its number: 1 for the first connection of the session, and larger for each that follows.
    /// Both ends are told the same. An attempt that failed has had a number, too.
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
    pub fn delivered(&self) -> Option<u64> {
        self.delivered
    }

    /// How many messages of this side were sent to the process at the other end, with those that it
    /// [had received](Generation::delivered) before: the number of the next.
    pub fn sent(&self) -> u64 {
        self.standing.account.tally().sent
    }

    /// How many messages of the process at the other end this side has received.
    pub fn received(&self) -> u64 {
        self.standing.account.tally().received
    }

    /// Which process is at the other end.
    pub fn peer(&self) -> Peer {
        self.connection.peer()
    }

    /// The two halves.
    pub fn split(self) -> (GenerationSender, GenerationReceiver) {
        let Generation { connection, standing, .. } = self;
        let (sender, receiver) = connection.split();
        (GenerationSender { sender, standing: standing.clone() }, GenerationReceiver { receiver, standing })
    }

    /// The longest message that both ends agreed on, in bytes.
    pub fn max_message(&self) -> usize {
        self.connection.max_message()
    }
}

/// Sends one message in every form, through whatever has a sender and a standing.
macro_rules! sends {
    ($type:ident: $half:expr) => {
        impl $type {
            /// Sends a message by a form of the half that has no method here, and counts one.
            ///
            /// # Errors
            /// Those of the form; [`Disconnected`](SendError::Disconnected) once another generation
            /// has begun.
            ///
            /// # Examples
            /// ```
            #[doc = concat!("# fn example(generation: &mut crossing::", stringify!($type), ") -> Result<(), crossing::SendError> {")]
            /// generation.send_with(|sender| {
            ///     let mut place = sender.claim(8)?;
            ///     place.copy_from_slice(b"in place");
            ///     place.commit()
            /// })
            /// # }
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
            pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
                self.send_with(|sender| sender.send(message))
            }

            /// See [`Sender::try_send`].
            ///
            /// # Errors
            /// See there; [`Disconnected`](SendError::Disconnected) once another generation has
            /// begun.
            pub fn try_send(&mut self, message: &[u8]) -> Result<(), SendError> {
                self.send_with(|sender| sender.try_send(message))
            }

            /// See [`Sender::send_deadline`].
            ///
            /// # Errors
            /// See there; [`Disconnected`](SendError::Disconnected) once another generation has
            /// begun.
            pub fn send_deadline(&mut self, message: &[u8], deadline: Instant) -> Result<(), SendError> {
                self.send_with(|sender| sender.send_deadline(message, deadline))
            }

            /// See [`Sender::send_timeout`].
            ///
            /// # Errors
            /// See there; [`Disconnected`](SendError::Disconnected) once another generation has
            /// begun.
            pub fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
                self.send_with(|sender| sender.send_timeout(message, timeout))
            }

            /// See [`Sender::flush`].
            ///
            /// # Errors
            /// See there.
            pub fn flush(&mut self) -> Result<(), SendError> {
                let half: fn(&mut $type) -> &mut Sender = $half;
                half(self).flush()
            }
        }
    };
}

/// Receives one message in every form, through whatever has a receiver and a standing.
macro_rules! receives {
    ($type:ident: $half:expr, $shared:expr, $shows:expr) => {
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
            #[doc = concat!("# fn example(generation: &mut crossing::", stringify!($type), ") -> Result<(), crossing::RecvError> {")]
            /// # use std::time::Duration;
            /// let mut message = Vec::new();
            /// generation.recv_with(|receiver| {
            ///     receiver.recv_vec_timeout(&mut message, Duration::from_secs(1))
            /// })?;
            /// # Ok(())
            /// # }
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
            pub fn recv(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
                self.recv_with(|receiver| receiver.recv(buffer))
            }

            /// See [`Receiver::try_recv`].
            ///
            /// # Errors
            /// See there; [`Disconnected`](RecvError::Disconnected) once another generation has
            /// begun.
            pub fn try_recv(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
                self.recv_with(|receiver| receiver.try_recv(buffer))
            }

            /// See [`Receiver::recv_deadline`].
            ///
            /// # Errors
            /// See there; [`Disconnected`](RecvError::Disconnected) once another generation has
            /// begun.
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

sends!(Generation: |it| it.connection.sender());
sends!(GenerationSender: |it| &mut it.sender);
receives!(
    Generation: |it| it.connection.receiver(),
    |it| it.connection.as_fd(),
    |it| it.connection.shows_by_itself()
);
receives!(
    GenerationReceiver: |it| &mut it.receiver,
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
        (Standing { account, number: 2 }, move || begin(3))
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
