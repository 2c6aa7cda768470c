//! The line between the lab and a measured process: requests one way, answers the other, one line of JSON
//! each.
//!
//! It is a Unix socket that the process finds as its standard input. It is silent while a round runs: the
//! process does not look at it, and the lab sleeps on it.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crossing::{Kind, WaitStrategy};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::lookout::{self, Cut};
use crate::plan::{Workload, as_text};
use crate::report::SideUse;
use crate::sys::lines::Bounce;

/// The longest line that is believed, in bytes.
const LINE_LIMIT: usize = 16 << 20;

/// Which end of a round a process plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// Sends first, and stamps round trips.
    Initiator,
    /// Answers, or receives.
    Responder,
}

/// What a round is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Task {
    /// A workload over the channel.
    Race(Workload),
    /// A workload without a channel, in the initiator alone.
    Null(Workload),
    /// Rows of single messages, to be looked at from outside.
    Probe,
    /// One process of a stage: it does what it is told, order by order.
    Stage,
}

/// Everything a process needs to know; the first line it gets. The floor's memory comes beside it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) role: Role,
    pub(crate) task: Task,
    #[serde(with = "as_text::one")]
    pub(crate) kind: Kind,
    #[serde(with = "as_text::one")]
    pub(crate) wait: WaitStrategy,
    pub(crate) core: Option<usize>,
    pub(crate) size_bytes: u32,
    pub(crate) warmup: u64,
    pub(crate) messages: u64,
    pub(crate) interval_ns: u64,
    /// How much room the channel is asked to have; `None`: its own choice.
    pub(crate) capacity_bytes: Option<u32>,
    pub(crate) clock: Clock,
}

/// What the lab asks for, after the job.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    /// Do the handshake.
    Connect,
    /// Bounce cache lines.
    Floor(Bounce),
    /// Run the task.
    Run,
    /// Send or receive messages, one at a time ([`Task::Probe`]).
    Messages {
        /// How many.
        count: u64,
        /// Whether the time of each call is told.
        times: bool,
    },
}

/// What a process answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// To the job: it is in its place.
    Placed {
        /// The core that was read back.
        core: Option<usize>,
        /// The peer's process id, when this process was told to start it.
        child: Option<u32>,
    },
    /// To [`Request::Connect`].
    Connected,
    /// To [`Request::Floor`]: the median of half a round trip, at the initiator.
    Floor {
        /// In nanoseconds.
        median_ns: Option<f64>,
    },
    /// To [`Request::Run`].
    Ran(SideOutcome),
    /// To an [`Order`](crate::stage::Order).
    Stage(crate::stage::Told),
    /// To anything that went wrong; it is the last word.
    Failed {
        /// One line.
        why: String,
    },
}

/// What one side found in one round.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct SideOutcome {
    /// When its part began, in ticks of the job's clock.
    pub(crate) began: u64,
    /// When it ended: with the last verification.
    pub(crate) ended: u64,
    /// Messages it verified.
    pub(crate) verified: u64,
    /// Samples in nanoseconds, with their counts.
    pub(crate) samples: Vec<(u64, u64)>,
    /// How far it was at some times, in ticks and counted messages or round trips.
    #[serde(default)]
    pub(crate) progress: Vec<(u64, u64)>,
    /// Messages that were sent more than one interval late.
    pub(crate) missed: u64,
    /// What it cost.
    pub(crate) usage: SideUse,
    /// What the channel had room for in the end, in the direction that this side sends.
    #[serde(default)]
    pub(crate) channel_bytes: Option<u32>,
    /// How it slept, when that was not the usual way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) slept_by: Option<String>,
    /// Why `usage` says nothing, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) uncounted: Option<String>,
    /// When each call of the channel began and ended, in ticks, when it is looked at from outside.
    pub(crate) calls: Vec<(u64, u64)>,
    /// How often it slept of its own accord, between two messages.
    pub(crate) pauses: u64,
    /// Where the message is in its memory.
    pub(crate) message_at: u64,
}

