//! The two sides: two processes, or for a bound two threads; each in its place, and a line between them on which
//! they talk about the run.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid};

use crate::rounds::{self, Report};
use crate::{Failure, Job, Outcome, Result, Rival};

/// Which side this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Sends the first message.
    First,
    Second,
}

/// The line on which the two sides talk about the run; no message of the run goes over it.
#[derive(Debug)]
pub struct News(UnixStream);

impl News {
    /// Tells the other side that this one has come so far.
    pub fn say(&mut self) -> Result<()> {
        self.tell(&[1])
    }

    /// Waits until the other side says so.
    pub fn hear(&mut self) -> Result<()> {
        self.told(&mut [0])
    }

    /// Returns when both have come so far.
    pub fn meet(&mut self) -> Result<()> {
        self.say()?;
        self.hear()
    }

    /// Tells the other side something.
    pub fn tell(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes).map_err(|_| self.lost())
    }

    /// Waits for as many bytes as there is room.
    pub fn told(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.0.read_exact(bytes).map_err(|_| self.lost())
    }

    pub(crate) fn hear_report(&mut self) -> Result<Report> {
        let (mut verified, mut last_ticks) = ([0; 8], [0; 8]);
        self.told(&mut verified)?;
        self.told(&mut last_ticks)?;
        Ok(Report { verified: u64::from_ne_bytes(verified), last_ticks: u64::from_ne_bytes(last_ticks) })
    }

    fn tell_report(&mut self, report: Report) -> Result<()> {
        self.tell(&report.verified.to_ne_bytes())?;
        self.tell(&report.last_ticks.to_ne_bytes())
    }

    /// Waits until the first side hangs up: until then it may still want what was sent.
    fn over(&mut self) {
        // An error is an end as well.
        let _ = self.0.read(&mut [0]);
    }

    fn lost(&self) -> Failure {
        Failure::Failed("the other side is gone".into())
    }
}

/// Runs the job in two processes.
pub fn processes<R: Rival>(job: &Job) -> Result<Outcome> {
    let [first, second] = R::halves(job)?;
    let (here, there) = UnixStream::pair()?;
    let parent = getpid();
    // SAFETY: this process has one thread only, so its copy lacks no thread that might hold a lock.
    match unsafe { fork() }? {
        ForkResult::Child => {
            die_with(parent);
            drop((first, here));
            end_child(second_side::<R>(second, job, News(there)))
        }
        ForkResult::Parent { child } => {
            drop((second, there));
            let over = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let watch = scope.spawn(|| watch(child, &over));
                let outcome = first_side::<R>(first, job, News(here), &over);
                match (outcome, watch.join()) {
                    (Ok(outcome), Ok(true)) => Ok(outcome),
                    (Ok(_), _) => Err(Failure::Failed("the second process did not end well".into())),
                    (Err(why), _) => Err(why),
                }
            })
        }
    }
}

/// Runs the job in two threads of this process. That is no way between processes: it bounds what one can be.
pub fn threads<R: Rival>(job: &Job) -> Result<Outcome> {
    let [first, second] = R::halves(job)?;
    let (here, there) = UnixStream::pair()?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // The first may be waiting for a message that will never come: a side that fails ends them both.
        scope.spawn(|| second_side::<R>(second, job, News(there)).unwrap_or_else(|why| give_up(&why)));
        first_side::<R>(first, job, News(here), &over)
    })
}

fn first_side<R: Rival>(half: R::Half, job: &Job, mut news: News, over: &AtomicBool) -> Result<Outcome> {
    let outcome = (|| {
        take_place(job, Side::First)?;
        let mut link = R::open(half, job, Side::First, &mut news)?;
        news.meet()?;
        let outcome = rounds::initiate(&mut link, job, &mut news)?;
        over.store(true, Ordering::Release);
        drop(news); // lets the second side go
        Ok(outcome)
    })();
    // The other side may be anywhere: nothing waits for it.
    outcome.map_err(|why| give_up(&why))
}

fn second_side<R: Rival>(half: R::Half, job: &Job, mut news: News) -> Result<()> {
    take_place(job, Side::Second)?;
    let mut link = R::open(half, job, Side::Second, &mut news)?;
    news.meet()?;
    let report = rounds::respond(&mut link, job, &mut news)?;
    news.tell_report(report)?;
    news.over();
    Ok(())
}

/// Pins this thread, which has no others yet, and reads back that it sits there.
fn take_place(job: &Job, side: Side) -> Result<()> {
    let Some(cores) = job.cores else { return Ok(()) };
    let core = cores[side as usize];
    let this = Pid::from_raw(0);
    let mut wanted = CpuSet::new();
    let set = wanted.set(core).and_then(|()| sched_setaffinity(this, &wanted));
    set.map_err(|error| Failure::Failed(format!("core {core}: {error}")))?;
    if sched_getaffinity(this)? != wanted || sched_getcpu()? != core {
        return Err(Failure::Failed(format!("core {core}: pinned, but not there")));
    }
    Ok(())
}

/// Waits for the second process; if it ends before its time there is nothing left to wait for. Returns whether it
/// ended well.
fn watch(child: Pid, over: &AtomicBool) -> bool {
    let ended = waitpid(child, None);
    if over.load(Ordering::Acquire) {
        return matches!(ended, Ok(WaitStatus::Exited(_, 0)));
    }
    match ended {
        Ok(WaitStatus::Exited(_, 1)) => exit(1), // it has said why
        Ok(WaitStatus::Signaled(_, signal, _)) => {
            give_up(&Failure::Failed(format!("the second process was killed by {signal}")))
        }
        _ => give_up(&Failure::Failed("the second process ended early".into())),
    }
}

fn end_child(ended: Result<()>) -> ! {
    match ended {
        Ok(()) => exit(0),
        Err(why) => give_up(&why),
    }
}

/// Says why and ends the process. Its other side notices, or dies with it.
fn give_up(why: &Failure) -> ! {
    let (Failure::Failed(why) | Failure::Unsupported(why)) = why;
    eprintln!("{}: {why}", crate::name());
    exit(1)
}

/// Without running what libraries have registered: it may wait for threads that are gone.
fn exit(status: i32) -> ! {
    // SAFETY: `_exit` may be called at any time.
    unsafe { nix::libc::_exit(status) }
}

/// Dies with `parent`, which started it, and by Ctrl-C or SIGTERM even if that one ignored or blocked them.
pub(crate) fn die_with(parent: Pid) {
    for deadly in [Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: the default action is no handler.
        let _ = unsafe { signal(deadly, SigHandler::SigDfl) };
    }
    let _ = SigSet::all().thread_unblock();
    if set_pdeathsig(Signal::SIGKILL).is_err() || getppid() != parent {
        exit(1);
    }
}
