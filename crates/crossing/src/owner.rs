//! The owner: the process that made a thing.
//!
//! A child that was forked holds copies of everything its parent has. What it drops must not end what goes on in the parent:
//! shutdown(2), and the table of an epoll, reach through a copied descriptor.

use rustix::process::{Pid, getpid};

/// The process that made a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner(Pid);

impl Owner {
    /// This process.
    pub(crate) fn me() -> Owner {
        Owner(getpid())
    }

    /// Whether this process is it. Asks the kernel.
    pub(crate) fn is_me(self) -> bool {
        self == Owner::me()
    }
}
