//! A forked child has copies of all descriptors. What it does with them must not be felt by its parent's connections.

// A connection is dropped between fork and exec.
#![allow(unsafe_code)]

mod process;

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crossing::{
    Address, BlobMut, Config, Connection, Endpoint, Kind, Listener, Mechanism, RecvError, SendError,
    Sessions, Shm, Spawn, Supervisor,
};
use process::{descriptors, forked, mappings, message, socket_path, within};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

/// Runs `body` in a child that has been forked and has not executed anything. It fails when `body` does.
fn in_a_child(body: impl Fn() -> io::Result<()> + Send + Sync + 'static) {
    let mut command = Command::new("true");
    // SAFETY: no other thread of this test holds a lock that `body` wants.
    unsafe { command.pre_exec(body) };
    assert!(command.status().expect("the child has done its part").success());
}

/// Both ends of a connection, which a child can take from its copy of this.
struct Ends<M: Mechanism>(Arc<Mutex<Option<[Connection<M>; 2]>>>);

impl<M: Mechanism> Ends<M>
where
    Connection<M>: Send,
{
    fn new(here: Connection<M>, there: Connection<M>) -> Self {
        Ends(Arc::new(Mutex::new(Some([here, there]))))
    }

    fn take(&self) -> [Connection<M>; 2] {
        self.0.lock().expect("no thread has panicked").take().expect("they are taken once")
    }
}

fn goes_on<M: Mechanism>(ends: &mut [Connection<M>; 2]) {
    let [here, there] = ends;
    let mut buffer = [0; 256];
    for number in 0..100 {
        here.send(message(number, 200)).expect("the other end lives");
        let len = there.recv(&mut buffer).expect("it was sent");
        assert!(buffer[..len] == *message(number, 200));
        there.send(message(number, 100)).expect("the other end lives");
        assert_eq!(here.recv(&mut buffer).expect("it was sent"), 100);
    }
}

#[test]
fn a_child_that_drops_its_copy_ends_nothing() {
    for kind in Kind::ALL {
        within("a connection whose process forked", move || {
            let (here, there) = Connection::pair(kind, &Config::default()).expect("a pair");
            let ends = Ends::new(here, there);
            for _ in 0..20 {
                let copy = Ends(ends.0.clone());
                in_a_child(move || {
                    drop(copy.take());
                    Ok(())
                });
            }
            let mut ends = ends.take();
            goes_on(&mut ends);
            // It still ends when its own process ends it.
            let [here, mut there] = ends;
            drop(here);
            let outcome = there.recv(&mut [0; 8]);
            assert!(matches!(outcome, Err(RecvError::Disconnected)), "{kind}: {outcome:?}");
        });
    }
}

/// What is lent to a child: as many bytes, all of them zero.
fn lent(bytes: &[u8], len: usize) -> Result<(), String> {
    let zeros = bytes.len() == len && bytes.iter().all(|&byte| byte == 0);
    if zeros { Ok(()) } else { Err(format!("{} bytes, not all of them zero", bytes.len())) }
}

#[test]
fn what_is_lent_is_memory_of_the_childs_own() {
    within("what is lent", || {
        let (mut here, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default()).expect("a pair");
        // SAFETY: the other end is in this very test, and sends through the library.
        let mut receiver = unsafe { there.split().1.trusting() };
        // Enough that giving them back would be told to the sender, by a store to the region that is not inherited.
        for number in 0..3 {
            here.send(message(number, 60_000)).expect("room");
        }
        receiver.recv().expect("it was sent");
        let mut held = Some(receiver.recv().expect("it was sent"));
        let mut blob = Some(BlobMut::new(5000).expect("there is memory"));
        blob.as_mut().expect("just made")[0] = 7;
        forked("what is lent", || {
            let message = held.take().ok_or("it is there")?;
            lent(&message, 60_000)?;
            drop(message);
            let mut blob = blob.take().ok_or("it is there")?;
            lent(&blob, 5000)?;
            blob[1] = 8;
            match blob.seal() {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                other => return Err(format!("a blob's copy is sealed: {other:?}")),
            }
            Ok(())
        });
        assert!(**held.as_ref().expect("only the child took it") == *message(1, 60_000));
        drop(held);
        forked("a trusting receiver", || {
            let outcomes = [receiver.recv().map(drop), receiver.try_recv().map(drop)];
            let blobs = [receiver.recv_blob().map(drop), receiver.try_recv_blob().map(drop)];
            let told = outcomes.iter().chain(&blobs).all(|outcome| matches!(outcome, Err(RecvError::Forked)));
            if told { Ok(()) } else { Err(format!("{outcomes:?} {blobs:?}")) }
        });
        assert!(*receiver.recv().expect("it was sent") == *message(2, 60_000));
        let blob =
            blob.take().expect("only the child took it").seal().expect("no other process has its pages");
        assert_eq!((blob[0], blob[1]), (7, 0));
    });
}

