//! The plain sleep: on the peer's index alone, where futex_waitv(2) is [refused](super::sleeping).
//!
//! A change of the peer's status does not wake such a sleeper. The thread that notes the change
//! wakes it by the address of the index instead. That wake is lost if it comes between the
//! sleeper's look and its sleep, and futex(2) cannot notice, because the value that it compares is
//! the peer's. Therefore:
//!
//! - the sleeper *announces* the status that it knows, looks once more whether it is still the
//!   same, sleeps, and takes the announcement back;
//! - the watcher notes the new status, and wakes every announced sleeper that does not know it yet,
//!   repeatedly and with pauses, until none is left.
//!
//! A full fence on both sides, between the store and the load, makes one of the two see the other.
//! A later wake reaches a sleeper that was in the gap. A sleeper that knows already, and sleeps on,
//! is left alone. While nothing happens, no thread wakes.
//!
//! As with the ring, there is a seam: behind [`Bed`] stand futex(2) and a model that explores every interleaving.

use std::io;
use std::sync::atomic::AtomicU32;

use super::memory::Status;

/// The peer's status, and the announcements of the threads that sleep: words of private memory.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The [`Status`] of the peer.
    pub(super) status: AtomicU32,
    /// The announcement of the half that waits for messages, …
    pub(super) receiver: AtomicU32,
    /// … and of the half that waits for room.
    pub(super) sender: AtomicU32,
}

/// The announcement of a half that is awake.
const AWAKE: u32 = 0;
/// The bit that turns a status into an announcement.
const ASLEEP: u32 = 1 << 31;

/// Where one half of a connection sleeps.
pub(super) trait Bed {
    /// Stores the announcement.
    fn announce(&self, value: u32);
    /// Loads it.
    fn announced(&self) -> u32;
    /// The peer's status.
    fn status(&self) -> Status;
    /// A sequentially consistent fence.
    fn fence(&self);
    /// Sleeps as long as the peer's index is what it was. May return early.
    fn sleep(&self) -> io::Result<()>;
    /// Wakes the sleepers there.
    fn wake(&self);
}

/// Sleeps until the peer's index changes, or its status differs from `known`. May return early.
pub(super) fn sleep(bed: &impl Bed, known: Status) -> io::Result<()> {
    bed.announce(ASLEEP | known.0);
    // Pairs with the fence in `wake_unaware`.
    bed.fence();
    let slept = if bed.status() == known { bed.sleep() } else { Ok(()) };
    bed.announce(AWAKE);
    slept
}

/// Wakes a sleeper that does not know the peer's present status. Returns whether there was one:
/// then call this again, until there is none.
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
