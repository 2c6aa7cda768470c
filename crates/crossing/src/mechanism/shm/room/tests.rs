//! What is left is read from trees of files that look like the kernel's.

use super::*;
use crate::error::ConnectError;

/// A folder that holds `files` and is gone with this value.
struct Tree(PathBuf);

impl Tree {
    fn new(name: &str, files: &[(&str, &str)]) -> Tree {
        let root = std::env::temp_dir().join(format!("crossing-room-{}-{name}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder of our own");
            fs::write(path, text).expect("a file of our own");
        }
        Tree(root)
    }

    fn check(&self, bytes: u64) -> Result<u64, Shortage> {
        check_at(&self.0, bytes)
    }

    fn limit(&self, bytes: u64) -> MemoryLimit {
        self.check(bytes).expect_err("it is too much").limit
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const MIB: u64 = 1 << 20;
const MEMINFO: (&str, &str) =
    ("proc/meminfo", "MemTotal: 9 kB\nMemAvailable:   1048576 kB\nSwapFree:  0 kB\n");
const UNIFIED_MOUNT: (&str, &str) = (
    "proc/self/mountinfo",
    "41 31 0:38 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
);

fn group(name: &str) -> MemoryLimit {
    MemoryLimit::ControlGroup(name.into())
}

#[test]
fn where_nothing_can_be_read_nothing_is_limited() {
    let tree = Tree::new("empty", &[]);
    assert_eq!(tree.check(u64::MAX), Ok(u64::MAX));
}

#[test]
fn the_machine_gives_what_is_available_but_a_sixteenth() {
    let tree = Tree::new("machine", &[MEMINFO]);
    assert_eq!(tree.check(960 * MIB), Ok(1024 * MIB));
    let shortage = tree.check(960 * MIB + 1).unwrap_err();
    assert_eq!((shortage.left_bytes, shortage.limit), (960 * MIB, MemoryLimit::Machine));
    let with_swap =
        Tree::new("swap", &[("proc/meminfo", "MemAvailable:   1048576 kB\nSwapFree:  1048576 kB\n")]);
    assert_eq!(with_swap.check(1920 * MIB), Ok(2048 * MIB));
}

#[test]
fn every_group_up_to_the_top_has_a_say() {
    let files = [
        MEMINFO,
        UNIFIED_MOUNT,
        ("proc/self/cgroup", "0::/outer/inner\n"),
        ("sys/fs/cgroup/outer/inner/memory.max", "max\n"),
        ("sys/fs/cgroup/outer/inner/memory.current", "0\n"),
        ("sys/fs/cgroup/outer/memory.max", "167772160\n"),
        ("sys/fs/cgroup/outer/memory.current", "146800640\n"),
    ];
    let tree = Tree::new("unified", &files);
    assert_eq!(tree.check(15 * MIB), Ok(20 * MIB));
    assert_eq!(tree.limit(20 * MIB), group("/outer"));
    assert_eq!(tree.limit(1 << 40), MemoryLimit::Machine);
}

/// A container that has read many files is at its limit all the time; the kernel lets go of what it has read.
#[test]
fn what_can_be_had_back_counts_as_left() {
    let files = [
        UNIFIED_MOUNT,
        ("proc/self/cgroup", "0::/\n"),
        ("sys/fs/cgroup/memory.max", "104857600\n"),
        ("sys/fs/cgroup/memory.current", "104857600\n"),
        ("sys/fs/cgroup/memory.stat", "anon 5\nfile 9\ninactive_file 33554432\nactive_file 33554432\n"),
    ];
    let tree = Tree::new("cache", &files);
    assert_eq!(tree.check(60 * MIB), Ok(64 * MIB));
    assert_eq!(tree.limit(61 * MIB), group("/"));
}

#[test]
fn the_older_hierarchy_is_read_where_it_is_mounted() {
    let files = [
        (
            "proc/self/mountinfo",
            "33 31 0:34 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
             35 31 0:36 /docker/7 /cg/memory ro,nosuid - cgroup cgroup rw,memory\n",
        ),
        ("proc/self/cgroup", "4:cpu:/docker/7\n3:hugetlb,memory:/docker/7/job\n0::/\n"),
        ("cg/memory/job/memory.limit_in_bytes", "9223372036854771712\n"),
        ("cg/memory/job/memory.usage_in_bytes", "4096\n"),
        ("cg/memory/memory.limit_in_bytes", "33554432\n"),
        ("cg/memory/memory.usage_in_bytes", "16777216\n"),
        ("cg/memory/memory.stat", "inactive_file 999999999\ntotal_inactive_file 0\n"),
    ];
    let tree = Tree::new("legacy", &files);
    assert_eq!(tree.check(15 * MIB), Ok(16 * MIB));
    assert_eq!(tree.limit(16 * MIB), group("/docker/7/"));
}

#[test]
fn what_may_be_there_later_is_a_shortage_and_what_may_not_is_none() {
    let error = |limit| ConnectError::Io {
        doing: "make shared memory".into(),
        source: Shortage { wanted_bytes: 2, left_bytes: 1, limit }.into(),
    };
    assert!(error(MemoryLimit::Machine).is_shortage() && error(group("service")).is_shortage());
    assert!(!error(MemoryLimit::FileSize).is_shortage());
}

#[test]
fn on_this_machine_a_page_is_left_and_a_petabyte_is_not() {
    check(4096).expect("there is a page");
    let shortage = check(1 << 50).expect_err("there is no such machine");
    assert!(matches!(shortage.limit, MemoryLimit::Machine | MemoryLimit::ControlGroup(_)), "{shortage}");
}
