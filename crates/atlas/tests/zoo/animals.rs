//! One edge of each kind, and what the map must say of it.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;

use atlas::EdgeKind;
use rustix::mm::{MapFlags, ProtFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::cannot_run::{Lacks, cannot_run};

/// Which process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// This one.
    Here,
    /// The forked one.
    There,
}

/// An end that the map must have.
#[derive(Debug, Clone)]
pub(crate) struct ExpectedEnd {
    pub(crate) at: At,
    pub(crate) side: u8,
    pub(crate) reads: bool,
    pub(crate) writes: bool,
    pub(crate) descriptors: Vec<i32>,
    pub(crate) queued_bytes: Option<u64>,
}

/// An edge that the map must have.
#[derive(Debug)]
pub(crate) struct Animal {
    pub(crate) what: &'static str,
    pub(crate) id: String,
    pub(crate) kind: EdgeKind,
    pub(crate) name: Option<String>,
    pub(crate) ends: Vec<ExpectedEnd>,
    /// What this process keeps, and the forked one closes.
    pub(crate) here: Vec<OwnedFd>,
    /// What the forked process keeps, and this one closes.
    pub(crate) there: Vec<OwnedFd>,
    /// Memory that is mapped, by its address and length.
    pub(crate) memory: Option<(usize, usize)>,
    /// Whether the forked process gives up writing to it.
    pub(crate) protects: bool,
    /// A queue from which the forked process takes a message.
    pub(crate) sysv_queue: Option<i32>,
    /// Files that are removed with it.
    files: Vec<PathBuf>,
}

impl Drop for Animal {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        if let Some(queue) = self.sysv_queue {
            // SAFETY: removing takes no structure.
            unsafe { libc::msgctl(queue, libc::IPC_RMID, std::ptr::null_mut()) };
        }
        if let Some((at, length)) = self.memory {
            // SAFETY: it is a mapping of this program's, of which nothing refers to.
            let _ = unsafe { rustix::mm::munmap(at as *mut _, length) };
        }
    }
}

fn animal(
    what: &'static str,
    kind: EdgeKind,
    id: String,
    name: Option<String>,
    ends: Vec<ExpectedEnd>,
) -> Animal {
    Animal {
        what,
        id,
        kind,
        name,
        ends,
        here: Vec::new(),
        there: Vec::new(),
        memory: None,
        protects: false,
        sysv_queue: None,
        files: Vec::new(),
    }
}

fn end(at: At, side: u8, reads: bool, writes: bool, fd: &impl AsRawFd, queued: Option<u64>) -> ExpectedEnd {
    ExpectedEnd { at, side, reads, writes, descriptors: vec![fd.as_raw_fd()], queued_bytes: queued }
}

pub(crate) fn inode(fd: impl AsFd) -> u64 {
    rustix::fs::fstat(fd).expect("it is open").st_ino
}

/// `00:1f:42`, of a file.
fn file_id(fd: impl AsFd) -> String {
    let stat = rustix::fs::fstat(fd).expect("it is open");
    let device = stat.st_dev;
    format!("{:02x}:{:02x}:{}", rustix::fs::major(device), rustix::fs::minor(device), stat.st_ino)
}

