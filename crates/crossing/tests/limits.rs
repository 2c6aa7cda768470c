//! A container's limit on memory: requests above it are refused by name, and no process is killed.
//!
//! The container is a control group of this test's own. Where none can be made (without root,
//! mostly), the test says so; what the files of a group mean is tested everywhere, beside the code
//! that reads them.

#[path = "process/cannot_run.rs"]
mod cannot_run;
mod process;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use cannot_run::{Lacks, cannot_run};
use crossing::{BlobMut, Config, ConnectError, Connection, Kind, MemoryLimit};
use process::{LIMIT, Second, again, play, shortage};

/// What the group may have, in bytes.
const MEMORY: u64 = 64 << 20;
/// Where the second process finds its group.
const GROUP: &str = "CROSSING_TEST_GROUP";

/// A control group, which is gone with this value.
struct Group(PathBuf);

impl Group {
    /// In whichever hierarchy counts memory here.
    fn new() -> io::Result<Group> {
        let name = format!("crossing-test-{}", std::process::id());
        let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        let (above, limit) = if unified {
            ("/sys/fs/cgroup", "memory.max")
        } else {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        };
        let group = Group(Path::new(above).join(name));
        fs::create_dir(&group.0)?;
        fs::write(group.0.join(limit), MEMORY.to_string())?;
        Ok(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_container_is_not_asked_for_more_than_it_has() {
    let group = match Group::new() {
        Ok(group) => group,
        Err(error) => return cannot_run(Lacks::Part, format!("no control group can be made here: {error}")),
    };
    let mut command = again("contained");
    command.env(GROUP, &group.0).stdout(Stdio::inherit());
    // The control: without a look at what is left, the kernel ends it by SIGKILL.
    Second(command.spawn().expect("this program starts again")).done();
}

#[test]
fn second_process() {
    play(&[("contained", contained)]);
}

fn contained() {
    let group = PathBuf::from(std::env::var_os(GROUP).expect("a group"));
    fs::write(group.join("cgroup.procs"), std::process::id().to_string()).expect("it may be entered");
    let of = |error: io::Error| {
        let shortage = shortage(&error);
        assert!(matches!(shortage.limit, MemoryLimit::ControlGroup(_)), "{shortage}");
        assert!(shortage.left_bytes < MEMORY, "{shortage}");
    };
    for _ in 0..3 {
        of(BlobMut::new(512 << 20).unwrap_err());
        let large = Config::default().capacity_bytes(256 << 20).connect_timeout(LIMIT);
        match Connection::pair(Kind::Shm, &large) {
            Err(error) if error.is_shortage() => match error {
                ConnectError::Io { source, .. } => of(source),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
    // One after the other, until memory runs out; the ones that were made can be used.
    let mut blobs = Vec::new();
    let error = loop {
        match BlobMut::new(6 << 20) {
            Ok(blob) => blobs.push(blob),
            Err(error) => break error,
        }
    };
    of(error);
    assert!(!blobs.is_empty() && (blobs.len() as u64) * (6 << 20) < MEMORY, "{}", blobs.len());
    blobs.iter_mut().for_each(|blob| blob.fill(7));
    blobs.clear();
    BlobMut::new(6 << 20).expect("it was given back");
}
