//! Peers that do not keep to the protocol: what they hand over is refused by name, what they were given they
//! cannot change, and what they say ends their own connection, nothing else.
//!
//! The attacker is written from outside with raw system calls. It learns what a correct end says by listening
//! to one, and then says the same with one thing wrong. Each attack has its control: the same with nothing
//! wrong, which is accepted.

#![allow(unsafe_code)]

mod process;

use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::ptr;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossing::{
    Address, Config, ConnectError, Connection, Endpoint, Kind, Listener, RecvError, SendError, Shm,
    Violation, WaitStrategy,
};
use process::{LIMIT, Second, again, descriptors, eventually, mappings, message, part, socket_path, within};
use rustix::fs::{FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use rustix::process::{PidfdFlags, Signal};

/// Descriptors and mappings of the whole process are counted here: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // The first connection starts the thread that watches; it stays.
    drop(Connection::pair(Kind::Shm, &Config::default()).expect("a pair of ends"));
    settled();
    guard
}

/// Waits until nothing of earlier connections is left.
fn settled() {
    eventually("mappings of connections that are gone", || mappings() == 0);
    eventually("descriptors of connections that are gone", || {
        let left = descriptors();
        !left.iter().any(|link| link.contains("memfd:crossing") || link.contains("pidfd"))
    });
}

/// What a test leaves behind must be what it found.
fn leaves_nothing(what: &str, body: impl FnOnce()) {
    let before = (descriptors().len(), mappings());
    body();
    eventually(&format!("{what}: nothing is left"), || (descriptors().len(), mappings()) == before);
}

fn config(handshake_timeout: Duration) -> Config {
    Config { handshake_timeout, wait: WaitStrategy::Block, ..Config::default() }
}

/// A server at a path, and an attacker who has just connected to it.
fn meet(kind: Kind) -> (Endpoint, OwnedFd) {
    let path = socket_path();
    let listener = Listener::bind(&Address::Path { kind, path: path.clone() }).expect("a free path");
    let shape = if kind == Kind::Unix { SocketType::STREAM } else { SocketType::SEQPACKET };
    let socket = rustix::net::socket_with(AddressFamily::UNIX, shape, SocketFlags::CLOEXEC, None).unwrap();
    rustix::net::connect(&socket, &SocketAddrUnix::new(&path).unwrap()).expect("the server listens");
    (listener.accept().expect("the attacker is there"), socket)
}

fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(20))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(fds)));
    }
    // The server may have hung up already.
    let _ = rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL);
}

/// Receives a packet with its descriptors.
fn receive(socket: impl AsFd) -> (Vec<u8>, Vec<OwnedFd>) {
    let mut bytes = [0; 256];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut data = [IoSliceMut::new(&mut bytes)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = rustix::net::recvmsg(socket, &mut data, &mut ancillary, flags).expect("the server speaks");
    let mut fds = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    (bytes[..received.bytes].to_vec(), fds)
}

const SEALED: SealFlags =
    SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::FUTURE_WRITE).union(SealFlags::SEAL);

/// The size of the region's header in the file, in bytes.
const PAGE: u64 = 4096;

/// What the attacker says and hands over: correct, until something in it is changed.
struct Forged {
    hello: Vec<u8>,
    /// The beginning of the region's file.
    header: Vec<u8>,
    file_bytes: u64,
    allocated: bool,
    seals: SealFlags,
    /// Handed over in place of the region.
    region: Option<OwnedFd>,
    /// Handed over in place of a pidfd.
    pidfd: Option<OwnedFd>,
    /// Handed over in place of the lane for blobs.
    lane: Option<OwnedFd>,
    /// How many descriptors go along.
    fds: usize,
    ready: Vec<u8>,
    ready_fd: bool,
}

/// What a correct end sends first, and the beginning of its region.
static OVERHEARD: LazyLock<(Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
    let (server, socket) = meet(Kind::Shm);
    thread::scope(|scope| {
        scope.spawn(|| server.connect(&config(LIMIT)).map(drop));
        let (hello, fds) = receive(&socket);
        let mut header = vec![0; 1024];
        assert_eq!(rustix::io::pread(&fds[0], &mut header[..], 0), Ok(1024));
        drop(socket);
        (hello, header)
    })
});

impl Forged {
    fn correct() -> Forged {
        let (hello, header) = OVERHEARD.clone();
        let capacity = u32::from_le_bytes(hello[16..20].try_into().unwrap());
        Forged {
            hello,
            header,
            file_bytes: PAGE + u64::from(capacity),
            allocated: true,
            seals: SEALED,
            region: None,
            pidfd: None,
            lane: None,
            fds: 3,
            ready: b"!".to_vec(),
            ready_fd: false,
        }
    }

