//! The second process of a test: this same test binary, started again.
//!
//! The harness can run one test by its name. So each file that needs another process has a test called
//! `second_process`, which finds in its environment which part it is to play, and without one has nothing to
//! do.

// Each test file takes what it needs.
#![allow(dead_code, unused_macros)]

pub(crate) mod dice;
pub(crate) mod ledger;
pub(crate) mod numbered;
pub(crate) mod seed;

use std::env;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crossing::{Address, Config, Kind, Shortage};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, getrlimit, kill_process, setrlimit, waitpid,
};

/// Calls the macro `$then` with every mechanism, as `[name Variant, …]`, and with what stands behind its name.
///
/// A macro cannot read [`Kind::ALL`]. So this list is held against it below: a mechanism that is missing here does not
/// compile.
macro_rules! for_every_kind {
    ($then:ident $($rest:tt)*) => { $then! { [shm Shm, pipe Pipe, unix Unix, tcp Tcp] $($rest)* } };
}

macro_rules! kinds {
    ([$($name:ident $kind:ident),*]) => { [$(Kind::$kind),*] };
}

const _: () = {
    let listed = for_every_kind! { kinds };
    assert!(listed.len() == Kind::ALL.len(), "a mechanism is missing from `for_every_kind!`");
    let mut at = 0;
    while at < listed.len() {
        assert!(
            listed[at] as u8 == Kind::ALL[at] as u8,
            "`for_every_kind!` has another order than `Kind::ALL`"
        );
        at += 1;
    }
};

/// A test of each function on each mechanism, to be named behind `for_every_kind!`.
macro_rules! test_each {
    ([$($name:ident $kind:ident),*] $tests:tt) => { $(test_each! { @ $name $kind $tests })* };
    (@ $name:ident $kind:ident [$($test:ident)*]) => {
        mod $name {
            $(#[test]
            fn $test() {
                crate::process::within(stringify!($test), || crate::$test(crossing::Kind::$kind));
            })*
        }
    };
}

/// A test for each mechanism of one function that has watchdogs of its own, to be named behind `for_every_kind!`.
macro_rules! campaign_each {
    ([$($name:ident $kind:ident),*] $campaign:ident) => {
        $(#[test]
        fn $name() {
            $campaign(crossing::Kind::$kind);
        })*
    };
}

#[allow(unused_imports)]
pub(crate) use {campaign_each, for_every_kind, test_each};

/// The mechanisms whose ends meet at a path.
pub(crate) fn local() -> impl Iterator<Item = Kind> + Clone {
    Kind::ALL.into_iter().filter(|&kind| Address::at_path(kind, "/a").is_ok())
}

/// Where the second process finds its part.
const PART: &str = "CROSSING_TEST_PART";

/// A watchdog, not a measure: long enough for a machine on which many processes spin on few cores.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The part that this process is to play, if it is a second one.
pub(crate) fn part() -> Option<String> {
    env::var(PART).ok()
}

/// Plays the part of this process, if it is a second one.
pub(crate) fn play(parts: &[(&str, fn())]) {
    let Some(part) = part() else { return };
    let known = parts.iter().find(|(name, _)| *name == part);
    known.unwrap_or_else(|| panic!("no part `{part}`")).1();
}

/// As patient with a handshake as the watchdog is.
pub(crate) fn config() -> Config {
    Config::default().connect_timeout(LIMIT)
}

/// Sets what this process may have, within what it may ask for, and returns what that was before.
pub(crate) fn limit_to(resource: Resource, most: u64) -> Rlimit {
    let before = getrlimit(resource);
    setrlimit(resource, Rlimit { current: Some(most), ..before }).expect("it may ask for it");
    before
}

/// What was short, by an error that must say so.
pub(crate) fn shortage(error: &io::Error) -> &Shortage {
    let shortage = error.get_ref().and_then(|inner| inner.downcast_ref());
    shortage.unwrap_or_else(|| panic!("{error}"))
}

