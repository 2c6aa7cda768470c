//! Pipes and FIFOs: pipe(7), fifo(7). Which end a descriptor is of follows from what it may do.
//!
//! What waits in a pipe is told to its own descriptors only, so that one is duplicated (pidfd_getfd(2)), asked and closed. Held
//! for longer, the duplicate would keep the pipe from ending.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, Result};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::edge::{Beyond, BeyondKind, Edge, EdgeId};
use crate::holders::{Holder, Holders, ends};
use crate::kind::EdgeKind;
use crate::proc::{HeldObject, LookedAt};
use crate::process::ProcessId;
use crate::scope::Scope;
use crate::unread::{UnreadList, is_gone};

/// A pipe: its kind, the words of its identity, its inode and its path.
type PipeKey = (EdgeKind, String, u64, Option<String>);

/// How many of a pipe's processes are asked for a descriptor of it, at most.
const ASKED: usize = 4;

/// The edges of all pipes that a process of the scope has: no other is asked.
pub(super) fn edges(
    processes: &[LookedAt],
    complete: bool,
    scope: &Scope,
    unread: &mut UnreadList,
) -> Vec<Edge> {
    let mut holders = Holders::new();
    for one in processes {
        for held in one.held.iter().filter(|held| held.reads || held.writes) {
            let key = match &held.object {
                HeldObject::Pipe(inode) => (EdgeKind::Pipe, inode.to_string(), *inode, None),
                HeldObject::Fifo { file, path } => {
                    (EdgeKind::Fifo, file.to_string(), file.inode, Some(path.clone()))
                }
                _ => continue,
            };
            let holder =
                Holder { process: one.process.id, fd: held.fd, reads: held.reads, writes: held.writes };
            holders.note(key, holder);
        }
    }
    let uid = |process: ProcessId| {
        let found = processes.iter().find(|one| one.process.id == process);
        found.map_or(0, |one| one.process.uid)
    };
    let mut at_hand = None;
    let mut pipes: Vec<(PipeKey, Vec<Holder>)> = holders.into_each().collect();
    pipes.retain(|(_, holders)| holders.iter().any(|holder| scope.has(holder.process)));
    // Those of one process follow each other, so that it is opened once.
    pipes.sort_by_key(|(_, holders)| holders.first().map(|holder| holder.process));
    pipes
        .into_iter()
        .map(|(key, holders)| {
            let figures = figures(&holders, key.2, &mut at_hand);
            if let Err(error) = figures {
                for process in holders.iter().map(|holder| holder.process).take(1) {
                    unread.of_process("what waits in pipes", process, uid(process), error);
                }
            }
            edge(key, &holders, figures, complete)
        })
        .collect()
}

fn edge(
    (kind, id, _, name): PipeKey,
    holders: &[Holder],
    figures: Result<PipeFigures>,
    complete: bool,
) -> Edge {
    let of = |wanted: fn(&Holder) -> bool| holders.iter().copied().filter(wanted);
    // What was opened for both stands with the writers.
    let mut all = ends(of(|one| one.writes), 0);
    all.extend(ends(of(|one| one.reads && !one.writes), 1));
    let one_sided = !holders.iter().any(|one| one.reads) || !holders.iter().any(|one| one.writes);
    let is_closed = match &figures {
        Ok(figures) => figures.hung || kind == EdgeKind::Fifo && complete,
        Err(_) => complete,
    };
    let beyond = if is_closed { BeyondKind::Closed } else { BeyondKind::Unseen };
    for end in all.iter_mut().filter(|end| end.reads) {
        end.queued_bytes = figures.as_ref().ok().map(|figures| figures.queued);
    }
    Edge {
        id: EdgeId(format!("{}:{id}", kind.name())),
        kind,
        name,
        ends: all,
        capacity_bytes: figures.as_ref().ok().map(|figures| figures.capacity),
        tcp: None,
        beyond: one_sided.then_some(Beyond { kind: beyond, address: None }),
        unread: figures
            .err()
            .map(|error| format!("what waits, and the capacity: pidfd_getfd(2): {error}"))
            .into_iter()
            .collect(),
    }
}

/// What a pipe tells of itself.
struct PipeFigures {
    queued: u64,
    capacity: u64,
    /// Whether the other end of the descriptor that was asked is closed everywhere.
    hung: bool,
}

/// Asks a descriptor of the pipe with this inode.
fn figures(
    holders: &[Holder],
    inode: u64,
    at_hand: &mut Option<(ProcessId, OwnedFd)>,
) -> Result<PipeFigures> {
    let mut last = Errno::SRCH;
    let mut asked: Vec<ProcessId> = Vec::new();
    for holder in holders {
        if asked.contains(&holder.process) {
            continue;
        }
        if asked.len() == ASKED {
            break;
        }
        asked.push(holder.process);
        match ask(holder, inode, at_hand) {
            Ok(figures) => return Ok(figures),
            Err(error) if is_gone(error) && last != Errno::SRCH => {}
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn ask(holder: &Holder, inode: u64, at_hand: &mut Option<(ProcessId, OwnedFd)>) -> Result<PipeFigures> {
    if at_hand.as_ref().is_none_or(|(process, _)| *process != holder.process) {
        let pid = Pid::from_raw(holder.process.pid).ok_or(Errno::SRCH)?;
        *at_hand = Some((holder.process, pidfd_open(pid, PidfdFlags::empty())?));
    }
    let Some((_, process)) = at_hand else { return Err(Errno::SRCH) };
    let pipe = pidfd_getfd(process, holder.fd, PidfdGetfdFlags::empty())?;
    // The number may be another process's by now, or the descriptor another file's.
    if rustix::fs::fstat(&pipe)?.st_ino != inode {
        return Err(Errno::SRCH);
    }
    let mut polled = [PollFd::new(&pipe, PollFlags::empty())];
    poll(&mut polled, Some(&Timespec::default()))?;
    Ok(PipeFigures {
        queued: rustix::io::ioctl_fionread(&pipe)?,
        capacity: rustix::pipe::fcntl_getpipe_size(&pipe)? as u64,
        hung: polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR),
    })
}
