//! Messages one after the other, until the direction ends.

use std::fmt;
use std::iter::FusedIterator;

use super::receiver::Receiver;
use crate::error::{End, RecvError};
use crate::halves::{Any, Mechanism};
use crate::wait::Until;

impl<M: Mechanism> Receiver<M> {
    /// The messages that come from now on, each as a vector of its own. It waits for each.
    ///
    /// It ends when the peer has [closed](End::Closed) its sender. Any other end is its last item: that of a peer that died,
    /// say, or a wait that was stopped.
    ///
    /// # From which size it pays
    /// Each vector is an allocation: 13 ns a message more than [`recv`](Receiver::recv), which is twice its time at 64 B on
    /// shared memory and next to nothing from 4 KiB or behind a system call. [`next_ref`](Incoming::next_ref) lends the
    /// messages instead, and allocates nothing once its buffer fits: 4 ns.
    /// (Record `results/2026-11-29-kvm-epyc-2-cores-forms` of the project.)
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Connection, Kind};
    ///
    /// let (here, there) = Connection::pair(Kind::Unix, &Config::default())?;
    /// let (mut sender, mut receiver) = (here.split().0, there.split().1);
    /// sender.send(b"one")?;
    /// sender.send(b"two")?;
    /// drop(sender);
    ///
    /// let mut said = Vec::new();
    /// for message in receiver.messages() {
    ///     said.push(message?);
    /// }
    /// assert_eq!(said, [b"one", b"two"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn messages(&mut self) -> Incoming<'_, M> {
        Incoming { receiver: self, until: Until::Forever, over: false, lent: Vec::new() }
    }

    /// The messages that are there now, each as a vector of its own. It waits for none, and ends when there is no more.
    ///
    /// What comes meanwhile is there, too: a peer that sends as fast as this end receives keeps it going.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// let (mut here, there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// let (_, mut receiver) = there.split();
    /// here.send(b"one")?;
    /// here.send(b"two")?;
    /// assert_eq!(receiver.try_messages().count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_messages(&mut self) -> Incoming<'_, M> {
        Incoming { until: Until::Now, ..self.messages() }
    }
}

/// The messages of a receiver: see [`Receiver::messages`] and [`Receiver::try_messages`].
///
/// # Examples
/// ```
/// # use crossing::{Config, Connection, Kind};
/// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
/// # let (sender, receiver) = (here.sender(), there.receiver());
/// # sender.send(b"temperature 21")?;
/// # sender.send(b"pressure 1013")?;
/// let mut readings = Vec::new();
/// for message in receiver.try_messages() {
///     readings.push(String::from_utf8(message?)?);
/// }
/// assert_eq!(readings, ["temperature 21", "pressure 1013"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Incoming<'a, M: Mechanism = Any> {
    receiver: &'a mut Receiver<M>,
    until: Until,
    over: bool,
    /// The message that is lent.
    lent: Vec<u8>,
}

impl<M: Mechanism> Incoming<'_, M> {
    /// The next message, lent until the one behind it is asked for. `None` at the end.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (here, there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # let (mut sender, mut receiver) = (here.split().0, there.split().1);
    /// # sender.send(b"one")?;
    /// # sender.send(b"three")?;
    /// # drop(sender);
    /// let mut bytes = 0;
    /// let mut messages = receiver.messages();
    /// while let Some(message) = messages.next_ref() {
    ///     bytes += message?.len();
    /// }
    /// # assert_eq!(bytes, 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn next_ref(&mut self) -> Option<Result<&[u8], RecvError>> {
        let mut message = std::mem::take(&mut self.lent);
        let outcome = self.receive(&mut message);
        self.lent = message;
        Some(outcome?.map(|()| &self.lent[..]))
    }

    fn receive(&mut self, message: &mut Vec<u8>) -> Option<Result<(), RecvError>> {
        if self.over {
            return None;
        }
        let outcome = self.receiver.recv_vec_until(message, self.until);
        self.over = outcome.is_err();
        match outcome {
            Err(RecvError::Empty) => None,
            Err(RecvError::Disconnected) if self.receiver.end() == Some(End::Closed) => None,
            outcome => Some(outcome.map(drop)),
        }
    }
}

impl<M: Mechanism> Iterator for Incoming<'_, M> {
    type Item = Result<Vec<u8>, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut message = Vec::new();
        Some(self.receive(&mut message)?.map(|()| message))
    }
}

/// Its [messages](Receiver::messages).
///
/// # Examples
/// ```
/// # use crossing::{Config, Connection, Kind};
/// # let (mut here, mut there) = Connection::pair(Kind::Pipe, &Config::default())?;
/// # here.send(b"one")?;
/// # drop(here);
/// for message in there.receiver() {
///     println!("{} bytes", message?.len());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl<'a, M: Mechanism> IntoIterator for &'a mut Receiver<M> {
    type Item = Result<Vec<u8>, RecvError>;
    type IntoIter = Incoming<'a, M>;

    fn into_iter(self) -> Incoming<'a, M> {
        self.messages()
    }
}

impl<M: Mechanism> FusedIterator for Incoming<'_, M> {}

impl<M: Mechanism> fmt::Debug for Incoming<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("over", &self.over).finish_non_exhaustive()
    }
}
