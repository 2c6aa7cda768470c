//! What a peer can do with the bell, the descriptor that stands in for shared memory in a poll: waste a look, and nothing else.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossing::{Connection, End, Ready, RecvError, SendError};
use rustix::net::{RecvFlags, SendFlags, Shutdown};

use crate::attacker::{Forged, attacked};
use crate::process::within;
use crate::{alone, leaves_nothing};

/// A server, the attacker's rendezvous, its bell, and the copy that it has kept of the server's.
fn met() -> (Connection, OwnedFd, [OwnedFd; 2]) {
    let (mut forged, bell) = Forged::with_bell();
    let copy = forged.bell.as_ref().expect("it is to be handed over").try_clone().expect("a descriptor");
    let (server, socket) = attacked(&mut forged);
    (server.expect("nothing is wrong with it"), socket, [bell, copy])
}

/// The server looks as often as it likes, and is told the same as if nothing were rung.
fn goes_on(server: &mut Connection) {
    for _ in 0..100 {
        let outcome = server.receiver().try_recv(&mut [0; 8]);
        assert!(matches!(outcome, Err(RecvError::Empty)), "{outcome:?}");
        let _ = server.arm();
    }
    while server.sender().try_send(&[0; 1000]).is_ok() {}
    for _ in 0..100 {
        let outcome = server.sender().try_send(&[0; 1000]);
        assert!(matches!(outcome, Err(SendError::Full)), "{outcome:?}");
        assert_eq!(server.sender().arm(1000), Ready::Wait);
    }
}

#[test]
fn a_peer_that_rings_without_end_wastes_looks_only() {
    let _alone = alone();
    leaves_nothing("a bell that is rung", || {
        within("a server that is rung", || {
            let (mut server, _socket, [bell, copy]) = met();
            let over = &AtomicBool::new(false);
            thread::scope(|scope| {
                // Through both ends: the attacker has kept a copy of the server's, and may take what it rings itself, too.
                scope.spawn(move || {
                    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
                    while !over.load(Ordering::Relaxed) {
                        let _ = rustix::net::send(&bell, &[1; 700], flags);
                        let _ = rustix::net::send(&copy, &[1; 700], flags);
                        let _ = rustix::net::recv(&copy, &mut [0; 99][..], RecvFlags::DONTWAIT);
                    }
                });
                goes_on(&mut server);
                over.store(true, Ordering::Relaxed);
            });
        });
    });
}

/// The copy shares its flags with the server's: a peer may make it block, or take away what is on its way.
#[test]
fn a_peer_that_changes_the_bells_flags_makes_nothing_wait() {
    let _alone = alone();
    within("a server whose bell blocks", || {
        let (mut server, _socket, [_bell, copy]) = met();
        rustix::io::ioctl_fionbio(&copy, false).expect("it is a socket");
        goes_on(&mut server);
        rustix::net::sockopt::set_socket_send_buffer_size(&copy, 1 << 20).expect("it is a socket");
        goes_on_without_room(&mut server);
    });
}

/// A bell whose buffer was made larger may stay writable: then the server looks in vain.
fn goes_on_without_room(server: &mut Connection) {
    for _ in 0..100 {
        let outcome = server.sender().try_send(&[0; 1000]);
        assert!(matches!(outcome, Err(SendError::Full)), "{outcome:?}");
        let _ = server.sender().arm(1000);
    }
}

/// To close the bell alone is to end the connection, and not as an orderly end.
#[test]
fn a_peer_that_closes_the_bell_ends_its_connection() {
    let _alone = alone();
    type Way = fn([OwnedFd; 2]) -> Option<OwnedFd>;
    let ways: [Way; 3] = [
        |_both| None,
        |[bell, _]| {
            rustix::net::shutdown(&bell, Shutdown::Both).expect("it is connected");
            Some(bell)
        },
        |[_, copy]| {
            rustix::net::shutdown(&copy, Shutdown::Both).expect("it is connected");
            Some(copy)
        },
    ];
    for way in ways {
        leaves_nothing("a bell that is closed", || {
            let (mut server, _socket, bells) = met();
            assert_eq!(server.arm(), Ready::Wait);
            let _left = way(bells);
            assert_eq!(server.arm(), Ready::Now);
            let outcome = server.recv(&mut [0; 8]);
            assert!(matches!(outcome, Err(RecvError::Disconnected)), "{outcome:?}");
            assert_eq!(server.receiver().end(), Some(End::Abrupt));
            assert!(matches!(server.send(b"x"), Err(SendError::Disconnected)));
        });
    }
}
