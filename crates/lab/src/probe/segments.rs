//! Segments: what a TCP connection counts of itself (TCP_INFO), asked through a copy of the processes' own sockets. It
//! takes no privilege.

use crossing::Kind;

use crate::mechanism;

/// Segments that each side has sent since the connection began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segments {
    /// By the sender.
    pub(super) there: u64,
    /// By the receiver.
    pub(super) back: u64,
}

impl Segments {
    /// What was sent between `earlier` and this.
    pub(super) fn since(&self, earlier: &Segments) -> Segments {
        Segments {
            there: self.there.saturating_sub(earlier.there),
            back: self.back.saturating_sub(earlier.back),
        }
    }
}

/// Asks both sides; `None` where there are no segments, or where the kernel does not let us ask.
pub(super) fn read(kind: Kind, pids: [u32; 2]) -> Option<Segments> {
    let [there, back] = mechanism::carried(kind, pids)?.map(|side| side.segments_out);
    Some(Segments { there, back })
}
