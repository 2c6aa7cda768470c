//! What the lab knows of each mechanism, one file a mechanism: the words about it, how two ends meet, which descriptors
//! they are, what can be read of them from outside, and what an overwrite shows.
//!
//! Everything else in the lab asks [`of`], and knows no mechanism by name. A [`LabMechanism`] is written out
//! in full, so a mechanism that leaves out an answer does not compile. Nothing here is called from a measured loop.

mod gauges;
mod pipe;
mod region;
mod shm;
mod tcp;
mod unix;
mod window;

use std::io;
use std::os::fd::OwnedFd;

use crossing::{Kind, Sleeping};

pub(crate) use self::gauges::Gauges;
use self::gauges::Sheet;
pub(crate) use self::window::Window;
use self::window::{ChannelEnd, own};
use crate::scene::{Scene, ScenePart};

/// What the lab knows of `kind`.
pub(crate) const fn of(kind: Kind) -> &'static LabMechanism {
    match kind {
        Kind::Shm => &shm::SHM,
        Kind::Pipe => &pipe::PIPE,
        Kind::Unix => &unix::UNIX,
        Kind::Tcp => &tcp::TCP,
    }
}

impl Scene {
    /// The story of one of our mechanisms: its design, as crossing holds it, and the words about it.
    pub fn of(kind: Kind) -> Scene {
        let design = kind.scene();
        (of(kind).words)(Scene {
            kind: kind.to_string(),
            duplex: design.duplex,
            cross_host: design.cross_host,
            stage: design.stage.iter().map(|part| ScenePart { part: part.clone(), gauges: vec![] }).collect(),
            steps: design.steps.to_vec(),
            budgets: design.budgets.to_vec(),
            ..Scene::default()
        })
    }
}

/// What a mechanism must tell the lab of itself.
#[derive(Debug)]
pub(crate) struct LabMechanism {
    /// Adds to the scene what is said about it: its title, its gauges, what textbooks say, what can be tried on it.
    words: fn(Scene) -> Scene,
    /// How the two processes of a stage meet.
    pub(crate) meets: Meets,
    /// What /proc/PID/fd says of a descriptor that may be an end begins with this.
    link: &'static str,
    /// Looks closer at such a descriptor, given all that /proc/PID/fd says of it; `None` when it is no end.
    end: fn(String, &OwnedFd) -> Option<ChannelEnd>,
    /// Reads every gauge that the scene names.
    read: fn(&Gauges, &mut Sheet),
    /// The gauges that count up from the beginning of the connection. They are shown from the opening of the stage on.
    counters: &'static [&'static str],
    /// Waits until the counters of what was sent stand still, or a little while has passed.
    settle: Option<fn(&Gauges)>,
    /// Bytes that the sender has written and the receiver has not taken. `None` when neither process lets us look.
    on_the_way: fn(&Gauges) -> Option<u64>,
    /// What can be overwritten after a message was sent, and what that shows.
    pub(crate) overwrites: &'static [Overwrite],
    /// What a network device carries for the connection behind a socket. `None` where no device takes part.
    carried: Option<fn(&OwnedFd) -> Option<Carried>>,
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

/// What a device carries for the two processes of a channel: seen from the sender, and from the receiver. `None` where
/// no device takes part, or the kernel does not let us ask.
pub(crate) fn carried(kind: Kind, pids: [u32; 2]) -> Option<[Carried; 2]> {
    let carried = of(kind).carried?;
    let windows = Window::open_both(kind, pids).ok()?;
    let [sender, receiver] = windows.map(|window| carried(&window.take(window.outbound).ok()?));
    Some([sender?, receiver?])
}

/// Sends the message on a stream as one frame, by a plain write(2), and then overwrites the buffer.
///
/// A channel of `crossing` gathers the frame in a buffer of its own first, and that copy would hide the kernel's.
fn overwrite_buffer(Overwritten { kind, by, message, .. }: Overwritten<'_>) -> io::Result<()> {
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
    use crate::scene::Gauge;

    fn gauges(kind: Kind) -> Vec<Gauge> {
        Scene::of(kind).stage.into_iter().flat_map(|part| part.gauges).collect()
    }

    #[test]
    fn counters_are_gauges_of_the_scene() {
        for kind in Kind::ALL {
            let named = gauges(kind);
            for counter in of(kind).counters {
                assert!(named.iter().any(|gauge| gauge.field == *counter), "{kind}: no gauge `{counter}`");
            }
        }
    }

    #[test]
    fn something_of_every_mechanism_is_overwritten_if_its_scene_says_so() {
        for kind in Kind::ALL {
            let tried =
                Scene::of(kind).experiments.iter().any(|experiment| experiment.id == "copied-or-shared");
            assert_eq!(!of(kind).overwrites.is_empty(), tried, "{kind}");
        }
    }
}
