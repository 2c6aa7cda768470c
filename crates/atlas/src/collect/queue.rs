//! Message queues: those of mq_overview(7) are descriptors; of those of msgget(2) the kernel tells only which processes made the
//! last calls.

use std::collections::{BTreeMap, BTreeSet};

use crate::edge::{Edge, EdgeEnd, EdgeId};
use crate::holders::{Holder, Holders, end, ends};
use crate::kind::EdgeKind;
use crate::proc::{HeldObject, LookedAt};
use crate::unread::UnreadList;

/// The edges of all queues.
pub(super) fn edges(processes: &[LookedAt], unread: &mut UnreadList) -> Vec<Edge> {
    let mut edges = posix(processes);
    edges.extend(sysv(processes, unread));
    edges
}

fn posix(processes: &[LookedAt]) -> Vec<Edge> {
    let (mut holders, mut known) = (Holders::new(), BTreeMap::new());
    for one in processes {
        for held in &one.held {
            if let HeldObject::Queue { file, name, queued_bytes } = &held.object {
                let (process, fd) = (one.process.id, held.fd);
                holders.note(*file, Holder { process, fd, reads: held.reads, writes: held.writes });
                let (_, queued) = known.entry(*file).or_insert_with(|| (name.clone(), *queued_bytes));
                *queued = queued.or(*queued_bytes);
            }
        }
    }
    let edge = |(file, holders): (_, Vec<Holder>)| {
        let (name, queued) = known.get(&file).cloned().unwrap_or_default();
        let mut ends = ends(holders, 0);
        ends.iter_mut().filter(|end| end.reads).for_each(|end| end.queued_bytes = queued);
        Edge {
            id: EdgeId(format!("posix-queue:{file}")),
            kind: EdgeKind::PosixQueue,
            name: Some(name),
            ends,
            capacity_bytes: None,
            tcp: None,
            beyond: None,
            unread: if queued.is_some() {
                Vec::new()
            } else {
                vec!["what waits: the queue's file may not be read".into()]
            },
        }
    };
    holders.into_each().map(edge).collect()
}

/// A queue of msgget(2), as a line of /proc/sysvipc/msg tells it.
#[derive(Debug, PartialEq, Eq)]
struct SysvLine {
    id: u64,
    bytes: u64,
    messages: u64,
    last_sender: i32,
    last_receiver: i32,
    sent_unix_s: u64,
    received_unix_s: u64,
}

fn sysv(processes: &[LookedAt], unread: &mut UnreadList) -> Vec<Edge> {
    let text = match std::fs::read_to_string("/proc/sysvipc/msg") {
        Ok(text) => text,
        // A kernel without System V IPC has no such queue.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            unread.of("System V message queues", "this machine", error, "run as root");
            return Vec::new();
        }
    };
    let own = processes.iter().find(|one| one.process.id.pid == std::process::id() as i32);
    let own = own.and_then(|one| one.process.namespaces).map(|ids| ids.ipc);
    let others: BTreeSet<u64> =
        processes.iter().filter_map(|one| one.process.namespaces).map(|ids| ids.ipc).collect();
    for namespace in others.into_iter().filter(|&one| own.is_some_and(|own| one != own)) {
        let whose = format!("IPC namespace {namespace}");
        unread.of(
            "System V message queues",
            whose,
            "this program is in another one",
            "run it inside: nsenter --ipc",
        );
    }
    let booted = booted_unix_s();
    text.lines().skip(1).filter_map(parse).map(|line| sysv_edge(&line, processes, booted)).collect()
}

/// A line; `None` of what is none.
fn parse(line: &str) -> Option<SysvLine> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let pid = |at: usize| fields.get(at)?.parse::<i32>().ok();
    Some(SysvLine {
        id: number(1)?,
        bytes: number(3)?,
        messages: number(4)?,
        last_sender: pid(5)?,
        last_receiver: pid(6)?,
        sent_unix_s: number(11)?,
        received_unix_s: number(12)?,
    })
}

fn sysv_edge(line: &SysvLine, processes: &[LookedAt], booted: Option<u64>) -> Edge {
    let mut all = Vec::new();
    let mut by_last_call = |pid: i32, at_unix_s: u64, reads: bool| {
        let one = processes.iter().find(|one| one.process.id.pid == pid)?;
        // A process that began after the call has the number of the one that made it.
        let began = one.process.id.started / rustix::param::clock_ticks_per_second().max(1) + booted?;
        (began <= at_unix_s + 1).then(|| {
            all.push(EdgeEnd {
                reads,
                writes: !reads,
                queued_bytes: reads.then_some(line.bytes),
                queued_messages: reads.then_some(line.messages),
                by_last_call: true,
                ..end(one.process.id, 0)
            });
        })
    };
    by_last_call(line.last_sender, line.sent_unix_s, false);
    by_last_call(line.last_receiver, line.received_unix_s, true);
    Edge {
        id: EdgeId(format!("sysv-queue:{}", line.id)),
        kind: EdgeKind::SysvQueue,
        name: None,
        ends: all,
        capacity_bytes: None,
        tcp: None,
        beyond: None,
        unread: vec!["its other processes: the kernel tells only which made the last calls".into()],
    }
}

/// When the machine was started, by /proc/stat.
fn booted_unix_s() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_and_a_cut_one_is_none() {
        let line = "         0          5   600          128            2  812  830  1000  1000  1000  1000 1700000000 1700000001 1690000000";
        let read = SysvLine {
            id: 5,
            bytes: 128,
            messages: 2,
            last_sender: 812,
            last_receiver: 830,
            sent_unix_s: 1_700_000_000,
            received_unix_s: 1_700_000_001,
        };
        assert_eq!(parse(line), Some(read));
        let cut = line.rsplitn(3, ' ').last().unwrap();
        assert_eq!((parse(cut), parse(""), parse("a b c d e f g h i j k l m n")), (None, None, None));
    }
}
