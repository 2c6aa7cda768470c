//! The contract: a connection, its two halves, and the ways to send and receive.
//!
//! Everything here holds for every mechanism; `tests/contract/` is the list of sentences, run for each of
//! them within one process and between two.

mod ahead;
mod arming;
mod claim;
mod cork;
mod cork_claim;
mod corked;
mod forms;
mod gate;
mod messages;
mod receiver;
mod sender;
mod vectored;

use std::fmt;

pub use self::ahead::{Latest, Pending};
pub use self::claim::Claim;
pub use self::cork::{Cork, CorkedConnection};
pub use self::cork_claim::CorkClaim;
pub(crate) use self::forms::forms;
pub use self::messages::Incoming;
pub use self::receiver::Receiver;
pub use self::sender::Sender;

use crate::config::Config;
use crate::halves::{Any, Inbound, Mechanism, Opened};
use crate::kind::Kind;
use crate::peer::{Identity, Peer};
use crate::stopper::Stopper;
use crate::wait::{Patience, WaitStrategy};

/// A full-duplex connection to the peer. [Split](Connection::split) it to send and receive from two threads.
///
/// `M` is the mechanism; [`Any`] is chosen at run time.
///
/// It belongs to this process: a forked child gets [`Forked`](crate::SendError::Forked) from every call ([Fork](crate#fork)).
///
/// # The forms
///
/// Each call that can wait has four forms: it waits for as long as it takes, not at all, until a deadline, for a time.
///
/// | | as long as it takes | not at all | until a deadline | for a time |
/// |---|---|---|---|---|
/// | [`Sender`], [`Cork`] | `send` | `try_send` | `send_deadline` | `send_timeout` |
/// | | `send_vectored` | `try_send_vectored` | `send_vectored_deadline` | `send_vectored_timeout` |
/// | | `claim` | `try_claim` | `claim_deadline` | `claim_timeout` |
/// | | `flush` | `try_flush` | `flush_deadline` | `flush_timeout` |
/// | [`Receiver`] | `recv` | `try_recv` | `recv_deadline` | `recv_timeout` |
/// | | `recv_vec` | `try_recv_vec` | `recv_vec_deadline` | `recv_vec_timeout` |
/// | | `recv_latest` | `try_recv_latest` | `recv_latest_deadline` | `recv_latest_timeout` |
/// | | `skip` | `try_skip` | `skip_deadline` | `skip_timeout` |
/// | `Sender<Shm>` | `send_blob` | `try_send_blob` | `send_blob_deadline` | `send_blob_timeout` |
/// | `Receiver<Shm>` | `recv_blob` | `try_recv_blob` | `recv_blob_deadline` | `recv_blob_timeout` |
///
/// A connection has the forms of both its halves, a [`CorkedConnection`] those of a cork and of a receiver. A
/// [`TrustedReceiver`](crate::TrustedReceiver) has those of a receiver but `recv_vec`: it lends the message. Without a
/// wait of its own are `pending`, `skip_stale`, and the iterators `messages` (waits for each) and `try_messages` (for none).
///
/// A [commit](Claim::commit) waits no longer than the form that granted its claim. Dropping a
/// [`Cork`] never waits. Dropping a [`Sender`] waits only for a full channel, and at most
/// [`Config::linger`](crate::Config::linger). On TCP dropping the last half also waits until
/// everything sent has arrived, within the same limit. In a panic, and in a forked child, no drop
/// waits.
///
/// # Examples
/// ```
/// use crossing::{Config, Connection, Kind};
///
/// let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
/// here.send(b"ping")?;
/// let mut buffer = [0; 64];
/// let len = there.recv(&mut buffer)?;
/// assert_eq!(&buffer[..len], b"ping");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Connection<M: Mechanism = Any> {
    sender: Sender<M>,
    receiver: Receiver<M>,
    identity: Identity,
}

impl<M: Mechanism> Connection<M> {
    pub(crate) fn new(kind: Kind, opened: Opened<M::Outbound, M::Inbound>, config: &Config) -> Self {
        let Opened { outbound, inbound, one_core, owner, identity } = opened;
        let patience = Patience::new(config.wait, one_core);
        Connection {
            sender: Sender::new(kind, outbound, patience.clone(), config.linger, owner),
            receiver: Receiver::new(kind, inbound, patience, owner),
            identity,
        }
    }

