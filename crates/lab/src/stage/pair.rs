//! A pair: the two processes of a stage or of an experiment, with a channel between them.
//!
//! Both are told what to do over lines of their own. How they meet is the mechanism's to say ([`Meets`]). A pair that is
//! dropped leaves nothing behind, neither processes nor a path.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crossing::{Endpoint, Kind, WaitStrategy};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::meeting::Meeting;
use super::order::{Sight, StageOrder, Told};
use super::state::{self, SeenProcess};
use crate::clock::Clock;
use crate::control::Control;
use crate::job::{Job, PairJob, Role, Task};
use crate::mechanism::{self, Gauges, Meets};
use crate::peer::{Death, PeerFault, PeerHandle};
use crate::round;
use crate::scene::Actor;
use crate::trace::{Process, ProcessState, Side};

/// The time limit for starting two processes and their handshake.
const SETUP: Duration = Duration::from_secs(20);
/// How long a process that is told to wait may take until it is seen asleep; one that spins never is.
const FALL_ASLEEP: Duration = Duration::from_millis(20);
/// How long a process that was killed may take to be gone.
const LAST_BREATH: Duration = Duration::from_secs(5);

/// The settings of two processes.
#[derive(Debug, Clone)]
pub(crate) struct Cast {
    pub(crate) kind: Kind,
    pub(crate) wait: WaitStrategy,
    pub(crate) cores: Option<[usize; 2]>,
    pub(crate) size_bytes: u32,
    pub(crate) clock: Clock,
    pub(crate) program: PathBuf,
}

/// The two processes.
#[derive(Debug)]
pub(crate) struct Pair {
    // The receiver goes first: where it is the sender's child, the sender can still reap it.
    receiver: PeerHandle,
    sender: PeerHandle,
    /// Whether an order is still to be answered: else a process that sleeps is idle.
    busy: [bool; 2],
    /// `Err` when the kernel does not let us look.
    gauges: io::Result<Gauges>,
    meets: Meets,
    wait: WaitStrategy,
}

/// The place of a process in a pair of values.
pub(crate) fn place(side: Side) -> usize {
    usize::from(side == Side::Receiver)
}

/// The other process.
pub(crate) fn other(side: Side) -> Side {
    if side == Side::Sender { Side::Receiver } else { Side::Sender }
}

/// Both, the one that sends forward first.
pub(crate) const BOTH: [Side; 2] = [Side::Sender, Side::Receiver];

impl Pair {
    /// Starts the two, puts them in their places and lets them connect.
    pub(crate) fn start(cast: &Cast, stop: &AtomicBool) -> Result<Pair, PeerFault> {
        let deadline = Instant::now() + SETUP;
        let meets = mechanism::of(cast.kind).meets;
        let (sender, receiver) = match meets {
            Meets::AsFamily => family(cast, deadline, stop)?,
            Meets::AtPath => (
                begin(cast, Role::Initiator, None, deadline, stop)?,
                begin(cast, Role::Responder, None, deadline, stop)?,
            ),
            Meets::Inheriting => {
                let ends = Endpoint::pair(cast.kind).map_err(|error| round::no_ends(cast.kind, &error))?;
                (
                    begin(cast, Role::Initiator, Some(ends.0), deadline, stop)?,
                    begin(cast, Role::Responder, Some(ends.1), deadline, stop)?,
                )
            }
        };
        let gauges = Err(io::ErrorKind::NotConnected.into());
        let mut pair = Pair { receiver, sender, busy: [false; 2], gauges, meets, wait: cast.wait };
        let path = pair.connect(deadline, stop)?;
        pair.gauges = mechanism::gauges(cast.kind, cast.size_bytes as usize, pair.pids(), path);
        Ok(pair)
    }

