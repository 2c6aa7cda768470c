//! The life of a byte: watchpoints on one byte of a message, in the sender's memory, in the kernel's and in the
//! receiver's. Every instruction that touches it is seen, with the function it stands in.

use std::collections::BTreeSet;
use std::io;

use super::bench::{ExperimentBench, ExperimentVerdict};
use crate::peer::PeerFault;
use crate::probe::InstrumentFault;
use crate::probe::copies::{self, Proof};
use crate::probe::refused;
use crate::probe::tracefs::Tracefs;
use crate::probe::{CopyPart, copy_parts};
use crate::scene::Scene;
use crate::stage::xray::{processes, setup};
use crate::sys::monotonic::monotonic_ns;
use crate::trace::{Event, Side, What};

pub(super) fn run(bench: &mut ExperimentBench<'_, '_>) -> Result<ExperimentVerdict, PeerFault> {
    let mut setup = setup(bench.cast);
    setup.size_bytes = setup.size_bytes.max(copies::LEAST_BYTES);
    let prove = |tracefs: Option<&Tracefs>| {
        copies::prove(&setup, tracefs, bench.stop).map_err(|fault| match fault {
            InstrumentFault::Refused(error) => error,
            InstrumentFault::Lost(error) => io::Error::other(error),
        })
    };
    // Without privilege what the processes do themselves can still be watched.
    let watched = Tracefs::open().and_then(|tracefs| prove(Some(&tracefs)));
    let (proof, whole) = match watched {
        Ok(proof) => (proof, true),
        Err(error) => match prove(None) {
            Ok(proof) => {
                bench.teller.say(refused("watchpoints on the kernel's memory", &error).into());
                (proof, false)
            }
            Err(error) => {
                bench.teller.say(refused("watchpoints on memory of a process", &error).into());
                return Ok(ExperimentVerdict::untried("no byte can be watched here"));
            }
        },
    };
    tell(bench, &proof);
    Ok(verdict(bench, &proof, whole))
}

/// The touches of one message, in order of time, and the table of them.
fn tell(bench: &mut ExperimentBench<'_, '_>, proof: &Proof) {
    let Some(life) = proof.lives.last() else { return };
    let number = bench.numbers(1);
    let (clock, ticks, now_ns) = (bench.cast.clock, bench.cast.clock.now(), monotonic_ns());
    let ago = |then_ns: u64| ticks.saturating_sub(clock.ticks(now_ns.saturating_sub(then_ns)));
    // They come on when the message sets off, so that all of it is in order of time.
    let two = What::Processes { processes: processes(proof.pids, proof.cores) };
    let entrance = Event::new(bench.teller.t_ns(ago(life.window.0)), two);
    bench.teller.tell(entrance);
    let mut rows = Vec::new();
    let (begun, ended) = (What::SendBegin { payload: None, bytes: None }, What::received());
    let mut events = vec![
        Event::new(bench.teller.t_ns(ago(life.window.0)), begun).by(Side::Sender).of(number),
        Event::new(bench.teller.t_ns(ago(life.window.1)), ended).by(Side::Receiver).of(number),
    ];
    for (touch, part) in life.touches.iter().zip(copy_parts(&life.touches)) {
        let (side, task) = match touch.side {
            Some(0) => (Side::Sender, "sender"),
            Some(_) => (Side::Receiver, "receiver"),
            None => (Side::Kernel, "another task"),
        };
        let (function, caller) = touch.doer();
        let after_ns = touch.t_ns.saturating_sub(life.window.0);
        rows.push(vec![
            format!("{after_ns} ns"),
            touch.place.words().into(),
            task.into(),
            format!("{function}{caller}"),
            part.map_or("–".into(), CopyPart::words),
        ]);
        let (what, text) = touch.event(part, None);
        let event = Event::new(bench.teller.t_ns(ago(touch.t_ns)), what);
        let step = touch.step(bench.cast.kind.scene()).map(Into::into);
        events.push(Event { cpu: Some(touch.cpu), step, ..event.by(side).of(number).saying(text) });
    }
    bench.teller.in_order(events);
    bench.teller.table(
        "Every touch of one byte of one message",
        &["after", "where the byte was", "running", "in function", "belongs to"],
        rows,
        "hardware watchpoints",
    );
}

/// Which of the table's copies are the kernel's.
fn numbers(proof: &Proof) -> String {
    let touches = proof.lives.last().map_or(&[][..], |life| &life.touches);
    let parts = touches.iter().zip(copy_parts(touches)).filter(|(touch, _)| touch.by_kernel());
    let numbers: BTreeSet<u64> = parts.filter_map(|(_, part)| Some(part?.copy)).collect();
    let numbers: Vec<String> = numbers.into_iter().map(|number| number.to_string()).collect();
    match &numbers[..] {
        [] => String::new(),
        [one] => format!(" (copy {one} of the table)"),
        [first @ .., last] => format!(" (copies {} and {last} of the table)", first.join(", ")),
    }
}

fn verdict(bench: &ExperimentBench<'_, '_>, proof: &Proof, privileged: bool) -> ExperimentVerdict {
    let quoted = Scene::of(bench.cast.kind).quoted.copies;
    let Some(copies) = proof.copies_per_message().filter(|_| privileged) else {
        let touches = proof.lives.last().map_or(0, |life| life.touches.len());
        return ExperimentVerdict::untried(format!(
            "{touches} touches by the two processes were seen; what the kernel does cannot be watched by this user"
        ));
    };
    let words = match (proof.whole, copies) {
        (true, 0.0) => "the kernel never touched it".to_owned(),
        (true, copies) => format!("the kernel copied it {copies} times{}", numbers(proof)),
        (false, copies) => format!(
            "the kernel copied it at least {copies} times; where it kept the message was not found, so touches there \
             went unseen"
        ),
    };
    let budget = bench.cast.kind.scene().budgets.iter().find(|budget| budget.wait == bench.cast.wait.name());
    let held = budget.is_none_or(|budget| budget.kernel_copies.holds(copies, 0.0));
    ExperimentVerdict::new(held, format!("{words}; textbooks say {quoted}"))
}
