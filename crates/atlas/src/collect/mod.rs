//! The edges, one file a kind: what the descriptors, mappings and tables of all processes together say of which process is joined
//! with which.

mod eventfd;
mod family;
mod inet;
mod memory;
mod pipe;
mod pty;
mod queue;
mod unix;

use std::collections::BTreeMap;

use crate::edge::Edge;
use crate::holders::{Holder, Holders};
use crate::proc::{HeldObject, LookedAt};
use crate::process::{ListeningSocket, ProcessId};
use crate::scope::Scope;
use crate::sockets::NamespaceSockets;
use crate::unread::UnreadList;

/// All edges, in no order, and the sockets at which processes may be reached.
///
/// `complete` says that the descriptors of every process were read: then what no process holds is held by none.
pub(crate) fn all(
    processes: &[LookedAt],
    complete: bool,
    sockets: &BTreeMap<u64, NamespaceSockets>,
    scope: &Scope,
    unread: &mut UnreadList,
) -> (Vec<Edge>, Vec<(ProcessId, ListeningSocket)>) {
    let holders = socket_holders(processes);
    family::note(processes, sockets, unread);
    let mut edges = pipe::edges(processes, complete, scope, unread);
    let (unix, mut listening) = unix::edges(sockets, &holders);
    let (inet, others) = inet::edges(sockets, &holders);
    edges.extend(unix.into_iter().chain(inet));
    listening.extend(others);
    edges.extend(memory::edges(processes));
    edges.extend(queue::edges(processes, unread));
    edges.extend(eventfd::edges(processes));
    edges.extend(pty::edges(processes));
    (edges, listening)
}

/// Which processes hold each socket, by its inode.
fn socket_holders(processes: &[LookedAt]) -> Holders<u64> {
    let mut holders = Holders::new();
    for one in processes {
        for held in &one.held {
            if let HeldObject::Socket(inode) = held.object {
                let (process, fd) = (one.process.id, held.fd);
                holders.note(inode, Holder { process, fd, reads: true, writes: true });
            }
        }
    }
    holders
}
