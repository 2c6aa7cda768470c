//! Machines that lack something, and hosts that interfere: one entrant that cannot run is a row, and what befell a round is told.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use lab::Report;
use rustix::process::Signal;

use crate::cannot_run::{Lacks, cannot_run};
use crate::harness::{Desk, Ran, Running, eventually};

/// Whether commands can be run behind `words`; if not, that is said.
#[track_caller]
fn can(words: &[&str]) -> bool {
    let ran = Command::new(words[0]).args(&words[1..]).arg("true").output();
    let can = ran.as_ref().is_ok_and(|ran| ran.status.success());
    if !can {
        let lacks = if ran.is_err() { Lacks::Tool } else { Lacks::Right };
        cannot_run(lacks, format!("{}: {ran:?}", words.join(" ")));
    }
    can
}

/// Runs the binary behind other words.
fn behind(desk: &Desk, words: &[&str], line: &str) -> Ran {
    Ran::of(line, desk.behind(words, line).output().expect("the words start"))
}

#[test]
fn without_a_loopback_every_seed_tells_the_same() {
    // A network namespace of its own begins with the loopback down.
    let words = ["unshare", "--map-root-user", "--net"];
    if !can(&words) {
        return;
    }
    for seed in 1..=5 {
        let line = format!(
            "race tcp pipe --count 40 --launches 2 --placement unpinned --wait block --workload ping-pong --json --seed {seed}"
        );
        let ran = behind(&Desk::new(), &words, &line).ended_with(1);
        let report = ran.report();
        let row = |kind: &str| report.rows.iter().find(|row| row.kind == kind).expect("a row");
        let failed = row("tcp").failed.clone().expect("there is no way for TCP");
        assert!(failed.contains("tcp") && failed.contains("unreachable"), "seed {seed}: {failed}");
        for kind in ["pipe", "null"] {
            assert_eq!((row(kind).failed.as_deref(), row(kind).verified), (None, 40), "seed {seed}");
        }
    }
}

#[test]
fn a_race_without_any_process_names_what_failed() {
    // Descriptors enough to watch for signals, and none for a process.
    let words = ["prlimit", "--nofile=6"];
    if !can(&words) {
        return;
    }
    let line = "race pipe shm --count 40 --placement unpinned --wait block --launches 2";
    for seed in 1..=3 {
        let ran = behind(&Desk::new(), &words, &format!("{line} --seed {seed}"));
        ran.refused("ulimit -n");
    }
}

#[test]
fn a_rival_that_cannot_say_what_it_can_do_is_a_row() {
    let desk = Desk::new();
    let line = "race pipe --count 40 --launches 2 --placement unpinned --wait block --workload ping-pong --json --rival /bin/true";
    let report = desk.run(line).ended_with(1).report();
    let row = report.rows.iter().find(|row| row.kind == "true").expect("a row of its file's name");
    assert!(row.failed.as_ref().is_some_and(|why| why.contains("does not describe itself")), "{row:?}");
    assert!(report.rows.iter().any(|row| row.kind == "pipe" && row.failed.is_none()));
}

/// A race whose one round of `pipe` takes a while, and its two measured processes.
fn long_race(desk: &Desk, count: &str) -> (Running, Vec<u32>) {
    let line = format!(
        "race pipe --count {count} --launches 1 --wait block --workload ping-pong --placement unpinned --seed 2 --json"
    );
    let running = desk.start(&line);
    let workers = running.two_workers();
    (running, workers)
}

