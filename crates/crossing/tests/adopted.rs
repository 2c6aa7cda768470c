//! Sockets that this library has not made: what fits is an end or a listener, what does not is
//! refused by what it is; and a service manager's are taken once, and no stranger's.

mod process;

use std::fs::File;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::Command;
use std::thread;

use crossing::{Address, Config, ConnectError, Connection, Endpoint, Kind, Listener, Peers};
use process::{Second, again, config, descriptors, play, socket_path, within};
use rustix::io::FdFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

fn packet_pair() -> (OwnedFd, OwnedFd) {
    // Inherited by whatever starts now, as a careless library leaves them.
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::empty(), None)
        .expect("a pair of sockets")
}

fn tcp_pair() -> (OwnedFd, OwnedFd) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let client = TcpStream::connect(listener.local_addr().expect("it has one")).expect("it listens");
    (client.into(), listener.accept().expect("it is there").0.into())
}

fn stream_pair() -> (OwnedFd, OwnedFd) {
    let (here, there) = UnixStream::pair().expect("a pair of sockets");
    (here.into(), there.into())
}

fn sockets(kind: Kind) -> (OwnedFd, OwnedFd) {
    match kind {
        Kind::Shm | Kind::Pipe => packet_pair(),
        Kind::Unix => stream_pair(),
        Kind::Tcp => tcp_pair(),
    }
}

fn both(here: Endpoint, there: Endpoint, config: &Config) -> Result<(Connection, Connection), ConnectError> {
    thread::scope(|scope| {
        let there = scope.spawn(|| there.connect(config));
        let here = here.connect(config);
        Ok((here?, there.join().expect("no panic")?))
    })
}

fn talk((mut here, mut there): (Connection, Connection)) {
    here.send(b"hello").expect("room");
    assert_eq!(there.recv(&mut [0; 8]).expect("it was sent"), 5);
}

#[test]
fn an_end_goes_through_a_socket_and_back() {
    within("ends over sockets", || {
        for kind in Kind::ALL {
            let (here, there) = sockets(kind);
            // Whatever its flags were: an asynchronous library leaves it so.
            rustix::io::ioctl_fionbio(&here, true).expect("it is open");
            let here = Endpoint::from_fd(kind, here).expect("it fits");
            assert!(rustix::io::fcntl_getfd(&here).expect("it is open").contains(FdFlags::CLOEXEC));
            let there = Endpoint::from_fd(kind, there).expect("it fits");
            // Out and in again.
            let number = here.as_raw_fd();
            let here = OwnedFd::from(here);
            assert_eq!(here.as_raw_fd(), number);
            talk(both(Endpoint::from_fd(kind, here).expect("it fits"), there, &config()).expect("two ends"));
        }
    });
}

/// A pair is not asked whose it is; two that met at an address are, whichever library met there.
#[test]
fn an_end_that_was_accepted_by_other_means_is_asked_whose_process_it_is() {
    within("ends of other means", || {
        let strict = Config::default().peers(Peers::User(rustix::process::geteuid().as_raw() + 1));
        let (here, there) = stream_pair();
        let end = |fd| Endpoint::from_fd(Kind::Unix, fd).expect("it fits");
        talk(both(end(here), end(there), &strict).expect("a pair"));
        let path = socket_path();
        let listener = UnixListener::bind(&path).expect("a free path");
        let client = UnixStream::connect(&path).expect("it listens");
        let (server, _) = listener.accept().expect("it is there");
        for fd in [OwnedFd::from(client), server.into()] {
            let error = end(fd).connect(&strict).expect_err("it is of another user").to_string();
            assert!(error.contains("peer credentials"), "{error}");
        }
        std::fs::remove_file(&path).expect("it is there");
    });
}

/// A descriptor that is no end or no listener of any kind, and why.
fn strangers() -> Vec<(OwnedFd, &'static str)> {
    let path = socket_path();
    let datagrams = UnixDatagram::bind(&path).expect("a free path");
    std::fs::remove_file(&path).expect("it is there");
    vec![
        (File::open("/dev/null").expect("it is there").into(), "no socket"),
        (rustix::pipe::pipe().expect("a pipe").0, "no socket"),
        (datagrams.into(), "Unix datagram socket"),
        (UdpSocket::bind("127.0.0.1:0").expect("a free port").into(), "IP datagram socket"),
    ]
}

