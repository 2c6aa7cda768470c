//! The attacker: raw calls that say and hand over what a correct end would, but for one thing.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::LazyLock;
use std::thread;

use crossing::{Address, ConnectError, Connection, Endpoint, Kind, Listener};
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use rustix::process::PidfdFlags;

use crate::config;
use crate::process::{LIMIT, socket_path};

/// A server at a path, and an attacker's socket, just connected to it.
pub(crate) fn meet(kind: Kind) -> (Endpoint, OwnedFd) {
    let path = socket_path();
    let listener = Listener::bind(&Address::at_path(kind, path.clone()).unwrap()).expect("a free path");
    let shape = if kind == Kind::Unix { SocketType::STREAM } else { SocketType::SEQPACKET };
    let socket = rustix::net::socket_with(AddressFamily::UNIX, shape, SocketFlags::CLOEXEC, None).unwrap();
    rustix::net::connect(&socket, &SocketAddrUnix::new(&path).unwrap()).expect("the server listens");
    (listener.accept().expect("the attacker is there"), socket)
}

pub(crate) fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(20))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(fds)));
    }
    // The server may have hung up already.
    let _ = rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL);
}

/// Receives a packet with its descriptors.
pub(crate) fn receive(socket: impl AsFd) -> (Vec<u8>, Vec<OwnedFd>) {
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

/// What a correct region is sealed with.
pub(crate) const SEALED: SealFlags =
    SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::FUTURE_WRITE).union(SealFlags::SEAL);

/// The size of the region's header in the file, in bytes: a page.
pub(crate) static PAGE: LazyLock<u64> = LazyLock::new(|| rustix::param::page_size() as u64);

/// What the attacker says and hands over: correct, until something in it is changed.
pub(crate) struct Forged {
    pub(crate) hello: Vec<u8>,
    /// The beginning of the region's file.
    pub(crate) header: Vec<u8>,
    pub(crate) file_bytes: u64,
    pub(crate) allocated: bool,
    pub(crate) seals: SealFlags,
    /// Handed over in place of the region.
    pub(crate) region: Option<OwnedFd>,
    /// Handed over in place of a pidfd.
    pub(crate) pidfd: Option<OwnedFd>,
    /// Handed over as the server's bell, by an end that is to make both: see [`Forged::with_bell`].
    pub(crate) bell: Option<OwnedFd>,
    /// What is said while the memory is made, as often as this.
    pub(crate) working: (Vec<u8>, usize),
    /// What is said beside the memory.
    pub(crate) memory: Vec<u8>,
    /// How many descriptors go along.
    pub(crate) fds: usize,
    pub(crate) ready: Vec<u8>,
    pub(crate) ready_fd: bool,
}

/// Where the number stands that an end has drawn: in its hello, …
const NONCE: std::ops::Range<usize> = 24..32;
/// … and in its region's header.
const REGION_NONCE: std::ops::Range<usize> = 48..56;

/// What a correct end sends first, and the beginning of its region.
pub(crate) static OVERHEARD: LazyLock<(Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
    let (server, socket) = meet(Kind::Shm);
    thread::scope(|scope| {
        scope.spawn(|| server.connect(&config(LIMIT)).map(drop));
        let (mut hello, _) = receive(&socket);
        // A correct end makes its memory after the peer's hello. Of the two, the one with the larger number makes the bells: not
        // this one.
        hello[NONCE].copy_from_slice(&1_u64.to_le_bytes());
        send(&socket, &hello, &[]);
        let (_, fds) = receive(&socket);
        let mut header = vec![0; 1024];
        assert_eq!(rustix::io::pread(&fds[0], &mut header[..], 0), Ok(1024));
        drop(socket);
        header[REGION_NONCE].copy_from_slice(&1_u64.to_le_bytes());
        (hello, header)
    })
});

impl Forged {
    pub(crate) fn correct() -> Forged {
        let (hello, header) = OVERHEARD.clone();
        let capacity = u32::from_le_bytes(hello[16..20].try_into().unwrap());
        Forged {
            hello,
            header,
            file_bytes: *PAGE + u64::from(capacity),
            allocated: true,
            seals: SEALED,
            region: None,
            pidfd: None,
            bell: None,
            working: (b"W".to_vec(), 0),
            memory: b"M".to_vec(),
            fds: 2,
            ready: b"!".to_vec(),
            ready_fd: false,
        }
    }

    /// The same of an end that makes the bells of both, and its own bell. It keeps a copy of the server's.
    pub(crate) fn with_bell() -> (Forged, OwnedFd) {
        let (mine, theirs) = UnixStream::pair().unwrap();
        (Forged { bell: Some(theirs.into()), ..Forged::correct().making_bells() }, mine.into())
    }

    /// The same of an end that must make the bells of both.
    pub(crate) fn making_bells(self) -> Forged {
        let mut forged = Forged { fds: 3, ..self };
        forged.hello[NONCE].fill(0xff);
        forged.header[REGION_NONCE].fill(0xff);
        forged
    }

    /// Sets a word of the region's header before it is sealed.
    pub(crate) fn word(&mut self, at: usize, change: impl FnOnce(u64) -> u64) {
        let word = &mut self.header[at..at + 8];
        let value = u64::from_le_bytes(word.try_into().unwrap());
        word.copy_from_slice(&change(value).to_le_bytes());
    }

    pub(crate) fn region(&mut self) -> OwnedFd {
        if let Some(region) = self.region.take() {
            return region;
        }
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memfd = rustix::fs::memfd_create(c"forged", flags).unwrap();
        rustix::fs::ftruncate(&memfd, self.file_bytes).unwrap();
        if self.allocated && self.file_bytes > 0 {
            rustix::io::pwrite(&memfd, &vec![0; self.file_bytes as usize], 0).unwrap();
            rustix::io::pwrite(&memfd, &self.header, 0).unwrap();
        }
        rustix::fs::fcntl_add_seals(&memfd, self.seals).unwrap();
        memfd
    }

    /// Says hello to the server, and waits for nothing.
    pub(crate) fn greet(&mut self, socket: &OwnedFd) {
        let region = self.region();
        let pidfd = self.pidfd.take().unwrap_or_else(own_pidfd);
        let more = std::iter::repeat(region.as_fd());
        let right = [region.as_fd(), pidfd.as_fd()];
        let bell = self.bell.iter().map(AsFd::as_fd);
        let fds: Vec<_> = right.into_iter().chain(bell).chain(more).take(self.fds).collect();
        send(socket, &self.hello, &[]);
        (0..self.working.1).for_each(|_| send(socket, &self.working.0, &[]));
        send(socket, &self.memory, &fds);
        let also = [socket.as_fd()];
        send(socket, &self.ready, if self.ready_fd { &also } else { &[] });
    }
}

/// Two ends of a Unix packet socket.
pub(crate) fn packets() -> (OwnedFd, OwnedFd) {
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

pub(crate) fn own_pidfd() -> OwnedFd {
    rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).unwrap()
}

/// The server's end of a handshake with `forged`. The attacker speaks first, before the server listens.
pub(crate) fn attacked(forged: &mut Forged) -> (Result<Connection, ConnectError>, OwnedFd) {
    let (server, socket) = meet(Kind::Shm);
    forged.greet(&socket);
    (server.connect(&config(LIMIT)), socket)
}

/// Asks the server for the lane on which it receives blobs, and waits for it.
pub(crate) fn ask_for_lane(socket: &OwnedFd) -> OwnedFd {
    send(socket, b"L", &[]);
    loop {
        let (word, mut fds) = receive(socket);
        if word == b"A" {
            return fds.pop().expect("a lane comes with the answer");
        }
    }
}