/// A path of the test's own, of which nothing is there yet.
pub(crate) fn place(name: &str) -> PathBuf {
    // Sockets have short paths.
    let path = std::env::temp_dir().join(format!("atlas-zoo-{}-{name}", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

/// Every animal that this machine can have.
pub(crate) fn all() -> Vec<Animal> {
    let mut all = vec![pipe(), fifo(), unix_path(), unix_abstract()];
    all.extend([
        unix_pair(SocketType::STREAM),
        unix_pair(SocketType::DGRAM),
        unix_pair(SocketType::SEQPACKET),
    ]);
    all.extend([unix_datagram_path(), unix_seqpacket_path()]);
    all.extend(tcp("TCP over IPv4", "127.0.0.1:0"));
    all.extend(tcp("TCP over IPv6", "[::1]:0"));
    all.extend(tcp("TCP over both", "[::ffff:127.0.0.1]:0"));
    all.extend([udp_pair(), udp_server(), memfd(), posix_memory(), mapped_file(), anonymous_memory()]);
    all.extend([sysv_memory(), sysv_queue(), posix_queue(), eventfd(), pty()].into_iter().flatten());
    all
}

fn pipe() -> Animal {
    let (reads, mut writes) = io::pipe().expect("a pipe");
    writes.write_all(&[7; 100]).expect("there is room");
    let ends =
        vec![end(At::There, 0, false, true, &writes, None), end(At::Here, 1, true, false, &reads, Some(100))];
    let mut made = animal("a pipe", EdgeKind::Pipe, format!("pipe:{}", inode(&reads)), None, ends);
    (made.here, made.there) = (vec![reads.into()], vec![writes.into()]);
    made
}

fn fifo() -> Animal {
    let path = place("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).expect("a FIFO");
    let reads = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(&path).expect("it opens");
    let writes = File::options().write(true).open(&path).expect("it opens");
    let ends =
        vec![end(At::Here, 0, false, true, &writes, None), end(At::There, 1, true, false, &reads, Some(0))];
    let name = path.to_string_lossy().into_owned();
    let mut made = animal("a FIFO", EdgeKind::Fifo, format!("fifo:{}", file_id(&reads)), Some(name), ends);
    (made.here, made.there, made.files) = (vec![writes.into()], vec![reads.into()], vec![path]);
    made
}

/// Two sockets that are each other's peer, `here` with bytes that wait.
fn unix(what: &'static str, kind: EdgeKind, name: Option<String>, here: OwnedFd, there: OwnedFd) -> Animal {
    let (one, other) = (inode(&here), inode(&there));
    let (at_here, at_there) = if one < other { (0, 1) } else { (1, 0) };
    rustix::io::write(&there, &[7; 64]).expect("there is room");
    let ends = vec![
        end(At::Here, at_here, true, true, &here, Some(64)),
        end(At::There, at_there, true, true, &there, Some(0)),
    ];
    let mut made = animal(what, kind, format!("unix:{}-{}", one.min(other), one.max(other)), name, ends);
    (made.here, made.there) = (vec![here], vec![there]);
    made
}

fn unix_path() -> Animal {
    let path = place("stream");
    let listener = UnixListener::bind(&path).expect("it binds");
    let client = UnixStream::connect(&path).expect("it connects");
    let server = listener.accept().expect("a client").0;
    let name = path.to_string_lossy().into_owned();
    let mut made =
        unix("a Unix stream by path", EdgeKind::UnixStream, Some(name), server.into(), client.into());
    made.files.push(path);
    made
}

fn unix_abstract() -> Animal {
    let name = format!("atlas zoo \u{7} {}", std::process::id());
    let address = UnixAddr::from_abstract_name(&name).expect("a name");
    let listener = UnixListener::bind_addr(&address).expect("it binds");
    let client = UnixStream::connect_addr(&address).expect("it connects");
    let server = listener.accept().expect("a client").0;
    let name = Some(format!("@{name}"));
    unix("an abstract Unix stream", EdgeKind::UnixStream, name, server.into(), client.into())
}

fn unix_pair(kind: SocketType) -> Animal {
    let (here, there) =
        rustix::net::socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).expect("a pair");
    match kind {
        SocketType::STREAM => unix("a pair of streams", EdgeKind::UnixStream, None, here, there),
        SocketType::DGRAM => unix("a pair of datagram sockets", EdgeKind::UnixDatagram, None, here, there),
        _ => unix("a pair of seqpacket sockets", EdgeKind::UnixSeqpacket, None, here, there),
    }
}

/// A client that is connected with a server, which is connected with none: one direction.
fn unix_datagram_path() -> Animal {
    let path = place("datagram");
    let server = UnixDatagram::bind(&path).expect("it binds");
    let client = UnixDatagram::unbound().expect("a socket");
    client.connect(&path).expect("it connects");
    client.send(&[7; 30]).expect("there is room");
    let ends = vec![
        end(At::There, 0, false, true, &client, Some(0)),
        end(At::Here, 1, true, false, &server, Some(30)),
    ];
    let id = format!("unix:{}-{}", inode(&client), inode(&server));
    let name = path.to_string_lossy().into_owned();
    let mut made = animal("Unix datagrams by path", EdgeKind::UnixDatagram, id, Some(name), ends);
    (made.here, made.there, made.files) = (vec![server.into()], vec![client.into()], vec![path]);
    made
}

fn unix_seqpacket_path() -> Animal {
    let path = place("seqpacket");
    let address = rustix::net::SocketAddrUnix::new(&path).expect("a path");
    let socket = || {
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .expect("a socket")
    };
    let (listener, client) = (socket(), socket());
    rustix::net::bind(&listener, &address).expect("it binds");
    rustix::net::listen(&listener, 1).expect("it listens");
    rustix::net::connect(&client, &address).expect("it connects");
    let server = rustix::net::accept(&listener).expect("a client");
    let name = path.to_string_lossy().into_owned();
    let mut made = unix("Unix seqpacket by path", EdgeKind::UnixSeqpacket, Some(name), server, client);
    made.files.push(path);
    made
}

/// The ends of two sockets, in the order of their addresses.
fn inet(
    what: &'static str,
    kind: EdgeKind,
    (here, at_here): (OwnedFd, SocketAddr),
    (there, at_there): (OwnedFd, SocketAddr),
    name: Option<SocketAddr>,
) -> Animal {
    let canonical = |at: SocketAddr| SocketAddr::new(at.ip().to_canonical(), at.port());
    let (at_here, at_there) = (canonical(at_here), canonical(at_there));
    let (one, other) = if at_here < at_there { (0, 1) } else { (1, 0) };
    let ends = vec![
        end(At::Here, one, true, true, &here, Some(0)),
        end(At::There, other, true, true, &there, Some(0)),
    ];
    let id = format!("{}:{}-{}", kind.name(), at_here.min(at_there), at_here.max(at_there));
    let mut made = animal(what, kind, id, name.map(|at| canonical(at).to_string()), ends);
    (made.here, made.there) = (vec![here], vec![there]);
    made
}

fn tcp(what: &'static str, address: &str) -> Option<Animal> {
    let listener = match TcpListener::bind(address) {
        Ok(listener) => listener,
        Err(error) => {
            cannot_run(Lacks::Part, format!("{what}: {error}"));
            return None;
        }
    };
    let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("it connects");
    let server = listener.accept().expect("a client").0;
    let (at_server, at_client) = (server.local_addr().expect("bound"), client.local_addr().expect("bound"));
    Some(inet(what, EdgeKind::Tcp, (server.into(), at_server), (client.into(), at_client), None))
}

fn udp_pair() -> Animal {
    let socket = || UdpSocket::bind("127.0.0.1:0").expect("it binds");
    let (here, there) = (socket(), socket());
    let (at_here, at_there) = (here.local_addr().expect("bound"), there.local_addr().expect("bound"));
    here.connect(at_there).expect("it connects");
    there.connect(at_here).expect("it connects");
    inet("UDP, both connected", EdgeKind::Udp, (here.into(), at_here), (there.into(), at_there), None)
}

fn udp_server() -> Animal {
    let (server, client) =
        (UdpSocket::bind("0.0.0.0:0").expect("it binds"), UdpSocket::bind("127.0.0.1:0").expect("it binds"));
    let port = server.local_addr().expect("bound").port();
    let at_server: SocketAddr = ([127, 0, 0, 1], port).into();
    let at_client = client.local_addr().expect("bound");
    client.connect(at_server).expect("it connects");
    let at = Some(at_server);
    inet("UDP to a server", EdgeKind::Udp, (server.into(), at_server), (client.into(), at_client), at)
}

const MAPPED: usize = 8192;

/// Maps a file of this size; the forked process has the mapping too, and gives up writing to it.
fn mapped(what: &'static str, kind: EdgeKind, name: Option<String>, file: File, is_open: bool) -> Animal {
    file.set_len(MAPPED as u64).expect("it grows");
    let id = format!("memory:{}", file_id(&file));
    let flags = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
    // SAFETY: the kernel chooses a free place.
    let at = unsafe { rustix::mm::mmap(std::ptr::null_mut(), MAPPED, flags.0, flags.1, &file, 0) };
    let descriptors = if is_open { vec![file.as_raw_fd()] } else { Vec::new() };
    let ends = vec![
        ExpectedEnd { descriptors, ..end(At::Here, 0, true, true, &file, None) },
        ExpectedEnd { descriptors: Vec::new(), ..end(At::There, 0, true, false, &file, None) },
    ];
    let mut made = animal(what, kind, id, name, ends);
    made.memory = Some((at.expect("it maps") as usize, MAPPED));
    (made.here, made.protects) = (vec![file.into()], true);
    made
}

fn memfd() -> Animal {
    let name = "of the \"zoo\" \u{7}";
    let file = rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::CLOEXEC).expect("a memfd");
    mapped("a memfd", EdgeKind::Memfd, Some(name.into()), file.into(), true)
}

fn posix_memory() -> Animal {
    let path = PathBuf::from(format!("/dev/shm/atlas-zoo-{}", std::process::id()));
    let options = File::options().read(true).write(true).create(true).truncate(true).open(&path);
    let name = Some(path.to_string_lossy().into_owned());
    let mut made =
        mapped("memory in /dev/shm", EdgeKind::PosixMemory, name, options.expect("it is made"), true);
    made.files.push(path);
    made
}

fn mapped_file() -> Animal {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("zoo {}", std::process::id()));
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
    let name = Some(path.to_string_lossy().into_owned());
    // Its descriptor alone joins nothing, so that none is told.
    let mut made = mapped("a mapped file", EdgeKind::MappedFile, name, file.expect("it is made"), false);
    made.files.push(path);
    made
}

/// The identity of the file behind a mapping, from this process's own maps.
fn mapped_id(at: usize) -> String {
    let maps = lab::sys::maps::of("self").expect("/proc");
    let mapping = maps.into_iter().find(|mapping| mapping.at.contains(&(at as u64))).expect("it is mapped");
    format!("memory:{}:{}", mapping.file.0, mapping.file.1)
}

fn without_a_file(what: &'static str, kind: EdgeKind, at: usize, protects: bool) -> Animal {
    let end = |at, writes| ExpectedEnd {
        at,
        side: 0,
        reads: true,
        writes,
        descriptors: Vec::new(),
        queued_bytes: None,
    };
    let ends = vec![end(At::Here, true), end(At::There, !protects)];
    let mut made = animal(what, kind, mapped_id(at), None, ends);
    (made.memory, made.protects) = (Some((at, MAPPED)), protects);
    made
}

fn anonymous_memory() -> Animal {
    let flags = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
    // SAFETY: the kernel chooses a free place.
    let at = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), MAPPED, flags.0, flags.1) };
    without_a_file(
        "memory shared with a child",
        EdgeKind::AnonymousMemory,
        at.expect("it maps") as usize,
        false,
    )
}

