//! Which processes hold a thing of the kernel's, and what ends that makes.

use std::collections::HashMap;
use std::hash::Hash;

use crate::edge::EdgeEnd;
use crate::process::ProcessId;

/// One descriptor of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) process: ProcessId,
    pub(crate) fd: i32,
    pub(crate) reads: bool,
    pub(crate) writes: bool,
}

/// The holders of each thing of one sort, in the order of processes and descriptors.
#[derive(Debug)]
pub(crate) struct Holders<K>(HashMap<K, Vec<Holder>>);

impl<K: Eq + Hash> Holders<K> {
    pub(crate) fn new() -> Holders<K> {
        Holders(HashMap::new())
    }

    pub(crate) fn note(&mut self, of: K, holder: Holder) {
        self.0.entry(of).or_default().push(holder);
    }

    pub(crate) fn of(&self, of: &K) -> &[Holder] {
        self.0.get(of).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn into_each(self) -> impl Iterator<Item = (K, Vec<Holder>)> {
        self.0.into_iter()
    }
}

/// An end of a process that may do both, with nothing known of what waits.
pub(crate) fn end(process: ProcessId, side: u8) -> EdgeEnd {
    EdgeEnd {
        process,
        side,
        address: None,
        descriptors: Vec::new(),
        reads: true,
        writes: true,
        queued_bytes: None,
        queued_messages: None,
        unacknowledged_bytes: None,
        by_last_call: false,
    }
}

/// The ends that holders make, one for each process: what its descriptors may do together.
pub(crate) fn ends(holders: impl IntoIterator<Item = Holder>, side: u8) -> Vec<EdgeEnd> {
    let mut ends: Vec<EdgeEnd> = Vec::new();
    for holder in holders {
        match ends.last_mut().filter(|last| last.process == holder.process) {
            Some(last) => {
                last.descriptors.push(holder.fd);
                last.reads |= holder.reads;
                last.writes |= holder.writes;
            }
            None => ends.push(EdgeEnd {
                descriptors: vec![holder.fd],
                reads: holder.reads,
                writes: holder.writes,
                ..end(holder.process, side)
            }),
        }
    }
    ends
}