    /// Sets a word of the region's header before it is sealed.
    fn word(&mut self, at: usize, change: impl FnOnce(u64) -> u64) {
        let word = &mut self.header[at..at + 8];
        let value = u64::from_le_bytes(word.try_into().unwrap());
        word.copy_from_slice(&change(value).to_le_bytes());
    }

    fn region(&mut self) -> OwnedFd {
        if let Some(region) = self.region.take() {
            return region;
        }
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memfd = rustix::fs::memfd_create(c"forged", flags).unwrap();
        rustix::fs::ftruncate(&memfd, self.file_bytes).unwrap();
        if self.allocated && self.file_bytes > 0 {
            rustix::fs::fallocate(&memfd, FallocateFlags::empty(), 0, self.file_bytes).unwrap();
            rustix::io::pwrite(&memfd, &self.header, 0).unwrap();
        }
        rustix::fs::fcntl_add_seals(&memfd, self.seals).unwrap();
        memfd
    }

    /// Says hello to the server, and waits for nothing.
    fn greet(&mut self, socket: &OwnedFd) {
        let region = self.region();
        let pidfd = self.pidfd.take().unwrap_or_else(own_pidfd);
        let lane = self.lane.take().unwrap_or_else(|| packets().1);
        let more = std::iter::repeat(region.as_fd());
        let right = [region.as_fd(), pidfd.as_fd(), lane.as_fd()];
        let fds: Vec<_> = right.into_iter().chain(more).take(self.fds).collect();
        send(socket, &self.hello, &fds);
        let also = [socket.as_fd()];
        send(socket, &self.ready, if self.ready_fd { &also } else { &[] });
    }
}

/// Two ends of a Unix packet socket.
fn packets() -> (OwnedFd, OwnedFd) {
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

fn own_pidfd() -> OwnedFd {
    rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).unwrap()
}

/// The server's end of a handshake with `forged`. The attacker speaks first, before the server listens.
fn attacked(forged: &mut Forged) -> (Result<Connection, ConnectError>, OwnedFd) {
    let (server, socket) = meet(Kind::Shm);
    forged.greet(&socket);
    (server.connect(&config(LIMIT)), socket)
}

#[test]
fn a_correct_stranger_is_welcome() {
    let _alone = alone();
    leaves_nothing("a stranger", || {
        let (server, _socket) = attacked(&mut Forged::correct());
        let mut server = server.expect("nothing is wrong with it");
        server.send(b"hello").expect("room");
        let outcome = server.receiver().try_recv(&mut [0; 8]);
        assert!(matches!(outcome, Err(RecvError::Empty)), "{outcome:?}");
    });
}

/// An attack on the handshake: the field that is named, and what is wrong.
type Attack = (&'static str, &'static str, fn(&mut Forged));

