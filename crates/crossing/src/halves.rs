//! The halves of a connection: the two traits that [`channel`](crate::channel) builds the contract on, and what a mechanism
//! must supply so that there are any.

use std::io::IoSlice;
use std::os::fd::{BorrowedFd, OwnedFd};

use crate::config::Config;
use crate::error::{ConnectError, End, RecvError, SendError};
use crate::kind::Kind;
use crate::owner::Owner;
use crate::peer::Identity;
use crate::place::MessagePlace;
use crate::ready::Ready;
use crate::wait::Patience;

/// The result of a handshake.
#[derive(Debug)]
pub struct Opened<O, I> {
    pub(crate) outbound: O,
    pub(crate) inbound: I,
    /// Whether both ends share their only core.
    pub(crate) one_core: bool,
    /// This process, the owner of the connection.
    pub(crate) owner: Owner,
    /// Which process has shaken hands, where the kernel tells.
    pub(crate) identity: Identity,
}

impl<O, I> Opened<O, I> {
    pub(crate) fn map<P, J>(
        self,
        outbound: impl FnOnce(O) -> P,
        inbound: impl FnOnce(I) -> J,
    ) -> Opened<P, J> {
        let Opened { one_core, owner, identity, .. } = self;
        let (outbound, inbound) = (outbound(self.outbound), inbound(self.inbound));
        Opened { outbound, inbound, one_core, owner, identity }
    }
}

/// Both halves of a mechanism, opened.
pub(crate) type Halves<M> = Opened<<M as Mechanism>::Outbound, <M as Mechanism>::Inbound>;

/// A way for two processes to talk: [`Shm`](crate::Shm), [`Pipe`](crate::Pipe), [`Unix`](crate::Unix), [`Tcp`](crate::Tcp), or [`Any`] of them, chosen at run
/// time.
///
/// The trait is used as a type parameter of [`Connection`](crate::Connection), [`Sender`](crate::Sender) and
/// [`Receiver`](crate::Receiver); it cannot be implemented outside this crate, because the types it names are
/// not public.
///
/// # Examples
/// ```
/// use crossing::{Connection, Mechanism, SendError};
///
/// /// Serves any connection, and is compiled for each mechanism that it is used with.
/// fn greet<M: Mechanism>(connection: &mut Connection<M>) -> Result<(), SendError> {
///     connection.send(b"hello")
/// }
/// # use crossing::{Config, Kind, Shm};
/// # let (mut here, mut there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
/// # greet(&mut here)?;
/// # assert_eq!(there.recv(&mut [0; 64])?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Mechanism: 'static {
    /// The sending half.
    #[doc(hidden)]
    type Outbound: Outbound;
    /// The receiving half.
    #[doc(hidden)]
    type Inbound: Inbound;

    /// Which mechanism this is; `None` for [`Any`], of which each connection is one or the other.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Any, Kind, Mechanism, Shm};
    ///
    /// fn name<M: Mechanism>() -> &'static str {
    ///     M::KIND.map_or("any", Kind::name)
    /// }
    /// assert_eq!((name::<Shm>(), name::<Any>()), ("shm", "any"));
    /// ```
    const KIND: Option<Kind>;

    /// The handshake with the other end.
    #[doc(hidden)]
    fn open(kind: Kind, rendezvous: OwnedFd, config: &Config) -> Result<Halves<Self>, ConnectError>
    where
        Self: Sized;
}

/// The sending half of a mechanism. Lengths have been checked against `max_message` before any call.
pub trait Outbound: Send {
    /// The longest message in bytes.
    fn max_message(&self) -> usize;

    /// Sends and publishes one message, if it can be done without a wait and without an error; else nothing has happened,
    /// and [`Outbound::send`] follows. For mechanisms where a call costs more than the message.
    #[inline(always)]
    fn send_at_once(&mut self, message: &[u8]) -> bool {
        let _ = message;
        false
    }

    /// Sends one message and publishes it, with all that was staged before.
    fn send(&mut self, message: &[u8], patience: &mut Patience) -> Result<(), SendError>;

    /// Whether a message of `len` bytes is never put in line with others, because it would fill a line by itself.
    fn goes_alone(&self, len: usize) -> bool {
        let _ = len;
        false
    }

    /// Puts one message in line, under the same condition; [`Outbound::stage`] follows.
    #[inline(always)]
    fn stage_at_once(&mut self, message: &[u8]) -> bool {
        let _ = message;
        false
    }

    /// Puts one message in line. `Full` if there is no room before the next publication.
    fn stage(&mut self, message: &[u8]) -> Result<(), SendError>;

    /// Makes room for a message of `len` bytes, to be written in place, under the condition of
    /// [`Outbound::send_at_once`]; [`Outbound::claim`] follows.
    #[inline(always)]
    fn claim_at_once(&mut self, len: usize) -> bool {
        let _ = len;
        false
    }

    /// Makes room for a message of `len` bytes, to be written in place. `Full` as above.
    fn claim(&mut self, len: usize) -> Result<(), SendError>;

    /// The room claimed last, for `len` bytes.
    fn claimed(&self, len: usize) -> &[u8];

    /// The room claimed last, for `len` bytes, to write to.
    fn claimed_mut(&mut self, len: usize) -> &mut [u8];

