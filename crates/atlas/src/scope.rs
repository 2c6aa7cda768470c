//! Which processes a map is of.

use std::collections::BTreeSet;
use std::fmt;

use crate::proc;
use crate::process::ProcessId;

/// Which processes a map is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every process that can be seen.
    All,
    /// These, by their numbers, with all that they are joined with.
    Processes(BTreeSet<i32>),
}

/// Why words name no processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScopeError {
    /// No process has this number.
    NoSuchProcess(i32),
    /// The number is a thread's; the other is that of its process.
    IsThread(i32, i32),
    /// No process has this name.
    NoSuchName(String),
}

impl Scope {
    /// Whether the map is of this process.
    pub(crate) fn has(&self, process: ProcessId) -> bool {
        match self {
            Scope::All => true,
            Scope::Processes(pids) => pids.contains(&process.pid),
        }
    }

    /// The processes that words name: a number is a process's, any other word the name of one or more (comm of proc(5), or the
    /// file name of the program). No word names all.
    ///
    /// # Errors
    /// When one of the words names no process.
    pub fn named<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Scope, ScopeError> {
        let mut pids = BTreeSet::new();
        let mut any = false;
        for word in words {
            any = true;
            match word.parse::<i32>() {
                Ok(pid) => pids.extend([by_number(pid)?]),
                Err(_) => pids.extend(by_name(word)?),
            }
        }
        Ok(if any { Scope::Processes(pids) } else { Scope::All })
    }
}

fn by_number(pid: i32) -> Result<i32, ScopeError> {
    let status = proc::read(rustix::fs::CWD, format!("/proc/{pid}/status"), 16 << 10).ok();
    match status.and_then(|status| proc::thread_group(&status)) {
        Some(group) if group == pid => Ok(pid),
        Some(group) => Err(ScopeError::IsThread(pid, group)),
        None => Err(ScopeError::NoSuchProcess(pid)),
    }
}

fn by_name(word: &str) -> Result<Vec<i32>, ScopeError> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let found: Vec<i32> = pids.filter(|&pid| is_called(pid, word)).collect();
    if found.is_empty() { Err(ScopeError::NoSuchName(word.to_owned())) } else { Ok(found) }
}

/// Whether a process has this name: the kernel keeps 15 bytes of it, its command line has it whole.
fn is_called(pid: i32, name: &str) -> bool {
    let read =
        |file: &str| proc::read(rustix::fs::CWD, format!("/proc/{pid}/{file}"), 4096).unwrap_or_default();
    let comm = read("comm");
    if comm.strip_suffix(b"\n").is_some_and(|comm| comm == name.as_bytes()) {
        return true;
    }
    let line = read("cmdline");
    let program = line.split(|&byte| byte == 0).next().unwrap_or_default();
    program.rsplit(|&byte| byte == b'/').next() == Some(name.as_bytes())
}

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScopeError::NoSuchProcess(pid) => write!(
                f,
                "there is no process {pid} here: it has ended, or runs where this one cannot see it"
            ),
            ScopeError::IsThread(thread, process) => {
                write!(f, "{thread} is a thread of process {process}: name that one")
            }
            ScopeError::NoSuchName(name) => write!(
                f,
                "no process here is called '{name}': name one by its number, or by its name as `ps -e` shows it"
            ),
        }
    }
}

impl std::error::Error for ScopeError {}
