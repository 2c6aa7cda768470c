//! Peers: the measured processes, as the lab holds them.
//!
//! A peer is this same binary, started again. It is put in its place, reads its place back, and gets one end
//! of the channel. It never outlives the lab: it asks the kernel to be killed with its parent, and a [`PeerHandle`]
//! that is dropped is killed and reaped.

use std::ffi::OsStr;
use std::fmt::Debug;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossing::Endpoint;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use thiserror::Error;

use crate::control::{Control, PeerAnswer, Silence};
use crate::itself;
use crate::job::Job;
use crate::machine::killed_by;
use crate::sys::signals;

/// The hidden verb under which the binary becomes a measured process.
pub const WORKER_VERB: &str = "worker";

/// Why a round failed whose deadline has passed.
pub(crate) const LATE: &str = "a process did not finish in time";

/// How long a process that was killed may take to be gone.
const LAST_BREATH: Duration = Duration::from_secs(5);

/// One measured process.
#[derive(Debug)]
pub(crate) struct PeerHandle {
    held: PeerProcess,
    control: Control,
    /// The core it was read back on.
    core: Option<usize>,
    /// The process that it started, as it was told to.
    child: Option<u32>,
}

/// The lab's hold on a process.
#[derive(Debug)]
enum PeerProcess {
    /// It is our child.
    Child(Child),
    /// It is the child of another peer, which reaps it.
    Grandchild {
        pid: u32,
        /// `None` if the kernel refuses it. Then the lab holds the process by its pid, which is not
        /// reused until its parent reaps it.
        pidfd: Option<OwnedFd>,
    },
}

/// How a process ended, as far as the kernel tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Death {
    /// The signal, such as `SIGKILL`.
    pub(crate) signal: Option<String>,
    /// The exit code.
    pub(crate) exit_code: Option<i32>,
}

impl Death {
    /// From the number of a signal, or the exit code.
    pub(crate) fn new(signal: Option<i32>, exit_code: Option<i32>) -> Death {
        Death { signal: signal.map(signal_name), exit_code }
    }
}

impl From<ExitStatus> for Death {
    fn from(status: ExitStatus) -> Death {
        Death::new(status.signal(), status.code())
    }
}

/// The name of a signal that ends a process here, or its number.
fn signal_name(number: i32) -> String {
    let known = [
        (libc::SIGKILL, "SIGKILL"),
        (libc::SIGSEGV, "SIGSEGV"),
        (libc::SIGBUS, "SIGBUS"),
        (libc::SIGABRT, "SIGABRT"),
        (libc::SIGILL, "SIGILL"),
        (libc::SIGTERM, "SIGTERM"),
        (libc::SIGINT, "SIGINT"),
        (libc::SIGHUP, "SIGHUP"),
        (libc::SIGQUIT, "SIGQUIT"),
        (libc::SIGPIPE, "SIGPIPE"),
    ];
    let name = known.iter().find(|(known, _)| *known == number).map(|(_, name)| (*name).to_owned());
    name.unwrap_or_else(|| format!("signal {number}"))
}

impl PeerHandle {
    /// Starts `program`, which must call [`worker_main`](crate::worker_main), gives it `endpoint` and `job`, and waits
    /// until it is in its place.
    pub(crate) fn start(
        program: &OsStr,
        endpoint: Option<Endpoint>,
        job: &Job,
        beside: Option<BorrowedFd<'_>>,
        deadline: Instant,
        stop: &AtomicBool,
    ) -> Result<PeerHandle, PeerFault> {
        let (control, theirs) = Control::pair().map_err(|error| PeerFault::spawn(&error))?;
        let command = command(program, theirs).map_err(|error| PeerFault::spawn(&error))?;
        let child = on_a_thread_that_stays(move || spawn(command, endpoint));
        let child = child.map_err(|error| PeerFault::spawn(&error))?;
        let peer = PeerHandle { held: PeerProcess::Child(child), control, core: None, child: None };
        peer.introduce(job, beside, deadline, stop)
    }

