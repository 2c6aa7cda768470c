//! The keeper: this program once more, which runs one case, waits for it within a bound, and looks at what it left.
//!
//! Whatever the case starts and does not wait for becomes a child of the keeper (PR_SET_CHILD_SUBREAPER), and is found.
#![allow(unsafe_code)]

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use serde::{Deserialize, Serialize};

use crate::case::Condition;
use crate::setup::Setup;

/// Where the keeper finds its job.
pub(crate) const JOB: &str = "IPCSCOPE_REFUSED";

/// No more of what is said is kept.
const MOST_SAID: u64 = 1 << 20;

/// What the keeper is to run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) condition: Condition,
    /// The case's own folder, with `tmp`, `home` and `here` in it.
    pub(crate) folder: PathBuf,
    /// Beyond this time it counts as hung.
    pub(crate) patience_s: u64,
    /// How long a process may take to end after its parent.
    pub(crate) grace_s: u64,
}

/// What it came to.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Why the condition could not be made here.
    pub(crate) not_set_up: Option<String>,
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// What every process did when it had taken too long.
    pub(crate) hung: Option<String>,
    /// Processes that were left behind.
    pub(crate) left: Vec<String>,
    /// Files that were left behind, by their path in the folder.
    pub(crate) files: Vec<String>,
    /// What it and its processes took, by getrusage(2).
    pub(crate) cpu_ms: u64,
    /// How long it took. Never judged, only told.
    pub(crate) wall_ms: u64,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The keeper itself: of no use unless it is given a job.
#[test]
fn keeps() {
    let Ok(job) = std::env::var(JOB) else { return };
    let job: Job = serde_json::from_str(&job).expect("a job is JSON");
    // SAFETY: these numbers are what the two take; they touch no memory.
    let done = unsafe {
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            | libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL)
    };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
    let outcome = keep(&job);
    let told = serde_json::to_string(&outcome).expect("an outcome is JSON");
    fs::write(job.folder.join("outcome.json"), told).expect("the folder is ours");
}

fn keep(job: &Job) -> Outcome {
    let group = match &job.condition {
        Condition::Memory(most) => match Group::new(*most) {
            Ok(group) => Some(group),
            Err(why) => return Outcome { not_set_up: Some(why), ..Outcome::default() },
        },
        _ => None,
    };
    let mut outcome = Outcome::default();
    let began = Instant::now();
    let mut command = command(job, group.as_ref());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Outcome { not_set_up: Some(error.to_string()), ..outcome },
    };
    drop(command);
    let said = [
        child.stdout.take().map(|pipe| listen(pipe, &job.condition, 1)),
        child.stderr.take().map(|pipe| listen(pipe, &job.condition, 2)),
    ];
    let pid = Pid::from_child(&child);
    let status = wait_for(pid, Duration::from_secs(job.patience_s)).unwrap_or_else(|| {
        outcome.hung = Some(children().into_iter().map(|pid| told_of(pid, 0)).collect::<Vec<_>>().join("; "));
        // It is ours, and not reaped yet.
        let _ = kill_process(pid, Signal::KILL);
        wait_for(pid, Duration::from_secs(60)).expect("a killed process ends")
    });
    (outcome.code, outcome.signal) = (status.code(), status.signal());
    outcome.left = bury(Duration::from_secs(job.grace_s));
    outcome.wall_ms = began.elapsed().as_millis() as u64;
    outcome.cpu_ms = used_by_children_ms();
    let [stdout, stderr] =
        said.map(|said| said.map_or_else(String::new, |said| said.join().unwrap_or_default()));
    (outcome.stdout, outcome.stderr) = (stdout, stderr);
    outcome.files = files_in(&job.folder);
    outcome
}

fn command(job: &Job, group: Option<&Group>) -> Command {
    let env = environment(job);
    let setup = Setup::new(&job.condition, &job.program, &job.args, &env, group.map(|group| &*group.0));
    let pointers = setup.pointers().map(Pointers);
    let stream = |number: usize| match &job.condition {
        Condition::Full(full) if *full == number => {
            File::options().write(true).open("/dev/full").map_or_else(|_| Stdio::piped(), Stdio::from)
        }
        _ => Stdio::piped(),
    };
    let mut command = Command::new(&job.program);
    command.current_dir(job.folder.join("here"));
    command.stdin(Stdio::null()).stdout(stream(1)).stderr(stream(2));
    // SAFETY: the child makes system calls only, with what was made beforehand.
    unsafe {
        command.pre_exec(move || {
            let [args, env] = &pointers;
            setup.become_it(&args.0, &env.0)
        });
    }
    command
}

/// Pointers into the strings of the [`Setup`] that goes along with them.
struct Pointers(Vec<*const std::ffi::c_char>);

// SAFETY: what they point to is never changed.
unsafe impl Send for Pointers {}
// SAFETY: as above.
unsafe impl Sync for Pointers {}

