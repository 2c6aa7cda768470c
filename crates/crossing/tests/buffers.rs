//! Rings and the kernel's buffers: what is asked for is had as far as the system allows, and is said.

use std::fs;

use crossing::{Config, Connection, Kind};

/// Both ends' buffers, when this much was asked for.
fn buffers(kind: Kind, wanted: Option<usize>) -> [Option<usize>; 2] {
    let ring = wanted.unwrap_or(Config::default().capacity_bytes);
    let config =
        Config { kernel_buffer_bytes: wanted, capacity_bytes: ring, max_message: 4096, ..Config::default() };
    let (mut here, mut there) = Connection::pair(kind, &config).expect("a refusal is no error");
    here.send(b"there").expect("the other end is there");
    assert_eq!(there.recv(&mut [0; 8]).expect("it was sent"), 5);
    [here, there].map(|mut end| end.sender().capacity_bytes())
}

/// A limit of the system in bytes.
fn limit(name: &str) -> usize {
    let text = fs::read_to_string(format!("/proc/sys/{name}")).expect("every Linux has it");
    text.trim().parse().expect("a number")
}

#[test]
fn a_ring_is_rounded_up_and_holds_two_of_the_longest_messages() {
    for (wanted, got) in [(0, 16384), (16384, 16384), (100_000, 131_072)] {
        assert_eq!(buffers(Kind::Shm, Some(wanted)), [Some(got); 2], "{wanted} bytes");
    }
    assert_eq!(buffers(Kind::Shm, None), [Some(256 << 10); 2]);
}

#[test]
fn a_pipe_is_as_large_as_was_asked() {
    for (wanted, got) in [(0, 4096), (16384, 16384), (100_000, 131_072)] {
        assert_eq!(buffers(Kind::Pipe, Some(wanted)), [Some(got); 2], "{wanted} bytes");
    }
    assert_eq!(buffers(Kind::Pipe, None), [Some(65536); 2]);
}

#[test]
fn a_pipe_beyond_the_limit_is_as_large_as_the_limit() {
    for got in buffers(Kind::Pipe, Some(usize::MAX)) {
        assert!(got.is_some_and(|got| got >= limit("fs/pipe-max-size")), "{got:?}");
    }
}

#[test]
fn a_socket_says_twice_what_was_asked() {
    for kind in [Kind::Unix, Kind::Tcp] {
        assert_eq!(buffers(kind, Some(40_000)), [Some(80_000); 2], "{kind}");
        assert_eq!(buffers(kind, Some(usize::MAX)), [Some(2 * limit("net/core/wmem_max")); 2], "{kind}");
        assert!(buffers(kind, None).iter().all(|got| got.is_some_and(|got| got > 0)), "{kind}");
    }
}
