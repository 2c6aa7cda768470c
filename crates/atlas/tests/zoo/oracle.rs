//! What lsof(8) and ss(8) say of the same processes.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use atlas::{Edge, EdgeKind, ProgramMap};

use crate::cannot_run::{Lacks, cannot_run};
use crate::own_pid;

/// A descriptor of a process.
type Held = (i32, i32);

/// Two descriptors that are joined, the lower one first.
type Joined = BTreeSet<(Held, Held)>;

fn pair(one: Held, other: Held) -> (Held, Held) {
    (one.min(other), one.max(other))
}

fn run(command: &str, args: &[&str]) -> Option<String> {
    match Command::new(command).args(args).output() {
        Ok(output) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(error) => {
            cannot_run(Lacks::Tool, format!("{command}: {error}"));
            None
        }
    }
}

/// The kinds of which `lsof +E` tells the other end: of UDP only where both ends are connected, so that it need not know those.
fn is_known_to_lsof(edge: &Edge, must: bool) -> bool {
    if edge.kind == EdgeKind::Udp {
        return !must;
    }
    use EdgeKind::{Eventfd, Fifo, Pipe, Pty, Tcp, UnixDatagram, UnixSeqpacket, UnixStream};
    [Pipe, Fifo, UnixStream, UnixDatagram, UnixSeqpacket, Tcp, Eventfd, Pty].contains(&edge.kind)
}

/// The descriptors that a map joins between two of these processes: with `across`, of opposite sides only where there are two.
fn joined(map: &ProgramMap, pids: &[i32], across: bool) -> Joined {
    let mut all = Joined::new();
    for edge in map.edges.iter().filter(|edge| is_known_to_lsof(edge, across)) {
        let one_side = [EdgeKind::Pipe, EdgeKind::Fifo, EdgeKind::Eventfd].contains(&edge.kind);
        let held: Vec<(u8, Held)> = edge
            .ends
            .iter()
            .filter(|end| pids.contains(&end.process.pid))
            .flat_map(|end| end.descriptors.iter().map(move |&fd| (end.side, (end.process.pid, fd))))
            .collect();
        for (at, &(side, one)) in held.iter().enumerate() {
            for &(other_side, other) in &held[at + 1..] {
                if one.0 != other.0 && (!across || one_side || side != other_side) {
                    all.insert(pair(one, other));
                }
            }
        }
    }
    all
}

/// The descriptors that `lsof +E -F pfn` joins between two of these processes. Those of one process with itself are left out: to run
/// lsof makes some.
fn joined_by_lsof(told: &str, pids: &[i32]) -> Joined {
    let (mut all, mut pid, mut fd) = (Joined::new(), 0, None);
    for line in told.lines() {
        let (field, value) = line.split_at(1);
        match field {
            "p" => pid = value.parse().unwrap_or(0),
            "f" => fd = value.parse().ok(),
            "n" if pids.contains(&pid) => {
                let (Some(fd), others) = (fd, value.split(' ').filter_map(token)) else { continue };
                let known = others.filter(|(of, _)| pids.contains(of) && *of != pid);
                all.extend(known.map(|other| pair((pid, fd), other)));
            }
            _ => {}
        }
    }
    all
}

/// `4711,name,7u`.
fn token(word: &str) -> Option<Held> {
    let (pid, rest) = word.split_once(',')?;
    let (_, fd) = rest.rsplit_once(',')?;
    Some((pid.parse().ok()?, fd.trim_end_matches(['r', 'w', 'u']).parse().ok()?))
}

/// How the map and lsof differ.
fn differences(map: &ProgramMap, told: &str, pids: &[i32]) -> Vec<String> {
    let lsof = joined_by_lsof(told, pids);
    let (all, across) = (joined(map, pids, false), joined(map, pids, true));
    let lacks = lsof.difference(&all).map(|pair| format!("lsof joins {pair:?}, the map does not"));
    let more = across.difference(&lsof).map(|pair| format!("the map joins {pair:?}, lsof does not"));
    lacks.chain(more).collect()
}

