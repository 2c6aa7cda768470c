//! TCP and UDP: two sockets of this machine are the two ends of one connection when each one's address is where the
//! other is connected to.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use crate::edge::{Beyond, BeyondKind, Edge, EdgeEnd, EdgeId, TcpFacts};
use crate::holders::{Holders, ends};
use crate::kind::EdgeKind;
use crate::netlink::{InetSocket, Protocol};
use crate::process::{ListeningSocket, ProcessId};
use crate::sockets::NamespaceSockets;

/// Where a socket is, and where it is connected to.
type Tuple = (Protocol, SocketAddr, SocketAddr);

/// The sockets of all namespaces, to find the other end in.
struct ConnectionIndex<'a> {
    /// Connected ones, with their namespaces.
    connected: HashMap<Tuple, Vec<(u64, &'a InetSocket)>>,
    /// Sockets that take connections, or datagrams, of any sender, by protocol, namespace and port.
    open: HashMap<(Protocol, u64, u16), Vec<&'a InetSocket>>,
}

/// The edges of all connected sockets, and those that can be connected to.
pub(super) fn edges(
    sockets: &BTreeMap<u64, NamespaceSockets>,
    holders: &Holders<u64>,
) -> (Vec<Edge>, Vec<(ProcessId, ListeningSocket)>) {
    let all =
        || sockets.iter().flat_map(|(&namespace, all)| all.inet.iter().map(move |one| (namespace, one)));
    let mut index = ConnectionIndex { connected: HashMap::new(), open: HashMap::new() };
    for (namespace, socket) in all() {
        if socket.is_connected() {
            let tuple = (socket.protocol, socket.local, socket.remote);
            index.connected.entry(tuple).or_default().push((namespace, socket));
        } else if socket.listens() {
            index.open.entry((socket.protocol, namespace, socket.local.port())).or_default().push(socket);
        }
    }
    let (mut edges, mut listening) = (BTreeMap::new(), Vec::new());
    for (namespace, socket) in all().filter(|(_, socket)| socket.inode != 0) {
        if socket.listens() {
            listening.extend(reachable(socket, holders));
        } else if socket.is_connected()
            && let Some(edge) = edge((namespace, sockets[&namespace].own), socket, &index, holders)
        {
            // Both ends find the same edge.
            edges.entry(edge.id.clone()).or_insert(edge);
        }
    }
    (edges.into_values().collect(), listening)
}

fn kind(socket: &InetSocket) -> EdgeKind {
    match socket.protocol {
        Protocol::Tcp => EdgeKind::Tcp,
        Protocol::Udp => EdgeKind::Udp,
    }
}

fn reachable(socket: &InetSocket, holders: &Holders<u64>) -> Vec<(ProcessId, ListeningSocket)> {
    let listening = |end: EdgeEnd| {
        let address = socket.local.to_string();
        (end.process, ListeningSocket { kind: kind(socket), address, descriptors: end.descriptors })
    };
    ends(holders.of(&socket.inode).iter().copied(), 0).into_iter().map(listening).collect()
}

/// The other end of a connection.
enum Other<'a> {
    Socket(u64, &'a InetSocket),
    Beyond(BeyondKind),
}

impl<'a> ConnectionIndex<'a> {
    fn other_end(&self, namespace: u64, socket: &InetSocket) -> Other<'a> {
        let back = self.connected.get(&(socket.protocol, socket.remote, socket.local));
        let back = back.map_or(&[][..], Vec::as_slice);
        let here = back.iter().find(|(of, _)| *of == namespace);
        // Addresses that are not the loopback's may lead to another namespace, if there is one such connection only.
        let elsewhere = match back {
            [one] if !socket.remote.ip().is_loopback() => Some(one),
            _ => None,
        };
        if let Some((of, other)) = here.or(elsewhere) {
            return match other.inode {
                0 if is_established(other) => Other::Beyond(BeyondKind::Unaccepted),
                0 => Other::Beyond(BeyondKind::Closed),
                _ => Other::Socket(*of, other),
            };
        }
        if socket.protocol == Protocol::Udp
            && let Some(server) = self.server(namespace, socket)
        {
            return Other::Socket(namespace, server);
        }
        let on_this_machine = socket.remote.ip().is_loopback() || socket.remote.ip() == socket.local.ip();
        Other::Beyond(match socket.protocol {
            _ if !on_this_machine => BeyondKind::Elsewhere,
            Protocol::Tcp => BeyondKind::Closed,
            Protocol::Udp => BeyondKind::Unseen,
        })
    }

    /// Which of the two addresses is the server's: the one at which connections are taken; where none is, that with the lower port.
    fn server_of(&self, namespace: u64, socket: &InetSocket) -> SocketAddr {
        let takes = |at: SocketAddr| self.open.contains_key(&(socket.protocol, namespace, at.port()));
        match (takes(socket.local), takes(socket.remote)) {
            (true, false) => socket.local,
            (false, true) => socket.remote,
            _ if socket.local.port() <= socket.remote.port() => socket.local,
            _ => socket.remote,
        }
    }

    /// The UDP socket that takes what this one sends, if there is one only.
    fn server(&self, namespace: u64, client: &InetSocket) -> Option<&'a InetSocket> {
        let open = self.open.get(&(Protocol::Udp, namespace, client.remote.port()))?;
        let at = |wanted: fn(&InetSocket, &InetSocket) -> bool| -> Vec<&'a InetSocket> {
            open.iter().copied().filter(|server| wanted(server, client)).collect()
        };
        let exact = at(|server, client| server.local == client.remote);
        let any = at(|server, client| {
            let to_itself = client.remote.ip().is_loopback() || client.remote.ip() == client.local.ip();
            let same_family = server.local.is_ipv4() == client.remote.is_ipv4();
            // A socket of IPv6 that is bound to any address takes IPv4, too, unless it was told otherwise.
            server.local.ip().is_unspecified() && to_itself && (same_family || server.local.is_ipv6())
        });
        match (&exact[..], &any[..]) {
            ([one], _) | ([], [one]) => Some(one),
            _ => None,
        }
    }
}

