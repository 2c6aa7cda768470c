//! The calls that neither std nor rustix offers as safe ones.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_long, c_uint};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::{Errno, FdFlags};
use rustix::ioctl::{Getter, Opcode, ioctl};
use rustix::process::{Pid, Resource, Signal};

/// Has `command` leave `fd` open in the child, under the same number, by a step between fork(2) and exec(2).
///
/// `fd` must stay open until the command is started.
pub(crate) fn keep_across_exec(command: &mut Command, fd: &OwnedFd) {
    let number = fd.as_raw_fd();
    let keep = move || {
        // SAFETY: `spawn` runs this in the child while `fd` is still open in the parent, so the number means
        // the same file.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        Ok(rustix::io::fcntl_setfd(fd, FdFlags::empty())?)
    };
    // SAFETY: between fork and exec the closure makes one system call and touches no memory of the parent.
    unsafe { command.pre_exec(keep) };
}

/// Has `command` put the descriptor that waits in `carrier` in the carrier's place, by a step
/// between fork(2) and exec(2): the child's program finds it open under that number. Taken out in
/// one child, it is in no other; then the step fails with ESTALE.
pub(crate) fn replace_before_exec(command: &mut Command, carrier: OwnedFd) {
    let mut carrier = carrier;
    let replace = move || {
        let fd = crate::descriptor::receive_one(&carrier)?.ok_or(Errno::STALE)?;
        // Under the new number it is not closed by exec(2).
        Ok(rustix::io::dup2(fd, &mut carrier)?)
    };
    // SAFETY: between fork and exec the closure makes system calls on descriptors of the child's own
    // table. It allocates nothing, takes no lock, and touches no memory of the parent but its own.
    unsafe { command.pre_exec(replace) };
}

/// Has `command` ask the kernel to be killed with the thread that starts it, by a step between
/// fork(2) and exec(2). A child whose parent has ended meanwhile is not started.
pub(crate) fn die_with_parent(command: &mut Command) -> io::Result<()> {
    let parent = own_pid()?;
    let ask = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        if rustix::process::getppid() == Some(parent) { Ok(()) } else { Err(Errno::SRCH.into()) }
    };
    // SAFETY: between fork and exec the closure makes two system calls and touches no memory of the parent.
    unsafe { command.pre_exec(ask) };
    Ok(())
}

/// A table of descriptors that no other thread shares: a copy of the one that this thread had shared until then.
///
/// It stays with the thread, so this cannot be sent to another.
pub(crate) struct OwnTable(PhantomData<*const ()>);

impl OwnTable {
    /// Gives the calling thread a table of its own. The thread must have been started for that, and end with it.
    pub(crate) fn new() -> Result<OwnTable, Errno> {
        const CLOSE_RANGE_UNSHARE: c_uint = 2;
        // Closes the last possible number, which is never open: the call is made for the table's
        // copy.
        close_range(c_uint::MAX, CLOSE_RANGE_UNSHARE)?;
        Ok(OwnTable(PhantomData))
    }

    /// Closes all of this table, which closes nothing in the table of the other threads.
    pub(crate) fn close_all(self) {
        // Without it the descriptors would be held until the thread ends.
        let _ = close_range(0, 0);
    }
}

/// Closes every descriptor from `first` on. See close_range(2).
fn close_range(first: c_uint, flags: c_uint) -> Result<(), Errno> {
    /// Alike on every architecture that Rust runs Linux on.
    const CLOSE_RANGE: c_long = 436;
    unsafe extern "C" {
        fn syscall(number: c_long, ...) -> c_long;
    }
    // SAFETY: the call takes three numbers. Its callers close nothing that others hold: no number is that high, or the
    // table is the thread's own.
    let done = unsafe { syscall(CLOSE_RANGE, first, c_uint::MAX, flags) };
    if done == 0 { Ok(()) } else { Err(last_errno()) }
}

/// The number of this process; an error where getpid(2) is refused.
pub(crate) fn own_pid() -> Result<Pid, Errno> {
    i32::try_from(std::process::id()).ok().and_then(Pid::from_raw).ok_or(Errno::NOSYS)
}

/// What RLIMIT_FSIZE or RLIMIT_NOFILE allows this process now; `None` where nothing is limited or nothing is told. rustix's
/// getrlimit takes the answer for given.
pub(crate) fn limit(resource: Resource) -> Option<u64> {
    #[cfg(any(target_pointer_width = "64", target_env = "musl"))]
    type Limit = u64;
    #[cfg(not(any(target_pointer_width = "64", target_env = "musl")))]
    type Limit = std::ffi::c_ulong;
    unsafe extern "C" {
        fn getrlimit(resource: c_int, limit: *mut [Limit; 2]) -> c_int;
    }
    let mut limit: [Limit; 2] = [Limit::MAX; 2];
    // SAFETY: the call writes two numbers of the C library's rlim_t, and `limit` is two of them.
    let done = unsafe { getrlimit(resource as c_int, &raw mut limit) };
    // Of the same type on most machines, but not on all.
    #[allow(clippy::unnecessary_cast)]
    let soft = limit[0] as u64;
    (done == 0 && limit[0] != Limit::MAX).then_some(soft)
}

/// Keeps every signal from the calling thread for good.
pub(crate) fn block_signals() {
    std::mem::forget(SignalsBlocked::new());
}

/// While this exists, the thread that made it takes no signal. A thread started meanwhile takes
/// none either, from its first instruction to its last, because it inherits the mask. See
/// pthread_sigmask(3).
pub(crate) struct SignalsBlocked {
    before: SignalSet,
    /// A mask is a thread's own, so this cannot be sent to another.
    here: PhantomData<*const ()>,
}

