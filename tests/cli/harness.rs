//! Runs the binary in a folder of its own, so that no test sees another's files or the person's last race.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use lab::Report;

use crate::schema;

/// How long anything may take before a test gives up: a bound against hanging, not a measurement.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that is gone afterwards, with its own state folder inside.
pub(crate) struct Desk {
    path: PathBuf,
}

impl Desk {
    pub(crate) fn new() -> Desk {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("desk-{}-{next}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder for the test");
        Desk { path }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The names of the files in which races are kept; oldest first.
    pub(crate) fn runs(&self) -> Vec<String> {
        names_in(&self.path("state/ipcscope/runs"))
    }

    /// The names of everything in the folder but the state folder.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = names_in(&self.path);
        names.retain(|name| name != "state");
        names
    }

    pub(crate) fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        self.furnished(Command::new(env!("CARGO_BIN_EXE_ipcscope")), args)
    }

    /// The binary behind other words, such as those of a shell that does something first.
    pub(crate) fn behind(&self, words: &[&str], line: &str) -> Command {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(env!("CARGO_BIN_EXE_ipcscope"));
        self.furnished(command, line.split_whitespace())
    }

    fn furnished(&self, mut command: Command, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        command.args(args).current_dir(&self.path).env("XDG_STATE_HOME", self.path("state"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, line: &str) -> Ran {
        Ran::of(line, self.command(line.split_whitespace()).output().expect("the binary starts"))
    }

    /// Starts the binary and leaves it running.
    pub(crate) fn start(&self, line: &str) -> Running {
        Running(self.command(line.split_whitespace()).spawn().expect("the binary starts"))
    }
}

/// What is in a folder, in order; nothing when there is no folder.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// What a run left on its streams.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) line: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(line: &str, output: Output) -> Ran {
        Ran {
            line: line.to_owned(),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    }

    #[track_caller]
    pub(crate) fn ended_with(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "{}: {self:#?}", self.line);
        self
    }

    /// Exit code 2, one line on stderr that says `words`, nothing on stdout.
    #[track_caller]
    pub(crate) fn refused(self, words: &str) {
        let ran = self.ended_with(2);
        assert_eq!(ran.stdout, "", "{ran:#?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:#?}");
        assert!(ran.stderr.starts_with("ipcscope: "), "{ran:#?}");
        assert!(ran.stderr.contains(words), "no `{words}` in {ran:#?}");
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }

    /// The report on stdout, which holds to the schema.
    pub(crate) fn report(&self) -> Report {
        schema::report(self.json())
    }
}

/// A running binary that does not outlive its test.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, signal).expect("the signal is sent");
    }

    /// The processes that it has started.
    pub(crate) fn children(&self) -> Vec<u32> {
        let processes = fs::read_dir("/proc").expect("/proc").flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|&pid| parent_of(pid) == Some(self.0.id())).collect()
    }

    /// Its measured processes, once there are two.
    #[track_caller]
    pub(crate) fn two_workers(&self) -> Vec<u32> {
        let mut workers = Vec::new();
        eventually("two measured processes run", || {
            workers = self.children();
            workers.len() >= 2
        });
        workers
    }

    /// The exit code, once it has ended.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let mut code = None;
        eventually("the binary ends", || {
            let ended = self.0.try_wait().expect("a child of ours");
            code = ended.and_then(|status| status.code());
            ended.is_some()
        });
        code
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until `what` holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn parent_of(process: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// Waits until none of these processes exists.
#[track_caller]
pub(crate) fn all_gone(processes: &[u32]) {
    eventually("the processes are gone", || {
        processes.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists())
    });
}