    /// The two halves. Dropping a half closes its direction; dropping both ends the connection. [`Sender`] says how long that may
    /// take.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (here, mut there) = Connection::pair(Kind::Tcp, &Config::default())?;
    /// let (mut sender, mut receiver) = here.split();
    /// let asking = std::thread::spawn(move || sender.send(b"what time is it?"));
    /// # let mut buffer = [0; 64];
    /// # let len = there.recv(&mut buffer)?;
    /// # there.send(&buffer[..len])?;
    /// let mut answer = [0; 64];
    /// let len = receiver.recv(&mut answer)?;
    /// # assert_eq!(len, 16);
    /// # asking.join().expect("no panic")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn split(self) -> (Sender<M>, Receiver<M>) {
        (self.sender, self.receiver)
    }

    /// The process at the other end, as far as the kernel says which it is: see [`Peer`].
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (here, _there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// let peer = here.peer();
    /// println!("process {:?} of user {:?}", peer.pid(), peer.uid());
    /// # assert_eq!(peer.pid(), Some(std::process::id()));
    /// # Ok::<(), crossing::ConnectError>(())
    /// ```
    pub fn peer(&self) -> Peer {
        let (socket, pidfd) = self.receiver.inbound().ties();
        Peer::new(self.identity, socket, pidfd)
    }

    /// The sending half.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use crossing::{SendError, Sender};
    ///
    /// fn greet(sender: &mut Sender) -> Result<(), SendError> {
    ///     sender.send(b"hello")
    /// }
    /// greet(here.sender())?;
    /// # assert_eq!(there.recv(&mut [0; 64])?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sender(&mut self) -> &mut Sender<M> {
        &mut self.sender
    }

    /// The receiving half.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use crossing::{Receiver, RecvError};
    ///
    /// # there.send(b"hello")?;
    /// fn next_line(receiver: &mut Receiver) -> Result<Vec<u8>, RecvError> {
    ///     let mut line = Vec::new();
    ///     receiver.recv_vec(&mut line)?;
    ///     Ok(line)
    /// }
    /// assert_eq!(next_line(here.receiver())?, b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn receiver(&mut self) -> &mut Receiver<M> {
        &mut self.receiver
    }

    /// Gathers messages; see [`Sender::cork`]. Receiving through the corked connection publishes first.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// # there.send(b"done")?;
    /// let mut corked = here.cork();
    /// corked.send(b"first half of the question, ")?;
    /// corked.send(b"second half")?;
    /// let len = corked.recv(&mut [0; 64])?; // sends both, in one system call
    /// # assert_eq!((len, there.recv(&mut [0; 64])?, there.recv(&mut [0; 64])?), (4, 28, 11));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cork(&mut self) -> CorkedConnection<'_, M> {
        CorkedConnection { cork: self.sender.cork(), receiver: &mut self.receiver }
    }

    /// The mechanism that it goes over.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// let (here, _there) = Connection::pair(Kind::Pipe, &Config::default())?;
    /// assert_eq!(here.kind(), Kind::Pipe);
    /// # Ok::<(), crossing::ConnectError>(())
    /// ```
    pub fn kind(&self) -> Kind {
        self.sender.kind()
    }

    /// The longest message that both ends agreed on, in bytes.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default().max_message(1 << 20))?;
    /// let mut buffer = vec![0; there.max_message()]; // every message fits
    /// here.send(&[7; 1 << 20])?;
    /// assert_eq!(there.recv(&mut buffer)?, 1 << 20);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_message(&self) -> usize {
        self.sender.max_message()
    }

    /// Lets `stopper` end the waits of both halves from now on.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use crossing::{RecvError, Stopper};
    ///
    /// let stopper = Stopper::new()?;
    /// here.set_stopper(&stopper);
    /// let waiting = std::thread::spawn(move || here.recv(&mut [0; 64]));
    /// stopper.stop();
    /// assert_eq!(waiting.join().expect("no panic"), Err(RecvError::Stopped));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_stopper(&mut self, stopper: &Stopper) {
        self.sender.set_stopper(stopper);
        self.receiver.set_stopper(stopper);
    }

    /// How both halves wait from now on.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use crossing::WaitStrategy;
    ///
    /// here.set_wait(WaitStrategy::Block); // a wait costs no processor time
    /// # there.send(b"hello")?;
    /// # assert_eq!(here.recv(&mut [0; 64])?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_wait(&mut self, wait: WaitStrategy) {
        self.sender.set_wait(wait);
        self.receiver.set_wait(wait);
    }
}

impl<M: Mechanism> fmt::Debug for Connection<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("kind", &self.kind())
            .field("max_message", &self.max_message())
            .finish_non_exhaustive()
    }
}
