//! The scoreboard: what crossing promises, measured and judged by one command.
//!
//! `cargo run --release --manifest-path rivals/scoreboard/Cargo.toml -- measure OUT_DIR` measures every row of
//! `promises.toml` in shuffled rounds, judges it, writes `OUT_DIR/figures.json` and `OUT_DIR/figures.md`, and prints the
//! table. `-- judge OUT_DIR` judges a record again by the promises of today. `-- limit …` is one measure by itself. How a
//! figure is made is said in README.md.
//!
//! A signal that ends a program (Ctrl-C, a lost terminal) ends the measuring, and the rounds that were finished are judged and
//! written; a second one ends the program at once.

mod judge;
mod limit;
mod load;
mod record;
mod rounds;
mod table;

use std::fs::File;
use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::Parser;

use record::Record;
use table::Table;

type Failed = Box<dyn std::error::Error>;

/// The rivals' folder, which holds this program's too.
const RIVALS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What crossing promises against its rivals and against memory itself, measured and judged.
#[derive(Debug, Parser)]
#[command(version)]
enum Typed {
    /// Measure what the table of promises names, judge it, and write a record
    Measure(Course),
    /// Judge a record again, by the promises of today: prints the table and writes nothing
    Judge {
        /// The folder with figures.json
        folder: PathBuf,
        /// Only rows in whose group, what and against these words stand
        #[arg(long, value_name = "WORDS")]
        only: Option<String>,
    },
    /// One measure by itself, in two fresh processes on the first two cores: prints one line of JSON
    Limit(limit::Job),
    /// The second process of a measure
    #[command(name = limit::FAR_VERB, hide = true)]
    Far {
        core: usize,
        lines: PathBuf,
        #[command(flatten)]
        job: limit::Job,
    },
}

/// What is to be measured, and how.
#[derive(Debug, Clone, clap::Args)]
struct Course {
    /// Where the record goes: figures.json and figures.md
    folder: PathBuf,
    /// How many rounds; 35 take about 9 minutes, and 12 with a build for each rule [default: 35, or 3 with --quick]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Shuffles the rounds [default: random; the record keeps it]
    #[arg(long, value_name = "N", default_value_t = std::hash::RandomState::new().build_hasher().finish() % 1_000_000_000)]
    #[arg(hide_default_value = true)]
    seed: u64,
    /// Where the rivals were built, each in a folder of its name
    #[arg(long, value_name = "DIR", default_value = RIVALS)]
    rivals: PathBuf,
    /// A program that `--build` has made without a rule; may be repeated
    #[arg(long, value_name = "RULE=PROGRAM", value_parser = rule_and_program)]
    without: Vec<(String, PathBuf)>,
    /// First build the rivals, and this program once more without each rule, and take those
    #[arg(long, conflicts_with_all = ["without", "rivals"])]
    build: bool,
    /// Of the builds without a rule only this one; several may be named [default: each]
    #[arg(long = "rule", value_name = "RULE", requires = "build")]
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(limit::RULES.map(|(rule, _)| rule)))]
    only_rules: Vec<String>,
    /// Only rows in whose group, what and against these words stand
    #[arg(long, value_name = "WORDS")]
    only: Option<String>,
    /// A tenth of the messages: not to be quoted
    #[arg(long)]
    quick: bool,
}

impl Course {
    fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 3 } else { 35 })
    }

    /// The rules of which a build without them is there.
    fn rules(&self) -> Vec<String> {
        self.without.iter().map(|(rule, _)| rule.clone()).collect()
    }
}

fn rule_and_program(text: &str) -> Result<(String, PathBuf), String> {
    let (rule, program) =
        text.split_once('=').ok_or("RULE=PROGRAM is needed, such as all=target/…/scoreboard")?;
    Ok((rule.into(), program.into()))
}

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|verb| verb == lab::WORKER_VERB) {
        return lab::worker_main();
    }
    let done = match Typed::parse() {
        Typed::Measure(course) => measure(course),
        Typed::Judge { folder, only } => judge_again(&folder, only.as_deref()),
        Typed::Limit(job) => limit::near_main(&job),
        Typed::Far { core, lines, job } => limit::far_main(core, &lines, &job),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scoreboard: {error}");
            ExitCode::from(2)
        }
    }
}

fn measure(mut course: Course) -> Result<(), Failed> {
    is_off(&[], &limit::without()).map_err(|why| format!("this program: {why}"))?;
    if course.build {
        course.without = build(&course.only_rules)?;
    }
    for (rule, program) in &course.without {
        answers(rule, program)?;
    }
    let table = Table::read()?;
    let rows = table.rows(&course.rules(), course.only.as_deref())?;
    record::room(&course.folder)?;
    let mut record = Record::begin(&table, &course);
    let stop = stop_by_signal()?;
    let began = Instant::now();
    record.measured = rounds::measure(&table, &rows, &course, &stop)?;
    record.elapsed_ms = began.elapsed().as_millis() as u64;
    record.judge(&rows);
    let markdown = record.markdown();
    // Neither is lost with the other: minutes went into both.
    let written = record.write(&course.folder, &markdown);
    let printed = print(&markdown);
    written?;
    printed?;
    if record.measured.interrupted {
        return Err("interrupted: the record holds the rounds that were finished".into());
    }
    Ok(())
}

