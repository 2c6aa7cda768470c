//! What is said and handed over before the first message: refused by name, whatever is wrong with it.

use std::fs::File;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use crossing::{ConnectError, Connection, Kind, Listener, RecvError};
use rustix::fs::{FallocateFlags, MemfdFlags, OFlags, SealFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::attacker::{Forged, OVERHEARD, PAGE, SEALED, attacked, meet, own_pidfd, packets, receive, send};
use crate::process::{LIMIT, within};
use crate::{alone, config, leaves_nothing, settled};

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
    ("a page too small", "size", |it| it.file_bytes -= *PAGE),
    ("a byte too small", "size", |it| it.file_bytes -= 1),
    ("a page too large", "size", |it| it.file_bytes += *PAGE),
    ("a byte too large", "size", |it| it.file_bytes += 1),
    ("empty", "size", |it| it.file_bytes = 0),
    ("full of holes", "allocation", |it| it.allocated = false),
    ("holes, and as many pages behind the end", "allocation", |it| {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memfd = rustix::fs::memfd_create(c"forged", flags).unwrap();
        rustix::fs::ftruncate(&memfd, it.file_bytes).unwrap();
        rustix::io::pwrite(&memfd, &it.header, 0).unwrap();
        rustix::fs::fallocate(&memfd, FallocateFlags::KEEP_SIZE, it.file_bytes, it.file_bytes).unwrap();
        rustix::fs::fcntl_add_seals(&memfd, SEALED).unwrap();
        assert!(rustix::fs::fstat(&memfd).unwrap().st_blocks as u64 * 512 >= it.file_bytes, "it seems full");
        it.region = Some(memfd);
    }),
    ("allocated, and never written", "allocation", |it| {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memfd = rustix::fs::memfd_create(c"forged", flags).unwrap();
        rustix::fs::fallocate(&memfd, FallocateFlags::empty(), 0, it.file_bytes).unwrap();
        rustix::io::pwrite(&memfd, &it.header, 0).unwrap();
        rustix::fs::fcntl_add_seals(&memfd, SEALED).unwrap();
        it.region = Some(memfd);
    }),
    ("a pipe", "file type", |it| it.region = Some(rustix::pipe::pipe().unwrap().0)),
    ("/dev/null", "file type", |it| it.region = Some(File::open("/dev/null").unwrap().into())),
    ("a directory", "file type", |it| it.region = Some(File::open("/").unwrap().into())),
    ("a socket", "file type", |it| it.region = Some(UnixStream::pair().unwrap().0.into())),
    ("this program", "file type", |it| {
        it.region = Some(File::open(std::env::current_exe().unwrap()).unwrap().into());
    }),
    ("a pidfd for a region", "file type", |it| {
        it.region = Some(rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC).unwrap());
    }),
    ("a pipe for a pidfd", "pidfd", |it| it.pidfd = Some(rustix::pipe::pipe().unwrap().0)),
    ("a file for a pidfd", "pidfd", |it| it.pidfd = Some(File::open("/dev/null").unwrap().into())),
    ("region magic", "region magic", |it| it.header[0] ^= 1),
    ("region version", "region version and byte order", |it| it.header[8] ^= 2),
    ("region byte order", "region version and byte order", |it| it.header[8..16].reverse()),
    ("region words", "region words", |it| it.header[16] ^= 1),
    ("more region words", "region words", |it| it.header[24] ^= 1),
    ("a page of another size", "region header and page size", |it| it.header[57] ^= 0x50),
    ("region start", "region start index", |it| it.header[32] ^= 8),
    ("region capacity", "region capacity", |it| it.header[40] ^= 1),
    ("region nonce", "region nonce", |it| it.header[48] ^= 1),
    ("hello magic", "magic", |it| it.hello[0] ^= 1),
    ("hello version", "version", |it| it.hello[8] += 1),
    ("hello of a pipe", "mechanism", |it| it.hello[10] = 2),
    ("hello of nothing known", "mechanism", |it| it.hello[10] = 0xff),
    ("hello flags", "flags", |it| it.hello[11] = 0x40),
    ("hello max_message", "max_message", |it| it.hello[12..16].fill(0xff)),
    ("hello reserved bytes", "reserved bytes", |it| it.hello[23] = 1),
    ("hello nonce", "region nonce", |it| it.hello[24] ^= 2),
    ("capacity 0", "capacity", |it| it.hello[16..20].fill(0)),
    ("capacity no power of two", "capacity", |it| it.hello[16] = 8),
    ("capacity below a page", "capacity", |it| it.hello[16..20].copy_from_slice(&2048_u32.to_le_bytes())),
    ("capacity of 2 GiB", "capacity", |it| it.hello[16..20].copy_from_slice(&(1_u32 << 31).to_le_bytes())),
    ("capacity of another ring", "region capacity", |it| {
        it.hello[16..20].copy_from_slice(&(1_u32 << 20).to_le_bytes());
    }),
    ("a hello cut short", "handshake packet", |it| it.hello.truncate(31)),
    ("a hello of one byte", "handshake packet", |it| it.hello.truncate(1)),
    ("a hello too long", "handshake packet", |it| it.hello.push(0)),
    ("more work than there is", "handshake packet", |it| it.working.1 = 1),
    ("other work", "handshake packet", |it| it.working = (b"w".to_vec(), 1)),
    ("no word beside the memory", "handshake packet", |it| it.memory.clear()),
    ("another word beside the memory", "handshake packet", |it| it.memory = b"m".to_vec()),
    ("more words beside the memory", "handshake packet", |it| it.memory = b"MM".to_vec()),
    ("no descriptor", "handshake packet", |it| it.fds = 0),
    ("one descriptor", "handshake packet", |it| it.fds = 1),
    ("no bell", "handshake packet", |it| {
        *it = Forged { fds: 2, ..Forged::correct().making_bells() };
    }),
    ("a pipe for a bell", "bell", |it| wrong_bell(it, rustix::pipe::pipe().unwrap().0)),
    ("a file for a bell", "bell", |it| wrong_bell(it, File::open("/dev/null").unwrap().into())),
    ("packets for a bell", "bell", |it| wrong_bell(it, packets().0)),
    ("a TCP socket for a bell", "bell", |it| {
        wrong_bell(it, TcpListener::bind("127.0.0.1:0").unwrap().into());
    }),
    ("a listening socket for a bell", "bell", |it| {
        let flags = SocketFlags::CLOEXEC;
        let stream = SocketType::STREAM;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, stream, flags, None).unwrap();
        // No address: the kernel gives it an abstract one.
        rustix::net::bind(&socket, &SocketAddrUnix::new_abstract_name(b"").unwrap()).unwrap();
        rustix::net::listen(&socket, 1).unwrap();
        wrong_bell(it, socket);
    }),
    ("not ready", "handshake packet", |it| it.ready = b"?".to_vec()),
    ("more than ready", "handshake packet", |it| it.ready = b"!!".to_vec()),
    ("ready with a descriptor", "handshake packet", |it| it.ready_fd = true),
];