/// Why there was no answer.
#[derive(Debug)]
pub(crate) enum Silence {
    /// The process is gone.
    Gone,
    /// It took too long.
    Late,
    /// The lab was told to stop.
    Stopped,
    /// What came was no answer.
    Garbled(String),
}

/// One end of the line.
#[derive(Debug)]
pub(crate) struct Control {
    socket: OwnedFd,
    /// Bytes behind the last line that was taken.
    rest: Vec<u8>,
    /// A descriptor that came beside a line.
    descriptor: Option<OwnedFd>,
}

impl Control {
    /// Cuts the line: the other end hears that this one is gone.
    pub(crate) fn cut(&self) {
        // Where even that is refused, nothing more can be done.
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
    }

    /// Both ends.
    pub(crate) fn pair() -> io::Result<(Control, OwnedFd)> {
        let (here, there) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        Ok((Control::new(here), there))
    }

    /// The end behind `socket`.
    pub(crate) fn new(socket: OwnedFd) -> Control {
        Control { socket, rest: Vec::new(), descriptor: None }
    }

    /// Says one line.
    pub(crate) fn say(&self, what: &impl Serialize, beside: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let mut line = serde_json::to_vec(what)?;
        line.push(b'\n');
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let fds = beside.map(|fd| [fd]);
        let mut sent = 0;
        while sent < line.len() {
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            if let (0, Some(fds)) = (sent, &fds) {
                ancillary.push(SendAncillaryMessage::ScmRights(fds));
            }
            let data = [io::IoSlice::new(&line[sent..])];
            match rustix::net::sendmsg(&self.socket, &data, &mut ancillary, SendFlags::NOSIGNAL) {
                Ok(bytes) => sent += bytes,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Waits for one line, until `deadline` or until `stop` is set.
    pub(crate) fn hear<T: DeserializeOwned>(
        &mut self,
        deadline: Option<Instant>,
        stop: &AtomicBool,
    ) -> Result<T, Silence> {
        loop {
            if let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return serde_json::from_slice(&line).map_err(|error| Silence::Garbled(error.to_string()));
            }
            if self.rest.len() > LINE_LIMIT {
                return Err(Silence::Garbled(format!("a line of more than {LINE_LIMIT} bytes")));
            }
            match lookout::wait(&mut [PollFd::new(&self.socket, PollFlags::IN)], deadline, stop) {
                Ok(()) => self.read()?,
                Err(Cut::Stopped) => return Err(Silence::Stopped),
                Err(Cut::Late) => return Err(Silence::Late),
                Err(Cut::Refused(errno)) => return Err(Silence::Garbled(errno.to_string())),
            }
        }
    }

    /// Whether a line, or its beginning, has come that was not taken yet. Never waits.
    pub(crate) fn has_something(&self) -> bool {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        !self.rest.is_empty()
            || matches!(poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&at_once)), Ok(1))
    }

    /// The descriptor that came beside a line.
    pub(crate) fn descriptor(&mut self) -> Option<OwnedFd> {
        self.descriptor.take()
    }

    fn read(&mut self) -> Result<(), Silence> {
        let mut bytes = [0; 16 << 10];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut data = [io::IoSliceMut::new(&mut bytes)];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        match rustix::net::recvmsg(&self.socket, &mut data, &mut ancillary, flags) {
            Err(Errno::INTR | Errno::AGAIN) => return Ok(()),
            Err(Errno::CONNRESET) => return Err(Silence::Gone),
            Err(errno) => return Err(Silence::Garbled(errno.to_string())),
            Ok(received) if received.bytes == 0 => return Err(Silence::Gone),
            Ok(received) => {
                for message in ancillary.drain() {
                    if let RecvAncillaryMessage::ScmRights(rights) = message {
                        self.descriptor = rights.last().or(self.descriptor.take());
                    }
                }
                self.rest.extend_from_slice(&bytes[..received.bytes]);
            }
        }
        Ok(())
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
