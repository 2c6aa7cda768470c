//! A channel of each kind that calls move bytes through.

use std::fs::{self, File};
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::net::UnixStream;

use atlas::EdgeKind;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

/// A channel: the end of the process that begins, and that of the other.
pub(crate) struct Channel {
    pub(crate) what: &'static str,
    pub(crate) kind: EdgeKind,
    pub(crate) first: OwnedFd,
    pub(crate) second: OwnedFd,
}

impl Channel {
    fn new(
        what: &'static str,
        kind: EdgeKind,
        first: impl Into<OwnedFd>,
        second: impl Into<OwnedFd>,
    ) -> Channel {
        Channel { what, kind, first: first.into(), second: second.into() }
    }

    pub(crate) fn numbers(&self) -> (RawFd, RawFd) {
        (self.first.as_raw_fd(), self.second.as_raw_fd())
    }
}

pub(crate) fn pipe() -> Channel {
    let (reads, writes) = io::pipe().expect("a pipe");
    Channel::new("a pipe", EdgeKind::Pipe, writes, reads)
}

pub(crate) fn unix(of: SocketType) -> Channel {
    let (first, second) =
        rustix::net::socketpair(AddressFamily::UNIX, of, SocketFlags::empty(), None).expect("a pair");
    match of {
        SocketType::STREAM => Channel::new("a pair of streams", EdgeKind::UnixStream, first, second),
        SocketType::DGRAM => Channel::new("a pair for datagrams", EdgeKind::UnixDatagram, first, second),
        _ => Channel::new("a pair for packets", EdgeKind::UnixSeqpacket, first, second),
    }
}

pub(crate) fn tcp() -> Channel {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let first = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
    let (second, _) = listener.accept().expect("it is connected");
    for socket in [&first, &second] {
        socket.set_nodelay(true).expect("it is a socket");
    }
    Channel::new("TCP", EdgeKind::Tcp, first, second)
}

fn fifo() -> Channel {
    let path = std::env::temp_dir().join(format!("atlas-watch-{}", std::process::id()));
    let _ = fs::remove_file(&path);
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).expect("a FIFO");
    let reads = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(&path).expect("it opens");
    let writes = File::options().write(true).open(&path).expect("it opens");
    let _ = fs::remove_file(&path);
    rustix::io::ioctl_fionbio(&reads, false).expect("it is open");
    Channel::new("a FIFO", EdgeKind::Fifo, writes, reads)
}

fn unix_by_path() -> Channel {
    let path = std::env::temp_dir().join(format!("atlas-watch-{}.sock", std::process::id()));
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path).expect("a socket");
    let first = UnixStream::connect(&path).expect("it listens");
    let (second, _) = listener.accept().expect("it is connected");
    let _ = fs::remove_file(&path);
    Channel::new("a stream by a path", EdgeKind::UnixStream, first, second)
}

fn udp() -> Channel {
    let (first, second) =
        (UdpSocket::bind("127.0.0.1:0").expect("a port"), UdpSocket::bind("127.0.0.1:0").expect("a port"));
    first.connect(second.local_addr().expect("it is bound")).expect("it is a socket");
    second.connect(first.local_addr().expect("it is bound")).expect("it is a socket");
    Channel::new("UDP", EdgeKind::Udp, first, second)
}

/// A queue of mq_overview(7), from the first to the second; `None` where this kernel has none.
pub(crate) fn posix_queue() -> Option<Channel> {
    let name = format!("/atlas-watch-{}\0", std::process::id());
    // SAFETY: zeros are a valid structure, whose other fields the call does not read.
    let mut limits: libc::mq_attr = unsafe { std::mem::zeroed() };
    (limits.mq_maxmsg, limits.mq_msgsize) = (4, 4096);
    let open = |flags: i32| {
        // SAFETY: the name ends with a zero, and the limits live as long as the call.
        let fd = unsafe { libc::mq_open(name.as_ptr().cast(), flags, 0o600, &limits) };
        // SAFETY: the call has just made it.
        (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd) })
    };
    let writes = open(libc::O_CREAT | libc::O_WRONLY)?;
    let reads = open(libc::O_RDONLY)?;
    // SAFETY: the name ends with a zero.
    unsafe { libc::mq_unlink(name.as_ptr().cast()) };
    Some(Channel::new("a queue", EdgeKind::PosixQueue, writes, reads))
}

/// Those that carry both directions.
pub(crate) fn two_ways() -> Vec<Channel> {
    let pairs = [SocketType::STREAM, SocketType::DGRAM, SocketType::SEQPACKET].map(unix);
    pairs.into_iter().chain([unix_by_path(), tcp(), udp()]).collect()
}

/// Those of bytes that carry one.
pub(crate) fn one_way() -> Vec<Channel> {
    vec![pipe(), fifo()]
}