fn judge_again(folder: &Path, only: Option<&str>) -> Result<(), Failed> {
    let mut record = Record::read(folder)?;
    let rows = Table::read()?.rows(&record.without, only)?;
    record.judge(&rows);
    print(&record.markdown())
}

/// Prints the table. A reader that has seen enough of it is no failure.
fn print(markdown: &str) -> Result<(), Failed> {
    match std::io::stdout().write_all(markdown.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// A flag that the first signal which ends a program sets. The second one ends it.
fn stop_by_signal() -> Result<Arc<AtomicBool>, Failed> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in lab::sys::signals::ENDING {
        // In this order: the first one finds the flag unset.
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// Builds the rivals, and this program once more without each rule, or without each of `only`.
fn build(only: &[String]) -> Result<Vec<(String, PathBuf)>, Failed> {
    let run = |command: &mut Command| match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?}: {status}")),
        Err(error) => Err(format!("{command:?}: {error}")),
    };
    run(Command::new("make").args(["-C", RIVALS]))?;
    let without = |(rule, names): &(&str, &[&str])| {
        let copy = Path::new(RIVALS).join("target/without").join(rule);
        let root = Path::new(RIVALS).join("..");
        std::fs::create_dir_all(&copy)?;
        for part in SOURCES {
            copy_anew(&root.join(part), &copy.join(part))?;
        }
        let copy = copy.canonicalize()?;
        let rules = "crates/crossing/src/mechanism/shm/rules.rs";
        std::fs::write(
            copy.join(rules),
            limit::left_out(&std::fs::read_to_string(root.join(rules))?, names)?,
        )?;
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--release", "--locked", "--target-dir"]).arg(copy.join("target"));
        cargo.arg("--manifest-path").arg(copy.join("rivals/scoreboard/Cargo.toml"));
        run(cargo.env("SCOREBOARD_WITHOUT", rule))?;
        Ok(((*rule).to_owned(), copy.join("target/release/scoreboard")))
    };
    let wanted = |(rule, _): &&(&str, _)| only.is_empty() || only.iter().any(|only| only == rule);
    limit::RULES.iter().filter(wanted).map(without).collect()
}

/// The sources of this program.
const SOURCES: [&str; 3] = ["Cargo.toml", "crates", "rivals/scoreboard"];

/// Copies a file or a folder in place of what stands at `to`, but nothing that was built. Files keep their times, so that only
/// what has changed is built again.
fn copy_anew(from: &Path, to: &Path) -> Result<(), Failed> {
    let failed = |why: std::io::Error| format!("cannot copy {} to {}: {why}", from.display(), to.display());
    if !from.is_dir() {
        std::fs::copy(from, to).map_err(failed)?;
        let times = std::fs::metadata(from).and_then(|about| about.modified()).map_err(failed)?;
        return Ok(File::options()
            .write(true)
            .open(to)
            .and_then(|to| to.set_modified(times))
            .map_err(failed)?);
    }
    if to.exists() {
        std::fs::remove_dir_all(to).map_err(failed)?;
    }
    std::fs::create_dir_all(to).map_err(failed)?;
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if name != "target" {
            copy_anew(&from.join(&name), &to.join(&name))?;
        }
    }
    Ok(())
}

/// Whether a build without a rule is one of this program, and without just that rule.
fn answers(rule: &str, program: &Path) -> Result<(), Failed> {
    let memory = ["memory", "64", "1", "0", "spin", "ends"].map(str::to_owned);
    let asked = rounds::ask(program, &memory, None, &AtomicBool::new(false));
    let asked = asked.and_then(|(told, ..)| Ok(is_off(&[rule], &told.without)?));
    asked.map_err(|why| format!("--without {rule}={}: {why}", program.display()).into())
}