    /// Lets the two connect; the path where they met, if they did at one.
    fn connect(&mut self, deadline: Instant, stop: &AtomicBool) -> Result<Option<String>, PeerFault> {
        let told = |pair: &mut Pair, side| pair.peer(side).hear::<Told>(deadline, stop);
        let mut met = None;
        if self.meets == Meets::AtPath {
            // The path is removed once both have met, so nothing is left when all processes are
            // killed.
            let meeting = Meeting::create().map_err(|error| {
                PeerFault::Environment(format!("cannot make a folder for a socket: {error}"))
            })?;
            let path = meeting.socket();
            self.receiver.ask(&StageOrder::Listen { path: path.clone() })?;
            told(self, Side::Receiver)?;
            self.sender.ask(&StageOrder::Dial { path: path.clone() })?;
            told(self, Side::Sender)?;
            told(self, Side::Receiver)?;
            met = Some(path);
        } else {
            BOTH.iter().try_for_each(|&side| self.peer(side).ask(&StageOrder::Connect))?;
            BOTH.iter().try_for_each(|&side| told(self, side).map(drop))?;
        }
        Ok(met)
    }

    fn peer(&mut self, side: Side) -> &mut PeerHandle {
        if side == Side::Sender { &mut self.sender } else { &mut self.receiver }
    }

    pub(crate) fn pids(&self) -> [u32; 2] {
        [self.sender.pid(), self.receiver.pid()]
    }

    /// Sleeps until `word` can be read, or one of the two has hung up, which is what its end does: whether that was so.
    pub(crate) fn hangs_up_before(&self, word: BorrowedFd<'_>) -> bool {
        // A hang-up is told without being asked for.
        let line = |peer| PollFd::from_borrowed_fd(PeerHandle::line(peer), PollFlags::empty());
        let mut fds =
            [line(&self.sender), line(&self.receiver), PollFd::from_borrowed_fd(word, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) => fds[..2].iter().any(|fd| !fd.revents().is_empty()),
            Err(Errno::INTR) => false,
            Err(_) => true,
        }
    }

    /// How both ends wait.
    pub(crate) fn wait(&self) -> WaitStrategy {
        self.wait
    }

    /// Both processes, for a header.
    pub(crate) fn processes(&self) -> [Process; 2] {
        [(Actor::Sender, &self.sender), (Actor::Receiver, &self.receiver)].map(|(actor, peer)| Process {
            actor,
            pid: peer.pid(),
            parent: state::parent(peer.pid()).unwrap_or_else(std::process::id),
            core: peer.core(),
            name: None,
        })
    }

    /// Tells a process what to do; its answer is heard separately.
    pub(crate) fn order(&mut self, side: Side, order: &StageOrder) -> Result<(), PeerFault> {
        self.order_with(side, order, None)
    }

    /// The same, with a descriptor beside it.
    pub(crate) fn order_with(
        &mut self,
        side: Side,
        order: &StageOrder,
        beside: Option<BorrowedFd<'_>>,
    ) -> Result<(), PeerFault> {
        self.busy[place(side)] = true;
        self.peer(side).ask_with(order, beside)
    }

    /// What a process tells next; `None` when it has told nothing within `patience`.
    pub(crate) fn told_within(
        &mut self,
        side: Side,
        patience: Duration,
        stop: &AtomicBool,
    ) -> Result<Option<Told>, PeerFault> {
        let told = self.peer(side).hear_until(Instant::now() + patience, stop)?;
        if let Some(told) = &told {
            self.busy[place(side)] = matches!(told, Told::About | Told::Listening);
        }
        Ok(told)
    }

    /// The calls that a process tells of when it has done what it was told, and how many brought a message.
    pub(crate) fn done_within(
        &mut self,
        side: Side,
        patience: Duration,
        stop: &AtomicBool,
    ) -> Result<Option<(Vec<Sight>, u64)>, PeerFault> {
        match self.told_within(side, patience, stop)? {
            None => Ok(None),
            Some(Told::Done { calls, count }) => Ok(Some((calls, count))),
            Some(Told::Refused { why }) => Err(PeerFault::Failed(why)),
            Some(told) => Err(PeerFault::Failed(format!("a process told out of turn: {told:?}"))),
        }
    }

    /// The state of a process, by the kernel. One that has told that it is done is given the moment
    /// that it takes to go to sleep.
    pub(crate) fn look(&self, side: Side) -> SeenProcess {
        if self.busy[place(side)] {
            return SeenProcess::of(self.pids()[place(side)]);
        }
        let seen = self.look_when_asleep(side);
        let state = if seen.state == ProcessState::Sleeping { ProcessState::Idle } else { seen.state };
        SeenProcess { state, ..seen }
    }

