//! Makes a condition, in the child between fork and exec. Only system calls are made there: nothing is allocated.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use crate::case::Condition;
use crate::filter::Filter;

/// A user without rights. No other process counts against its limits.
pub(crate) const NOBODY: u32 = 64_321;

/// Everything that the child needs to become the program, made beforehand.
pub(crate) struct Setup {
    condition: Condition,
    filter: Option<Filter>,
    /// Where a process enters the control group.
    group: Option<CString>,
    path: CString,
    args: Vec<CString>,
    env: Vec<CString>,
}

impl Setup {
    pub(crate) fn new(
        condition: &Condition,
        program: &Path,
        args: &[String],
        env: &[(String, String)],
        group: Option<&Path>,
    ) -> Setup {
        let text = |bytes: &[u8]| CString::new(bytes).expect("no zero byte");
        let path = text(program.as_os_str().as_bytes());
        let filter = match condition {
            Condition::Refused { number, errno, .. } => {
                Some(Filter::refusing(*number, *errno, path.as_ptr().addr() as u64))
            }
            Condition::NoThreads => Some(Filter::without_threads()),
            _ => None,
        };
        Setup {
            condition: condition.clone(),
            filter,
            group: group.map(|group| text(group.join("cgroup.procs").as_os_str().as_bytes())),
            args: [path.clone()].into_iter().chain(args.iter().map(|arg| text(arg.as_bytes()))).collect(),
            env: env.iter().map(|(name, value)| text(format!("{name}={value}").as_bytes())).collect(),
            path,
        }
    }

    /// Room for the pointers that execve takes.
    pub(crate) fn pointers(&self) -> [Vec<*const c_char>; 2] {
        let of = |strings: &[CString]| {
            strings.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect::<Vec<_>>()
        };
        [of(&self.args), of(&self.env)]
    }

    /// Makes the condition, and becomes the program.
    ///
    /// # Errors
    /// What could not be made.
    pub(crate) fn become_it(&self, args: &[*const c_char], env: &[*const c_char]) -> io::Result<()> {
        // SAFETY: the numbers are what the call takes, and it touches no memory. The program goes with its keeper.
        done(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) })?;
        if let Some(group) = &self.group {
            enter(group)?;
        }
        self.make()?;
        if let Some(filter) = &self.filter {
            filter.install()?;
        }
        // SAFETY: the lists are of strings that end with a zero byte, end with a null pointer, and outlive the call.
        unsafe { libc::execve(self.path.as_ptr(), args.as_ptr(), env.as_ptr()) };
        Err(io::Error::last_os_error())
    }

    fn make(&self) -> io::Result<()> {
        match &self.condition {
            Condition::Descriptors(most) => limit(libc::RLIMIT_NOFILE, *most),
            Condition::FileSize(most) => limit(libc::RLIMIT_FSIZE, *most),
            Condition::AddressSpace(most) => limit(libc::RLIMIT_AS, *most),
            Condition::Processes(most) => {
                limit(libc::RLIMIT_NPROC, *most)?;
                as_nobody()
            }
            Condition::Nobody => as_nobody(),
            Condition::NoProc => without_proc(),
            // SAFETY: it takes numbers only.
            Condition::NoLoopback => done(unsafe { libc::unshare(libc::CLONE_NEWNET) }),
            Condition::Closed(which) => {
                for at in (0..3).filter(|&at| which[at as usize]) {
                    // SAFETY: the standard streams of the child are its own, and it uses them no more.
                    done(unsafe { libc::close(at) })?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn done(returned: i32) -> io::Result<()> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn limit(what: libc::__rlimit_resource_t, most: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: the kernel reads one rlimit, and `limit` is one.
    done(unsafe { libc::setrlimit(what, &raw const limit) })
}

/// Gives up being root, where this is root.
fn as_nobody() -> io::Result<()> {
    // SAFETY: these take numbers only; an empty list of groups has no memory.
    unsafe {
        if libc::geteuid() != 0 {
            return Ok(());
        }
        done(libc::setgroups(0, ptr::null()))?;
        done(libc::setresgid(NOBODY, NOBODY, NOBODY))?;
        done(libc::setresuid(NOBODY, NOBODY, NOBODY))
    }
}

/// A mount namespace with nothing in `/proc`.
fn without_proc() -> io::Result<()> {
    // SAFETY: every string ends with a zero byte, and none is written to.
    unsafe {
        done(libc::unshare(libc::CLONE_NEWNS))?;
        let (nothing, private) = (ptr::null(), libc::MS_REC | libc::MS_PRIVATE);
        done(libc::mount(nothing, c"/".as_ptr(), nothing, private, ptr::null()))?;
        done(libc::mount(c"none".as_ptr(), c"/proc".as_ptr(), c"tmpfs".as_ptr(), 0, ptr::null()))
    }
}

/// Writes 0, which stands for the writer, to a group's list.
fn enter(list: &CString) -> io::Result<()> {
    // SAFETY: the path ends with a zero byte; the kernel reads one byte, which is there; the descriptor is closed once.
    unsafe {
        let file = libc::open(list.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        done(file)?;
        let written = libc::write(file, c"0".as_ptr().cast(), 1);
        let error = io::Error::last_os_error();
        libc::close(file);
        if written == 1 { Ok(()) } else { Err(error) }
    }
}