fn is_established(socket: &InetSocket) -> bool {
    ["ESTABLISHED", "SYN_RECV", "CLOSE_WAIT"].contains(&socket.state_name())
}

/// The ends at one socket.
fn side(socket: &InetSocket, side: u8, holders: &Holders<u64>) -> Vec<EdgeEnd> {
    let mut all = ends(holders.of(&socket.inode).iter().copied(), side);
    for end in &mut all {
        end.address = Some(socket.local.to_string());
        end.queued_bytes = Some(socket.queued_bytes);
        end.unacknowledged_bytes = (socket.protocol == Protocol::Tcp).then_some(socket.unacknowledged_bytes);
    }
    all
}

/// The edge of a socket in a namespace, which may be this program's own; `None` if no process that was seen has it.
fn edge(
    (namespace, own): (u64, bool),
    socket: &InetSocket,
    index: &ConnectionIndex<'_>,
    holders: &Holders<u64>,
) -> Option<Edge> {
    // In the order of their addresses, from whichever end it is seen.
    let swapped = socket.remote < socket.local;
    let (first, second) = if swapped { (socket.remote, socket.local) } else { (socket.local, socket.remote) };
    let (here, there) = if swapped { (1, 0) } else { (0, 1) };
    let mut all = side(socket, here, holders);
    let (mut both, mut beyond) = ([None, None], all.is_empty().then_some((BeyondKind::Unseen, socket.local)));
    both[usize::from(here)] = Some(socket);
    let mut across = false;
    match index.other_end(namespace, socket) {
        Other::Socket(of, other) => {
            across = of != namespace;
            let others = side(other, there, holders);
            if others.is_empty() {
                beyond = Some((BeyondKind::Unseen, socket.remote));
            }
            all.extend(others);
            both[usize::from(there)] = Some(other);
        }
        Other::Beyond(kind) => beyond = Some((kind, socket.remote)),
    }
    if all.is_empty() {
        return None;
    }
    all.sort_by_key(|end| end.side);
    let kind = kind(socket);
    // Two namespaces may have connections of the same addresses.
    let within = if own || across { String::new() } else { format!("@{namespace}") };
    Some(Edge {
        id: EdgeId(format!("{}:{first}-{second}{within}", kind.name())),
        kind,
        name: Some(index.server_of(namespace, socket).to_string()),
        ends: all,
        capacity_bytes: None,
        tcp: (kind == EdgeKind::Tcp).then(|| facts(socket, &both)),
        beyond: beyond.map(|(kind, address)| Beyond { kind, address: Some(address.to_string()) }),
        unread: Vec::new(),
    })
}

fn facts(seen: &InetSocket, both: &[Option<&InetSocket>; 2]) -> TcpFacts {
    let infos = both.map(|socket| socket.and_then(|socket| socket.info));
    let first = infos[0].or(infos[1]);
    let retransmits: u64 = infos.iter().flatten().map(|info| u64::from(info.total_retrans)).sum();
    TcpFacts {
        state: both[0].unwrap_or(seen).state_name().into(),
        rtt_ns: first.map(|info| u64::from(info.rtt_us) * 1000),
        retransmits: first.map(|_| retransmits),
        sent_bytes: infos.map(|info| info.map(|info| info.bytes_sent)),
    }
}
