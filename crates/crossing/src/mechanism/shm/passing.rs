//! Passing blobs: the state of each half, and its reasons to wait.
//!
//! A sender waits for the [lane](super::lanes) with its first blob, for room among the blobs that
//! are [on their way](super::flight), and for room in the kernel. A receiver waits for the lane,
//! and for the packets on it.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::io::Errno;

use super::blob::Blob;
use super::flight::Flight;
use super::lane::Lane;
use super::link::Link;
use super::memory::{Memory, Status, Word};
use super::view::View;
use crate::error::{RecvError, SendError, Violation};
use crate::wait::Patience;

/// The state of a sender of blobs.
#[derive(Debug)]
pub(super) struct Outlet {
    lane: Option<Lane>,
    pub(super) flight: Flight,
    /// The last look's reason to wait.
    misses: Awaited,
}

/// A reason to wait: the thing that was missing.
#[derive(Debug, Clone, Copy)]
enum Awaited {
    /// The lane, while the peer's status was this.
    Lane(Status),
    /// That a blob is taken.
    Taken,
    /// The kernel's room for a packet, or a packet.
    Packet,
}

impl Outlet {
    pub(super) fn new(flight: Flight) -> Outlet {
        Outlet { lane: None, flight, misses: Awaited::Packet }
    }

    /// Takes note of how many blobs were taken.
    pub(super) fn look(&mut self, view: &View<Link>) -> Result<(), Violation> {
        self.flight.accept(view.load(Word::BlobsTaken))
    }

    /// Sends a blob, unless something is missing.
    pub(super) fn send(&mut self, view: &View<Link>, blob: &Blob) -> Result<Option<()>, SendError> {
        let watch = &view.link().watch;
        // Not afterwards: a receiver that has the blob may end at once.
        if watch.known().ends_sending() {
            return Err(SendError::Disconnected);
        }
        if self.lane.is_none() {
            let seen = watch.forget(Status::LANE_CAME);
            self.lane = watch.take_outbound_lane().map_err(end_or_io)?;
            self.misses = Awaited::Lane(seen);
        }
        let Some(lane) = &self.lane else { return Ok(None) };
        let bytes = blob.len() as u64;
        self.flight.accept(view.load(Word::BlobsTaken))?;
        if !self.flight.has_room(bytes) {
            // A word that comes behind these two lines is there for the sleep.
            lane.take_words().map_err(end_or_io)?;
            self.flight.accept(view.load(Word::BlobsTaken))?;
        }
        if !self.flight.has_room(bytes) {
            self.misses = Awaited::Taken;
            return Ok(None);
        }
        match lane.send(blob.as_fd()) {
            Ok(()) => {
                self.flight.add(bytes);
                Ok(Some(()))
            }
            Err(Errno::AGAIN | Errno::INTR) => {
                self.misses = Awaited::Packet;
                Ok(None)
            }
            Err(errno) => Err(end_or_io(errno)),
        }
    }

    pub(super) fn sleep(&self, view: &View<Link>, patience: &Patience) -> Result<(), Errno> {
        let watch = &view.link().watch;
        match (self.misses, &self.lane) {
            (Awaited::Taken, Some(lane)) => lane.sleep(PollFlags::IN, watch.descriptors(), patience),
            (Awaited::Packet, Some(lane)) => lane.sleep(PollFlags::OUT, watch.descriptors(), patience),
            (Awaited::Lane(seen), _) => watch.sleep(seen, patience),
            (_, None) => Ok(()),
        }
    }
}

fn end_or_io(errno: Errno) -> SendError {
    match errno {
        Errno::PIPE | Errno::CONNRESET => SendError::Disconnected,
        errno => SendError::Io(errno.into()),
    }
}

/// The state of a receiver of blobs.
#[derive(Debug)]
pub(super) struct Inlet {
    lane: Option<Lane>,
    taken: u64,
    misses: Awaited,
}

impl Inlet {
    pub(super) fn new() -> Inlet {
        Inlet { lane: None, taken: 0, misses: Awaited::Packet }
    }

    /// Takes a blob's descriptor, unless something is missing.
    pub(super) fn recv(&mut self, view: &View<Link>) -> Result<Option<OwnedFd>, RecvError> {
        let watch = &view.link().watch;
        // Once the peer's end is known, everything that it sent before has arrived.
        let ended = watch.known().ends_receiving();
        let seen = watch.forget(Status::LANE_WANTED);
        let failed = |errno: Errno| RecvError::Io(errno.into());
        if let Some(lane) = watch.take_inbound_lane().map_err(failed)? {
            self.lane = Some(lane);
        }
        self.misses = if self.lane.is_some() { Awaited::Packet } else { Awaited::Lane(seen) };
        let received = self.lane.as_ref().map_or(Err(Errno::AGAIN), Lane::recv);
        match received {
            Err(Errno::INTR | Errno::AGAIN) => {}
            // The peer sends no more on it: because it ends, or because it has never got its end and asks for another.
            Ok(None) | Err(Errno::CONNRESET) => (self.lane, self.misses) = (None, Awaited::Lane(seen)),
            Ok(Some(taken)) => {
                self.note_taken(view);
                return Ok(Some(taken?));
            }
            Err(errno) => {
                // It was there, and is lost.
                self.note_taken(view);
                return Err(failed(errno));
            }
        }
        if ended { Err(RecvError::Disconnected) } else { Ok(None) }
    }

    /// Tells the sender that one more blob is off its way.
    fn note_taken(&mut self, view: &View<Link>) {
        self.taken += 1;
        view.store(Word::BlobsTaken, self.taken);
        if let Some(lane) = &self.lane {
            lane.tell_taken();
        }
    }

    pub(super) fn sleep(&self, view: &View<Link>, patience: &Patience) -> Result<(), Errno> {
        let watch = &view.link().watch;
        match (self.misses, &self.lane) {
            (Awaited::Lane(seen), _) => watch.sleep(seen, patience),
            (_, Some(lane)) => lane.sleep(PollFlags::IN, watch.descriptors(), patience),
            (_, None) => Ok(()),
        }
    }
}