fn read_report(running: &mut Running) -> Report {
    let mut text = String::new();
    running.0.stdout.take().expect("a pipe").read_to_string(&mut text).expect("text");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn pipe_row(report: &Report) -> &lab::report::ReportRow {
    report.rows.iter().find(|row| row.kind == "pipe").expect("a row")
}

#[test]
fn where_memory_runs_out_the_measured_processes_go_first_and_the_row_says_so() {
    let desk = Desk::new();
    let (mut running, workers) = long_race(&desk, "2M");
    let score = |pid: u32| fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap_or_default();
    eventually("the measured processes have offered themselves", || {
        workers.iter().all(|&pid| score(pid).trim() == "1000")
    });
    assert_ne!(score(running.0.id()).trim(), "1000");
    let victim = i32::try_from(workers[0]).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
    rustix::process::kill_process(victim, Signal::KILL).expect("it is killed");
    let report = read_report(&mut running);
    let failed = pipe_row(&report).failed.clone().expect("it was killed");
    assert!(failed.contains("was killed") && failed.contains("memory"), "{failed}");
    assert_eq!(running.wait(), Some(1));
}

#[test]
fn a_stop_in_mid_race_is_told() {
    let desk = Desk::new();
    let (mut running, _) = long_race(&desk, "100k");
    running.signal(Signal::STOP);
    thread::sleep(Duration::from_millis(3_500));
    running.signal(Signal::CONT);
    let report = read_report(&mut running);
    let row = pipe_row(&report);
    assert_eq!((row.failed.as_deref(), row.verified), (None, 100_000), "{row:?}");
    assert!(row.notes.iter().any(|note| note.contains("was stopped")), "{:?}", row.notes);
    assert!(report.rounds_dropped >= 1, "{report:?}");
}

/// A control group with a tenth of a core, gone afterwards; `None` where none can be made, which is said.
struct Tenth(PathBuf);

impl Tenth {
    fn make() -> Option<Tenth> {
        let name = format!("ipcscope-test-{}", std::process::id());
        let tries = [
            ("/sys/fs/cgroup/cpu", vec![("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "10000")]),
            ("/sys/fs/cgroup", vec![("cpu.max", "10000 100000")]),
        ];
        for (root, files) in tries {
            let group = Tenth(PathBuf::from(root).join(&name));
            let made = fs::create_dir(&group.0).is_ok()
                && files.iter().all(|(file, text)| fs::write(group.0.join(file), text).is_ok());
            if made {
                return Some(group);
            }
        }
        cannot_run(Lacks::Part, "no control group with a quota can be made here");
        None
    }
}

impl Drop for Tenth {
    fn drop(&mut self) {
        // Its last process may be still on its way out.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_quota_that_keeps_rounds_from_running_is_told() {
    let Some(tenth) = Tenth::make() else { return };
    let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", tenth.0.display());
    let line =
        "race pipe --count 20k --launches 1 --wait block --workload ping-pong --placement unpinned --json";
    let ran = behind(&Desk::new(), &["sh", "-c", &enter, "sh"], line).ended_with(0);
    let report = ran.report();
    let row = pipe_row(&report);
    assert!(row.notes.iter().any(|note| note.contains("quota of processor time")), "{:?}", row.notes);
    let found = behind(&Desk::new(), &["sh", "-c", &enter, "sh"], "doctor").ended_with(0);
    assert!(found.stdout.contains("a quota of 0.10 cores"), "{found:#?}");
}

#[test]
fn a_named_core_is_tried_whatever_the_affinity_says() {
    let everything = lab::machine::obtainable_cores().expect("cores");
    let [first, .., last] = everything[..] else {
        return cannot_run(Lacks::Part, "there is one core only");
    };
    let desk = Desk::new();
    let mask = first.to_string();
    let words = ["taskset", "-c", &mask];
    let small = "--count 40 --launches 1 --wait block --workload ping-pong --json";
    let ran =
        behind(&desk, &words, &format!("race shm pipe {small} --placement {first},{last}")).ended_with(0);
    let placed = ran.report();
    for row in placed.rows.iter().filter(|row| row.kind != "null") {
        assert_eq!((row.cores, row.failed.as_deref()), (Some([first, last]), None), "{row:?}");
    }
    let shown = behind(&desk, &words, &format!("show pipe --placement {first},{last} --json")).ended_with(0);
    assert!(shown.stdout.contains(&format!("\"core\":{last}")), "{shown:#?}");
    // What names no core keeps to the mask, and says what could be had.
    let ran = behind(&desk, &words, &format!("race pipe {small}")).ended_with(0);
    assert!(ran.stderr.contains("only one core may be used"), "{ran:#?}");
    let refused = behind(&desk, &words, &format!("race pipe {small} --placement cross-core")).ended_with(2);
    assert!(refused.stderr.contains(&format!("--placement {first},")), "{refused:#?}");
    let refused = behind(&desk, &words, &format!("race pipe {small} --placement {first},1000")).ended_with(2);
    assert!(
        refused.stderr.contains("core 1000") && refused.stderr.contains("Invalid argument"),
        "{refused:#?}"
    );
}

/// Where the loader of programs of this architecture is, as glibc names it.
const LOADERS: [&str; 3] =
    ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1", "/lib/ld-linux-riscv64-lp64d.so.1"];

#[test]
fn a_program_that_a_loader_was_given_measures_like_any_other() {
    let Some(loader) = LOADERS.into_iter().find(|loader| can_load(loader)) else {
        return cannot_run(Lacks::Part, "there is no loader that can be started");
    };
    let desk = Desk::new();
    let small =
        "race shm pipe --count 40 --launches 1 --placement unpinned --wait block --workload ping-pong --json";
    for words in [&[loader][..], &[loader, "--library-path", "/nowhere/at all"]] {
        let raced = behind(&desk, words, small).ended_with(0).report();
        assert!(raced.rows.iter().all(|row| row.failed.is_none() && row.verified == 40), "{raced:?}");
    }
    // Here a process of the stage starts the other.
    let shown = behind(&desk, &[loader], "show pipe --messages 2").ended_with(0);
    assert!(shown.stdout.lines().count() > 4, "{shown:#?}");
}

fn can_load(loader: &str) -> bool {
    Command::new(loader).arg("/bin/true").status().is_ok_and(|status| status.success())
}

#[test]
fn a_program_whose_file_is_gone_measures_and_behind_a_loader_it_says_so() {
    let desk = Desk::new();
    let copy = desk.path("copy");
    // In two steps, and by another program: what is open for writing here could not be started.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_ipcscope")).arg(&copy).status();
    assert!(copied.expect("cp").success());
    let line =
        "race pipe --count 300k --launches 2 --wait block --workload ping-pong --placement unpinned --json";
    let start = |words: &[&str]| {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args(line.split_whitespace()).env("XDG_STATE_HOME", desk.path("state"));
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        Running(command.spawn().expect("it starts"))
    };
    let path = copy.to_str().expect("a plain path");
    let mut direct = start(&[path]);
    let loader = LOADERS.into_iter().find(|loader| can_load(loader));
    let mut loaded = loader.map(|loader| start(&[loader, path]));
    for running in [Some(&direct), loaded.as_ref()].into_iter().flatten() {
        eventually("the first two processes run", || running.children().len() >= 2);
    }
    fs::remove_file(&copy).expect("it is removed while it runs");
    let raced = read_report(&mut direct);
    assert_eq!((direct.wait(), pipe_row(&raced).launches), (Some(0), 2), "{raced:?}");
    if let Some(loaded) = &mut loaded {
        let raced = read_report(loaded);
        let failed = raced.rows.iter().filter_map(|row| row.failed.as_ref()).next().expect("a failed row");
        assert!(failed.contains("started by a loader") && failed.contains(path), "{failed}");
        assert_eq!(loaded.wait(), Some(1));
    }
}
