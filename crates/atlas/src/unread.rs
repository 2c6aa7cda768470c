//! What could not be read, gathered so that one sentence speaks of all processes that it holds for.

use std::collections::BTreeMap;
use std::fmt;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::process::ProcessId;

/// Something that the map lacks because it could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Unread {
    /// What is lacking.
    pub what: String,
    /// Whose it is: `user 1000`, `this machine`, `network namespace 4026532008`.
    pub whose: String,
    /// Why it could not be read.
    pub why: String,
    /// What to do about it.
    pub remedy: String,
    /// The processes of which it is lacking, where it is known which.
    pub processes: Vec<ProcessId>,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unread { what, whose, why, remedy, processes } = self;
        let of = match processes.len() {
            0 => String::new(),
            1 => ", 1 process".into(),
            n => format!(", {n} processes"),
        };
        write!(f, "{what} ({whose}{of}): {why}; {remedy}")
    }
}

/// Gathers what cannot be read while a map is made.
#[derive(Debug, Default)]
pub(crate) struct UnreadList {
    /// By what, whose and why.
    groups: BTreeMap<(String, String, String), (String, Vec<ProcessId>)>,
    /// This program's user, once it was asked for, if it is known.
    own_uid: Option<Option<u32>>,
}

impl UnreadList {
    /// Notes that `what` of a process was refused. A process that is gone is none of the map, and is not noted.
    pub(crate) fn of_process(&mut self, what: &str, process: ProcessId, uid: u32, error: Errno) {
        if is_gone(error) {
            return;
        }
        let (why, remedy) = (error.to_string(), remedy(error, uid, self.own_uid()));
        self.note(what, format!("user {uid}"), why, remedy, Some(process));
    }

    /// Notes that a process has `what`, of a family that no map has.
    pub(crate) fn of_family(&mut self, what: &str, process: ProcessId, uid: u32) {
        let why = "maps do not have this family".to_owned();
        self.note(what, format!("user {uid}"), why, "ask ss(8) for its sockets".into(), Some(process));
    }

    /// Notes that `what` of something else than a process is lacking.
    pub(crate) fn of(
        &mut self,
        what: &str,
        whose: impl Into<String>,
        why: impl fmt::Display,
        remedy: impl Into<String>,
    ) {
        self.note(what, whose.into(), why.to_string(), remedy.into(), None);
    }

    fn note(&mut self, what: &str, whose: String, why: String, remedy: String, process: Option<ProcessId>) {
        let group = self.groups.entry((what.into(), whose, why)).or_insert_with(|| (remedy, Vec::new()));
        if let Some(process) = process.filter(|process| group.1.last() != Some(process)) {
            group.1.push(process);
        }
    }

    /// This program's user, by the owner of its folder: geteuid(2) may be refused.
    fn own_uid(&mut self) -> Option<u32> {
        *self.own_uid.get_or_insert_with(|| rustix::fs::stat("/proc/self").ok().map(|stat| stat.st_uid))
    }

    pub(crate) fn into_list(self) -> Vec<Unread> {
        let unread =
            |((what, whose, why), (remedy, processes))| Unread { what, whose, why, remedy, processes };
        self.groups.into_iter().map(unread).collect()
    }
}

/// Whether an error means that the process has ended, or that the descriptor was closed, between two looks.
pub(crate) fn is_gone(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::SRCH | Errno::BADF)
}

fn remedy(error: Errno, uid: u32, own_uid: Option<u32>) -> String {
    match error {
        Errno::ACCESS | Errno::PERM if own_uid == Some(uid) => {
            "run as root with CAP_SYS_PTRACE: it does not let its own user look".into()
        }
        Errno::ACCESS | Errno::PERM => format!("run as root, or as user {uid}"),
        Errno::MFILE | Errno::NFILE => "raise the limit on descriptors (ulimit -n)".into(),
        Errno::NOSYS => "run outside of the sandbox that refuses the call, or on Linux 5.16 or newer".into(),
        _ => "try again; if it stays, run as root".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sentence_speaks_of_all_processes_and_of_none_that_is_gone() {
        let mut list = UnreadList::default();
        let process = |pid| ProcessId { pid, started: 1 };
        list.of_process("descriptors", process(7), 5, Errno::ACCESS);
        list.of_process("descriptors", process(7), 5, Errno::ACCESS);
        list.of_process("descriptors", process(8), 5, Errno::ACCESS);
        list.of_process("descriptors", process(9), 6, Errno::ACCESS);
        list.of_process("descriptors", process(10), 6, Errno::SRCH);
        let unread = list.into_list();
        let of: Vec<Vec<i32>> =
            unread.iter().map(|one| one.processes.iter().map(|process| process.pid).collect()).collect();
        assert_eq!(of, [vec![7, 8], vec![9]]);
        assert!(unread[0].to_string().starts_with("descriptors (user 5, 2 processes): "), "{}", unread[0]);
        assert!(unread.iter().all(|one| !one.why.is_empty() && one.remedy.contains("run as root")));
    }
}
