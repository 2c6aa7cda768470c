//! The farewell of a TCP connection: what was sent arrives before the socket is closed.
//!
//! A TCP socket that is closed with bytes unread, or that gets bytes after it was closed, answers
//! with a reset; and a reset throws away whatever the peer's kernel has not acknowledged yet. So
//! the last half to go waits until all that was sent is acknowledged: it is then in the peer's
//! queue, which no reset empties. Until then it reads and throws away what still comes, so that
//! neither end waits for the other. The wait is mostly nothing: a peer that reads, or that is about
//! to close too, acknowledges at once; one that does neither, within the 40 ms that TCP may delay
//! an acknowledgement. It is bounded by [`Config::linger`](crate::Config::linger): a stopped peer
//! with full buffers cannot delay the drop for longer, and a panic never waits.
//!
//! # References
//! RFC 1122, 4.2.2.13 (closing a connection); RFC 2525, 2.17; tcp_close() in net/ipv4/tcp.c of the kernel.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::RecvFlags;

use crate::sys::unacknowledged_bytes;

/// The end of the stream counts as a byte of it.
const END_OF_STREAM: usize = 1;

/// The most that is discarded between two readings of the clock, in reads of a buffer.
const READS: usize = 64;

/// Waits until the peer's kernel has all that was sent, or for `limit`.
pub(super) fn drain(socket: &OwnedFd, limit: Duration) {
    let began = Instant::now();
    let mut pause = Duration::from_micros(20);
    while !is_over(socket) && unacknowledged_bytes(socket).is_ok_and(|bytes| bytes > END_OF_STREAM) {
        // At least once, even if no time is left: bytes left unread make the kernel reset the
        // connection.
        let gone = discard(socket).is_err();
        let left = limit.saturating_sub(began.elapsed());
        if gone || left.is_zero() {
            return;
        }
        crate::pause::pause(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(2));
    }
}

/// Whether a connection is no more: both streams have come to their ends, or it was reset. Any other socket still knows its
/// peer.
pub(super) fn is_over(socket: &OwnedFd) -> bool {
    rustix::net::getpeername(socket) == Err(Errno::NOTCONN)
}

/// Throws away what has come. An error when the connection is no more.
fn discard(socket: &OwnedFd) -> Result<(), Errno> {
    let mut buffer = [0; 16 << 10];
    for _ in 0..READS {
        match rustix::net::recv(socket, &mut buffer[..], RecvFlags::DONTWAIT) {
            Ok((0, _)) | Err(Errno::AGAIN) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
