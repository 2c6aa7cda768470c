//! The way of blobs, which is asked for over the rendezvous: a peer that asks without end or
//! answers unasked is cut off, and nothing it handed over is kept.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;

use crossing::{BlobMut, Connection, Kind, RecvError, SendError, Shm};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use crate::attacker::{Forged, ask_for_lane, meet, packets, receive, send};
use crate::process::{LIMIT, descriptors, eventually, socket_path};
use crate::{alone, config, leaves_nothing};

/// A server that has shaken hands with an attacker, and the attacker's rendezvous.
fn connected() -> (Connection<Shm>, OwnedFd) {
    let (server, socket) = meet(Kind::Shm);
    Forged::correct().greet(&socket);
    let server = server.connect_as::<Shm>(&config(LIMIT)).expect("the handshake is correct");
    (server, socket)
}

fn is_over(mut server: Connection<Shm>, what: &str) {
    let outcome = server.recv(&mut [0; 8]);
    assert!(matches!(outcome, Err(RecvError::Disconnected)), "{what}: {outcome:?}");
    let outcome = server.sender().send_blob(&BlobMut::new(1).unwrap().seal().unwrap());
    assert!(matches!(outcome, Err(SendError::Disconnected)), "{what}: {outcome:?}");
}

#[test]
fn an_answer_that_nobody_asked_for_ends_the_connection() {
    let _alone = alone();
    type Unasked = (&'static str, fn() -> Vec<OwnedFd>);
    let unasked: [Unasked; 4] = [
        ("A", || vec![packets().1]),
        ("A", Vec::new),
        ("L", || vec![packets().1]),
        ("AA", || vec![packets().1]),
    ];
    for (word, fds) in unasked {
        leaves_nothing(word, || {
            let (server, socket) = connected();
            let fds = fds();
            send(&socket, word.as_bytes(), &fds.iter().map(AsFd::as_fd).collect::<Vec<_>>());
            drop(fds);
            is_over(server, word);
        });
    }
}

#[test]
fn what_is_answered_must_be_a_packet_socket_and_comes_once() {
    let _alone = alone();
    let right: fn() -> OwnedFd = || packets().1;
    type Answer = (&'static str, Vec<fn() -> OwnedFd>);
    let answers: [Answer; 5] = [
        ("a pipe", vec![|| rustix::pipe::pipe().unwrap().0]),
        ("a file", vec![|| File::open("/dev/null").unwrap().into()]),
        ("a stream", vec![|| UnixStream::pair().unwrap().0.into()]),
        (
            "a listener",
            vec![|| {
                let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
                rustix::net::bind(&socket, &SocketAddrUnix::new(socket_path()).unwrap()).unwrap();
                rustix::net::listen(&socket, 1).unwrap();
                socket
            }],
        ),
        ("two lanes", vec![right, right]),
    ];
    for (what, fds) in answers {
        leaves_nothing(what, || {
            let (mut server, socket) = connected();
            let asked = thread::spawn(move || {
                while receive(&socket).0 != b"L" {}
                for fd in fds {
                    send(&socket, b"A", &[fd().as_fd()]);
                }
                socket
            });
            // The first of two lanes may have been taken before the second came; its far end is closed.
            let outcome = server.sender().send_blob(&BlobMut::new(1).unwrap().seal().unwrap());
            assert!(matches!(outcome, Err(SendError::Disconnected)), "{what}: {outcome:?}");
            let _socket = asked.join().unwrap();
            is_over(server, what);
        });
    }
}

/// Each request is answered with another lane, of which this end keeps one; and there is a last one.
#[test]
fn who_asks_again_and_again_is_cut_off() {
    let _alone = alone();
    leaves_nothing("requests", || {
        let (mut server, socket) = connected();
        let before = descriptors().len();
        let mut lanes: Vec<OwnedFd> = (0..16).map(|_| ask_for_lane(&socket)).collect();
        let open = || descriptors().len();
        eventually("the attacker has sixteen, the server one", || open() == before + lanes.len() + 1);
        let blob = BlobMut::new(4000).unwrap();
        send(lanes.last().unwrap(), b"B", &[blob.seal().unwrap().as_fd()]);
        assert_eq!(server.receiver().recv_blob().expect("the last one is the right one").len(), 4000);
        lanes.clear();
        send(&socket, b"L", &[]);
        is_over(server, "the seventeenth");
    });
}

/// What a receiver says back on the lane wakes a sender, and does nothing else.
#[test]
fn noise_from_a_receiver_of_blobs_is_dropped() {
    let _alone = alone();
    leaves_nothing("noise", || {
        let (server, socket) = meet(Kind::Shm);
        Forged::correct().greet(&socket);
        let narrow = config(LIMIT).blobs_in_flight(1);
        let mut server = server.connect_as::<Shm>(&narrow).expect("the handshake is correct");
        let (lane, far) = packets();
        let answers = thread::spawn(move || {
            while receive(&socket).0 != b"L" {}
            send(&socket, b"A", &[far.as_fd()]);
            socket
        });
        let blob = BlobMut::new(1).unwrap().seal().unwrap();
        server.sender().send_blob(&blob).expect("there is room for one");
        let _socket = answers.join().unwrap();
        for _ in 0..20 {
            let pipe = rustix::pipe::pipe().unwrap().0;
            send(&lane, b"T, and more", &[pipe.as_fd()]);
        }
        let before = descriptors().len();
        let outcome = server.sender().try_send_blob(&blob);
        assert!(matches!(outcome, Err(SendError::Full)), "nothing was taken: {outcome:?}");
        assert_eq!(descriptors().len(), before, "nothing that came along is kept");
        drop(lane);
        eventually("the end of the lane is told", || {
            matches!(server.sender().try_send_blob(&blob), Err(SendError::Disconnected))
        });
    });
}