fn sysv_memory() -> Option<Animal> {
    // SAFETY: these take numbers; the kernel chooses a free place.
    let (id, at) = unsafe {
        let id = libc::shmget(libc::IPC_PRIVATE, MAPPED, libc::IPC_CREAT | 0o600);
        let at = libc::shmat(id, std::ptr::null(), 0);
        libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut());
        (id, at)
    };
    if id < 0 || at as isize == -1 {
        cannot_run(Lacks::Part, format!("System V memory: {}", io::Error::last_os_error()));
        return None;
    }
    Some(without_a_file("System V memory", EdgeKind::SysvMemory, at as usize, true))
}

fn sysv_queue() -> Option<Animal> {
    // SAFETY: it takes numbers.
    let queue = unsafe { libc::msgget(libc::IPC_PRIVATE, libc::IPC_CREAT | 0o600) };
    if queue < 0 {
        cannot_run(Lacks::Part, format!("System V queues: {}", io::Error::last_os_error()));
        return None;
    }
    let message = [1_u64; 8];
    for _ in 0..3 {
        // SAFETY: the message has its type and 56 bytes more. The forked process takes one of them.
        let sent = unsafe { libc::msgsnd(queue, message.as_ptr().cast(), 56, libc::IPC_NOWAIT) };
        assert_eq!(sent, 0, "{}", io::Error::last_os_error());
    }
    let end = |at, reads: bool| ExpectedEnd {
        at,
        side: 0,
        reads,
        writes: !reads,
        descriptors: Vec::new(),
        queued_bytes: reads.then_some(112),
    };
    let ends = vec![end(At::Here, false), end(At::There, true)];
    let mut made = animal("a System V queue", EdgeKind::SysvQueue, format!("sysv-queue:{queue}"), None, ends);
    made.sysv_queue = Some(queue);
    Some(made)
}

