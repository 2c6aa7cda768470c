//! The calls that neither std nor rustix offers as safe ones.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_long, c_uint, c_void};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::{Errno, FdFlags};
use rustix::ioctl::{Getter, Opcode, ioctl};
use rustix::net::sockopt;
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

/// Has `command` put the descriptor that `take` takes out of `carrier` in the carrier's place, by a
/// step between fork(2) and exec(2): the child's program finds it open under that number. Taken out
/// in one child, it is in no other; then the step fails with ESTALE.
///
/// `take` must not allocate.
pub(crate) fn replace_before_exec(
    command: &mut Command,
    carrier: OwnedFd,
    take: fn(&OwnedFd) -> Result<Option<OwnedFd>, Errno>,
) {
    let mut carrier = carrier;
    let replace = move || {
        let fd = take(&carrier)?.ok_or(Errno::STALE)?;
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

/// The effective user of this process; an error where geteuid(2) is refused, whose answer rustix takes for given.
pub(crate) fn own_user() -> Result<u32, Errno> {
    unsafe extern "C" {
        fn geteuid() -> u32;
    }
    // SAFETY: the call takes nothing and touches no memory.
    granted(unsafe { geteuid() })
}

/// Its effective group, likewise.
pub(crate) fn own_group() -> Result<u32, Errno> {
    unsafe extern "C" {
        fn getegid() -> u32;
    }
    // SAFETY: as above.
    granted(unsafe { getegid() })
}

/// The C library hands on what the kernel says: a number, or an errno below zero. No user has a number so high.
fn granted(number: u32) -> Result<u32, Errno> {
    let said = number as i32;
    if (-4095..0).contains(&said) { Err(Errno::from_raw_os_error(-said)) } else { Ok(number) }
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

/// Which process is at the other end of a Unix socket, by the kernel's `struct ucred`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Credentials {
    /// 0 where it has no number in this process's namespace.
    pub(crate) pid: i32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

const SOL_SOCKET: c_int =
    if cfg!(any(target_arch = "mips", target_arch = "mips64", target_arch = "sparc64")) { 0xffff } else { 1 };

unsafe extern "C" {
    fn getsockopt(socket: c_int, level: c_int, name: c_int, value: *mut c_void, len: *mut c_uint) -> c_int;
}

/// See unix(7), SO_PEERCRED. rustix has this call as well, and takes the pid for one that is never 0.
pub(crate) fn peer_credentials(socket: BorrowedFd<'_>) -> Result<Credentials, Errno> {
    const SO_PEERCRED: c_int = if cfg!(any(target_arch = "powerpc", target_arch = "powerpc64")) {
        21
    } else if cfg!(any(target_arch = "mips", target_arch = "mips64")) {
        18
    } else if cfg!(target_arch = "sparc64") {
        64
    } else {
        17
    };
    let mut credentials = Credentials { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut len = size_of::<Credentials>() as c_uint;
    let value = (&raw mut credentials).cast();
    // SAFETY: getsockopt(2) writes at most `len` bytes, which are there; any bytes are valid numbers.
    let done = unsafe { getsockopt(socket.as_raw_fd(), SOL_SOCKET, SO_PEERCRED, value, &raw mut len) };
    if done == 0 { Ok(credentials) } else { Err(last_errno()) }
}

/// A pidfd of the process whose credentials [`peer_credentials`] has. Since Linux 6.5; the errors
/// before that, and of a process that is no more, differ between kernels.
pub(crate) fn peer_pidfd(socket: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    const SO_PEERPIDFD: c_int = if cfg!(target_arch = "sparc64") { 0x56 } else { 77 };
    let mut fd: c_int = -1;
    let mut len = size_of::<c_int>() as c_uint;
    let value = (&raw mut fd).cast();
    // SAFETY: getsockopt(2) writes at most `len` bytes, which are there.
    let done = unsafe { getsockopt(socket.as_raw_fd(), SOL_SOCKET, SO_PEERPIDFD, value, &raw mut len) };
    if done != 0 {
        return Err(last_errno());
    }
    if fd < 0 {
        return Err(Errno::BADF);
    }
    // SAFETY: the kernel has opened it for this call, and no other code knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What one call has received, with the credentials of the process that sent it.
pub(crate) struct ReceivedFrom {
    pub(crate) len: usize,
    /// `None` where the sender has not said them: for that the kernel has no other word than pid 0,
    /// which also stands for a process that this one's pid namespace does not know.
    pub(crate) from: Option<Credentials>,
    /// Descriptors came beside the bytes, and were closed.
    pub(crate) left_out: bool,
    /// There were more bytes in the packet.
    pub(crate) long: bool,
}

/// Receives from a Unix socket into `bytes`, without waiting, and asks for the credentials that the
/// sender has said. rustix has this as well, and takes the pid for one that is never 0.
pub(crate) fn receive_from(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> Result<ReceivedFrom, Errno> {
    #[repr(C)]
    struct IoVec {
        base: *mut c_void,
        len: usize,
    }
    /// The C library's, of which glibc and musl agree on every byte that is not padding.
    #[repr(C)]
    struct Message {
        name: *mut c_void,
        name_len: c_uint,
        parts: *mut IoVec,
        part_count: usize,
        control: *mut c_void,
        control_len: usize,
        flags: c_int,
    }
    /// One control message, with room for credentials and no more.
    #[repr(C)]
    struct Control {
        len: usize,
        level: c_int,
        what: c_int,
        credentials: Credentials,
    }
    unsafe extern "C" {
        fn recvmsg(socket: c_int, message: *mut Message, flags: c_int) -> isize;
    }
    const SCM_RIGHTS: c_int = 1;
    const SCM_CREDENTIALS: c_int = 2;
    const MSG_CTRUNC: c_int = 0x8;
    const MSG_TRUNC: c_int = 0x20;
    const MSG_DONTWAIT: c_int = 0x40;
    const MSG_CMSG_CLOEXEC: c_int = 0x4000_0000;
    let header = std::mem::offset_of!(Control, credentials);
    let nothing = Credentials { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut control = Control { len: 0, level: 0, what: 0, credentials: nothing };
    let mut part = IoVec { base: bytes.as_mut_ptr().cast(), len: bytes.len() };
    let mut message = Message {
        name: std::ptr::null_mut(),
        name_len: 0,
        parts: &raw mut part,
        part_count: 1,
        control: (&raw mut control).cast(),
        // The padding behind the credentials is no room for a descriptor.
        control_len: header + size_of::<Credentials>(),
        flags: 0,
    };
    // The kernel adds the credentials only while this is on. Where it cannot be, there is no room
    // for anything.
    let asked = sockopt::set_socket_passcred(socket, true).is_ok();
    if !asked {
        message.control_len = 0;
    }
    // SAFETY: the call writes into `bytes`, `control` and `message`, each of which has the length that
    // it is told and outlives the call; any bytes are valid there.
    let len = unsafe { recvmsg(socket.as_raw_fd(), &raw mut message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) };
    let outcome = usize::try_from(len).map_err(|_| last_errno());
    // A later receive has no room for them.
    let off = if asked { sockopt::set_socket_passcred(socket, false) } else { Ok(()) };
    let len = outcome?;
    let is = |what| control.len > header && (control.level, control.what) == (SOL_SOCKET, what);
    let mut left_out = message.flags & MSG_CTRUNC != 0;
    if message.control_len > 0 && is(SCM_RIGHTS) {
        // Only where another process that shares the socket has switched the credentials off.
        let Credentials { pid, uid, gid } = control.credentials;
        let numbers = [pid, uid as c_int, gid as c_int];
        let count = (control.len - header) / size_of::<c_int>();
        for number in numbers.into_iter().take(count) {
            // SAFETY: the kernel has opened it for this call, and no other code knows its number.
            drop(unsafe { OwnedFd::from_raw_fd(number) });
        }
        left_out = true;
    }
    let whole = control.len >= header + size_of::<Credentials>();
    let told = message.control_len > 0 && is(SCM_CREDENTIALS) && whole && control.credentials.pid != 0;
    let from = told.then_some(control.credentials);
    off?;
    Ok(ReceivedFrom { len, from, left_out, long: message.flags & MSG_TRUNC != 0 })
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