#[test]
fn nothing_is_left_in_a_child_that_has_dropped_its_copy() {
    // In a child of its own, where no other test opens or maps anything.
    forked("a process by itself", || {
        // What the watcher sleeps on stays in each child that is forked after it: one descriptor.
        let first = Connection::pair(Kind::Shm, &Config::default()).map_err(|error| error.to_string())?;
        drop(first);
        let before = (descriptors(), mappings());
        for kind in Kind::ALL {
            let pair = Connection::pair(kind, &Config::default()).map_err(|error| error.to_string())?;
            let mut copy = Some(pair);
            forked("a copy is dropped", || {
                drop(copy.take());
                let after = (descriptors(), mappings());
                if after == before { Ok(()) } else { Err(format!("{kind}: {after:?}, before {before:?}")) }
            });
        }
        Ok(())
    });
}

/// A child that the C library knows nothing of: no handler of its own runs, and none of this library's could.
#[test]
fn a_child_that_was_cloned_by_a_bare_system_call_is_told_as_well() {
    #[cfg(target_arch = "x86_64")]
    const CLONE: i64 = 56;
    #[cfg(not(target_arch = "x86_64"))]
    const CLONE: i64 = 220;
    const SIGCHLD: i64 = 17;
    unsafe extern "C" {
        fn syscall(number: i64, ...) -> i64;
        fn _exit(status: i32) -> !;
    }
    for kind in Kind::ALL {
        let (mut here, mut there) = Connection::pair(kind, &Config::default()).expect("a pair");
        there.send(b"there already").expect("room");
        // SAFETY: clone(2) without any flag is fork(2); the child makes two calls that lock and allocate nothing, and leaves.
        let pid = unsafe { syscall(CLONE, SIGCHLD, 0_i64, 0_i64, 0_i64, 0_i64) };
        if pid == 0 {
            let outcomes = (here.send(b"a word"), here.receiver().try_recv(&mut [0; 64]));
            let told = matches!(outcomes, (Err(SendError::Forked), Err(RecvError::Forked)));
            // SAFETY: ends the child, and runs nothing that its parent has registered.
            unsafe { _exit(i32::from(!told)) };
        }
        let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a process can be made");
        let (_, status) =
            waitpid(Some(pid), WaitOptions::empty()).expect("it is ours").expect("it has ended");
        assert_eq!(status.exit_status(), Some(0), "{kind}: {status:?}");
        assert_eq!(here.recv(&mut [0; 64]).expect("it was sent"), 13);
    }
}

#[test]
fn each_generation_has_connections_of_its_own() {
    fn connect() -> Result<[Connection; 2], String> {
        let pair = Connection::pair(Kind::Shm, &Config::default()).map_err(|error| error.to_string())?;
        Ok(pair.into())
    }
    fn descend(elders: &mut Vec<[Connection; 2]>, generations: u32) -> Result<(), String> {
        for [here, there] in elders.iter_mut() {
            let outcomes = (here.send(b"a word"), there.receiver().try_recv(&mut [0; 64]));
            if !matches!(outcomes, (Err(SendError::Forked), Err(RecvError::Forked))) {
                return Err(format!("an elder's connection: {outcomes:?}"));
            }
        }
        let mut mine = connect()?;
        goes_on(&mut mine);
        elders.push(mine);
        if generations > 0 {
            // Two children of one process, which both are its next generation.
            for _ in 0..2 {
                forked("the next generation", || descend(elders, generations - 1));
            }
        }
        elders.last_mut().map(goes_on).ok_or("it is there")?;
        Ok(())
    }
    within("four generations", || {
        let mut elders = vec![connect().expect("a pair")];
        forked("the next generation", || descend(&mut elders, 2));
        goes_on(&mut elders[0]);
    });
}