/// This program again, to play `part`.
pub(crate) fn again(part: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("this program has a path"));
    command.args(["second_process", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(PART, part).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A child that does not outlive its test.
pub(crate) struct Second(pub(crate) Child);

impl Second {
    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("the child is not reaped yet");
    }

    /// Kills it and reaps it.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.0.wait().expect("the child is ours");
    }

    /// Waits until it has played its part to the end.
    pub(crate) fn done(mut self) {
        let status = self.0.wait().expect("the child is ours");
        assert!(status.success(), "the second process: {status}");
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        // It may be done already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `body` in a child that is forked and executes nothing, and waits for its end. Fails with what it says, when it is
/// killed, and when it hangs. Other threads of this process may hold the locks of a panic: `body` returns what is wrong.
#[allow(unsafe_code)]
pub(crate) fn forked(what: &str, body: impl FnOnce() -> Result<(), String>) {
    unsafe extern "C" {
        fn fork() -> i32;
        fn _exit(status: i32) -> !;
    }
    // SAFETY: fork(2) of the C library; the child runs `body`, which takes no lock of this program's, and leaves.
    let pid = unsafe { fork() };
    if pid == 0 {
        // A panic must not unwind into what is the parent's.
        let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| Err("a panic".into()));
        if let Err(why) = &outcome {
            // Nothing is left to be said when that fails.
            let _ = rustix::io::write(std::io::stderr(), format!("in the forked child: {why}\n").as_bytes());
        }
        // SAFETY: ends the child, and runs nothing that its parent has registered.
        unsafe { _exit(i32::from(outcome.is_err())) };
    }
    let pid = Pid::from_raw(pid).expect("fork: a process can be made");
    let end = Instant::now() + LIMIT;
    let status = loop {
        match waitpid(Some(pid), WaitOptions::NOHANG).expect("the child is ours") {
            Some((_, status)) => break status,
            None if Instant::now() < end => thread::sleep(Duration::from_millis(1)),
            None => {
                kill_process(pid, Signal::KILL).expect("it is not reaped yet");
                waitpid(Some(pid), WaitOptions::empty()).expect("the child is ours");
                panic!("{what}: the forked child hung");
            }
        }
    };
    assert_eq!(status.exit_status(), Some(0), "{what}: the forked child: {status:?}");
}

/// Runs `body`, and fails when it hangs.
pub(crate) fn within<T: Send + 'static>(what: &str, body: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = mpsc::channel();
    let thread = thread::spawn(move || {
        let value = body();
        // The waiting side may have given up.
        let _ = done.send(());
        value
    });
    if outcome.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("{what}: hung");
    }
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Looks again and again until `look` is true; fails when it never is.
pub(crate) fn eventually(what: &str, mut look: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !look() {
        assert!(Instant::now() < end, "{what}: never");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A line between the two sides of a test, beside the connection that is tested: numbers, one after the other.
pub(crate) struct Line(UnixStream);

impl Line {
    /// Both ends.
    pub(crate) fn pair() -> (Line, Line) {
        let (here, there) = UnixStream::pair().expect("a pair of sockets");
        (Line::new(here), Line::new(there))
    }

    /// The end that came as standard input.
    pub(crate) fn inherited() -> Line {
        let stdin = std::io::stdin().as_fd().try_clone_to_owned().expect("standard input is open");
        Line::new(stdin.into())
    }

    fn new(stream: UnixStream) -> Line {
        stream.set_read_timeout(Some(LIMIT)).expect("not zero");
        Line(stream)
    }

    /// Says a number.
    pub(crate) fn say(&mut self, number: u64) {
        self.0.write_all(&number.to_le_bytes()).expect("the other side listens");
    }

    /// Waits for the next number.
    pub(crate) fn hear(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.read_exact(&mut bytes).expect("the other side speaks");
        u64::from_le_bytes(bytes)
    }
}

impl From<Line> for Stdio {
    fn from(line: Line) -> Stdio {
        OwnedFd::from(line.0).into()
    }
}

/// Bytes without a pattern shorter than [`BLOCK_BYTES`], from which messages are cut.
static POOL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut pool = Vec::with_capacity(POOL_BYTES + SPREAD_BYTES + BLOCK_BYTES);
    while pool.len() < BLOCK_BYTES {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        pool.extend_from_slice(&state.to_le_bytes());
    }
    while pool.len() < POOL_BYTES + SPREAD_BYTES {
        pool.extend_from_within(..BLOCK_BYTES);
    }
    pool
});

/// No power of two, so that no buffer's size is a multiple of it.
const BLOCK_BYTES: usize = 100_008;
/// The longest message that [`message`] makes, in bytes.
const POOL_BYTES: usize = 1 << 20;
/// How many different messages there are.
const SPREAD_BYTES: usize = 1 << 16;

/// The message of `len` bytes with number `number`; two whose numbers are near differ from their first bytes
/// on.
pub(crate) fn message(number: u64, len: usize) -> &'static [u8] {
    let start = number.wrapping_mul(1031) as usize % SPREAD_BYTES;
    &POOL[start..start + len]
}

/// An unused path for a socket.
pub(crate) fn socket_path() -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    env::temp_dir().join(format!("crossing-test-{}-{number}.sock", std::process::id()))
}

/// What each descriptor of this process leads to, sorted.
pub(crate) fn descriptors() -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/fd").expect("/proc is mounted");
    let links = entries.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    // The directory that is being read is one of them.
    let mut links: Vec<String> =
        links.map(|link| link.display().to_string()).filter(|link| !link.starts_with("/proc/")).collect();
    links.sort();
    links
}

/// How many mappings of shared memory this process has.
pub(crate) fn mappings() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("/proc is mounted");
    maps.lines().filter(|line| line.contains("memfd:")).count()
}

/// What /proc has in `file` of each thread of this process that is called `name`.
pub(crate) fn of_threads(name: &str, file: &str) -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("/proc is mounted").flatten();
    let read = |task: std::fs::DirEntry| {
        let is_it = std::fs::read_to_string(task.path().join("comm")).ok()?.trim() == name;
        is_it.then(|| std::fs::read_to_string(task.path().join(file)).ok()).flatten()
    };
    tasks.filter_map(read).collect()
}

/// Whether the one thread of this process called `name` sleeps, and has not run at all between two looks by the scheduler's own
/// count. One that is kept awake never does: where it does not run it is waiting for a core, and not asleep.
pub(crate) fn rests(name: &str) -> bool {
    let look = || {
        let stat = of_threads(name, "stat").pop()?;
        let asleep = stat.rsplit_once(") ")?.1.starts_with('S');
        asleep.then(|| of_threads(name, "schedstat").pop()).flatten()
    };
    let before = look();
    thread::sleep(Duration::from_millis(20));
    before.is_some() && before == look()
}

/// How many threads this process has.
pub(crate) fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("/proc is mounted").count()
}

/// Whether this process has a thread of that name.
pub(crate) fn is_running(name: &str) -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").expect("/proc is mounted").flatten();
    let called =
        |task: &PathBuf| std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name);
    tasks.map(|task| task.path()).any(|task| called(&task))
}

/// What this process has in memory, in KiB.
pub(crate) fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
