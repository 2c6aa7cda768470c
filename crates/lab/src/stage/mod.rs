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
mod outside;
mod pair;
mod state;
mod teller;
mod textbook;
mod xray;

use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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
use crate::trace::{CallCosts, Event, Header, Tone};

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

/// How long a process that has hung up may take until it is gone.
const LAST_BREATH: Duration = Duration::from_millis(100);

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
    /// so that the first that is seen is not the first of all. Takes some tens of milliseconds,
    /// and a quarter of a second more if a message does not fit without its receiver.
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
        let (pair, calls) = opened(&cast, &stop).map_err(|fault| StageOver(fault.to_string()))?;
        let mut header = Header::new(
            Scene::of(setup.kind),
            setup.wait,
            setup.placement,
            pair.processes(),
            setup.size_bytes,
            cast.clock.name(),
        );
        header.frame_bytes = Some(setup.kind.frame_bytes(setup.size_bytes as usize));
        header.calls = calls;
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

    /// Sleeps between two commands, until `word` can be read. A process that ends meanwhile is told of at once.
    ///
    /// # Errors
    /// As [`Stage::run`].
    pub fn rest(&mut self, word: BorrowedFd<'_>, tell: &mut dyn FnMut(Event)) -> Result<(), StageOver> {
        if self.over.is_none() && !self.pair.hangs_up_before(word) {
            return Ok(());
        }
        let mut teller = Teller::new(self.cast.clock, &mut self.origin, tell);
        let why = self.over.take().unwrap_or_else(|| {
            let fault = outside::deaths(&mut self.pair, &mut teller, LAST_BREATH);
            fault.map_or("a process of the stage has cut its line".into(), |fault| fault.to_string())
        });
        Err(over(&mut self.over, &mut teller, why))
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
        if let Some(fault) = outside::deaths(&mut self.pair, &mut teller, Duration::ZERO) {
            return Err(over(&mut self.over, &mut teller, fault.to_string()));
        }
        if matches!(command, Command::Send(_)) {
            let held: Vec<_> = outside::held(&self.pair).collect();
            let still = held.iter().any(|held| held.stands_still());
            for one in held.iter().filter(|one| !still || one.stands_still()) {
                teller.note(if still { Tone::Bad } else { Tone::Plain }, one.to_string());
            }
            if still {
                return Ok(());
            }
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
            let why = if stopped { "the stage was told to stop".into() } else { fault.to_string() };
            over(&mut self.over, &mut teller, why)
        })
    }
}

/// Tells why the stage is over, and keeps it.
fn over(kept: &mut Option<String>, teller: &mut Teller<'_>, why: String) -> StageOver {
    teller.note(Tone::Bad, &why);
    StageOver(kept.insert(why).clone())
}

/// Two processes that have met, and what their calls cost.
fn opened(cast: &Cast, stop: &AtomicBool) -> Result<(Pair, Option<CallCosts>), PeerFault> {
    let mut pair = experiment::warm_pair(cast, stop)?;
    let calls = batch::call_costs(&mut pair, cast.clock, stop)?;
    pair.count_from_here();
    Ok((pair, calls))
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
