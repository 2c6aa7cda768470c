//! A place in the file system is taken over from a server that is gone, and from nothing else; by
//! one of several that try at once; and its socket has the mode that was asked for.

// The mask of the modes of files is a process's own.
#![allow(unsafe_code)]

#[path = "process/cannot_run.rs"]
mod cannot_run;
mod process;

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use cannot_run::{Lacks, cannot_run};
use crossing::{Address, ConnectError, Endpoint, Kind, ListenOptions, Listener};
use process::{LIMIT, Second, again, config, local, play, socket_path, within};
use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;
use rustix::thread::set_thread_res_uid;

fn reclaiming() -> ListenOptions {
    Listener::options().reclaim(true)
}

fn at(kind: Kind, path: &Path) -> Address {
    Address::at_path(kind, path).expect("a path like any other")
}

/// A new folder, so that no other test holds its lock.
fn folder() -> PathBuf {
    let folder = socket_path().with_extension("folder");
    fs::create_dir(&folder).expect("it is new");
    folder
}

/// Leaves a socket as a server does that is killed.
fn leave_at(path: &Path) {
    drop(UnixListener::bind(path).expect("a free path"));
}

fn id(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|it| (it.dev(), it.ino()))
}

#[test]
fn what_a_killed_server_has_left_is_taken_over() {
    within("servers that follow killed ones", || {
        let folder = folder();
        for kind in local() {
            let path = folder.join("socket");
            let mut command = again("listens, and stays");
            command.env("CROSSING_TEST_ADDRESS", at(kind, &path).to_string());
            let (mut line, theirs) = process::Line::pair();
            let mut server = Second(command.stdin(theirs).spawn().expect("this program starts again"));
            line.hear();
            let alive = reclaiming().bind(&at(kind, &path)).expect_err("it lives");
            assert!(alive.to_string().contains("a server listens there"), "{alive}");
            server.kill();
            // Unless it is asked for, nothing is removed, and the error says what would.
            let error = Listener::bind(&at(kind, &path)).expect_err("the file is there").to_string();
            assert!(error.contains("ListenOptions::reclaim"), "{error}");
            let listener = reclaiming().bind(&at(kind, &path)).expect("the server is gone");
            let client = Endpoint::dial(listener.address(), &config()).expect("it listens");
            let server = listener.accept().expect("it is there");
            let client = thread::spawn(move || client.connect(&config()));
            server.connect(&config()).expect("it speaks");
            client.join().expect("no panic").expect("it was served");
            drop(listener);
            assert_eq!(id(&path), None);
            // And where nothing is, there is nothing to reclaim.
            drop(reclaiming().bind(&at(kind, &path)).expect("a free path"));
        }
        fs::remove_dir(&folder).expect("it is empty");
    });
}

fn listens_and_stays() {
    let address = std::env::var("CROSSING_TEST_ADDRESS").expect("where to listen");
    let _listener = Listener::bind(&address.parse().expect("an address")).expect("a free path");
    process::Line::inherited().say(0);
    loop {
        thread::park();
    }
}

/// That a listener at `path` is refused with `why`, and what stands there is the same afterwards.
fn stays(path: &Path, why: &str) {
    let before = id(path);
    assert!(before.is_some(), "{why}: nothing is there");
    for kind in local() {
        let error = reclaiming().bind(&at(kind, path)).expect_err(why).to_string();
        assert!(error.contains(why) && error.contains(&*path.to_string_lossy()), "{error}");
        assert_eq!(id(path), before, "{why}");
    }
}