    /// Holds a process that another peer has started; `control` is the lab's end of the line to it.
    pub(crate) fn adopt(
        pid: u32,
        control: Control,
        job: &Job,
        deadline: Instant,
        stop: &AtomicBool,
    ) -> Result<PeerHandle, PeerFault> {
        let gone = || PeerFault::Failed(format!("process {pid} is gone"));
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
        // Its parent has not reaped it, so the number is still its own.
        let pidfd = match rustix::process::pidfd_open(raw, PidfdFlags::empty()) {
            Err(Errno::SRCH) => return Err(gone()),
            opened => opened.ok(),
        };
        let held = PeerProcess::Grandchild { pid, pidfd };
        PeerHandle { held, control, core: None, child: None }.introduce(job, None, deadline, stop)
    }

    /// Tells a new process its job, and waits until it is in its place.
    fn introduce(
        mut self,
        job: &Job,
        beside: Option<BorrowedFd<'_>>,
        deadline: Instant,
        stop: &AtomicBool,
    ) -> Result<PeerHandle, PeerFault> {
        self.ask_with(job, beside)?;
        match self.hear_line::<IgnoredAny>(deadline, stop)?.ok_or_else(PeerFault::late)? {
            PeerAnswer::Placed { core, child } => (self.core, self.child) = (core, child),
            other => return Err(PeerFault::out_of_turn(&other)),
        }
        Ok(self)
    }

    /// Asks for something; the answer is heard separately, so that both sides can be asked first.
    pub(crate) fn ask(&mut self, request: &impl Serialize) -> Result<(), PeerFault> {
        self.ask_with(request, None)
    }

