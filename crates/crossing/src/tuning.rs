//! What was found by measuring: how shared memory is laid out and let go, and how a wait polls.
//!
//! Each figure names where it comes from: a section of the notes on a record, or of METHODOLOGY.md. Unless a figure says
//! otherwise, that is the README of `results/2026-11-25-kvm-epyc-2-cores`, made on two cores of an AMD EPYC (Zen 4). Another make of
//! processor may want other figures; one that was not measured is treated as if it had no peculiarity.
//!
//! A figure that only bounds something, such as how long a peer may take, stands where it is used.

use std::time::Duration;

// Messages in shared memory.

/// The parts in which long messages are published, in bytes: "Long messages, and the size of the ring". Both ends must have the
/// same, so it stands in a region's header (`docs/wire.md`).
pub(crate) const PART_BYTES: usize = 16 << 10;

/// A ring's size in bytes when none is asked for: "Long messages, and the size of the ring".
pub(crate) const RING_BYTES: usize = 256 << 10;

/// What the line of a cork on shared memory holds, in bytes: enough to share a publication among many messages, and little
/// enough that the receiver can begin while the sender goes on, and that it stays in the nearest cache. "At one go".
pub(crate) const SHM_LINE_BYTES: u64 = 4 << 10;

/// How many bytes a look must have found on average for a stream, whose lines are let go once they are read, before the writer
/// is told that it may have them. "Long messages, and the size of the ring".
pub(crate) const STREAMED_BYTES: u64 = 256;

/// Up to which size of a ring, in bytes, its reader had better evict what it has read. "Long messages, and the size of the
/// ring".
///
/// On AMD's Zen 4 a writer pays dearly for a line that another core holds in its private cache: there it streams three times
/// faster (ten times between distant cores) if the reader has put it out. A larger ring than that cache does so
/// by itself.
pub(crate) fn letting_go_pays_up_to() -> u64 {
    if is_zen_4() { 1 << 20 } else { 0 }
}

#[cfg(not(target_arch = "x86_64"))]
fn is_zen_4() -> bool {
    false
}

/// By CPUID: AMD, family 25, the models of Zen 4, with CLFLUSHOPT.
#[cfg(target_arch = "x86_64")]
fn is_zen_4() -> bool {
    use crate::sys::cpuid;
    let vendor = cpuid(0);
    if (vendor.ebx, vendor.edx, vendor.ecx) != (0x6874_7541, 0x6974_6e65, 0x444d_4163) {
        return false;
    }
    let signature = cpuid(1).eax;
    let family = (signature >> 8 & 0xf) + (signature >> 20 & 0xff);
    let model = (signature >> 4 & 0xf) | (signature >> 12 & 0xf0);
    let zen_4 = family == 25 && matches!(model, 0x10..=0x1f | 0x60..=0x7f | 0xa0..=0xaf);
    zen_4 && has_clflushopt()
}

/// By CPUID: the instruction that evicts a line.
#[cfg(target_arch = "x86_64")]
pub(crate) fn has_clflushopt() -> bool {
    use crate::sys::cpuid;
    cpuid(0).eax >= 7 && cpuid(7).ebx & 1 << 23 != 0
}

// How a ring's reader holds back. It was found in the first version; "What the table misses" has batches with 0 to 64 pauses, which
// made no difference there.

/// How many looks in a row must have found something (almost) at once before the reader holds back.
pub(crate) const EAGER_LOOKS: u32 = 4;

/// How many empty looks before it still count as at once. A writer and a reader in lockstep take a line from
/// each other for every message, and half of the looks come too early.
pub(crate) const EMPTY_LOOKS: u32 = 2;

/// How long it then holds back, in `pause` instructions: about one journey of a cache line between distant
/// cores. The writer gets ahead, and one journey then brings many messages.
pub(crate) const HOLD_BACK: u32 = 16;

// How a wait polls.

/// How long a hybrid polls before it sleeps: about one wake-up of an idle core. "What the hybrid is worth".
pub(crate) const HYBRID_SPIN: Duration = Duration::from_micros(50);

/// The target for the least time between two polls, in nanoseconds: about a third of a cache line's
/// transfer between near cores. METHODOLOGY.md, "The floor", tells how ways of polling are
/// compared; "What the table misses" has looks closer together, which are slower.
pub(crate) const SPACING_NS: f64 = 15.0;

/// How many pauses are timed at once to find out what one takes, …
pub(crate) const PAUSES_TIMED: u32 = 64;
/// … and how often: the shortest time counts, since an interruption only adds to it.
pub(crate) const TIMINGS: u32 = 8;

/// A hybrid yields its core once in this many polled waits. Otherwise two ends that happen to run
/// at the same time would keep both cores, exchanging thousands of messages while other pairs wait
/// for their turn. "What the hybrid is worth".
pub(crate) const WAITS_PER_YIELD: u32 = 256;

/// How many looks go by between two looks at the clock, which take as long as one or two of them.
pub(crate) const LOOKS_PER_CLOCK: u32 = 64;

/// How many times the space between two looks goes by while a receiver [lingers](crate::wait::Patience::linger): about 4 µs.
/// "Streams of bytes", Lingering.
pub(crate) const LINGER_PAUSES: u32 = 160;

/// How often a wait that sleeps [looks first](crate::wait::Patience::poll_briefly): about as long as it costs to fall asleep and to be
/// woken, which is when polling has cost as much as the sleep that it might have saved. Sleeps and wake-ups are in the record's
/// floor (race.md).
pub(crate) const BRIEF_LOOKS: u32 = 512;

// Messages over a stream of bytes: "Streams of bytes", Lingering, and Batch and buffers.

/// The least number of messages in one read that make a burst: the sender is faster than one message a look.
pub(crate) const BURST: usize = 4;

/// The least number of bytes in one read that a sender has gathered: one more look costs such a sender nothing.
pub(crate) const GATHERED_BYTES: usize = 8 << 10;

/// How much a receiver reads at once, in bytes.
pub(crate) const READ_BYTES: usize = 64 << 10;

/// What the line of a cork on a pipe holds, in bytes: what the kernel's buffer holds unless it is asked for another.
pub(crate) const PIPE_LINE_BYTES: usize = 64 << 10;

/// What the line of a cork on a socket holds, in bytes. As much as the kernel's buffer takes at once by default: the longer the
/// line, the more rarely a receiver that has taken it all must be woken.
pub(crate) const SOCKET_LINE_BYTES: usize = 128 << 10;
