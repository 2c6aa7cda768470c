//! Results are not lost at the very end, and what is kept is for the person's eyes only.

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::json;

use crate::cannot_run::{Lacks, cannot_run};
use crate::client::{Lab, frame_that};
use crate::harness::{Desk, Ran, Running, eventually};
use crate::schema;

const RACE: &str =
    "race pipe --count 100 --launches 2 --placement unpinned --wait block --workload ping-pong";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

/// The binary, started by a shell that first does `before`.
fn through_shell(desk: &Desk, before: &str, line: &str) -> Command {
    desk.behind(&["sh", "-c", &format!("{before}; exec \"$0\" \"$@\"")], line)
}

#[test]
fn a_race_of_the_page_that_cannot_be_kept_is_offered_and_put_on_disk_later() {
    let desk = Desk::new();
    // A file where the folder belongs: not even root can keep anything there.
    fs::write(desk.path("state"), "").expect("a file");
    let mut lab = Lab::start(&desk);
    let mut socket = lab.socket("/api/live");
    let wish = json!({ "kinds": ["pipe"], "count": 100, "launches": 2, "placement": "unpinned", "waits": ["block"] });
    lab.ask("POST", "/api/race", &wish.to_string()).with(202);
    let ended = frame_that(&mut socket, "race-ended");
    assert!(ended["error"].as_str().is_some_and(|why| why.contains("in memory")), "{ended}");
    let id = ended["run"].as_str().expect("an id").to_owned();
    let runs = lab.get("/api/runs").with(200).json();
    assert_eq!(runs[0]["id"], json!(id));
    assert!(runs[0]["unkept"].is_string(), "{runs}");
    let report = lab.get(&format!("/api/runs/{id}/export/json")).with(200).json();
    assert_eq!(schema::check(&report), Vec::<String>::new());
    lab.get(&format!("/api/runs/{id}/export/html")).with(200);
    // The disk takes it again.
    fs::remove_file(desk.path("state")).expect("the file");
    lab.running.signal(Signal::TERM);
    assert_eq!(lab.running.wait(), Some(0));
    assert_eq!(desk.runs(), [format!("{id}.json")]);
}

#[test]
fn without_a_home_the_lab_serves_and_says_once_that_nothing_is_kept() {
    let desk = Desk::new();
    fs::write(desk.path("file"), "").expect("a file");
    for (state, words) in
        [(None, "neither XDG_STATE_HOME nor HOME"), (Some("file"), "file: it is not a folder")]
    {
        let mut command = desk.command(["serve", "--listen", "127.0.0.1:0"]);
        command.env_remove("HOME").env_remove("XDG_STATE_HOME");
        state.map(|name| command.env("XDG_STATE_HOME", desk.path(name)));
        let mut running = Running(command.spawn().expect("the binary starts"));
        let mut address = [0; 14];
        running.0.stdout.as_mut().expect("a pipe").read_exact(&mut address).expect("an address");
        running.signal(Signal::TERM);
        assert_eq!(running.wait(), Some(0));
        let mut said = String::new();
        running.0.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("in memory only") && said.contains(words), "{said}");
        let mut command = desk.command(RACE.split_whitespace());
        command.env_remove("HOME").env_remove("XDG_STATE_HOME");
        state.map(|name| command.env("XDG_STATE_HOME", desk.path(name)));
        let ran = Ran::of(RACE, command.output().expect("the binary starts")).ended_with(0);
        assert!(
            ran.stderr.lines().count() == 1 && ran.stderr.contains("not kept for the lab page"),
            "{ran:#?}"
        );
    }
}

#[test]
fn what_is_kept_is_closed_to_others_and_what_is_exported_is_as_the_umask_has_it() {
    let desk = Desk::new();
    for (umask, exported) in [("0", 0o666), ("022", 0o644), ("077", 0o600)] {
        let line = format!("{RACE} --export-json {umask}.json");
        let output = through_shell(&desk, &format!("umask {umask}"), &line).output().expect("a shell");
        Ran::of(&line, output).ended_with(0);
        assert_eq!(mode(&desk.path(&format!("{umask}.json"))), exported, "umask {umask}");
    }
    let runs = desk.path("state/ipcscope/runs");
    assert_eq!((mode(&desk.path("state/ipcscope")), mode(&runs)), (0o700, 0o700));
    let files: Vec<_> = desk.runs().iter().map(|name| runs.join(name)).collect();
    assert_eq!(files.iter().map(|file| mode(file)).collect::<Vec<_>>(), [0o600; 3]);
    // As an earlier version left them.
    for (path, wide) in [(&files[0], 0o644), (&runs, 0o755), (&desk.path("state/ipcscope"), 0o755)] {
        fs::set_permissions(path, Permissions::from_mode(wide)).expect("our own");
    }
    let lab = Lab::start(&desk);
    lab.get("/api/runs").with(200);
    assert_eq!((mode(&files[0]), mode(&runs), mode(&desk.path("state/ipcscope"))), (0o600, 0o700, 0o700));
}

