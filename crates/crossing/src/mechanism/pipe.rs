//! A pipe each way.
//!
//! **One message.** The sender's write(2) copies the frame into pages of the kernel; the receiver's read(2) copies it out
//! again. Two calls, two copies: that is the price of the wall between the two. A message that is longer than a line goes by writev(2):
//! its header and the message stand in two places.
//!
//! **The kernel's buffer** is a ring of 16 slots of a page each (pipe(7); F_GETPIPE_SZ says 64
//! KiB). Small writes share a slot. When all are used the writer sleeps, and is woken when the
//! reader has emptied enough. A message of 64 KiB does not fit with its header: for such messages
//! ask for more ([`Config::capacity_bytes`](crate::Config::capacity_bytes)).
//!
//! **Waiting.** A sleeping reader is woken by the write. A spinning end makes its descriptor non-blocking and asks again and
//! again; each empty answer is a system call.
//!
//! **Meeting.** A pipe has one direction, so each side makes one, keeps the writing end, and sends the reading end over the
//! rendezvous, a Unix packet socket, which is then closed. The pipes tell of a death by themselves: end of
//! file, EPIPE.
//!
//! # References
//! pipe(7), fs/pipe.c of the kernel. RWF_NOSIGNAL (Linux 6.18) in include/uapi/linux/fs.h.

use std::fs;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::{DupFlags, Errno, ReadWriteFlags};
use rustix::pipe::PipeFlags;

use crate::config::Config;
use crate::descriptor::{above_stdio, both_above_stdio};
use crate::error::ConnectError;
use crate::frame::receiver::FrameReceiver;
use crate::frame::sender::FrameSender;
use crate::frame::{Cut, Wire};
use crate::halves::{Halves, Mechanism};
use crate::hello::{self, Hello};
use crate::kind::Kind;
use crate::owner::{self, Owner};
use crate::packet::{expect, recv_hello, recv_packet, send_hello, send_packet};
use crate::peer::Identity;
#[cfg(feature = "scene")]
use crate::scene::{Act, Actor, Budget, Effect, Form, Part, ROOM, SceneDesign, Step};
use crate::tuning;
use crate::wait::only_core;

/// A pipe each way.
///
/// # Examples
/// ```
/// use crossing::{Config, Connection, Kind, Pipe};
///
/// let (mut here, mut there) = Connection::<Pipe>::pair_as(Kind::Pipe, &Config::default())?;
/// here.send(b"by write(2)")?;
/// assert_eq!(there.recv(&mut [0; 64])?, 11);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Pipe;

impl Mechanism for Pipe {
    type Outbound = FrameSender<PipeEnd>;
    type Inbound = FrameReceiver<PipeEnd>;

    const KIND: Option<Kind> = Some(Kind::Pipe);

    fn open(kind: Kind, rendezvous: OwnedFd, config: &Config) -> Result<Halves<Self>, ConnectError> {
        let shaken = shake(rendezvous.as_fd(), kind, config);
        let PipeHandshake { hello, peer, identity, mine, inbound, owner } =
            hello::telling(&rendezvous, kind, shaken)?;
        let inbound = match own_description(&inbound) {
            Ok(own) => PipeEnd::new(own),
            Err(_) => PipeEnd { shared: true, ..PipeEnd::new(inbound) },
        };
        let max_message = config.max_message.min(peer.max_message);
        Ok(Halves::<Self> {
            outbound: FrameSender::new(PipeEnd::new(mine), max_message, owner),
            inbound: FrameReceiver::new(inbound, max_message, owner),
            one_core: hello.shares_core(&peer),
            owner,
            identity,
        })
    }
}

/// The packet that carries the reading end of this side's pipe.
const PIPE: [u8; 1] = [b'P'];
/// The packet that says that this side has checked the peer's.
const READY: [u8; 1] = [b'!'];

/// The result of a handshake.
struct PipeHandshake {
    hello: Hello,
    peer: Hello,
    identity: Identity,
    mine: OwnedFd,
    inbound: OwnedFd,
    owner: Owner,
}

/// The handshake: hellos, reading ends, and each side's word that it is ready.
fn shake(rendezvous: BorrowedFd<'_>, kind: Kind, config: &Config) -> Result<PipeHandshake, ConnectError> {
    let deadline = config.connect_deadline();
    let owner = Owner::me().map_err(ConnectError::io(owner::NOTICING))?;
    let hello = Hello { max_message: config.max_message, core: only_core(), ..Hello::bare(kind) };
    send_hello(rendezvous, hello, deadline)?;
    let (peer, from) = recv_hello(rendezvous, kind, deadline)?;
    let identity = Identity(from);
    let (theirs, mine) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)
        .and_then(both_above_stdio)
        .map_err(ConnectError::io("make a pipe"))?;
    if let Some(wanted) = config.capacity_bytes {
        resize(&mine, wanted);
    }
    send_packet(rendezvous, &PIPE, &[theirs.as_fd()], deadline)?;
    drop(theirs);
    let (word, [inbound]) = recv_packet(rendezvous, deadline)?;
    expect(word, PIPE)?;
    check_reading_end(&inbound)?;
    send_packet(rendezvous, &READY, &[], deadline)?;
    let (word, []) = recv_packet(rendezvous, deadline)?;
    expect(word, READY)?;
    Ok(PipeHandshake { hello, peer, identity, mine, inbound, owner })
}

