//! Pseudo-terminals: pty(7). A master says its number in its fdinfo; a terminal has it in its device.

use std::collections::BTreeMap;

use crate::edge::{Beyond, BeyondKind, Edge, EdgeId};
use crate::holders::{Holder, ends};
use crate::kind::EdgeKind;
use crate::proc::{HeldObject, LookedAt};

/// A terminal: its number, and the device of the file system that it is in. Each container may have one of its own.
type TerminalKey = (u32, (u32, u32));

/// The edges of all pseudo-terminals.
pub(super) fn edges(processes: &[LookedAt]) -> Vec<Edge> {
    let mut found: BTreeMap<TerminalKey, [Vec<Holder>; 2]> = BTreeMap::new();
    let mut unplaced = Vec::new();
    for one in processes {
        for held in &one.held {
            let holder =
                Holder { process: one.process.id, fd: held.fd, reads: held.reads, writes: held.writes };
            match held.object {
                HeldObject::Master { index, device: Some(device) } => {
                    found.entry((index, device)).or_default()[0].push(holder);
                }
                HeldObject::Master { index, device: None } => unplaced.push((index, holder)),
                HeldObject::Terminal { index, device } => {
                    found.entry((index, device)).or_default()[1].push(holder);
                }
                _ => {}
            }
        }
    }
    // A master whose file system could not be looked at is that of the terminal with its number, if there is one only.
    for (index, holder) in unplaced {
        let mut alike: Vec<_> = found.iter_mut().filter(|((of, _), _)| *of == index).collect();
        if let [(_, sides)] = &mut alike[..] {
            sides[0].push(holder);
        }
    }
    found.into_iter().map(edge).collect()
}

fn edge(((index, (major, minor)), [masters, terminals]): (TerminalKey, [Vec<Holder>; 2])) -> Edge {
    let one_sided = match (masters.is_empty(), terminals.is_empty()) {
        (true, _) => Some(BeyondKind::Unseen),
        (_, true) => Some(BeyondKind::Closed),
        _ => None,
    };
    let mut all = ends(masters, 0);
    all.extend(ends(terminals, 1));
    Edge {
        id: EdgeId(format!("pty:{major:02x}:{minor:02x}:{index}")),
        kind: EdgeKind::Pty,
        name: Some(format!("/dev/pts/{index}")),
        ends: all,
        capacity_bytes: None,
        tcp: None,
        beyond: one_sided.map(|kind| Beyond { kind, address: None }),
        unread: Vec::new(),
    }
}
