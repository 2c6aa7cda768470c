//! The mechanisms, each of which supplies [the halves](crate::halves) of a connection.
//!
//! A mechanism is one file that is read from top to bottom: the story of a message in prose, the type and its
//! [`Mechanism`] implementation, how two ends meet, the halves, its `SCENE`, its private tests. Shared memory, where
//! the kernel does less for us, is a folder, and its `mod.rs` has that order. This file has what needs all of them: it finds each
//! by its kind, and implements [`Any`].

mod farewell;
pub(crate) mod pipe;
pub(crate) mod shm;
mod socket;
pub(crate) mod tcp;
pub(crate) mod unix;

use std::io::IoSlice;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;

use crate::config::Config;
use crate::descriptor;
use crate::error::{ConnectError, End, RecvError, SendError};
#[cfg(feature = "scene")]
use crate::frame;
use crate::halves::{Any, Halves, Inbound, Mechanism, Outbound};
use crate::kind::Kind;
use crate::place::MessagePlace;
use crate::ready::Ready;
#[cfg(feature = "scene")]
use crate::scene::SceneDesign;
use crate::wait::Patience;

pub use self::pipe::Pipe;
pub use self::shm::in_place::{Message, TrustedReceiver};
pub use self::shm::{Blob, BlobMut, MemoryLimit, SealError, Shm, Shortage, Sleeping, sleeping};
#[cfg(feature = "scene")]
pub use self::shm::{REGION_FILE, RegionHeader};
pub use self::tcp::Tcp;
pub use self::unix::Unix;

impl Kind {
    /// The story of one message.
    ///
    /// # Examples
    /// ```
    /// use crossing::Kind;
    ///
    /// for kind in Kind::ALL {
    ///     let scene = kind.scene();
    ///     println!("{kind}: {} steps, {} parts", scene.steps.len(), scene.stage.len());
    ///     assert_eq!(scene.kind, kind);
    /// }
    /// ```
    #[cfg(feature = "scene")]
    pub fn scene(self) -> &'static SceneDesign {
        match self {
            Kind::Shm => &shm::SCENE,
            Kind::Pipe => &pipe::SCENE,
            Kind::Unix => &unix::SCENE,
            Kind::Tcp => &tcp::SCENE,
        }
    }

    /// What stands before a message of `len` bytes in the channel: its length. For the lab.
    #[cfg(feature = "scene")]
    #[doc(hidden)]
    pub fn frame_header(self, len: usize) -> Vec<u8> {
        match self {
            // A word of shared memory.
            Kind::Shm => (len as u64).to_ne_bytes().into(),
            Kind::Pipe | Kind::Unix | Kind::Tcp => frame::header(len).into(),
        }
    }

    /// How many bytes of the channel a message of `len` bytes takes: with its length before it, and in a ring padded. For the
    /// lab.
    #[cfg(feature = "scene")]
    #[doc(hidden)]
    pub fn frame_bytes(self, len: usize) -> u64 {
        match self {
            Kind::Shm => shm::frame_bytes(len),
            Kind::Pipe | Kind::Unix | Kind::Tcp => (frame::header(len).len() + len) as u64,
        }
    }

    /// Two sockets that know each other, one for each end.
    pub(crate) fn rendezvous(self) -> Result<(OwnedFd, OwnedFd), Errno> {
        match self {
            Kind::Shm | Kind::Pipe => descriptor::packet_pair(),
            Kind::Unix => unix::rendezvous(),
            Kind::Tcp => tcp::rendezvous(),
        }
    }
}

/// One value for each mechanism.
///
/// Which one it is stands in a byte of its own: without `repr` it would stand in a field that has values to spare, and to tell
/// them apart takes several instructions in each call.
#[derive(Debug)]
#[repr(u8)]
pub enum Each<S, P, U, T> {
    /// Shared memory.
    Shm(S),
    /// A pipe each way.
    Pipe(P),
    /// A Unix stream socket.
    Unix(U),
    /// A TCP connection.
    Tcp(T),
}

/// Calls the same method on whichever it is.
macro_rules! each {
    ($self:expr, $half:ident => $call:expr) => {
        match $self {
            Each::Shm($half) => $call,
            Each::Pipe($half) => $call,
            Each::Unix($half) => $call,
            Each::Tcp($half) => $call,
        }
    };
}

impl Mechanism for Any {
    type Outbound = Each<
        <Shm as Mechanism>::Outbound,
        <Pipe as Mechanism>::Outbound,
        <Unix as Mechanism>::Outbound,
        <Tcp as Mechanism>::Outbound,
    >;
    type Inbound = Each<
        <Shm as Mechanism>::Inbound,
        <Pipe as Mechanism>::Inbound,
        <Unix as Mechanism>::Inbound,
        <Tcp as Mechanism>::Inbound,
    >;

