//! The machine under the numbers: facts that change them, read from the kernel. A fact that is not told is
//! `None`.

mod cgroup;
mod cores;
mod topology;
mod unavailable;

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub(crate) use cgroup::{Cgroup, killed_by};
pub(crate) use cores::list as list_of_cores;
pub use cores::{allowed_cores, obtainable_cores, pin, resolve, siblings_note, usual_placement};
pub(crate) use topology::Topology;
pub use unavailable::Unavailable;

/// What a reader must know about the machine before believing a number from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Machine {
    /// The processor, in its maker's words.
    pub cpu: Option<String>,
    /// `x86_64`, `aarch64`, …: what this program was built for.
    pub architecture: String,
    /// Cores that are running.
    pub cores_online: Option<usize>,
    /// The cores that this process may use; empty where the kernel does not tell.
    pub cores_allowed: Vec<usize>,
    /// Whether cores share hardware by simultaneous multithreading.
    pub smt_active: Option<bool>,
    /// Level 1 data cache of the first core, such as `48K`.
    pub cache_l1d: Option<String>,
    /// Level 2 cache of the first core.
    pub cache_l2: Option<String>,
    /// Level 3 cache of the first core.
    pub cache_l3: Option<String>,
    /// Memory in all, in bytes.
    pub memory_bytes: Option<u64>,
    /// The kernel's release, such as `6.18.44`.
    pub kernel: Option<String>,
    /// The distribution.
    pub os: Option<String>,
    /// The kernel's clock source.
    pub clock_source: Option<String>,
    /// The frequency governor of the first core; virtual machines mostly have none.
    pub governor: Option<String>,
    /// The processor's weaknesses that the kernel works around, each of which may cost time in system calls,
    /// as `spectre_v2: Retpolines; …`.
    pub mitigations: Option<Vec<String>>,
    /// The hypervisor by the name it gives itself, `unknown hypervisor` when it gives none, `None` when none
    /// is seen.
    pub virtualised: Option<String>,
    /// The container the process runs in, as far as it can be told.
    pub container: Option<String>,
    /// Whether shared memory may use huge pages: the chosen word of `shmem_enabled`.
    pub thp_shmem: Option<String>,
}

impl Machine {
    /// Reads the facts. Takes some milliseconds at most, changes nothing.
    pub fn read() -> Machine {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Machine {
            cpu: cpu_model(&cpuinfo),
            architecture: std::env::consts::ARCH.into(),
            cores_online: word("/sys/devices/system/cpu/online")
                .map(|list| topology::cores_in_list(&list).len()),
            cores_allowed: allowed_cores().unwrap_or_default(),
            smt_active: word("/sys/devices/system/cpu/smt/active").map(|text| text == "1"),
            cache_l1d: cache(1),
            cache_l2: cache(2),
            cache_l3: cache(3),
            memory_bytes: word("/proc/meminfo").and_then(|text| memory_bytes(&text)),
            kernel: word("/proc/sys/kernel/osrelease"),
            os: word("/etc/os-release").and_then(|text| os_name(&text)),
            clock_source: word("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            governor: governor(),
            mitigations: mitigations(Path::new("/sys/devices/system/cpu/vulnerabilities")),
            virtualised: virtualised(&cpuinfo),
            container: container(),
            thp_shmem: word("/sys/kernel/mm/transparent_hugepage/shmem_enabled")
                .and_then(|text| chosen(&text)),
        }
    }

    /// What a reader wants to know first, in one line.
    pub fn in_one_line(&self) -> String {
        let facts = [
            Some(self.cpu.clone().unwrap_or_else(|| format!("a {} processor", self.architecture))),
            self.cores_online
                .map(|cores| if cores == 1 { "1 core".into() } else { format!("{cores} cores") }),
            self.kernel.as_ref().map(|kernel| format!("Linux {kernel}")),
            self.virtualised.as_ref().map(|hypervisor| format!("virtual machine ({hypervisor})")),
            self.container.as_ref().map(|container| format!("container ({container})")),
        ];
        facts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// How much of perf the kernel keeps from those without privilege: 2 is its own default, 3 and above are a
/// distribution's. `None` where there is no perf.
pub fn perf_event_paranoid() -> Option<i32> {
    word("/proc/sys/kernel/perf_event_paranoid")?.parse().ok()
}

/// Time taken by the hypervisor and all time, of all cores since the machine started, in clock ticks:
/// `(steal, total)`. `None` where /proc/stat does not tell it.
///
/// Only the difference of two readings means anything.
pub fn steal_ticks() -> Option<(u64, u64)> {
    steal_of(&fs::read_to_string("/proc/stat").ok()?)
}

fn steal_of(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    // user nice system idle iowait irq softirq steal; guest time follows and is part of user and nice already.
    let fields: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).take(8).collect();
    Some((*fields.get(7)?, fields.iter().sum()))
}

/// Whether the first core has `flag` in /proc/cpuinfo.
pub(crate) fn cpu_flag(cpuinfo: &str, flag: &str) -> bool {
    value_of(cpuinfo, "flags").is_some_and(|flags| flags.split_whitespace().any(|word| word == flag))
}

fn cpu_model(cpuinfo: &str) -> Option<String> {
    ["model name", "Processor", "cpu model", "cpu", "uarch"]
        .iter()
        .find_map(|key| value_of(cpuinfo, key))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
}

/// The value of the first `key : value` line.
fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim())
    })
}

