//! Random histories: every form of sending and of receiving, one after the other in any order, on every mechanism.
//!
//! Both ends are in one thread, and both directions in use, so that a history is the same each time. Beside each direction
//! stands a model: a queue of the messages that were taken. Whatever a receiving form returns is held against it: nothing may be
//! lost, doubled, cut short or out of order, and each length and count must be right. A form that can wait for ever is used
//! where by the model it need not wait: a message that was said to be sent and is not there hangs, and a watchdog tells.
//!
//! A check that finds nothing proves nothing unless it could have found something: each [`Lie`] in the model must be found.
//! `CROSSING_LONG=1` has more of them.

mod direction;
mod forms;
mod model;
#[path = "../process/mod.rs"]
mod process;

use std::collections::BTreeSet;

use crossing::{Config, Connection, Kind};
use process::dice::Dice;
use process::seed::seed;
use process::{campaign_each, for_every_kind, within};

use direction::{Direction, Trail};
use forms::{FLUSHES, GATHERS, PUBLISHES, RECEIVES, SENDS};
use model::Lie;

/// How many histories for each mechanism.
fn histories() -> u64 {
    if std::env::var_os("CROSSING_LONG").is_some() { 300 } else { 60 }
}

/// How many steps a history has.
const STEPS: u64 = 300;

fn config(kind: Kind, dice: &mut Dice) -> Config {
    let config = process::config().max_message(dice.pick(&[100, 8 << 10, 64 << 10]));
    let capacity = match kind {
        // Less has the kernel wait for timers.
        Kind::Tcp => dice.pick(&[None, Some(256 << 10)]),
        Kind::Shm | Kind::Pipe | Kind::Unix => dice.pick(&[None, Some(4 << 10), Some(32 << 10)]),
    };
    capacity.map_or(config.clone(), |bytes| config.capacity_bytes(bytes))
}

/// One history, and what is wrong with it. The model tells the lie, if there is one to tell and an occasion.
fn history(kind: Kind, seed: u64, lie: Option<Lie>, trail: &mut Trail) -> Result<(), String> {
    let mut dice = Dice(seed);
    let (here, there) = Connection::pair(kind, &config(kind, &mut dice)).expect("a pair");
    let ((here_sends, here_receives), (there_sends, there_receives)) = (here.split(), there.split());
    let mut ways = [Direction::new(here_sends, there_receives), Direction::new(there_sends, here_receives)];
    // What is invented is waited for: that is done at the end.
    let (mut soon, late) = if lie == Some(Lie::Invents) { (None, lie) } else { (lie, None) };
    let from = dice.roll(STEPS);
    for step in 0..STEPS {
        let way = &mut ways[dice.roll(2) as usize];
        way.step(&mut dice, trail)?;
        if step >= from && soon.is_some_and(|lie| way.model.tell(lie)) {
            soon = None;
        }
    }
    ways.into_iter().try_for_each(|way| way.finish(late))
}

fn campaign(kind: Kind) {
    let seed = seed(&format!("histories of {kind}"));
    let mut dice = Dice(seed);
    let mut succeeded = BTreeSet::<&str>::new();
    let mut run = |number: u64, lie: Option<Lie>| {
        let each = dice.roll(u64::MAX);
        let (outcome, trail) =
            within(&format!("history {number} of {kind}, CROSSING_SEED={seed}"), move || {
                let mut trail = Trail::default();
                (history(kind, each, lie, &mut trail), trail)
            });
        succeeded.extend(trail.succeeded.iter());
        (outcome, trail)
    };
    for number in 0..histories() {
        let (outcome, trail) = run(number, None);
        if let Err(why) = outcome {
            panic!("{kind}, history {number}, CROSSING_SEED={seed}: {why}\nafter\n{}", trail.shown());
        }
    }
    for lie in Lie::ALL {
        // In some histories it is not told, or only of a message that is passed over.
        let is_found = (0..100).any(|number| run(number, Some(lie)).0.is_err());
        assert!(is_found, "control: a model that {lie:?}, CROSSING_SEED={seed}: not found");
    }
    let sending = [SENDS.map(|it| it.0), GATHERS.map(|it| it.0)].concat();
    let publishing = [FLUSHES.map(|it| it.0), PUBLISHES.map(|it| it.0)].concat();
    for name in [sending, publishing, RECEIVES.map(|it| it.0).to_vec(), vec!["Sender::arm"]].concat() {
        assert!(succeeded.contains(name), "{kind}, CROSSING_SEED={seed}: {name} never succeeded");
    }
}

for_every_kind! { campaign_each campaign }
