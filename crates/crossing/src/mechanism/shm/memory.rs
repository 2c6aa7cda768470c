//! The seam: everything the ring may do to memory that two processes share.
//!
//! The ring is written against [`Memory`] and against nothing else. Behind the seam stand the real mapping
//! ([`view`](super::view)), and, in tests, a model that explores every interleaving (loom), plain heap
//! memory, and memory that lies. So the code that runs between two processes is, line for line, the code that
//! is checked.

use std::io;
use std::ops::BitOr;

use crate::wait::Patience;

/// A word of a region's header. Each region has one of each; only its owner stores to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// How far the owner has written its own ring.
    Tail,
    /// How far the owner has read the peer's ring.
    Head,
    /// While the owner sleeps for want of room: the peer's head that it has seen, made odd. Else zero.
    SenderAsleep,
    /// While the owner sleeps for want of messages: the peer's tail that it has seen, made odd. Else zero.
    ReceiverAsleep,
    /// How many blobs of the peer's the owner has taken.
    BlobsTaken,
}

/// What is known of the peer. It is kept in private memory and set by the watcher, never by the peer itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) u32);

impl Status {
    /// The process has died, or has closed its end of the rendezvous.
    pub(crate) const GONE: Status = Status(1);
    /// It will send no more.
    pub(crate) const SENDER_CLOSED: Status = Status(2);
    /// It will receive no more.
    pub(crate) const RECEIVER_CLOSED: Status = Status(4);
    /// It has asked for a lane since this end has looked. (Neither of the two ends anything.)
    pub(crate) const LANE_WANTED: Status = Status(8);
    /// It has answered with a lane since this end has looked.
    pub(crate) const LANE_CAME: Status = Status(16);
    /// It will send no more, and has not published all that it was given.
    pub(crate) const SENDER_GAVE_UP: Status = Status(32);

    #[inline]
    pub(crate) fn intersects(self, other: Status) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Status {
    type Output = Status;
    fn bitor(self, other: Status) -> Status {
        Status(self.0 | other.0)
    }
}

/// Two regions, as one side sees them: its own, which it writes, and the peer's, which it can only read.
pub(crate) trait Memory {
    /// Messages longer than this many bytes are published in parts of this size: a multiple of 8,
    /// the same on both sides.
    const PART: usize;

    /// Stores to this side's own word; all its earlier writes are visible to a load of the new
    /// value.
    fn store(&self, word: Word, value: u64);

    /// Loads the peer's word; everything I read afterwards is at least as new.
    fn load(&self, word: Word) -> u64;

    /// The publisher's half of the barrier between "I have published" and "does the peer sleep?".
    fn light_fence(&self);

    /// The sleeper's half of the barrier between "I sleep" and "has the peer published?".
    fn heavy_fence(&self);

    /// How many looks more an end makes, after its half of the barrier, that will not look again before it is rung. More than
    /// 0 where that half may have missed a publisher: see [`sleeping`](super::sleeping).
    fn looks_after_barrier(&self) -> u32 {
        0
    }

    /// Writes eight bytes of my own ring, little-endian.
    fn write_word(&self, at: u64, value: u64);

    /// Reads eight bytes of the peer's ring, little-endian.
    fn read_word(&self, at: u64) -> u64;

    /// Copies a message into my own ring; bytes up to the next grain may be overwritten.
    fn write(&self, at: u64, message: &[u8]);

    /// Copies a message out of the peer's ring.
    fn read(&self, at: u64, message: &mut [u8]);

    /// Notes, in private memory, that this end has sent something. Like the three that follow it saves time only,
    /// and a memory that gains nothing by it leaves it out.
    fn mark_sent(&self) {}

    /// Whether this end has sent something since it was last asked.
    fn take_sent(&self) -> bool {
        false
    }

    /// Lets go of what was read in the peer's ring, if that makes it cheaper for the peer to write there again.
    fn let_go(&self, _from: u64, _to: u64) {}

    /// Asks for the bytes that are expected next in the peer's ring.
    fn expect(&self, _at: u64) {}

    /// What is known of the peer.
    fn status(&self) -> Status;

    /// Wakes the peer if it sleeps on my word.
    fn wake(&self, word: Word);

    /// Makes the peer's descriptor ready, which it has armed: to read from after a new [`Word::Tail`] of mine, to
    /// write to after a new [`Word::Head`].
    fn ring(&self, word: Word);

    /// Makes my own descriptor not ready, so that a later [`ring`](Memory::ring) for the peer's `word` shows.
    fn hush(&self, word: Word);

    /// Sleeps until the peer's word is no longer `seen`, its status no longer `status`, or patience ends. May
    /// return early. An error when this process may not sleep: to try again would keep a core busy.
    fn sleep(&self, word: Word, seen: u64, status: Status, patience: &Patience) -> io::Result<()>;
}