#[test]
fn what_no_server_has_left_stays() {
    within("a path that is taken", || {
        let folder = folder();
        let path = folder.join("socket");
        // A symbolic link, whether it leads to a socket that was left, to a file or nowhere.
        let (left, file) = (folder.join("left"), folder.join("file"));
        leave_at(&left);
        fs::write(&file, "mine").expect("a free path");
        for target in [&left, &file, &folder.join("nowhere")] {
            symlink(target, &path).expect("a free path");
            stays(&path, "a symbolic link is there");
            fs::remove_file(&path).expect("it is there");
        }
        assert!(id(&left).is_some() && fs::read(&file).expect("it is there") == b"mine");
        stays(&file, "a file that is no socket is there");
        fs::create_dir(&path).expect("a free path");
        stays(&path, "a directory is there");
        fs::remove_dir(&path).expect("it is empty");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0)
            .expect("a free path");
        stays(&path, "a file that is no socket is there");
        fs::remove_file(&path).expect("it is there");
        // The control: what was left is taken over.
        drop(reclaiming().bind(&at(Kind::Unix, &left)).expect("the server is gone"));
        fs::remove_dir_all(&folder).expect("it is there");
    });
}

#[test]
fn a_server_that_lives_stays_whatever_it_is() {
    within("a path where a server listens", || {
        let folder = folder();
        let path = folder.join("socket");
        for kind in local() {
            let listener = Listener::options().backlog(0).bind(&at(kind, &path)).expect("a free path");
            stays(&path, "a server listens there");
            drop(listener);
        }
        // With a full queue: it is stopped, or busy.
        let full = UnixListener::bind(&path).expect("a free path");
        rustix::net::listen(&full, 0).expect("it listens");
        let _waiting = UnixStream::connect(&path).expect("one has room");
        stays(&path, "a server listens there");
        drop(full);
        fs::remove_file(&path).expect("it is there");
        let _datagrams = UnixDatagram::bind(&path).expect("a free path");
        stays(&path, "a server listens there");
        fs::remove_dir_all(&folder).expect("it is there");
    });
}

/// Runs `body` as user 4711, where this process may.
fn as_a_stranger<T: Send>(body: impl FnOnce() -> T + Send) -> Option<T> {
    if !rustix::process::geteuid().is_root() {
        cannot_run(Lacks::Right, "becoming another user takes root");
        return None;
    }
    let outcome = thread::scope(|scope| {
        let stranger = scope.spawn(|| {
            // Of this thread alone, which ends with it.
            let user = rustix::process::Uid::from_raw(4711);
            set_thread_res_uid(user, user, user).expect("root may");
            body()
        });
        stranger.join().expect("no panic")
    });
    Some(outcome)
}

#[test]
fn another_users_socket_stays_even_for_root() {
    within("a stranger's socket", || {
        let folder = folder();
        fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).expect("it is ours");
        let (theirs, ours) = (folder.join("theirs"), folder.join("ours"));
        leave_at(&ours);
        let done = as_a_stranger(|| {
            leave_at(&theirs);
            stays(&ours, "a socket of user 0 is there, and this process is user 4711's");
        });
        if done.is_some() {
            stays(&theirs, "a socket of user 4711 is there, and this process is user 0's");
        }
        fs::remove_dir_all(&folder).expect("it is there");
    });
}

#[test]
fn where_the_folder_cannot_be_locked_nothing_is_removed() {
    within("a folder that cannot be locked", || {
        let folder = folder();
        let path = folder.join("socket");
        leave_at(&path);
        // Another process holds the lock, as any may that can read the folder.
        let held = fs::File::open(&folder).expect("it is there");
        for how in [FlockOperation::LockExclusive, FlockOperation::LockShared] {
            flock(&held, how).expect("it is free");
            let error = reclaiming().bind(&at(Kind::Shm, &path)).expect_err("it is locked").to_string();
            assert!(error.contains("another process holds the lock of its folder"), "{error}");
            assert!(path.exists());
            // A listener that removes nothing goes on without.
            drop(Listener::bind(&at(Kind::Shm, &folder.join("another"))).expect("a free path"));
        }
        drop(held);
        drop(reclaiming().bind(&at(Kind::Shm, &path)).expect("the server is gone"));
        // A folder that may not be read.
        fs::set_permissions(&folder, PermissionsExt::from_mode(0o333)).expect("it is ours");
        as_a_stranger(|| {
            leave_at(&path);
            let error = reclaiming().bind(&at(Kind::Pipe, &path)).expect_err("it cannot be locked");
            assert!(error.to_string().contains("denied"), "{error}");
            drop(Listener::bind(&at(Kind::Pipe, &folder.join("another"))).expect("a free path"));
        });
        fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).expect("it is ours");
        fs::remove_dir_all(&folder).expect("it is there");
    });
}