    const KIND: Option<Kind> = None;

    fn open(kind: Kind, rendezvous: OwnedFd, config: &Config) -> Result<Halves<Self>, ConnectError> {
        Ok(match kind {
            Kind::Shm => Shm::open(kind, rendezvous, config)?.map(Each::Shm, Each::Shm),
            Kind::Pipe => Pipe::open(kind, rendezvous, config)?.map(Each::Pipe, Each::Pipe),
            Kind::Unix => Unix::open(kind, rendezvous, config)?.map(Each::Unix, Each::Unix),
            Kind::Tcp => Tcp::open(kind, rendezvous, config)?.map(Each::Tcp, Each::Tcp),
        })
    }
}

impl<S: Outbound, P: Outbound, U: Outbound, T: Outbound> Outbound for Each<S, P, U, T> {
    fn max_message(&self) -> usize {
        each!(self, half => half.max_message())
    }

    #[inline]
    fn send_at_once(&mut self, message: &[u8]) -> bool {
        each!(self, half => half.send_at_once(message))
    }

    fn send(&mut self, message: &[u8], patience: &mut Patience) -> Result<(), SendError> {
        each!(self, half => half.send(message, patience))
    }

    fn goes_alone(&self, len: usize) -> bool {
        each!(self, half => half.goes_alone(len))
    }

    #[inline]
    fn stage_at_once(&mut self, message: &[u8]) -> bool {
        each!(self, half => half.stage_at_once(message))
    }

    #[inline]
    fn stage(&mut self, message: &[u8]) -> Result<(), SendError> {
        each!(self, half => half.stage(message))
    }

    #[inline]
    fn claim_at_once(&mut self, len: usize) -> bool {
        each!(self, half => half.claim_at_once(len))
    }

    fn claim(&mut self, len: usize) -> Result<(), SendError> {
        each!(self, half => half.claim(len))
    }

    #[inline]
    fn claimed(&self, len: usize) -> &[u8] {
        each!(self, half => half.claimed(len))
    }

    #[inline]
    fn claimed_mut(&mut self, len: usize) -> &mut [u8] {
        each!(self, half => half.claimed_mut(len))
    }

    #[inline]
    fn fill_claimed(&mut self, message: &[u8]) {
        each!(self, half => half.fill_claimed(message));
    }

    #[inline]
    fn commit(&mut self, len: usize) -> bool {
        each!(self, half => half.commit(len))
    }

    #[inline]
    fn abandon(&mut self) {
        each!(self, half => half.abandon());
    }

    fn send_vectored(
        &mut self,
        parts: &[IoSlice<'_>],
        len: usize,
        patience: &mut Patience,
    ) -> Result<(), SendError> {
        each!(self, half => half.send_vectored(parts, len, patience))
    }

    fn claim_in_line(&mut self, len: usize) -> Result<(), SendError> {
        each!(self, half => half.claim_in_line(len))
    }

    fn claimed_in_line(&self, len: usize) -> &[u8] {
        each!(self, half => half.claimed_in_line(len))
    }

    fn claimed_in_line_mut(&mut self, len: usize) -> &mut [u8] {
        each!(self, half => half.claimed_in_line_mut(len))
    }

    fn commit_in_line(&mut self, len: usize) {
        each!(self, half => half.commit_in_line(len));
    }

    fn publish(&mut self, patience: &mut Patience) -> Result<(), SendError> {
        each!(self, half => half.publish(patience))
    }

    fn has_in_line(&self) -> bool {
        each!(self, half => half.has_in_line())
    }

    fn wait_room(&mut self, len: usize, patience: &mut Patience) -> Result<(), SendError> {
        each!(self, half => half.wait_room(len, patience))
    }

    fn capacity_bytes(&self) -> Option<usize> {
        each!(self, half => half.capacity_bytes())
    }

    fn end(&self) -> End {
        each!(self, half => half.end())
    }

    fn close(&mut self, patience: &mut Patience) {
        each!(self, half => half.close(patience));
    }

    fn fd(&self) -> BorrowedFd<'_> {
        each!(self, half => half.fd())
    }

    fn arm(&mut self, len: usize) -> Ready {
        each!(self, half => half.arm(len))
    }

    fn hang_up(&mut self) {
        each!(self, half => half.hang_up());
    }
}

impl<S: Inbound, P: Inbound, U: Inbound, T: Inbound> Inbound for Each<S, P, U, T> {
    fn max_message(&self) -> usize {
        each!(self, half => half.max_message())
    }