/// Makes the pipe as large as is wanted and allowed. The kernel refuses more than an unprivileged
/// user may have (pipe-max-size, 1 MiB unless the administrator says otherwise); then the pipe gets
/// that maximum.
fn resize(pipe: &OwnedFd, wanted: usize) {
    if rustix::pipe::fcntl_setpipe_size(pipe, wanted).is_ok() {
        return;
    }
    let most = fs::read_to_string("/proc/sys/fs/pipe-max-size");
    if let Some(most) = most.ok().and_then(|most| most.trim().parse().ok()) {
        // Refused again where the user's pipes hold all the pages that they may: it stays as it is.
        let _ = rustix::pipe::fcntl_setpipe_size(pipe, wanted.min(most));
    }
}

/// Checks that the peer sent a pipe, open for reading: anything else could be made to block or to
/// lie.
fn check_reading_end(fd: &OwnedFd) -> Result<(), ConnectError> {
    let stat = rustix::fs::fstat(fd).map_err(ConnectError::io("look at the peer's pipe"))?;
    let flags = rustix::fs::fcntl_getfl(fd).map_err(ConnectError::io("look at the peer's pipe"))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Fifo {
        return Err(ConnectError::Refused { field: "file type", why: "not a pipe".into() });
    }
    if flags & OFlags::RWMODE != OFlags::RDONLY {
        return Err(ConnectError::Refused {
            field: "file type",
            why: "not the reading end of a pipe".into(),
        });
    }
    Ok(())
}

/// Opens the reading end once more. The one that came shares its flags with whatever copy the peer has kept,
/// and a peer that changes them could make a call wait that may not. Fails without /proc, and on a pipe of
/// another user.
fn own_description(fd: &OwnedFd) -> Result<OwnedFd, Errno> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
        .and_then(above_stdio)
}

/// RWF_NOSIGNAL: no SIGPIPE for this write. Since Linux 6.18.
const NO_SIGNAL: ReadWriteFlags = ReadWriteFlags::from_bits_retain(0x100);

/// How a write to a pipe is kept from raising SIGPIPE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quiet {
    /// Each write says so.
    PerWrite,
    /// The signal is ignored in this process, so that a plain write will do, which is the cheaper call.
    Ignored,
}

impl Quiet {
    /// A Rust program ignores the signal from its start, unless it has said otherwise by the time it connects.
    fn find(fd: &OwnedFd) -> Quiet {
        if is_ignored(&fs::read_to_string("/proc/self/status").unwrap_or_default()) {
            return Quiet::Ignored;
        }
        // A write of nothing: a kernel that knows the flag takes it, another says EOPNOTSUPP or EINVAL. On
        // the reading end it is EBADF, and does not matter.
        match rustix::io::pwritev2(fd, &[], u64::MAX, NO_SIGNAL) {
            Ok(_) | Err(Errno::BADF) => Quiet::PerWrite,
            Err(_) => {
                crate::sys::ignore_sigpipe();
                Quiet::Ignored
            }
        }
    }
}

/// Whether a process with this /proc/PID/status ignores SIGPIPE, which is signal 13. See proc_pid_status(5).
fn is_ignored(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << 12) != 0)
}

/// One end of one pipe.
#[derive(Debug)]
pub struct PipeEnd {
    fd: OwnedFd,
    /// Whether this end has hung up, and what `fd` was is closed.
    hung_up: bool,
    /// Whether the descriptor is non-blocking at the moment. It follows the calls: alternating
    /// forms cost one more call for each change.
    non_blocking: bool,
    /// Whether another process may change the descriptor's flags: then each call itself states that
    /// it may not wait.
    shared: bool,
    quiet: Quiet,
}

impl PipeEnd {
    fn new(fd: OwnedFd) -> PipeEnd {
        let quiet = Quiet::find(&fd);
        let non_blocking = rustix::fs::fcntl_getfl(&fd).is_ok_and(|flags| flags.contains(OFlags::NONBLOCK));
        PipeEnd { fd, hung_up: false, non_blocking, shared: false, quiet }
    }

    #[inline]
    fn mode(&mut self, non_blocking: bool) -> Result<BorrowedFd<'_>, Errno> {
        if self.hung_up {
            return Err(Errno::PIPE);
        }
        if self.non_blocking != non_blocking {
            let flags = if non_blocking { OFlags::NONBLOCK } else { OFlags::empty() };
            rustix::fs::fcntl_setfl(&self.fd, flags)?;
            self.non_blocking = non_blocking;
        }
        Ok(self.fd.as_fd())
    }
}