/// As large as the C library's own, on every architecture.
#[repr(C, align(8))]
struct SignalSet([u8; 128]);

const SIG_BLOCK: c_int = 0;
const SIG_SETMASK: c_int = 2;

unsafe extern "C" {
    fn sigfillset(set: *mut SignalSet) -> c_int;
    fn pthread_sigmask(how: c_int, set: *const SignalSet, before: *mut SignalSet) -> c_int;
}

impl SignalsBlocked {
    /// Blocks all that the C library does not need for itself.
    pub(crate) fn new() -> SignalsBlocked {
        let (mut all, mut before) = (SignalSet([0; 128]), SignalSet([0; 128]));
        // SAFETY: both calls read and write the sets only, and change the mask of this thread. Neither can fail: the pointers
        // and `how` are right.
        unsafe {
            sigfillset(&mut all);
            pthread_sigmask(SIG_BLOCK, &all, &mut before);
        }
        SignalsBlocked { before, here: PhantomData }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: the call reads the set that `new` was given, and changes the mask of the thread that it was given for: this value
        // cannot be sent to another. It cannot fail: the pointer and `how` are right.
        unsafe { pthread_sigmask(SIG_SETMASK, &self.before, std::ptr::null_mut()) };
    }
}

/// The user of the process at the other end of a Unix socket.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Credentials {
    /// 0 where it has no number in this process's namespace.
    pub(crate) pid: i32,
    pub(crate) uid: u32,
    gid: u32,
}

/// See unix(7), SO_PEERCRED. rustix has this call as well, and takes the pid for one that is never 0.
pub(crate) fn peer_credentials(socket: &OwnedFd) -> Result<Credentials, Errno> {
    const SOL_SOCKET: c_int =
        if cfg!(any(target_arch = "mips", target_arch = "mips64", target_arch = "sparc64")) {
            0xffff
        } else {
            1
        };
    const SO_PEERCRED: c_int = if cfg!(any(target_arch = "powerpc", target_arch = "powerpc64")) {
        21
    } else if cfg!(any(target_arch = "mips", target_arch = "mips64")) {
        18
    } else if cfg!(target_arch = "sparc64") {
        64
    } else {
        17
    };
    unsafe extern "C" {
        fn getsockopt(
            socket: c_int,
            level: c_int,
            name: c_int,
            value: *mut Credentials,
            len: *mut c_uint,
        ) -> c_int;
    }
    let mut credentials = Credentials { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut len = size_of::<Credentials>() as c_uint;
    // SAFETY: getsockopt(2) writes at most `len` bytes, which are there; any bytes are valid numbers.
    let done = unsafe {
        getsockopt(socket.as_raw_fd(), SOL_SOCKET, SO_PEERCRED, &raw mut credentials, &raw mut len)
    };
    if done == 0 { Ok(credentials) } else { Err(last_errno()) }
}

fn last_errno() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Lends what stands under `number`, which may be closed: then each call says `EBADF`.
pub(crate) fn with_number<T>(number: RawFd, look: impl FnOnce(BorrowedFd<'_>) -> T) -> T {
    // SAFETY: the number is lent while `look` runs and is not closed here. Those that stand in a variable are 3 or more, never the
    // minus one that is no descriptor.
    look(unsafe { BorrowedFd::borrow_raw(number) })
}

/// Takes the descriptor that the parent left under `number`.
///
/// The caller must see to it that it is the one, and that it is taken only once.
pub(crate) fn take_inherited(number: RawFd) -> Result<OwnedFd, Errno> {
    let flags = with_number(number, |fd| rustix::io::fcntl_getfd(fd))?;
    // SAFETY: open, and by the agreement between parent and child it is ours alone.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::io::fcntl_setfd(&fd, flags | FdFlags::CLOEXEC)?;
    Ok(fd)
}

/// How many bytes of a TCP stream the peer's kernel has not acknowledged, its end counted as one: SIOCOUTQ, see tcp(7).
pub(crate) fn unacknowledged_bytes(socket: &OwnedFd) -> Result<usize, Errno> {
    const SIOCOUTQ: Opcode = 0x5411;
    // SAFETY: on a socket the request writes one int, whatever the socket's state.
    let bytes = unsafe { ioctl(socket, Getter::<SIOCOUTQ, c_int>::new()) }?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// Makes a write to a closed pipe an error rather than a deadly signal, unless the program has said what it
/// wants.
///
/// Rust programs ignore SIGPIPE from their first instruction; this is for a program that is not Rust's own,
/// on a kernel before 6.18, which cannot be asked for each write.
pub(crate) fn ignore_sigpipe() {
    const SIGPIPE: c_int = 13;
    const SIG_DFL: usize = 0;
    const SIG_IGN: usize = 1;
    unsafe extern "C" {
        fn signal(number: c_int, action: usize) -> usize;
    }
    // SAFETY: signal(2) of the C library that std links; both actions are constants of its ABI, and no
    // handler is installed. A handler that was there is put back.
    unsafe {
        let before = signal(SIGPIPE, SIG_IGN);
        if before != SIG_DFL && before != SIG_IGN {
            signal(SIGPIPE, before);
        }
    }
}

/// One leaf of CPUID, and the first part of it where it has several.
#[cfg(target_arch = "x86_64")]
#[allow(unused_unsafe, reason = "Rust before 1.93 calls the instruction unsafe")]
pub(crate) fn cpuid(leaf: u32) -> std::arch::x86_64::CpuidResult {
    // SAFETY: every processor of this architecture has the instruction; it reads no memory.
    unsafe { std::arch::x86_64::__cpuid_count(leaf, 0) }
}
