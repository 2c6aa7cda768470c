//! Workloads: what the two processes of a round do with their connection.
//!
//! Each is a pair of loops, one for each side, generic over the mechanism. Every message is made by one side
//! and verified, byte for byte, by the other; a message that is lost, duplicated, out of order or damaged
//! ends the round without a number. Warm-up goes through the same loops and is verified alike, but not
//! counted.

mod course;
pub(crate) mod null;
mod paced;
mod pacing;
pub mod payload;
mod ping_pong;
pub(crate) mod probed;
pub(crate) mod rehearsed;
mod stream;

use crossing::{Connection, Mechanism};

pub(crate) use self::course::Broken;
use crate::job::{PairJob, Role};
use crate::plan::Workload;
use crate::request::SideOutcome;
use crate::score::Score;

/// The first side of `workload`; a rehearsal has a `score`.
pub(crate) fn initiate<M: Mechanism>(
    workload: Workload,
    connection: &mut Connection<M>,
    job: &PairJob,
    score: Option<&Score>,
) -> Result<SideOutcome, Broken> {
    match workload {
        Workload::PingPong => ping_pong::initiate(connection, job),
        Workload::Stream => stream::send(connection, job),
        Workload::Corked => stream::send_corked(connection, job),
        Workload::Paced => paced::send(connection, job),
        Workload::Rehearsed | Workload::RehearsedCorked | Workload::RehearsedRoomy => {
            rehearse(workload, connection, job, score, Role::Initiator)
        }
    }
}

/// The second side of `workload`.
pub(crate) fn respond<M: Mechanism>(
    workload: Workload,
    connection: &mut Connection<M>,
    job: &PairJob,
    score: Option<&Score>,
) -> Result<SideOutcome, Broken> {
    match workload {
        Workload::PingPong => ping_pong::respond(connection, job),
        Workload::Stream | Workload::Corked | Workload::Paced => stream::receive(connection, job),
        Workload::Rehearsed | Workload::RehearsedCorked | Workload::RehearsedRoomy => {
            rehearse(workload, connection, job, score, Role::Responder)
        }
    }
}

fn rehearse<M: Mechanism>(
    workload: Workload,
    connection: &mut Connection<M>,
    job: &PairJob,
    score: Option<&Score>,
    role: Role,
) -> Result<SideOutcome, Broken> {
    let gathers = workload == Workload::RehearsedCorked;
    rehearsed::play(connection, job, score.ok_or(Broken::NoScore)?, role, gathers)
}