fn environment(job: &Job) -> Vec<(String, String)> {
    let inside = |name: &str| job.folder.join(name).display().to_string();
    let mut env = vec![
        ("PATH".to_owned(), std::env::var("PATH").unwrap_or_default()),
        ("RUST_BACKTRACE".to_owned(), "0".to_owned()),
    ];
    let temporary = match job.condition {
        Condition::LongTemporary => {
            let long = job.folder.join("tmp").join("long".repeat(50));
            // If it cannot be made, the case is one of a folder that is missing.
            let _ = fs::create_dir_all(&long);
            long.display().to_string()
        }
        Condition::NoTemporary => inside("no such folder"),
        _ => inside("tmp"),
    };
    env.push(("TMPDIR".to_owned(), temporary));
    if let Condition::Pages(bytes) = job.condition {
        env.push(("CROSSING_PAGE_BYTES".to_owned(), bytes.to_string()));
    }
    match job.condition {
        Condition::NoHome => {}
        Condition::ForeignHome => env.push(("HOME".to_owned(), "/proc/1".to_owned())),
        _ => env.push(("HOME".to_owned(), inside("home"))),
    }
    env
}

/// Reads a stream until its last writer has closed it; nothing from a stream that is to have no
/// reader.
fn listen(pipe: impl Read + Send + 'static, condition: &Condition, number: usize) -> JoinHandle<String> {
    let unread = matches!(condition, Condition::Unread(unread) if *unread == number);
    if unread {
        drop(pipe);
        return thread::spawn(String::new);
    }
    thread::spawn(move || {
        let (mut pipe, mut said) = (pipe, Vec::new());
        // What was read before an error is what was said.
        let _ = Read::by_ref(&mut pipe).take(MOST_SAID).read_to_end(&mut said);
        let _ = io::copy(&mut pipe, &mut io::sink());
        String::from_utf8_lossy(&said).into_owned()
    })
}

/// Waits for one process; `None` when it takes longer.
fn wait_for(pid: Pid, patience: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + patience;
    loop {
        match rustix::process::waitpid(Some(pid), WaitOptions::NOHANG) {
            Ok(Some((_, status))) => return Some(ExitStatus::from_raw(status.as_raw())),
            Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(2)),
            Ok(None) => return None,
            Err(error) => panic!("waiting for a child of ours: {error}"),
        }
    }
}

/// Waits until every process that was left is gone; ends those that stay, and tells of them.
fn bury(grace: Duration) -> Vec<String> {
    let mut left: Vec<String> = Vec::new();
    let mut end = Instant::now() + grace;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(2)),
            Ok(None) => {
                for pid in children() {
                    left.push(told_of(pid, 0));
                    // It is a child of ours, and not reaped yet.
                    let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::KILL));
                }
                end = Instant::now() + Duration::from_secs(1);
            }
            // ECHILD: there is none.
            Err(_) => return left,
        }
    }
}

/// The children of this process, whichever of its threads has them.
fn children() -> Vec<i32> {
    children_of("self")
}

fn children_of(pid: &str) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let pids = lists.flat_map(|list| list.split_whitespace().flat_map(str::parse).collect::<Vec<i32>>());
    pids.collect()
}

/// What a process and its children are, and what each of their threads does in the kernel.
fn told_of(pid: i32, depth: usize) -> String {
    let read = |path: String| fs::read_to_string(path).unwrap_or_default();
    let command = read(format!("/proc/{pid}/cmdline")).replace('\0', " ");
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let does = tasks.map(|task| {
        let task = task.path().display().to_string();
        let state = read(format!("{task}/stat"));
        let state = state.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap_or('?');
        format!("{state} {}", read(format!("{task}/syscall")).split(' ').next().unwrap_or("?").trim())
    });
    let does: Vec<_> = does.collect();
    let below = if depth < 4 { children_of(&pid.to_string()) } else { Vec::new() };
    let below: Vec<_> = below.into_iter().map(|child| told_of(child, depth + 1)).collect();
    format!("{} [{}] {{{}}}", command.trim(), does.join(", "), below.join("; "))
}

fn used_by_children_ms() -> u64 {
    // SAFETY: all bytes zero are a valid `rusage`, and getrusage writes one.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
        usage
    };
    let ms = |time: libc::timeval| time.tv_sec as u64 * 1000 + time.tv_usec as u64 / 1000;
    ms(usage.ru_utime) + ms(usage.ru_stime)
}

/// Every file and empty folder below `tmp`, `home` and `here`, but for the folders that were there.
fn files_in(folder: &Path) -> Vec<String> {
    fn walk(path: &Path, root: &Path, found: &mut Vec<String>) {
        let entries: Vec<_> = fs::read_dir(path).into_iter().flatten().flatten().collect();
        for entry in entries {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                walk(&path, root, found);
            } else {
                found.push(path.strip_prefix(root).unwrap_or(&path).display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

/// A control group with a bound on its memory. It is gone afterwards.
struct Group(PathBuf);

impl Group {
    fn new(most: u64) -> Result<Group, String> {
        // The second version has one tree, the first one for each resource.
        let trees = [("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")];
        let mut why = String::new();
        for (root, file) in trees {
            let group = Group(Path::new(root).join(format!("ipcscope-refusals-{}", std::process::id())));
            let made = fs::create_dir(&group.0).and_then(|()| {
                if !group.0.join(file).exists() {
                    return Err(io::Error::other(format!("no {file}")));
                }
                fs::write(group.0.join(file), most.to_string())
            });
            match made {
                Ok(()) => {
                    // Where there is none, nothing is swapped.
                    let _ = fs::write(group.0.join("memory.swap.max"), "0");
                    return Ok(group);
                }
                Err(error) => why += &format!("{}: {error}; ", group.0.display()),
            }
        }
        Err(why)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A group is empty a moment after its last process is gone.
        for _ in 0..500 {
            if fs::remove_dir(&self.0).is_ok() || !self.0.exists() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}
