//! Blobs: memory that goes from process to process without a copy, and that nobody can write any more.

mod process;

use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use crossing::{
    Blob, BlobMut, Config, Connection, Endpoint, Kind, Receiver, RecvError, SendError, Sender, Shm,
    WaitStrategy,
};
use process::{LIMIT, Second, again, message, part, within};
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};
use rustix::io::Errno;

const WAYS: [WaitStrategy; 3] = [WaitStrategy::Spin, WaitStrategy::HYBRID, WaitStrategy::Block];

/// One direction within this process.
fn ends(wait: WaitStrategy) -> (Sender<Shm>, Receiver<Shm>) {
    let config = Config { wait, ..Config::default() };
    let (here, there) = Connection::<Shm>::pair_as(Kind::Shm, &config).expect("a pair");
    (here.split().0, there.split().1)
}

/// A blob that holds message `number`.
fn blob(number: u64, len: usize) -> Blob {
    let mut blob = BlobMut::new(len).expect("there is memory");
    assert!(blob.iter().all(|&byte| byte == 0), "it begins as zeros");
    blob.copy_from_slice(message(number, len));
    blob.seal().expect("nobody else has it")
}

const LENGTHS: [usize; 6] = [0, 1, 4095, 4096, 4097, 1 << 20];

#[test]
fn blobs_of_all_sizes_come_whole_and_in_order() {
    for wait in WAYS {
        let (mut sender, mut receiver) = ends(wait);
        let sending = thread::spawn(move || {
            for (number, len) in (0..).zip(LENGTHS) {
                sender.send_blob(&blob(number, len)).expect("the receiver lives");
            }
        });
        for (number, len) in (0..).zip(LENGTHS) {
            assert!(
                *receiver.recv_blob().expect("it was sent") == *message(number, len),
                "{wait}: {len} bytes"
            );
        }
        sending.join().expect("all were sent");
        assert!(matches!(receiver.recv_blob(), Err(RecvError::Disconnected)));
    }
}

#[test]
fn one_blob_goes_to_many_and_outlives_its_maker() {
    let (mut sender, mut receiver) = ends(WaitStrategy::Block);
    let made = blob(1, 100_000);
    (0..3).for_each(|_| sender.send_blob(&made).expect("the receiver lives"));
    drop(made);
    drop(sender);
    let got: Vec<Blob> = std::iter::from_fn(|| receiver.recv_blob().ok()).collect();
    assert_eq!(got.len(), 3);
    assert!(got.iter().all(|blob| **blob == *message(1, 100_000)));
}

#[test]
fn a_blob_that_was_sent_before_a_message_is_there_when_the_message_is() {
    let (mut sender, mut receiver) = ends(WaitStrategy::Spin);
    let sending = thread::spawn(move || {
        for number in 0..200 {
            sender.send_blob(&blob(number, 64)).expect("the receiver lives");
            sender.send(b"there is one").expect("the receiver lives");
        }
    });
    for number in 0..200 {
        receiver.recv(&mut [0; 64]).expect("it was sent");
        assert!(*receiver.try_recv_blob().expect("it was sent before") == *message(number, 64));
    }
    sending.join().expect("all were sent");
}

#[test]
fn nobody_can_write_to_a_blob() {
    let blob = blob(1, 8192);
    assert_eq!(rustix::io::pwrite(&blob, b"mine", 0), Err(Errno::PERM));
    assert_eq!(rustix::fs::ftruncate(&blob, 0), Err(Errno::PERM));
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    assert_eq!(rustix::fs::fallocate(&blob, hole, 0, 4096), Err(Errno::PERM));
    assert_eq!(rustix::fs::fcntl_add_seals(&blob, SealFlags::FUTURE_WRITE), Err(Errno::PERM));
}

#[test]
fn what_could_still_change_is_no_blob() {
    let memfd = |seals, allocated| -> OwnedFd {
        let memfd =
            rustix::fs::memfd_create(c"forged", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&memfd, 8192).unwrap();
        if allocated {
            rustix::fs::fallocate(&memfd, FallocateFlags::empty(), 0, 8192).unwrap();
        }
        rustix::fs::fcntl_add_seals(&memfd, seals).unwrap();
        memfd
    };
    let sealed = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    assert_eq!(Blob::open(memfd(sealed, true)).expect("it is sealed").len(), 8192);
    for missing in [SealFlags::SHRINK, SealFlags::GROW, SealFlags::WRITE] {
        let error = Blob::open(memfd(sealed.difference(missing), true)).unwrap_err();
        assert!(error.to_string().contains("seals"), "without {missing:?}: {error}");
    }
    let error = Blob::open(memfd(sealed, false)).unwrap_err();
    assert!(error.to_string().contains("allocation"), "full of holes: {error}");
    let error = Blob::open(rustix::pipe::pipe().unwrap().0).unwrap_err();
    assert!(error.to_string().contains("file type"), "a pipe: {error}");
}

