//! What the lab knows of each mechanism, one file a mechanism: how two ends meet, which descriptors they are, what can be
//! read of them from outside, and what an overwrite shows.
//!
//! Everything else in the lab asks [`of`], and knows no mechanism by name. [`LabMechanism`] has no defaults, so a
//! mechanism that leaves out an answer does not compile. Nothing here is called from a measured loop.

mod gauges;
mod pipe;
mod region;
mod shm;
mod tcp;
mod unix;
mod window;

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

use crossing::Kind;
use serde::{Deserialize, Serialize};

pub(crate) use self::gauges::Gauges;
use self::gauges::Sheet;
pub(crate) use self::window::Window;
use self::window::{ChannelEnd, own};

/// What the lab knows of `kind`.
pub(crate) fn of(kind: Kind) -> &'static dyn LabMechanism {
    match kind {
        Kind::Shm => &shm::Shm,
        Kind::Pipe => &pipe::Pipe,
        Kind::Unix => &unix::Unix,
        Kind::Tcp => &tcp::Tcp,
    }
}

/// What a mechanism must tell the lab of itself.
pub(crate) trait LabMechanism: fmt::Debug + Sync {
    /// How the two processes of a stage meet.
    fn meets(&self) -> Meets;

    /// What /proc/PID/fd says of a descriptor that may be an end begins with this.
    fn link(&self) -> &'static str;

    /// Looks closer at a descriptor whose link in /proc/PID/fd is `link`; `None` when it is no end.
    fn end(&self, link: String, fd: &OwnedFd) -> Option<ChannelEnd>;

    /// Reads every gauge that the scene names.
    fn read(&self, on: &Gauges, sheet: &mut Sheet);

    /// The gauges that count up from the beginning of the connection. They are shown from the opening of the stage on.
    fn counters(&self) -> &'static [&'static str];

    /// Waits until the counters of what was sent stand still, or a little while has passed.
    fn settle(&self, on: &Gauges);

    /// Bytes that the sender has written and the receiver has not taken. `None` when neither process lets us look.
    fn bytes_on_the_way(&self, on: &Gauges) -> Option<u64>;

    /// What can be overwritten after a message was sent, and what that shows.
    fn overwrites(&self) -> &'static [Overwrite];

    /// Sends `message`, and then overwrites `of` with [`SCRIBBLE`]. `send` sends it through the channel, and `by` is the
    /// descriptor that the channel sends by.
    ///
    /// # Errors
    /// What the calls say; `Unsupported` when there is no such place.
    fn send_then_overwrite(
        &self,
        send: &mut dyn FnMut(&[u8]) -> io::Result<()>,
        by: i32,
        message: &mut [u8],
        of: Place,
    ) -> io::Result<()>;

    /// What a network device carries for the connection behind `socket`; `None` where no device takes part.
    fn carried(&self, socket: &OwnedFd) -> Option<Carried>;

    /// The least capacity, in bytes, with which messages flow without waiting for timers.
    fn flows_from_bytes(&self) -> u32;

    /// By which call an end sleeps, where there is a choice.
    fn sleeps_by(&self) -> Option<crossing::Sleeping>;
}

/// How the two processes of a stage meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meets {
    /// Each inherits its end from the lab.
    Inheriting,
    /// The sender starts the receiver, which inherits its end from it.
    AsFamily,
    /// One listens at a path, and the other dials it.
    AtPath,
}

/// What is overwritten after a message was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Place {
    /// The memory that was handed to the system call, or to `send`.
    Buffer,
    /// Pages that were given to the pipe (vmsplice(2)).
    GivenPage,
    /// The message's place in the sender's region.
    Region,
}

/// What the bytes are overwritten with.
pub(crate) const SCRIBBLE: u8 = b'#';

/// An overwrite, in words, and whether a copy has been made by then.
#[derive(Debug)]
pub(crate) struct Overwrite {
    pub(crate) of: Place,
    pub(crate) what: &'static str,
    pub(crate) copied: bool,
    pub(crate) why: &'static str,
}

/// What a network device carries for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Carried {
    /// The ports: its own, and the peer's.
    pub(crate) ports: [u16; 2],
    /// Segments sent since the connection began.
    pub(crate) segments_out: u64,
}

/// What a device carries for the two processes of a channel: seen from the sender, and from the receiver. `None` where
/// no device takes part, or the kernel does not let us ask.
pub(crate) fn carried(kind: Kind, pids: [u32; 2]) -> Option<[Carried; 2]> {
    let windows = Window::open_both(kind, pids).ok()?;
    let [sender, receiver] = windows.map(|window| of(kind).carried(&window.take(window.outbound).ok()?));
    Some([sender?, receiver?])
}

/// Sends `message` on a stream as one frame, by a plain write to a copy of the descriptor `by`, and then overwrites the buffer.
///
/// A channel of `crossing` gathers the frame in a buffer of its own first, and that copy would hide the kernel's.
fn write_then_overwrite(kind: Kind, by: i32, message: &[u8]) -> io::Result<()> {
    let mut frame = framed(kind, message);
    let written = rustix::io::write(own(by)?, &frame)?;
    frame.fill(SCRIBBLE);
    // Kept from being optimised away: nothing reads it any more.
    std::hint::black_box(&frame);
    if written == frame.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// A message as it stands on a stream.
fn framed(kind: Kind, message: &[u8]) -> Vec<u8> {
    [&kind.frame_header(message.len()), message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossing::scene::Gauge;

    fn gauges(kind: Kind) -> Vec<&'static Gauge> {
        kind.scene().stage.iter().flat_map(|part| part.gauges).collect()
    }

    #[test]
    fn counters_are_gauges_of_the_scene() {
        for kind in Kind::ALL {
            let named = gauges(kind);
            for counter in of(kind).counters() {
                assert!(named.iter().any(|gauge| gauge.field == *counter), "{kind}: no gauge `{counter}`");
            }
        }
    }

    #[test]
    fn something_of_every_mechanism_is_overwritten_if_its_scene_says_so() {
        for kind in Kind::ALL {
            let tried = kind.scene().experiments.iter().any(|experiment| experiment.id == "copied-or-shared");
            assert_eq!(!of(kind).overwrites().is_empty(), tried, "{kind}");
        }
    }
}
