//! What a connection holds while nothing is sent: descriptors and mappings, of which a process has few.

#[path = "process/cannot_run.rs"]
mod cannot_run;
mod process;

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Stdio;

use cannot_run::{Lacks, cannot_run};
use crossing::{Address, Config, Connection, Endpoint, Kind, Listener, RecvError, Shm};
use process::{LIMIT, Second, again, descriptors, eventually, limit_to, mappings, play};
use rustix::process::{PidfdFlags, Resource};

/// A thousand connections, as a server or a test of one has.
const MANY: usize = 1000;
/// What a process may open: three for each end, and some of its own.
const FILES: u64 = 6 * MANY as u64 + 200;

/// How many connections one process has to another.
const SEVERAL: usize = 5;
/// Where the other process finds the path.
const PATH: &str = "CROSSING_TEST_PATH";

fn config() -> Config {
    Config::small().connect_timeout(LIMIT)
}

/// The memory of all regions that this process has made, in bytes.
fn shared_bytes() -> u64 {
    let entries = std::fs::read_dir("/proc/self/fd").expect("/proc is mounted").flatten();
    let region = |path: &PathBuf| {
        std::fs::read_link(path).is_ok_and(|link| link.display().to_string().contains("memfd:crossing"))
    };
    let regions = entries.map(|entry| entry.path()).filter(region);
    regions.filter_map(|path| std::fs::metadata(path).ok()).map(|file| file.blocks() * 512).sum()
}

/// What this process has by now, and had before.
fn more_than(before: (usize, usize)) -> (usize, usize) {
    (descriptors().len() - before.0, mappings() - before.1)
}

/// Before anything is counted there was a connection, whose watcher stays.
fn settled() -> (usize, usize) {
    drop(Connection::pair(Kind::Shm, &config()).expect("a pair"));
    eventually("the first one is gone", || mappings() == 0);
    eventually("its descriptors are gone", || {
        !descriptors().iter().any(|link| link.contains("memfd:crossing"))
    });
    (descriptors().len(), mappings())
}

#[test]
fn a_connection_that_is_idle_holds_little() {
    Second(again("count").stdout(Stdio::inherit()).spawn().expect("it starts again")).done();
}

#[test]
fn a_thousand_connections_with_both_ends_fit_into_one_process() {
    Second(again("many").stdout(Stdio::inherit()).spawn().expect("it starts again")).done();
}

#[test]
fn second_process() {
    play(&[("count", count), ("many", many), ("stay", stay), ("dial", dial)]);
}

fn dial() {
    let path = PathBuf::from(std::env::var_os(PATH).expect("a path"));
    let address = Address::at_path(Kind::Shm, path).expect("a path");
    let dial = |_| Connection::dial(&address, &config()).expect("a server listens");
    let mut several: Vec<_> = (0..SEVERAL).map(dial).collect();
    let _ = several[0].recv(&mut [0; 8]);
}

fn stay() {
    let endpoint = Endpoint::inherited().expect("it was handed over");
    let mut here = endpoint.connect(&config()).expect("the two sides agree");
    let _ = here.recv(&mut [0; 8]);
}

fn count() {
    let before = settled();
    let (here, there) = Endpoint::pair(Kind::Shm).expect("a pair of endpoints");
    let _second = Second(there.spawn(again("stay")).expect("it starts again"));
    let mut here = here.connect_as::<Shm>(&config()).expect("the two sides agree");
    // Its own memory, the rendezvous, the bell, the peer's process; its own memory and the peer's, each mapped twice in a row.
    eventually("one end, whose peer is another process", || more_than(before) == (4, 4));
    // The way of blobs comes with the first one, at each end one descriptor; the peer has never received any.
    let blob = crossing::BlobMut::new(100).expect("a page").seal().expect("no other process has it");
    let blob_alone = (1, 1);
    here.sender().send_blob(&blob).expect("the peer's library answers");
    eventually("an end that sends blobs", || more_than(before) == (4 + 1 + blob_alone.0, 4 + blob_alone.1));
    drop((here, blob));
    // Another connection to the same process takes no descriptor for that process.
    let path = process::socket_path();
    let listener =
        Listener::bind(&Address::at_path(Kind::Shm, path.clone()).expect("a path")).expect("a free path");
    let mut dialling = again("dial");
    let dialling = Second(dialling.env(PATH, &path).spawn().expect("it starts again"));
    let accept = |_| listener.accept().expect("it dials").connect(&config()).expect("the two sides agree");
    let several: Vec<_> = (0..SEVERAL).map(accept).collect();
    drop(listener);
    eventually("several ends, whose peers are one process", || {
        more_than(before) == (3 * SEVERAL + 1, 4 * SEVERAL)
    });
    // All of them learn that it dies, and a pidfd that several share is closed with the last of them.
    drop(dialling);
    for mut here in several {
        assert!(matches!(here.recv(&mut [0; 8]), Err(RecvError::Disconnected)));
    }
    let pair = Connection::pair(Kind::Shm, &config()).expect("a pair");
    let (files, maps) = (more_than(before).0, 8);
    assert!(files <= 6, "two ends of one process: {files} descriptors");
    eventually("two ends of one process", || more_than(before).1 == maps);
    drop(pair);
    eventually("nothing is left", || more_than(before) == (0, 0));
}

fn many() {
    // Before Linux 6.9 an end cannot tell that its peer is of the same process, and keeps a pidfd that it does not need.
    const PIDFS: u64 = 0x5049_4446;
    let me = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).expect("pidfds");
    if rustix::fs::fstatfs(&me).expect("it is open").f_type as u64 != PIDFS {
        return cannot_run(Lacks::Part, "pidfds have no numbers of their own on this kernel");
    }
    limit_to(Resource::Nofile, FILES);
    let mut pairs: Vec<_> = (0..MANY)
        .map(|number| {
            Connection::pair(Kind::Shm, &config()).unwrap_or_else(|error| panic!("pair {number}: {error}"))
        })
        .collect();
    for (number, (here, there)) in pairs.iter_mut().enumerate() {
        here.send(&number.to_le_bytes()).expect("the other end is there");
        assert_eq!(there.recv(&mut [0; 8]).expect("it was sent"), 8);
    }
    let an_end = shared_bytes() / (2 * MANY as u64);
    // A page of header, and the least power of two that holds the ring.
    let page = rustix::param::page_size() as u64;
    assert_eq!(an_end, page + page.max(32 << 10));
    assert!(page > 4096 || an_end <= 64 << 10, "{an_end} bytes an end");
    println!(
        "idle: {MANY} connections, {an_end} bytes an end, {} descriptors, {} mappings",
        descriptors().len(),
        mappings()
    );
}
