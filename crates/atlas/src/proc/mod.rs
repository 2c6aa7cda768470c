//! The processes of this machine and what each of them holds, from /proc.
//!
//! Everything of a process is read below one descriptor of its folder, so that a number that is used again is never
//! mistaken for the process that had it. A process that ends meanwhile is left out.

mod argv;
mod descriptor;
mod file;
mod mapped;
mod service;
mod stat;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

pub(crate) use descriptor::{FileId, HeldDescriptor, HeldObject};
pub(crate) use file::{folder, read};
pub(crate) use mapped::SharedMapping;
pub(crate) use stat::thread_group;

use crate::process::{NamespaceIds, ProcessId, RunningProcess, TaskState};
use crate::unread::{UnreadList, is_gone};

/// A process and what it holds.
#[derive(Debug)]
pub(crate) struct LookedAt {
    pub(crate) process: RunningProcess,
    /// Descriptors by which it may be joined with others.
    pub(crate) held: Vec<HeldDescriptor>,
    /// Memory that others may share.
    pub(crate) mapped: Vec<SharedMapping>,
}

/// Every process that can be seen, by its number; and whether the descriptors of all of them could be read.
pub(crate) fn read_all(unread: &mut UnreadList) -> (Vec<LookedAt>, bool) {
    let found = folder(rustix::fs::CWD, "/proc").and_then(|proc| Ok((file::numbers(proc.as_fd())?, proc)));
    let (mut pids, proc) = match found {
        Ok(found) => found,
        Err(error) => {
            unread.of("processes", "this machine", format!("/proc: {error}"), "mount /proc");
            return (Vec::new(), false);
        }
    };
    if pids.is_empty() {
        unread.of("processes", "this machine", "/proc has none", "mount /proc: mount -t proc proc /proc");
    }
    let mut complete = !pids.is_empty();
    if hides_processes() {
        unread.of(
            "processes of other users",
            "this machine",
            "/proc is mounted with hidepid, which does not show them",
            "run as root, or as a member of the group that the mount names (gid=)",
        );
        complete = false;
    }
    if is_inside_a_container() {
        unread.of(
            "processes outside of this container",
            "this machine",
            "this program runs in a PID namespace of its own",
            "run it on the machine itself, or in a container with --pid=host",
        );
        complete = false;
    }
    pids.sort_unstable();
    let mut looked_at = Vec::with_capacity(pids.len());
    for pid in pids {
        let process = folder(proc.as_fd(), pid.to_string())
            .and_then(|folder| ProcessFolder { pid, folder }.look(unread));
        match process {
            Ok((one, all)) => {
                complete &= all;
                looked_at.push(one);
            }
            Err(error) if is_gone(error) => {}
            Err(error) => {
                complete = false;
                unread.of("processes", "this machine", format!("/proc/PID/stat: {error}"), "run as root");
            }
        }
    }
    (looked_at, complete)
}

/// Whether this program's PID namespace is another than the machine's, which has the number PROC_PID_INIT_INO of
/// include/linux/proc_ns.h.
fn is_inside_a_container() -> bool {
    let mut text = [0; 64];
    let length = rustix::fs::readlinkat_raw(rustix::fs::CWD, "/proc/self/ns/pid", &mut text);
    length.is_ok_and(|length| &text[..length] != b"pid:[4026531836]")
}

/// Whether /proc shows a user its own processes only: the option `hidepid` of its mount.
fn hides_processes() -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let own_root = rustix::fs::stat("/proc/1").is_ok();
    !own_root && mounts.lines().any(hides)
}

/// Whether a line of /proc/self/mountinfo is that of a /proc that hides processes.
fn hides(line: &str) -> bool {
    let (place, rest) = line.split_once(" - ").unwrap_or((line, ""));
    let options = rest.split(' ').next_back().unwrap_or_default();
    let hidden =
        |option: &str| option.strip_prefix("hidepid=").is_some_and(|word| !["0", "off"].contains(&word));
    place.split(' ').nth(4) == Some("/proc") && rest.starts_with("proc ") && options.split(',').any(hidden)
}

