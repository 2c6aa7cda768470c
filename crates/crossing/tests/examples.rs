//! Every program in `examples/` does what it says: it runs by the command in its first line, in time,
//! within a limit of memory, and leaves nothing behind.
//!
//! The folder is listed, so that none is forgotten. Cargo builds the examples beside the tests; where only some
//! tests were asked for, the failure names the command.

#[path = "process/cannot_run.rs"]
mod cannot_run;
mod process;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use cannot_run::{Lacks, cannot_run};
use process::{LIMIT, limit_to, socket_path};
use rustix::process::{Pid, Resource, Signal, kill_process_group};

/// What each process of an example may map, in bytes.
const MEMORY: u64 = 2 << 30;

const BUILD: &str = "cargo build --workspace --examples --features crossing/tokio";

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The name and the file of every example.
fn examples() -> Vec<(String, PathBuf)> {
    let folder = fs::read_dir(package().join("examples")).expect("the folder is there");
    let mut found: Vec<_> = folder
        .map(|entry| {
            let path = entry.expect("it can be listed").path();
            let name = path.file_stem().expect("a name").to_str().expect("plain letters").to_owned();
            (name, if path.is_dir() { path.join("main.rs") } else { path })
        })
        .collect();
    found.sort();
    found
}

/// How an example is run.
#[derive(Debug, PartialEq)]
struct Run {
    needs_tokio: bool,
    arguments: Vec<String>,
}

/// The command in the first line of an example, which must be the right one.
fn command(name: &str, text: &str, manifest: &str) -> Result<Run, String> {
    let first = text.lines().next().unwrap_or_default();
    let command = first.split('`').find(|part| part.starts_with("cargo run ")).ok_or("no `cargo run …`")?;
    let (cargo, arguments) = command.split_once(" -- ").unwrap_or((command, ""));
    let needs = format!("name = \"{name}\"\nrequired-features = [\"tokio\"]\n");
    let needs_tokio = manifest.contains(&needs);
    let features = if needs_tokio { " --features tokio" } else { "" };
    let rest = format!(" -p crossing{features} --example {name}");
    if !["cargo run", "cargo run --release"].contains(&cargo.strip_suffix(&rest).unwrap_or_default()) {
        return Err(format!("`{cargo}` does not end in `{rest}`"));
    }
    Ok(Run { needs_tokio, arguments: arguments.split_whitespace().map(str::to_owned).collect() })
}

/// The program of an example, as cargo has built it.
fn program(name: &str) -> Result<PathBuf, String> {
    let tests = std::env::current_exe().expect("this program has a path");
    let program = tests.ancestors().nth(2).expect("it stands in target/…/deps").join("examples").join(name);
    let changed = |path: &Path| path.metadata().and_then(|it| it.modified());
    let (Ok(built), Ok(sources)) = (changed(&program), fs::read_to_string(program.with_extension("d")))
    else {
        return Err(format!("it is not built: {BUILD}"));
    };
    // Cargo has noted what it was built from: `program: source source …`.
    let (_, sources) = sources.split_once(": ").ok_or("cargo has noted no sources")?;
    let is_newer = |source: &&str| changed(Path::new(source)).is_ok_and(|at| at > built);
    match sources.split_whitespace().find(is_newer) {
        Some(source) => Err(format!("{source} was changed since it was built: {BUILD}")),
        None => Ok(program),
    }
}

/// The processes of a group that have not ended.
fn alive(group: Pid) -> usize {
    let entries = fs::read_dir("/proc").expect("/proc is mounted").flatten();
    let stats = entries.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let is_one = |stat: &String| {
        let Some((_, rest)) = stat.rsplit_once(") ") else { return false };
        let mut fields = rest.split(' ');
        // An ended process whose parent has not looked yet is no process any more.
        let state = fields.next();
        state != Some("Z") && state != Some("X") && fields.nth(1) == Some(&group.to_string())
    };
    stats.filter(is_one).count()
}

