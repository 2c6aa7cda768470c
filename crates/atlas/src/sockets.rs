//! The sockets of every network namespace in which a process was seen.
//!
//! A thread is in one network namespace, and the kernel tells it the tables of that one. For another namespace a
//! thread is started that enters it (setns(2)), asks and ends, so that the caller's threads stay where they are.

use std::collections::BTreeMap;
use std::thread;

use rustix::io::{Errno, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::netlink::{Dump, InetSocket, Protocol, Tables, UnixSocket};
use crate::proc::LookedAt;
use crate::unread::UnreadList;

/// The sockets of one network namespace.
#[derive(Debug, Default)]
pub(crate) struct NamespaceSockets {
    /// Whether this program is in it.
    pub(crate) own: bool,
    pub(crate) unix: Vec<UnixSocket>,
    pub(crate) inet: Vec<InetSocket>,
}

/// The tables that are asked for, each with the kernel's module that tells it.
const INET: [(&str, Protocol, bool); 4] = [
    ("TCP over IPv4", Protocol::Tcp, false),
    ("TCP over IPv6", Protocol::Tcp, true),
    ("UDP over IPv4", Protocol::Udp, false),
    ("UDP over IPv6", Protocol::Udp, true),
];

/// All sockets, by their namespace.
pub(crate) fn read_all(processes: &[LookedAt], unread: &mut UnreadList) -> BTreeMap<u64, NamespaceSockets> {
    let own = std::fs::read_link("/proc/self/ns/net").ok();
    let own =
        own.and_then(|link| link.to_str()?.strip_prefix("net:[")?.strip_suffix(']')?.parse::<u64>().ok());
    // A process of each namespace, by whose folder it is found.
    let mut namespaces: BTreeMap<u64, Option<i32>> = BTreeMap::from([(own.unwrap_or(0), None)]);
    for one in processes {
        if let Some(ids) = one.process.namespaces {
            namespaces.entry(ids.net).or_insert(Some(one.process.id.pid));
        }
    }
    let mut all = BTreeMap::new();
    for (namespace, by) in namespaces {
        let told = match by {
            None => Ok(ask()),
            Some(pid) => ask_inside(pid, namespace),
        };
        let whose =
            if by.is_some() { format!("network namespace {namespace}") } else { "this machine".into() };
        match told {
            Ok(Ok(told)) => {
                let sockets = told.sockets(&whose, unread);
                all.insert(namespace, NamespaceSockets { own: by.is_none(), ..sockets });
            }
            Ok(Err(error)) => unread.of("sockets", whose, error, remedy(error)),
            Err(error) => {
                let remedy = "run as root (CAP_SYS_ADMIN lets a thread enter the namespace), or inside of it";
                unread.of("sockets", whose, format_args!("setns(2): {error}"), remedy);
            }
        }
    }
    all
}

/// What the kernel told of one namespace: each table or its refusal.
struct ToldTables {
    unix: Result<Dump<UnixSocket>>,
    inet: Vec<(&'static str, Result<Dump<InetSocket>>)>,
}

/// Asks in the namespace of this thread.
fn ask() -> Result<ToldTables> {
    let tables = Tables::open()?;
    let inet = INET.map(|(name, protocol, version_6)| (name, tables.inet(protocol, version_6)));
    Ok(ToldTables { unix: tables.unix(), inet: inet.into() })
}

/// Asks from a thread that enters the namespace of a process.
fn ask_inside(pid: i32, namespace: u64) -> Result<Result<ToldTables>> {
    let link = format!("/proc/{pid}/ns/net");
    let inside = move || {
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
        let file = rustix::fs::open(link, flags, rustix::fs::Mode::empty())?;
        // The process may have ended, and its number may be another's.
        if rustix::fs::fstat(&file)?.st_ino != namespace {
            return Err(Errno::SRCH);
        }
        move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), Some(LinkNameSpaceType::Network))?;
        Ok(ask())
    };
    let started = thread::Builder::new().name("atlas-namespace".into()).spawn(inside);
    started.map_err(|_| Errno::AGAIN)?.join().unwrap_or(Err(Errno::IO))
}

impl ToldTables {
    /// The sockets; what was refused or cut is noted.
    fn sockets(self, whose: &str, unread: &mut UnreadList) -> NamespaceSockets {
        let unix = taken("Unix sockets", self.unix, whose, unread);
        let mut sockets = NamespaceSockets { unix, ..NamespaceSockets::default() };
        for (name, table) in self.inet {
            sockets.inet.extend(taken(name, table, whose, unread));
        }
        sockets
    }
}

fn taken<T>(name: &str, table: Result<Dump<T>>, whose: &str, unread: &mut UnreadList) -> Vec<T> {
    match table {
        Ok(dump) => {
            if let Some(lacks) = dump.lacks {
                unread.of(&format!("some sockets: {name}"), whose, lacks, "take the map again");
            }
            dump.sockets
        }
        // A kernel without IPv6 has no such table, and no such socket.
        Err(Errno::AFNOSUPPORT) => Vec::new(),
        Err(error) => {
            unread.of(&format!("sockets: {name}"), whose, error, remedy(error));
            Vec::new()
        }
    }
}

fn remedy(error: Errno) -> &'static str {
    match error {
        Errno::NOENT => "load the kernel's modules: modprobe -a unix_diag tcp_diag udp_diag",
        Errno::AFNOSUPPORT | Errno::PROTONOSUPPORT => {
            "run on a kernel with CONFIG_INET_DIAG and CONFIG_UNIX_DIAG"
        }
        Errno::ACCESS | Errno::PERM => "run outside of the sandbox that refuses netlink sockets",
        _ => "take the map again",
    }
}
