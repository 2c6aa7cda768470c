//! What the watcher knows of one peer: the two descriptors that tell of it, and the words that
//! record what they told.
//!
//! The [watcher](super::watcher) reads the descriptors; a connection and its sleepers read the words, by the [watch](super::watch).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;
use rustix::thread::futex;

use super::bell::{Bell, Rung};
use super::lane::{LanePacket, hear};
use super::lanes::{self, Lanes};
use super::memory::Status;
use super::plain::Known;
use super::region::Theirs;
use super::view;
use crate::descriptor::ProcessNumber;

/// The word of an end, over the rendezvous, when its sender goes.
pub(super) const SENDER_CLOSES: u8 = b'S';
/// … when its sender goes and leaves messages in line, for which there was no room.
pub(super) const SENDER_GIVES_UP: u8 = b'G';
/// … when its receiver goes.
pub(super) const RECEIVER_CLOSES: u8 = b'R';

/// A process at the other end of one connection or more.
#[derive(Debug)]
pub(super) struct WatchedProcess {
    /// In the watcher's table.
    pub(super) id: u64,
    pub(super) number: Option<ProcessNumber>,
    pub(super) pidfd: OwnedFd,
}

/// The descriptors that the watcher reads, and the words where it records their news.
#[derive(Debug)]
pub(super) struct WatchedPeer {
    pub(super) rendezvous: OwnedFd,
    /// `None` where the peer is of this process.
    pub(super) process: Option<Arc<WatchedProcess>>,
    pub(super) known: Known,
    /// The peer's region, on whose words its sleepers may sleep.
    pub(super) theirs: Arc<Theirs>,
    pub(super) lanes: Lanes,
    /// What an armed half of this end waits at.
    pub(super) bell: Bell,
    /// Held while a packet is read and noted, so that news keep their order whichever thread reads them.
    pub(super) hearing: Mutex<()>,
}

impl WatchedPeer {
    pub(super) fn rendezvous(&self) -> BorrowedFd<'_> {
        self.rendezvous.as_fd()
    }

    pub(super) fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.process.as_ref().map(|process| process.pidfd.as_fd())
    }

    /// Notes that the peer is gone.
    pub(super) fn note_gone(&self) {
        self.set(Status::GONE);
    }

    /// Notes what became of the peer, and wakes every thread of this process that sleeps on it.
    fn set(&self, what: Status) {
        let status = &self.known.status;
        status.fetch_or(what.0, Ordering::SeqCst);
        // Fails on no address that exists.
        let _ = futex::wake(status, futex::Flags::PRIVATE, i32::MAX as u32);
        self.wake_unaware();
        if what == Status::GONE {
            self.bell.end();
        }
    }

    /// Wakes the threads that sleep on the peer's words alone and do not know the news yet. Returns
    /// whether there are any: then the watcher does it again after a while. (Where this end hangs
    /// up itself, it is the rendezvous that tells the watcher.)
    pub(super) fn wake_unaware(&self) -> bool {
        view::wake_unaware(&self.theirs, &self.known)
    }

    /// The status that a packet of the peer's means.
    fn told(&self, packet: LanePacket) -> Status {
        let known = Status(self.known.status.load(Ordering::SeqCst));
        // A repeated word is a breach, too: so a peer cannot keep this thread busy.
        let (what, right) = match packet {
            LanePacket::Word(SENDER_CLOSES) => {
                (Status::SENDER_CLOSED, !known.intersects(Status::SENDER_CLOSED))
            }
            LanePacket::Word(SENDER_GIVES_UP) => {
                (Status::SENDER_CLOSED | Status::SENDER_GAVE_UP, !known.intersects(Status::SENDER_CLOSED))
            }
            LanePacket::Word(RECEIVER_CLOSES) => {
                (Status::RECEIVER_CLOSED, !known.intersects(Status::RECEIVER_CLOSED))
            }
            LanePacket::Word(lanes::WANTED) => {
                (Status::LANE_WANTED, self.lanes.wanted(self.rendezvous.as_fd()))
            }
            LanePacket::With(lanes::LANE, fd) => (Status::LANE_CAME, self.lanes.came(Some(fd))),
            LanePacket::Lost(lanes::LANE) => (Status::LANE_CAME, self.lanes.came(None)),
            // The end of file, or something that no correct peer says.
            _ => (Status::GONE, false),
        };
        if right { what } else { Status::GONE }
    }

    /// Reads the packets of the rendezvous. Returns whether more may come.
    pub(super) fn listen(&self) -> bool {
        // Nothing that holds it can panic halfway.
        let _hearing = self.hearing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut was_reset = false;
        loop {
            let what = match hear(&self.rendezvous) {
                Err(Errno::INTR) => continue,
                // The peer closed with words of this end unread. The kernel reports that once, before
                // the packets that are left: the peer's last words.
                Err(Errno::CONNRESET) if !was_reset => {
                    was_reset = true;
                    continue;
                }
                Err(Errno::AGAIN) => return true,
                packet => packet.map_or(Status::GONE, |packet| self.told(packet)),
            };
            self.set(what);
            if what == Status::GONE {
                return false;
            }
        }
    }

    /// Takes what the bell was rung for. A peer that closes one direction says so over the rendezvous before it rings: that is
    /// read here, since the watcher may not have come to it.
    pub(super) fn hush(&self) {
        let rung = self.bell.hush();
        if rung != Rung::No {
            self.listen();
        }
        // Both halves of the peer are gone, or it has closed what belongs to the connection.
        if rung == Rung::Ended {
            self.note_gone();
        }
    }

    /// Fills the bell, for a half that waits for room.
    pub(super) fn fill(&self) {
        self.bell.fill();
        // A receiver that went before that empties it no more.
        self.listen();
    }
}