/// Runs a program in a folder of its own. What was wrong with it.
fn run(mut command: Command, limit: Duration) -> Result<(), String> {
    let folder = socket_path().with_extension("examples");
    fs::create_dir(&folder).expect("a free name");
    let output = folder.with_extension("output");
    let file = fs::File::create(&output).expect("a free name");
    let errors = file.try_clone().expect("a descriptor is free");
    command.stdin(Stdio::null()).stdout(file).stderr(errors);
    command.current_dir(&folder).env("TMPDIR", &folder).process_group(0);
    let mut child = command.spawn().expect("it starts");
    let group = Pid::from_child(&child);
    let end = Instant::now() + limit;
    let mut outcome = loop {
        match child.try_wait().expect("the child is ours") {
            Some(status) if status.success() => break Ok(()),
            Some(status) => break Err(status.to_string()),
            None if Instant::now() > end => break Err(format!("it still runs after {limit:?}")),
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    while outcome.is_ok() && alive(group) > 0 {
        if Instant::now() > end {
            outcome = Err("it has left processes behind".to_owned());
        }
        thread::sleep(Duration::from_millis(5));
    }
    // ESRCH where none is left.
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait();
    let said = fs::read_to_string(&output).unwrap_or_default();
    let left: Vec<_> =
        fs::read_dir(&folder).expect("it is there").flatten().map(|it| it.file_name()).collect();
    fs::remove_dir_all(&folder).expect("it is ours");
    fs::remove_file(&output).expect("it is ours");
    if said.is_empty() {
        outcome = outcome.and(Err("it says nothing".to_owned()));
    }
    if !left.is_empty() {
        outcome = outcome.and(Err(format!("it has left files behind: {left:?}")));
    }
    outcome.map(|()| print!("{said}")).map_err(|why| format!("{why}\n{said}"))
}

#[test]
fn every_example_does_what_it_says() {
    limit_to(Resource::As, MEMORY);
    let [manifest, readme] = ["Cargo.toml", "README.md"]
        .map(|file| fs::read_to_string(package().join(file)).expect("it is there"));
    let mut wrong = Vec::new();
    for (name, source) in examples() {
        println!("=== {name}");
        let text = fs::read_to_string(&source).expect("an example is a file, or a folder with main.rs");
        let listed = source.strip_prefix(package()).expect("it is a part of it").display().to_string();
        if !readme.contains(&format!("]({listed})")) {
            wrong.push(format!("{name}: README.md does not link to {listed}"));
        }
        let outcome = command(&name, &text, &manifest).and_then(|how| {
            if how.needs_tokio && !cfg!(feature = "tokio") {
                cannot_run(Lacks::Tool, format!("{name} needs the feature tokio"));
                return Ok(());
            }
            let mut command = Command::new(program(&name)?);
            command.args(how.arguments);
            run(command, LIMIT)
        });
        wrong.extend(outcome.err().map(|why| format!("{name}: {why}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The control: what an example must not do is noticed.
#[test]
fn what_an_example_must_not_do_is_noticed() {
    limit_to(Resource::As, MEMORY);
    let (long, short) = (LIMIT, Duration::from_millis(300));
    for (script, limit, why) in [
        ("echo fine", long, None),
        ("echo wrong; exit 3", long, Some("exit status: 3")),
        ("echo killed; kill -9 $$", long, Some("signal: 9")),
        ("echo hangs; exec sleep 1000", short, Some("it still runs")),
        ("echo leaves; sleep 1000 >/dev/null 2>&1 &", short, Some("left processes behind")),
        ("echo leaves; : >file", long, Some("left files behind: [\"file\"]")),
        ("exit 0", long, Some("it says nothing")),
        ("exec dd if=/dev/zero of=/dev/null bs=3G count=1", long, Some("exit status: 1")),
    ] {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        match (run(command, limit), why) {
            (Ok(()), None) => {}
            (Err(said), Some(why)) if said.contains(why) => {}
            (outcome, _) => panic!("{script}: {outcome:?}"),
        }
    }

    let manifest = "[[example]]\nname = \"a\"\nrequired-features = [\"tokio\"]\n";
    let run = |needs_tokio, arguments: &[&str]| {
        Ok(Run { needs_tokio, arguments: arguments.iter().map(|&it| it.to_owned()).collect() })
    };
    let command = |name, text| command(name, text, manifest);
    assert_eq!(command("b", "//! B: `cargo run -p crossing --example b`."), run(false, &[]));
    assert_eq!(
        command("b", "//! `cargo run --release -p crossing --example b -- x y`"),
        run(false, &["x", "y"])
    );
    assert_eq!(command("a", "//! `cargo run -p crossing --features tokio --example a`"), run(true, &[]));
    for (name, text) in [
        ("a", "//! `cargo run -p crossing --example a`"),
        ("b", "//! `cargo run -p crossing --features tokio --example b`"),
        ("b", "//! `cargo run -p crossing --example a`"),
        ("b", "//! `cargo run --example b`"),
        ("b", "//! B.\n//! `cargo run -p crossing --example b`"),
    ] {
        assert!(command(name, text).is_err(), "{text}");
    }
}

#[test]
fn a_program_that_is_not_built_is_no_success() {
    let said = program("there_is_no_such_example").unwrap_err();
    assert!(said.contains(BUILD), "{said}");
}
