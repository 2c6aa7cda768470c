//! The worker: the body of a measured process.
//!
//! It takes orders line by line, and between the lines of one round it does nothing else: it serves
//! no requests, logs nothing, allocates nothing. One `match` on the mechanism stands outside of the
//! measured loop; inside, everything is known at compile time.

use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use crossing::{Config, Connection, Endpoint, Kind, Mechanism, Pipe, Shm, Sleeping, Tcp, Unix, WaitStrategy};
use rustix::process::Signal;

use crate::control::{Control, LineEnded, Silence};
use crate::job::{Job, Role, Task};
use crate::machine;
use crate::mechanism;
use crate::request::{Request, RoundAnswer, SideOutcome};
use crate::score::Score;
use crate::stats::Histogram;
use crate::sys::lines::{Bounce, Lines};
use crate::sys::usage::try_usage;
use crate::workload;

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
        control.fail(format!("a process cannot be bound to the life of the lab: prctl: {errno}"));
        return ExitCode::from(2);
    }
    let never = AtomicBool::new(false);
    let job: Job = match control.hear(None, &never) {
        Ok(job) => job,
        Err(Silence::Gone) => return ExitCode::SUCCESS,
        Err(silence) => {
            control.fail(format!("a process has not understood its job: {silence:?}"));
            return ExitCode::from(2);
        }
    };
    let placed = job.core().map_or(Ok(()), machine::pin);
    let done = match (placed, job.pair.task) {
        (Err(unavailable), _) => Err(control.fail(unavailable.to_string())),
        (Ok(()), Task::Stage) => crate::stage::actor::run(control, &job),
        (Ok(()), Task::Race(_) | Task::Null(_) | Task::Probe) => Worker { control, job }.run(&never),
    };
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Worker {
    control: Control,
    job: Job,
}

impl Worker {
    fn run(mut self, never: &AtomicBool) -> Result<(), LineEnded> {
        let lines = self.control.descriptor().map(|fd| Lines::map(&fd)).transpose();
        let lines = self.or_fail(lines.map_err(|error| format!("cannot map the floor's lines: {error}")))?;
        self.control.placed(self.job.core(), None)?;
        match self.job.pair.task {
            Task::Null(workload) => loop {
                match self.hear(never)? {
                    Request::Run => {
                        self.say(RoundAnswer::Ran(workload::null::run(workload, &self.job.pair).into()))?;
                    }
                    Request::Connect => self.say(RoundAnswer::Connected)?,
                    Request::Floor(_) => self.say(RoundAnswer::Floor { median_ns: None })?,
                    Request::Learn(_) | Request::Messages { .. } => {
                        return Err(self.control.fail("the null entrant has no messages".into()));
                    }
                }
            },
            Task::Race(_) | Task::Probe | Task::Stage => match self.job.pair.kind {
                Kind::Shm => self.serve::<Shm>(lines, never),
                Kind::Pipe => self.serve::<Pipe>(lines, never),
                Kind::Unix => self.serve::<Unix>(lines, never),
                Kind::Tcp => self.serve::<Tcp>(lines, never),
            },
        }
    }

    fn serve<M: Mechanism>(mut self, lines: Option<Lines>, never: &AtomicBool) -> Result<(), LineEnded> {
        let mut connection: Option<Connection<M>> = None;
        let mut score: Option<Score> = None;
        let mut row = workload::probed::ProbedRow::new(self.job.pair.size(), self.job.pair.clock);
        loop {
            match self.hear(never)? {
                Request::Connect => {
                    let connected = self.connect();
                    connection = Some(self.or_fail(connected)?);
                    self.say(RoundAnswer::Connected)?;
                }
                Request::Floor(bounce) => {
                    let median_ns = lines.as_ref().and_then(|lines| self.floor(lines, &bounce));
                    self.say(RoundAnswer::Floor { median_ns })?;
                }
                Request::Learn(what) => {
                    score = Some(what);
                    self.say(RoundAnswer::Learned)?;
                }
                Request::Run => {
                    let ran = match &mut connection {
                        Some(connection) => self.task(connection, score.as_ref()),
                        None => Err("told to run before it was connected".into()),
                    };
                    let outcome = self.or_fail(ran)?;
                    self.say(RoundAnswer::Ran(outcome.into()))?;
                }
                Request::Messages { count, times } => {
                    let ran = match (&mut connection, &lines) {
                        (Some(connection), Some(lines)) => {
                            row.run(self.job.role, connection, lines, count, times)
                        }
                        _ => Err("told to send before it was connected, or without the lines".into()),
                    };
                    let outcome = self.or_fail(ran)?;
                    self.say(RoundAnswer::Ran(outcome.into()))?;
                }
            }
        }
    }

    fn connect<M: Mechanism>(&self) -> Result<Connection<M>, String> {
        let mut config = Config::default().max_message(self.job.pair.size()).wait(self.job.pair.wait);
        config.capacity_bytes = self.job.pair.capacity_bytes.map(|bytes| bytes as usize);
        let endpoint = Endpoint::inherited().map_err(|error| error.to_string())?;
        endpoint.connect_as::<M>(&config).map_err(|error| error.to_string())
    }

    fn task<M: Mechanism>(
        &self,
        connection: &mut Connection<M>,
        score: Option<&Score>,
    ) -> Result<SideOutcome, String> {
        let job = &self.job.pair;
        let outcome = match (job.task, self.job.role) {
            (Task::Race(workload), Role::Initiator) => workload::initiate(workload, connection, job, score),
            (Task::Race(workload), Role::Responder) => workload::respond(workload, connection, job, score),
            (Task::Null(_) | Task::Probe | Task::Stage, _) => return Err("there is no such course".into()),
        };
        let outcome = outcome.map_err(|error| error.to_string())?;
        let channel_bytes = connection.sender().capacity_bytes().and_then(|bytes| bytes.try_into().ok());
        let uncounted = try_usage().err().map(|error| error.to_string());
        Ok(SideOutcome { channel_bytes, slept_by: self.slept_by(), uncounted, ..outcome })
    }

    /// By which call it sleeps, where that is not the usual one.
    fn slept_by(&self) -> Option<String> {
        let how = mechanism::of(self.job.pair.kind).sleeps_by?();
        let unusual = self.job.pair.wait != WaitStrategy::Spin && how != Sleeping::Waitv;
        unusual.then(|| how.name().to_owned())
    }

    /// Half a round trip of the cache lines: the median, at the initiator.
    fn floor(&self, lines: &Lines, bounce: &Bounce) -> Option<f64> {
        let mut samples = Histogram::new();
        let clock = self.job.pair.clock;
        let first = self.job.role == Role::Initiator;
        let finished = lines.bounce(first, bounce, || clock.now(), |ticks| samples.record(clock.ns(ticks)));
        samples.median().filter(|_| finished && first).map(|round_trip_ns| round_trip_ns as f64 / 2.0)
    }

    fn hear(&mut self, never: &AtomicBool) -> Result<Request, LineEnded> {
        self.control.hear(None, never).map_err(|_| LineEnded)
    }

    fn say(&self, answer: RoundAnswer) -> Result<(), LineEnded> {
        self.control.answer(answer)
    }

    fn or_fail<T>(&self, outcome: Result<T, String>) -> Result<T, LineEnded> {
        outcome.map_err(|why| self.control.fail(why))
    }
}
