//! Strangers on a stream: lengths beyond the agreement, and hellos that are none.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use crossing::{ConnectError, Endpoint, Kind, Listener, RecvError, SendError, Violation};

use crate::attacker::meet;
use crate::process::LIMIT;
use crate::{alone, config};

/// A stream to a crossing server, opened by a foreign program.
trait Raw: Read + Write + Send {}
impl<T: Read + Write + Send> Raw for T {}

/// One for each mechanism that `docs/wire.md` describes to programs in any language.
fn strangers() -> impl Iterator<Item = (Kind, Endpoint, Box<dyn Raw>)> {
    Kind::ALL.into_iter().filter_map(|kind| match kind {
        Kind::Unix => {
            let (server, socket) = meet(kind);
            Some((kind, server, Box::new(UnixStream::from(socket)) as Box<dyn Raw>))
        }
        Kind::Tcp => {
            let listener = Listener::bind(&"tcp://127.0.0.1:0".parse().unwrap()).unwrap();
            let host_port = listener.address().host_port().expect("it listens on TCP");
            let stream = TcpStream::connect(host_port).unwrap();
            Some((kind, listener.accept().unwrap(), Box::new(stream)))
        }
        Kind::Shm | Kind::Pipe => None,
    })
}

/// The hello that `docs/wire.md` prescribes.
fn hello(kind: Kind) -> Vec<u8> {
    let code = if kind == Kind::Unix { 3 } else { 4 };
    [b"CROSSING\x03\0", &[code, 0][..], &65_536_u32.to_le_bytes(), &[0; 16]].concat()
}

/// The largest size that this process has had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_length_that_was_not_agreed_on_poisons_a_stream_and_takes_no_memory() {
    let _alone = alone();
    for length in [u32::MAX - 1, 1 << 31, 65_537] {
        for (kind, server, mut stranger) in strangers() {
            stranger.write_all(&hello(kind)).unwrap();
            stranger.write_all(b"\x05\0\0\0hello").unwrap();
            stranger.write_all(&length.to_le_bytes()).unwrap();
            let mut server = server.connect(&config(LIMIT)).expect("the handshake is correct");
            let before = peak_kib();
            assert_eq!(server.recv(&mut [0; 64]).expect("what came before is received"), 5);
            let outcome = server.recv(&mut [0; 64]);
            let Err(RecvError::Poisoned(Violation::Length { claimed, limit })) = outcome else {
                panic!("{kind}: {outcome:?}")
            };
            assert_eq!((claimed, limit), (length.into(), 65_536), "{kind}");
            assert!(peak_kib() - before < 1 << 20, "{kind}: less than a GiB of addresses was taken");
            let outcome = server.send(b"never");
            assert!(matches!(outcome, Err(SendError::Disconnected)), "{kind}: {outcome:?}");
            let mut rest = Vec::new();
            // The server has hung up: this ends.
            let _ = stranger.read_to_end(&mut rest);
        }
    }
}

#[test]
fn garbage_for_a_hello_is_refused_by_name() {
    let _alone = alone();
    type Case = (&'static str, fn(&mut Vec<u8>));
    let cases: [Case; 7] = [
        ("magic", |hello| hello.copy_from_slice(b"GET / HTTP/1.1\r\nHost: myhost.x\r\n")),
        ("magic", |hello| hello.fill(0)),
        ("version", |hello| hello[8] += 1),
        ("mechanism", |hello| hello[10] ^= 7),
        ("flags", |hello| hello[11] = 2),
        ("max_message", |hello| hello[15] = 0xff),
        ("reserved bytes", |hello| hello[31] = 1),
    ];
    for (expected, wrong) in cases {
        for (kind, server, mut stranger) in strangers() {
            let mut bytes = hello(kind);
            wrong(&mut bytes);
            stranger.write_all(&bytes).unwrap();
            let outcome = server.connect(&config(LIMIT));
            let Err(ConnectError::Refused { field, .. }) = outcome else { panic!("{kind}: {outcome:?}") };
            assert_eq!(field, expected, "{kind}");
        }
    }
}