/// Checks that a program built without the rules `off` is built without exactly `wanted`.
fn is_off(wanted: &[&str], off: &[String]) -> Result<(), String> {
    if wanted == off {
        return Ok(());
    }
    let is =
        if off.is_empty() { "with every rule".to_owned() } else { format!("without {}", off.join(" and ")) };
    let how = if wanted.is_empty() { "from the sources as they are" } else { "by `measure --build`" };
    Err(format!("it was built {is}: build it {how}, and with no SCOREBOARD_WITHOUT of your own"))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn course(line: &str) -> Result<Course, String> {
        let words = ["scoreboard", "measure"].into_iter().chain(line.split_whitespace());
        match Typed::try_parse_from(words) {
            Ok(Typed::Measure(course)) => Ok(course),
            other => Err(other.unwrap_err().to_string()),
        }
    }

    #[test]
    fn what_was_typed() {
        let typed = course("out --seed 7 --rivals r --without all=a/b --without claims=c --quick").unwrap();
        assert_eq!((typed.folder.clone(), typed.seed, typed.rounds()), ("out".into(), 7, 3));
        assert_eq!(typed.without, [("all".into(), "a/b".into()), ("claims".into(), "c".into())]);
        assert_eq!(course("out --rounds 4").unwrap().rounds(), 4);
        assert!(matches!(Typed::try_parse_from(["scoreboard", "judge", "a"]), Ok(Typed::Judge { .. })));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (line, words) in [
            ("", "<FOLDER>"),
            ("a b", "unexpected argument 'b'"),
            ("a --rounds", "value is required"),
            ("a --rounds many", "invalid value 'many'"),
            ("a --rounds 0", "0 is not in 1.."),
            ("a --rounds 5000000000", "not in"),
            ("a --without all", "RULE=PROGRAM"),
            ("a --without all=b --build", "cannot be used with"),
            ("a --rule claims", "--build"),
            ("a --build --rule no-such", "invalid value 'no-such'"),
            ("a --fast", "unexpected argument '--fast'"),
        ] {
            let why = course(line).unwrap_err();
            assert!(why.contains(words), "{line}: {why}");
        }
        let stranger = answers("all", Path::new("/bin/true")).unwrap_err().to_string();
        assert!(stranger.starts_with("--without all=/bin/true: "), "{stranger}");
    }

    /// A program that prints `line`. A shell writes it: a file that is open for writing here might be inherited by what another
    /// test starts meanwhile, and could not be run.
    fn script(name: &str, line: &str) -> PathBuf {
        let place = std::env::temp_dir().join(format!("scoreboard-{name}-{}", std::process::id()));
        let write = r##"printf '#!/bin/sh\necho '"'%s'"'\n' "$1" > "$0" && chmod +x "$0""##;
        let wrote = Command::new("sh").args(["-c", write]).arg(&place).arg(line).status();
        assert!(wrote.unwrap().success());
        place
    }

    #[test]
    fn a_copy_has_the_sources_as_they_are_and_nothing_that_was_built() {
        let place = std::env::temp_dir().join(format!("scoreboard-copy-{}", std::process::id()));
        let [from, to] = ["from", "to"].map(|name| place.join(name));
        std::fs::create_dir_all(from.join("a/target")).unwrap();
        for name in ["a/kept", "a/gone", "a/target/built"] {
            std::fs::write(from.join(name), name).unwrap();
        }
        copy_anew(&from, &to).unwrap();
        let modified = |path: PathBuf| std::fs::metadata(path).unwrap().modified().unwrap();
        assert_eq!(modified(from.join("a/kept")), modified(to.join("a/kept")));
        std::fs::remove_file(from.join("a/gone")).unwrap();
        std::fs::write(from.join("a/new"), "new").unwrap();
        copy_anew(&from, &to).unwrap();
        let there = ["a/kept", "a/new", "a/gone", "a/target"].map(|name| to.join(name).exists());
        assert_eq!(there, [true, true, false, false]);
        std::fs::remove_dir_all(&place).unwrap();
    }

    #[test]
    fn a_program_is_what_it_was_given_for() {
        for (name, line, complaint) in [
            ("whole", r#"{"messages":1,"without":[]}"#, Some("it was built with every rule")),
            ("older", r#"{"messages":1}"#, Some("it was built with every rule")),
            ("other", r#"{"messages":1,"without":["seal"]}"#, Some("it was built without seal: build")),
            ("more", r#"{"messages":1,"without":["claims","seal"]}"#, Some("without claims and seal: build")),
            ("right", r#"{"messages":1,"without":["claims"]}"#, None),
        ] {
            let program = script(name, line);
            let why = answers("claims", &program).err().map(|why| why.to_string());
            std::fs::remove_file(&program).unwrap();
            assert_eq!(why.is_some(), complaint.is_some(), "{line}: {why:?}");
            for (why, complaint) in why.iter().zip(complaint) {
                assert!(why.starts_with("--without claims=/"), "{why}");
                assert!(why.contains(complaint) && why.contains("measure --build"), "{why}");
            }
        }
        assert_eq!(is_off(&[], &[]), Ok(()));
        let ours = is_off(&[], &["all".into()]).unwrap_err();
        assert!(ours.contains("without all") && ours.contains("as they are"), "{ours}");
    }

    #[test]
    fn each_rule_that_was_given_has_its_rows_and_all_together_in_any_case() {
        let rows = |without: &[&str]| {
            let without: Vec<String> = without.iter().map(|rule| (*rule).into()).collect();
            Table::read().unwrap().rows(&without, Some("what safety costs")).unwrap().len()
        };
        assert_eq!(rows(&["claims", "parts", "all"]), 2 * rows(&[]));
        assert_eq!(
            Table::read().unwrap().rows(&[], Some("no such words")).unwrap_err().to_string(),
            "no row has these words"
        );
    }
}