const ATTACKS: &[Attack] = &[
    ("no seal at all", "seals", |it| it.seals = SealFlags::empty()),
    ("without FUTURE_WRITE", "seals", |it| it.seals = SEALED.difference(SealFlags::FUTURE_WRITE)),
    ("without SHRINK", "seals", |it| it.seals = SEALED.difference(SealFlags::SHRINK)),
    ("without GROW", "seals", |it| it.seals = SEALED.difference(SealFlags::GROW)),
    ("without SEAL", "seals", |it| it.seals = SEALED.difference(SealFlags::SEAL)),
    ("a page too small", "size", |it| it.file_bytes -= PAGE),
    ("a byte too small", "size", |it| it.file_bytes -= 1),
    ("a page too large", "size", |it| it.file_bytes += PAGE),
    ("a byte too large", "size", |it| it.file_bytes += 1),
    ("empty", "size", |it| it.file_bytes = 0),
    ("full of holes", "allocation", |it| it.allocated = false),
    ("a pipe", "file type", |it| it.region = Some(rustix::pipe::pipe().unwrap().0)),
    ("/dev/null", "file type", |it| it.region = Some(File::open("/dev/null").unwrap().into())),
    ("a directory", "file type", |it| it.region = Some(File::open("/").unwrap().into())),
    ("a socket", "file type", |it| it.region = Some(UnixStream::pair().unwrap().0.into())),
    ("this program", "seals", |it| {
        it.region = Some(File::open(std::env::current_exe().unwrap()).unwrap().into());
    }),
    ("a pidfd for a region", "file type", |it| {
        it.region = Some(rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC).unwrap());
    }),
    ("a pipe for a pidfd", "pidfd", |it| it.pidfd = Some(rustix::pipe::pipe().unwrap().0)),
    ("a file for a pidfd", "pidfd", |it| it.pidfd = Some(File::open("/dev/null").unwrap().into())),
    ("a pipe for a lane", "lane", |it| it.lane = Some(rustix::pipe::pipe().unwrap().0)),
    ("a stream for a lane", "lane", |it| it.lane = Some(UnixStream::pair().unwrap().0.into())),
    ("a listener for a lane", "lane", |it| {
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
        rustix::net::bind(&socket, &SocketAddrUnix::new(socket_path()).unwrap()).unwrap();
        rustix::net::listen(&socket, 1).unwrap();
        it.lane = Some(socket);
    }),
    ("region magic", "region magic", |it| it.header[0] ^= 1),
    ("region version", "region version and byte order", |it| it.header[8] ^= 2),
    ("region byte order", "region version and byte order", |it| it.header[8..16].reverse()),
    ("region words", "region words", |it| it.header[16] ^= 1),
    ("more region words", "region words", |it| it.header[24] ^= 1),
    ("region start", "region start index", |it| it.header[32] ^= 8),
    ("region capacity", "region capacity", |it| it.header[40] ^= 1),
    ("region nonce", "region nonce", |it| it.header[48] ^= 1),
    ("hello magic", "magic", |it| it.hello[0] ^= 1),
    ("hello version", "version", |it| it.hello[8] += 1),
    ("hello of a pipe", "mechanism", |it| it.hello[10] = 2),
    ("hello of nothing known", "mechanism", |it| it.hello[10] = 0xff),
    ("hello flags", "flags", |it| it.hello[11] = 0x80),
    ("hello max_message", "max_message", |it| it.hello[12..16].fill(0xff)),
    ("hello reserved bytes", "reserved bytes", |it| it.hello[23] = 1),
    ("hello nonce", "region nonce", |it| it.hello[31] ^= 1),
    ("capacity 0", "capacity", |it| it.hello[16..20].fill(0)),
    ("capacity no power of two", "capacity", |it| it.hello[16] = 8),
    ("capacity below a page", "capacity", |it| it.hello[16..20].copy_from_slice(&2048_u32.to_le_bytes())),
    ("capacity of 2 GiB", "capacity", |it| it.hello[16..20].copy_from_slice(&(1_u32 << 31).to_le_bytes())),
    ("capacity of another ring", "size", |it| {
        it.hello[16..20].copy_from_slice(&(1_u32 << 20).to_le_bytes());
    }),
    ("a hello cut short", "handshake packet", |it| it.hello.truncate(31)),
    ("a hello of one byte", "handshake packet", |it| it.hello.truncate(1)),
    ("a hello too long", "handshake packet", |it| it.hello.push(0)),
    ("no descriptor", "handshake packet", |it| it.fds = 0),
    ("one descriptor", "handshake packet", |it| it.fds = 1),
    ("two descriptors", "handshake packet", |it| it.fds = 2),
    ("not ready", "handshake packet", |it| it.ready = b"?".to_vec()),
    ("more than ready", "handshake packet", |it| it.ready = b"!!".to_vec()),
    ("ready with a descriptor", "handshake packet", |it| it.ready_fd = true),
];

#[test]
fn each_fault_of_a_handshake_is_refused_by_name_and_leaves_nothing() {
    let _alone = alone();
    LazyLock::force(&OVERHEARD);
    settled();
    let floods = (4..=20).map(|fds| (fds, "handshake packet"));
    let forged = ATTACKS.iter().map(|&(what, field, wrong)| {
        let mut forged = Forged::correct();
        wrong(&mut forged);
        (what.to_owned(), field, forged)
    });
    let flooded =
        floods.map(|(fds, field)| (format!("{fds} descriptors"), field, Forged { fds, ..Forged::correct() }));
    // One at a time: what an attack holds in its hands is counted too.
    let mut attacks: Vec<_> = forged.chain(flooded).collect();
    while let Some((what, expected, mut forged)) = attacks.pop() {
        forged.region = Some(forged.region());
        leaves_nothing(&what, || {
            let (server, socket) = meet(Kind::Shm);
            let (region, pidfd, lane) =
                (forged.region.take().unwrap(), forged.pidfd.take(), forged.lane.take());
            // Handed over copies, so that what is left is left by the server.
            forged.region = Some(region.try_clone().unwrap());
            forged.pidfd = pidfd.as_ref().map(|fd| fd.try_clone().unwrap());
            forged.lane = lane.as_ref().map(|fd| fd.try_clone().unwrap());
            forged.greet(&socket);
            let started = Instant::now();
            match server.connect(&config(LIMIT)) {
                Err(ConnectError::Refused { field, .. }) => assert_eq!(field, expected, "{what}"),
                other => panic!("{what}: {other:?}"),
            }
            assert!(started.elapsed() < LIMIT, "{what}: refused, not waited for");
            // What leaves_nothing counted before it began.
            (forged.region, forged.pidfd, forged.lane) = (Some(region), pidfd, lane);
        });
    }
}

