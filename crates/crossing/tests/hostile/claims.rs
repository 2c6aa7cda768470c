//! What a peer says after a correct handshake: what cannot be true ends its connection.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;

use crossing::{BlobMut, Kind, RecvError, SendError, Shm, Violation};
use rustix::fs::SealFlags;

use crate::attacker::{
    Forged, OVERHEARD, PAGE, SEALED, ask_for_lane, attacked, meet, packets, receive, send,
};
use crate::process::LIMIT;
use crate::{alone, config, leaves_nothing};

/// What comes on the lane for blobs is one memfd, sealed as a blob is, or the connection ends.
#[test]
fn what_is_no_blob_poisons_the_connection() {
    let _alone = alone();
    type Packet = (&'static str, &'static [u8], fn() -> Vec<OwnedFd>);
    fn memfd(seals: SealFlags) -> OwnedFd {
        Forged { seals, ..Forged::correct() }.region()
    }
    const BLOB: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::WRITE);
    let wrong: &[Packet] = &[
        ("no descriptor", b"B", Vec::new),
        ("two of them", b"B", || vec![memfd(BLOB), memfd(BLOB)]),
        ("the wrong word", b"?", || vec![memfd(BLOB)]),
        ("more words", b"BB", || vec![memfd(BLOB)]),
        ("no word", b"", || vec![memfd(BLOB)]),
        ("not sealed against writing", b"B", || vec![memfd(SEALED)]),
        ("a pipe", b"B", || vec![rustix::pipe::pipe().unwrap().0]),
        ("this program", b"B", || vec![File::open(std::env::current_exe().unwrap()).unwrap().into()]),
    ];
    let received = |words: &[u8], fds: Vec<OwnedFd>| {
        let (server, socket) = meet(Kind::Shm);
        Forged::correct().greet(&socket);
        let mut server = server.connect_as::<Shm>(&config(LIMIT)).expect("the handshake is correct");
        let lane = ask_for_lane(&socket);
        send(&lane, words, &fds.iter().map(AsFd::as_fd).collect::<Vec<_>>());
        let outcome = server.receiver().recv_blob();
        let next = server.receiver().try_recv(&mut [0; 8]);
        (outcome, next)
    };
    let (outcome, next) = received(b"B", vec![memfd(BLOB)]);
    assert!(outcome.is_ok(), "the control: {outcome:?}");
    assert!(matches!(next, Err(RecvError::Empty)), "the control: {next:?}");
    for (what, words, fds) in wrong {
        leaves_nothing(what, || {
            let (outcome, next) = received(words, fds());
            assert!(
                matches!(outcome, Err(RecvError::Poisoned(Violation::Blob { .. }))),
                "{what}: {outcome:?}"
            );
            assert!(matches!(next, Err(RecvError::Poisoned(Violation::Blob { .. }))), "{what}: {next:?}");
        });
    }
}

/// That a blob was taken is a claim, too.
#[test]
fn more_blobs_taken_than_were_sent_poison_the_connection() {
    let _alone = alone();
    const TAKEN: usize = 640;
    let sealed = || BlobMut::new(1).unwrap().seal().unwrap();
    for (taken, possible) in [(0, true), (1, false), (u64::MAX, false)] {
        let mut forged = Forged::correct();
        forged.word(TAKEN, |_| taken);
        let (server, socket) = meet(Kind::Shm);
        forged.greet(&socket);
        let mut server = server.connect_as::<Shm>(&config(LIMIT)).expect("the handshake is correct");
        let (lane, far) = packets();
        let answers = thread::spawn(move || {
            while receive(&socket).0 != b"L" {}
            send(&socket, b"A", &[far.as_fd()]);
            socket
        });
        let outcome = server.sender().send_blob(&sealed());
        let _socket = answers.join().unwrap();
        if possible {
            outcome.expect("the control");
            assert_eq!(receive(&lane).1.len(), 1);
            assert_eq!(server.sender().blobs_in_flight(), 1);
        } else {
            assert!(matches!(outcome, Err(SendError::Poisoned(Violation::Blob { .. }))), "{outcome:?}");
        }
    }
}