fn memory_bytes(meminfo: &str) -> Option<u64> {
    let kib: u64 = value_of(meminfo, "MemTotal")?.strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

fn os_name(os_release: &str) -> Option<String> {
    let value = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    let name = value.trim().trim_matches(['"', '\'']);
    (!name.is_empty()).then(|| name.to_owned())
}

/// The word in brackets, by which the kernel marks a choice: `always [never]`.
fn chosen(text: &str) -> Option<String> {
    Some(text.split_once('[')?.1.split_once(']')?.0.to_owned())
}

fn cache(level: u32) -> Option<String> {
    let caches = fs::read_dir("/sys/devices/system/cpu/cpu0/cache").ok()?;
    caches.flatten().map(|entry| entry.path()).find_map(|cache| {
        let fits =
            word(cache.join("level"))? == level.to_string() && word(cache.join("type"))? != "Instruction";
        if fits { word(cache.join("size")) } else { None }
    })
}

pub(crate) fn governor() -> Option<String> {
    word("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
}

/// One entry for each file of `folder` that speaks of a mitigation, in the order of their names.
fn mitigations(folder: &Path) -> Option<Vec<String>> {
    let mut found: Vec<String> = fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let text = word(entry.path())?;
            let how = text.split_once("Mitigation:")?.1.trim();
            Some(format!("{}: {how}", entry.file_name().to_string_lossy()))
        })
        .collect();
    found.sort_unstable();
    Some(found)
}

pub(crate) fn virtualised(cpuinfo: &str) -> Option<String> {
    let firmware = || {
        let names = ["sys_vendor", "product_name"].map(|name| word(format!("/sys/class/dmi/id/{name}")));
        names.iter().flatten().find_map(|name| hypervisor_of(name)).map(str::to_owned)
    };
    #[cfg(target_arch = "x86_64")]
    let signed = crate::sys::cpuid::hypervisor_signature()
        .map(|signature| hypervisor_of(&signature).map_or(signature, str::to_owned));
    #[cfg(not(target_arch = "x86_64"))]
    let signed = None;
    firmware()
        .or_else(|| word("/sys/hypervisor/type").filter(|name| !name.is_empty()))
        .or(signed)
        .or_else(|| cpu_flag(cpuinfo, "hypervisor").then(|| "unknown hypervisor".into()))
}

/// The hypervisor that a firmware's maker or product, or a processor leaf's signature belongs to; `None` for
/// real machines and for hypervisors that are not known here.
fn hypervisor_of(text: &str) -> Option<&'static str> {
    const KNOWN: [(&str, &str); 9] = [
        ("QEMU", "QEMU"),
        ("KVM", "KVM"),
        ("Google Compute Engine", "Google Compute Engine"),
        ("VMware", "VMware"),
        ("VirtualBox", "VirtualBox"),
        ("Virtual Machine", "Hyper-V"),
        ("Microsoft Hv", "Hyper-V"),
        ("Xen", "Xen"),
        ("Parallels", "Parallels"),
    ];
    KNOWN.iter().find(|(mark, _)| text.contains(mark)).map(|&(_, name)| name)
}