#[test]
fn what_is_no_end_and_no_listener_is_refused_by_what_it_is() {
    let said = |outcome: Result<(), ConnectError>, why: &str| {
        let error = outcome.expect_err(why);
        assert!(matches!(error, ConnectError::Descriptor(_)) && error.to_string().contains(why), "{error}");
    };
    for kind in Kind::ALL {
        let end = |fd| Endpoint::from_fd(kind, fd).map(drop);
        let listener = |fd| Listener::from_fd(kind, fd).map(drop);
        for (fd, why) in strangers() {
            said(end(fd.try_clone().expect("a descriptor")), why);
            said(listener(fd), why);
        }
        for other in Kind::ALL.into_iter().filter(|&it| it.name() != kind.name()) {
            let fits = |one: Kind| match one {
                Kind::Shm | Kind::Pipe => "a Unix packet socket",
                Kind::Unix => "a Unix stream socket",
                Kind::Tcp => "a TCP socket",
            };
            if fits(kind) != fits(other) {
                said(end(sockets(other).0), &format!("{kind} needs {}", fits(kind)));
            }
        }
        let bound = Listener::bind(&anywhere(kind)).expect("a free place");
        let listens = bound.as_fd().try_clone_to_owned().expect("a descriptor");
        said(end(listens), "it listens");
        said(listener(sockets(kind).0), "it does not listen");
    }
    let unconnected = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).expect("a socket");
    said(Endpoint::from_fd(Kind::Unix, unconnected).map(drop), "it is not connected");
}

fn anywhere(kind: Kind) -> Address {
    match kind {
        Kind::Tcp => Address::tcp("127.0.0.1:0").expect("an address"),
        kind => Address::at_path(kind, socket_path()).expect("a path like any other"),
    }
}

#[test]
fn a_listener_goes_through_a_socket_and_back_and_its_file_stays() {
    within("a listener over a socket", || {
        for kind in Kind::ALL {
            let listener = Listener::bind(&anywhere(kind)).expect("a free place");
            let address = listener.address().clone();
            let listener = Listener::from_fd(kind, listener.into()).expect("it listens");
            assert_eq!(*listener.address(), address);
            let client = Endpoint::dial(&address, &config()).expect("it listens");
            let server = listener.accept().expect("it is there");
            talk(both(client, server, &config()).expect("two ends"));
            drop(listener);
            if let Some(path) = address.path() {
                std::fs::remove_file(path).expect("it has stayed");
            }
        }
        let name = format!("crossing-adopted-{}", std::process::id());
        let address = Address::in_abstract(Kind::Pipe, name).expect("a name");
        let listener = Listener::bind(&address).expect("a free name");
        let listener = Listener::from_fd(Kind::Pipe, listener.into()).expect("it listens");
        assert_eq!(*listener.address(), address);
    });
}

#[test]
fn a_listener_that_other_machines_reach_is_adopted_only_where_that_is_asked_for() {
    let everywhere = || OwnedFd::from(TcpListener::bind("0.0.0.0:0").expect("a free port"));
    let error = Listener::from_fd(Kind::Tcp, everywhere()).expect_err("other machines reach it");
    assert!(error.to_string().contains("allow_remote"), "{error}");
    let allowed = Listener::options().allow_remote(true);
    allowed.from_fd(Kind::Tcp, everywhere()).expect("it was asked for");
}

/// Starts this program again as a service manager does, with a listener of each of two kinds.
fn activate(part: &str, script: &str) -> (Second, Address, Address) {
    let (shm, unix) = (anywhere(Kind::Shm), anywhere(Kind::Unix));
    let bind = |address: &Address| OwnedFd::from(Listener::bind(address).expect("a free place"));
    let inner = again(part);
    let mut command = Command::new("sh");
    // A shell leaves descriptors open under the numbers that it is told, and its pid is its heir's.
    command.args(["-c", script]).arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        command.env(name, value.expect("it is set"));
    }
    command.stdin(bind(&shm)).stdout(bind(&unix));
    (Second(command.spawn().expect("a shell")), shm, unix)
}

const MANAGER: &str =
    "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=frames:log exec \"$0\" \"$@\" 3<&0 4<&1 <&- >/dev/null";

#[test]
fn a_service_managers_sockets_are_taken_once_with_their_names() {
    within("an activated server", || {
        let (second, shm, unix) = activate("activated server", MANAGER);
        for address in [&shm, &unix] {
            let mut client = Connection::dial(address, &config()).expect("it listens");
            client.send(b"hello").expect("room");
            assert_eq!(client.recv(&mut [0; 8]).expect("an answer"), 5);
        }
        second.done();
        for address in [&shm, &unix] {
            std::fs::remove_file(address.path().expect("a path")).expect("the manager's files stay");
        }
    });
}

