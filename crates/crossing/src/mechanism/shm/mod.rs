//! Shared memory: two regions, each written by one process and readable by the other.
//!
//! **One message.** The sender copies the bytes into the ring of its own region and stores its `tail`; the receiver, which has
//! mapped the same pages for reading, loads `tail` and copies the bytes out. The kernel has no part in it: no
//! system call, no copy of its own. Both copies are made by the processes.
//!
//! **Waiting.** A spinning receiver loads `tail` again and again. One that may sleep raises a flag and sleeps in
//! futex_waitv(2) on the low half of `tail` through its read-only mapping; the sender then owes it one
//! futex(2) wake. Where a container refuses that call, it sleeps in futex(2) (`plain.rs`).
//!
//! **Meeting.** The two find each other over a rendezvous, a Unix packet socket: each says hello, makes and seals a region of its
//! own, sends the descriptor, checks and maps what it got, says that it is ready, and keeps the socket as the
//! peer's lifeline.
//!
//! **Limits.** The ring holds at least two of the longest messages. Linux 5.16 or newer (futex_waitv).
//!
//! # References
//! memfd_create(2), futex(2), futex_waitv in Documentation/userspace-api/futex2.rst, membarrier(2),
//! pidfd_open(2).

mod bell;
mod blob;
mod blobs;
mod flight;
#[cfg(feature = "scene")]
mod header;
pub(crate) mod in_place;
mod lane;
mod lanes;
mod line;
mod link;
mod memfd;
mod memory;
mod opaque;
mod passing;
mod plain;
mod region;
mod ring;
mod room;
mod rules;
#[cfg(feature = "scene")]
mod scene;
mod sleeping;
mod view;
mod watch;
mod watched;
mod watcher;
mod work;

#[cfg(test)]
mod tests;

use std::io::IoSlice;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

pub use self::blob::{Blob, BlobMut, SealError};
use self::flight::Flight;
#[cfg(feature = "scene")]
pub use self::header::RegionHeader;
use self::line::Line;
use self::link::{Agreed, Link};
#[cfg(feature = "scene")]
pub use self::memfd::REGION_FILE;
use self::memory::Status;
use self::passing::{Inlet, Outlet};
use self::ring::consumer::Consumer;
#[cfg(feature = "scene")]
pub(super) use self::ring::frame as frame_bytes;
use self::ring::producer::Producer;
use self::ring::{START, frame};
pub use self::room::{MemoryLimit, Shortage};
#[cfg(feature = "scene")]
pub(crate) use self::scene::SCENE;
pub use self::sleeping::{Sleeping, sleeping};
use self::view::View;
use self::watched::{RECEIVER_CLOSES, SENDER_CLOSES, SENDER_GIVES_UP};
use crate::config::Config;
use crate::error::{ConnectError, End, RecvError, SendError};
use crate::halves::{Halves, Inbound, Mechanism, Outbound};
use crate::kind::Kind;
use crate::owner::{self, Owner, Substitute};
use crate::parts;
use crate::place::MessagePlace;
use crate::ready::Ready;
use crate::wait::{Patience, Until};

/// Shared memory.
///
/// # Examples
/// ```
/// use crossing::{BlobMut, Config, Connection, Kind, Shm};
///
/// // Known at compile time: no match on the mechanism, and what only shared memory has.
/// let (mut here, mut there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
/// here.send(b"hello")?;
/// here.send_blob(&BlobMut::new(1 << 20)?.seal()?)?;
/// assert_eq!(there.recv(&mut [0; 64])?, 5);
/// assert_eq!(there.recv_blob()?.len(), 1 << 20);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Shm;

impl Mechanism for Shm {
    type Outbound = RingSender;
    type Inbound = RingReceiver;

    const KIND: Option<Kind> = Some(Kind::Shm);

    fn open(_: Kind, rendezvous: OwnedFd, config: &Config) -> Result<Halves<Self>, ConnectError> {
        let owner = Owner::me().map_err(ConnectError::io(owner::NOTICING))?;
        let (link, agreed) = Link::open(rendezvous, config)?;
        let Agreed { max_message, asymmetric, one_core, identity } = agreed;
        let (mine, theirs) = (link.own.layout().capacity, link.theirs.layout().capacity);
        let view = View::new(
            Arc::new(link),
            |link| (&link.own, &link.theirs, link.watch.known_words(), &link.sent),
            asymmetric,
        );
        let ring = Producer::new(view.clone(), mine, START);
        let ring = if one_core { ring.publishing_whole() } else { ring };
        let outbound = RingSender {
            ring,
            max_message,
            line: Line::new(mine),
            outlet: Outlet::new(Flight::new(config)),
            owner,
            substitute: Substitute::default(),
            last_word: SENDER_CLOSES,
        };
        let inbound = RingReceiver {
            ring: Consumer::new(view, theirs, max_message, START),
            max_message,
            inlet: Inlet::new(),
        };
        Ok(Halves::<Self> { outbound, inbound, one_core, owner, identity })
    }
}

