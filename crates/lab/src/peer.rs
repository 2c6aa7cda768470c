//! Peers: the measured processes, as the lab holds them.
//!
//! A peer is this same binary, started again. It is put in its place, reads its place back, and gets one end
//! of the channel. It never outlives the lab: it asks the kernel to be killed with its parent, and a [`Peer`]
//! that is dropped is killed and reaped.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crossing::Endpoint;

use crate::control::{Answer, Control, Job, Request, Silence};

/// The hidden verb under which the binary becomes a measured process.
pub const WORKER_VERB: &str = "worker";

/// This program, whatever its file is called by now: it may have been replaced by a newer build.
pub(crate) const THIS_PROGRAM: &str = "/proc/self/exe";

/// One measured process.
#[derive(Debug)]
pub(crate) struct Peer {
    child: Child,
    control: Control,
    /// The core it was read back on.
    core: Option<usize>,
}

impl Peer {
    /// Starts a process, gives it `endpoint` and `job`, and waits until it is in its place.
    pub(crate) fn start(
        endpoint: Option<Endpoint>,
        job: &Job,
        beside: Option<BorrowedFd<'_>>,
        deadline: Instant,
        stop: &AtomicBool,
    ) -> Result<Peer, Fault> {
        Peer::start_program(THIS_PROGRAM.as_ref(), endpoint, job, beside, deadline, stop)
    }

    /// The same, of another program that calls [`worker_main`](crate::worker_main).
    pub(crate) fn start_program(
        program: &OsStr,
        endpoint: Option<Endpoint>,
        job: &Job,
        beside: Option<BorrowedFd<'_>>,
        deadline: Instant,
        stop: &AtomicBool,
    ) -> Result<Peer, Fault> {
        let (control, theirs) = Control::pair().map_err(|error| Fault::spawn(&error))?;
        let mut command = Command::new(program);
        command.arg(WORKER_VERB).stdin(Stdio::from(theirs)).stdout(Stdio::null());
        let spawned = match endpoint {
            Some(endpoint) => endpoint.spawn(command),
            None => command.spawn(),
        };
        let child = spawned.map_err(|error| Fault::spawn(&error))?;
        let mut peer = Peer { child, control, core: None };
        peer.control
            .say(job, beside)
            .map_err(|error| Fault::Failed(format!("a process went away: {error}")))?;
        match peer.hear(deadline, stop)? {
            Answer::Placed { core } => peer.core = core,
            other => return Err(Fault::out_of_turn(&other)),
        }
        Ok(peer)
    }

    /// Asks for something; the answer is heard separately, so that both sides can be asked first.
    pub(crate) fn ask(&self, request: Request) -> Result<(), Fault> {
        self.control
            .say(&request, None)
            .map_err(|error| Fault::Failed(format!("a process went away: {error}")))
    }

    /// Waits for an answer.
    pub(crate) fn hear(&mut self, deadline: Instant, stop: &AtomicBool) -> Result<Answer, Fault> {
        match self.control.hear(Some(deadline), stop) {
            Ok(Answer::Failed { why }) => Err(Fault::Failed(why)),
            Ok(answer) => Ok(answer),
            Err(Silence::Stopped) => Err(Fault::Stopped),
            Err(Silence::Late) => Err(Fault::Failed("a process did not finish in time".into())),
            Err(Silence::Garbled(what)) => {
                Err(Fault::Failed(format!("a process answered what is no answer: {what}")))
            }
            Err(Silence::Gone) => Err(Fault::Failed(self.last_words())),
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The core it was read back on.
    pub(crate) fn core(&self) -> Option<usize> {
        self.core
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        // Fails only for a process that is dead already.
        let _ = self.child.kill();
    }

    fn last_words(&mut self) -> String {
        match self.child.wait() {
            Ok(status) => format!("process {} ended in mid-round: {status}", self.child.id()),
            Err(error) => format!("process {} ended in mid-round: {error}", self.child.id()),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Both fail only for a process that is dead and reaped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl AsFd for Peer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }
}

/// Why a round has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The lab was told to stop.
    Stopped,
    /// The environment does not allow it: every further round would fail in the same way.
    Environment(String),
    /// It went wrong.
    Failed(String),
}

impl Fault {
    pub(crate) fn out_of_turn(answer: &Answer) -> Fault {
        Fault::Failed(format!("a process answered out of turn: {answer:?}"))
    }

    pub(crate) fn spawn(error: &io::Error) -> Fault {
        let remedy = match error.raw_os_error() {
            Some(libc::EMFILE) => "; raise the limit of open files (ulimit -n)",
            Some(libc::EAGAIN) => "; raise the limit of processes (ulimit -u)",
            Some(libc::ENOMEM) => "; free some memory",
            _ => "",
        };
        Fault::Environment(format!("cannot start a process: {error}{remedy}"))
    }
}