fn wrong_bell(forged: &mut Forged, bell: OwnedFd) {
    *forged = Forged { bell: Some(bell), ..Forged::correct().making_bells() };
}

/// A number that is reflected would leave it open which end makes the bells.
#[test]
fn a_number_that_is_the_servers_own_is_refused() {
    let _alone = alone();
    let (server, socket) = meet(Kind::Shm);
    let outcome = thread::scope(|scope| {
        let server = scope.spawn(move || server.connect(&config(LIMIT)));
        let (hello, _) = receive(&socket);
        send(&socket, &hello, &[]);
        server.join().unwrap()
    });
    assert!(matches!(outcome, Err(ConnectError::Refused { field: "nonce", .. })), "{outcome:?}");
}

#[test]
fn each_fault_of_a_handshake_is_refused_by_name_and_leaves_nothing() {
    let _alone = alone();
    LazyLock::force(&OVERHEARD);
    settled();
    let floods = (3..=20).map(|fds| (fds, "handshake packet"));
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
            let (region, pidfd) = (forged.region.take().unwrap(), forged.pidfd.take());
            let bell = forged.bell.take();
            // Handed over copies, so that what is left is left by the server.
            forged.region = Some(region.try_clone().unwrap());
            forged.pidfd = pidfd.as_ref().map(|fd| fd.try_clone().unwrap());
            forged.bell = bell.as_ref().map(|fd| fd.try_clone().unwrap());
            forged.greet(&socket);
            let started = Instant::now();
            match server.connect(&config(LIMIT)) {
                Err(ConnectError::Refused { field, .. }) => assert_eq!(field, expected, "{what}"),
                other => panic!("{what}: {other:?}"),
            }
            assert!(started.elapsed() < LIMIT, "{what}: refused, not waited for");
            // What leaves_nothing counted before it began.
            (forged.region, forged.pidfd, forged.bell) = (Some(region), pidfd, bell);
        });
    }
}

