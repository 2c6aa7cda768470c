//! The frame of a rival that is written in Rust: everything of the protocol (`../README.md`) but the messages'
//! way from one side to the other.
//!
//! A guest describes itself (an [`About`]) and how a message goes out and comes in (a [`Link`] for
//! each side, opened by a [`Rival`]). Its `main` hands both to [`main`], and says whether its two
//! sides are [`processes`] or [`threads`].
//!
//! | file | what is in it |
//! |---|---|
//! | `job.rs` | the line that comes in |
//! | `payload.rs` | how a message is made and verified |
//! | `clock.rs` | the job's clock |
//! | `sides.rs` | the two sides: forked or spawned, pinned, talking about the run |
//! | `rounds.rs` | the loops that are measured |
//! | `result.rs` | the line that goes out |

mod clock;
mod job;
mod payload;
mod result;
mod rounds;
mod sides;

use std::path::PathBuf;
use std::process::ExitCode;

pub use job::Job;
pub use result::About;
pub use sides::{News, Side, processes, threads};

/// The number of messages found right and how long they took; what [`processes`] and [`threads`] give to [`main`].
#[derive(Debug)]
pub struct Outcome {
    verified: u64,
    elapsed_ns: u64,
    /// Half round trips in nanoseconds, in no order; empty for a stream.
    latency_ns: Vec<u64>,
}

/// Why there is no result.
#[derive(Debug)]
pub enum Failure {
    /// This cannot be done here: a gap in the table, not a failure.
    Unsupported(String),
    /// It went wrong.
    Failed(String),
}

/// What is tried here.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// The failure of what is not an error type.
    pub fn new(why: impl std::fmt::Debug) -> Failure {
        Failure::Failed(format!("{why:?}"))
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Failed(error.to_string())
    }
}

/// A way for messages from one side to another.
pub trait Rival {
    /// What one side gets of that which is made before there are two of them: a descriptor, a name, an end.
    type Half: Send;
    /// One side's end.
    type Link: Link;

    /// Makes what both sides must have from the start. In two processes each drops the other's half.
    fn halves(job: &Job) -> Result<[Self::Half; 2]>;

    /// Opens one end, on the side that will use it, once that is in its place. Both sides do this at the same time;
    /// `news` is for whatever they must tell each other.
    fn open(half: Self::Half, job: &Job, side: Side, news: &mut News) -> Result<Self::Link>;
}

/// One side's end, both ways.
pub trait Link {
    /// Lets `make` write the next message, `size_bytes` long, into the best place for it, and sends it.
    fn send(&mut self, make: impl FnOnce(&mut [u8])) -> Result<()>;

    /// Sends whatever was kept back: no more may come for a while.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// Waits for the next message, and lets `take` look at it in a place that the sender can no longer write to.
    fn receive(&mut self, take: impl FnOnce(&[u8]) -> Result<()>) -> Result<()>;
}

/// The program of a guest: describes itself or runs the job on its standard input by `run`.
pub fn main(about: &About, run: impl FnOnce(&Job) -> Result<Outcome>) -> ExitCode {
    const BAD_JOB: u8 = 2;
    sides::die_with(nix::unistd::getppid());
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => {}
        (Some("--describe"), None) => return result::print(&about.description()),
        _ => {
            eprintln!("usage: {} [--describe] < job", name());
            return ExitCode::from(BAD_JOB);
        }
    }
    let job = match job::read() {
        Ok(job) => job,
        Err(why) => {
            eprintln!("{}: job: {why}", name());
            return ExitCode::from(BAD_JOB);
        }
    };
    match about.check(&job).and_then(|()| run(&job)) {
        Ok(outcome) => result::print(&about.result(&job, outcome)),
        Err(Failure::Unsupported(why)) => result::print(&result::gap(&why)),
        Err(Failure::Failed(why)) => {
            eprintln!("{}: {why}", name());
            ExitCode::FAILURE
        }
    }
}

/// The program's name, for what goes to stderr.
fn name() -> String {
    let program = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    program.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Polls until `poll` gives something: `spin`'s way of waiting.
#[inline]
pub fn spin<T>(waiting: Waiting, mut poll: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    loop {
        if let Some(found) = poll()? {
            return Ok(found);
        }
        waiting.not_yet();
    }
}

/// What a spinning side does between two polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Gives the core away: the sides share it, and polling would keep the other one from running.
    Yield,
    /// The processor's pause: a side that hammers a line fights the other one for it. Fastest in `ping-pong`.
    Pause,
    /// Nothing. Fastest in a `stream`, whose line is there at most polls.
    Nothing,
}

impl Waiting {
    #[inline]
    pub fn not_yet(self) {
        match self {
            Waiting::Yield => std::thread::yield_now(),
            Waiting::Pause => std::hint::spin_loop(),
            Waiting::Nothing => {}
        }
    }
}

/// Runs a rival whose messages are a type of a fixed size by `processes` or `threads`: `by_size!(job, threads, Ring)`
/// picks the `Ring<SIZE>` of the job's size.
#[macro_export]
macro_rules! by_size {
    ($job:expr, $run:ident, $rival:ident) => {
        $crate::by_size!($job, $run, $rival: 8 16 32 64 128 256 512 1024 2048 4096 8192 16384 32768 65536)
    };
    ($job:expr, $run:ident, $rival:ident: $($size:literal)*) => {
        match $job.size_bytes {
            $($size => $crate::$run::<$rival<$size>>($job),)*
            other => Err($crate::Failure::Unsupported(format!(
                "size {other}: a message is a type here, of 8 to 65536 bytes, a power of two"
            ))),
        }
    };
}
