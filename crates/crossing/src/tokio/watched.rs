//! A descriptor that the runtime watches, and a task's turns.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::task::{Context, Poll};

use ::tokio::io::Interest;
use ::tokio::io::unix::AsyncFd;
use rustix::io::Errno;

use crate::descriptor::FIRST_FREE;

/// How many messages a task receives or sends without a wait before it yields to the others.
///
/// # Examples
/// ```
/// use crossing::tokio::TURNS;
///
/// // A task that receives a stream without end lets the others run after so many messages.
/// assert!(TURNS > 0);
/// ```
pub const TURNS: u32 = 512;

/// A descriptor in the runtime's set.
#[derive(Debug)]
enum Number {
    /// The half's own. It is taken out of the set before the half is dropped.
    Lent(RawFd),
    /// A copy: the half at the other side of the same socket is in the set already.
    Copy(OwnedFd),
}

impl AsRawFd for Number {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Number::Lent(number) => *number,
            Number::Copy(copy) => copy.as_raw_fd(),
        }
    }
}

/// A descriptor that the runtime watches. It must be dropped before the half that it belongs to.
#[derive(Debug)]
pub(super) struct WatchedFd {
    fd: AsyncFd<Number>,
    interest: Interest,
}

impl WatchedFd {
    pub(super) fn new(fd: BorrowedFd<'_>, interest: Interest) -> io::Result<WatchedFd> {
        let fd = match register(Number::Lent(fd.as_raw_fd()), interest) {
            Err(error) if error.raw_os_error() == Some(Errno::EXIST.raw_os_error()) => {
                register(Number::Copy(rustix::io::fcntl_dupfd_cloexec(fd, FIRST_FREE)?), interest)?
            }
            registered => registered?,
        };
        Ok(WatchedFd { fd, interest })
    }

    /// Waits until the descriptor may be ready. Poll it only after the half was armed: what it says is used up here, so the
    /// caller tries at once, and arms again before it comes back.
    pub(super) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = if self.interest == Interest::READABLE {
            self.fd.poll_read_ready(context)
        } else {
            self.fd.poll_write_ready(context)
        };
        polled.map_ok(|mut guard| guard.clear_ready())
    }
}

// Of the same meaning as what newer versions of tokio put in its place, which are unsafe: they ask for a number that stays the
// same file's, and it does, as long as the half or the copy is there.
#[allow(deprecated)]
fn register(number: Number, interest: Interest) -> io::Result<AsyncFd<Number>> {
    AsyncFd::with_interest(number, interest)
}

/// The turns of a task.
#[derive(Debug, Default)]
pub(super) struct Turns(u32);

impl Turns {
    /// Whether the next turn is this task's. Else it must [yield](Turns::give) first.
    #[inline(always)]
    pub(super) fn take(&mut self) -> bool {
        self.0 += 1;
        self.0 < TURNS
    }

    /// Lets other tasks run, if this one has had many turns: then it is pending, and runs again behind them.
    pub(super) fn give(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.0 < TURNS {
            return Poll::Ready(());
        }
        self.0 = 0;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