#[test]
fn a_peer_that_goes_or_stays_silent_ends_the_handshake_and_leaves_nothing() {
    let _alone = alone();
    for kind in Kind::ALL.into_iter().filter(|&kind| kind != Kind::Tcp) {
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
        let (region, pidfd) = (forged.region(), own_pidfd());
        send(&socket, &forged.hello, &[]);
        send(&socket, &forged.memory, &[region.as_fd(), pidfd.as_fd()]);
        let outcome = server.connect(&config(Duration::from_millis(50)));
        assert!(matches!(outcome, Err(ConnectError::Timeout)), "{outcome:?}");
    });
    leaves_nothing("a stranger on TCP", || {
        let listener = Listener::bind(&"tcp://127.0.0.1:0".parse().unwrap()).unwrap();
        let host_port = listener.address().host_port().expect("it listens on TCP");
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
            send(&socket, &hello, &[]);
            send(&socket, b"P", &fds.iter().map(AsFd::as_fd).collect::<Vec<_>>());
            match server.connect(&config(LIMIT)) {
                Err(ConnectError::Refused { field, .. }) => assert_eq!(field, expected, "{what}"),
                other => panic!("{what}: {other:?}"),
            }
        });
    }
}

/// The peer of a pipe keeps a copy of the reading end, and makes it block: a try still does not
/// wait.
#[test]
fn a_pipe_peer_cannot_make_a_trying_receiver_wait() {
    let _alone = alone();
    let (server, socket) = meet(Kind::Pipe);
    let mut hello = OVERHEARD.0.clone();
    hello[10] = 2;
    hello[11] = 0;
    hello[16..].fill(0);
    let (reading, mut writing) = rustix::pipe::pipe().map(|(r, w)| (r, File::from(w))).unwrap();
    send(&socket, &hello, &[]);
    send(&socket, b"P", &[reading.as_fd()]);
    send(&socket, b"!", &[]);
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

/// What takes an end long is told, and no more often than there are parts.
#[test]
fn an_end_that_makes_a_large_ring_says_that_it_works() {
    let _alone = alone();
    let (server, socket) = meet(Kind::Shm);
    let hello = OVERHEARD.0.clone();
    thread::scope(|scope| {
        let large = config(LIMIT).capacity_bytes(64 << 20);
        scope.spawn(move || server.connect(&large).map(drop));
        let _hello = receive(&socket);
        send(&socket, &hello, &[]);
        let mut works = 0;
        loop {
            let (word, fds) = receive(&socket);
            match (&word[..], fds.len()) {
                (b"W", 0) => works += 1,
                (b"M", 3) => break,
                other => panic!("{other:?}"),
            }
        }
        drop(socket);
        // 64 MiB and a header made, and mapped twice, in parts of 16 MiB.
        assert!((1..=4 + 8).contains(&works), "{works}");
    });
}

#[test]
fn a_ring_larger_than_this_end_maps_is_refused() {
    let _alone = alone();
    leaves_nothing("a large ring", || {
        let (server, socket) = meet(Kind::Shm);
        Forged::correct().greet(&socket);
        let little = config(LIMIT).ring_limit_bytes(128 << 10).capacity_bytes(0).max_message(64);
        match server.connect(&little) {
            Err(ConnectError::Refused { field: "capacity", .. }) => {}
            other => panic!("{other:?}"),
        }
    });
    let own = config(LIMIT).ring_limit_bytes(128 << 10);
    let outcome = Connection::pair(Kind::Shm, &own);
    assert!(matches!(outcome, Err(ConnectError::Config(_))), "{outcome:?}");
}
