//! The limits of a control group: how much memory its processes may hold, how much time they may have, and how often the kernel has
//! stopped or killed them for it (cgroups(7); the kernel's `Documentation/admin-guide/cgroup-v2.rst`, and `cgroup-v1/memory.rst`).
//!
//! Both versions are read. A container mostly sees its own group as the root, so a folder that is named and not there is looked
//! for at the mount itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The groups that bound a process: its own, and those around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cgroup {
    /// From its own upwards.
    memory: Vec<PathBuf>,
    cpu: Vec<PathBuf>,
}

impl Cgroup {
    /// Those of this process.
    pub(crate) fn own() -> Cgroup {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Cgroup::read(&groups, Path::new("/sys/fs/cgroup"))
    }

    /// By the text of `/proc/PID/cgroup` and the folder below which the hierarchies are mounted.
    fn read(groups: &str, mounted: &Path) -> Cgroup {
        let of = |controller| {
            let found = groups.lines().find_map(|line| folder(line, controller, mounted));
            found.map_or_else(Vec::new, |(mount, own)| {
                own.ancestors().take_while(|at| at.starts_with(&mount)).map(Path::to_path_buf).collect()
            })
        };
        Cgroup { memory: of("memory"), cpu: of("cpu") }
    }

    /// The least of the limits of memory, in bytes.
    pub(crate) fn memory_bytes(&self) -> Option<u64> {
        /// A limit of version 1 that is none: the greatest number of whole pages.
        const NONE: u64 = 1 << 60;
        let limit = |folder: &PathBuf| {
            let text = ["memory.max", "memory.limit_in_bytes"].iter().find_map(|file| read(folder, file))?;
            text.trim().parse().ok().filter(|&bytes| bytes < NONE)
        };
        self.memory.iter().filter_map(limit).min()
    }

    /// How many of its processes the kernel has killed for want of memory.
    pub(crate) fn killed_for_memory(&self) -> Option<u64> {
        let own = self.memory.first()?;
        let text = ["memory.events", "memory.oom_control"].iter().find_map(|file| read(own, file))?;
        value(&text, "oom_kill")
    }

    /// How many cores' worth of time it may have, where that is limited.
    pub(crate) fn quota_cores(&self) -> Option<f64> {
        let quota = |folder: &PathBuf| {
            let both = read(folder, "cpu.max").or_else(|| {
                Some(format!("{} {}", read(folder, "cpu.cfs_quota_us")?, read(folder, "cpu.cfs_period_us")?))
            })?;
            let mut numbers = both.split_whitespace().map(str::parse::<f64>);
            // `max` is no number, and -1 no quota.
            let (quota, period) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
            (quota > 0.0 && period > 0.0).then(|| quota / period)
        };
        self.cpu.iter().filter_map(quota).min_by(f64::total_cmp)
    }

    /// How long its processes were kept from running because their share of time was used up, since the groups were made. It
    /// counts each core; only the difference of two readings means anything.
    pub(crate) fn throttled(&self) -> Duration {
        let of = |folder: &PathBuf| {
            let text = read(folder, "cpu.stat")?;
            let new = value(&text, "throttled_usec").map(Duration::from_micros);
            new.or_else(|| value(&text, "throttled_time").map(Duration::from_nanos))
        };
        self.cpu.iter().filter_map(of).sum()
    }
}

/// The likely sender of a SIGKILL that no process of ours has sent, as far as the kernel tells.
pub(crate) fn killed_by() -> String {
    let group = Cgroup::own();
    let killed = group.killed_for_memory().unwrap_or(0);
    match (group.memory_bytes(), killed) {
        (Some(bytes), 1..) => format!(
            "SIGKILL, by the kernel for want of memory (this control group may hold {} MiB, and {killed} processes of it \
             have died of that); ask for less room, or raise the limit",
            bytes >> 20
        ),
        (Some(bytes), 0) => format!(
            "SIGKILL, by hand or by the kernel for want of memory (this control group may hold {} MiB)",
            bytes >> 20
        ),
        (None, _) => "SIGKILL, by hand or by the kernel for want of memory".into(),
    }
}

