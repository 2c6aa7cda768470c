//! Blobs: memory sealed against writing, passed from process to process without a copy.

#![allow(unsafe_code)]

mod process;

use std::fs::File;
use std::hint::spin_loop;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::ptr;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crossing::{
    Blob, BlobMut, Config, ConnectError, Connection, Endpoint, Kind, MemoryLimit, Receiver, RecvError,
    SendError, Sender, Shm, WaitStrategy,
};
use process::{Second, again, config, eventually, limit_to, message, part, shortage, within};
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};
use rustix::process::{Resource, Rlimit};

const WAYS: [WaitStrategy; 3] = [WaitStrategy::Spin, WaitStrategy::HYBRID, WaitStrategy::Block];

/// One direction within this process.
fn ends(wait: WaitStrategy) -> (Sender<Shm>, Receiver<Shm>) {
    let config = Config::default().wait(wait);
    let (here, there) = Connection::<Shm>::pair_as(Kind::Shm, &config).expect("a pair");
    (here.split().0, there.split().1)
}

/// A blob that holds message `number`.
fn blob(number: u64, len: usize) -> Blob {
    let mut blob = BlobMut::new(len).expect("there is memory");
    assert!(blob.iter().all(|&byte| byte == 0), "it begins as zeros");
    blob.copy_from_slice(message(number, len));
    blob.seal().expect("no other process has it")
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
    let memfd = |seals, full| -> OwnedFd {
        let memfd =
            rustix::fs::memfd_create(c"forged", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&memfd, 8192).unwrap();
        if full {
            rustix::io::pwrite(&memfd, &[1; 8192], 0).unwrap();
        } else {
            // What stands behind the end counts as allocated, and fills no hole.
            rustix::fs::fallocate(&memfd, FallocateFlags::KEEP_SIZE, 8192, 8192).unwrap();
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

/// The size is checked after sealing, so shortening the memory at the last moment gains nothing.
#[test]
fn a_blob_is_never_longer_than_its_file() {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    for pause in (0..400).cycle().take(4_000) {
        let memfd = rustix::fs::memfd_create(c"shortened", flags).unwrap();
        rustix::io::pwrite(&memfd, &[1; 8192], 0).unwrap();
        let theirs = memfd.try_clone().unwrap();
        let begin = Barrier::new(2);
        let opened = thread::scope(|scope| {
            scope.spawn(|| {
                begin.wait();
                (0..pause).for_each(|_| spin_loop());
                rustix::fs::ftruncate(&memfd, 4096).unwrap();
                let sealed = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
                rustix::fs::fcntl_add_seals(&memfd, sealed).unwrap();
            });
            begin.wait();
            Blob::open(theirs)
        });
        assert!(opened.is_err() || opened.is_ok_and(|blob| blob.len() == 4096), "a page is missing");
    }
}

/// The file of `len` bytes that this process has made, once more.
fn file_of(len: u64) -> File {
    let fds = std::fs::read_dir("/proc/self/fd").expect("/proc is mounted");
    let is_it = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|file| file.len() == len);
    let path = fds.flatten().map(|entry| entry.path()).find(is_it).expect("it is open");
    File::options().read(true).write(true).open(path).expect("it is this process's own")
}

#[test]
fn what_cannot_be_sealed_is_kept_and_sealed_later() {
    const LEN: usize = 77_777;
    let mut blob = BlobMut::new(LEN).expect("there is memory");
    blob.copy_from_slice(message(5, LEN));
    // What a child would have that was forked while it was made: another mapping for writing.
    let file = file_of(LEN as u64);
    // SAFETY: at a place of the kernel's choice; nothing uses it.
    let held =
        unsafe { rustix::mm::mmap(ptr::null_mut(), LEN, ProtFlags::WRITE, MapFlags::SHARED, &file, 0) }
            .expect("it is not sealed yet");
    let error = blob.seal().unwrap_err().retry().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ResourceBusy, "{error}");
    // SAFETY: made above.
    unsafe { rustix::mm::munmap(held, LEN) }.expect("it was mapped");
    assert!(*error.retry().expect("no other mapping is left") == *message(5, LEN));
}

#[test]
fn calls_that_do_not_wait_say_so() {
    let (mut sender, mut receiver) = ends(WaitStrategy::Block);
    let soon = || Instant::now() + Duration::from_millis(1);
    assert!(matches!(receiver.try_recv_blob(), Err(RecvError::Empty)));
    assert!(matches!(receiver.recv_blob_deadline(soon()), Err(RecvError::Timeout)));
    assert!(matches!(receiver.recv_blob_timeout(Duration::from_millis(5)), Err(RecvError::Timeout)));
    let small = blob(1, 1);
    let outcome = sender.try_send_blob(&small);
    assert!(matches!(outcome, Err(SendError::Full)), "there is no way yet: {outcome:?}");
    sender.send_blob(&small).expect("it waits for the way");
    let (mut sent, full) = (1, loop_until_error(|| sender.try_send_blob(&small)));
    sent += full.0;
    assert!(matches!(full.1, SendError::Full), "{:?}", full.1);
    assert_eq!((sent, sender.blobs_in_flight()), (64, 64), "as many as may be");
    assert!(matches!(sender.send_blob_deadline(&small, soon()), Err(SendError::Timeout)));
    let outcome = sender.send_blob_timeout(&small, Duration::from_millis(5));
    assert!(matches!(outcome, Err(SendError::Timeout)), "{outcome:?}");
    receiver.recv_blob().expect("many were sent");
    sender.send(b"messages do not wait for blobs").expect("room");
    drop(receiver);
    assert!(matches!(sender.send_blob(&small), Err(SendError::Disconnected)));
}

/// How often it went well, and what ended it.
fn loop_until_error(mut call: impl FnMut() -> Result<(), SendError>) -> (usize, SendError) {
    let mut done = 0;
    loop {
        match call() {
            Ok(()) => done += 1,
            Err(error) => return (done, error),
        }
        assert!(done < 1000, "it is bounded");
    }
}

/// How many blobs are on their way, and how many bytes, is the sender's choice, whatever the kernel would hold.
#[test]
fn blobs_on_their_way_are_bounded_and_counted() {
    for wait in WAYS {
        let config = Config::default().wait(wait).blobs_in_flight(3).blob_bytes_in_flight(10_000);
        let (here, there) = Connection::<Shm>::pair_as(Kind::Shm, &config).expect("a pair");
        let (mut sender, mut receiver) = (here.split().0, there.split().1);
        let (small, large) = (blob(1, 10), blob(2, 6000));
        for _ in 0..3 {
            sender.send_blob(&small).expect("there is room");
        }
        assert!(matches!(sender.try_send_blob(&small), Err(SendError::Full)));
        assert_eq!((sender.blobs_in_flight(), sender.blob_bytes_in_flight()), (3, 30));
        receiver.recv_blob().expect("three were sent");
        sender.try_send_blob(&large).expect("one was taken");
        receiver.recv_blob().expect("three were sent");
        let outcome = sender.try_send_blob(&large);
        assert!(matches!(outcome, Err(SendError::Full)), "of bytes there are too many: {outcome:?}");
        assert_eq!((sender.blobs_in_flight(), sender.blob_bytes_in_flight()), (2, 6010));
        // A sender that waits for room is woken when there is some.
        within("a wait for room", move || {
            let taking = thread::spawn(move || {
                for number in [1, 2, 1] {
                    let len = if number == 1 { 10 } else { 6000 };
                    assert!(*receiver.recv_blob().expect("it was sent") == *message(number, len));
                    if number == 2 {
                        assert!(*receiver.recv_blob().expect("it is sent now") == *message(2, 6000));
                    }
                }
                let alone = receiver.recv_blob().expect("longer than all of them may be");
                assert_eq!(alone.len(), 20_000);
                receiver
            });
            sender.send_blob(&large).expect("the receiver takes them");
            sender.send_blob(&small).expect("the receiver takes them");
            sender.send_blob(&blob(3, 20_000)).expect("it goes alone");
            taking.join().expect("all came");
            assert_eq!((sender.blobs_in_flight(), sender.blob_bytes_in_flight()), (0, 0));
        });
    }
    let none = Config::default().blobs_in_flight(0);
    let outcome = Connection::pair(Kind::Shm, &none);
    assert!(matches!(outcome, Err(ConnectError::Config(_))), "{outcome:?}");
}

/// Starts this program again, to play `role`.
fn start(role: &str, wait: WaitStrategy) -> (Second, Connection<Shm>) {
    let (here, there) = Endpoint::pair(Kind::Shm).expect("a pair of endpoints");
    let second = Second(there.spawn(again(&format!("{role} {wait}"))).expect("this program starts again"));
    let config = config().wait(wait);
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
fn who_has_no_descriptor_left_loses_a_blob_and_not_the_connection() {
    for wait in WAYS {
        let (second, mut here) = start("starve", wait);
        here.sender().send_blob(&blob(1, 5000)).expect("the other end lives");
        here.send(b"sent").expect("the other end lives");
        here.recv(&mut [0; 64]).expect("it goes on");
        here.sender().send_blob(&blob(2, 5000)).expect("the other end lives");
        second.done();
    }
}

/// The lane for blobs is made with the first blob. If either process is out of descriptors then,
/// its call says so, nothing is lost, and it can be tried again.
#[test]
fn who_has_no_descriptor_for_the_way_is_told_and_tries_again() {
    for wait in WAYS {
        let (second, mut here) = start("starve before the first one came", wait);
        let given = blob(1, 5000);
        here.recv(&mut [0; 64]).expect("it has no descriptor left");
        here.sender().send_blob(&given).expect("the other end has a way by and by");
        here.recv(&mut [0; 64]).expect("it goes on");
        second.done();
        let (second, mut here) = start("starve before the first one goes", wait);
        here.recv(&mut [0; 64]).expect("it goes on");
        assert!(*here.receiver().recv_blob().expect("it was sent") == *message(2, 5000));
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
            // The kernel closes what the dead had open one by one.
            eventually("a sender is told", || {
                matches!(here.sender().send_blob(&first), Err(SendError::Disconnected))
            });
        };
        within("a wait for a blob", move || {
            let waiting = thread::spawn(waiting);
            second.kill();
            waiting.join().expect("it was told");
        });
    }
}

/// What comes of `call` while this process may have no more descriptors than it has.
fn starved<T>(call: impl FnOnce() -> T) -> T {
    // The three that are always open take all the numbers below.
    let limit = limit_to(Resource::Nofile, 3);
    let outcome = call();
    rustix::process::setrlimit(Resource::Nofile, limit).expect("it was as high before");
    outcome
}

/// It had no number left for a descriptor.
fn is_starved(outcome: Result<Blob, RecvError>) {
    match outcome {
        Err(RecvError::Io(error)) => assert_eq!(Errno::from_io_error(&error), Some(Errno::MFILE), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn second_process() {
    let Some(part) = part() else { return };
    let (role, wait) = part.rsplit_once(' ').expect("a role and a way of waiting");
    let config = config().wait(wait.parse().expect("a way of waiting"));
    let endpoint = Endpoint::inherited().expect("it was handed over");
    let mut connection = endpoint.connect_as::<Shm>(&config).expect("the two sides agree");
    match role {
        "echo" => {
            while let Ok(came) = connection.receiver().recv_blob() {
                let mut back = BlobMut::new(came.len()).expect("there is memory");
                back.copy_from_slice(&came);
                connection
                    .sender()
                    .send_blob(&back.seal().expect("no other process has it"))
                    .expect("the other end lives");
            }
        }
        "send one, then wait" => {
            connection.sender().send_blob(&blob(7, 5000)).expect("the other end lives");
            connection.send(b"sent").expect("the other end lives");
            let _ = connection.recv(&mut [0; 64]);
        }
        "starve before the first one came" => {
            is_starved(starved(|| {
                connection.send(b"starving").expect("the other end lives");
                connection.receiver().recv_blob()
            }));
            assert!(*connection.receiver().recv_blob().expect("it comes now") == *message(1, 5000));
            connection.send(b"it has come").expect("the other end lives");
        }
        "starve before the first one goes" => {
            let given = blob(2, 5000);
            match starved(|| connection.sender().send_blob(&given)) {
                Err(SendError::Io(error)) => is_starved(Err(RecvError::Io(error))),
                other => panic!("{other:?}"),
            }
            connection.sender().send_blob(&given).expect("there is a place for the way now");
            connection.send(b"it has gone").expect("the other end lives");
        }
        "starve" => {
            connection.recv(&mut [0; 64]).expect("one has been sent");
            is_starved(starved(|| connection.receiver().recv_blob()));
            connection.send(b"it goes on").expect("the other end lives");
            assert!(*connection.receiver().recv_blob().expect("there is another one") == *message(2, 5000));
        }
        "little files" => {
            let little = Rlimit { current: Some(8192), maximum: None };
            rustix::process::setrlimit(Resource::Fsize, little).expect("it is lowered");
            assert_eq!(BlobMut::new(8192).expect("as much as a file may have").len(), 8192);
            let of = |error: std::io::Error| {
                assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge, "{error}");
                assert_eq!(shortage(&error).limit, MemoryLimit::FileSize);
            };
            of(BlobMut::new(8193).unwrap_err());
            match Connection::pair(Kind::Shm, &Config::default()) {
                Err(ConnectError::Io { source, .. }) => of(source),
                other => panic!("{other:?}"),
            }
            connection.send(b"done").expect("it goes on");
        }
        other => panic!("no role `{other}`"),
    }
}

#[test]
fn a_blob_can_go_by_another_way() {
    let there = blob(3, 4096).as_fd().try_clone_to_owned().expect("a descriptor");
    assert!(*Blob::open(there).expect("it is sealed") == *message(3, 4096));
}

/// What a program asks for by a number that came from somewhere else is refused before the machine notices.
#[test]
fn more_than_there_is_or_may_be_is_refused_before_anything_is_made() {
    let limit_of =
        |made: std::io::Result<BlobMut>| shortage(&made.expect_err("nobody has so much")).limit.clone();
    for len in [(1 << 30) + 1, 1 << 40, usize::MAX] {
        assert_eq!(limit_of(BlobMut::new(len)), MemoryLimit::Configured, "{len}");
    }
    assert_eq!(limit_of(BlobMut::with_limit(2, 1)), MemoryLimit::Configured);
    assert_eq!(BlobMut::with_limit(2, 2).expect("two bytes").len(), 2);
    // Beyond every machine, and within what an address can say.
    let limit = limit_of(BlobMut::with_limit(1 << 46, usize::MAX));
    assert!(matches!(limit, MemoryLimit::Machine | MemoryLimit::ControlGroup(_)), "{limit:?}");
}

/// A memfd is a file: beyond the limit on files the kernel answers with a signal that kills.
#[test]
fn a_limit_on_files_is_an_error_and_no_signal() {
    let (second, mut here) = start("little files", WaitStrategy::Block);
    assert_eq!(here.recv(&mut [0; 64]).expect("it lives"), 4);
    second.done();
}