#[test]
fn a_peer_that_goes_or_stays_silent_ends_the_handshake_and_leaves_nothing() {
    let _alone = alone();
    for kind in [Kind::Shm, Kind::Pipe, Kind::Unix] {
        leaves_nothing("a silent peer", || {
            let (server, _socket) = meet(kind);
            let outcome = server.connect(&config(Duration::from_millis(50)));
            assert!(matches!(outcome, Err(ConnectError::Timeout)), "{kind}: {outcome:?}");
        });
        leaves_nothing("a peer that goes", || {
            let (server, socket) = meet(kind);
            drop(socket);
            let outcome = server.connect(&config(LIMIT));
            assert!(matches!(outcome, Err(ConnectError::Disconnected)), "{kind}: {outcome:?}");
        });
    }
    leaves_nothing("a peer that is never ready", || {
        let (server, socket) = meet(Kind::Shm);
        let mut forged = Forged::correct();
        let (region, pidfd, lane) = (forged.region(), own_pidfd(), packets().1);
        send(&socket, &forged.hello, &[region.as_fd(), pidfd.as_fd(), lane.as_fd()]);
        let outcome = server.connect(&config(Duration::from_millis(50)));
        assert!(matches!(outcome, Err(ConnectError::Timeout)), "{outcome:?}");
    });
    leaves_nothing("a stranger on TCP", || {
        let listener = Listener::bind(&"tcp://127.0.0.1:0".parse().unwrap()).unwrap();
        let Address::Tcp { host_port } = listener.address() else { unreachable!("it listens on TCP") };
        let _idle = TcpStream::connect(host_port).unwrap();
        let outcome = listener.accept().unwrap().connect(&config(Duration::from_millis(50)));
        assert!(matches!(outcome, Err(ConnectError::Timeout)), "{outcome:?}");
        let mut dribbling = TcpStream::connect(host_port).unwrap();
        dribbling.write_all(b"CROSSIN").unwrap();
        let outcome = listener.accept().unwrap().connect(&config(Duration::from_millis(50)));
        assert!(matches!(outcome, Err(ConnectError::Timeout)), "{outcome:?}");
    });
}

#[test]
fn what_a_pipe_peer_hands_over_must_be_the_reading_end_of_a_pipe() {
    let _alone = alone();
    let (server, socket) = meet(Kind::Pipe);
    let hello = thread::scope(|scope| {
        scope.spawn(|| server.connect(&config(LIMIT)).map(drop));
        let (hello, _) = receive(&socket);
        drop(socket);
        hello
    });
    type Wrong = (&'static str, &'static str, fn() -> Vec<OwnedFd>);
    let attacks: [Wrong; 6] = [
        ("the writing end", "file type", || vec![rustix::pipe::pipe().unwrap().1]),
        ("a file", "file type", || vec![File::open("/proc/self/exe").unwrap().into()]),
        ("a socket", "file type", || vec![UnixStream::pair().unwrap().0.into()]),
        ("a directory", "file type", || vec![File::open("/").unwrap().into()]),
        ("nothing", "handshake packet", Vec::new),
        ("two pipes", "handshake packet", || (0..2).map(|_| rustix::pipe::pipe().unwrap().0).collect()),
    ];
    for (what, expected, fds) in attacks {
        leaves_nothing(what, || {
            let (server, socket) = meet(Kind::Pipe);
            let fds = fds();
            send(&socket, &hello, &fds.iter().map(AsFd::as_fd).collect::<Vec<_>>());
            match server.connect(&config(LIMIT)) {
                Err(ConnectError::Refused { field, .. }) => assert_eq!(field, expected, "{what}"),
                other => panic!("{what}: {other:?}"),
            }
        });
    }
}

/// The peer of a pipe keeps a copy of the reading end, and makes it block: who tries still does not wait.
#[test]
fn a_pipe_peer_cannot_make_a_trying_receiver_wait() {
    let _alone = alone();
    let (server, socket) = meet(Kind::Pipe);
    let mut hello = OVERHEARD.0.clone();
    hello[10] = 2;
    hello[11] = 0;
    hello[16..].fill(0);
    let (reading, mut writing) = rustix::pipe::pipe().map(|(r, w)| (r, File::from(w))).unwrap();
    send(&socket, &hello, &[reading.as_fd()]);
    let mut server = server.connect(&config(LIMIT)).expect("nothing is wrong with it");
    within("a receiver that only tries", move || {
        for _ in 0..3 {
            let outcome = server.receiver().try_recv(&mut [0; 8]);
            assert!(matches!(outcome, Err(RecvError::Empty)), "{outcome:?}");
            rustix::fs::fcntl_setfl(&reading, OFlags::empty()).unwrap();
        }
        writing.write_all(b"\x02\0\0\0ok").unwrap();
        assert_eq!(server.recv(&mut [0; 8]).expect("it is there"), 2);
    });
}

