//! Which cores are threads of one core: siblings, by simultaneous multithreading. Two cores by the
//! kernel's numbers may be one, and two processes on siblings share its caches and its execution
//! units (the kernel's `Documentation/admin-guide/cputopology.rst`).

use std::fs;
use std::path::Path;

/// The folder in which the kernel tells it.
const CPUS: &str = "/sys/devices/system/cpu";

/// The siblings of each core that has told them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Topology(Vec<(usize, Vec<usize>)>);

impl Topology {
    /// That of this machine.
    pub(crate) fn of_this_machine() -> Topology {
        Topology::read(Path::new(CPUS))
    }

    /// By the files below `cpus`. A core that is offline has none.
    pub(super) fn read(cpus: &Path) -> Topology {
        let core = |name: &str| name.strip_prefix("cpu")?.parse::<usize>().ok();
        let told = |folder: &Path| {
            // The second is the older name of the first.
            let files = ["core_cpus_list", "thread_siblings_list"];
            files.iter().find_map(|file| fs::read_to_string(folder.join("topology").join(file)).ok())
        };
        let entries = fs::read_dir(cpus).into_iter().flatten().flatten();
        let siblings = entries.filter_map(|entry| {
            let core = core(entry.file_name().to_str()?)?;
            Some((core, cores_in_list(&told(&entry.path())?)))
        });
        Topology(siblings.collect())
    }

    /// Whether the two are threads of one core. If the kernel does not tell, they are taken for two
    /// cores.
    pub(crate) fn are_siblings(&self, a: usize, b: usize) -> bool {
        a != b && self.0.iter().any(|(core, siblings)| *core == a && siblings.contains(&b))
    }

    /// Whether the kernel tells it at all.
    pub(crate) fn is_told(&self) -> bool {
        !self.0.is_empty()
    }

    /// The first of `cores`, and the first that is another core; else, the first two, which are siblings. `None` for fewer
    /// than two.
    pub(crate) fn two_apart(&self, cores: &[usize]) -> Option<[usize; 2]> {
        let apart = cores.iter().enumerate().find_map(|(i, &a)| {
            let other = cores[i + 1..].iter().find(|&&b| !self.are_siblings(a, b))?;
            Some([a, *other])
        });
        apart.or_else(|| Some([*cores.first()?, *cores.get(1)?]))
    }
}

/// The cores of a list of the kernel's, such as `0-3,8`. Text that is not such a list gives none.
pub(super) fn cores_in_list(list: &str) -> Vec<usize> {
    /// More cores than Linux can be built for.
    const LIMIT: usize = 1 << 16;
    let span = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        (last < LIMIT).then_some(first..=last)
    };
    list.trim().split(',').filter_map(span).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A folder like /sys/devices/system/cpu, gone afterwards.
    struct Cpus(PathBuf);

    impl Cpus {
        fn new(name: &str, file: &str, siblings: &[(usize, &str)]) -> Cpus {
            let path = std::env::temp_dir().join(format!("ipcscope-cpus-{name}-{}", std::process::id()));
            for (core, list) in siblings {
                let folder = path.join(format!("cpu{core}/topology"));
                fs::create_dir_all(&folder).unwrap();
                fs::write(folder.join(file), format!("{list}\n")).unwrap();
            }
            // What is there beside the cores.
            for other in ["cpufreq", "cpu9", "cpuidle", "power"] {
                fs::create_dir_all(path.join(other)).unwrap();
            }
            fs::write(path.join("online"), "0-3\n").unwrap();
            Cpus(path)
        }

        fn read(&self) -> Topology {
            Topology::read(&self.0)
        }
    }

    impl Drop for Cpus {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const NEIGHBOURS: [(usize, &str); 4] = [(0, "0-1"), (1, "0-1"), (2, "2-3"), (3, "2-3")];
    const HALVES: [(usize, &str); 4] = [(0, "0,2"), (1, "1,3"), (2, "0,2"), (3, "1,3")];

    #[test]
    fn another_core_is_preferred_however_siblings_are_numbered() {
        for file in ["core_cpus_list", "thread_siblings_list"] {
            let neighbours = Cpus::new(&format!("neighbours-{file}"), file, &NEIGHBOURS).read();
            assert_eq!(neighbours.two_apart(&[0, 1, 2, 3]), Some([0, 2]));
            assert!(neighbours.are_siblings(0, 1) && !neighbours.are_siblings(1, 2));
            assert!(!neighbours.are_siblings(0, 0), "a core is no sibling of itself");
            let halves = Cpus::new(&format!("halves-{file}"), file, &HALVES).read();
            assert_eq!(halves.two_apart(&[0, 1, 2, 3]), Some([0, 1]));
        }
    }

    #[test]
    fn what_a_cpuset_leaves_decides() {
        let neighbours = Cpus::new("cpuset", "core_cpus_list", &NEIGHBOURS).read();
        assert_eq!(neighbours.two_apart(&[1, 2]), Some([1, 2]));
        assert_eq!(neighbours.two_apart(&[2, 3]), Some([2, 3]), "siblings are better than nothing");
        assert!(neighbours.are_siblings(2, 3));
        assert_eq!(neighbours.two_apart(&[0, 1, 3]), Some([0, 3]));
        assert_eq!([neighbours.two_apart(&[3]), neighbours.two_apart(&[])], [None, None]);
    }

    #[test]
    fn a_kernel_that_does_not_tell_has_cores_only_and_offline_ones_tell_nothing() {
        let silent = Cpus::new("silent", "core_cpus_list", &[]).read();
        assert!(!silent.is_told() && Topology::read(Path::new("/nowhere")) == silent);
        assert_eq!(silent.two_apart(&[0, 1]), Some([0, 1]));
        // Core 1 is offline: core 0 is alone.
        let offline = Cpus::new("offline", "core_cpus_list", &[(0, "0"), (2, "2-3"), (3, "2-3")]).read();
        assert!(offline.is_told());
        assert_eq!(offline.two_apart(&[0, 2, 3]), Some([0, 2]));
        let broken = Cpus::new("broken", "core_cpus_list", &[(0, "x-"), (1, "")]).read();
        assert!(!broken.are_siblings(0, 1));
        // The real one can be read, whatever it says.
        let _ = Topology::of_this_machine();
    }

    #[test]
    fn lists_of_the_kernel_are_read() {
        let lists: [(&str, &[usize]); 7] = [
            ("0-1\n", &[0, 1]),
            ("0", &[0]),
            ("0-2,8,10-11\n", &[0, 1, 2, 8, 10, 11]),
            ("", &[]),
            ("3-1", &[]),
            ("x", &[]),
            ("0-99999999999", &[]),
        ];
        for (text, cores) in lists {
            assert_eq!(cores_in_list(text), cores, "{text:?}");
        }
    }
}
