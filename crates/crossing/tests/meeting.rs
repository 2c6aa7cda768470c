//! Meeting at an address: no wait is unlimited, no end talks to strangers, and no end removes what
//! another has made.

// A handler of signals is installed, and a listener is dropped between fork and exec.
#![allow(unsafe_code)]

#[path = "process/cannot_run.rs"]
mod cannot_run;
mod process;

use std::ffi::c_int;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use cannot_run::{Lacks, cannot_run};
use crossing::{Address, Config, ConnectError, Connection, Endpoint, Kind, Listener, Peers};
use process::{LIMIT, Second, again, config, forked, local, play, socket_path, within};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::Signal;
use rustix::thread::set_thread_res_uid;

fn soon() -> Config {
    Config::default().connect_timeout(Duration::from_millis(100))
}

fn at(kind: Kind, path: &std::path::Path) -> Address {
    Address::at_path(kind, path).expect("a path like any other")
}

fn anywhere(kind: Kind) -> Address {
    match kind {
        Kind::Tcp => Address::tcp("127.0.0.1:0").expect("an address"),
        kind => at(kind, &socket_path()),
    }
}

/// A message there and back.
fn talk(client: &mut Connection, server: &mut Connection) {
    client.send(b"hello").expect("room");
    assert_eq!(server.recv(&mut [0; 8]).expect("it was sent"), 5);
    server.send(b"hi").expect("room");
    assert_eq!(client.recv(&mut [0; 8]).expect("it was sent"), 2);
}

/// Both shake hands; the client's outcome, and the server's.
type Outcomes = (Result<Connection, ConnectError>, Result<Connection, ConnectError>);

fn meet(address: &Address, client: &Config, server: &Config) -> Outcomes {
    let listener = Listener::bind(address).expect("a free place");
    thread::scope(|scope| {
        let client = scope.spawn(|| Connection::dial(listener.address(), client));
        let endpoint = listener.accept_deadline(Instant::now() + LIMIT).expect("the client comes");
        let server = endpoint.connect(server);
        (client.join().expect("no panic"), server)
    })
}

#[test]
fn every_place_is_met_at() {
    within("meeting everywhere", || {
        let name = format!("crossing-test-{}", std::process::id());
        let named = local().map(|kind| Address::in_abstract(kind, name.as_str()).expect("a name"));
        let strange = socket_path().with_file_name(format!("@{name}\n%41"));
        let strange = local().map(|kind| at(kind, &strange));
        for address in Kind::ALL.map(anywhere).into_iter().chain(named).chain(strange) {
            let text = address.to_string();
            let (client, server) = meet(&text.parse().expect("its own text"), &config(), &config());
            talk(&mut client.expect("it meets"), &mut server.expect("it meets"));
            if let Some(path) = address.path() {
                assert!(!path.exists(), "{text}");
            }
        }
    });
}

/// A server that is stopped accepts no more, and its queue fills.
#[test]
fn a_server_that_accepts_nobody_is_a_timeout() {
    within("clients of a server that accepts nobody", || {
        for kind in local() {
            let listener = Listener::bind(&anywhere(kind)).expect("a free path");
            let _waiting: Vec<_> = std::iter::from_fn(|| connected(&listener)).collect();
            let error = Connection::dial(listener.address(), &soon()).expect_err("the queue is full");
            assert!(matches!(error, ConnectError::Timeout), "{kind}: {error:?}");
            // A client that waits for a place is given the next one.
            thread::scope(|scope| {
                let client = scope.spawn(|| Endpoint::dial(listener.address(), &config()));
                while !client.is_finished() {
                    drop(listener.try_accept().expect("nothing is short"));
                }
                client.join().expect("no panic").expect("there was room");
            });
        }
    });
}

/// A client that says nothing; none where the queue is full.
fn connected(listener: &Listener) -> Option<std::os::fd::OwnedFd> {
    let address = listener.address();
    let shape = if address.kind() == Kind::Unix { SocketType::STREAM } else { SocketType::SEQPACKET };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, shape, flags, None).expect("a socket");
    let name = rustix::net::SocketAddrUnix::new(address.path().expect("a path")).expect("short enough");
    rustix::net::connect(&socket, &name).is_ok().then_some(socket)
}

/// A TCP server whose queue is full lets the first segment of a connection fall, as a network that swallows it does.
fn black_hole() -> (TcpListener, Vec<std::os::fd::OwnedFd>) {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    rustix::net::listen(&server, 0).expect("it listens");
    let there = server.local_addr().expect("it has one");
    let mut waiting = Vec::new();
    loop {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket =
            rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).expect("a socket");
        let _ = rustix::net::connect(&socket, &there);
        let mut fds = [rustix::event::PollFd::new(&socket, rustix::event::PollFlags::OUT)];
        let nap = rustix::event::Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
        let ready = rustix::event::poll(&mut fds, Some(&nap)).expect("it is open");
        waiting.push(socket);
        if ready == 0 {
            return (server, waiting);
        }
    }
}

