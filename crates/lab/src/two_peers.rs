//! Two peers with a channel between them, asked alike: both are asked before either is heard.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crossing::Endpoint;

use crate::job::{PairJob, Role, Task};
use crate::peer::{PeerFault, PeerHandle};
use crate::request::{Request, RoundAnswer, SideOutcome};
use crate::score::Score;

/// The two peers of a round or of a bench.
#[derive(Debug)]
pub(crate) struct TwoPeers {
    initiator: PeerHandle,
    responder: PeerHandle,
    /// The one that is asked first.
    first: Role,
}

impl TwoPeers {
    /// Starts both and waits until they are in their places; `beside` is the floor's memory.
    pub(crate) fn start(
        program: &OsStr,
        ends: Option<(Endpoint, Endpoint)>,
        job: &PairJob,
        beside: Option<BorrowedFd<'_>>,
        deadline: Instant,
        stop: &AtomicBool,
    ) -> Result<TwoPeers, PeerFault> {
        let (here, there) = ends.unzip();
        let start = |end, role| PeerHandle::start(program, end, &job.for_role(role), beside, deadline, stop);
        let first = match job.task {
            Task::Race(_) | Task::Null(_) => Role::Initiator,
            // The receiver of a counted message waits for it, so that what the wait costs is counted too.
            Task::Probe | Task::Stage => Role::Responder,
        };
        Ok(TwoPeers {
            initiator: start(here, Role::Initiator)?,
            responder: start(there, Role::Responder)?,
            first,
        })
    }

    /// Lets both do the handshake.
    pub(crate) fn connect(&mut self, deadline: Instant, stop: &AtomicBool) -> Result<(), PeerFault> {
        match self.ask(&Request::Connect, deadline, stop)? {
            [RoundAnswer::Connected, RoundAnswer::Connected] => Ok(()),
            [RoundAnswer::Connected, other] | [other, _] => Err(PeerFault::out_of_turn(&other)),
        }
    }

    /// Tells both what they will rehearse.
    pub(crate) fn learn(
        &mut self,
        score: &Score,
        deadline: Instant,
        stop: &AtomicBool,
    ) -> Result<(), PeerFault> {
        match self.ask(&Request::Learn(score.clone()), deadline, stop)? {
            [RoundAnswer::Learned, RoundAnswer::Learned] => Ok(()),
            [RoundAnswer::Learned, other] | [other, _] => Err(PeerFault::out_of_turn(&other)),
        }
    }

    /// Lets both do what makes them tell an outcome.
    pub(crate) fn run(
        &mut self,
        request: &Request,
        deadline: Instant,
        stop: &AtomicBool,
    ) -> Result<[SideOutcome; 2], PeerFault> {
        match self.ask(request, deadline, stop)? {
            [RoundAnswer::Ran(first), RoundAnswer::Ran(second)] => Ok([*first, *second]),
            [RoundAnswer::Ran(_), other] | [other, _] => Err(PeerFault::out_of_turn(&other)),
        }
    }

    /// Asks both for the same, and hears both.
    pub(crate) fn ask(
        &mut self,
        request: &Request,
        deadline: Instant,
        stop: &AtomicBool,
    ) -> Result<[RoundAnswer; 2], PeerFault> {
        let mut order = [&mut self.initiator, &mut self.responder];
        if self.first == Role::Responder {
            order.reverse();
        }
        for peer in order {
            peer.ask(request)?;
        }
        // When one side fails the other is waiting for it: its failure is only the echo.
        let first = self.initiator.hear(deadline, stop)?;
        Ok([first, self.responder.hear(deadline, stop)?])
    }

    /// Their processes, the initiator's first.
    pub(crate) fn pids(&self) -> [u32; 2] {
        [self.initiator.pid(), self.responder.pid()]
    }

    /// The cores they were read back on.
    pub(crate) fn cores(&self) -> Option<[usize; 2]> {
        self.initiator.core().zip(self.responder.core()).map(|(a, b)| [a, b])
    }

    /// Ends both, whatever they are doing.
    pub(crate) fn kill(&mut self) {
        self.initiator.kill();
        self.responder.kill();
    }
}
