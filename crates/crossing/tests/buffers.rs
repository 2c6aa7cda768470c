//! Rings and the kernel's buffers: a request is granted as far as the system allows, and the result
//! is reported.

use std::fs;

use crossing::{Config, Connection, Kind};

/// Both ends' buffers, when this much was asked for.
fn buffers(kind: Kind, wanted: Option<usize>) -> [Option<usize>; 2] {
    let mut config = Config::default().max_message(4096);
    config.capacity_bytes = wanted;
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
fn a_channel_is_as_large_as_was_asked_and_says_so() {
    for kind in Kind::ALL {
        let (asked, usual): (&[(usize, usize)], _) = match kind {
            // It holds two of the longest messages, and is rounded up.
            Kind::Shm => (&[(0, 16384), (16384, 16384), (100_000, 131_072)], Some(256 << 10)),
            Kind::Pipe => (&[(0, 4096), (16384, 16384), (100_000, 131_072)], Some(65536)),
            // The kernel doubles it, and has a size of its own that differs.
            Kind::Unix | Kind::Tcp => (&[(40_000, 80_000)], None),
        };
        for &(wanted, got) in asked {
            assert_eq!(buffers(kind, Some(wanted)), [Some(got); 2], "{kind}: {wanted} bytes");
        }
        for got in buffers(kind, None) {
            assert!(usual.map_or(got > Some(0), |usual| got == Some(usual)), "{kind}: {got:?}");
        }
    }
}

#[test]
fn a_buffer_of_the_kernel_is_no_larger_than_its_limit() {
    for kind in Kind::ALL {
        let limit = match kind {
            Kind::Shm => continue,
            Kind::Pipe => limit("fs/pipe-max-size"),
            Kind::Unix | Kind::Tcp => 2 * limit("net/core/wmem_max"),
        };
        for got in buffers(kind, Some(usize::MAX)).map(|got| got.expect("it is told")) {
            // With a capability a pipe may be larger.
            assert!(if kind == Kind::Pipe { got >= limit } else { got == limit }, "{kind}: {got} of {limit}");
        }
    }
}
