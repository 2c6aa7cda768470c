//! Which process is at the other end: what each mechanism tells is true, what it does not tell is
//! not made up, and a policy of the program's own decides by it.

mod process;

use std::io::{IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

#[path = "process/cannot_run.rs"]
mod cannot_run;

use cannot_run::{Lacks, cannot_run};
use crossing::{
    Address, Config, ConnectError, Connection, Endpoint, Kind, Listener, Peer, PeerState, Peers, RecvError,
};
use process::{LIMIT, Second, again, config, descriptors, eventually, local, play, socket_path, within};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sockopt};
use rustix::process::Signal;

fn anywhere(kind: Kind) -> Address {
    match kind {
        Kind::Tcp => Address::tcp("127.0.0.1:0").expect("an address"),
        kind => Address::at_path(kind, socket_path()).expect("a path like any other"),
    }
}

fn me() -> (Option<u32>, Option<u32>) {
    (Some(std::process::id()), Some(rustix::process::geteuid().as_raw()))
}

fn named(peer: &Peer) -> (Option<u32>, Option<u32>) {
    (peer.pid(), peer.uid())
}

/// Whether this kernel gives a pidfd of the process at the other end of a socket: Linux 6.5.
fn has_peer_pidfd() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("/proc is mounted");
    let mut numbers = release.split(['.', '-']).map(|word| word.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(6), Some(5))
}

/// A peer in a second process that waits for its end, and how this end came to it.
fn start(kind: Kind, meets: bool, prepare: impl FnOnce(&mut Command)) -> (Second, Connection) {
    let mut command = again("waits for its end");
    prepare(&mut command);
    if meets {
        let listener = Listener::bind(&anywhere(kind)).expect("a free place");
        command.env("CROSSING_TEST_ADDRESS", listener.address().to_string());
        let second = Second(command.spawn().expect("this program starts again"));
        let end = listener.accept_deadline(Instant::now() + LIMIT).expect("it comes");
        (second, end.connect(&config().peers(Peers::Anyone)).expect("it meets"))
    } else {
        let (here, there) = Endpoint::pair(kind).expect("a pair of endpoints");
        let second = Second(there.spawn(command).expect("this program starts again"));
        (second, here.connect(&config()).expect("it meets"))
    }
}

fn waits_for_its_end() {
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    let config = config().peers(Peers::Anyone);
    let mut connection = match std::env::var("CROSSING_TEST_ADDRESS") {
        Ok(address) => Connection::dial(&address.parse().expect("an address"), &config),
        Err(_) => Endpoint::inherited().expect("it was given").connect(&config),
    }
    .expect("it meets");
    let peer = connection.peer();
    let expected = if peer.pid().is_some() { parent } else { None };
    assert_eq!(peer.pid(), expected, "its parent listens, or has made the pair");
    let outcome = connection.recv(&mut [0; 8]);
    assert!(matches!(outcome, Err(RecvError::Disconnected)), "{outcome:?}");
}

#[test]
fn the_process_at_the_other_end_is_named_and_looked_at() {
    within("peers in second processes", || {
        for (kind, meets) in Kind::ALL.into_iter().flat_map(|kind| [(kind, false), (kind, true)]) {
            let (mut second, here) = start(kind, meets, |_| {});
            let peer = here.peer();
            if kind == Kind::Tcp {
                assert_eq!((named(&peer), peer.gid()), ((None, None), None));
                assert!(peer.pidfd().is_none());
                assert_eq!(peer.state(), PeerState::Unknown);
                continue;
            }
            let what = format!("{kind}, {}", if meets { "met" } else { "a pair" });
            assert_eq!(named(&peer), (Some(second.0.id()), me().1), "{what}");
            assert_eq!(peer.gid(), Some(rustix::process::getegid().as_raw()), "{what}");
            let has_pidfd = match kind {
                Kind::Shm => true,
                Kind::Unix => meets && has_peer_pidfd(),
                _ => false,
            };
            assert_eq!(peer.pidfd().is_some(), has_pidfd, "{what}");
            if !has_pidfd {
                assert_eq!(peer.state(), PeerState::Unknown, "{what}");
                continue;
            }
            assert_eq!(peer.state(), PeerState::Running, "{what}");
            second.signal(Signal::STOP);
            eventually("it is stopped", || peer.state() == PeerState::Stopped);
            second.signal(Signal::CONT);
            eventually("it goes on", || peer.state() == PeerState::Running);
            second.signal(Signal::KILL);
            eventually("it ends", || peer.state() == PeerState::Ended);
            second.0.wait().expect("the child is ours");
            // Its number may be another's from here on; the descriptor is not.
            assert_eq!(peer.state(), PeerState::Ended, "{what}");
        }
    });
}

