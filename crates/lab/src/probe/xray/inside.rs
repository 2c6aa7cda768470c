//! The call that each of the two is in at the moment, and the events that it becomes when it is over.

use super::looks::EMPTY;
use super::scan::who;
use crate::probe::bench::ProbeSetup;
use crate::probe::spell;
use crate::probe::steps::{Sign, step};
use crate::sys::calls;
use crate::trace::{Event, What};

/// A call that a process is in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entered {
    pub(super) number: u64,
    pub(super) args: [u64; 6],
    pub(super) t_ns: u64,
    pub(super) cpu: u32,
    pub(super) slept: bool,
}

/// The calls that both are in at the moment.
#[derive(Debug, Default)]
pub(super) struct Inside([Option<Entered>; 2]);

impl Inside {
    pub(super) fn enter(&mut self, side: usize, entered: Entered) {
        self.0[side] = Some(entered);
    }

    pub(super) fn name(&self, side: usize) -> Option<String> {
        self.0[side].map(|entered| calls::name(entered.number))
    }

    pub(super) fn sleeps(&mut self, side: usize) {
        if let Some(entered) = &mut self.0[side] {
            entered.slept = true;
        }
    }

    /// The call is over. One in which the process slept is two events: it was entered to wait, and brought what it
    /// waited for.
    pub(super) fn leave(
        &mut self,
        setup: &ProbeSetup,
        side: usize,
        result: i64,
        t_ns: u64,
        events: &mut Vec<Event>,
    ) {
        let Some(entered) = self.0[side].take() else { return };
        let slept = entered.slept;
        if slept {
            events.push(call(setup, side, &entered, entered.t_ns, true, None));
        }
        let at = if slept { t_ns } else { entered.t_ns };
        events.push(call(setup, side, &entered, at, false, Some((result, t_ns - entered.t_ns))));
    }

    /// The message ended before the call did.
    pub(super) fn left_open(&mut self, setup: &ProbeSetup, side: usize, end: u64, events: &mut Vec<Event>) {
        if let Some(entered) = self.0[side].take()
            && entered.t_ns <= end
        {
            events.push(call(setup, side, &entered, entered.t_ns, true, None));
        }
    }
}

fn call(
    setup: &ProbeSetup,
    side: usize,
    entered: &Entered,
    t_ns: u64,
    waits: bool,
    over: Option<(i64, u64)>,
) -> Event {
    let name = calls::name(entered.number);
    // A look that found nothing is a wait, too.
    let waits = waits || over.is_some_and(|(result, _)| result == EMPTY);
    let sign = Sign::Call { name: &name, waits };
    let args = spell::arguments(entered.number, &entered.args);
    let text = match over {
        None => format!("{name}({args}) …"),
        Some((result, _)) => format!("{name}({args}) = {}", spell::result(result)),
    };
    let scene = setup.kind.scene();
    // A call of another name in which it sleeps is how it sleeps.
    let slept = || entered.slept.then(|| step(scene, side, Sign::Sleeps { within: None })).flatten();
    let found = step(scene, side, sign).or_else(slept).map(Into::into);
    let what = What::Syscall {
        name,
        args: Some(args),
        result: over.map(|(result, _)| result),
        duration_ns: over.map(|(_, duration)| duration),
    };
    let event = Event::new(t_ns, what).by(who(side)).of(0).saying(text);
    Event { cpu: Some(entered.cpu), step: found, ..event }
}
