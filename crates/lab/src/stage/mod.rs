//! A stage: two real processes that stay, exchange messages on command, and are looked at while they do.
//!
//! [`Stage::open`] starts the two and connects them; [`Stage::header`] is the first line of a trace
//! (`docs/trace.md`), and every [`Stage::run`] tells its other lines, in order, as they happen. A command
//! blocks until it is done: keep a stage on a thread that may. Dropping it ends the processes; so does the end
//! of this program, however it ends.
//!
//! ```no_run
//! use lab::stage::{Command, StageSetup, Stage};
//!
//! let mut stage = Stage::open(&StageSetup::of(crossing::Kind::Pipe))?;
//! println!("{}", stage.header().line());
//! let command = Command::read(r#"{"do":"send","count":10,"mode":"step","text":"hello"}"#)?;
//! stage.run(&command, &mut |event| println!("{}", event.line()))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub(crate) mod actor;
mod batch;
mod command;
mod experiment;
mod meeting;
mod order;
mod pair;
mod state;
mod teller;
mod textbook;
mod xray;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossing::{Kind, WaitStrategy};
use thiserror::Error;

use self::pair::{BOTH, Cast, Pair};
use self::teller::Teller;
use crate::clock::Clock;
use crate::itself::THIS_PROGRAM;
use crate::machine;
use crate::peer::PeerFault;
use crate::plan::{Placement, SIZE_LIMIT};
use crate::scene::Scene;
use crate::trace::{Event, Header, Tone};

pub use crate::message::WORDS_LIMIT;
pub use command::{COUNT_LIMIT, Command, Messages, SendDirection};

/// The settings of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageSetup {
    /// The mechanism.
    pub kind: Kind,
    /// How both ends wait.
    pub wait: WaitStrategy,
    /// Where the two processes are put.
    pub placement: Placement,
    /// Bytes in each message, from 1 to [`SIZE_LIMIT`].
    pub size_bytes: u32,
    /// The program that becomes the processes: it must call [`worker_main`](crate::worker_main).
    pub program: PathBuf,
}

impl StageSetup {
    /// A stage of `kind` with messages of 64 bytes, ends that block, each process on a core of its own where
    /// there are two ([`machine::usual_placement`]), and this program.
    pub fn of(kind: Kind) -> StageSetup {
        StageSetup {
            kind,
            wait: WaitStrategy::Block,
            placement: machine::usual_placement().0,
            size_bytes: 64,
            program: THIS_PROGRAM.into(),
        }
    }
}

/// Two processes that stay.
#[derive(Debug)]
pub struct Stage {
    cast: Cast,
    pair: Pair,
    header: Header,
    /// The stamp of the trace's first event, in ticks.
    origin: Option<u64>,
    /// The number of the next message.
    next: u64,
    stop: Arc<AtomicBool>,
    /// Why no command can be run any more.
    over: Option<String>,
}

/// There is no stage, or no longer: a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct StageOver(pub String);

impl Stage {
    /// Starts two processes, puts them in their places, connects them and lets them exchange a few messages,
    /// so that the first that is seen is not the first of all. Takes some tens of milliseconds.
    ///
    /// # Errors
    /// When the setup cannot be had on this machine, or a process cannot be started.
    pub fn open(setup: &StageSetup) -> Result<Stage, StageOver> {
        Stage::open_until(setup, Arc::default())
    }

    /// The same; `stop` ends the opening, too ([`stopper`](Stage::stopper)).
    ///
    /// # Errors
    /// As [`Stage::open`], and when it was told to stop.
    pub fn open_until(setup: &StageSetup, stop: Arc<AtomicBool>) -> Result<Stage, StageOver> {
        if setup.size_bytes == 0 || setup.size_bytes > SIZE_LIMIT {
            let size = setup.size_bytes;
            return Err(StageOver(format!("size {size} is out of range: 1 to {SIZE_LIMIT} bytes")));
        }
        let cores =
            machine::resolve(setup.placement).map_err(|unavailable| StageOver(unavailable.to_string()))?;
        let cast = Cast {
            kind: setup.kind,
            wait: setup.wait,
            cores,
            size_bytes: setup.size_bytes,
            clock: Clock::best(),
            program: setup.program.clone(),
        };
        let pair = experiment::warm_pair(&cast, &stop).map_err(|fault| StageOver(fault.to_string()))?;
        let header = Header::new(
            Scene::of(setup.kind),
            setup.wait,
            setup.placement,
            pair.processes(),
            setup.size_bytes,
            cast.clock.name(),
        );
        Ok(Stage { cast, pair, header, origin: None, next: 0, stop, over: None })
    }

    /// The first line of the stage's trace.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Setting it ends a command that runs, within a quarter of a second, and with it the stage.
    pub fn stopper(&self) -> Arc<AtomicBool> {
        self.stop.clone()
    }

    /// Does what `command` says, and tells every event as it happens. Something that cannot be had
    /// is told as a note with the tone `bad`; it is not an error.
    ///
    /// # Errors
    /// When the stage is over: one of its processes is gone, or it was told to stop. The reason was told as a
    /// note too; open another one.
    pub fn run(&mut self, command: &Command, tell: &mut dyn FnMut(Event)) -> Result<(), StageOver> {
        let mut teller = Teller::new(self.cast.clock, &mut self.origin, tell);
        if let Some(why) = &self.over {
            teller.note(Tone::Bad, why);
            return Err(StageOver(why.clone()));
        }
        if let Some(why) = command.fault(&self.header.scene) {
            teller.note(Tone::Bad, why);
            return Ok(());
        }
        let outcome = match command {
            Command::Look => {
                teller.look(&self.pair, &BOTH);
                Ok(())
            }
            Command::Send(messages) => {
                batch::run(messages, &mut self.pair, &mut self.next, &self.stop, &mut teller)
            }
            Command::Xray => xray::run(&self.cast, &mut self.next, &self.stop, &mut teller),
            Command::Experiment { id } => {
                experiment::run(id, &self.cast, &mut self.next, &self.stop, &mut teller)
            }
        };
        outcome.map_err(|fault| {
            let stopped = fault == PeerFault::Stopped || self.stop.load(Ordering::Relaxed);
            let why = if stopped {
                "the stage was told to stop".into()
            } else {
                format!("{fault}: open another stage")
            };
            teller.note(Tone::Bad, &why);
            self.over = Some(why.clone());
            StageOver(why)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_may_go_to_a_thread_of_its_own() {
        fn may_be_sent<T: Send>() {}
        may_be_sent::<Stage>();
    }
}
