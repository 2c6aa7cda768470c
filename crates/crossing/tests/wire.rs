//! The wire as `docs/wire.md` describes it: a program that knows the document and nothing of this library is
//! the other end.
//!
//! The program is `peers/python/client.py`. It needs python3; without it these tests fail, since they would prove
//! nothing.

mod process;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::thread;

use crossing::{Address, Config, Connection, End, Endpoint, Kind, Listener, RecvError, WaitStrategy};
use process::{Second, socket_path, within};

/// What the program sends and expects, in bytes; and last the longest message that both ends agree on.
const LENGTHS: [usize; 7] = [0, 1, 5, 0, 4096, 70_000, 90_000];

fn config() -> Config {
    Config::default().max_message(90_000).wait(WaitStrategy::Block)
}

fn python(words: [&str; 3]) -> Child {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../peers/python/client.py");
    let mut command = Command::new("python3");
    command.arg(script).args(words).stdout(Stdio::piped());
    command.spawn().expect("these tests need python3 on the PATH: install it")
}

fn message(length: usize) -> Vec<u8> {
    (0..length).map(|i| ((length + i) % 251) as u8).collect()
}

/// What both ends of the document do: send one of each, receive one of each, end.
fn converse(connection: Connection) {
    assert_eq!(connection.max_message(), 90_000, "the lesser of both");
    let (mut sender, mut receiver) = connection.split();
    // The program sends everything before it receives anything: so another thread reads meanwhile.
    let sending = thread::spawn(move || {
        for length in LENGTHS {
            sender.send(&message(length)).expect("the program receives");
        }
    });
    let mut buffer = vec![0; receiver.max_message()];
    for length in LENGTHS {
        let received = receiver.recv(&mut buffer).expect("the program sends");
        assert!(buffer[..received] == message(length), "a message of {length} bytes");
    }
    sending.join().expect("it sent");
    let outcome = receiver.recv(&mut buffer);
    assert!(matches!(outcome, Err(RecvError::Disconnected)), "{outcome:?}");
    assert_eq!(receiver.end(), Some(End::Closed), "the program knows the last word");
}

fn with_a_foreign_client(address: Address, kind: &'static str) {
    within("a foreign client", move || {
        let listener = Listener::bind(&address).expect("the place is free");
        let bound = listener.address();
        let path = bound.path().map(|path| path.display().to_string());
        let place = path.or(bound.host_port().map(str::to_owned)).expect("one or the other");
        let client = Second(python(["connect", kind, &place]));
        converse(
            listener.accept().expect("the client comes").connect(&config()).expect("it knows the document"),
        );
        client.done();
    });
}

fn with_a_foreign_server(kind: &'static str, place: String) {
    within("a foreign server", move || {
        let mut server = Second(python(["listen", kind, &place]));
        let mut line = String::new();
        let stdout = server.0.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
        let prefix = if kind == "tcp" { "tcp://" } else { "unix:" };
        let address: Address = format!("{prefix}{}", line.trim()).parse().expect("an address");
        let endpoint = Endpoint::dial(&address, &config()).expect("it listens");
        converse(endpoint.connect(&config()).expect("it knows the document"));
        server.done();
        if kind == "unix" {
            std::fs::remove_file(&place).expect("the server left it");
        }
    });
}

#[test]
fn a_foreign_client_over_a_unix_socket() {
    with_a_foreign_client(Address::at_path(Kind::Unix, socket_path()).unwrap(), "unix");
}

#[test]
fn a_foreign_client_over_tcp() {
    with_a_foreign_client("tcp://127.0.0.1:0".parse().expect("an address"), "tcp");
}

#[test]
fn a_foreign_server_over_a_unix_socket() {
    with_a_foreign_server("unix", socket_path().display().to_string());
}

#[test]
fn a_foreign_server_over_tcp() {
    with_a_foreign_server("tcp", "127.0.0.1:0".into());
}

/// The bytes of a hexdump as the document shows it.
fn hexdump(text: &str) -> Vec<u8> {
    let lines = text.lines().map(|line| &line[10..58]);
    lines
        .flat_map(str::split_whitespace)
        .map(|byte| u8::from_str_radix(byte, 16).expect("two digits"))
        .collect()
}

/// The document's examples are what an end really sends.
#[test]
fn the_examples_of_the_document_are_true() {
    let document = include_str!("../docs/wire.md");
    for kind in Kind::ALL {
        assert!(document.contains(&format!("`{kind}:")), "docs/wire.md says nothing of `{kind}:`");
    }
    let mut examples = document.split("```text\n").skip(1).map(|rest| rest.split("```").next().unwrap_or(""));
    let [unix, tcp] = [examples.next(), examples.next()].map(|text| hexdump(text.expect("two examples")));

    // What the first one shows is what an end sends.
    let path = socket_path();
    let listener = UnixListener::bind(&path).expect("a free path");
    let address = Address::at_path(Kind::Unix, path.clone()).unwrap();
    let client = thread::spawn(move || {
        let config = Config::default().max_message(64 << 10);
        let mut client =
            Endpoint::dial(&address, &config).expect("it listens").connect(&config).expect("a correct end");
        client.send(b"hello").expect("room");
        client.send(b"").expect("room");
    });
    let (mut stream, _): (UnixStream, _) = listener.accept().expect("the client comes");
    let mut said = vec![0; unix.len()];
    stream.write_all(&unix[..32]).expect("room");
    stream.read_exact(&mut said).expect("the client speaks");
    // The core that this test may run on is its own business.
    said[20..22].fill(0);
    assert_eq!(said, unix);
    client.join().expect("it spoke");
    std::fs::remove_file(path).expect("it is there");

    // What the second one shows is understood.
    let listener = Listener::bind(&"tcp://127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let host_port = listener.address().host_port().expect("it listens on TCP");
    let mut stream = std::net::TcpStream::connect(host_port).expect("it listens");
    stream.write_all(&tcp).expect("room");
    let endpoint = listener.accept().expect("the stranger comes");
    let mut server = endpoint.connect(&Config::default()).expect("it says what the document says");
    assert_eq!(server.max_message(), 1000);
    let mut buffer = [0; 8];
    let len = server.recv(&mut buffer).expect("a message");
    assert_eq!(&buffer[..len], b"ok");
}