    /// Looks at a process until it sleeps in the channel, or a little while has passed: one that spins never
    /// sleeps.
    pub(crate) fn look_when_asleep(&self, side: Side) -> SeenProcess {
        let deadline = Instant::now() + FALL_ASLEEP;
        loop {
            let seen = SeenProcess::of(self.pids()[place(side)]);
            if seen.state != ProcessState::Running || Instant::now() >= deadline {
                return seen;
            }
            crossing::pause(Duration::from_micros(200));
        }
    }

    /// Starts the gauges' counters here: earlier messages no longer count.
    pub(crate) fn count_from_here(&mut self) {
        if let Ok(gauges) = &mut self.gauges {
            gauges.count_from_here();
        }
    }

    /// The gauges; an error when the kernel does not let us look.
    pub(crate) fn gauges(&self) -> Result<&Gauges, &io::Error> {
        self.gauges.as_ref()
    }

    /// Kills a process and waits until it is gone. How it ended, as the kernel tells.
    pub(crate) fn kill(&mut self, side: Side) -> Option<Death> {
        self.peer(side).kill();
        self.death_within(side, LAST_BREATH)
    }

    /// How a process ended, if it is gone within `patience`.
    pub(crate) fn death_within(&mut self, side: Side, patience: Duration) -> Option<Death> {
        let death = self.peer(side).ended_within(patience)?;
        let unknown = death.signal.is_none() && death.exit_code.is_none();
        if self.meets == Meets::AsFamily && side == Side::Receiver && unknown && !self.busy[0] {
            return self.bury().or(Some(death));
        }
        Some(death)
    }

    /// Lets the sender reap its child, and tell how it ended.
    fn bury(&mut self) -> Option<Death> {
        let never = AtomicBool::new(false);
        self.order(Side::Sender, &StageOrder::Bury).ok()?;
        match self.told_within(Side::Sender, LAST_BREATH, &never) {
            Ok(Some(Told::Buried { signal, exit_code })) => Some(Death::new(signal, exit_code)),
            _ => None,
        }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // The sender reaps its child, so that no zombie is left to the process that inherits
        // orphans.
        if self.meets == Meets::AsFamily
            && self.kill(Side::Receiver).is_some_and(|death| death.signal.is_none())
        {
            // It could not: it was busy until now, and finds the channel closed.
            let never = AtomicBool::new(false);
            if self.busy[0] && matches!(self.told_within(Side::Sender, LAST_BREATH / 10, &never), Ok(Some(_)))
            {
                self.bury();
            }
        }
    }
}

/// Starts one process that inherits `end`.
fn begin(
    cast: &Cast,
    role: Role,
    end: Option<Endpoint>,
    deadline: Instant,
    stop: &AtomicBool,
) -> Result<PeerHandle, PeerFault> {
    PeerHandle::start(program(cast), end, &job(cast, role), None, deadline, stop)
}

/// Starts the sender, which starts the receiver.
fn family(cast: &Cast, deadline: Instant, stop: &AtomicBool) -> Result<(PeerHandle, PeerHandle), PeerFault> {
    let (control, theirs) = Control::pair().map_err(|error| PeerFault::spawn(&error))?;
    let job_of = |role| job(cast, role);
    let line = Some(theirs.as_fd());
    let parent = PeerHandle::start(program(cast), None, &job_of(Role::Initiator), line, deadline, stop)?;
    drop(theirs);
    let no_child = || PeerFault::Failed("the sender has started no receiver".into());
    let pid = parent.child().ok_or_else(no_child)?;
    let child = PeerHandle::adopt(pid, control, &job_of(Role::Responder), deadline, stop)?;
    Ok((parent, child))
}

fn program(cast: &Cast) -> &OsStr {
    cast.program.as_os_str()
}

fn job(cast: &Cast, role: Role) -> Job {
    PairJob::new(Task::Stage, cast.kind, cast.wait, cast.cores, cast.size_bytes, cast.clock).for_role(role)
}
