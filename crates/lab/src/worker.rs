//! The worker: the body of a measured process.
//!
//! It is told what to do line by line, and between the lines of one round it does nothing else: it serves
//! nobody, logs nothing, allocates nothing. One `match` on the mechanism stands outside of the measured loop;
//! inside, everything is known at compile time.

use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use crossing::{Config, Connection, Endpoint, Kind, Mechanism, Pipe, Shm, Sleeping, Tcp, Unix, WaitStrategy};
use rustix::process::Signal;

use crate::control::{Answer, Control, Job, Request, Role, SideOutcome, Silence, Task};
use crate::machine;
use crate::mechanism;
use crate::stats::Histogram;
use crate::sys::lines::{Bounce, Lines};
use crate::sys::usage::try_usage;
use crate::workload::{self, Course};

/// Runs a measured process: the binary's hidden verb calls this, and exits with what it returns.
///
/// Standard input must be the lab's control socket.
pub fn worker_main() -> ExitCode {
    // Where memory runs out the kernel shall end a measured process, and not the lab that holds the results. Refused only
    // where /proc cannot be written.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let Ok(socket) = std::io::stdin().as_fd().try_clone_to_owned() else { return ExitCode::from(2) };
    let mut control = Control::new(socket);
    // Dies with the lab, whatever it is doing. If the lab is dead already the control line says so at once.
    if let Err(errno) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        let why = format!("a process cannot be bound to the life of the lab: prctl: {errno}");
        // If the lab cannot be told it is gone.
        let _ = control.say(&Answer::Failed { why }, None);
        return ExitCode::from(2);
    }
    let never = AtomicBool::new(false);
    let job: Job = match control.hear(None, &never) {
        Ok(job) => job,
        Err(Silence::Gone) => return ExitCode::SUCCESS,
        Err(silence) => {
            let why = format!("a process has not understood its job: {silence:?}");
            let _ = control.say(&Answer::Failed { why }, None);
            return ExitCode::from(2);
        }
    };
    let done = match job.task {
        Task::Stage => crate::stage::actor::run(control, &job).is_ok(),
        Task::Race(_) | Task::Null(_) | Task::Probe => Worker { control, job }.run(&never).is_ok(),
    };
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Worker {
    control: Control,
    job: Job,
}

/// The lab has gone, or has been told what went wrong: there is nobody left to talk to.
struct Over;

impl Worker {
    fn run(mut self, never: &AtomicBool) -> Result<(), Over> {
        let place = self.take_place();
        let (lines, core) = self.or_fail(place)?;
        self.say(&Answer::Placed { core, child: None })?;
        match self.job.task {
            Task::Null(workload) => loop {
                match self.hear(never)? {
                    Request::Run => {
                        let outcome = workload::null::run(workload, &self.course());
                        self.say(&Answer::Ran(outcome))?;
                    }
                    Request::Connect => self.say(&Answer::Connected)?,
                    Request::Floor(_) => self.say(&Answer::Floor { median_ns: None })?,
                    Request::Messages { .. } => {
                        self.or_fail(Err("the null entrant has no messages".into()))?;
                    }
                }
            },
            Task::Race(_) | Task::Probe | Task::Stage => match self.job.kind {
                Kind::Shm => self.serve::<Shm>(lines, never),
                Kind::Pipe => self.serve::<Pipe>(lines, never),
                Kind::Unix => self.serve::<Unix>(lines, never),
                Kind::Tcp => self.serve::<Tcp>(lines, never),
            },
        }
    }

    /// Pins this process, and maps the floor's lines.
    fn take_place(&mut self) -> Result<(Option<Lines>, Option<usize>), String> {
        let core = self.job.core;
        if let Some(core) = core {
            machine::pin(core).map_err(|unavailable| unavailable.to_string())?;
        }
        let map =
            |fd: OwnedFd| Lines::map(&fd).map_err(|error| format!("cannot map the floor's lines: {error}"));
        let lines = self.control.descriptor().map(map).transpose()?;
        Ok((lines, core))
    }

