//! The plain sleep: on the peer's index alone, where futex_waitv(2) is [refused](super::sleeping).
//!
//! Such a sleeper is not woken by a change of what is known of its peer. The thread that learns of it wakes the sleeper by the address of
//! the index instead. That wake is lost if it comes after the sleeper has looked and before it sleeps; and the value that
//! futex(2) compares is the peer's, so it notices nothing. Therefore:
//!
//! - the sleeper *announces* what it knows of the peer, looks once more whether that is still all there is to know, sleeps, and
//!   takes the announcement back;
//! - the watcher notes what it has learnt, and wakes every announced sleeper that does not know it
//!   yet, repeatedly and with pauses, until none is left.
//!
//! A full fence on both sides, between the store and the load, sees to it that one of the two sees
//! the other. A later wake reaches a sleeper in the gap; one that knows already, and sleeps on, is
//! left alone. While nothing happens, no thread wakes.
//!
//! As with the ring, there is a seam: behind [`Bed`] stand futex(2) and a model that explores every interleaving.

use std::io;
use std::sync::atomic::AtomicU32;

use super::memory::Status;

/// What is known of the peer, and the threads that sleep on it: words of private memory.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The [`Status`] of the peer.
    pub(super) status: AtomicU32,
    /// What the one that waits for messages has announced, …
    pub(super) receiver: AtomicU32,
    /// … and the one that waits for room.
    pub(super) sender: AtomicU32,
}

/// The announcement of one that is awake.
const AWAKE: u32 = 0;
/// What makes an announcement of a status.
const ASLEEP: u32 = 1 << 31;

/// Where one half of a connection sleeps.
pub(super) trait Bed {
    /// Stores the announcement.
    fn announce(&self, value: u32);
    /// Loads it.
    fn announced(&self) -> u32;
    /// What is known of the peer.
    fn status(&self) -> Status;
    /// A sequentially consistent fence.
    fn fence(&self);
    /// Sleeps as long as the peer's index is what it was. May return early.
    fn sleep(&self) -> io::Result<()>;
    /// Wakes the sleepers there.
    fn wake(&self);
}

/// Sleeps until the peer's index changes, or something else than `known` is known of it. May return early.
pub(super) fn sleep(bed: &impl Bed, known: Status) -> io::Result<()> {
    bed.announce(ASLEEP | known.0);
    // Pairs with the fence in `wake_unaware`.
    bed.fence();
    let slept = if bed.status() == known { bed.sleep() } else { Ok(()) };
    bed.announce(AWAKE);
    slept
}

/// Wakes a sleeper that does not know what is known of the peer by now. Whether there is one: then this must be called again,
/// until there is none.
pub(super) fn wake_unaware(bed: &impl Bed) -> bool {
    // Pairs with the fence in `sleep`: the status was noted before.
    bed.fence();
    let announced = bed.announced();
    let unaware = announced != AWAKE && announced != ASLEEP | bed.status().0;
    if unaware {
        bed.wake();
    }
    unaware
}
