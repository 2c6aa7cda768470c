//! Ends that cannot be connected say so by name, on both sides: they are of different mechanisms or versions, or one has run out of
//! something.

mod process;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Instant;

use crossing::{Address, ConnectError, Connection, Endpoint, Kind, Listener};
use process::{LIMIT, Second, again, config, limit_to, local, play, socket_path, within};
use rustix::process::Resource;

#[test]
fn ends_of_different_mechanisms_at_one_path_name_each_other() {
    within("ends of different mechanisms", || {
        for serving in local() {
            for dialling in local() {
                let path = socket_path();
                let listener =
                    Listener::bind(&Address::at_path(serving, &path).expect("a path")).expect("a free path");
                let there = Address::at_path(dialling, &path).expect("a path");
                let (client, server) = thread::scope(|scope| {
                    let client = scope.spawn(|| Connection::dial(&there, &config()));
                    let server = listener.accept().expect("it comes").connect(&config());
                    (client.join().expect("no panic"), server)
                });
                if serving == dialling {
                    client.expect("they are alike");
                    server.expect("they are alike");
                    continue;
                }
                let said = client.expect_err("they are not alike").to_string();
                let expected = format!("mechanism: {serving}, and this end is {dialling}");
                assert!(said.contains(&expected), "{dialling} dials {serving}: {said}");
                let said = server.expect_err("they are not alike").to_string();
                let expected = format!("mechanism: {dialling}, and this end is {serving}");
                assert!(said.contains(&expected), "{serving} is dialled by {dialling}: {said}");
            }
        }
    });
}

/// A server that says nothing cannot be asked; what its socket is says enough.
#[test]
fn a_silent_server_of_another_mechanism_is_named_by_its_socket() {
    within("a client of a silent server", || {
        let is_stream = |kind: &Kind| *kind == Kind::Unix;
        let pairs = local().flat_map(|one| local().map(move |other| (one, other)));
        for (serving, dialling) in pairs.filter(|(one, other)| is_stream(one) != is_stream(other)) {
            let is = if is_stream(&serving) { "a stream socket (" } else { "a packet socket (" };
            let path = socket_path();
            let _listener =
                Listener::bind(&Address::at_path(serving, &path).expect("a path")).expect("a free path");
            let error = Endpoint::dial(&Address::at_path(dialling, &path).expect("a path"), &config())
                .expect_err("not alike");
            let said = error.to_string();
            assert!(said.contains(is) && said.contains(&format!("this end is {dialling}")), "{said}");
            assert!(said.contains(&format!("{serving}:")), "the sentence names each that it may be: {said}");
        }
    });
}

/// An end of another version, with a hello that is longer and has descriptors that this one knows nothing of.
#[test]
fn another_version_is_named_before_anything_else_is_judged() {
    within("an end of another version", || {
        let path = socket_path();
        let listener =
            Listener::bind(&Address::at_path(Kind::Unix, &path).expect("a path")).expect("a free path");
        let stranger = thread::spawn(move || {
            let mut stream = UnixStream::connect(path).expect("it listens");
            let mut theirs = [0; 32];
            stream.read_exact(&mut theirs).expect("it speaks first, too");
            theirs[8..10].copy_from_slice(&99_u16.to_le_bytes());
            stream.write_all(&theirs).expect("it reads");
            // Until it is refused.
            let _ = stream.read(&mut theirs);
        });
        let error =
            listener.accept().expect("it comes").connect(&config()).expect_err("another version").to_string();
        assert!(error.contains("version: 99, and this end speaks"), "{error}");
        stranger.join().expect("no panic");
    });
}

/// How the second process says how it went.
const CONNECTED: i32 = 20;
const SHORT: i32 = 21;

/// A process that has few descriptors left says that it is the one, and tells the other end.
#[test]
fn a_shortage_is_told_on_the_side_that_has_it() {
    within("ends with few descriptors", || {
        for kind in Kind::ALL {
            let mut shortages = 0;
            for spare in 0.. {
                let (here, there) = Endpoint::pair(kind).expect("a pair of endpoints");
                let mut command = again("short of descriptors");
                command.env("CROSSING_TEST_SPARE", spare.to_string());
                let mut second = Second(there.spawn(command).expect("this program starts again"));
                let outcome = here.connect(&config());
                let code = second.0.wait().expect("the child is ours").code();
                if code == Some(CONNECTED) {
                    outcome.expect("both have what they need");
                    break;
                }
                assert_eq!(code, Some(SHORT), "{kind}, {spare} spare");
                match outcome {
                    Err(ConnectError::PeerRefused { why }) => {
                        assert!(why.contains("run out of descriptors"), "{kind}, {spare} spare: {why}");
                    }
                    other => panic!("{kind}, {spare} spare: {other:?}"),
                }
                shortages += 1;
                assert!(shortages < 100, "{kind}: it never has enough");
            }
            let passes_descriptors = match kind {
                Kind::Shm | Kind::Pipe => true,
                // A stream needs no descriptor but the one that it was given.
                Kind::Unix | Kind::Tcp => false,
            };
            assert_eq!(shortages > 1, passes_descriptors, "{kind}: {shortages}");
        }
    });
}

fn short_of_descriptors() -> i32 {
    let endpoint = Endpoint::inherited().expect("it was handed over");
    let spare: u64 = std::env::var("CROSSING_TEST_SPARE").expect("how many").parse().expect("a number");
    // No gap is left below: the lowest free number is the number of open ones.
    let mut fill = Vec::new();
    let next = loop {
        let file = std::fs::File::open("/dev/null").expect("there are enough yet");
        let number = std::os::fd::AsRawFd::as_raw_fd(&file) as u64;
        if number == process::descriptors().len() as u64 - 1 {
            break number;
        }
        fill.push(file);
    };
    limit_to(Resource::Nofile, next + spare);
    match endpoint.connect(&config()) {
        Ok(_connection) => CONNECTED,
        Err(error) => {
            let said = error.to_string();
            assert!(
                error.is_shortage() && said.contains("this process") && said.contains("RLIMIT_NOFILE"),
                "{said}"
            );
            SHORT
        }
    }
}

#[test]
fn a_stranger_is_told_that_it_is_one() {
    within("ends with a policy", || {
        let other = crossing::Peers::User(rustix::process::geteuid().as_raw() + 1);
        let strict = config().peers(other);
        for kind in local() {
            let path = socket_path();
            let address = Address::at_path(kind, &path).expect("a path");
            let listener = Listener::bind(&address).expect("a free path");
            let client = thread::spawn(move || Connection::dial(&address, &config()));
            let server = listener.accept_deadline(Instant::now() + LIMIT).expect("it comes").connect(&strict);
            let error = server.expect_err("another user's").to_string();
            assert!(error.contains("peer credentials"), "{error}");
            match client.join().expect("no panic") {
                Err(ConnectError::PeerRefused { why }) => assert!(why.contains("of this user"), "{why}"),
                other => panic!("{kind}: {other:?}"),
            }
        }
    });
}

#[test]
fn second_process() {
    play(&[("short of descriptors", || std::process::exit(short_of_descriptors()))]);
}
