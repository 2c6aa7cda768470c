//! The X-ray of a stage: one message under the probes that this machine allows, between processes of its own. The
//! stage's two are not slowed down by it.

use std::sync::atomic::AtomicBool;

use super::pair::Cast;
use super::teller::Teller;
use crate::peer::PeerFault;
use crate::plan::Placement;
use crate::probe::{self, ProbeSetup, Xray};
use crate::sys::monotonic::monotonic_ns;
use crate::trace::{Event, Mode, Process, Side, What};

/// Looks through one message, and tells what was seen on the stage's scale of time.
pub(super) fn run(
    cast: &Cast,
    next: &mut u64,
    stop: &AtomicBool,
    teller: &mut Teller<'_>,
) -> Result<(), PeerFault> {
    teller.say(What::BatchBegin { mode: Mode::Xray, count: 1 });
    let looked = probe::xray(&setup(cast), stop);
    let outcome = looked.map(|xray| tell(xray, cast, next, teller));
    teller.say(What::BatchEnd {});
    outcome.map_err(|error| PeerFault::Failed(error.0))
}

/// What is probed, for what is on the stage.
pub(super) fn setup(cast: &Cast) -> ProbeSetup {
    let placement = cast.cores.map_or(Placement::Unpinned, |[a, b]| Placement::Cores(a, b));
    let setup = ProbeSetup::new(cast.kind, cast.wait, placement);
    ProbeSetup { size_bytes: cast.size_bytes, program: cast.program.clone(), ..setup }
}

/// The two processes of a bench, as a trace names them.
pub(super) fn processes(pids: [u32; 2], cores: Option<[usize; 2]>) -> [Process; 2] {
    let process = |place: usize, actor| Process {
        actor,
        pid: pids[place],
        parent: std::process::id(),
        core: cores.map(|cores| cores[place]),
        name: None,
    };
    [process(0, Side::Sender), process(1, Side::Receiver)]
}

fn tell(xray: Xray, cast: &Cast, next: &mut u64, teller: &mut Teller<'_>) {
    let number = *next;
    *next += 1;
    // One moment on both clocks.
    let (ticks, now_ns) = (cast.clock.now(), monotonic_ns());
    let ago = |then_ns: u64| ticks.saturating_sub(cast.clock.ticks(now_ns.saturating_sub(then_ns)));
    // What was seen is over by now: the two come on when it began, so that all of it is in order of time.
    let began = xray.events.first().map_or(ticks, |event| ago(event.t_ns));
    let two = What::Processes { processes: processes(xray.pids, xray.cores) };
    let entrance = Event::new(teller.t_ns(began), two);
    teller.tell(entrance);
    for mut event in xray.events {
        event.t_ns = teller.t_ns(ago(event.t_ns));
        event.message = event.message.map(|_| number);
        teller.tell(event);
    }
}