fn dials_in_vain(server: &TcpListener) {
    let address = Address::tcp(server.local_addr().expect("it has one").to_string()).expect("an address");
    let outcome = Connection::dial(&address, &soon());
    assert!(matches!(outcome, Err(ConnectError::Timeout)), "{outcome:?}");
}

#[test]
fn a_machine_that_answers_nothing_is_a_timeout() {
    within("a client of a black hole", || {
        let (server, _waiting) = black_hole();
        dials_in_vain(&server);
        // And one that accepts and says nothing is one, too: the deadline goes on.
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        dials_in_vain(&server);
    });
}

/// The kernel chooses the port that a client comes from, and may choose the one that it goes to.
#[test]
fn a_client_never_reaches_itself() {
    within("a client of a port where nobody listens", || {
        let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").expect("/proc is mounted");
        let ports: Vec<u32> = range.split_whitespace().map(|port| port.parse().expect("a number")).collect();
        // The kernel gives every other port of the range to clients, and goes through them: one that a client has had is among
        // them.
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let client = TcpStream::connect(server.local_addr().expect("it has one")).expect("it listens");
        let free = client.local_addr().expect("it has one");
        // The server closes first, so that nothing stays of the client's port.
        drop(server.accept().expect("the client is there"));
        drop((client, server));
        let address = Address::tcp(free.to_string()).expect("an address");
        for _ in 0..(ports[1] - ports[0]) {
            match Endpoint::dial(&address, &config()) {
                Err(ConnectError::Io { source, .. }) => {
                    assert_eq!(source.kind(), std::io::ErrorKind::ConnectionRefused, "{source}");
                }
                // A listener is there meanwhile.
                Ok(_)
                    if TcpStream::connect(free)
                        .is_ok_and(|it| it.local_addr().ok() != it.peer_addr().ok()) =>
                {
                    return;
                }
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn a_listener_waits_as_long_as_it_is_told() {
    within("a listener", || {
        for kind in Kind::ALL {
            let listener = Listener::bind(&anywhere(kind)).expect("a free place");
            assert!(listener.try_accept().expect("nothing is short").is_none());
            let outcome = listener.accept_deadline(Instant::now() + Duration::from_millis(20));
            assert!(matches!(outcome, Err(ConnectError::Timeout)), "{kind}: {outcome:?}");
            let client = Endpoint::dial(listener.address(), &config()).expect("it listens");
            let server = loop {
                if let Some(server) = listener.try_accept().expect("nothing is short") {
                    break server;
                }
            };
            // Neither end has inherited that it does not block: the server waits for a message that comes later.
            let client = thread::spawn(move || client.connect(&config()));
            let mut server = server.connect(&config()).expect("it meets");
            let mut client = client.join().expect("no panic").expect("it meets");
            thread::scope(|scope| {
                let waiting = scope.spawn(|| server.recv(&mut [0; 8]));
                thread::sleep(Duration::from_millis(20));
                client.send(b"late").expect("room");
                assert_eq!(waiting.join().expect("no panic").expect("it was sent"), 4);
            });
        }
    });
}

unsafe extern "C" {
    fn signal(number: c_int, action: usize) -> usize;
    fn siginterrupt(number: c_int, interrupt: c_int) -> c_int;
}

extern "C" fn nothing(_: c_int) {}

#[test]
fn a_storm_of_signals_does_not_end_a_meeting() {
    within("meeting in a storm", || {
        for kind in Kind::ALL {
            let (line, theirs) = process::Line::pair();
            let mut line = line;
            let path = socket_path();
            let mut command = again("meets in a storm");
            let address = anywhere(kind).to_string();
            command.env("CROSSING_TEST_ADDRESS", &address).env("CROSSING_TEST_PATH", &path).stdin(theirs);
            let second = Second(command.spawn().expect("this program starts again"));
            line.hear();
            let address: Address =
                fs::read_to_string(&path).expect("it says where").parse().expect("an address");
            fs::remove_file(&path).expect("it is there");
            let storm = |during: Duration| {
                let end = Instant::now() + during;
                while Instant::now() < end {
                    second.signal(Signal::USR1);
                }
            };
            // It waits to accept, then for a hello.
            storm(Duration::from_millis(50));
            let endpoint = Endpoint::dial(&address, &config()).expect("it listens");
            storm(Duration::from_millis(50));
            let mut here = endpoint.connect(&config()).expect("it goes on");
            here.send(b"through the storm").expect("room");
            second.done();
        }
    });
}

fn in_a_storm() {
    // SAFETY: the handler does nothing, so there is nothing it may not do; calls are interrupted and not restarted.
    unsafe {
        signal(Signal::USR1.as_raw(), nothing as extern "C" fn(c_int) as usize);
        siginterrupt(Signal::USR1.as_raw(), 1);
    }
    let variable = |name| std::env::var(name).expect("it was said");
    let address: Address = variable("CROSSING_TEST_ADDRESS").parse().expect("an address");
    let listener = Listener::bind(&address).expect("a free place");
    fs::write(variable("CROSSING_TEST_PATH"), listener.address().to_string()).expect("a place to say it");
    process::Line::inherited().say(0);
    let mut connection = listener.accept().expect("a client comes").connect(&config()).expect("it is one");
    assert_eq!(connection.recv(&mut [0; 64]).expect("it was sent"), 17);
    // Dialling, too: to a server with a full queue.
    let (server, _waiting) = black_hole();
    dials_in_vain(&server);
}

#[test]
fn each_end_says_whose_processes_it_talks_to() {
    within("ends with a policy", || {
        let me = rustix::process::geteuid().as_raw();
        let strict = config().peers(Peers::User(me + 1));
        let said = |error: &ConnectError| {
            let said = error.to_string();
            assert!(said.contains(&format!("process {} of user {me}", std::process::id())), "{said}");
        };
        for kind in local() {
            let (client, server) = meet(&anywhere(kind), &strict, &config());
            said(&client.expect_err("the server is not of that user"));
            server.expect_err("the client has gone");
            let (client, server) = meet(&anywhere(kind), &config(), &strict);
            said(&server.expect_err("the client is not of that user"));
            client.expect_err("the server has gone");
            for peers in [Peers::User(me), Peers::Anyone] {
                let config = config().peers(peers);
                let (client, server) = meet(&anywhere(kind), &config, &config);
                talk(&mut client.expect("allowed"), &mut server.expect("allowed"));
            }
        }
        // The ends of a pair are not asked for their user, and TCP does not tell it.
        for kind in Kind::ALL {
            Connection::pair(kind, &strict).expect("a pair");
        }
        let (client, server) = meet(&anywhere(Kind::Tcp), &strict, &strict);
        talk(&mut client.expect("allowed"), &mut server.expect("allowed"));
    });
}

/// Another user's server, first at a path in a folder that all users may write to.
#[test]
fn a_stranger_at_a_path_is_refused_by_root() {
    if !rustix::process::geteuid().is_root() {
        return cannot_run(Lacks::Right, "becoming another user takes root");
    }
    const STRANGER: u32 = 4711;
    within("a client of a stranger", || {
        for kind in local() {
            let folder = socket_path().with_extension("folder");
            fs::create_dir(&folder).expect("it is new");
            fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o1777))
                .expect("it is ours");
            let address = at(kind, &folder.join("socket"));
            let there = address.clone();
            let (listening, listens) = std::sync::mpsc::channel();
            let stranger = thread::spawn(move || {
                // Of this thread alone, which ends with it.
                let user = rustix::process::Uid::from_raw(STRANGER);
                set_thread_res_uid(user, user, user).expect("root may");
                let listener = Listener::bind(&there).expect("the folder is open to all");
                listening.send(()).expect("the test waits");
                listener.accept_deadline(Instant::now() + LIMIT).expect("it comes").connect(&config())
            });
            listens.recv().expect("it listens");
            let error = Connection::dial(&address, &config()).expect_err("a stranger sits there").to_string();
            assert!(error.contains("peer credentials") && error.contains("of user 4711"), "{error}");
            let outcome = stranger.join().expect("no panic");
            assert!(outcome.is_err(), "nothing was handed over: {outcome:?}");
            fs::remove_dir_all(&folder).expect("it is there");
        }
    });
}

#[test]
fn tcp_stays_on_this_machine_unless_it_is_asked_for() {
    for text in ["tcp://0.0.0.0:0", "tcp://[::]:0", "tcp://192.0.2.1:0", "tcp://[2001:db8::1]:0"] {
        let address: Address = text.parse().expect("an address");
        let error = Listener::bind(&address).expect_err("other machines reach it");
        assert!(matches!(error, ConnectError::Address { .. }), "{text}: {error:?}");
        assert!(error.to_string().contains("allow_remote"), "{text}: {error}");
    }
    let everywhere = "tcp://0.0.0.0:0".parse().expect("an address");
    Listener::options().allow_remote(true).bind(&everywhere).expect("it was asked for");
    for text in ["tcp://127.0.0.1:0", "tcp://127.9.9.9:0", "tcp://localhost:0"] {
        Listener::bind(&text.parse().expect("an address")).expect("it is this machine's");
    }
}

fn is_socket(path: &PathBuf) -> bool {
    fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket())
}

#[test]
fn a_listener_removes_its_own_socket_and_no_other() {
    let path = socket_path();
    let address = at(Kind::Shm, &path);
    let old = Listener::bind(&address).expect("a free path");
    // Another server takes the name over.
    fs::remove_file(&path).expect("it is there");
    let new = Listener::bind(&address).expect("a free path");
    drop(old);
    assert!(is_socket(&path), "the new one's socket is still there");
    // A file that another program has put there is not ours, either.
    fs::remove_file(&path).expect("it is there");
    fs::write(&path, "mine").expect("a free path");
    drop(new);
    assert_eq!(fs::read(&path).expect("it is still there"), b"mine");
    fs::remove_file(&path).expect("it is there");
    // The control: its own is removed.
    let listener = Listener::bind(&address).expect("a free path");
    assert!(is_socket(&path));
    drop(listener);
    assert!(!path.exists());
}

#[test]
fn a_forked_child_and_another_folder_change_nothing_about_it() {
    within("a listener in a second process", || {
        Second(again("listens at a relative path").spawn().expect("this program starts again")).done();
    });
}

fn at_a_relative_path() {
    let folder = socket_path().with_extension("folder");
    fs::create_dir(&folder).expect("it is new");
    std::env::set_current_dir(&folder).expect("it is there");
    let path = folder.join("socket");
    let listener = Listener::bind(&at(Kind::Unix, "socket".as_ref())).expect("a free path");
    assert_eq!(listener.address().path(), Some(path.as_path()));
    let shared = Arc::new(Mutex::new(Some(listener)));
    let copy = shared.clone();
    forked("a child that drops its copy", move || {
        drop(copy.lock().map_err(|_| "poisoned")?.take());
        Ok(())
    });
    assert!(is_socket(&path), "the parent's socket is still there");
    std::env::set_current_dir("/").expect("it is there");
    drop(shared.lock().expect("no panic").take());
    assert!(!path.exists(), "removed, wherever this process works by now");
    fs::remove_dir(&folder).expect("it is empty");
}

#[test]
fn a_path_that_is_taken_says_by_what() {
    let path = socket_path();
    let said = |kind| Listener::bind(&at(kind, &path)).expect_err("it is taken").to_string();
    let listener = UnixListener::bind(&path).expect("a free path");
    for kind in local() {
        assert!(said(kind).contains("a server listens there"), "{}", said(kind));
    }
    drop(listener);
    let both = |listening: &str, dialling: &str| {
        for kind in local() {
            assert!(said(kind).contains(listening), "{}", said(kind));
            let error = Endpoint::dial(&at(kind, &path), &config()).expect_err("no one listens").to_string();
            assert!(error.contains(dialling), "{error}");
        }
    };
    both("a server that is gone has left its socket", "a server that is gone has left it");
    fs::remove_file(&path).expect("it is there");
    fs::write(&path, "a file").expect("a free path");
    both("no socket", "a file that is no socket is there");
    fs::remove_file(&path).expect("it is there");
    let error = Endpoint::dial(&at(Kind::Pipe, &path), &config()).expect_err("nothing is there").to_string();
    assert!(error.contains("no server has made it yet"), "{error}");
}

/// The kernel keeps abstract names apart by the type of the socket, and finds nothing where the other type listens.
#[test]
fn a_server_of_another_kind_is_named_at_an_abstract_name_too() {
    within("ends of two kinds at one abstract name", || {
        let name = format!("crossing-kinds-{}", std::process::id());
        let at = |kind| Address::in_abstract(kind, name.as_str()).expect("a name");
        for (serving, dialling) in local().flat_map(|one| local().map(move |other| (one, other))) {
            if serving == dialling {
                continue;
            }
            let listener = Listener::bind(&at(serving)).expect("a free name");
            let (client, server) = thread::scope(|scope| {
                let client = scope.spawn(|| Connection::dial(&at(dialling), &config()));
                let server = listener.accept_deadline(Instant::now() + LIMIT).expect("the client comes");
                let server = server.connect(&config());
                (client.join().expect("no panic"), server)
            });
            for (outcome, this, other) in [(client, dialling, serving), (server, serving, dialling)] {
                let error = outcome.expect_err("they are of two kinds").to_string();
                assert!(error.contains(&format!("mechanism: {other}, and this end is {this}")), "{error}");
            }
        }
        for kind in local() {
            let error = Endpoint::dial(&at(kind), &config()).expect_err("no one is there").to_string();
            assert!(error.contains("no server listens there"), "{error}");
        }
    });
}

#[test]
fn second_process() {
    play(&[("meets in a storm", in_a_storm), ("listens at a relative path", at_a_relative_path)]);
}
