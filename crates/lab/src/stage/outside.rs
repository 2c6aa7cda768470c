//! What befalls the two processes from outside: ended by a signal, stopped, or held by a tracer.

use std::fmt;
use std::fs;
use std::time::Duration;

use super::pair::{BOTH, Pair};
use super::teller::Teller;
use crate::peer::PeerFault;
use crate::trace::Side;

/// What holds a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// It was stopped by a signal.
    Stopped,
    /// Its tracer has stopped it: the one with this pid, unless that is in another namespace.
    HeldBy(Option<u32>),
    /// The process with this pid traces it, and lets it run.
    TracedBy(u32),
}

/// A process that is held, as a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    side: Side,
    pid: u32,
    hold: Hold,
}

impl Held {
    /// Whether it does nothing until it is let go.
    pub(super) fn stands_still(self) -> bool {
        !matches!(self.hold, Hold::TracedBy(_))
    }

    /// How it is held, without what can be done about it.
    pub(super) fn words(self) -> String {
        let words = match self.hold {
            Hold::Stopped => "stopped (SIGSTOP)".into(),
            Hold::HeldBy(None) => "stopped by its tracer".into(),
            Hold::HeldBy(Some(tracer)) => format!("stopped by its tracer (pid {tracer})"),
            Hold::TracedBy(tracer) => format!("traced by pid {tracer}"),
        };
        format!("the {} (pid {}) is {words}", self.side.name(), self.pid)
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words())?;
        match self.hold {
            Hold::Stopped => write!(f, ": continue it with `kill -CONT {}`", self.pid),
            Hold::HeldBy(_) => f.write_str(": continue it there, or detach the tracer"),
            Hold::TracedBy(_) => f.write_str(": its times include the work of the tracer"),
        }
    }
}

/// Which of the two are held.
pub(super) fn held(pair: &Pair) -> impl Iterator<Item = Held> {
    let both = BOTH.into_iter().zip(pair.pids());
    both.filter_map(|(side, pid)| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        Some(Held { side, pid, hold: of_status(&status)? })
    })
}

fn of_status(status: &str) -> Option<Hold> {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let tracer = field("TracerPid:").and_then(|pid| pid.parse().ok()).filter(|&pid| pid != 0);
    match (field("State:")?.chars().next()?, tracer) {
        ('t', tracer) => Some(Hold::HeldBy(tracer)),
        ('T', _) => Some(Hold::Stopped),
        (_, Some(tracer)) => Some(Hold::TracedBy(tracer)),
        (_, None) => None,
    }
}

/// Tells which of the two are gone, each as it ended; the fault that this is, if any.
pub(super) fn deaths(pair: &mut Pair, teller: &mut Teller<'_>, patience: Duration) -> Option<PeerFault> {
    let pids = pair.pids();
    let mut gone = Vec::new();
    for (side, pid) in BOTH.into_iter().zip(pids) {
        if let Some(death) = pair.death_within(side, patience) {
            gone.push(teller.died_from_outside(side, pid, death));
        }
    }
    (!gone.is_empty()).then(|| PeerFault::Failed(gone.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_a_process_is_read_from_its_status() {
        let status = |state: &str, tracer: u32| format!("Name:\ta\nState:\t{state}\nTracerPid:\t{tracer}\n");
        for (state, tracer, hold) in [
            ("S (sleeping)", 0, None),
            ("T (stopped)", 0, Some(Hold::Stopped)),
            ("T (stopped)", 7, Some(Hold::Stopped)),
            ("t (tracing stop)", 7, Some(Hold::HeldBy(Some(7)))),
            ("t (tracing stop)", 0, Some(Hold::HeldBy(None))),
            ("S (sleeping)", 7, Some(Hold::TracedBy(7))),
        ] {
            assert_eq!(of_status(&status(state, tracer)), hold, "{state}, {tracer}");
        }
        assert_eq!(of_status(""), None);
    }
}
