//! Sockets of families whose tables are not asked: they are named, so that an edge over one of them is not lacking in silence.

use std::collections::{BTreeMap, HashSet};

use crate::proc::{HeldObject, LookedAt};
use crate::sockets::NamespaceSockets;
use crate::unread::UnreadList;

/// Protocols by their names in the kernel that are in the tables once they are connected, or that end in the kernel.
const TOLD: [&str; 5] = ["UNIX", "TCP", "UDP", "NETLINK", "PACKET"];

/// Takes note of every socket of another family.
pub(super) fn note(
    processes: &[LookedAt],
    sockets: &BTreeMap<u64, NamespaceSockets>,
    unread: &mut UnreadList,
) {
    let all = || sockets.values();
    let unix = all().flat_map(|of| of.unix.iter().map(|socket| socket.inode));
    let known: HashSet<u64> =
        unix.chain(all().flat_map(|of| of.inet.iter().map(|socket| socket.inode))).collect();
    for one in processes {
        for held in &one.held {
            let HeldObject::Socket(inode) = held.object else { continue };
            if known.contains(&inode) {
                continue;
            }
            let Some(name) = protocol(one.process.id.pid, held.fd) else { continue };
            if !TOLD.iter().any(|told| name.starts_with(told)) {
                let (process, uid) = (one.process.id, one.process.uid);
                unread.of_family(&format!("sockets of the protocol {name}"), process, uid);
            }
        }
    }
}

/// The name that the kernel has of a socket's protocol.
fn protocol(pid: i32, fd: i32) -> Option<String> {
    let mut name = [0_u8; 64];
    let length =
        rustix::fs::getxattr(format!("/proc/{pid}/fd/{fd}"), "system.sockprotoname", &mut name).ok()?;
    let name = name[..length].split(|&byte| byte == 0).next()?;
    Some(String::from_utf8_lossy(name).into_owned())
}