/// What the words of a header say is a claim: one that cannot be true poisons the connection with its name.
#[test]
fn impossible_indices_and_lengths_poison_the_connection() {
    let _alone = alone();
    const TAIL: usize = 128;
    const HEAD: usize = 256;
    let capacity = u64::from(u32::from_le_bytes(OVERHEARD.0[16..20].try_into().unwrap()));
    let received = |forged: &mut Forged| {
        let (server, _socket) = attacked(forged);
        let mut server = server.expect("the handshake is correct");
        let outcome = server.recv(&mut [0; 64]);
        let Err(RecvError::Poisoned(violation)) = outcome else { panic!("{outcome:?}") };
        let again = server.recv(&mut [0; 64]);
        assert!(matches!(again, Err(RecvError::Poisoned(same)) if same == violation), "{again:?}");
        let outcome = server.send(b"never");
        assert!(matches!(outcome, Err(SendError::Disconnected | SendError::Poisoned(_))), "{outcome:?}");
        violation
    };
    leaves_nothing("tails", || {
        for wrong in [capacity + 8, 3, 1 << 40, 0_u64.wrapping_sub(8), 1 << 63] {
            let mut forged = Forged::correct();
            forged.word(TAIL, |tail| tail.wrapping_add(wrong));
            let violation = received(&mut forged);
            assert!(matches!(violation, Violation::Tail { .. }), "{wrong}: {violation:?}");
        }
    });
    leaves_nothing("lengths", || {
        // The first message lies where the ring starts: a mebibyte below the overflow is its first byte.
        for (published, length) in [(16, 9_u64), (16, 16), (8, 1), (capacity, 1 << 20), (16, u64::MAX)] {
            let mut forged = Forged::correct();
            forged.word(TAIL, |tail| tail.wrapping_add(published));
            forged.header.resize(*PAGE as usize, 0);
            forged.header.extend_from_slice(&length.to_le_bytes());
            let violation = received(&mut forged);
            assert!(matches!(violation, Violation::Length { .. }), "{length}: {violation:?}");
        }
    });
    leaves_nothing("heads", || {
        for wrong in [1, 1 << 40, 0_u64.wrapping_sub(8)] {
            let mut forged = Forged::correct();
            forged.word(HEAD, |head| head.wrapping_add(wrong));
            let (server, _socket) = attacked(&mut forged);
            let mut server = server.expect("the handshake is correct");
            let error = (0..1000).find_map(|_| server.sender().try_send(&[0; 4000]).err());
            let poisoned = matches!(error, Some(SendError::Poisoned(Violation::Head { .. })));
            assert!(poisoned, "{wrong}: {error:?}");
            for outcome in [server.send(b"never"), server.sender().flush()] {
                assert!(matches!(outcome, Err(SendError::Poisoned(_))), "{outcome:?}");
            }
        }
    });
}

/// What is said over the rendezvous after the handshake ends the connection, if it is not what a peer says
/// there.
#[test]
fn noise_after_the_handshake_ends_the_connection_only() {
    let _alone = alone();
    for noise in [&b"X"[..], b"SS", b"", b"S, and more of it"] {
        leaves_nothing("noise", || {
            let (server, socket) = attacked(&mut Forged::correct());
            let mut server = server.expect("the handshake is correct");
            let pipes: Vec<_> = (0..10).map(|_| rustix::pipe::pipe().unwrap().0).collect();
            send(&socket, noise, &pipes.iter().map(AsFd::as_fd).collect::<Vec<_>>());
            let outcome = server.recv(&mut [0; 8]);
            assert!(matches!(outcome, Err(RecvError::Disconnected)), "{noise:?}: {outcome:?}");
            let outcome = server.send(b"never");
            assert!(matches!(outcome, Err(SendError::Disconnected)), "{noise:?}: {outcome:?}");
        });
    }
}
