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

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::lookout::{self, WaitCut};

/// The longest line that is believed, in bytes.
const LINE_LIMIT: usize = 16 << 20;

/// The answer of a process; `T` are the answers of its task.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PeerAnswer<T> {
    /// To the job: it is in its place.
    Placed {
        /// The core that was read back.
        core: Option<usize>,
        /// The peer's process id, when this process was told to start it.
        child: Option<u32>,
    },
    /// To a request.
    Said(T),
    /// To anything that went wrong; it is the last word.
    Failed {
        /// One line.
        why: String,
    },
}

/// The lab has gone, or has been told what went wrong: nothing more can be said to it.
#[derive(Debug)]
pub(crate) struct LineEnded;

/// Why there was no answer.
#[derive(Debug)]
pub(crate) enum Silence {
    /// The process is gone.
    Gone,
    /// It took too long.
    Late,
    /// The lab was told to stop.
    Stopped,
    /// The line that came was not an answer.
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
        // If even that is refused, nothing more can be done.
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

    /// Tells the lab that this process is in its place, and which process it has started.
    pub(crate) fn placed(&self, core: Option<usize>, child: Option<u32>) -> Result<(), LineEnded> {
        self.say(&PeerAnswer::<()>::Placed { core, child }, None).map_err(|_| LineEnded)
    }

    /// Answers the lab.
    pub(crate) fn answer(&self, what: impl Serialize) -> Result<(), LineEnded> {
        self.say(&PeerAnswer::Said(what), None).map_err(|_| LineEnded)
    }

    /// Tells the lab what went wrong, as the last line.
    pub(crate) fn fail(&self, why: String) -> LineEnded {
        // If the lab cannot be told it is gone, and so is its interest.
        let _ = self.say(&PeerAnswer::<()>::Failed { why }, None);
        LineEnded
    }

    /// Waits for one line, until `deadline` or until `stop` is set.
    pub(crate) fn hear<T: DeserializeOwned>(
        &mut self,
        deadline: Option<Instant>,
        stop: &AtomicBool,
    ) -> Result<T, Silence> {
        // A long line comes in many parts: none of them is looked through twice.
        let mut seen = 0;
        loop {
            if let Some(end) = self.rest[seen..].iter().position(|&byte| byte == b'\n') {
                let end = seen + end;
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return serde_json::from_slice(&line).map_err(|error| Silence::Garbled(error.to_string()));
            }
            seen = self.rest.len();
            if seen > LINE_LIMIT {
                return Err(Silence::Garbled(format!("a line of more than {LINE_LIMIT} bytes")));
            }
            match lookout::wait(&mut [PollFd::new(&self.socket, PollFlags::IN)], deadline, stop) {
                Ok(()) => self.read()?,
                Err(WaitCut::Stopped) => return Err(Silence::Stopped),
                Err(WaitCut::Late) => return Err(Silence::Late),
                Err(WaitCut::Refused(errno)) => return Err(Silence::Garbled(errno.to_string())),
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