#[test]
fn one_export_that_fails_loses_neither_the_others_nor_the_table() {
    let desk = Desk::new();
    let line = format!("{RACE} --export-json /dev/full --export-csv a.csv --export-html a.html");
    let ran = desk.run(&line).ended_with(2);
    assert!(ran.stdout.contains("ping-pong, 64 B, block"), "{ran:#?}");
    assert_eq!(desk.names(), ["a.csv", "a.html"]);
    assert_eq!(desk.runs().len(), 1, "it is kept");
    assert!(ran.stderr.contains("/dev/full"), "{ran:#?}");
    // Two that fail are two sentences.
    let both =
        through_shell(&desk, "ulimit -f 0", &format!("{RACE} --export-json a.json --export-csv a.csv"));
    let ran = Ran::of("both", { both }.output().expect("a shell")).ended_with(2);
    assert!(ran.stderr.contains("a.json") && ran.stderr.contains("a.csv"), "{ran:#?}");
    assert!(ran.stdout.contains("ping-pong, 64 B, block"), "{ran:#?}");
    assert!(fs::read_to_string(desk.path("a.csv")).expect("of before").starts_with("kind,"), "untouched");
}

/// The binary in a mount namespace of its own, once a shell there has done `before`; `None`, said, where that cannot be.
fn among_mounts(desk: &Desk, before: &str, line: &str) -> Option<Command> {
    let words = if rustix::process::geteuid().is_root() { &["-m"][..] } else { &["-r", "-m"] };
    let mut probe = Command::new("unshare");
    probe.args(words).args(["sh", "-c", before]).current_dir(desk.path("."));
    let probe = probe.output();
    if !probe.as_ref().is_ok_and(|output| output.status.success()) {
        cannot_run(Lacks::Part, format!("mounts of its own: {probe:?}"));
        return None;
    }
    let inside = format!("{{ {before}; }} && exec \"$0\" \"$@\"");
    Some(desk.behind(&[&["unshare"], words, &["sh", "-c", &inside]].concat(), line))
}

/// The kernel refuses to give the name of a file on which something is mounted to another file (EBUSY), and to make a file in a
/// folder that is mounted read-only (EROFS).
#[test]
fn a_file_that_is_mounted_is_written_in_place() {
    let on_it = "mount --bind real there/mounted";
    let in_a_tree =
        "mount --bind there there && mount -o remount,bind,ro there && mount --bind real there/mounted";
    for before in [on_it, in_a_tree] {
        let desk = Desk::new();
        fs::write(desk.path("real"), "something of before".repeat(1_000)).expect("a file");
        fs::create_dir(desk.path("there")).expect("a folder");
        fs::write(desk.path("there/mounted"), "").expect("a file");
        let line = format!("{RACE} --export-json there/mounted");
        let Some(mut command) = among_mounts(&desk, before, &line) else { return };
        let ran = Ran::of(before, command.output().expect("it starts")).ended_with(0);
        let report = fs::read_to_string(desk.path("real")).expect("the export");
        assert!(report.starts_with('{') && report.ends_with("}\n"), "{ran:#?}");
        assert_eq!(desk.names(), ["real", "there"], "nothing half-written is left");
        assert_eq!(fs::read_dir(desk.path("there")).expect("the folder").count(), 1);
    }
}

/// The file belongs to the person, its folder does not: EACCES.
#[test]
fn a_file_in_a_folder_of_another_is_written_in_place() {
    let desk = Desk::new();
    let (folder, file) = (desk.path("shared"), desk.path("shared/out.json"));
    fs::create_dir(&folder).expect("a folder");
    fs::write(&file, "something of before".repeat(1_000)).expect("a file");
    let mut command = desk.command(RACE.split_whitespace().chain(["--export-json", "shared/out.json"]));
    command.env_remove("HOME").env_remove("XDG_STATE_HOME");
    if rustix::process::geteuid().is_root() {
        let nobody = 65_534;
        std::os::unix::fs::chown(&file, Some(nobody), Some(nobody)).expect("root may");
        if !Command::new("/bin/test")
            .arg("-x")
            .arg(command.get_program())
            .uid(nobody)
            .status()
            .is_ok_and(|it| it.success())
        {
            return cannot_run(Lacks::Part, "another user cannot reach the binary");
        }
        command.uid(nobody).gid(nobody);
    }
    fs::set_permissions(&folder, Permissions::from_mode(0o555)).expect("our own");
    let output = command.output();
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("our own");
    let ran = Ran::of("shared", output.expect("it starts")).ended_with(0);
    let report = fs::read_to_string(&file).expect("the export");
    assert!(report.starts_with('{') && report.ends_with("}\n"), "{ran:#?}");
    assert_eq!(fs::read_dir(&folder).expect("the folder").count(), 1, "nothing half-written is left");
}

