//! The first calls of a watch, one by one, and which read took the bytes of which write.

use std::collections::{BTreeMap, VecDeque};

use super::calls::KnownCall;
use super::flow::{Joined, Moved};
use super::tap::TappedCall;

/// The most calls that are kept.
pub(super) const LIMIT: usize = 2_000;
/// How many are kept until writes and reads are joined: the last ones.
const BEFORE: usize = 512;
/// How many joined messages of one direction are waited for the other one's.
const PATIENCE: usize = 64;

/// What a call does to the channel, at which side, in which direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallPart {
    Writes { side: u8, direction: usize },
    Reads { side: u8, direction: usize },
    Waits,
}

/// One call, which began within the watch.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeptCall {
    pub(super) call: TappedCall,
    pub(super) began_ns: u64,
    pub(super) name: &'static str,
    pub(super) part: CallPart,
}

/// A write and the read that took its last byte, each by when it began and ended.
pub(super) type JoinedCalls = (usize, CallSpan, CallSpan);
pub(super) type CallSpan = (Option<u64>, u64);

/// The calls from the moment on from which it is known which read took what.
#[derive(Debug, Default)]
pub(super) struct KeptCalls {
    pub(super) calls: VecDeque<KeptCall>,
    pub(super) joined: VecDeque<JoinedCalls>,
    /// Joined writes of each direction.
    count: [usize; 2],
    /// Calls of each direction, joined or not.
    passed: [usize; 2],
    begun: bool,
    stopped: bool,
    /// Calls that came after the limit.
    pub(super) not_kept: u64,
    /// The one core that a process is bound to, as it was when it was met.
    pub(super) cores: BTreeMap<u32, Option<usize>>,
}

impl KeptCalls {
    /// A process is watched from now on.
    pub(super) fn meet(&mut self, pid: u32) {
        self.cores.entry(pid).or_insert_with(|| only_core(pid));
    }

    /// A call has returned.
    pub(super) fn add(&mut self, known: &KnownCall, call: &TappedCall, part: CallPart) {
        // Without its beginning, it can be shown at no time.
        let Some(began_ns) = call.began_ns.filter(|_| !self.stopped) else { return };
        if let CallPart::Writes { direction, .. } | CallPart::Reads { direction, .. } = part {
            self.passed[direction] += 1;
        }
        if self.calls.len() >= LIMIT {
            self.not_kept += 1;
            return;
        }
        self.calls.push_back(KeptCall { call: *call, began_ns, name: known.name, part });
        if !self.begun && self.calls.len() > BEFORE {
            self.calls.pop_front();
        }
    }

    /// A read took the last byte of a write.
    pub(super) fn joined(&mut self, direction: usize, joined: &Joined) {
        if self.stopped || self.joined.len() >= LIMIT {
            return;
        }
        let span = |moved: &Moved| (moved.began_ns, moved.ended_ns);
        self.joined.push_back((direction, span(&joined.write), span(&joined.read)));
        let (one, other) = (direction, 1 - direction);
        self.count[one] += 1;
        if self.begun {
            return;
        }
        if self.joined.len() > BEFORE {
            self.joined.pop_front();
        }
        self.begun = self.count[other] > 0 || self.passed[other] == 0 || self.count[one] > PATIENCE;
    }

    /// Which read took what is known no longer, and what was said of it may be wrong: it begins anew.
    pub(super) fn forget(&mut self) {
        let cores = std::mem::take(&mut self.cores);
        *self = KeptCalls { stopped: self.stopped, cores, ..KeptCalls::default() };
    }

    /// Calls are missing from here on: what is kept stays, and no more comes.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }
}

impl KeptCall {
    /// By which it is found again.
    pub(super) fn span(&self) -> CallSpan {
        (self.call.began_ns, self.call.ended_ns)
    }

    /// What it moved.
    pub(super) fn bytes(&self) -> u64 {
        self.call.result.max(0).unsigned_abs()
    }
}

/// The core that a process is bound to, if it is to one.
fn only_core(pid: u32) -> Option<usize> {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed())?;
    let set = rustix::thread::sched_getaffinity(Some(pid)).ok()?;
    let mut cores = (0..rustix::thread::CpuSet::MAX_CPU).filter(|&core| set.is_set(core));
    cores.next().filter(|_| cores.next().is_none())
}
