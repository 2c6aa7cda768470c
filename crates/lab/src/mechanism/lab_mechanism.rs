//! The description of a mechanism for the lab, and the parts that several of them share.

use std::io;
use std::os::fd::OwnedFd;

use crossing::{Kind, Sleeping};

use super::gauges::GaugeReader;
use super::window::{EndFinder, own};
use crate::scene::Scene;

/// The lab's description of one mechanism.
#[derive(Debug)]
pub(crate) struct LabMechanism {
    /// Adds the words to the scene: its title, its gauges, the textbooks' figures, its experiments.
    pub(super) words: fn(Scene) -> Scene,
    /// How the two processes of a stage meet.
    pub(crate) meets: Meets,
    /// How its descriptors are found.
    pub(super) ends: EndFinder,
    /// How its gauges are read.
    pub(super) gauges: GaugeReader,
    /// The memory that can be overwritten after a message was sent, and what that shows.
    pub(crate) overwrites: &'static [Overwrite],
    /// The traffic of a network device for the connection behind a socket. `None` if no device
    /// takes part.
    pub(super) carried: Option<fn(&OwnedFd) -> Option<Carried>>,
    /// The least capacity, in bytes, with which messages flow without waiting for timers.
    pub(crate) flows_from_bytes: u32,
    /// The call by which an end sleeps, if there is a choice.
    pub(crate) sleeps_by: Option<fn() -> Sleeping>,
    /// The kinds of edges between other programs that are this mechanism.
    pub(super) own_edges: &'static [&'static str],
    /// Those that are none of ours, and nearest to this one.
    pub(super) near_edges: &'static [&'static str],
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

/// The byte that overwrites.
pub(crate) const SCRIBBLE: u8 = b'#';

/// Sending a message, and then overwriting the memory that it was sent from.
#[derive(Debug)]
pub(crate) struct Overwrite {
    /// The overwritten memory, in words.
    pub(crate) what: &'static str,
    /// Whether a copy has been made by then.
    pub(crate) copied: bool,
    /// Why.
    pub(crate) why: &'static str,
    /// Does it. Its error is that of the calls.
    pub(crate) how: fn(Overwritten<'_>) -> io::Result<()>,
}

/// The subject of an [`Overwrite`].
pub(crate) struct Overwritten<'a> {
    pub(crate) kind: Kind,
    /// Sends a message through the channel.
    pub(crate) send: &'a mut dyn FnMut(&[u8]) -> io::Result<()>,
    /// The descriptor that the channel sends by.
    pub(crate) by: i32,
    pub(crate) message: &'a mut [u8],
}

/// The traffic of a network device for a connection.
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