/// How many try at once, and how often.
const RIVALS: usize = 4;
const ROUNDS: usize = 500;

/// Each of several takes `path` over by `take`, all at once. Those that did, and whether the one
/// that a client reaches is among them.
fn rivals<T: Send>(path: &Path, take: impl Fn(&Path) -> Option<T> + Sync) -> (Vec<T>, bool) {
    leave_at(path);
    let start = Barrier::new(RIVALS);
    let taken: Vec<T> = thread::scope(|scope| {
        let rival = || {
            start.wait();
            take(path)
        };
        let rivals: Vec<_> = (0..RIVALS).map(|_| scope.spawn(rival)).collect();
        rivals.into_iter().filter_map(|rival| rival.join().expect("no panic")).collect()
    });
    let reached = UnixStream::connect(path).is_ok();
    (taken, reached)
}

#[test]
fn of_several_that_reclaim_at_once_exactly_one_listens() {
    within("several that reclaim at once", || {
        let folder = folder();
        let path = folder.join("socket");
        let address = at(Kind::Unix, &path);
        for round in 0..ROUNDS {
            let (taken, reached) = rivals(&path, |_| match reclaiming().bind(&address) {
                Ok(listener) => Some(listener),
                Err(ConnectError::Io { doing, .. }) if doing.contains("a server listens there") => None,
                Err(error) => panic!("round {round}: {error}"),
            });
            assert_eq!((taken.len(), reached), (1, true), "round {round}");
            drop(taken);
            assert_eq!(id(&path), None);
        }
        // The control: the same three steps without the lock, with all that look before the first
        // removes.
        let looked = Barrier::new(RIVALS);
        let (taken, _) = rivals(&path, |path| {
            let left =
                UnixStream::connect(path).is_err_and(|it| it.kind() == io::ErrorKind::ConnectionRefused);
            looked.wait();
            (left && fs::remove_file(path).is_ok()).then(|| UnixListener::bind(path).ok()).flatten()
        });
        assert!(taken.len() > 1, "the control was not caught: {}", taken.len());
        fs::remove_dir_all(&folder).expect("it is there");
    });
}

/// While a listener lives its socket is the one at its path, however many come and go, reclaim and
/// do not.
#[test]
fn a_listener_that_goes_takes_no_socket_of_another_with_it() {
    within("listeners that come and go", || {
        let folder = folder();
        let path = folder.join("socket");
        let address = at(Kind::Unix, &path);
        let served = std::sync::atomic::AtomicUsize::new(0);
        let comes_and_goes = |options: ListenOptions| {
            for _ in 0..ROUNDS {
                let Ok(listener) = options.bind(&address) else {
                    thread::yield_now();
                    continue;
                };
                UnixStream::connect(&path).expect("its socket is there");
                listener.accept_deadline(Instant::now() + LIMIT).expect("and leads to it");
                served.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        };
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| comes_and_goes(reclaiming()));
                scope.spawn(|| comes_and_goes(Listener::options()));
            }
        });
        let served = served.into_inner();
        assert!(served > ROUNDS / 2, "{served} listened at all");
        assert_eq!(id(&path), None);
        fs::remove_dir(&folder).expect("it is empty");
    });
}

/// The file goes before the socket does: else its inode could be another file's by then, and a
/// server that is on its way out would look as if it were gone.
#[test]
fn a_client_that_sees_a_listener_go_finds_its_place_free() {
    within("clients of listeners that go", || {
        let path = socket_path();
        for round in 0..ROUNDS {
            let listener = Listener::bind(&at(Kind::Unix, &path)).expect("a free path");
            let mut client = UnixStream::connect(&path).expect("it listens");
            client.set_nonblocking(true).expect("it is open");
            let goes = thread::spawn(move || drop(listener));
            while client.read(&mut [0; 1]).is_err_and(|it| it.kind() == io::ErrorKind::WouldBlock) {}
            assert_eq!(id(&path), None, "round {round}");
            goes.join().expect("no panic");
        }
    });
}