/// The mount and the folder of a line of `/proc/PID/cgroup`, if it is about `controller`: `4:memory:/a`, or `0::/a`.
fn folder(line: &str, controller: &str, mounted: &Path) -> Option<(PathBuf, PathBuf)> {
    let (number, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let mount = if number == "0" {
        // Without its controller the unified hierarchy has nothing to say, beside those of version 1.
        let unified = [mounted.to_path_buf(), mounted.join("unified")];
        unified.into_iter().find(|at| {
            read(at, "cgroup.controllers")
                .is_some_and(|all| all.split_whitespace().any(|one| one == controller))
        })?
    } else {
        controllers.split(',').find(|one| *one == controller)?;
        let names = [controllers, controller];
        names.iter().map(|name| mounted.join(name)).find(|at| at.is_dir())?
    };
    let own = mount.join(path.trim_start_matches('/'));
    // A path that leads out of what is mounted here is another namespace's.
    let outside = path.contains("..") || !own.is_dir();
    Some((mount.clone(), if outside { mount } else { own }))
}

fn read(folder: &Path, file: &str) -> Option<String> {
    fs::read_to_string(folder.join(file)).ok()
}

/// The number behind `name` on a line of its own.
fn value(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("ipcscope-cgroup-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn write(&self, file: &str, text: &str) {
            let path = self.0.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_unified_hierarchy_is_read_up_to_its_root() {
        let root = Folder::new("v2");
        root.write("cgroup.controllers", "cpu io memory\n");
        root.write("a/memory.max", "1048576\n");
        root.write("a/cpu.max", "50000 100000\n");
        root.write("a/cpu.stat", "usage_usec 9\nnr_throttled 2\nthrottled_usec 30\n");
        root.write("a/b/memory.max", "max\n");
        root.write("a/b/memory.events", "low 0\noom 3\noom_kill 2\noom_group_kill 0\n");
        root.write("a/b/cpu.max", "max 100000\n");
        root.write("a/b/cpu.stat", "usage_usec 9\nthrottled_usec 12\n");
        let group = Cgroup::read("0::/a/b\n", &root.0);
        assert_eq!(group.memory_bytes(), Some(1 << 20));
        assert_eq!(group.killed_for_memory(), Some(2));
        assert_eq!(group.quota_cores(), Some(0.5));
        assert_eq!(group.throttled(), Duration::from_micros(42));
    }

    #[test]
    fn the_older_hierarchies_are_read_and_no_limit_is_none() {
        let root = Folder::new("v1");
        root.write("memory/x/memory.limit_in_bytes", "9223372036854771712\n");
        root.write("memory/x/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n");
        root.write("cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
        root.write("cpu,cpuacct/cpu.cfs_period_us", "100000\n");
        root.write("cpu,cpuacct/cpu.stat", "nr_periods 0\nnr_throttled 1\nthrottled_time 7000\n");
        let group = Cgroup::read("9:cpu,cpuacct:/\n4:memory:/x\n0::/\n", &root.0);
        assert_eq!((group.memory_bytes(), group.quota_cores()), (None, None));
        assert_eq!(group.killed_for_memory(), Some(5));
        assert_eq!(group.throttled(), Duration::from_micros(7));
    }

    #[test]
    fn a_group_that_is_not_to_be_seen_here_is_the_mount_and_nonsense_is_nothing() {
        let root = Folder::new("inside");
        root.write("cgroup.controllers", "memory\n");
        root.write("memory.max", "4096\n");
        for text in ["0::/kubepods/pod7/c\n", "0::/../../x\n"] {
            assert_eq!(Cgroup::read(text, &root.0).memory_bytes(), Some(4096), "{text}");
        }
        for text in ["", "0\n", "4:memory\n", "7:pids:/\n"] {
            let group = Cgroup::read(text, &root.0);
            assert_eq!((group.memory_bytes(), group.throttled()), (None, Duration::ZERO), "{text}");
        }
        Cgroup::own().throttled();
    }
}