impl Wire for PipeEnd {
    const LINE_BYTES: usize = tuning::PIPE_LINE_BYTES;

    #[inline]
    fn read(&mut self, buffer: &mut [u8], now: bool) -> Result<usize, Errno> {
        if self.shared && now && !self.hung_up {
            let read = &mut [IoSliceMut::new(buffer)];
            match rustix::io::preadv2(&self.fd, read, u64::MAX, ReadWriteFlags::NOWAIT) {
                // Pipes know the flag since Linux 6.5.
                Err(Errno::OPNOTSUPP) => self.shared = false,
                outcome => return outcome,
            }
        }
        rustix::io::read(self.mode(now)?, buffer)
    }

    #[inline]
    fn write(&mut self, bytes: &[u8], now: bool) -> Result<usize, Errno> {
        let quiet = self.quiet;
        let fd = self.mode(now)?;
        match quiet {
            Quiet::PerWrite => rustix::io::pwritev2(fd, &[IoSlice::new(bytes)], u64::MAX, NO_SIGNAL),
            Quiet::Ignored => rustix::io::write(fd, bytes),
        }
    }

    fn write_parts(&mut self, parts: &[IoSlice<'_>], now: bool) -> Result<usize, Errno> {
        let quiet = self.quiet;
        let fd = self.mode(now)?;
        match quiet {
            Quiet::PerWrite => rustix::io::pwritev2(fd, parts, u64::MAX, NO_SIGNAL),
            Quiet::Ignored => rustix::io::writev(fd, parts),
        }
    }

    fn cut(&self, errno: Errno) -> Option<Cut> {
        (errno == Errno::PIPE).then_some(Cut::Gone)
    }

    fn cut_at_end(&self) -> Cut {
        Cut::Gone
    }

    fn unread_bytes(&self) -> Result<usize, Errno> {
        rustix::io::ioctl_fionread(&self.fd).map(|bytes| bytes as usize)
    }

    fn buffer_bytes(&self) -> Result<usize, Errno> {
        rustix::pipe::fcntl_getpipe_size(&self.fd)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn close(&mut self, _clean: bool) {
        // Dropping it says all that a pipe can say.
    }

    fn hang_up(&mut self) {
        self.hung_up = true;
        // The peer is told by the close of this end; a poll finds something that is always ready. Where nothing can be
        // opened, the peer is told by the drop.
        let nothing = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
        let _ = nothing.and_then(|nothing| rustix::io::dup3(nothing, &mut self.fd, DupFlags::CLOEXEC));
    }
}

/// The story of one message through a pipe.
#[cfg(feature = "scene")]
pub(crate) static SCENE: SceneDesign = SceneDesign {
    kind: Kind::Pipe,
    stage: &[
        Part::process(Actor::Sender),
        Part::kernel("buffer", Form::Buffer { slots: 16 }, "pipe buffer: 16 slots of a page"),
        Part::kernel("back", Form::Buffer { slots: 16 }, "a second pipe, for the way back"),
        Part::process(Actor::Receiver),
    ],
    steps: &[
        Step::waits("read", "buffer", "The receiver calls read(); the pipe is empty."),
        Step::sleep("It sleeps in the kernel until bytes arrive.")
            .effects(const { &[Effect::sleeps("buffer")] }),
        Step::sender(
            "write",
            Act::syscall("write"),
            "sender",
            "The sender calls write() with the framed message. writev() sends one longer than 64 KiB \
             from the program's own memory.",
        )
        .to("buffer"),
        Step::full(
            "The pipe is full: the sender sleeps until the receiver has made room. Of a message longer \
             than the pipe, what fits is copied before.",
        )
        .effects(const { &[Effect::add_fitting("pipe_bytes"), Effect::sleeps("buffer")] }),
        Step::copy("copy-in", "buffer", "The kernel copies the bytes into a slot of the pipe.")
            .effects(const { &[Effect::add("pipe_bytes")] }),
        Step::wake(),
        Step::receiver(
            "read",
            Act::syscall("read"),
            "buffer",
            "The receiver is in read(), which finds the bytes.",
        )
        .to("receiver"),
        Step::copy("copy-out", "receiver", "The kernel copies them into the receiver's memory.")
            .effects(const { &[Effect::take_read("pipe_bytes"), ROOM] }),
    ],
    budgets: &Budget::IN_AND_OUT,
    duplex: false,
    cross_host: false,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_end_does_not_wait_whatever_its_flags() {
        let (reading, writing) = rustix::pipe::pipe().unwrap();
        let copy = reading.try_clone().unwrap();
        let mut end = PipeEnd { shared: true, ..PipeEnd::new(reading) };
        for _ in 0..2 {
            assert_eq!(end.read(&mut [0; 8], true), Err(Errno::AGAIN));
            rustix::fs::fcntl_setfl(&copy, OFlags::empty()).unwrap();
        }
        rustix::io::write(&writing, b"four").unwrap();
        assert_eq!(end.read(&mut [0; 8], true), Ok(4));
    }
}
