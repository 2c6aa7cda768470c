//! unix(7) sockets: the kernel tells the peer of each.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::edge::{Beyond, BeyondKind, Edge, EdgeEnd, EdgeId};
use crate::holders::{Holders, ends};
use crate::kind::EdgeKind;
use crate::netlink::{UnixSocket, UnixType};
use crate::process::{ListeningSocket, ProcessId};
use crate::sockets::NamespaceSockets;

/// The edges of all connected sockets, and those that can be connected to.
pub(super) fn edges(
    sockets: &BTreeMap<u64, NamespaceSockets>,
    holders: &Holders<u64>,
) -> (Vec<Edge>, Vec<(ProcessId, ListeningSocket)>) {
    let all = || sockets.values().flat_map(|namespace| &namespace.unix);
    let by_inode: HashMap<u64, &UnixSocket> = all().map(|socket| (socket.inode, socket)).collect();
    let servers: HashMap<u64, &UnixSocket> =
        all().flat_map(|server| server.pending.iter().map(move |&client| (client, server))).collect();
    let (mut edges, mut listening) = (Vec::new(), Vec::new());
    let mut done = BTreeSet::new();
    for socket in all() {
        match socket.peer {
            None => listening.extend(reachable(socket, holders)),
            Some(0) => {
                let server = servers.get(&socket.inode);
                let kind = if server.is_some() { BeyondKind::Unaccepted } else { BeyondKind::Closed };
                let address = server.and_then(|server| server.name.clone());
                edges.extend(one_sided(socket, Beyond { kind, address }, holders));
            }
            Some(peer) if done.insert((socket.inode.min(peer), socket.inode.max(peer))) => {
                edges.extend(edge(socket, peer, by_inode.get(&peer).copied(), holders));
            }
            Some(_) => {}
        }
    }
    (edges, listening)
}

fn kind(socket: &UnixSocket) -> EdgeKind {
    match socket.kind {
        UnixType::Stream => EdgeKind::UnixStream,
        UnixType::Datagram => EdgeKind::UnixDatagram,
        UnixType::Seqpacket => EdgeKind::UnixSeqpacket,
    }
}

/// A server, or a datagram socket with a name, for each process that has it.
fn reachable(socket: &UnixSocket, holders: &Holders<u64>) -> Vec<(ProcessId, ListeningSocket)> {
    let Some(address) = &socket.name else { return Vec::new() };
    let listening = |end: EdgeEnd| {
        let socket =
            ListeningSocket { kind: kind(socket), address: address.clone(), descriptors: end.descriptors };
        (end.process, socket)
    };
    ends(holders.of(&socket.inode).iter().copied(), 0).into_iter().map(listening).collect()
}

/// The ends at one socket.
fn side(socket: &UnixSocket, side: u8, holders: &Holders<u64>) -> Vec<EdgeEnd> {
    let mut all = ends(holders.of(&socket.inode).iter().copied(), side);
    for end in &mut all {
        end.address.clone_from(&socket.name);
        end.reads = !socket.shut[0];
        end.writes = !socket.shut[1];
        end.queued_bytes = socket.queued_bytes;
    }
    all
}

fn one_sided(socket: &UnixSocket, beyond: Beyond, holders: &Holders<u64>) -> Option<Edge> {
    let ends = side(socket, 0, holders);
    let name = beyond.address.clone().or_else(|| socket.name.clone());
    (!ends.is_empty()).then(|| Edge {
        id: EdgeId(format!("unix:{}", socket.inode)),
        kind: kind(socket),
        name,
        ends,
        capacity_bytes: None,
        tcp: None,
        beyond: Some(beyond),
        unread: Vec::new(),
    })
}

/// The edge between a socket and its peer; `None` if no process that was seen has either.
fn edge(
    socket: &UnixSocket,
    peer: u64,
    at_peer: Option<&UnixSocket>,
    holders: &Holders<u64>,
) -> Option<Edge> {
    let mutual = at_peer.is_none_or(|peer| peer.peer == Some(socket.inode));
    // Sockets that are each other's peer are alike; datagrams to a server go from the client to it.
    let swapped = mutual && peer < socket.inode;
    let (here, there) = if swapped { (1, 0) } else { (0, 1) };
    let mut all = side(socket, here, holders);
    let unknown = UnixSocket {
        inode: peer,
        peer: Some(socket.inode),
        name: None,
        queued_bytes: None,
        pending: Vec::new(),
        shut: [false; 2],
        ..socket.clone()
    };
    let at_peer = at_peer.unwrap_or(&unknown);
    let mut others = if peer == socket.inode { all.clone() } else { side(at_peer, there, holders) };
    others.iter_mut().for_each(|end| end.side = there);
    if !mutual {
        all.iter_mut().for_each(|end| end.reads = false);
        others.iter_mut().for_each(|end| end.writes = false);
    }
    let missing = match (all.is_empty(), others.is_empty()) {
        (true, true) => return None,
        (true, false) => Some(socket),
        (false, true) => Some(at_peer),
        (false, false) => None,
    };
    all.append(&mut others);
    all.sort_by_key(|end| end.side);
    let (low, high) = if swapped { (peer, socket.inode) } else { (socket.inode, peer) };
    Some(Edge {
        id: EdgeId(format!("unix:{low}-{high}")),
        kind: kind(socket),
        name: at_peer.name.clone().or_else(|| socket.name.clone()),
        ends: all,
        capacity_bytes: None,
        tcp: None,
        beyond: missing.map(|one| Beyond { kind: BeyondKind::Unseen, address: one.name.clone() }),
        unread: Vec::new(),
    })
}