    /// Copies all of a message into the room claimed last.
    #[inline(always)]
    fn fill_claimed(&mut self, message: &[u8]) {
        self.claimed_mut(message.len()).copy_from_slice(message);
    }

    /// Sends the message of `len` bytes that was written in place. Whether it is published; otherwise it is in
    /// line.
    fn commit(&mut self, len: usize) -> bool;

    /// Gives the room claimed last back, if it was not committed.
    fn abandon(&mut self);

    /// Sends one message that is put together from `parts`, of `len` bytes together, as [`Outbound::send`] does.
    fn send_vectored(
        &mut self,
        parts: &[IoSlice<'_>],
        len: usize,
        patience: &mut Patience,
    ) -> Result<(), SendError>;

    /// Makes room at the line's end for a message of `len` bytes, to be written in place. `Full` as above.
    fn claim_in_line(&mut self, len: usize) -> Result<(), SendError>;

    /// That room, for `len` bytes.
    fn claimed_in_line(&self, len: usize) -> &[u8];

    /// That room, for `len` bytes, to write to.
    fn claimed_in_line_mut(&mut self, len: usize) -> &mut [u8];

    /// Puts the message of `len` bytes that was written there in line.
    fn commit_in_line(&mut self, len: usize);

    /// Publishes everything in line.
    fn publish(&mut self, patience: &mut Patience) -> Result<(), SendError>;

    /// Whether something waits in line to be published.
    fn has_in_line(&self) -> bool;

    /// Publishes, and waits until a message of `len` bytes can be staged.
    fn wait_room(&mut self, len: usize, patience: &mut Patience) -> Result<(), SendError>;

    /// How large the ring or the kernel's buffer is that the messages go into, in bytes. `None` when it is not told.
    fn capacity_bytes(&self) -> Option<usize>;

    /// How the direction ended, once a call has reported that the peer receives no more.
    fn end(&self) -> End {
        End::Unknown
    }

    /// Publishes what is in line, and tells the peer that nothing more comes: the last call before the half is dropped.
    fn close(&mut self, patience: &mut Patience);

    /// The descriptor that is writable when there is room, once this half was armed.
    fn fd(&self) -> BorrowedFd<'_>;

    /// Whether the next send of `len` bytes would not wait. If it would, [`Outbound::fd`] tells when that changes; on a
    /// stream only after a send that found no room.
    fn arm(&mut self, len: usize) -> Ready;

    /// Ends the whole connection: the peer broke the protocol.
    fn hang_up(&mut self);
}

/// The receiving half of a mechanism.
pub trait Inbound: Send {
    /// The longest message in bytes.
    fn max_message(&self) -> usize;

    /// Copies the next message to `place`, if it can be done without a wait and without an error; else nothing has
    /// happened, and [`Inbound::recv`] follows.
    #[inline(always)]
    fn recv_at_once<P: MessagePlace + ?Sized>(&mut self, place: &mut P) -> Option<usize> {
        let _ = place;
        None
    }

    /// Copies the next message to `place` and returns its length.
    fn recv<P: MessagePlace + ?Sized>(
        &mut self,
        place: &mut P,
        patience: &mut Patience,
    ) -> Result<usize, RecvError>;

    /// Waits for the next message, steps over it and returns its length.
    fn skip(&mut self, patience: &mut Patience) -> Result<usize, RecvError>;

    /// Waits for a message, and steps over all that are there but the newest. How many that were.
    fn skip_stale(&mut self, patience: &mut Patience) -> Result<usize, RecvError>;

    /// How many messages are there whole, at least, and how many bytes with their lengths.
    fn pending(&mut self, patience: &mut Patience) -> Result<(usize, usize), RecvError>;

    /// Bytes that were read from the kernel and belong to messages still to be received.
    fn bytes_ahead(&self) -> usize {
        0
    }

    /// How the direction ended, once its end was reported.
    fn end(&self) -> End;

    /// The descriptor that is readable when there is something to receive, once this half was armed.
    fn fd(&self) -> BorrowedFd<'_>;

    /// What leads to the peer's process: the Unix socket over which it was met, if that is still
    /// open, and a pidfd that the peer has sent.
    fn ties(&self) -> (Option<BorrowedFd<'_>>, Option<BorrowedFd<'_>>);

    /// Whether something can be received without a look at the kernel.
    fn is_ready(&mut self) -> bool;

    /// Whether [`Inbound::is_ready`] shows all that happens.
    fn shows_by_itself(&self) -> bool {
        false
    }

    /// Whether the next receive would not wait. If it would, [`Inbound::fd`] tells when that changes; on a stream only
    /// after a receive that found nothing.
    fn arm(&mut self) -> Ready;

    /// Ends the whole connection: the peer broke the protocol.
    fn hang_up(&mut self);
}

/// Any mechanism, chosen at run time: each call is a `match` over the four.
///
/// # Examples
/// ```
/// use crossing::{Any, Config, Connection};
///
/// let kind = "unix".parse()?; // known at run time
/// let (mut here, mut there): (Connection<Any>, Connection<Any>) = Connection::pair(kind, &Config::default())?;
/// here.send(b"hello")?;
/// assert_eq!(there.recv(&mut [0; 64])?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Any;
