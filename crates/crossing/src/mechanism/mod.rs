//! The mechanisms, and what each of them must supply.
//!
//! A mechanism is one file that is read from top to bottom: the story of a message in prose, the type and its
//! [`Mechanism`] implementation, how two ends meet, the halves, its [`Scene`], its private tests. Shared memory, where
//! the kernel does less for us, is a folder, and its `mod.rs` has that order. This file holds what they share: the names,
//! the two traits that [`channel`](crate::channel) builds the contract on, and [`Any`], which chooses at run time.

mod farewell;
pub(crate) mod pipe;
pub(crate) mod shm;
mod socket;
pub(crate) mod tcp;
pub(crate) mod unix;

use std::fmt;
use std::os::fd::OwnedFd;
use std::str::FromStr;

use rustix::io::Errno;

use crate::config::Config;
use crate::error::{ConnectError, End, RecvError, SendError};
use crate::frame;
use crate::owner::Owner;
use crate::scene::Scene;
use crate::wait::Patience;

pub use self::pipe::Pipe;
pub use self::shm::{
    Blob, BlobMut, MemoryLimit, Message, SealError, Shm, Shortage, Sleeping, TrustedReceiver, sleeping,
};
pub use self::tcp::Tcp;
pub use self::unix::Unix;

/// The enum, and the list of its variants: one text makes both, so that no mechanism can be missing from the list.
macro_rules! kinds {
    ($(#[$about:meta])* pub enum Kind { $($(#[$what:meta])* $kind:ident,)* }) => {
        $(#[$about])*
        pub enum Kind { $($(#[$what])* $kind,)* }

        impl Kind {
            /// Every mechanism, in the order in which tables show them.
            pub const ALL: [Kind; [$(Kind::$kind),*].len()] = [$(Kind::$kind),*];
        }
    };
}

kinds! {
    /// Which mechanism: the run-time name of a [`Mechanism`].
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum Kind {
        /// Shared memory: a ring in memory that each process owns and the other may only read.
        Shm,
        /// A pipe each way.
        Pipe,
        /// A Unix stream socket.
        Unix,
        /// A TCP connection.
        Tcp,
    }
}

impl Kind {
    /// The short name, on the command line, in addresses and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Shm => "shm",
            Kind::Pipe => "pipe",
            Kind::Unix => "unix",
            Kind::Tcp => "tcp",
        }
    }

    /// The story of one message.
    pub fn scene(self) -> &'static Scene {
        match self {
            Kind::Shm => &shm::SCENE,
            Kind::Pipe => &pipe::SCENE,
            Kind::Unix => &unix::SCENE,
            Kind::Tcp => &tcp::SCENE,
        }
    }

    /// What stands before a message of `len` bytes in the channel: its length.
    pub fn frame_header(self, len: usize) -> Vec<u8> {
        match self {
            // A word of shared memory.
            Kind::Shm => (len as u64).to_ne_bytes().into(),
            Kind::Pipe | Kind::Unix | Kind::Tcp => frame::header(len).into(),
        }
    }

    /// How many bytes of the channel a message of `len` bytes takes: with its length before it, and in a ring padded.
    ///
    /// ```
    /// use crossing::Kind;
    ///
    /// assert_eq!(Kind::ALL.map(|kind| kind.frame_bytes(5)), [16, 9, 9, 9]);
    /// ```
    pub fn frame_bytes(self, len: usize) -> u64 {
        match self {
            Kind::Shm => shm::frame_bytes(len),
            Kind::Pipe | Kind::Unix | Kind::Tcp => (frame::header(len).len() + len) as u64,
        }
    }

    /// The number in a handshake.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Kind::Shm => 1,
            Kind::Pipe => 2,
            Kind::Unix => 3,
            Kind::Tcp => 4,
        }
    }

    /// Two sockets that know each other, one for each end.
    pub(crate) fn rendezvous(self) -> Result<(OwnedFd, OwnedFd), Errno> {
        match self {
            Kind::Shm => shm::rendezvous(),
            Kind::Pipe => pipe::rendezvous(),
            Kind::Unix => unix::rendezvous(),
            Kind::Tcp => tcp::rendezvous(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Kind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let names = Kind::ALL.map(Kind::name).join(", ");
            format!("unknown mechanism `{text}`: one of {names}")
        })
    }
}

/// What a handshake makes.
#[derive(Debug)]
pub struct Opened<O, I> {
    pub(crate) outbound: O,
    pub(crate) inbound: I,
    /// Whether both ends share their only core.
    pub(crate) one_core: bool,
    /// This process, whose connection it is.
    pub(crate) owner: Owner,
}

