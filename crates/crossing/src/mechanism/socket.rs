//! The common part of the two stream sockets: one socket that two halves use, and the record of how
//! it ended.
//!
//! The two halves share how their connection ended. The kernel reports a reset once, to the first
//! call, and an end of the stream or EPIPE to all later ones; the two halves may be in two threads.
//! So the half that sees the reset records it where the other half looks.
//!
//! # References
//! tcp_reset() in net/ipv4/tcp_input.c, tcp_recvmsg() in net/ipv4/tcp.c, unix_release_sock() in net/unix/af_unix.c.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, sockopt};

use super::farewell::{drain, is_over};
use crate::frame::{Cut, Wire};
use crate::kind::Kind;
use crate::owner::Owner;
use crate::tuning;

/// A call was told that the connection was reset.
const RESET: u8 = 1;
/// This end has sent the end of its own stream.
const SHUT: u8 = 2;
/// This end gives up what it has not sent, or has hung up: there is nothing to wait for when it closes.
const GIVEN_UP: u8 = 4;

/// How often one half looks for what the other was told and is about to write down.
const LOOKS: u32 = 256;

/// A connected stream socket. The last half to go closes it.
#[derive(Debug)]
pub(crate) struct SocketStream {
    socket: OwnedFd,
    tcp: bool,
    /// How long a TCP connection may take over its farewell.
    linger: Duration,
    known: AtomicU8,
    owner: Owner,
}

impl SocketStream {
    /// Both halves of a socket: what writes, and what reads.
    pub(crate) fn halves(
        socket: OwnedFd,
        kind: Kind,
        linger: Duration,
        owner: Owner,
    ) -> (SocketHalf, SocketHalf) {
        let (tcp, known) = (kind.can_be_reset(), AtomicU8::new(0));
        let stream = Arc::new(SocketStream { socket, tcp, linger, known, owner });
        let half = |stream, way| SocketHalf { stream, way };
        (half(stream.clone(), Shutdown::Write), half(stream, Shutdown::Read))
    }

    fn note(&self, what: u8) {
        // Nothing else is published by it.
        self.known.fetch_or(what, Ordering::Relaxed);
    }

    fn is_known(&self, what: u8) -> bool {
        self.known.load(Ordering::Relaxed) & what != 0
    }

    /// The meaning of a TCP stream's end, or of EPIPE: the proper end of what the peer sent, or the
    /// trace of a reset that the other half was told of.
    #[cold]
    fn cut_of_tcp(&self) -> Cut {
        if is_over(&self.socket) && !self.is_known(RESET) {
            match sockopt::socket_error(&self.socket) {
                // A reset behind the peer's end of the stream: nothing is missing before that.
                Ok(Err(Errno::PIPE)) => return Cut::Gone,
                Ok(Err(_)) => self.note(RESET),
                // The other half was told, and is about to write it down; or both streams came to their ends.
                _ => {
                    let open = |_: &u32| !self.is_known(RESET | SHUT);
                    (0..LOOKS).take_while(open).for_each(|_| thread::yield_now());
                }
            }
        }
        if self.is_known(RESET) { Cut::Reset } else { Cut::Gone }
    }
}

impl Drop for SocketStream {
    fn drop(&mut self) {
        if self.tcp && self.owner.is_me() && !self.is_known(RESET | GIVEN_UP) {
            // A panic is not held up: what has not arrived by now may be lost, and the peer is told so.
            let limit = if thread::panicking() { Duration::ZERO } else { self.linger };
            drain(&self.socket, limit);
        }
    }
}

/// One direction of a stream socket.
#[derive(Debug)]
pub struct SocketHalf {
    stream: Arc<SocketStream>,
    way: Shutdown,
}

impl Wire for SocketHalf {
    const LINE_BYTES: usize = tuning::SOCKET_LINE_BYTES;

    #[inline]
    fn read(&mut self, buffer: &mut [u8], now: bool) -> Result<usize, Errno> {
        let flags = if now { RecvFlags::DONTWAIT } else { RecvFlags::empty() };
        rustix::net::recv(&self.stream.socket, buffer, flags).map(|(bytes, _)| bytes)
    }

    #[inline]
    fn write(&mut self, bytes: &[u8], now: bool) -> Result<usize, Errno> {
        let flags = if now { SendFlags::DONTWAIT } else { SendFlags::empty() };
        rustix::net::send(&self.stream.socket, bytes, flags | SendFlags::NOSIGNAL)
    }

    fn write_parts(&mut self, parts: &[IoSlice<'_>], now: bool) -> Result<usize, Errno> {
        let flags = if now { SendFlags::DONTWAIT } else { SendFlags::empty() };
        let nothing = &mut SendAncillaryBuffer::default();
        rustix::net::sendmsg(&self.stream.socket, parts, nothing, flags | SendFlags::NOSIGNAL)
    }

    fn cut(&self, errno: Errno) -> Option<Cut> {
        match errno {
            Errno::PIPE => Some(self.cut_at_end()),
            // Everything that a Unix socket's peer had written is in our queue, even if it left
            // messages unread itself.
            Errno::CONNRESET if !self.stream.tcp => Some(Cut::Gone),
            // tcp(7): a reset, an abort, or a time without an answer, which the network may have explained.
            Errno::CONNRESET
            | Errno::CONNABORTED
            | Errno::TIMEDOUT
            | Errno::NETRESET
            | Errno::CONNREFUSED
            | Errno::HOSTUNREACH
            | Errno::NETUNREACH
            | Errno::HOSTDOWN
            | Errno::NETDOWN => {
                self.stream.note(RESET);
                Some(Cut::Reset)
            }
            _ => None,
        }
    }

    fn cut_at_end(&self) -> Cut {
        if self.stream.tcp { self.stream.cut_of_tcp() } else { Cut::Gone }
    }

    fn unread_bytes(&self) -> Result<usize, Errno> {
        rustix::io::ioctl_fionread(&self.stream.socket).map(|bytes| bytes as usize)
    }

    fn buffer_bytes(&self) -> Result<usize, Errno> {
        sockopt::socket_send_buffer_size(&self.stream.socket)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.stream.socket.as_fd()
    }

    fn unix_socket(&self) -> Option<BorrowedFd<'_>> {
        (!self.stream.tcp).then(|| self.stream.socket.as_fd())
    }

    fn close(&mut self, clean: bool) {
        if !clean {
            self.stream.note(GIVEN_UP);
        }
        match self.way {
            // TCP has no word for it, and would answer what comes then by a reset.
            Shutdown::Read if self.stream.tcp => return,
            Shutdown::Read => {}
            _ => self.stream.note(SHUT),
        }
        // ENOTCONN when the peer was first.
        let _ = rustix::net::shutdown(&self.stream.socket, self.way);
    }

    fn hang_up(&mut self) {
        self.stream.note(SHUT | GIVEN_UP);
        let _ = rustix::net::shutdown(&self.stream.socket, Shutdown::Both);
    }
}