    /// The same, with a descriptor beside it.
    pub(crate) fn ask_with(
        &mut self,
        request: &impl Serialize,
        beside: Option<BorrowedFd<'_>>,
    ) -> Result<(), PeerFault> {
        self.control.say(request, beside).map_err(|error| match error.kind() {
            // It is gone: how it ended says more.
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                PeerFault::Failed(self.last_words())
            }
            _ => PeerFault::Failed(format!("a process cannot be told what to do: {error}")),
        })
    }

    /// Waits for an answer.
    pub(crate) fn hear<T>(&mut self, deadline: Instant, stop: &AtomicBool) -> Result<T, PeerFault>
    where
        T: DeserializeOwned + Debug,
    {
        self.hear_until(deadline, stop)?.ok_or_else(PeerFault::late)
    }

    /// Waits for an answer; `None` when there is none by `deadline`, and then it may still come.
    pub(crate) fn hear_until<T>(
        &mut self,
        deadline: Instant,
        stop: &AtomicBool,
    ) -> Result<Option<T>, PeerFault>
    where
        T: DeserializeOwned + Debug,
    {
        match self.hear_line(deadline, stop)? {
            None => Ok(None),
            Some(PeerAnswer::Said(said)) => Ok(Some(said)),
            Some(other) => Err(PeerFault::out_of_turn(&other)),
        }
    }

    fn hear_line<T>(
        &mut self,
        deadline: Instant,
        stop: &AtomicBool,
    ) -> Result<Option<PeerAnswer<T>>, PeerFault>
    where
        T: DeserializeOwned,
    {
        match self.control.hear(Some(deadline), stop) {
            Ok(PeerAnswer::Failed { why }) => Err(PeerFault::Failed(why)),
            Ok(answer) => Ok(Some(answer)),
            Err(Silence::Late) => Ok(None),
            Err(Silence::Stopped) => Err(PeerFault::Stopped),
            Err(Silence::Garbled(what)) => {
                Err(PeerFault::Failed(format!("a process answered what is no answer: {what}")))
            }
            Err(Silence::Gone) => Err(PeerFault::Failed(self.last_words())),
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        match &self.held {
            PeerProcess::Child(child) => child.id(),
            PeerProcess::Grandchild { pid, .. } => *pid,
        }
    }

    /// The line to it. It hangs up when the process is gone: nothing else holds the other end.
    pub(crate) fn line(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// The core it was read back on.
    pub(crate) fn core(&self) -> Option<usize> {
        self.core
    }

    /// The process that it started.
    pub(crate) fn child(&self) -> Option<u32> {
        self.child
    }

    /// Kills it with SIGKILL. Where the kernel allows no signal, its line to the lab is cut, which ends it when it listens next;
    /// at the latest it dies with the lab.
    pub(crate) fn kill(&mut self) {
        let sent = match &mut self.held {
            PeerProcess::Child(child) => child.kill().or_else(|_| {
                let pidfd = rustix::process::pidfd_open(
                    Pid::from_child(child),
                    rustix::process::PidfdFlags::empty(),
                )?;
                Ok(rustix::process::pidfd_send_signal(pidfd, Signal::KILL)?)
            }),
            PeerProcess::Grandchild { pid, pidfd } => kill(*pid, pidfd.as_ref()).map_err(io::Error::from),
        };
        if sent.is_err() {
            self.control.cut();
        }
    }

    /// Waits a little until it is gone, and says how it ended; `None` when it is still there.
    pub(crate) fn ended_within(&mut self, patience: Duration) -> Option<Death> {
        let deadline = Instant::now() + patience;
        loop {
            match &mut self.held {
                PeerProcess::Child(child) => match child.try_wait() {
                    Ok(Some(status)) => return Some(status.into()),
                    Ok(None) => {}
                    Err(_) => return Some(Death { signal: None, exit_code: None }),
                },
                // How it ended is known to its parent.
                PeerProcess::Grandchild { pid, pidfd } => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if is_gone(*pid, pidfd.as_ref(), left.min(Duration::from_millis(250))) {
                        return Some(Death { signal: None, exit_code: None });
                    }
                }
            }
            if Instant::now() >= deadline {
                return None;
            }
            crossing::pause(Duration::from_millis(1));
        }
    }

    fn last_words(&mut self) -> String {
        let pid = self.pid();
        match self.ended_within(LAST_BREATH) {
            Some(Death { signal: Some(signal), .. }) if signal == "SIGKILL" => {
                format!("process {pid} was killed in mid-round: {}", killed_by())
            }
            Some(Death { signal: Some(signal), .. }) => format!("process {pid} ended in mid-round: {signal}"),
            Some(Death { exit_code: Some(code), .. }) => {
                format!("process {pid} ended in mid-round: exit status {code}")
            }
            _ => format!("process {pid} ended in mid-round"),
        }
    }
}

impl Drop for PeerHandle {
    fn drop(&mut self) {
        self.kill();
        // Not without limit: killing it may be forbidden.
        if matches!(self.held, PeerProcess::Child(_)) {
            self.ended_within(LAST_BREATH);
        }
        match &mut self.held {
            PeerProcess::Child(_) => {}
            PeerProcess::Grandchild { pid, pidfd } => {
                let deadline = Instant::now() + LAST_BREATH;
                while !is_gone(*pid, pidfd.as_ref(), LAST_BREATH) && Instant::now() < deadline {
                    crossing::pause(Duration::from_millis(1));
                }
                // If its parent ended first and this process inherits orphans, this reaps it.
                // Otherwise the call fails with ECHILD, and that is ignored.
                if let Some(pidfd) = pidfd {
                    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
                    let _ = rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), options);
                }
            }
        }
    }
}

/// Sends SIGKILL to a process that is another one's child: by its number where a descriptor cannot be had, or the call is refused.
fn kill(pid: u32, pidfd: Option<&OwnedFd>) -> rustix::io::Result<()> {
    let sent = pidfd.map(|pidfd| rustix::process::pidfd_send_signal(pidfd, Signal::KILL));
    match sent {
        Some(Ok(())) | Some(Err(Errno::SRCH)) => Ok(()),
        Some(Err(_)) | None if !is_gone(pid, pidfd, Duration::ZERO) => {
            let number = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
            rustix::process::kill_process(number, Signal::KILL)
        }
        _ => Ok(()),
    }
}

