//! Birth: a child is started, and is given descriptors that none of its siblings gets.
//!
//! A descriptor is inherited when its close-on-exec flag is off. The flag stands in the table of descriptors that the threads of
//! a process share; were it cleared there, a child that another thread starts at that moment would inherit the
//! descriptor too. It can be cleared after a fork(2), in the child (`pre_exec` of std), but a fork copies the tables of the parent's
//! memory: a child of a process with 4 GiB takes a hundred milliseconds and more.
//!
//! So a thread is started that makes the table its own (close_range(2) with `CLOSE_RANGE_UNSHARE`, which containers allow
//! where they refuse unshare(2)), clears the flag there, and starts the child the quick way, by posix_spawn(3), which borrows the
//! parent's memory until the child's program runs. Pipes to the child that the command asks for are made in that table, and
//! are passed back over a socket.
//!
//! **The thread stays as long as the child**, asleep and without any descriptor but one of its child (a
//! pidfd). The kernel takes the thread that made a child for its parent: a child that has asked to be killed when its parent dies (prctl(2), `PR_SET_PDEATHSIG`) would be
//! killed when this thread ends.
//!
//! If the thread or its own table cannot be made, the child is started by fork(2). A child that is
//! to die with its parent is not: this thread would be its parent.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, Command};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, FdFlags};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open};

use crate::descriptor::{self, FIRST_FREE};
use crate::sys::OwnTable;

/// A child to start. Its descriptors belong to the table that the threads of this process share,
/// and are closed there.
pub(super) struct SpawnOrder {
    pub(super) command: Command,
    /// What the child inherits. Their numbers are above those of standard input, output and error.
    pub(super) inherited: Vec<OwnedFd>,
    /// Whether the child is killed when this process ends.
    pub(super) dies_with_parent: bool,
}

/// Carries an order out. This process keeps nothing of what the child inherits.
pub(super) fn spawn(order: SpawnOrder) -> io::Result<Child> {
    debug_assert!(order.inherited.iter().all(|fd| fd.as_raw_fd() >= FIRST_FREE));
    let mut order = order;
    if order.dies_with_parent {
        crate::sys::die_with_parent(&mut order.command)?;
    }
    // The way of the pipes to the child, from one table to the other.
    let (here, there) = descriptor::packet_pair()?;
    let work = Arc::new(Mutex::new(Some((order, there))));
    let take = |work: &Mutex<Option<_>>| work.lock().unwrap_or_else(PoisonError::into_inner).take();
    let (tell, told) = sync_channel(1);
    let theirs = work.clone();
    let thread = thread::Builder::new().name("crossing-child".into()).spawn(move || {
        let Ok(table) = OwnTable::new() else { return };
        let Some((mut order, line)) = take(&theirs) else { return };
        let born = bear(&mut order, &line);
        let pid = born.as_ref().ok().map(Pid::from_child);
        // The child has begun with the signals that this thread could take, which are the caller's. From now on there is nothing
        // left here that a handler could write to.
        crate::sys::block_signals();
        table.close_all();
        // Before the child can be reaped, after which its number may be another's.
        let end = pid.map(|pid| (pid, pidfd_open(pid, PidfdFlags::empty())));
        // The thread that waits for it lends its table to what is closed here.
        let _ = tell.send((order, line, born));
        drop(tell);
        if let Some((pid, pidfd)) = end {
            stay(pid, pidfd);
        }
    });
    if let Some((_order, _line, born)) = thread.is_ok().then(|| told.recv().ok()).flatten() {
        return adopt(born?, here);
    }
    match take(&work) {
        Some((order, _)) if order.dies_with_parent => {
            drop(order);
            Err(io::Error::other("cannot start the thread that a child needs which dies with its parent"))
        }
        Some((order, _)) => by_fork(order),
        None => Err(io::Error::other("the thread that starts a child has panicked")),
    }
}

/// In a table of descriptors of this thread's own: starts the child, and sends off the pipes to it.
fn bear(order: &mut SpawnOrder, line: &OwnedFd) -> io::Result<Child> {
    for fd in &order.inherited {
        rustix::io::fcntl_setfd(fd, FdFlags::empty())?;
    }
    let mut child = order.command.spawn()?;
    let pipes = [
        child.stdin.take().map(OwnedFd::from),
        child.stdout.take().map(OwnedFd::from),
        child.stderr.take().map(OwnedFd::from),
    ];
    let bytes = pipes.each_ref().map(|pipe| u8::from(pipe.is_some()));
    let fds: Vec<_> = pipes.iter().flatten().map(AsFd::as_fd).collect();
    descriptor::send(line, &bytes, &fds).or_else(|errno| end(&mut child, errno))?;
    Ok(child)
}

/// In the table that the threads share: the child with the pipes to it.
fn adopt(mut child: Child, line: OwnedFd) -> io::Result<Child> {
    let mut bytes = [0; 3];
    let fds = match descriptor::receive(&line, &mut bytes) {
        Ok(came) => came.fds,
        Err(errno) => return end(&mut child, errno).map(|()| child),
    };
    if fds.len() != bytes.iter().filter(|byte| **byte == 1).count() {
        // The kernel has left out what has no place in this process's table.
        end(&mut child, Errno::MFILE)?;
    }
    let mut fds = fds.into_iter();
    let mut next = |there: u8| if there == 1 { fds.next() } else { None };
    child.stdin = next(bytes[0]).map(Into::into);
    child.stdout = next(bytes[1]).map(Into::into);
    child.stderr = next(bytes[2]).map(Into::into);
    Ok(child)
}

/// A child to which there is no way is no child.
fn end(child: &mut Child, errno: Errno) -> io::Result<()> {
    // Fails only for a child that is gone already.
    let _ = child.kill();
    child.wait()?;
    Err(errno.into())
}

/// Sleeps until the child has ended, and leaves the reaping to the owner of the `Child`.
///
/// Not by waitid(2) where the kernel gives a pidfd: another thread of this process may trace the child (ptrace(2)), and a wait would
/// be told of each of its stops, before that thread is.
fn stay(child: Pid, pidfd: Result<OwnedFd, Errno>) {
    if let Ok(pidfd) = pidfd {
        let mut ended = [PollFd::new(&pidfd, PollFlags::IN)];
        while let Ok(0) | Err(Errno::INTR) = poll(&mut ended, None) {}
        return;
    }
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    // ECHILD: it was reaped meanwhile.
    while let Err(Errno::INTR) = rustix::process::waitid(WaitId::Pid(child), ended) {}
}

/// The slow way, which needs no thread.
fn by_fork(order: SpawnOrder) -> io::Result<Child> {
    let SpawnOrder { mut command, inherited, .. } = order;
    for fd in &inherited {
        crate::sys::keep_across_exec(&mut command, fd);
    }
    command.spawn()
}
