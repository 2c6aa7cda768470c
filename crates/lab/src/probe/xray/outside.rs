//! Without any privilege: the calls of both processes, step by step, as a tracer sees them.

use std::sync::atomic::AtomicBool;

use super::inside::{Entered, Inside};
use super::looks::without_empty_looks;
use super::scan::{Xray, both_calls};
use crate::machine::Unavailable;
use crate::probe::bench::{Bench, BenchRow, InstrumentFault, ProbeError, ProbeSetup};
use crate::probe::calls::{self, Called};
use crate::probe::refusal::refused;
use crate::probe::spell;
use crate::trace::Event;

/// A few messages under a tracer; `why` there is nothing better.
pub(super) fn from_outside(
    setup: &ProbeSetup,
    why: Unavailable,
    stop: &AtomicBool,
) -> Result<Xray, ProbeError> {
    /// Messages that are traced; the last but one is shown.
    const TRACED: u64 = 8;
    let mut bench = Bench::start(setup, stop)?;
    bench.send(TRACED, stop)?;
    let pids = bench.pids();
    let mut events = Vec::new();
    match calls::trace(&mut bench, TRACED, stop) {
        Ok((seen, row)) => events = stepped(setup, &seen, &row),
        Err(InstrumentFault::Lost(error)) => return Err(error),
        Err(InstrumentFault::Refused(error)) => {
            events.push(Event::new(0, refused("every system call of a process", &error).into()));
        }
    }
    let last = events.iter().map(|event| event.t_ns).max().unwrap_or(0);
    let what = "wake-ups, switches, packets, and copies of the message".into();
    events.push(Event::new(last, Unavailable { what, ..why }.into()));
    Ok(Xray { pids, cores: bench.cores(), events })
}

fn stepped(setup: &ProbeSetup, seen: &[Vec<Called>; 2], row: &BenchRow) -> Vec<Event> {
    let index = row.sends.len().saturating_sub(2);
    let (Some(&send), Some(&recv)) = (row.sends.get(index), row.recvs.get(index)) else { return Vec::new() };
    let mut events = both_calls([send, recv]);
    for (side, window) in [send, recv].into_iter().enumerate() {
        let inside = |call: &&Called| {
            (window.0..=window.1).contains(&call.entered_ns) && !spell::is_pause(call.number)
        };
        for called in seen[side].iter().filter(inside) {
            let Called { number, args, result, entered_ns, left_ns } = *called;
            // It was entered before the message was sent, and brought it: it waited for it.
            let slept = side == 1 && entered_ns < send.0 && left_ns > send.0;
            let mut calls = Inside::default();
            calls.enter(side, Entered { number, args, t_ns: entered_ns, cpu: 0, slept });
            let from = events.len();
            calls.leave(setup, side, result, left_ns, &mut events);
            // A tracer is not told the core.
            events[from..].iter_mut().for_each(|event| event.cpu = None);
        }
    }
    events.sort_by_key(|event| event.t_ns);
    without_empty_looks(events)
}
