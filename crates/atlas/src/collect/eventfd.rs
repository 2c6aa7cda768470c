//! Eventfds: the kernel numbers them, and a descriptor's fdinfo says the number.

use std::collections::BTreeMap;

use crate::edge::{Edge, EdgeId};
use crate::holders::{Holder, Holders, ends};
use crate::kind::EdgeKind;
use crate::proc::{HeldObject, LookedAt};

/// The edges of all eventfds.
pub(super) fn edges(processes: &[LookedAt]) -> Vec<Edge> {
    let (mut holders, mut counts) = (Holders::new(), BTreeMap::new());
    for one in processes {
        for held in &one.held {
            if let HeldObject::Eventfd { id, count } = held.object {
                let (process, fd) = (one.process.id, held.fd);
                holders.note(id, Holder { process, fd, reads: true, writes: true });
                counts.insert(id, count);
            }
        }
    }
    let edge = |(id, holders): (u64, Vec<Holder>)| {
        let mut ends = ends(holders, 0);
        ends.iter_mut().for_each(|end| end.queued_messages = counts.get(&id).copied());
        Edge {
            id: EdgeId(format!("eventfd:{id}")),
            kind: EdgeKind::Eventfd,
            name: None,
            ends,
            capacity_bytes: None,
            tcp: None,
            beyond: None,
            unread: Vec::new(),
        }
    };
    holders.into_each().map(edge).collect()
}
