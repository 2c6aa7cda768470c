//! The bell: the descriptor by which one end learns of news while it waits for many things at once.
//!
//! Shared memory has no descriptor of its own. So the two ends of a connection share a pair of Unix
//! stream sockets, one end each, which stands in for one:
//!
//! - it can be **read** from once there may be a message. The writer, which finds its reader armed,
//!   [rings](Bell::ring) by a byte; the reader [takes](Bell::hush) what was rung before it arms again;
//! - it can be **written** to once there may be room. A writer that arms [fills](Bell::fill) the socket with bytes
//!   that mean nothing; the reader, which finds its writer armed, [takes](Bell::hush) them all.
//!
//! So only a sending half writes to it, and only a receiving half reads from it; and the two halves
//! of an end can be waited for in two places, as those of any socket can. A byte says "look" and no
//! more: all that counts stands in the ring. A peer that rings for nothing, or does not ring, wastes
//! its own time and looks of this end; it cannot make a call wait, because none here does.
//! An end of the connection makes the socket ready for everything, for good.
//!
//! # References
//! unix(7); unix_poll() and unix_writable() in net/unix/af_unix.c of the kernel.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, sockopt};

use crate::descriptor::both_above_stdio;
use crate::error::ConnectError;

/// One end of a pair of bells.
#[derive(Debug)]
pub(super) struct Bell(OwnedFd);

/// What was found when a bell was hushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rung {
    /// Nothing.
    No,
    /// It was rung since it was last hushed.
    Yes,
    /// The other end is closed.
    Ended,
}

/// The most bytes that fill a socket whose buffer is as small as the kernel makes one.
const FILLING: [u8; 1 << 10] = [0; 1 << 10];

/// How often a socket is written to until it is full.
const WRITES: usize = 16;

impl Bell {
    /// Mine, and the descriptor of the peer's.
    pub(super) fn pair() -> Result<(Bell, OwnedFd), Errno> {
        let flags = SocketFlags::CLOEXEC;
        let pair = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        let (mine, theirs) = both_above_stdio(pair)?;
        Ok((Bell::small(mine)?, theirs))
    }

    /// The one that the peer has handed over. Another kind of file could make a call wait.
    pub(super) fn from_peer(fd: OwnedFd) -> Result<Bell, ConnectError> {
        let right = sockopt::socket_domain(&fd) == Ok(AddressFamily::UNIX)
            && sockopt::socket_type(&fd) == Ok(SocketType::STREAM)
            && sockopt::socket_acceptconn(&fd) == Ok(false);
        if !right {
            let why = "not a Unix stream socket".into();
            return Err(ConnectError::Refused { field: "bell", why });
        }
        Bell::small(fd).map_err(ConnectError::io("make a bell's buffer small"))
    }

    /// With the least buffer, which is soon full. The kernel makes it as large as it must be.
    fn small(fd: OwnedFd) -> Result<Bell, Errno> {
        sockopt::set_socket_send_buffer_size(&fd, 1)?;
        Ok(Bell(fd))
    }

    /// Makes the peer's bell readable. One that is full of filling is readable already.
    pub(super) fn ring(&self) {
        let _ = rustix::net::send(&self.0, &[0], SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    }

    /// Makes this bell not writable, until the peer hushes its own.
    pub(super) fn fill(&self) {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        for _ in 0..WRITES {
            match rustix::net::send(&self.0, &FILLING, flags) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    /// Takes what the peer has written: this bell is not readable any more, and the peer's is writable.
    pub(super) fn hush(&self) -> Rung {
        let mut rung = Rung::No;
        let mut buffer = [0; 4 << 10];
        // A peer that rings faster than this takes leaves the bell readable: the caller looks once more.
        for _ in 0..WRITES {
            match rustix::net::recv(&self.0, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((0, _)) => return Rung::Ended,
                Ok(_) => rung = Rung::Yes,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return rung,
                Err(_) => return Rung::Ended,
            }
        }
        rung
    }

    /// Makes it ready for everything, for good: the connection has ended.
    pub(super) fn end(&self) {
        // ENOTCONN once the peer has gone.
        let _ = rustix::net::shutdown(&self.0, Shutdown::Both);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    /// Whether poll(2) returns for one that waits to read from it, and to write to it.
    fn ready(bell: &Bell) -> (bool, bool) {
        let mut fds = [PollFd::new(bell, PollFlags::IN | PollFlags::OUT)];
        poll(&mut fds, Some(&Timespec::default())).unwrap();
        // That a socket has hung up is told whatever is asked for.
        let told = |what| fds[0].revents().intersects(what | PollFlags::HUP);
        (told(PollFlags::IN), told(PollFlags::OUT))
    }

    fn pair() -> (Bell, Bell) {
        let (mine, theirs) = Bell::pair().unwrap();
        (mine, Bell::from_peer(theirs).unwrap())
    }

    #[test]
    fn a_bell_is_readable_from_ringing_until_hushing() {
        let (mine, theirs) = pair();
        assert_eq!((ready(&mine), theirs.hush()), ((false, true), Rung::No));
        mine.ring();
        mine.ring();
        assert_eq!(ready(&theirs), (true, true));
        assert_eq!((theirs.hush(), theirs.hush()), (Rung::Yes, Rung::No));
        assert_eq!(ready(&theirs), (false, true));
    }

    #[test]
    fn a_bell_is_writable_from_the_peers_hushing_until_filling() {
        let (mine, theirs) = pair();
        for _ in 0..3 {
            mine.fill();
            assert_eq!(ready(&mine), (false, false));
            // It can be rung all the same.
            theirs.ring();
            assert_eq!((ready(&mine), mine.hush()), ((true, false), Rung::Yes));
            mine.ring();
            assert_eq!(ready(&theirs), (true, true));
            assert_eq!(theirs.hush(), Rung::Yes);
            assert_eq!(ready(&mine), (false, true));
        }
    }

    #[test]
    fn an_end_makes_both_bells_ready() {
        let (mine, theirs) = pair();
        mine.fill();
        theirs.fill();
        theirs.end();
        assert_eq!(ready(&theirs), (true, true));
        assert!(ready(&mine).0);
        let (mine, theirs) = pair();
        mine.fill();
        drop(theirs);
        assert_eq!((ready(&mine), mine.hush()), ((true, true), Rung::Ended));
    }

    #[test]
    fn another_file_is_no_bell() {
        let (reading, _writing) = rustix::pipe::pipe().unwrap();
        let packets = crate::descriptor::packet_pair().unwrap().0;
        for fd in [reading, packets] {
            let error = Bell::from_peer(fd).unwrap_err().to_string();
            assert!(error.contains("not a Unix stream socket"), "{error}");
        }
    }
}
