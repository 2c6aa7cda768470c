//! The memory that was handed over: the other process can read it and nothing else, and dies of a stray store.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::ptr;

use crossing::{Address, Config, Endpoint, Kind, Listener, RecvError};
use rustix::fs::{FallocateFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
use rustix::process::Signal;

use crate::attacker::{Forged, PAGE, meet, receive};
use crate::process::{LIMIT, Second, again, socket_path};
use crate::{alone, config};

/// A mapping that the attacker would like to have.
fn map(fd: impl AsFd, bytes: usize, protection: ProtFlags) -> Result<*mut c_void, Errno> {
    // SAFETY: at a place of the kernel's choice; nothing that exists is touched.
    unsafe { rustix::mm::mmap(ptr::null_mut(), bytes, protection, MapFlags::SHARED, fd, 0) }
}

fn unmap(mapping: *mut c_void, bytes: usize) {
    // SAFETY: made by `map`, and not used.
    unsafe { rustix::mm::munmap(mapping, bytes) }.expect("it was mapped");
}

fn may_map(fd: impl AsFd, bytes: usize, protection: ProtFlags) -> bool {
    map(fd, bytes, protection).map(|mapping| unmap(mapping, bytes)).is_ok()
}

/// Everything a process may try that was given `region` to read, by name, and whether the kernel let it.
fn tried(region: &OwnedFd, bytes: usize) -> Vec<(&'static str, bool)> {
    let writable = ProtFlags::READ | ProtFlags::WRITE;
    let mut tried = Vec::new();
    tried.push(("map it for writing", may_map(region, bytes, writable)));
    let read_only = map(region, bytes, ProtFlags::READ).expect("it may be read");
    // SAFETY: changes what may be done to the mapping just made, which nothing uses.
    let changed =
        unsafe { rustix::mm::mprotect(read_only, bytes, MprotectFlags::READ | MprotectFlags::WRITE) };
    tried.push(("make the mapping writable", changed.is_ok()));
    unmap(read_only, bytes);
    tried.push(("write(2) to it", rustix::io::pwrite(region, b"gotcha", *PAGE).is_ok()));
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    tried.push(("punch a hole", rustix::fs::fallocate(region, punch, *PAGE, *PAGE).is_ok()));
    let path = format!("/proc/self/fd/{}", region.as_raw_fd());
    let reopened = rustix::fs::open(path.as_str(), OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    let again = |attempt: fn(&OwnedFd, usize) -> bool| reopened.as_ref().is_ok_and(|fd| attempt(fd, bytes));
    tried.push(("open it again and write", again(|fd, _| rustix::io::pwrite(fd, b"gotcha", *PAGE).is_ok())));
    tried.push((
        "open it again and map it for writing",
        again(|fd, bytes| may_map(fd, bytes, ProtFlags::READ | ProtFlags::WRITE)),
    ));
    let truncated = rustix::fs::open(path.as_str(), OFlags::RDWR | OFlags::TRUNC, Mode::empty());
    tried.push(("open it again and empty it", truncated.is_ok()));
    tried.push(("grow it", rustix::fs::ftruncate(region, 2 * bytes as u64).is_ok()));
    tried.push(("grow it by allocation", {
        rustix::fs::fallocate(region, FallocateFlags::empty(), 2 * bytes as u64, *PAGE).is_ok()
    }));
    tried.push(("shrink it", rustix::fs::ftruncate(region, *PAGE).is_ok()));
    tried.push(("add a seal", rustix::fs::fcntl_add_seals(region, SealFlags::WRITE).is_ok()));
    tried
}

#[test]
fn a_peer_can_read_a_region_and_nothing_else() {
    let _alone = alone();
    let (server, socket) = meet(Kind::Shm);
    Forged::correct().greet(&socket);
    let mut server = server.connect(&config(LIMIT)).expect("nothing is wrong with it");
    let _hello = receive(&socket);
    let (_, fds) = receive(&socket);
    let bytes = rustix::fs::fstat(&fds[0]).unwrap().st_size as usize;
    let mut before = vec![0; bytes];
    assert_eq!(rustix::io::pread(&fds[0], &mut before[..], 0), Ok(bytes));
    for (what, succeeded) in tried(&fds[0], bytes) {
        assert!(!succeeded, "a peer could {what}");
    }
    let mut after = vec![0; bytes];
    assert_eq!(rustix::io::pread(&fds[0], &mut after[..], 0), Ok(bytes));
    assert!(before == after, "not a byte has changed");
    server.send(b"still here").expect("it goes on");

    // The control: the same attempts on a region without its seals.
    let mut open = Forged { seals: SealFlags::empty(), ..Forged::correct() };
    for (what, succeeded) in tried(&open.region(), open.file_bytes as usize) {
        assert!(succeeded, "control: {what} was refused without seals");
    }
}

/// A stray store through the peer's mapping kills the process that strayed.
#[test]
fn a_wild_store_faults_the_process_that_strayed() {
    let _alone = alone();
    let path = socket_path();
    let listener = Listener::bind(&Address::at_path(Kind::Shm, path.clone()).unwrap()).unwrap();
    let mut command = again("stray");
    command.env("CROSSING_TEST_PATH", &path);
    let mut second = Second(command.spawn().expect("this program starts again"));
    let mut server = listener.accept().unwrap().connect(&config(LIMIT)).expect("a correct peer");
    assert_eq!(server.recv(&mut [0; 8]).expect("its last message"), 4);
    let status = second.0.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(Signal::SEGV.as_raw()));
    let outcome = server.recv(&mut [0; 8]);
    assert!(matches!(outcome, Err(RecvError::Disconnected)), "{outcome:?}");
}

pub(crate) fn stray() {
    let path = PathBuf::from(std::env::var_os("CROSSING_TEST_PATH").expect("where the server is"));
    let endpoint = Endpoint::dial(&Address::at_path(Kind::Shm, path).unwrap(), &Config::default()).unwrap();
    let mut connection = endpoint.connect(&Config::default()).unwrap();
    connection.send(b"last").unwrap();
    // Mine is the mapping that may be written, the peer's the one that may not.
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let theirs =
        maps.lines().find(|line| line.contains("memfd:crossing") && line.contains(" r--s ")).unwrap();
    let start = usize::from_str_radix(theirs.split('-').next().unwrap(), 16).unwrap();
    // SAFETY: none: this is the fault under test. The page is mapped, shared and read-only, so the store
    // changes nothing.
    unsafe { ptr::without_provenance_mut::<u64>(start).write_volatile(0) };
}
