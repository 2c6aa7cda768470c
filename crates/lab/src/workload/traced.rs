//! Single messages, every call recorded: what `show` and the stage replay.
//!
//! Recording is two clock readings a call into memory taken beforehand. Nothing here is a benchmark.

use std::thread;
use std::time::Duration;

use crossing::{Connection, Mechanism};

use super::payload::{check, fill};
use super::{Broken, Course, await_signal, receive_warmup, send_warmup, signal};
use crate::control::{Moment, SideOutcome};

/// Between two messages, so that each finds its receiver waiting.
const GAP: Duration = Duration::from_micros(500);

pub(crate) fn send<M: Mechanism>(
    connection: &mut Connection<M>,
    course: &Course,
) -> Result<SideOutcome, Broken> {
    let mut message = vec![0; course.size];
    send_warmup(connection, course, &mut message)?;
    let mut events = Vec::with_capacity(2 * course.messages as usize);
    for count in 0..course.messages {
        thread::sleep(GAP);
        fill(&mut message, course.warmup + count, 0);
        let began = course.clock.now();
        connection.send(&message)?;
        let ended = course.clock.now();
        events.push((began, count, Moment::SendBegin, cpu()));
        events.push((ended, count, Moment::SendEnd, cpu()));
    }
    await_signal(connection, course)?;
    Ok(SideOutcome { events, ..SideOutcome::default() })
}

pub(crate) fn receive<M: Mechanism>(
    connection: &mut Connection<M>,
    course: &Course,
) -> Result<SideOutcome, Broken> {
    let mut message = vec![0; course.size];
    receive_warmup(connection, course, &mut message)?;
    signal(connection, course)?;
    let mut events = Vec::with_capacity(2 * course.messages as usize);
    for count in 0..course.messages {
        let began = course.clock.now();
        let len = connection.recv(&mut message)?;
        let ended = course.clock.now();
        check(&message[..len], course.size, course.warmup + count)?;
        events.push((began, count, Moment::RecvBegin, cpu()));
        events.push((ended, count, Moment::RecvEnd, cpu()));
    }
    signal(connection, course)?;
    Ok(SideOutcome { events, verified: course.messages, ..SideOutcome::default() })
}

fn cpu() -> Option<u32> {
    u32::try_from(rustix::thread::sched_getcpu()).ok()
}
