//! The cases: what is run, and under which condition.

use std::fmt;

use crossing::Kind;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::filter::InUse;

/// What is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    Show(Kind),
    Race,
    Map,
    Doctor,
}

impl Verb {
    pub(crate) fn all() -> Vec<Verb> {
        Kind::ALL.map(Verb::Show).into_iter().chain([Verb::Race, Verb::Map, Verb::Doctor]).collect()
    }

    /// What is typed behind the program's name.
    pub(crate) fn line(self) -> String {
        match self {
            Verb::Show(kind) => format!("show {kind} --messages 2 --placement unpinned"),
            Verb::Race => {
                "race --count 20 --launches 1 --workload ping-pong --wait block --placement unpinned \
                 --seed 1"
                    .into()
            }
            // Of itself only: what else runs here is no part of the case.
            Verb::Map => "map ipcscope --json".into(),
            Verb::Doctor => "doctor --json".into(),
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verb::Show(kind) => write!(f, "show {kind}"),
            Verb::Race => f.write_str("race"),
            Verb::Map => f.write_str("map"),
            Verb::Doctor => f.write_str("doctor"),
        }
    }
}

/// What is not as usual.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Condition {
    /// Everything is: what the others are held against.
    Usual,
    /// Pages of this many bytes, emulated: regions are laid out as on a machine that has them.
    Pages(u64),
    /// A system call is refused with this error, in every process.
    Refused { call: String, number: u32, errno: i32 },
    /// No thread can be started: EAGAIN.
    NoThreads,
    /// A limit on processes and threads of this user: RLIMIT_NPROC.
    Processes(u64),
    /// A limit on descriptors: RLIMIT_NOFILE.
    Descriptors(u64),
    /// Files of at most this many bytes: RLIMIT_FSIZE.
    FileSize(u64),
    /// A limit on addresses, in bytes: RLIMIT_AS.
    AddressSpace(u64),
    /// A limit on memory, in bytes: a control group.
    Memory(u64),
    /// `/proc` is empty.
    NoProc,
    /// A network namespace whose loopback is down.
    NoLoopback,
    /// Neither HOME nor any XDG folder is named.
    NoHome,
    /// The home exists and belongs to another user.
    ForeignHome,
    /// TMPDIR is longer than a socket's path may be.
    LongTemporary,
    /// TMPDIR is not there.
    NoTemporary,
    /// Another user than root, without any right.
    Nobody,
    /// These of the three standard streams are closed.
    Closed([bool; 3]),
    /// This standard stream is `/dev/full`.
    Full(usize),
    /// This standard stream is a pipe without a reader.
    Unread(usize),
}

/// Which condition, whatever its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sort(&'static str);

