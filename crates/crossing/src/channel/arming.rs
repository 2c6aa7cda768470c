//! Arming: how a half is waited for together with other things, by its descriptor.
//!
//! Every half has a descriptor: the receiving half is readable when there is something to receive, the sending half is
//! writable when there is room. On a pipe and on sockets it is the kernel's own. Shared memory knows
//! nothing of descriptors, and a system call for each message is what it is there to avoid: there the
//! descriptor tells something only to a half that has *armed* it, once.
//!
//! The order of the calls stands in the chapter on [waiting](crate::guide::waiting).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use super::Connection;
use super::receiver::Receiver;
use super::sender::Sender;
use crate::halves::{Inbound, Mechanism, Outbound};
use crate::ready::Ready;

impl<M: Mechanism> Receiver<M> {
    /// Arms the descriptor of this half, unless the next receive would not wait anyway.
    ///
    /// After [`Ready::Wait`] the descriptor becomes readable when there is something to receive, an end, or an error.
    /// On a pipe and on sockets this holds for an edge-triggered epoll only after a receive that said
    /// [`Empty`](crate::RecvError::Empty). On shared memory it looks for some 50 µs, takes a few system calls, and the
    /// peer one when it sends the next message: see [costs](crate::guide::costs).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, Ready};
    /// let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// assert_eq!(there.receiver().arm(), Ready::Wait);
    /// here.send(b"hello")?;
    /// assert_eq!(there.receiver().arm(), Ready::Now);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn arm(&mut self) -> Ready {
        if self.is_open() { self.inbound_mut().arm() } else { Ready::Now }
    }
}

impl<M: Mechanism> Receiver<M> {
    /// Whether the next receive would not wait, as far as that shows without a system call.
    #[inline]
    pub(crate) fn is_ready(&mut self) -> bool {
        !self.is_open() || self.inbound_mut().is_ready()
    }

    /// See [`Pollable::shows_by_itself`](crate::Pollable::shows_by_itself).
    pub(crate) fn shows_by_itself(&self) -> bool {
        self.inbound().shows_by_itself() && !self.patience().shares_core()
    }
}

impl<M: Mechanism> Sender<M> {
    /// Arms the descriptor of this half, unless there is room for a message of `len` bytes.
    ///
    /// After [`Ready::Wait`] the descriptor becomes writable when there is room, or an error to tell. On a pipe and on
    /// sockets the kernel decides what room is, and for an edge-triggered epoll this holds only after a send that said
    /// [`Full`](crate::SendError::Full) or [`Unfinished`](crate::SendError::Unfinished). On shared
    /// memory it costs a membarrier(2) and some system calls, and the peer one when it has made room.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind, Ready, SendError};
    /// let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// assert_eq!(here.sender().arm(64), Ready::Now);
    /// while here.sender().try_send(&[0; 64]).is_ok() {}
    /// assert_eq!(here.sender().arm(64), Ready::Wait);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn arm(&mut self, len: usize) -> Ready {
        if self.gate.is_open() && len <= self.outbound.max_message() {
            self.outbound.arm(len)
        } else {
            Ready::Now
        }
    }
}

impl<M: Mechanism> Connection<M> {
    /// See [`Receiver::arm`]. The descriptor is that of the [connection](Connection::as_fd).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use crossing::Ready;
    /// use std::os::fd::AsFd;
    ///
    /// if there.arm() == Ready::Wait {
    ///     let _add_this_to_your_loop = there.as_fd();
    /// }
    /// here.send(b"hello")?;
    /// assert_eq!(there.arm(), Ready::Now); // receive, until it says `Empty`
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn arm(&mut self) -> Ready {
        self.receiver().arm()
    }

    /// The receiving half.
    pub(crate) fn receiving(&self) -> &Receiver<M> {
        &self.receiver
    }
}

impl<M: Mechanism> AsFd for Receiver<M> {
    /// What is readable once there is something to receive, if this half was [armed](Receiver::arm). Read nothing from it
    /// yourself.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inbound().fd()
    }
}

impl<M: Mechanism> AsFd for Sender<M> {
    /// What is writable once there is room, if this half was [armed](Sender::arm). Write nothing to it yourself. On shared
    /// memory and on sockets both halves of a connection have the same descriptor.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.outbound.fd()
    }
}

impl<M: Mechanism> AsFd for Connection<M> {
    /// That of the receiving half.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }
}

impl<M: Mechanism> AsRawFd for Receiver<M> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl<M: Mechanism> AsRawFd for Sender<M> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl<M: Mechanism> AsRawFd for Connection<M> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