/// The sending half.
#[derive(Debug)]
pub struct RingSender {
    ring: Producer<View<Link>>,
    max_message: usize,
    /// What a cork has gathered.
    line: Line,
    outlet: Outlet,
    owner: Owner,
    /// What a forked child writes to in place of the ring.
    substitute: Substitute,
    /// What the peer is told when this half goes.
    last_word: u8,
}

impl RingSender {
    /// How much room comes first: for what is in line, else for a message of `len` bytes.
    fn bytes_wanted(&self, len: usize) -> u64 {
        if self.line.is_empty() { frame(len) } else { self.line.frames().len() as u64 }
    }

    /// Shows the reader everything in line, if there is room for it.
    fn publish_line(&mut self) -> Result<(), SendError> {
        if !self.line.is_empty() {
            self.ring.stage_frames(self.line.frames())?;
            self.line.clear();
        }
        self.ring.publish();
        Ok(())
    }
}

impl Outbound for RingSender {
    fn max_message(&self) -> usize {
        self.max_message
    }

    #[inline(always)]
    fn send_at_once(&mut self, message: &[u8]) -> bool {
        self.line.is_empty() && self.ring.send_at_once(message)
    }

    fn send(&mut self, message: &[u8], patience: &mut Patience) -> Result<(), SendError> {
        loop {
            match self.publish_line().and_then(|()| self.ring.stage(message)) {
                Err(SendError::Full) => self.wait_room(message.len(), patience)?,
                outcome => {
                    self.ring.publish();
                    return outcome;
                }
            }
        }
    }

    #[inline(always)]
    fn stage_at_once(&mut self, message: &[u8]) -> bool {
        self.line.push(message)
    }

    fn stage(&mut self, message: &[u8]) -> Result<(), SendError> {
        if self.line.push(message) {
            return Ok(());
        }
        self.publish_line()?;
        if self.line.push(message) {
            return Ok(());
        }
        // Too long for any line: it goes by itself.
        self.ring.stage(message)?;
        self.ring.publish();
        Ok(())
    }

    #[inline(always)]
    fn claim_at_once(&mut self, len: usize) -> bool {
        self.line.is_empty() && self.ring.claim_at_once(len)
    }

    fn claim(&mut self, len: usize) -> Result<(), SendError> {
        self.publish_line()?;
        self.ring.claim(len)
    }

    #[inline(always)]
    fn claimed(&self, len: usize) -> &[u8] {
        let place = self.ring.place();
        if self.owner.is_me() { self.ring.memory().place(place, len) } else { self.substitute.bytes(len) }
    }

    #[inline(always)]
    fn claimed_mut(&mut self, len: usize) -> &mut [u8] {
        let place = self.ring.place();
        if self.owner.is_me() {
            self.ring.memory_mut().place_mut(place, len)
        } else {
            self.substitute.bytes_mut(len)
        }
    }

    #[inline(always)]
    fn fill_claimed(&mut self, message: &[u8]) {
        if self.owner.is_me() {
            self.ring.write_claimed(message);
        } else {
            self.substitute.bytes_mut(message.len()).copy_from_slice(message);
        }
    }

    #[inline(always)]
    fn commit(&mut self, len: usize) -> bool {
        self.ring.commit(len);
        true
    }

    /// A claim takes nothing before its commit.
    #[inline(always)]
    fn abandon(&mut self) {}