/// What a mechanism opens.
pub(crate) type Halves<M> = Opened<<M as Mechanism>::Outbound, <M as Mechanism>::Inbound>;

/// A way for two processes to talk: [`Shm`], [`Pipe`], [`Unix`], [`Tcp`], or [`Any`] of them, chosen at run
/// time.
///
/// The trait is used as a type parameter of [`Connection`](crate::Connection), [`Sender`](crate::Sender) and
/// [`Receiver`](crate::Receiver); it cannot be implemented outside this crate, because the types it names are
/// not public.
pub trait Mechanism: 'static {
    /// What sends.
    #[doc(hidden)]
    type Outbound: Outbound;
    /// What receives.
    #[doc(hidden)]
    type Inbound: Inbound;

    /// Whether an endpoint of this kind can be opened as this type.
    fn accepts(kind: Kind) -> bool;

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

    /// Room for a message of `len` bytes, to be written in place. `Full` as above.
    fn claim(&mut self, len: usize) -> Result<(), SendError>;

    /// The room claimed last.
    fn claimed(&self) -> &[u8];

    /// The room claimed last, to write to.
    fn claimed_mut(&mut self) -> &mut [u8];

    /// Puts the message that was written in place in line.
    fn commit(&mut self);

    /// Gives the room claimed last back.
    fn abandon(&mut self);

    /// Publishes everything in line.
    fn publish(&mut self, patience: &mut Patience) -> Result<(), SendError>;

    /// Whether something waits in line to be published.
    fn has_in_line(&self) -> bool;

    /// Publishes, and waits until a message of `len` bytes can be staged.
    fn wait_room(&mut self, len: usize, patience: &mut Patience) -> Result<(), SendError>;

    /// How large the ring or the kernel's buffer is that the messages go into, in bytes. `None` when it is not told.
    fn capacity_bytes(&self) -> Option<usize>;

    /// Publishes what is in line, and tells the peer that nothing more comes: the last call before the half is dropped.
    fn close(&mut self, patience: &mut Patience);

    /// Ends the whole connection: the peer broke the protocol.
    fn hang_up(&mut self);
}

/// The receiving half of a mechanism.
pub trait Inbound: Send {
    /// The longest message in bytes.
    fn max_message(&self) -> usize;

    /// Copies the next message into `buffer`, if it can be done without a wait and without an error; else nothing has
    /// happened, and [`Inbound::recv`] follows.
    #[inline(always)]
    fn recv_at_once(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let _ = buffer;
        None
    }

    /// Copies the next message into `buffer` and returns its length.
    fn recv(&mut self, buffer: &mut [u8], patience: &mut Patience) -> Result<usize, RecvError>;

    /// How the direction ended, for who was told that it did.
    fn end(&self) -> End;

    /// Ends the whole connection: the peer broke the protocol.
    fn hang_up(&mut self);
}

/// Any mechanism, chosen at run time: each call is a `match` over the four.
#[derive(Debug, Clone, Copy)]
pub struct Any;

/// One value for each mechanism.
#[derive(Debug)]
pub enum Each<S, P, U, T> {
    /// Shared memory.
    Shm(S),
    /// A pipe each way.
    Pipe(P),
    /// A Unix stream socket.
    Unix(U),
    /// A TCP connection.
    Tcp(T),
}

/// Calls the same method on whichever it is.
macro_rules! each {
    ($self:expr, $half:ident => $call:expr) => {
        match $self {
            Each::Shm($half) => $call,
            Each::Pipe($half) => $call,
            Each::Unix($half) => $call,
            Each::Tcp($half) => $call,
        }
    };
}

impl Mechanism for Any {
    type Outbound = Each<
        <Shm as Mechanism>::Outbound,
        <Pipe as Mechanism>::Outbound,
        <Unix as Mechanism>::Outbound,
        <Tcp as Mechanism>::Outbound,
    >;
    type Inbound = Each<
        <Shm as Mechanism>::Inbound,
        <Pipe as Mechanism>::Inbound,
        <Unix as Mechanism>::Inbound,
        <Tcp as Mechanism>::Inbound,
    >;

    fn accepts(_: Kind) -> bool {
        true
    }

    fn open(kind: Kind, rendezvous: OwnedFd, config: &Config) -> Result<Halves<Self>, ConnectError> {
        Ok(match kind {
            Kind::Shm => Shm::open(kind, rendezvous, config)?.map(Each::Shm, Each::Shm),
            Kind::Pipe => Pipe::open(kind, rendezvous, config)?.map(Each::Pipe, Each::Pipe),
            Kind::Unix => Unix::open(kind, rendezvous, config)?.map(Each::Unix, Each::Unix),
            Kind::Tcp => Tcp::open(kind, rendezvous, config)?.map(Each::Tcp, Each::Tcp),
        })
    }
}