fn posix_queue() -> Option<Animal> {
    let name = format!("/atlas-zoo-{}", std::process::id());
    let raw = CString::new(name.clone()).expect("no zero byte");
    let open = |flags: i32| {
        // SAFETY: the name ends with a zero byte, and no attributes are given.
        let fd = unsafe { libc::mq_open(raw.as_ptr(), flags, 0o600, std::ptr::null_mut::<libc::mq_attr>()) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given the descriptor to this program.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    };
    let writes = match open(libc::O_CREAT | libc::O_WRONLY | libc::O_CLOEXEC) {
        Ok(fd) => fd,
        Err(error) => {
            cannot_run(Lacks::Part, format!("POSIX queues: {error}"));
            return None;
        }
    };
    let reads = open(libc::O_RDONLY | libc::O_CLOEXEC).expect("it opens");
    // SAFETY: the message has five bytes; the name ends with a zero byte.
    let sent = unsafe {
        let sent = libc::mq_send(writes.as_raw_fd(), [7_i8; 5].as_ptr().cast(), 5, 0);
        libc::mq_unlink(raw.as_ptr());
        sent
    };
    assert_eq!(sent, 0, "{}", io::Error::last_os_error());
    let ends =
        vec![end(At::Here, 0, false, true, &writes, None), end(At::There, 0, true, false, &reads, Some(5))];
    let id = format!("posix-queue:{}", file_id(&reads));
    let mut made = animal("a POSIX queue", EdgeKind::PosixQueue, id, Some(name), ends);
    (made.here, made.there) = (vec![writes], vec![reads]);
    Some(made)
}

fn eventfd() -> Option<Animal> {
    // SAFETY: it takes numbers, and gives a descriptor to this program.
    let eventfd = unsafe { OwnedFd::from_raw_fd(libc::eventfd(3, libc::EFD_CLOEXEC)) };
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", eventfd.as_raw_fd())).expect("/proc");
    let Some(id) = info.lines().find_map(|line| line.strip_prefix("eventfd-id:")) else {
        cannot_run(Lacks::Part, "this kernel does not number eventfds");
        return None;
    };
    let copy = eventfd.try_clone().expect("a copy");
    let ends = vec![end(At::Here, 0, true, true, &eventfd, None), end(At::There, 0, true, true, &copy, None)];
    let mut made = animal("an eventfd", EdgeKind::Eventfd, format!("eventfd:{}", id.trim()), None, ends);
    (made.here, made.there) = (vec![eventfd], vec![copy]);
    Some(made)
}

fn pty() -> Option<Animal> {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = match openpt(flags) {
        Ok(master) => master,
        Err(error) => {
            cannot_run(Lacks::Part, format!("pseudo-terminals: {error}"));
            return None;
        }
    };
    grantpt(&master).and_then(|()| unlockpt(&master)).expect("it is ours");
    let path = ptsname(&master, Vec::new()).expect("it has a name").into_string().expect("text");
    let terminal =
        File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open(&path).expect("it opens");
    let device = rustix::fs::fstat(&terminal).expect("it is open").st_dev;
    let number = path.rsplit('/').next().unwrap_or_default();
    let id = format!("pty:{:02x}:{:02x}:{number}", rustix::fs::major(device), rustix::fs::minor(device));
    let ends =
        vec![end(At::Here, 0, true, true, &master, None), end(At::There, 1, true, true, &terminal, None)];
    let mut made = animal("a pseudo-terminal", EdgeKind::Pty, id, Some(path), ends);
    (made.here, made.there) = (vec![master], vec![terminal.into()]);
    Some(made)
}