    fn send_vectored(
        &mut self,
        parts: &[IoSlice<'_>],
        len: usize,
        patience: &mut Patience,
    ) -> Result<(), SendError> {
        while let Err(error) = self.claim(len) {
            match error {
                SendError::Full => self.wait_room(len, patience)?,
                error => return Err(error),
            }
        }
        parts::copy(parts, self.claimed_mut(len));
        self.commit(len);
        Ok(())
    }

    fn claim_in_line(&mut self, len: usize) -> Result<(), SendError> {
        if self.line.open(len) {
            return Ok(());
        }
        self.publish_line()?;
        // One that is too long for any line goes by itself.
        if self.line.open(len) { Ok(()) } else { self.ring.claim(len) }
    }

    fn claimed_in_line(&self, len: usize) -> &[u8] {
        if self.line.is_open() { self.line.room(len) } else { self.claimed(len) }
    }

    fn claimed_in_line_mut(&mut self, len: usize) -> &mut [u8] {
        if self.line.is_open() { self.line.room_mut(len) } else { self.claimed_mut(len) }
    }

    fn commit_in_line(&mut self, len: usize) {
        if self.line.is_open() {
            self.line.commit(len);
        } else {
            self.commit(len);
        }
    }

    fn publish(&mut self, patience: &mut Patience) -> Result<(), SendError> {
        loop {
            match self.publish_line() {
                Err(SendError::Full) => self.wait_room(0, patience)?,
                outcome => return outcome,
            }
        }
    }

    fn wait_room(&mut self, len: usize, patience: &mut Patience) -> Result<(), SendError> {
        let bytes = self.bytes_wanted(len);
        self.ring.wait_room(bytes, patience)
    }

    fn has_in_line(&self) -> bool {
        !self.line.is_empty()
    }

    fn capacity_bytes(&self) -> Option<usize> {
        Some(self.ring.capacity() as usize)
    }

    fn end(&self) -> End {
        let known = self.ring.memory().link().watch.known();
        if known.intersects(Status::RECEIVER_CLOSED) { End::Closed } else { End::Abrupt }
    }

    fn close(&mut self, patience: &mut Patience) {
        // What a cork has left in line was taken.
        let left = self.publish(patience).is_err() && self.has_in_line();
        self.last_word = if left { SENDER_GIVES_UP } else { SENDER_CLOSES };
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.ring.memory().link().watch.bell()
    }

    fn arm(&mut self, len: usize) -> Ready {
        let bytes = self.bytes_wanted(len);
        self.ring.arm(bytes)
    }

    fn hang_up(&mut self) {
        self.ring.memory().link().watch.hang_up();
    }
}

impl Drop for RingSender {
    fn drop(&mut self) {
        // What was published stays readable.
        self.ring.memory().link().watch.tell(self.last_word);
    }
}

/// The receiving half.
#[derive(Debug)]
pub struct RingReceiver {
    ring: Consumer<View<Link>>,
    max_message: usize,
    inlet: Inlet,
}

impl RingReceiver {
    /// Where the next message stands: see [`Consumer::try_find`].
    fn find(&mut self, patience: &mut Patience) -> Result<(u64, usize), RecvError> {
        loop {
            match self.ring.try_find() {
                Err(RecvError::Empty) => self.ring.wait(patience)?,
                outcome => return outcome,
            }
        }
    }
}

impl Inbound for RingReceiver {
    fn max_message(&self) -> usize {
        self.max_message
    }

    #[inline(always)]
    fn recv_at_once<P: MessagePlace + ?Sized>(&mut self, place: &mut P) -> Option<usize> {
        self.ring.recv_at_once(place)
    }

    fn recv<P: MessagePlace + ?Sized>(
        &mut self,
        place: &mut P,
        patience: &mut Patience,
    ) -> Result<usize, RecvError> {
        let would_wait = patience.until != Until::Now;
        let mut part = 0;
        loop {
            match self.ring.try_recv(place, &mut part, would_wait) {
                Err(RecvError::Empty) => self.ring.wait(patience)?,
                outcome => return outcome,
            }
        }
    }

    fn skip(&mut self, patience: &mut Patience) -> Result<usize, RecvError> {
        let (_, len) = self.find(patience)?;
        self.ring.leave_found();
        Ok(len)
    }

    fn skip_stale(&mut self, patience: &mut Patience) -> Result<usize, RecvError> {
        self.find(patience)?;
        self.ring.catch_up()?;
        Ok(self.ring.leave_stale())
    }

    fn pending(&mut self, _: &mut Patience) -> Result<(usize, usize), RecvError> {
        self.ring.catch_up()?;
        self.ring.count()
    }

    fn end(&self) -> End {
        let known = self.ring.memory().link().watch.known();
        let closed = known.intersects(Status::SENDER_CLOSED) && !known.intersects(Status::SENDER_GAVE_UP);
        if closed { End::Closed } else { End::Abrupt }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.ring.memory().link().watch.bell()
    }

    fn ties(&self) -> (Option<BorrowedFd<'_>>, Option<BorrowedFd<'_>>) {
        let (pidfd, rendezvous) = self.ring.memory().link().watch.descriptors();
        (Some(rendezvous), pidfd)
    }

    #[inline]
    fn is_ready(&mut self) -> bool {
        self.ring.is_ready()
    }

    fn shows_by_itself(&self) -> bool {
        true
    }

    fn arm(&mut self) -> Ready {
        self.ring.arm()
    }

    fn hang_up(&mut self) {
        self.ring.memory().link().watch.hang_up();
    }
}

impl Drop for RingReceiver {
    fn drop(&mut self) {
        self.ring.memory().link().watch.tell(RECEIVER_CLOSES);
    }
}