pub(crate) fn hold_against_lsof(map: &ProgramMap, child: i32) {
    let pids = [own_pid(), child];
    let of = format!("{},{child}", own_pid());
    let Some(told) = run("lsof", &["+E", "-nP", "-F", "pfn", "-p", &of]) else { return };
    assert!(joined_by_lsof(&told, &pids).len() >= 10, "lsof tells of the zoo: {told}");
    assert_eq!(differences(map, &told, &pids), Vec::<String>::new(), "{told}");
    // The control.
    let mut spoilt = map.clone();
    crate::swap_two_ends(&mut spoilt, child);
    assert!(!differences(&spoilt, &told, &pids).is_empty(), "a wrong join was not caught");
}

/// The processes at two sockets by what `ss` says: their inodes or addresses, with the descriptors of the first.
type Sockets = BTreeMap<(String, String), BTreeSet<Held>>;

/// Lines of `ss -xpH` or `ss -tnpH`.
fn sockets(told: &str, unix: bool, pids: &[i32]) -> Sockets {
    let mut all = Sockets::new();
    for line in told.lines() {
        let Some((fields, users)) = line.split_once("users:(") else { continue };
        let fields: Vec<&str> = fields.split_whitespace().collect();
        // A name may have spaces: the numbers stand behind it.
        let key = match (&fields[..], unix) {
            ([.., own, _, peer], true) => (own.to_string(), peer.to_string()),
            ([.., own, peer], false) => (canonical(own), canonical(peer)),
            _ => continue,
        };
        let held = users.split("pid=").skip(1).filter_map(|rest| {
            let (pid, rest) = rest.split_once(",fd=")?;
            let fd = rest.split(|byte: char| !byte.is_ascii_digit()).next()?;
            Some((pid.parse().ok()?, fd.parse().ok()?))
        });
        let held: BTreeSet<Held> = held.filter(|(pid, _)| pids.contains(pid)).collect();
        if !held.is_empty() {
            all.insert(key, held);
        }
    }
    all
}

fn canonical(address: &str) -> String {
    let parsed = address.parse::<std::net::SocketAddr>();
    parsed
        .map_or(address.into(), |at| std::net::SocketAddr::new(at.ip().to_canonical(), at.port()).to_string())
}

/// The same by the map.
fn sockets_of(map: &ProgramMap, unix: bool, pids: &[i32]) -> Sockets {
    let mut all = Sockets::new();
    let prefix = if unix { "unix:" } else { "tcp:" };
    for edge in &map.edges {
        let Some((first, second)) = edge.id.0.strip_prefix(prefix).and_then(|id| id.split_once('-')) else {
            continue;
        };
        for end in edge.ends.iter().filter(|end| pids.contains(&end.process.pid)) {
            let (own, peer) = if end.side == 0 { (first, second) } else { (second, first) };
            let held = all.entry((own.to_owned(), peer.to_owned())).or_default();
            held.extend(end.descriptors.iter().map(|&fd| (end.process.pid, fd)));
        }
    }
    all
}

pub(crate) fn hold_against_ss(map: &ProgramMap, child: i32) {
    let pids = [own_pid(), child];
    for (args, unix, at_least) in [("-xpnH", true, 8), ("-tnpH", false, 2)] {
        let Some(told) = run("ss", &[args]) else { return };
        let mut by_ss = sockets(&told, unix, &pids);
        let mut by_map = sockets_of(map, unix, &pids);
        // Of one that is connected with none it says 0; the map's datagrams to a server have an end there.
        by_ss.retain(|(_, peer), _| peer != "0");
        by_map.retain(|(own, peer), _| {
            by_ss.contains_key(&(own.clone(), peer.clone())) || !is_server(map, own, peer)
        });
        assert!(by_ss.len() >= at_least, "ss tells of the zoo: {told}");
        assert_eq!(by_map, by_ss, "{told}");
        let mut spoilt = map.clone();
        crate::swap_two_ends(&mut spoilt, child);
        assert!(!unix || sockets_of(&spoilt, unix, &pids) != by_ss, "a wrong join was not caught");
    }
}

/// Whether a socket only takes what the other sends.
fn is_server(map: &ProgramMap, own: &str, peer: &str) -> bool {
    let edge = map.edges.iter().find(|edge| edge.id.0 == format!("unix:{peer}-{own}"));
    edge.is_some_and(|edge| edge.ends.iter().any(|end| end.side == 1 && !end.writes))
}