/// A mapping that the attacker would like to have.
fn map(fd: impl AsFd, bytes: usize, protection: ProtFlags) -> Result<*mut c_void, Errno> {
    // SAFETY: at a place of the kernel's choice; nothing that exists is touched.
    unsafe { rustix::mm::mmap(ptr::null_mut(), bytes, protection, MapFlags::SHARED, fd, 0) }
}

fn unmap(mapping: *mut c_void, bytes: usize) {
    // SAFETY: made by `map`, and used by nobody.
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
    // SAFETY: changes what may be done to the mapping just made, which nobody uses.
    let changed =
        unsafe { rustix::mm::mprotect(read_only, bytes, MprotectFlags::READ | MprotectFlags::WRITE) };
    tried.push(("make the mapping writable", changed.is_ok()));
    unmap(read_only, bytes);
    tried.push(("write(2) to it", rustix::io::pwrite(region, b"gotcha", PAGE).is_ok()));
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    tried.push(("punch a hole", rustix::fs::fallocate(region, punch, PAGE, PAGE).is_ok()));
    let path = format!("/proc/self/fd/{}", region.as_raw_fd());
    let reopened = rustix::fs::open(path.as_str(), OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    let again = |attempt: fn(&OwnedFd, usize) -> bool| reopened.as_ref().is_ok_and(|fd| attempt(fd, bytes));
    tried.push(("open it again and write", again(|fd, _| rustix::io::pwrite(fd, b"gotcha", PAGE).is_ok())));
    tried.push((
        "open it again and map it for writing",
        again(|fd, bytes| may_map(fd, bytes, ProtFlags::READ | ProtFlags::WRITE)),
    ));
    let truncated = rustix::fs::open(path.as_str(), OFlags::RDWR | OFlags::TRUNC, Mode::empty());
    tried.push(("open it again and empty it", truncated.is_ok()));
    tried.push(("grow it", rustix::fs::ftruncate(region, 2 * bytes as u64).is_ok()));
    tried.push(("grow it by allocation", {
        rustix::fs::fallocate(region, FallocateFlags::empty(), 2 * bytes as u64, PAGE).is_ok()
    }));
    tried.push(("shrink it", rustix::fs::ftruncate(region, PAGE).is_ok()));
    tried.push(("add a seal", rustix::fs::fcntl_add_seals(region, SealFlags::WRITE).is_ok()));
    tried
}

#[test]
fn a_peer_can_read_a_region_and_nothing_else() {
    let _alone = alone();
    let (server, socket) = meet(Kind::Shm);
    Forged::correct().greet(&socket);
    let mut server = server.connect(&config(LIMIT)).expect("nothing is wrong with it");
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
    let listener = Listener::bind(&Address::Path { kind: Kind::Shm, path: path.clone() }).unwrap();
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

fn stray() {
    let path = PathBuf::from(std::env::var_os("CROSSING_TEST_PATH").expect("where the server is"));
    let endpoint = Endpoint::to(&Address::Path { kind: Kind::Shm, path }).unwrap();
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

/// What comes on the lane for blobs is one memfd, sealed as a blob is, or the connection ends.
#[test]
fn what_is_no_blob_poisons_the_connection() {
    let _alone = alone();
    type Packet = (&'static str, &'static [u8], fn() -> Vec<OwnedFd>);
    fn memfd(seals: SealFlags) -> OwnedFd {
        Forged { seals, ..Forged::correct() }.region()
    }
    const BLOB: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::WRITE);
    let wrong: &[Packet] = &[
        ("no descriptor", b"B", Vec::new),
        ("two of them", b"B", || vec![memfd(BLOB), memfd(BLOB)]),
        ("the wrong word", b"?", || vec![memfd(BLOB)]),
        ("more words", b"BB", || vec![memfd(BLOB)]),
        ("no word", b"", || vec![memfd(BLOB)]),
        ("not sealed against writing", b"B", || vec![memfd(SEALED)]),
        ("a pipe", b"B", || vec![rustix::pipe::pipe().unwrap().0]),
        ("this program", b"B", || vec![File::open(std::env::current_exe().unwrap()).unwrap().into()]),
    ];
    let received = |words: &[u8], fds: Vec<OwnedFd>| {
        let (lane, theirs) = packets();
        let mut forged = Forged { lane: Some(theirs), ..Forged::correct() };
        let (server, socket) = meet(Kind::Shm);
        forged.greet(&socket);
        let mut server = server.connect_as::<Shm>(&config(LIMIT)).expect("the handshake is correct");
        send(&lane, words, &fds.iter().map(AsFd::as_fd).collect::<Vec<_>>());
        let outcome = server.receiver().recv_blob();
        let next = server.receiver().try_recv(&mut [0; 8]);
        (outcome, next)
    };
    let (outcome, next) = received(b"B", vec![memfd(BLOB)]);
    assert!(outcome.is_ok(), "the control: {outcome:?}");
    assert!(matches!(next, Err(RecvError::Empty)), "the control: {next:?}");
    for (what, words, fds) in wrong {
        leaves_nothing(what, || {
            let (outcome, next) = received(words, fds());
            assert!(
                matches!(outcome, Err(RecvError::Poisoned(Violation::Blob { .. }))),
                "{what}: {outcome:?}"
            );
            assert!(matches!(next, Err(RecvError::Poisoned(Violation::Blob { .. }))), "{what}: {next:?}");
        });
    }
}

/// What the words of a header say is a claim: one that cannot be true poisons the connection with its name.
#[test]
fn impossible_indices_and_lengths_poison_the_connection() {
    let _alone = alone();
    const TAIL: usize = 128;
    const HEAD: usize = 256;
    let capacity = u64::from(u32::from_le_bytes(OVERHEARD.0[16..20].try_into().unwrap()));
    let received = |forged: &mut Forged| {
        let (server, _socket) = attacked(forged);
        let mut server = server.expect("the handshake is correct");
        let outcome = server.recv(&mut [0; 64]);
        let Err(RecvError::Poisoned(violation)) = outcome else { panic!("{outcome:?}") };
        let again = server.recv(&mut [0; 64]);
        assert!(matches!(again, Err(RecvError::Poisoned(same)) if same == violation), "{again:?}");
        let outcome = server.send(b"never");
        assert!(matches!(outcome, Err(SendError::Disconnected | SendError::Poisoned(_))), "{outcome:?}");
        violation
    };
    leaves_nothing("tails", || {
        for wrong in [capacity + 8, 3, 1 << 40, 0_u64.wrapping_sub(8), 1 << 63] {
            let mut forged = Forged::correct();
            forged.word(TAIL, |tail| tail.wrapping_add(wrong));
            let violation = received(&mut forged);
            assert!(matches!(violation, Violation::Tail { .. }), "{wrong}: {violation:?}");
        }
    });
    leaves_nothing("lengths", || {
        // The first message lies where the ring starts: a mebibyte below the overflow is its first byte.
        for (published, length) in [(16, 9_u64), (16, 16), (8, 1), (capacity, 1 << 20), (16, u64::MAX)] {
            let mut forged = Forged::correct();
            forged.word(TAIL, |tail| tail.wrapping_add(published));
            forged.header.resize(PAGE as usize, 0);
            forged.header.extend_from_slice(&length.to_le_bytes());
            let violation = received(&mut forged);
            assert!(matches!(violation, Violation::Length { .. }), "{length}: {violation:?}");
        }
    });
    leaves_nothing("heads", || {
        for wrong in [1, 1 << 40, 0_u64.wrapping_sub(8)] {
            let mut forged = Forged::correct();
            forged.word(HEAD, |head| head.wrapping_add(wrong));
            let (server, _socket) = attacked(&mut forged);
            let mut server = server.expect("the handshake is correct");
            let error = (0..1000).find_map(|_| server.sender().try_send(&[0; 4000]).err());
            let poisoned = matches!(error, Some(SendError::Poisoned(Violation::Head { .. })));
            assert!(poisoned, "{wrong}: {error:?}");
            let outcome = server.send(b"never");
            assert!(matches!(outcome, Err(SendError::Poisoned(_))), "{outcome:?}");
        }
    });
}

/// What is said over the rendezvous after the handshake ends the connection, if it is not what a peer says
/// there.
#[test]
fn noise_after_the_handshake_ends_the_connection_only() {
    let _alone = alone();
    for noise in [&b"X"[..], b"SS", b"", b"S, and more of it"] {
        leaves_nothing("noise", || {
            let (server, socket) = attacked(&mut Forged::correct());
            let mut server = server.expect("the handshake is correct");
            let pipes: Vec<_> = (0..10).map(|_| rustix::pipe::pipe().unwrap().0).collect();
            send(&socket, noise, &pipes.iter().map(AsFd::as_fd).collect::<Vec<_>>());
            let outcome = server.recv(&mut [0; 8]);
            assert!(matches!(outcome, Err(RecvError::Disconnected)), "{noise:?}: {outcome:?}");
            let outcome = server.send(b"never");
            assert!(matches!(outcome, Err(SendError::Disconnected)), "{noise:?}: {outcome:?}");
        });
    }
}

/// A stream to a crossing server, as somebody else would open it.
trait Raw: Read + Write + Send {}
impl<T: Read + Write + Send> Raw for T {}

fn strangers() -> [(Kind, Endpoint, Box<dyn Raw>); 2] {
    let (server, socket) = meet(Kind::Unix);
    let listener = Listener::bind(&"tcp://127.0.0.1:0".parse().unwrap()).unwrap();
    let Address::Tcp { host_port } = listener.address() else { unreachable!("it listens on TCP") };
    let stream = TcpStream::connect(host_port).unwrap();
    [
        (Kind::Unix, server, Box::new(UnixStream::from(socket))),
        (Kind::Tcp, listener.accept().unwrap(), Box::new(stream)),
    ]
}

/// The hello that `docs/wire.md` prescribes.
fn hello(kind: Kind) -> Vec<u8> {
    let code = if kind == Kind::Unix { 3 } else { 4 };
    [b"CROSSING\x01\0", &[code, 0][..], &65_536_u32.to_le_bytes(), &[0; 16]].concat()
}

/// The largest size that this process has had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_length_that_was_not_agreed_on_poisons_a_stream_and_takes_no_memory() {
    let _alone = alone();
    for length in [u32::MAX, 1 << 31, 65_537] {
        for (kind, server, mut stranger) in strangers() {
            stranger.write_all(&hello(kind)).unwrap();
            stranger.write_all(b"\x05\0\0\0hello").unwrap();
            stranger.write_all(&length.to_le_bytes()).unwrap();
            let mut server = server.connect(&config(LIMIT)).expect("the handshake is correct");
            let before = peak_kib();
            assert_eq!(server.recv(&mut [0; 64]).expect("what came before is received"), 5);
            let outcome = server.recv(&mut [0; 64]);
            let Err(RecvError::Poisoned(Violation::Length { claimed, limit })) = outcome else {
                panic!("{kind}: {outcome:?}")
            };
            assert_eq!((claimed, limit), (length.into(), 65_536), "{kind}");
            assert!(peak_kib() - before < 1 << 20, "{kind}: less than a GiB of addresses was taken");
            let outcome = server.send(b"never");
            assert!(matches!(outcome, Err(SendError::Disconnected)), "{kind}: {outcome:?}");
            let mut rest = Vec::new();
            // The server has hung up: this ends.
            let _ = stranger.read_to_end(&mut rest);
        }
    }
}

#[test]
fn garbage_for_a_hello_is_refused_by_name() {
    let _alone = alone();
    type Case = (&'static str, fn(&mut Vec<u8>));
    let cases: [Case; 7] = [
        ("magic", |hello| hello.copy_from_slice(b"GET / HTTP/1.1\r\nHost: myhost.x\r\n")),
        ("magic", |hello| hello.fill(0)),
        ("version", |hello| hello[8] = 2),
        ("mechanism", |hello| hello[10] ^= 7),
        ("flags", |hello| hello[11] = 2),
        ("max_message", |hello| hello[15] = 0xff),
        ("reserved bytes", |hello| hello[31] = 1),
    ];
    for (expected, wrong) in cases {
        for (kind, server, mut stranger) in strangers() {
            let mut bytes = hello(kind);
            wrong(&mut bytes);
            stranger.write_all(&bytes).unwrap();
            let outcome = server.connect(&config(LIMIT));
            let Err(ConnectError::Refused { field, .. }) = outcome else { panic!("{kind}: {outcome:?}") };
            assert_eq!(field, expected, "{kind}");
        }
    }
}

unsafe extern "C" {
    fn signal(number: c_int, action: usize) -> usize;
    fn siginterrupt(number: c_int, interrupt: c_int) -> c_int;
}

extern "C" fn nothing(_: c_int) {}

/// In a program in which SIGPIPE kills, a peer that receives no more is an error like any other.
#[test]
fn a_peer_that_goes_does_not_kill_a_program_that_lets_sigpipe_kill() {
    let _alone = alone();
    let status = again("sigpipe").status().expect("this program starts again");
    assert!(status.success(), "{status}");
    // The control: a plain write there is deadly.
    let status = again("sigpipe control").status().expect("this program starts again");
    let killed = std::os::unix::process::ExitStatusExt::signal(&status);
    assert_eq!(killed, Some(Signal::PIPE.as_raw()), "control: {status}");
}

fn let_sigpipe_kill() {
    // SAFETY: SIG_DFL is an action of the C library's ABI, and installs no code.
    unsafe { signal(Signal::PIPE.as_raw(), 0) };
}

fn sigpipe() {
    let_sigpipe_kill();
    for kind in Kind::ALL {
        let (mut here, there) = Connection::pair(kind, &config(LIMIT)).expect("a pair of ends");
        drop(there);
        let error = loop {
            if let Err(error) = here.send(message(0, 100)) {
                break error;
            }
        };
        assert!(matches!(error, SendError::Disconnected), "{kind}: {error:?}");
        let outcome = here.sender().try_send(b"never");
        assert!(matches!(outcome, Err(SendError::Disconnected)), "{kind}: {outcome:?}");
        let mut cork = here.cork();
        let _ = cork.send(b"never");
    }
}

fn sigpipe_control() {
    let_sigpipe_kill();
    let (reading, writing) = rustix::pipe::pipe().unwrap();
    drop(reading);
    let _ = rustix::io::write(&writing, b"never");
}

/// Signals interrupt whatever a call is waiting in; the caller never hears of it.
#[test]
fn a_storm_of_signals_surfaces_nowhere() {
    let _alone = alone();
    for kind in Kind::ALL {
        for wait in [WaitStrategy::Block, WaitStrategy::HYBRID, WaitStrategy::Spin] {
            let (here, there) = Endpoint::pair(kind).unwrap();
            let mut command = again("storm");
            command.env("CROSSING_TEST_WAIT", wait.name());
            let second = Second(there.spawn(command).expect("this program starts again"));
            within(&format!("a storm over {kind} {wait}"), move || {
                let mut here = here.connect(&Config { wait, ..config(LIMIT) }).expect("a correct peer");
                assert_eq!(here.recv(&mut [0; 8]).expect("it is ready for the storm"), 0);
                thread::scope(|scope| {
                    let storm = scope.spawn(|| {
                        let end = Instant::now() + Duration::from_millis(100);
                        while Instant::now() < end {
                            second.signal(Signal::USR1);
                        }
                    });
                    let mut buffer = vec![0; here.max_message()];
                    let mut number = 0;
                    // The last questions come when the storm is over, and end the talk.
                    while !storm.is_finished() || number < 20 {
                        here.send(message(number, 3000)).expect("the other side receives");
                        let len = here.recv(&mut buffer).expect("the other side answers");
                        assert!(buffer[..len] == *message(number, 3000), "{kind} {wait}: answer {number}");
                        number += 1;
                    }
                    // More than any buffer holds, so that the sender there waits for room as well.
                    here.send(b"").expect("the other side receives");
                    for number in 0..200 {
                        second.signal(Signal::USR1);
                        let len = here.recv(&mut buffer).expect("the other side sends");
                        assert!(buffer[..len] == *message(number, 60_000), "{kind} {wait}: message {number}");
                    }
                });
                drop(here);
                second.done();
            });
        }
    }
}

fn storm() {
    let wait = std::env::var("CROSSING_TEST_WAIT").expect("how to wait").parse().expect("a way of waiting");
    // SAFETY: the handler does nothing, so there is nothing it may not do; calls are interrupted and not
    // restarted.
    unsafe {
        signal(Signal::USR1.as_raw(), nothing as extern "C" fn(c_int) as usize);
        siginterrupt(Signal::USR1.as_raw(), 1);
    }
    let mut connection = Endpoint::inherited().unwrap().connect(&Config { wait, ..config(LIMIT) }).unwrap();
    let mut buffer = vec![0; connection.max_message()];
    connection.send(b"").expect("the other side receives");
    loop {
        let len = connection.recv(&mut buffer).expect("the other side asks");
        if len == 0 {
            break;
        }
        connection.send(&buffer[..len]).expect("the other side receives");
    }
    for number in 0..200 {
        connection.send(message(number, 60_000)).expect("the other side receives");
    }
    let outcome = connection.recv(&mut buffer);
    assert!(matches!(outcome, Err(RecvError::Disconnected)), "{outcome:?}");
}

#[test]
fn second_process() {
    match part().as_deref() {
        None => {}
        Some("stray") => stray(),
        Some("sigpipe") => sigpipe(),
        Some("sigpipe control") => sigpipe_control(),
        Some("storm") => storm(),
        Some(part) => panic!("{part} is no part of this play"),
    }
}