impl Sort {
    /// Whether a machine may lack what makes it, even for its own root.
    pub(crate) fn is_rare(self) -> bool {
        self.0 == "memory"
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Condition {
    pub(crate) fn kind(&self) -> Sort {
        Sort(match self {
            Condition::Usual => "usual",
            Condition::Pages(_) => "pages",
            Condition::Refused { .. } => "refused",
            Condition::NoThreads => "no threads",
            Condition::Processes(_) => "processes",
            Condition::Descriptors(_) => "descriptors",
            Condition::FileSize(_) => "file size",
            Condition::AddressSpace(_) => "address space",
            Condition::Memory(_) => "memory",
            Condition::NoProc => "no /proc",
            Condition::NoLoopback => "no loopback",
            Condition::NoHome => "no home",
            Condition::ForeignHome => "foreign home",
            Condition::LongTemporary => "long TMPDIR",
            Condition::NoTemporary => "no TMPDIR",
            Condition::Nobody => "nobody",
            Condition::Closed(_) => "closed",
            Condition::Full(_) => "full",
            Condition::Unread(_) => "unread",
        })
    }

    /// Whether a process cannot end by itself under it: glibc calls exit(2) or exit_group(2) again and again until it works.
    pub(crate) fn has_no_end(&self) -> bool {
        matches!(self, Condition::Refused { call, .. } if ["exit", "exit_group"].contains(&&**call))
    }

    /// Whether everything must work under it.
    pub(crate) fn hinders_nothing(&self) -> bool {
        matches!(self, Condition::Usual | Condition::Pages(_))
    }

    /// Whether what is written to standard error can be read afterwards.
    pub(crate) fn stderr_is_read(&self) -> bool {
        match self {
            Condition::Closed([_, _, true]) | Condition::Full(2) | Condition::Unread(2) => false,
            Condition::Refused { call, .. } => call != "write",
            _ => true,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Condition::Refused { call, errno, .. } => {
                write!(f, "{call}={}", if *errno == Errno::PERM.raw_os_error() { "EPERM" } else { "ENOSYS" })
            }
            Condition::Pages(n)
            | Condition::Processes(n)
            | Condition::Descriptors(n)
            | Condition::FileSize(n)
            | Condition::AddressSpace(n)
            | Condition::Memory(n) => write!(f, "{kind} {n}"),
            Condition::Closed(which) => {
                let closed: Vec<_> = (0..3).filter(|&at| which[at]).map(|at| at.to_string()).collect();
                write!(f, "{kind} {}", closed.join("+"))
            }
            Condition::Full(which) | Condition::Unread(which) => write!(f, "{kind} {which}"),
            _ => write!(f, "{kind}"),
        }
    }
}

/// A verb under a condition.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) verb: Verb,
    pub(crate) condition: Condition,
}

impl Case {
    pub(crate) fn name(&self) -> String {
        format!("{} under {}", self.verb, self.condition)
    }

    pub(crate) fn args(&self) -> Vec<String> {
        self.verb.line().split_whitespace().map(str::to_owned).collect()
    }
}

/// Every case there is, for the calls that each verb makes.
pub(crate) fn all(calls: &[InUse]) -> Vec<Case> {
    let under = |condition: Condition| {
        Verb::all().into_iter().map(move |verb| Case { verb, condition: condition.clone() })
    };
    let mut cases: Vec<Case> = conditions().into_iter().flat_map(under).collect();
    for InUse { call, number, by } in calls {
        for errno in [Errno::PERM, Errno::NOSYS] {
            let condition =
                Condition::Refused { call: call.clone(), number: *number, errno: errno.raw_os_error() };
            // What doctor says is held against what show does, so that it is asked whether or not it makes the call.
            let verbs = Verb::all().into_iter().filter(|verb| by.contains(verb) || *verb == Verb::Doctor);
            cases.extend(verbs.map(|verb| Case { verb, condition: condition.clone() }));
        }
    }
    cases
}

/// Every condition but the refused calls.
fn conditions() -> Vec<Condition> {
    const MIB: u64 = 1 << 20;
    let mut conditions = vec![
        Condition::Usual,
        Condition::NoThreads,
        Condition::NoProc,
        Condition::NoLoopback,
        Condition::NoHome,
        Condition::ForeignHome,
        Condition::LongTemporary,
        Condition::NoTemporary,
        Condition::Nobody,
    ];
    conditions.extend([16 << 10, 64 << 10].map(Condition::Pages));
    conditions.extend((3..=40).map(Condition::Descriptors));
    conditions.extend([1, 2, 3, 4, 5, 6, 8].map(Condition::Processes));
    conditions.extend([0, 1, 4096, MIB].map(Condition::FileSize));
    conditions.extend([16, 32, 64, 96, 128, 160, 256, 512].map(|mib| Condition::AddressSpace(mib * MIB)));
    conditions.extend([4, 8, 16, 32, 64].map(|mib| Condition::Memory(mib * MIB)));
    let streams = (1..8_u8).map(|bits| Condition::Closed([0, 1, 2].map(|at| bits >> at & 1 == 1)));
    conditions.extend(streams);
    conditions.extend([1, 2].map(Condition::Full));
    conditions.extend([1, 2].map(Condition::Unread));
    conditions
}