impl<O, I> Opened<O, I> {
    fn map<P, J>(self, outbound: impl FnOnce(O) -> P, inbound: impl FnOnce(I) -> J) -> Opened<P, J> {
        let Opened { one_core, owner, .. } = self;
        Opened { outbound: outbound(self.outbound), inbound: inbound(self.inbound), one_core, owner }
    }
}

impl<S: Outbound, P: Outbound, U: Outbound, T: Outbound> Outbound for Each<S, P, U, T> {
    fn max_message(&self) -> usize {
        each!(self, half => half.max_message())
    }

    #[inline]
    fn send_at_once(&mut self, message: &[u8]) -> bool {
        each!(self, half => half.send_at_once(message))
    }

    fn send(&mut self, message: &[u8], patience: &mut Patience) -> Result<(), SendError> {
        each!(self, half => half.send(message, patience))
    }

    fn goes_alone(&self, len: usize) -> bool {
        each!(self, half => half.goes_alone(len))
    }

    #[inline]
    fn stage_at_once(&mut self, message: &[u8]) -> bool {
        each!(self, half => half.stage_at_once(message))
    }

    #[inline]
    fn stage(&mut self, message: &[u8]) -> Result<(), SendError> {
        each!(self, half => half.stage(message))
    }

    fn claim(&mut self, len: usize) -> Result<(), SendError> {
        each!(self, half => half.claim(len))
    }

    fn claimed(&self) -> &[u8] {
        each!(self, half => half.claimed())
    }

    fn claimed_mut(&mut self) -> &mut [u8] {
        each!(self, half => half.claimed_mut())
    }

    fn commit(&mut self) {
        each!(self, half => half.commit());
    }

    fn abandon(&mut self) {
        each!(self, half => half.abandon());
    }

    fn publish(&mut self, patience: &mut Patience) -> Result<(), SendError> {
        each!(self, half => half.publish(patience))
    }

    fn has_in_line(&self) -> bool {
        each!(self, half => half.has_in_line())
    }

    fn wait_room(&mut self, len: usize, patience: &mut Patience) -> Result<(), SendError> {
        each!(self, half => half.wait_room(len, patience))
    }

    fn capacity_bytes(&self) -> Option<usize> {
        each!(self, half => half.capacity_bytes())
    }

    fn close(&mut self, patience: &mut Patience) {
        each!(self, half => half.close(patience));
    }

    fn hang_up(&mut self) {
        each!(self, half => half.hang_up());
    }
}

impl<S: Inbound, P: Inbound, U: Inbound, T: Inbound> Inbound for Each<S, P, U, T> {
    fn max_message(&self) -> usize {
        each!(self, half => half.max_message())
    }

    #[inline]
    fn recv_at_once(&mut self, buffer: &mut [u8]) -> Option<usize> {
        each!(self, half => half.recv_at_once(buffer))
    }

    fn recv(&mut self, buffer: &mut [u8], patience: &mut Patience) -> Result<usize, RecvError> {
        each!(self, half => half.recv(buffer, patience))
    }

    fn end(&self) -> End {
        each!(self, half => half.end())
    }

    fn hang_up(&mut self) {
        each!(self, half => half.hang_up());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_codes_are_distinct() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            assert_eq!(Kind::ALL.iter().filter(|other| other.code() == kind.code()).count(), 1);
        }
        assert!("smoke".parse::<Kind>().unwrap_err().contains(&Kind::ALL.map(Kind::name).join(", ")));
    }

    #[test]
    fn scenes_name_only_what_is_on_their_stage() {
        for kind in Kind::ALL {
            let scene = kind.scene();
            assert_eq!(scene.kind, kind);
            let on_stage = |id: &str| scene.stage.iter().any(|part| part.id == id);
            for step in scene.steps {
                assert!(on_stage(step.at), "{kind}: step {} is at {}", step.id, step.at);
                assert!(step.to.is_none_or(on_stage), "{kind}: step {} goes to {:?}", step.id, step.to);
                assert_eq!(scene.steps.iter().filter(|other| other.id == step.id).count(), 1);
            }
            for experiment in scene.experiments {
                assert_eq!(scene.experiments.iter().filter(|other| other.id == experiment.id).count(), 1);
            }
            for wait in ["spin", "hybrid", "block"] {
                assert_eq!(scene.budgets.iter().filter(|budget| budget.wait == wait).count(), 1);
            }
        }
    }
}