/// Neither a sentence nor an answer names the file under which an export begins.
#[test]
fn a_full_disk_is_told_in_the_kernel_s_words() {
    let desk = Desk::new();
    for folder in ["full", "state"] {
        fs::create_dir(desk.path(folder)).expect("a folder");
    }
    let before = "mount -t tmpfs -o size=4k tmpfs full && mount -t tmpfs -o size=4k tmpfs state";
    let Some(mut command) = among_mounts(&desk, before, &format!("{RACE} --export-json full/a.json")) else {
        return;
    };
    let ran = Ran::of("full", command.output().expect("it starts")).ended_with(2);
    let full = "No space left on device (os error 28)";
    let runs = desk.path("state/ipcscope/runs");
    let folder = fs::canonicalize(desk.path("full")).expect("the folder");
    let export = format!("ipcscope: cannot write {}/a.json: {full}", folder.display());
    assert!(ran.stderr.lines().any(|line| line == export), "{ran:#?}");
    let kept = format!("{}: {full}", runs.display());
    assert!(ran.stderr.lines().any(|line| line.ends_with(&kept)), "{ran:#?}");
    assert!(!ran.stderr.contains(".part"), "{ran:#?}");
    let Some(mut command) = among_mounts(&desk, before, "serve --listen 127.0.0.1:0") else { return };
    let lab = Lab::by(&mut command);
    let mut socket = lab.socket("/api/live");
    let wish = json!({ "kinds": ["pipe"], "count": 100, "launches": 2, "placement": "unpinned", "waits": ["block"] });
    lab.ask("POST", "/api/race", &wish.to_string()).with(202);
    frame_that(&mut socket, "race-ended");
    assert_eq!(lab.get("/api/runs").with(200).json()[0]["unkept"], json!(kept));
}

#[test]
fn stdout_by_any_name_is_stdout() {
    for name in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let desk = Desk::new();
        let ran = desk.run(&format!("{RACE} --export-csv {name}")).ended_with(0);
        assert!(ran.stdout.starts_with("kind,entrant,") && !ran.stdout.contains("vs best"), "{ran:#?}");
        desk.run(&format!("{RACE} --json --export-csv {name}")).refused("two results");
        // Also when it is a file, which must not be replaced under a program that has it open.
        let out = fs::File::create(desk.path("out")).expect("a file");
        let before = out.metadata().expect("facts").ino();
        let line = format!("{RACE} --export-csv {name}");
        let status = desk.command(line.split_whitespace()).stdout(out).status().expect("the binary starts");
        assert!(status.success());
        assert_eq!(fs::metadata(desk.path("out")).expect("facts").ino(), before);
        assert!(fs::read_to_string(desk.path("out")).expect("text").starts_with("kind,entrant,"));
    }
}

#[test]
fn the_verdict_is_the_exit_code_whoever_reads_stdout() {
    let desk = Desk::new();
    let sample = include_str!("sample.json");
    fs::write(desk.path("a.json"), sample).expect("a file");
    let slow = sample.replacen("\"latency_ns_p50\": 100", "\"latency_ns_p50\": 300", 1);
    let slow = slow.replacen("\"latency_ns_p50\": 102", "\"latency_ns_p50\": 306", 1);
    fs::write(desk.path("b.json"), slow.replacen("\"p50\": 101", "\"p50\": 303", 1)).expect("a file");
    let line = "compare a.json b.json --fail-over 10";
    desk.run(line).ended_with(3);
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
    let status = desk.command(line.split_whitespace()).stdout(full()).status().expect("the binary starts");
    assert_eq!(status.code(), Some(3), "a full disk");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let status = desk.command(line.split_whitespace()).stdout(writer).status().expect("the binary starts");
    assert_eq!(status.code(), Some(3), "a reader that has gone");
    let output = through_shell(&desk, "exec >&-", line).output().expect("a shell");
    assert_eq!(output.status.code(), Some(3), "no stdout at all");
    // Without a verdict, a result that could not be written is the failure.
    for line in ["compare a.json a.json", "doctor", "man", "completions bash", "--help"] {
        let status =
            desk.command(line.split_whitespace()).stdout(full()).status().expect("the binary starts");
        assert_eq!(status.code(), Some(2), "{line}");
    }
}

/// The lab goes on when the reader of its address has gone.
#[test]
fn a_lab_outlives_the_reader_of_its_address() {
    let desk = Desk::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = desk.command(["serve", "--listen", "127.0.0.1:0"]);
    let mut running = Running(command.stdout(writer).spawn().expect("the binary starts"));
    drop(command);
    let listens = || {
        fs::read_to_string(format!("/proc/{}/net/tcp", running.0.id()))
            .is_ok_and(|table| table.contains(" 0A "))
    };
    eventually("it listens", listens);
    assert!(running.0.try_wait().expect("a child of ours").is_none());
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0));
}