#[test]
fn calls_that_do_not_wait_say_so() {
    let (mut sender, mut receiver) = ends(WaitStrategy::Block);
    let soon = || Instant::now() + Duration::from_millis(1);
    assert!(matches!(receiver.try_recv_blob(), Err(RecvError::Empty)));
    assert!(matches!(receiver.recv_blob_deadline(soon()), Err(RecvError::Timeout)));
    let small = blob(1, 1);
    let full =
        std::iter::repeat_with(|| sender.try_send_blob(&small)).find_map(Result::err).expect("it is bounded");
    assert!(matches!(full, SendError::Full), "{full:?}");
    assert!(matches!(sender.send_blob_deadline(&small, soon()), Err(SendError::Timeout)));
    receiver.recv_blob().expect("many were sent");
    sender.send(b"messages do not wait for blobs").expect("room");
    drop(receiver);
    assert!(matches!(sender.send_blob(&small), Err(SendError::Disconnected)));
}

/// Starts this program again, to play `role`.
fn start(role: &str, wait: WaitStrategy) -> (Second, Connection<Shm>) {
    let (here, there) = Endpoint::pair(Kind::Shm).expect("a pair of endpoints");
    let second = Second(there.spawn(again(&format!("{role} {wait}"))).expect("this program starts again"));
    let config = Config { wait, handshake_timeout: LIMIT, ..Config::default() };
    (second, here.connect_as::<Shm>(&config).expect("the two sides agree"))
}

#[test]
fn between_two_processes_a_blob_comes_back_as_another() {
    for wait in WAYS {
        let (second, mut here) = start("echo", wait);
        for (number, len) in (0..).zip(LENGTHS) {
            here.sender().send_blob(&blob(number, len)).expect("the other end lives");
            let back = here.receiver().recv_blob().expect("it comes back");
            assert!(*back == *message(number, len), "{wait}: {len} bytes");
        }
        drop(here);
        second.done();
    }
}

#[test]
fn who_waits_for_a_blob_is_told_of_a_death_and_gets_what_was_sent() {
    for wait in WAYS {
        let (mut second, mut here) = start("send one, then wait", wait);
        here.recv(&mut [0; 64]).expect("it says that it has sent one");
        let waiting = move || {
            let first = here.receiver().recv_blob().expect("it was sent");
            assert!(*first == *message(7, 5000));
            assert!(matches!(here.receiver().recv_blob(), Err(RecvError::Disconnected)));
            assert!(matches!(here.sender().send_blob(&first), Err(SendError::Disconnected)));
        };
        within("a wait for a blob", move || {
            let waiting = thread::spawn(waiting);
            second.kill();
            waiting.join().expect("it was told");
        });
    }
}

#[test]
fn second_process() {
    let Some(part) = part() else { return };
    let (role, wait) = part.rsplit_once(' ').expect("a role and a way of waiting");
    let config = Config {
        wait: wait.parse().expect("a way of waiting"),
        handshake_timeout: LIMIT,
        ..Config::default()
    };
    let endpoint = Endpoint::inherited().expect("it was handed over");
    let mut connection = endpoint.connect_as::<Shm>(&config).expect("the two sides agree");
    match role {
        "echo" => {
            while let Ok(came) = connection.receiver().recv_blob() {
                let mut back = BlobMut::new(came.len()).expect("there is memory");
                back.copy_from_slice(&came);
                connection
                    .sender()
                    .send_blob(&back.seal().expect("nobody else has it"))
                    .expect("the other end lives");
            }
        }
        "send one, then wait" => {
            connection.sender().send_blob(&blob(7, 5000)).expect("the other end lives");
            connection.send(b"sent").expect("the other end lives");
            let _ = connection.recv(&mut [0; 64]);
        }
        other => panic!("no role `{other}`"),
    }
}

#[test]
fn a_blob_can_go_by_another_way() {
    let there = blob(3, 4096).as_fd().try_clone_to_owned().expect("a descriptor");
    assert!(*Blob::open(there).expect("it is sealed") == *message(3, 4096));
}