    fn bytes_ahead(&self) -> usize {
        each!(self, half => half.bytes_ahead())
    }

    #[inline]
    fn recv_at_once<W: MessagePlace + ?Sized>(&mut self, place: &mut W) -> Option<usize> {
        each!(self, half => half.recv_at_once(place))
    }

    fn recv<W: MessagePlace + ?Sized>(
        &mut self,
        place: &mut W,
        patience: &mut Patience,
    ) -> Result<usize, RecvError> {
        each!(self, half => half.recv(place, patience))
    }

    fn skip(&mut self, patience: &mut Patience) -> Result<usize, RecvError> {
        each!(self, half => half.skip(patience))
    }

    fn skip_stale(&mut self, patience: &mut Patience) -> Result<usize, RecvError> {
        each!(self, half => half.skip_stale(patience))
    }

    fn pending(&mut self, patience: &mut Patience) -> Result<(usize, usize), RecvError> {
        each!(self, half => half.pending(patience))
    }

    fn end(&self) -> End {
        each!(self, half => half.end())
    }

    fn fd(&self) -> BorrowedFd<'_> {
        each!(self, half => half.fd())
    }

    fn ties(&self) -> (Option<BorrowedFd<'_>>, Option<BorrowedFd<'_>>) {
        each!(self, half => half.ties())
    }

    #[inline]
    fn is_ready(&mut self) -> bool {
        each!(self, half => half.is_ready())
    }

    fn shows_by_itself(&self) -> bool {
        each!(self, half => half.shows_by_itself())
    }

    fn arm(&mut self) -> Ready {
        each!(self, half => half.arm())
    }

    fn hang_up(&mut self) {
        each!(self, half => half.hang_up());
    }
}

#[cfg(all(test, feature = "scene"))]
mod tests {
    use super::*;
    use crate::scene::{Act, Actor, Effect, Step};

    #[test]
    fn a_message_takes_its_bytes_and_its_length_and_in_a_ring_its_padding() {
        assert_eq!(Kind::ALL.map(|kind| kind.frame_bytes(5)), [16, 9, 9, 9]);
        assert_eq!(Kind::ALL.map(|kind| kind.frame_header(5).len()), [8, 4, 4, 4]);
    }

    #[test]
    fn scenes_name_only_what_is_on_their_stage() {
        for kind in Kind::ALL {
            let scene = kind.scene();
            assert_eq!(scene.kind, kind);
            let on_stage = |id: &str| scene.stage.iter().any(|part| part.id == id);
            for step in scene.steps {
                assert!(on_stage(&step.at), "{kind}: step {} is at {}", step.id, step.at);
                assert!(
                    step.to.as_deref().is_none_or(on_stage),
                    "{kind}: step {} goes to {:?}",
                    step.id,
                    step.to
                );
                assert_eq!(scene.steps.iter().filter(|other| other.id == step.id).count(), 1);
            }
            for wait in ["spin", "hybrid", "block"] {
                assert_eq!(scene.budgets.iter().filter(|budget| budget.wait == wait).count(), 1);
            }
        }
    }

    /// Where a process sleeps: in the queue of the call that waits, or of the part that its bytes go to.
    #[test]
    fn a_process_sleeps_where_its_call_waits_and_something_wakes_it() {
        for kind in Kind::ALL {
            let steps = kind.scene().steps;
            let effects = |step: &'static Step| step.effects.iter().map(move |effect| (step, effect));
            for (index, step) in steps.iter().enumerate() {
                for (_, effect) in effects(step) {
                    let Effect::Sleeps { at } = effect else { continue };
                    let call = steps[..=index]
                        .iter()
                        .rfind(|call| call.actor == step.actor && matches!(call.act, Act::Syscall { .. }))
                        .unwrap_or_else(|| panic!("{kind}: {} sleeps outside of a call", step.id));
                    let queue = call.to.as_ref().unwrap_or(&call.at);
                    // What the sender's bytes go to may hand them on; the queue is the last of them.
                    let handed = steps[..index].iter().rev().find_map(|step| step.to.as_ref());
                    let expected = if step.actor == Actor::Sender { handed.unwrap_or(queue) } else { queue };
                    assert_eq!(at, expected, "{kind}: {} sleeps in the wrong place", step.id);
                    let wakes = |(_, effect): (_, &Effect)| *effect == Effect::Wakes { process: step.actor };
                    assert!(
                        steps[index + 1..].iter().flat_map(effects).any(wakes),
                        "{kind}: nothing wakes {}",
                        step.id
                    );
                }
            }
        }
    }
}