#[test]
fn a_child_takes_no_blob_of_its_parents() {
    let (here, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default()).expect("a pair");
    let ends = Ends::new(here, there);
    let blob = BlobMut::new(5000).and_then(|blob| Ok(blob.seal()?)).expect("there is memory");
    ends.0.lock().unwrap().as_mut().unwrap()[0].sender().send_blob(&blob).expect("the receiver lives");
    let copy = Ends(ends.0.clone());
    in_a_child(move || {
        let [mut here, mut there] = copy.take();
        let sent = here.sender().send_blob(&blob);
        let received = there.receiver().try_recv_blob();
        let right = matches!(sent, Err(SendError::Forked)) && matches!(received, Err(RecvError::Forked));
        if right { Ok(()) } else { Err(io::ErrorKind::Other.into()) }
    });
    let mut ends = ends.take();
    assert_eq!(ends[1].receiver().try_recv_blob().expect("it is still there").len(), 5000);
    assert!(matches!(ends[1].receiver().try_recv_blob(), Err(RecvError::Empty)));
    goes_on(&mut ends);
}

#[test]
fn a_child_that_drops_what_owns_its_parents_children_kills_none() {
    let mut command = Command::new("sleep");
    command.arg("1000");
    let mut owned = Some(Spawn::new(command).kill_on_drop(true).spawn().expect("it starts"));
    forked("what owns a child", || {
        drop(owned.take());
        Ok(())
    });
    let owned = owned.as_mut().expect("only the child took it");
    kill_process(Pid::from_child(owned), Signal::TERM).expect("it is not reaped");
    // Of two deadly signals the first is told: a drop kills by SIGKILL.
    assert_eq!(owned.wait().expect("it is ours").signal(), Some(Signal::TERM.as_raw()));
}

/// What a child may go on with.
#[test]
fn a_child_reads_a_blob_and_meets_others_by_what_was_made_before() {
    within("what serves in a child", || {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let mut blob = BlobMut::new(5000).expect("there is memory");
        blob[4999] = 7;
        let blob = blob.seal().expect("no other process has its pages");
        let path = socket_path();
        let address = Address::at_path(Kind::Shm, &path).expect("a path");
        let mut listener = Some(Listener::bind(&address).expect("a free path"));
        let (here, there) = Endpoint::pair(Kind::Shm).expect("a pair");
        let mut there = Some(there);
        let parent = std::thread::spawn(move || here.connect_as::<Shm>(&Config::default()));
        let client = std::thread::spawn(move || Connection::dial(&address, &Config::default()));
        forked("an endpoint, a listener and a blob", || {
            let endpoint = there.take().ok_or("it is there")?;
            let mut connection = endpoint.connect_as::<Shm>(&Config::default()).map_err(|it| text(&it))?;
            connection.send_blob(&blob).map_err(|it| text(&it))?;
            let listener = listener.take().ok_or("it is there")?;
            let endpoint = listener.accept().map_err(|it| text(&it))?;
            drop(listener);
            let mut accepted = endpoint.connect(&Config::default()).map_err(|it| text(&it))?;
            accepted.send(b"from the child").map_err(|it| text(&it))
        });
        drop(there.take());
        let mut connection = parent.join().expect("no panic").expect("the child has connected");
        assert_eq!(connection.recv_blob().expect("it was sent")[4999], 7);
        let outcome = client.join().expect("no panic").expect("the child accepts").recv(&mut [0; 64]);
        assert_eq!(outcome.expect("it was sent"), 14);
        assert!(path.exists(), "its file is that of the process that made it");
        drop(listener);
        assert!(!path.exists());
    });
}

/// A generation counts under a lock, which another thread may hold when this one forks.
#[test]
fn a_child_is_told_of_a_generation_whatever_other_threads_are_counting() {
    within("forks amid counting", || {
        let address = Address::at_path(Kind::Shm, socket_path()).expect("a path");
        let listener = Listener::bind(&address).expect("a free path");
        let other =
            std::thread::spawn(move || Sessions::new().accept(listener.accept()?, &Config::default()));
        let generation = Supervisor::dialling(&address).next_generation().expect("a server");
        let _other = other.join().expect("no panic").expect("a supervisor");
        let (mut sender, mut receiver) = generation.split();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // Full or not: it is counted, and the count is taken back.
                    let _ = sender.try_send(b"a word");
                }
            });
            for _ in 0..50 {
                forked("a generation's copy", || {
                    let outcomes = [receiver.recv(&mut [0; 64]), receiver.try_recv(&mut [0; 64])];
                    let told = outcomes.iter().all(|outcome| matches!(outcome, Err(RecvError::Forked)));
                    if told { Ok(()) } else { Err(format!("{outcomes:?}")) }
                });
            }
            done.store(true, Ordering::Relaxed);
        });
    });
}
