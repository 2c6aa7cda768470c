//! An unprivileged user is told which figures are missing, why, and the remedy; everything else is
//! counted, and no figure is made up.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cannot_run::{Lacks, cannot_run};
use crate::harness::{PATIENCE, Ran};

/// A copy of the binary that every user may run, wherever this one lies.
struct Copied(PathBuf);

impl Copied {
    fn new(name: &str) -> Copied {
        let folder = std::env::temp_dir().join(format!("ipcscope-test-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for the test");
        let copied = Copied(folder);
        fs::copy(env!("CARGO_BIN_EXE_ipcscope"), copied.binary()).expect("a copy of the binary");
        for path in [&copied.0, &copied.binary()] {
            fs::set_permissions(path, Permissions::from_mode(0o755)).expect("our own file");
        }
        copied
    }

    fn binary(&self) -> PathBuf {
        self.0.join("ipcscope")
    }

    /// Runs it under `disguise`, for a bounded time.
    fn run(&self, disguise: &[&str], line: &str) -> Ran {
        let seconds = PATIENCE.as_secs().to_string();
        let mut words = vec!["timeout", "-k", "5", &seconds];
        words.extend(disguise);
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(self.binary()).args(line.split_whitespace());
        command.current_dir("/").env("XDG_STATE_HOME", self.0.join("state")).stdin(Stdio::null());
        Ran::of(&format!("{} {line}", disguise.join(" ")), command.output().expect("timeout is there"))
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The words before a command that run it as the user `nobody`; none if the test already runs as
/// such a user.
fn nobody() -> &'static [&'static str] {
    let root = rustix::process::geteuid().is_root();
    if root { &["setpriv", "--reuid", "65534", "--clear-groups"] } else { &[] }
}

/// Whether commands can be run so; if not, the reason is printed. User namespaces may be forbidden
/// to every user.
#[track_caller]
fn can(disguise: &[&str]) -> bool {
    let Some((program, args)) = disguise.split_first() else { return true };
    let ran = Command::new(program).args(args).arg("true").output();
    let can = ran.as_ref().is_ok_and(|ran| ran.status.success());
    if !can {
        let lacks = if *program == "unshare" { Lacks::Part } else { Lacks::Tool };
        cannot_run(lacks, format!("{}: {ran:?}", disguise.join(" ")));
    }
    can
}

/// Everything the program reports without access to the kernel.
fn in_disguise(name: &str, disguise: &[&str]) {
    if !can(disguise) {
        return;
    }
    let copied = Copied::new(name);
    let found = copied.run(disguise, "doctor --json").ended_with(0).json();
    for (probe, state) in [
        ("getrusage, TCP_INFO", "ok"),
        ("tracepoints", "limited"),
        ("watchpoints, kernel memory", "limited"),
        ("pagemap", "limited"),
    ] {
        assert_eq!(finding(&found, probe)["state"], state, "{probe}: {found:#}");
    }
    let report = copied.run(disguise, "probe all --placement unpinned --messages 100 --json").ended_with(0);
    let wrong = made_up(&report.json());
    assert!(wrong.is_empty(), "{wrong:?}: {report:#?}");
    let text =
        copied.run(disguise, "probe pipe --wait block --placement unpinned --messages 100").ended_with(0);
    for told in ["wake-ups of the receiver: not to be had: ", "run as root", "looked with: getrusage"] {
        assert!(text.stdout.contains(told), "no `{told}`: {text:#?}");
    }
    let journey =
        copied.run(disguise, "probe tcp --wait block --placement unpinned --xray").ended_with(0).stdout;
    assert!(journey.contains("not to be had: wake-ups"), "{journey}");
}

fn finding<'a>(doctor: &'a Value, probe: &str) -> &'a Value {
    let findings = doctor["findings"].as_array().expect("a list");
    let found = findings.iter().find(|finding| finding["what"] == format!("probes: {probe}"));
    let found = found.unwrap_or_else(|| panic!("no {probe} in {doctor:#}"));
    if found["state"] != "ok" {
        assert!(found["detail"].as_str().is_some_and(|why| !why.is_empty()), "{found}");
        assert!(found["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{found}");
    }
    found
}

/// What the report has that no instrument could have read there: figures by instruments that are
/// not there, figures without any reading or reason, and reasons that say nothing.
fn made_up(report: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let gone = |value: &Value| {
        ["what", "why", "remedy"].iter().all(|part| value[part].as_str().is_some_and(|text| !text.is_empty()))
    };
    let is_there = |reading: &Value| {
        let by = reading["instrument"].as_str().unwrap_or_default();
        // The name of an instrument begins with what a reading calls it, but for what it was asked for.
        let of = |name: &str| name.split(", ").any(|part| by.starts_with(part));
        let named = list(&report["instruments"]);
        let mut named =
            named.iter().filter(|instrument| instrument["name"].as_str().is_some_and(of)).peekable();
        named.peek().is_some() && named.all(|instrument| instrument["unavailable"].is_null())
    };
    let mut wrong = Vec::new();
    for row in list(&report["rows"]) {
        let mut say =
            |what: &Value, why: &str| wrong.push(format!("{} {}: {what}: {why}", row["kind"], row["wait"]));
        if !row["failed"].is_null() {
            say(&row["failed"], "failed");
        }
        for figure in list(&row["figures"]) {
            let question = &figure["question"];
            let readings = list(&figure["readings"]);
            if readings.is_empty() && !gone(&figure["unavailable"]) {
                say(question, "neither a reading nor a reason");
            }
            for reading in readings.iter().filter(|reading| !is_there(reading)) {
                say(question, &format!("read by what is not there: {reading}"));
            }
            // Without a view of the kernel, its copies cannot be counted.
            let exact = readings.first().is_some_and(|best| best["certainty"] == "exact");
            if question == "kernel-copies" && exact {
                say(question, "exact");
            }
        }
        let asked =
            |question: &str| list(&row["figures"]).iter().any(|figure| figure["question"] == question);
        for question in ["sender-calls", "receiver-calls", "kernel-copies", "wakes", "receiver-sleeps"] {
            if !asked(question) {
                say(&question.into(), "dropped");
            }
        }
    }
    wrong
}

#[test]
fn nobody_is_told_what_he_may_not_see() {
    in_disguise("nobody", nobody());
}

#[test]
fn in_a_user_namespace_without_names_too() {
    in_disguise("unmapped", &["unshare", "-U"]);
}

#[test]
fn and_as_a_namespace_s_own_root() {
    in_disguise("mapped", &["unshare", "-U", "-r"]);
}

/// A traced process cannot be traced once more; a sandbox that forbids it looks the same.
#[test]
fn without_any_tracer_calls_are_not_counted_and_that_is_said() {
    let disguise = [nobody(), &["strace", "-f", "-qq", "-o", "/dev/null"]].concat();
    if !can(&disguise) {
        return;
    }
    let copied = Copied::new("traced");
    let found = copied.run(&disguise, "doctor --json").ended_with(0).json();
    assert_eq!(finding(&found, "ptrace")["state"], "limited", "{found:#}");
    let report = copied
        .run(&disguise, "probe pipe --wait block --placement unpinned --messages 100 --json")
        .ended_with(0);
    let report = report.json();
    let wrong = made_up(&report);
    assert!(wrong.is_empty(), "{wrong:?}: {report:#}");
    let figures = report["rows"][0]["figures"].as_array().expect("figures");
    for question in ["calls", "sender-calls", "receiver-calls", "kernel-copies", "wakes"] {
        let figure = figures.iter().find(|figure| figure["question"] == question).expect("it is asked");
        assert_eq!(figure["readings"].as_array().map(Vec::len), Some(0), "{figure:#}");
    }
}

/// A setting of the kernel for the time of a test.
struct Setting(&'static Path, String);

impl Setting {
    /// `None` where it may not be set, which is said.
    fn set(path: &'static str, value: &str) -> Option<Setting> {
        let path = Path::new(path);
        let before = fs::read_to_string(path).and_then(|before| fs::write(path, value).map(|()| before));
        let say = |error: &io::Error| cannot_run(Lacks::by(error), format!("{}: {error}", path.display()));
        let before = before.inspect_err(say).ok()?;
        Some(Setting(path, before))
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        if let Err(error) = fs::write(self.0, &self.1) {
            eprintln!("{} was {} before, and is not now: {error}", self.0.display(), self.1.trim());
        }
    }
}

#[test]
fn the_setting_that_forbids_it_is_named() {
    let Some(_set) = Setting::set("/proc/sys/kernel/perf_event_paranoid", "4") else { return };
    if !can(nobody()) {
        return;
    }
    let copied = Copied::new("paranoid");
    let doctor = copied.run(nobody(), "doctor --json").ended_with(0).json();
    let told = finding(&doctor, "watchpoints, kernel memory");
    assert!(told["detail"].as_str().is_some_and(|why| why.contains("perf_event_paranoid is 4")), "{told}");
    // This kernel may know no such level and allow what is one's own, or may not; whichever it is, it was tried.
    let own = finding(&doctor, "perf switch records");
    if own["state"] != "ok" {
        let remedy = own["remedy"].as_str().expect("a remedy");
        assert!(remedy.contains("sysctl kernel.perf_event_paranoid=2"), "{own}");
    }
    println!("at 4, switch records of one's own processes: {own}");
    let report = copied.run(nobody(), "probe pipe --placement unpinned --messages 100 --json").ended_with(0);
    let wrong = made_up(&report.json());
    assert!(wrong.is_empty(), "{wrong:?}: {report:#?}");
}

#[test]
fn what_is_made_up_is_noticed() {
    let instruments = serde_json::json!([
        { "name": "getrusage, TCP_INFO", "unavailable": null },
        { "name": "ptrace", "unavailable": null },
        { "name": "tracepoints", "unavailable": { "what": "a", "why": "b", "remedy": "c" } },
        { "name": "watchpoints, kernel memory", "unavailable": { "what": "a", "why": "b", "remedy": "c" } },
    ]);
    let figure = |question: &str, by: &str, certainty: &str| serde_json::json!({ "question": question, "readings": [{ "instrument": by, "certainty": certainty }] });
    let none = |question: &str, remedy: &str| {
        let gone = serde_json::json!({ "what": "a", "why": "b", "remedy": remedy });
        serde_json::json!({ "question": question, "readings": [], "unavailable": gone })
    };
    let right = [
        figure("sender-calls", "ptrace", "exact"),
        figure("receiver-calls", "ptrace", "exact"),
        figure("kernel-copies", "ptrace", "derived"),
        none("wakes", "run as root"),
        figure("receiver-sleeps", "getrusage", "exact"),
    ];
    let report = |figures: &[Value]| serde_json::json!({ "instruments": instruments, "rows": [{ "kind": "pipe", "figures": figures }] });
    assert_eq!(made_up(&report(&right)), Vec::<String>::new());
    let with = |at: usize, wrong: Value| {
        let mut figures = right.to_vec();
        figures[at] = wrong;
        made_up(&report(&figures))
    };
    assert_eq!(with(3, figure("wakes", "tracepoints, as a stream", "exact")).len(), 1, "not there");
    assert_eq!(with(3, figure("wakes", "a textbook", "exact")).len(), 1, "no instrument");
    assert_eq!(with(3, none("wakes", "")).len(), 1, "no remedy");
    assert_eq!(with(2, figure("kernel-copies", "ptrace", "exact")).len(), 1, "no instrument can know");
    assert_eq!(made_up(&report(&right[1..])).len(), 1, "dropped");
}