fn activated_server() {
    // A fork's copy of the environment is its parent's: none are for it.
    let sockets = Listener::activated().expect("they are there");
    let names: Vec<&str> = sockets.iter().map(crossing::Activated::name).collect();
    assert_eq!(names, ["frames", "log"]);
    for socket in &sockets {
        assert!(rustix::io::fcntl_getfd(socket).expect("it is open").contains(FdFlags::CLOEXEC));
    }
    let again = Listener::activated().expect_err("they were taken");
    assert!(again.to_string().contains("taken already"), "{again}");
    // What it starts has the variables, and no sockets.
    Second(process::again("heir of the variables").spawn().expect("it starts")).done();
    for (kind, socket) in [Kind::Shm, Kind::Unix].into_iter().zip(sockets) {
        let listener = Listener::from_fd(kind, socket.into()).expect("it listens");
        let mut server = listener.accept().expect("a client comes").connect(&config()).expect("it is one");
        let len = server.recv(&mut [0; 8]).expect("it was sent");
        server.send(&[0; 8][..len]).expect("room");
    }
}

fn heir() {
    assert!(std::env::var("LISTEN_PID").is_ok());
    assert!(Listener::activated().expect("they are another process's").is_empty());
}

/// An environment that names this process wrongly takes nothing that is not there.
#[test]
fn what_a_service_manager_says_wrongly_is_refused_and_takes_nothing() {
    within("processes with a wrong environment", || {
        for (variables, why) in [
            ("LISTEN_PID=$$ LISTEN_FDS=3 3<&0 4<&1", "descriptor 5 of LISTEN_FDS is not open"),
            ("LISTEN_PID=$$ LISTEN_FDS=65536", "no number from 0 to 65535"),
            ("LISTEN_PID=$$ LISTEN_FDS=-1", "no number from 0 to 65535"),
            ("LISTEN_PID=x LISTEN_FDS=1", "LISTEN_PID=x is no pid"),
            ("LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=a 3<&0 4<&1", "has 1 names"),
            ("LISTEN_PID=1 LISTEN_FDS=1 3<&0", "none"),
            ("LISTEN_PID=$$ 3<&0", "none"),
            ("LISTEN_PID=$$ LISTEN_FDS=0", "none"),
            // Opened by the process itself: at the next free number.
            ("LISTEN_PID=$$ LISTEN_FDS=2 3<&0", "descriptor 4 of LISTEN_FDS was opened by this process"),
        ] {
            let (words, redirections): (Vec<_>, Vec<_>) =
                variables.split(' ').partition(|word| word.contains('=') && !word.starts_with(['3', '4']));
            let (words, redirections) = (words.join(" "), redirections.join(" "));
            let script = format!("WHY='{why}' {words} exec \"$0\" \"$@\" {redirections} <&- >/dev/null");
            let (second, shm, unix) = activate("wrongly activated", &script);
            second.done();
            for address in [shm, unix] {
                std::fs::remove_file(address.path().expect("a path")).expect("it stays");
            }
        }
    });
}

fn wrongly_activated() {
    let why = std::env::var("WHY").expect("it was said");
    let _own = why.contains("opened by").then(|| File::open("/dev/null").expect("it is there"));
    let before = descriptors();
    match Listener::activated() {
        Ok(none) => assert!(none.is_empty() && why == "none", "{none:?} and {why}"),
        Err(error) => assert!(error.to_string().contains(&why), "{error} and {why}"),
    }
    assert_eq!(descriptors(), before);
    for number in 3..6 {
        let path = format!("/proc/self/fdinfo/{number}");
        // O_CLOEXEC in fdinfo: what was handed over is still inherited.
        if let Ok(info) = std::fs::read_to_string(path) {
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).expect("a line of flags");
            let flags = u32::from_str_radix(flags.trim(), 8).expect("octal");
            let is_socket = std::fs::read_link(format!("/proc/self/fd/{number}"))
                .is_ok_and(|link| link.to_string_lossy().starts_with("socket:"));
            assert_eq!(flags & 0o2_000_000 == 0, is_socket, "{number}: {flags:o}");
        }
    }
}

#[test]
fn second_process() {
    play(&[
        ("activated server", activated_server),
        ("heir of the variables", heir),
        ("wrongly activated", wrongly_activated),
    ]);
}