/// Whether a process has ended, within `nap` where the kernel tells that, else now: it is gone, or waits to be reaped.
fn is_gone(pid: u32, pidfd: Option<&OwnedFd>, nap: Duration) -> bool {
    let Some(pidfd) = pidfd else {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        return stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'));
    };
    let nap = Timespec { tv_sec: nap.as_secs() as i64, tv_nsec: nap.subsec_nanos().into() };
    matches!(poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&nap)), Ok(1))
}

/// The command that makes `program` a measured process with `control` as its line to the lab.
pub(crate) fn command(program: &OsStr, control: OwnedFd) -> io::Result<Command> {
    let mut command = itself::command(program)?;
    command.arg(WORKER_VERB).stdin(Stdio::from(control)).stdout(Stdio::null());
    Ok(command)
}

/// Starts `command`, with `endpoint` as its inheritance.
pub(crate) fn spawn(mut command: Command, endpoint: Option<Endpoint>) -> io::Result<Child> {
    match endpoint {
        Some(endpoint) => endpoint.spawn(command),
        None => command.spawn(),
    }
}

type Birth = Box<dyn FnOnce() + Send>;

/// Runs `birth` on a thread that lives as long as this process. The kernel kills a child that asked
/// for it when the *thread* that made it ends (prctl(2), PR_SET_PDEATHSIG), and a stage may be
/// opened on a thread of a pool.
fn on_a_thread_that_stays<T: Send + 'static>(
    birth: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    // If the thread cannot start, the next call tries again.
    static NURSERY: Mutex<Option<SyncSender<Birth>>> = Mutex::new(None);
    let births = {
        let mut nursery = NURSERY.lock().unwrap_or_else(PoisonError::into_inner);
        match &*nursery {
            Some(births) => births.clone(),
            None => nursery.insert(nursery_thread()?).clone(),
        }
    };
    let (tell, told) = sync_channel(1);
    let no_thread = || io::Error::other("the thread that starts processes is gone");
    // The receiver is still waiting below, so it can be told.
    births.send(Box::new(move || drop(tell.send(birth())))).map_err(|_| no_thread())?;
    told.recv().map_err(|_| no_thread())?
}

/// Starts the thread. The processes that it starts are kept from signals that are meant for the
/// lab.
fn nursery_thread() -> io::Result<SyncSender<Birth>> {
    let (births, waiting) = sync_channel::<Birth>(0);
    thread::Builder::new().name("lab-births".into()).spawn(move || {
        signals::block_ending();
        waiting.into_iter().for_each(|birth| birth());
    })?;
    Ok(births)
}

/// Why a round has no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum PeerFault {
    /// The lab was told to stop.
    #[error("stopped")]
    Stopped,
    /// The environment does not allow it: every further round would fail in the same way.
    #[error("{0}")]
    Environment(String),
    /// It went wrong.
    #[error("{0}")]
    Failed(String),
}

impl PeerFault {
    fn late() -> PeerFault {
        PeerFault::Failed(LATE.into())
    }

    pub(crate) fn out_of_turn(answer: &impl Debug) -> PeerFault {
        PeerFault::Failed(format!("a process answered out of turn: {answer:?}"))
    }

    pub(crate) fn spawn(error: &io::Error) -> PeerFault {
        let remedy = match error.raw_os_error() {
            Some(libc::EMFILE) => "; raise the limit of open files (ulimit -n)",
            Some(libc::EAGAIN) => "; raise the limit of processes (ulimit -u)",
            Some(libc::ENOMEM) => "; free some memory",
            _ => "",
        };
        PeerFault::Environment(format!("cannot start a process: {error}{remedy}"))
    }
}