fn container() -> Option<String> {
    if Path::new("/.dockerenv").exists() {
        return Some("docker".into());
    }
    if Path::new("/run/.containerenv").exists() {
        return Some("podman".into());
    }
    word("/run/systemd/container").filter(|name| !name.is_empty())
}

/// A small file's text without the space around it; `None` when it is absent or unreadable.
fn word(path: impl AsRef<Path>) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPUINFO: &str = "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC: Example\n\
                           flags\t\t: fpu tsc hypervisor\n\nprocessor\t: 1\nmodel name\t: other\nflags\t\t: late\n";

    #[test]
    fn the_processor_is_read_from_cpuinfo() {
        assert_eq!(cpu_model(CPUINFO).as_deref(), Some("AMD EPYC: Example"));
        assert_eq!(cpu_model("processor\t: 0\nBogoMIPS\t: 50.00\n"), None, "arm64 does not say");
        assert!(cpu_flag(CPUINFO, "hypervisor") && cpu_flag(CPUINFO, "fpu"));
        assert!(!cpu_flag(CPUINFO, "hyper") && !cpu_flag(CPUINFO, "late") && !cpu_flag("", "fpu"));
    }

    #[test]
    fn memory_is_in_bytes() {
        assert_eq!(memory_bytes("MemTotal:       24689432 kB\nMemFree: 1 kB\n"), Some(24_689_432 * 1024));
        for broken in ["", "MemTotal: x kB", "MemTotal: 5 MB", "MemTotal: 99999999999999999999 kB"] {
            assert_eq!(memory_bytes(broken), None, "{broken}");
        }
    }

    #[test]
    fn stolen_time_is_the_eighth_field_and_guest_time_is_not_counted_twice() {
        let stat = "cpu  708 0 929 235532 125 0 15 7 300 20\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
        assert_eq!(steal_of(stat), Some((7, 708 + 929 + 235_532 + 125 + 15 + 7)));
        assert_eq!(steal_of("cpu  1 2 3 4\n"), None, "too old to tell");
        assert_eq!(steal_of("cpu  1 2 3 4 5 6 x 8\n"), None);
        assert_eq!(steal_of("intr 5\n"), None);
    }

    #[test]
    fn names_and_choices_are_read() {
        let release = "NAME=\"Debian GNU/Linux\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
        assert_eq!(os_name(release).as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!(os_name("PRETTY_NAME=Void\n").as_deref(), Some("Void"));
        assert_eq!(os_name("PRETTY_NAME=\"\"\n"), None);
        assert_eq!(chosen("always within_size advise [never] deny force\n").as_deref(), Some("never"));
        assert_eq!(chosen("never"), None);
        assert_eq!(hypervisor_of("Standard PC (QEMU)"), Some("QEMU"));
        assert_eq!(hypervisor_of("KVMKVMKVM"), Some("KVM"));
        assert_eq!(hypervisor_of("ThinkPad X1"), None);
    }

    #[test]
    fn only_what_is_worked_around_is_listed() {
        let folder = std::env::temp_dir().join(format!("ipcscope-mitigations-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        for (name, text) in [
            ("spectre_v2", "Mitigation: Retpolines; STIBP: disabled\n"),
            ("meltdown", "Not affected\n"),
            ("spec_store_bypass", "Vulnerable\n"),
            ("itlb_multihit", "KVM: Mitigation: VMX disabled\n"),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
        let found = mitigations(&folder);
        fs::remove_dir_all(&folder).unwrap();
        let expected = ["itlb_multihit: VMX disabled", "spectre_v2: Retpolines; STIBP: disabled"];
        assert_eq!(found, Some(expected.map(String::from).to_vec()));
        assert_eq!(mitigations(&folder), None, "absent is not the same as none");
    }

    #[test]
    fn a_machine_survives_json() {
        let machine = Machine::read();
        let text = serde_json::to_string(&machine).unwrap();
        assert_eq!(serde_json::from_str::<Machine>(&text).unwrap(), machine);
        assert!(!machine.cores_allowed.is_empty());
    }
}