/// The kernel tells of a pair only which process made it. That one is not named for the other.
#[test]
fn a_child_with_another_user_is_named_by_its_own() {
    if !rustix::process::geteuid().is_root() {
        return cannot_run(Lacks::Right, "becoming another user takes root");
    }
    within("a child with another user", || {
        for kind in local() {
            let (second, here) = start(kind, false, |command| {
                command.uid(4711).gid(4712);
            });
            let peer = here.peer();
            assert_eq!((named(&peer), peer.gid()), ((Some(second.0.id()), Some(4711)), Some(4712)), "{kind}");
        }
    });
}

#[test]
fn both_ends_of_a_pair_in_one_process_are_this_process() {
    within("pairs in one process", || {
        for kind in local() {
            let (here, there) = Connection::pair(kind, &config()).expect("a pair");
            for end in [&here, &there] {
                assert_eq!(named(&end.peer()), me(), "{kind}");
            }
        }
    });
}

/// What is asked for at the handshake is not asked for later: it would cost each message, and give
/// the socket a name.
#[test]
fn a_socket_is_as_it_was_after_its_peer_has_been_named() {
    within("a Unix socket", || {
        let (mut here, there) = Connection::pair(Kind::Unix, &config()).expect("a pair");
        for end in [here.receiver().as_fd(), there.split().1.as_fd()] {
            assert!(!sockopt::socket_passcred(end).expect("a socket"));
            let name = rustix::net::getsockname(end).expect("a socket");
            let name = rustix::net::SocketAddrUnix::try_from(name).expect("a Unix socket's");
            assert!(name.path_bytes().is_none() && name.abstract_name().is_none_or(<[u8]>::is_empty));
        }
    });
}

static ASKED: AtomicUsize = AtomicUsize::new(0);

fn allows_this_process(peer: &Peer) -> bool {
    ASKED.fetch_add(1, Ordering::Relaxed);
    named(peer) == me() && (peer.pidfd().is_some() || !has_peer_pidfd())
}

fn allows_none(_: &Peer) -> bool {
    false
}

fn allows_what_is_not_told(peer: &Peer) -> bool {
    named(peer) == (None, None) && peer.gid().is_none() && peer.pidfd().is_none()
}

fn meet(kind: Kind, client: &Config, server: &Config) -> [Result<Connection, ConnectError>; 2] {
    let listener = Listener::bind(&anywhere(kind)).expect("a free place");
    thread::scope(|scope| {
        let client = scope.spawn(|| Connection::dial(listener.address(), client));
        let server = listener.accept_deadline(Instant::now() + LIMIT).expect("it comes").connect(server);
        [client.join().expect("no panic"), server]
    })
}

#[test]
fn a_function_decides_with_whom_an_end_talks() {
    within("ends with a policy of their own", || {
        let asks = |allows| config().peers(Peers::Ask(allows));
        for kind in local() {
            let before = ASKED.load(Ordering::Relaxed);
            let both = meet(kind, &asks(allows_this_process), &asks(allows_this_process));
            assert!(both.iter().all(Result::is_ok), "{kind}: {both:?}");
            assert_eq!(ASKED.load(Ordering::Relaxed) - before, 2, "{kind}: each end once");
            // At either end.
            for (at, [client, server]) in
                [[asks(allows_none), config()], [config(), asks(allows_none)]].into_iter().enumerate()
            {
                let mut outcomes = meet(kind, &client, &server);
                let error = std::mem::replace(&mut outcomes[at], Err(ConnectError::Timeout));
                let error = error.expect_err("it allows none").to_string();
                assert!(error.contains("peer credentials") && error.contains("Config::peers"), "{error}");
                assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
                let other = outcomes[1 - at].as_ref().expect_err("it was refused");
                assert!(other.is_refused() || other.is_disconnected(), "{other}");
            }
        }
        // On TCP it is asked, and told nothing. Of a pair it is not asked.
        let both = meet(Kind::Tcp, &asks(allows_what_is_not_told), &asks(allows_what_is_not_told));
        assert!(both.iter().all(Result::is_ok), "{both:?}");
        let [client, server] = meet(Kind::Tcp, &asks(allows_this_process), &config());
        let error = client.expect_err("it is told nothing").to_string();
        assert!(error.contains("of which nothing is told"), "{error}");
        server.expect_err("the client has gone");
        for kind in Kind::ALL {
            Connection::pair(kind, &asks(allows_none)).expect("a pair");
        }
        assert_eq!(Peers::Ask(allows_none), Peers::Ask(allows_none));
        assert_ne!(Peers::Ask(allows_none), Peers::Anyone);
    });
}

