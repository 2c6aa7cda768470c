//! What a mechanism must tell the lab of itself, and what several of them share.

use std::io;
use std::os::fd::OwnedFd;

use crossing::{Kind, Sleeping};

use super::gauges::GaugeReader;
use super::window::{EndFinder, own};
use crate::scene::Scene;

/// What a mechanism must tell the lab of itself.
#[derive(Debug)]
pub(crate) struct LabMechanism {
    /// Adds to the scene what is said about it: its title, its gauges, what textbooks say, what can be tried on it.
    pub(super) words: fn(Scene) -> Scene,
    /// How the two processes of a stage meet.
    pub(crate) meets: Meets,
    /// How its descriptors are found.
    pub(super) ends: EndFinder,
    /// How its gauges are read.
    pub(super) gauges: GaugeReader,
    /// What can be overwritten after a message was sent, and what that shows.
    pub(crate) overwrites: &'static [Overwrite],
    /// What a network device carries for the connection behind a socket. `None` where no device takes part.
    pub(super) carried: Option<fn(&OwnedFd) -> Option<Carried>>,
    /// The least capacity, in bytes, with which messages flow without waiting for timers.
    pub(crate) flows_from_bytes: u32,
    /// By which call an end sleeps, where there is a choice.
    pub(crate) sleeps_by: Option<fn() -> Sleeping>,
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

/// What the bytes are overwritten with.
pub(crate) const SCRIBBLE: u8 = b'#';

/// Sending a message, and overwriting it afterwards where it came from.
#[derive(Debug)]
pub(crate) struct Overwrite {
    /// What is overwritten, in words.
    pub(crate) what: &'static str,
    /// Whether a copy has been made by then.
    pub(crate) copied: bool,
    /// Why.
    pub(crate) why: &'static str,
    /// Does it. Its error is what the calls say.
    pub(crate) how: fn(Overwritten<'_>) -> io::Result<()>,
}

/// What an [`Overwrite`] is done to.
pub(crate) struct Overwritten<'a> {
    pub(crate) kind: Kind,
    /// Sends a message through the channel.
    pub(crate) send: &'a mut dyn FnMut(&[u8]) -> io::Result<()>,
    /// The descriptor that the channel sends by.
    pub(crate) by: i32,
    pub(crate) message: &'a mut [u8],
}

/// What a network device carries for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Carried {
    /// The ports: its own, and the peer's.
    pub(crate) ports: [u16; 2],
    /// Segments sent since the connection began.
    pub(crate) segments_out: u64,
}

/// Sends the message on a stream as one frame, by a plain write(2), and then overwrites the buffer.
///
/// A channel of `crossing` gathers the frame in a buffer of its own first, and that copy would hide the kernel's.
pub(super) fn overwrite_buffer(Overwritten { kind, by, message, .. }: Overwritten<'_>) -> io::Result<()> {
    let mut frame = framed(kind, message);
    let written = rustix::io::write(own(by)?, &frame)?;
    frame.fill(SCRIBBLE);
    // Kept from being optimised away: nothing reads it any more.
    std::hint::black_box(&frame);
    if written == frame.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// A message as it stands on a stream.
pub(super) fn framed(kind: Kind, message: &[u8]) -> Vec<u8> {
    [&kind.frame_header(message.len()), message].concat()
}