    fn serve<M: Mechanism>(mut self, lines: Option<Lines>, never: &AtomicBool) -> Result<(), Over> {
        let mut connection: Option<Connection<M>> = None;
        let mut row = workload::probed::Row::new(self.job.size_bytes as usize, self.job.clock);
        loop {
            match self.hear(never)? {
                Request::Connect => {
                    let connected = self.connect();
                    connection = Some(self.or_fail(connected)?);
                    self.say(&Answer::Connected)?;
                }
                Request::Floor(bounce) => {
                    let median_ns = lines.as_ref().and_then(|lines| self.floor(lines, &bounce));
                    self.say(&Answer::Floor { median_ns })?;
                }
                Request::Run => {
                    let ran = match &mut connection {
                        Some(connection) => self.task(connection),
                        None => Err("told to run before it was connected".into()),
                    };
                    let outcome = self.or_fail(ran)?;
                    self.say(&Answer::Ran(outcome))?;
                }
                Request::Messages { count, times } => {
                    let ran = match (&mut connection, &lines) {
                        (Some(connection), Some(lines)) => {
                            row.run(self.job.role, connection, lines, count, times)
                        }
                        _ => Err("told to send before it was connected, or without the lines".into()),
                    };
                    let outcome = self.or_fail(ran)?;
                    self.say(&Answer::Ran(outcome))?;
                }
            }
        }
    }

    fn connect<M: Mechanism>(&self) -> Result<Connection<M>, String> {
        let usual = Config::default();
        let asked = self.job.capacity_bytes.map(|bytes| bytes as usize);
        let config = Config {
            max_message: self.job.size_bytes as usize,
            wait: self.job.wait,
            capacity_bytes: asked.unwrap_or(usual.capacity_bytes),
            kernel_buffer_bytes: asked,
            ..usual
        };
        let endpoint = Endpoint::inherited().map_err(|error| error.to_string())?;
        endpoint.connect_as::<M>(&config).map_err(|error| error.to_string())
    }

    fn course(&self) -> Course {
        Course {
            size: self.job.size_bytes as usize,
            warmup: self.job.warmup,
            messages: self.job.messages,
            interval_ns: self.job.interval_ns,
            wait: self.job.wait,
            clock: self.job.clock,
        }
    }

    fn task<M: Mechanism>(&self, connection: &mut Connection<M>) -> Result<SideOutcome, String> {
        let course = self.course();
        let outcome = match (self.job.task, self.job.role) {
            (Task::Race(workload), Role::Initiator) => workload::initiate(workload, connection, &course),
            (Task::Race(workload), Role::Responder) => workload::respond(workload, connection, &course),
            (Task::Null(_) | Task::Probe | Task::Stage, _) => return Err("there is no such course".into()),
        };
        let outcome = outcome.map_err(|error| error.to_string())?;
        let channel_bytes = connection.sender().capacity_bytes().and_then(|bytes| bytes.try_into().ok());
        let uncounted = try_usage().err().map(|error| error.to_string());
        Ok(SideOutcome { channel_bytes, slept_by: self.slept_by(), uncounted, ..outcome })
    }

    /// By which call it sleeps, where that is not the usual one.
    fn slept_by(&self) -> Option<String> {
        let how = mechanism::of(self.job.kind).sleeps_by?();
        let unusual = self.job.wait != WaitStrategy::Spin && how != Sleeping::Waitv;
        unusual.then(|| how.name().to_owned())
    }

    /// Half a round trip of the cache lines: the median, at the initiator.
    fn floor(&self, lines: &Lines, bounce: &Bounce) -> Option<f64> {
        let mut samples = Histogram::new();
        let clock = self.job.clock;
        let first = self.job.role == Role::Initiator;
        let finished = lines.bounce(first, bounce, &clock, |ticks| samples.record(clock.ns(ticks)));
        samples.median().filter(|_| finished && first).map(|round_trip_ns| round_trip_ns as f64 / 2.0)
    }

    fn hear(&mut self, never: &AtomicBool) -> Result<Request, Over> {
        self.control.hear(None, never).map_err(|_| Over)
    }

    fn say(&self, answer: &Answer) -> Result<(), Over> {
        self.control.say(answer, None).map_err(|_| Over)
    }

    fn or_fail<T>(&self, outcome: Result<T, String>) -> Result<T, Over> {
        outcome.map_err(|why| {
            // If the lab cannot be told it is gone, and so are we.
            let _ = self.say(&Answer::Failed { why });
            Over
        })
    }
}