/// A peer that greets by `greet`, with what an end of its kind says, and the outcome at the other
/// socket of the pair.
fn greeted(greet: impl FnOnce(&UnixStream, &[u8])) -> Result<Connection, ConnectError> {
    let (here, there) = UnixStream::pair().expect("a pair of sockets");
    let here = Endpoint::from_fd(Kind::Unix, here.into()).expect("it fits");
    let here = thread::spawn(move || here.connect(&config()));
    // Both ends of a kind say the same.
    let mut greeting = [0; 32];
    (&there).read_exact(&mut greeting).expect("it greets");
    greet(&there, &greeting);
    drop(there);
    here.join().expect("no panic")
}

#[test]
fn a_peer_that_says_nothing_of_itself_is_not_named_for_another() {
    within("a peer of another make", || {
        let connection = greeted(|mut socket, greeting| socket.write_all(greeting).expect("room"));
        let peer = connection.expect("it has greeted").peer();
        assert_eq!((named(&peer), peer.gid()), ((None, None), None));
        // Byte by byte, as a network may cut it.
        let connection = greeted(|mut socket, greeting| {
            greeting.chunks(1).for_each(|byte| socket.write_all(byte).expect("room"));
        });
        connection.expect("it has greeted");
    });
}

/// The kernel lets no process say that it is another, but root.
#[test]
fn a_peer_cannot_say_that_it_is_another() {
    let other = rustix::net::UCred {
        pid: rustix::process::Pid::INIT,
        uid: rustix::process::Uid::ROOT,
        gid: rustix::process::Gid::ROOT,
    };
    let lie = move |socket: &UnixStream, greeting: &[u8]| {
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmCredentials(other));
        rustix::net::sendmsg(socket, &[IoSlice::new(greeting)], &mut ancillary, SendFlags::empty())
    };
    if !rustix::process::geteuid().is_root() {
        greeted(|socket, greeting| assert_eq!(lie(socket, greeting), Err(Errno::PERM)))
            .expect_err("it has said nothing");
        return;
    }
    // What is said is what is told: root may say it.
    let connection = greeted(|socket, greeting| assert_eq!(lie(socket, greeting), Ok(32)));
    assert_eq!(named(&connection.expect("it has greeted").peer()), (Some(1), Some(0)));
    let refused = thread::spawn(move || {
        let user = rustix::process::Uid::from_raw(4711);
        // Of this thread alone, which ends with it.
        rustix::thread::set_thread_res_uid(user, user, user).expect("root may");
        let (_here, there) = UnixStream::pair().expect("a pair of sockets");
        lie(&there, b"I am root")
    });
    assert_eq!(refused.join().expect("no panic"), Err(Errno::PERM));
}

#[test]
fn descriptors_that_come_with_a_greeting_are_closed() {
    within("a greeting with descriptors", || {
        let null = std::fs::File::open("/dev/null").expect("it is there");
        let before = descriptors();
        for count in 1..=5 {
            let fds = vec![null.as_fd(); count];
            let connection = greeted(|socket, greeting| {
                let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(5))];
                let mut ancillary = SendAncillaryBuffer::new(&mut space);
                ancillary.push(SendAncillaryMessage::ScmRights(&fds));
                rustix::net::sendmsg(socket, &[IoSlice::new(greeting)], &mut ancillary, SendFlags::empty())
                    .expect("room");
            });
            drop(connection.expect("it has greeted"));
            assert_eq!(descriptors(), before, "{count}");
        }
    });
}

/// A server that was started by a service manager is met as that manager, which began to listen.
#[test]
fn a_server_is_met_as_the_process_that_began_to_listen() {
    within("a server with a socket of its parent's", || {
        let listener = Listener::bind(&anywhere(Kind::Unix)).expect("a free path");
        let address = listener.address().clone();
        let mut command = again("serves a socket of its parent's");
        command.stdin(OwnedFd::from(listener)).stdout(Stdio::null());
        let second = Second(command.spawn().expect("this program starts again"));
        let connection = Connection::dial(&address, &config()).expect("it serves");
        assert_eq!(named(&connection.peer()), me());
        drop(connection);
        second.done();
        std::fs::remove_file(address.path().expect("a path")).expect("it stays");
    });
}

fn serves_a_socket() {
    let socket = std::io::stdin().as_fd().try_clone_to_owned().expect("standard input is open");
    assert!(socket.as_raw_fd() > 0);
    let listener = Listener::from_fd(Kind::Unix, socket).expect("it listens");
    let end = listener.accept_deadline(Instant::now() + LIMIT).expect("it comes");
    let mut connection = end.connect(&config()).expect("it meets");
    let outcome = connection.recv(&mut [0; 8]);
    assert!(matches!(outcome, Err(RecvError::Disconnected)), "{outcome:?}");
}

#[test]
fn second_process() {
    play(&[("waits for its end", waits_for_its_end), ("serves a socket of its parent's", serves_a_socket)]);
}
