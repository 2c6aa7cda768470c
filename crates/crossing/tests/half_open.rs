//! Silent peers: a server survives them, and serves every peer that speaks.

// The example's own command line is not used here.
#[path = "../examples/echo.rs"]
#[allow(dead_code)]
mod echo;
mod process;

use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use crossing::{Address, ConnectError, Connection, Endpoint, Kind, Listener};
use process::{Second, again, config, eventually, limit_to, play, socket_path, within};
use rustix::process::Resource;

fn address(kind: Kind) -> Address {
    match kind {
        // A port that was free a moment ago.
        Kind::Tcp => {
            let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
            Address::tcp(free.expect("a free port").to_string()).expect("an address")
        }
        kind => Address::at_path(kind, socket_path()).expect("a path"),
    }
}

/// How many descriptors the server may have: fewer than silent clients come.
const DESCRIPTORS: u64 = 64;
const SILENT: usize = 300;

#[test]
fn silent_clients_do_not_end_the_example_server() {
    for kind in Kind::ALL {
        within(&format!("a server of silent clients over {kind}"), move || {
            let address = address(kind);
            let mut command = again("example server");
            command.env("CROSSING_TEST_ADDRESS", address.to_string()).stderr(std::process::Stdio::null());
            let mut server = Second(command.spawn().expect("this program starts again"));
            let arrives = || Endpoint::dial(&address, &config());
            eventually("the server listens", || arrives().is_ok());
            // No peer says anything or leaves.
            let silent: Vec<Endpoint> = (0..SILENT).map(|_| arrives().expect("it lives")).collect();
            let ask = |text: &[u8]| -> Result<(), Box<dyn std::error::Error>> {
                let mut connection = Connection::dial(&address, &config())?;
                connection.send(text)?;
                let mut answer = [0; 64];
                let len = connection.recv(&mut answer)?;
                assert_eq!(&answer[..len], text);
                Ok(())
            };
            // One that comes amid the crowd may be shed with it: it asks again.
            eventually("a client that speaks is served", || ask(b"is anybody there?").is_ok());
            assert!(server.0.try_wait().expect("the child is ours").is_none(), "it lives on");
            drop(silent);
            server.kill();
            if let Some(path) = address.path() {
                std::fs::remove_file(path).expect("a killed server leaves it");
            }
        });
    }
}

fn example_server() {
    limit_to(Resource::Nofile, DESCRIPTORS);
    let address = std::env::var("CROSSING_TEST_ADDRESS").expect("where to listen");
    panic!("it lives on: {:?}", echo::serve(&address));
}

#[test]
fn the_oldest_makes_room_and_is_told_so() {
    within("a listener with room for two", || {
        for kind in Kind::ALL {
            let listener = Listener::options().half_open_limit(2).bind(&address(kind)).expect("a free place");
            let mut clients = Vec::new();
            let mut servers = Vec::new();
            for _ in 0..3 {
                clients.push(Endpoint::dial(listener.address(), &config()).expect("it listens"));
                let endpoint = listener.accept().expect("it is there");
                servers.push(thread::spawn(move || endpoint.connect(&config())));
            }
            let oldest = servers.remove(0).join().expect("no panic");
            assert!(matches!(oldest, Err(ConnectError::Shed { limit: 2 })), "{kind}: {oldest:?}");
            // Those that are left are served as soon as they speak, and make room then.
            for (client, server) in clients.into_iter().skip(1).zip(servers) {
                client.connect(&config()).expect("it was not shed");
                server.join().expect("no panic").expect("it was not shed");
            }
            let connected: Vec<_> = (0..4)
                .map(|_| {
                    let client = Endpoint::dial(listener.address(), &config()).expect("it listens");
                    let client = thread::spawn(move || client.connect(&config()));
                    let server = listener.accept().expect("it is there").connect(&config());
                    (
                        server.expect("none is half open"),
                        client.join().expect("no panic").expect("it was served"),
                    )
                })
                .collect();
            assert_eq!(connected.len(), 4);
        }
    });
}

/// Without a descriptor no peer can be accepted: the error comes after a while, and waiting peers
/// are still there afterwards.
#[test]
fn a_shortage_at_the_door_passes() {
    within("a listener in a second process", || {
        Second(again("accepts without descriptors").spawn().expect("this program starts again")).done();
    });
}

fn without_descriptors() {
    let listener = Listener::bind(&address(Kind::Unix)).expect("a free path");
    let client = Endpoint::dial(listener.address(), &config()).expect("it listens");
    limit_to(Resource::Nofile, DESCRIPTORS);
    let null = std::fs::File::open("/dev/null").expect("there are enough yet");
    let mut taken: Vec<OwnedFd> = Vec::new();
    while let Ok(another) = null.try_clone() {
        taken.push(another.into());
    }
    for error in [
        listener.try_accept().expect_err("there are none"),
        listener.accept_deadline(Instant::now() + Duration::from_millis(20)).expect_err("there are none"),
        listener.accept().expect_err("there are none"),
    ] {
        let said = error.to_string();
        assert!(error.is_shortage() && said.contains("may have 64 descriptors (RLIMIT_NOFILE)"), "{said}");
    }
    // One descriptor is enough to accept a peer, and none is left then.
    taken.pop();
    let server = listener.try_accept().expect("it has a place").expect("the client is still there");
    drop(taken);
    let client = thread::spawn(move || client.connect(&config()));
    server.connect(&config()).expect("it speaks");
    client.join().expect("no panic").expect("it was served");
}

#[test]
fn second_process() {
    play(&[("example server", example_server), ("accepts without descriptors", without_descriptors)]);
}