/// The folder of one process.
struct ProcessFolder {
    pid: i32,
    folder: OwnedFd,
}

impl ProcessFolder {
    /// Everything of the process, and whether its descriptors could be read.
    fn look(&self, unread: &mut UnreadList) -> rustix::io::Result<(LookedAt, bool)> {
        let at = self.folder.as_fd();
        let stat = stat::parse(&read(at, "stat", 4096)?).ok_or(Errno::SRCH)?;
        let uid = stat::uid(&read(at, "status", 16 << 10)?).ok_or(Errno::SRCH)?;
        let id = ProcessId { pid: self.pid, started: stat.started };
        let mut process = RunningProcess {
            id,
            name: stat.name,
            command: Vec::new(),
            parent: stat.parent,
            uid,
            service: None,
            session: stat.session,
            namespaces: None,
            threads: stat.threads,
            state: stat.state,
            kernel_thread: stat.kernel_thread,
            listens: Vec::new(),
        };
        let mut one = LookedAt { process: process.clone(), held: Vec::new(), mapped: Vec::new() };
        // A thread of the kernel has none of these, and what has ended holds nothing any more.
        if process.kernel_thread || process.state == TaskState::Zombie {
            return Ok((one, true));
        }
        process.command =
            read(at, "cmdline", argv::READ).map_or_else(|_| Vec::new(), |raw| argv::words(&raw));
        process.service = read(at, "cgroup", 16 << 10).ok().and_then(|raw| service::of(&raw));
        let mut all = true;
        match namespaces(at) {
            Ok(namespaces) => process.namespaces = Some(namespaces),
            Err(error) => unread.of_process("namespaces", id, uid, error),
        }
        match descriptor::all(at) {
            Ok((held, cut)) => {
                one.held = held;
                if cut {
                    unread.of_process("descriptors beyond the first million", id, uid, Errno::TOOBIG);
                }
                all &= !cut;
            }
            Err(error) => {
                all &= is_gone(error);
                unread.of_process("descriptors", id, uid, error);
            }
        }
        match mapped::shared(at) {
            Ok(mapped) => one.mapped = mapped,
            Err(error) => unread.of_process("mapped memory", id, uid, error),
        }
        one.process = process;
        Ok((one, all))
    }
}

fn namespaces(at: BorrowedFd<'_>) -> rustix::io::Result<NamespaceIds> {
    let inode = |name: &str| {
        let mut text = [0; 64];
        let length = rustix::fs::readlinkat_raw(at, name, &mut text)?;
        descriptor::number_in(&text[..length], "[").ok_or(Errno::INVAL)
    };
    Ok(NamespaceIds {
        pid: inode("ns/pid")?,
        net: inode("ns/net")?,
        ipc: inode("ns/ipc")?,
        mnt: inode("ns/mnt")?,
        user: inode("ns/user")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proc_that_hides_processes_is_known_by_its_option() {
        let line = |options| format!("26 25 0:24 / /proc rw,nosuid - proc proc rw,{options}");
        for (options, hidden) in
            [("hidepid=2", true), ("hidepid=invisible", true), ("hidepid=0", false), ("gid=5", false)]
        {
            assert_eq!(hides(&line(options)), hidden, "{options}");
        }
        assert!(!hides("26 25 0:24 / /elsewhere rw - proc proc rw,hidepid=2") && !hides("") && !hides(" - "));
    }

    #[test]
    fn this_process_is_read_as_it_is() {
        let mut unread = UnreadList::default();
        let (all, _) = read_all(&mut unread);
        let own = all.iter().find(|one| one.process.id.pid == std::process::id() as i32).expect("it runs");
        assert_eq!(own.process.uid, rustix::process::getuid().as_raw());
        assert!(own.process.threads > 0 && own.process.namespaces.is_some(), "{own:?}");
        let words: Vec<String> = std::env::args().collect();
        assert_eq!(own.process.command, words);
    }
}