#[test]
fn the_mode_is_what_was_asked_for_whatever_the_umask_is() {
    Second(again("has a umask").spawn().expect("this program starts again")).done();
}

fn has_a_umask() {
    unsafe extern "C" {
        fn umask(mask: u32) -> u32;
    }
    let folder = folder();
    let path = folder.join("socket");
    for mask in [0, 0o022, 0o077, 0o777] {
        // SAFETY: takes and returns a number, and changes this process alone, which was started for it.
        unsafe { umask(mask) };
        let mode = |options: ListenOptions| {
            let listener = options.bind(&at(Kind::Shm, &path)).expect("a free path");
            let file = fs::symlink_metadata(&path).expect("it is there");
            assert!(file.file_type().is_socket());
            drop(listener);
            file.permissions().mode() & 0o7777
        };
        assert_eq!(mode(Listener::options()), 0o600, "{mask:o}");
        assert_eq!(mode(reclaiming().mode(0o660)), 0o660, "{mask:o}");
        assert_eq!(mode(Listener::options().mode(0o777)), 0o777, "{mask:o}");
    }
    fs::remove_dir(&folder).expect("it is empty");
}

#[test]
fn a_mode_that_is_none_or_has_no_file_is_refused() {
    let path = socket_path();
    let said = |address: &Address, mode| {
        let error = Listener::options().mode(mode).bind(address).expect_err("it cannot be had");
        assert!(matches!(error, ConnectError::Config(_)), "{error:?}");
        error.to_string()
    };
    assert!(said(&at(Kind::Unix, &path), 0o1777).contains("1777"));
    assert!(!path.exists());
    let name = format!("crossing-mode-{}", std::process::id());
    let nowhere = Address::in_abstract(Kind::Shm, name).expect("a name");
    assert!(said(&nowhere, 0o600).contains("no file"));
    assert!(said(&"tcp://127.0.0.1:0".parse().expect("an address"), 0o600).contains("no file"));
}

#[test]
fn a_queue_is_as_long_as_was_asked_for() {
    within("a short queue", || {
        let path = socket_path();
        for (backlog, fit) in [(0, 1), (3, 4)] {
            let listener = Listener::options().backlog(backlog).bind(&at(Kind::Unix, &path)).expect("free");
            let waiting: Vec<_> = std::iter::from_fn(|| {
                let flags = rustix::net::SocketFlags::NONBLOCK;
                let family = rustix::net::AddressFamily::UNIX;
                let kind = rustix::net::SocketType::STREAM;
                let socket = rustix::net::socket_with(family, kind, flags, None).expect("a socket");
                let name = rustix::net::SocketAddrUnix::new(&path).expect("short enough");
                rustix::net::connect(&socket, &name).is_ok().then_some(socket)
            })
            .collect();
            assert_eq!(waiting.len(), fit);
            drop(listener);
        }
    });
}

/// A process that is stopped still listens.
#[test]
fn a_stopped_server_stays() {
    within("a stopped server", || {
        let folder = folder();
        let path = folder.join("socket");
        let mut command = again("listens, and stays");
        command.env("CROSSING_TEST_ADDRESS", at(Kind::Unix, &path).to_string());
        let (mut line, theirs) = process::Line::pair();
        let mut server = Second(command.stdin(theirs).spawn().expect("this program starts again"));
        line.hear();
        server.signal(Signal::STOP);
        stays(&path, "a server listens there");
        server.kill();
        drop(reclaiming().bind(&at(Kind::Unix, &path)).expect("the server is gone"));
        fs::remove_dir(&folder).expect("it is empty");
    });
}

#[test]
fn second_process() {
    play(&[("listens, and stays", listens_and_stays), ("has a umask", has_a_umask)]);
}
