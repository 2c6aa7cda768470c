//! The table of figures by one command: what was promised, measured and judged.
//!
//! `cargo run --release -p ipcscope-lab --example figures -- OUT_DIR` measures every row of
//! `rivals/figures` in shuffled rounds, judges it, writes `OUT_DIR/figures.json` and
//! `OUT_DIR/figures.md`, and prints the table. `rivals/figures/README.md` describes the method.
//!
//! | typed | what it does |
//! |---|---|
//! | `OUT_DIR` | where the record goes |
//! | `--rounds N` | so many rounds (35, about 9 minutes, and 12 with a build for each rule) |
//! | `--seed N` | shuffles them (random, kept in the record) |
//! | `--rivals DIR` | where the rivals were built (`rivals`) |
//! | `--without RULE=PROGRAM` | a build of this program in which a rule is left out: made with `RUSTFLAGS='--cfg crossing_off="RULE"'` into another target folder; may be repeated |
//! | `--only WORDS` | only rows in whose group, what and against the words stand |
//! | `--quick` | 3 rounds with a tenth of the messages: a first look |
//!
//! A signal that ends a program (Ctrl-C, a lost terminal) ends the measuring, and the rounds that were finished are judged and written; a
//! second one ends the program at once.
//!
//! `figures limit …` is one measure by itself: see `limit.rs`.

mod judge;
mod limit;
mod load;
#[path = "../../../../rivals/figures/mod.rs"]
mod promises;
mod record;
mod rounds;
mod table;

use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use record::Record;
use rounds::Course;
use table::{Place, Row, Series, Table, Target, Value};

type Failed = Box<dyn std::error::Error>;

/// What makes this program the near process of a measure.
const LIMIT_VERB: &str = "limit";

fn main() -> ExitCode {
    let typed: Vec<String> = std::env::args().skip(1).collect();
    let done = match typed.split_first() {
        Some((verb, _)) if verb == lab::WORKER_VERB => return lab::worker_main(),
        Some((verb, rest)) if verb == LIMIT_VERB => limit::near_main(rest),
        Some((verb, rest)) if verb == limit::FAR_VERB => limit::far_main(rest),
        _ => Typed::read(&typed).and_then(|typed| run(&typed)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("figures: {error}");
            ExitCode::from(2)
        }
    }
}

/// What was typed.
#[derive(Debug)]
struct Typed {
    folder: PathBuf,
    only: Option<String>,
    course: Course,
}

impl Typed {
    fn read(typed: &[String]) -> Result<Typed, Failed> {
        let (mut folder, mut only, mut rounds) = (None, None, None);
        let seed = std::hash::RandomState::new().build_hasher().finish() % 1_000_000_000;
        let mut course =
            Course { rivals: "rivals".into(), without: Vec::new(), rounds: 0, seed, quick: false };
        let mut words = typed.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--rounds" => rounds = Some(number(word, value()?)?),
                "--seed" => course.seed = number(word, value()?)?,
                "--rivals" => course.rivals = value()?.into(),
                "--only" => only = Some(value()?.clone()),
                "--quick" => course.quick = true,
                "--without" => {
                    let (rule, program) = value()?
                        .split_once('=')
                        .ok_or("--without needs RULE=PROGRAM, such as all=target-all/…/figures")?;
                    course.without.push((rule.to_owned(), program.into()));
                }
                flag if flag.starts_with('-') => {
                    return Err(
                        format!("unknown flag {flag}: see the top of examples/figures/main.rs").into()
                    );
                }
                place if folder.is_none() => folder = Some(PathBuf::from(place)),
                more => return Err(format!("one folder is enough: `{more}`").into()),
            }
        }
        course.rounds = rounds.unwrap_or(if course.quick { 3 } else { 35 }).try_into()?;
        if course.rounds == 0 {
            return Err("--rounds 0 measures nothing".into());
        }
        let folder = folder.ok_or("a folder for the record is needed: figures OUT_DIR")?;
        Ok(Typed { folder, only, course })
    }
}

fn number(flag: &str, text: &str) -> Result<u64, Failed> {
    text.parse().map_err(|_| format!("{flag} {text}: a whole number is needed").into())
}

fn run(typed: &Typed) -> Result<(), Failed> {
    let Typed { folder, only, course } = typed;
    is_off(&[], &limit::crossing_off()).map_err(|why| format!("this program: {why}"))?;
    for (rule, program) in &course.without {
        answers(rule, program)?;
    }
    let table = narrowed(promises::table(), course, only.as_deref())?;
    record::room(folder)?;
    let mut record = Record::begin(&table, course);
    let stop = stop_by_signal()?;
    let began = Instant::now();
    let measured = rounds::measure(&table, course, &stop)?;
    record.elapsed_ms = began.elapsed().as_millis() as u64;
    record.note(&measured);
    record.interrupted = stop.load(Ordering::Relaxed);
    record.rows =
        table.rows.iter().map(|row| judge::judge(row, &measured.samples, &measured.missing)).collect();
    let markdown = record::markdown(&record, &table.rows);
    // Neither is lost with the other: minutes went into both.
    let written = record.write(folder, &measured.samples, &markdown);
    let printed = std::io::stdout().write_all(markdown.as_bytes());
    written?;
    match printed {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ if record.interrupted => Err("interrupted: the record holds the rounds that were finished".into()),
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

/// Whether a build without a rule is one of this program, and without just that rule.
fn answers(rule: &str, program: &Path) -> Result<(), Failed> {
    let memory = ["memory", "64", "1", "0", "spin", "ends"].map(str::to_owned);
    let asked = rounds::ask(program, &memory).and_then(|found| Ok(is_off(&[rule], &found.crossing_off)?));
    asked.map_err(|why| format!("--without {rule}={}: {why}", program.display()).into())
}

/// Whether a program that says that it was built without the rules `off` is one without `wanted`.
fn is_off(wanted: &[&str], off: &[String]) -> Result<(), String> {
    if wanted == off {
        return Ok(());
    }
    let is =
        if off.is_empty() { "with every rule".to_owned() } else { format!("without {}", off.join(" and ")) };
    let flags: String = wanted.iter().map(|rule| format!("--cfg crossing_off=\"{rule}\"")).collect();
    Err(format!(
        "it was built {is}: build it with RUSTFLAGS='{flags}', and with no CARGO_ENCODED_RUSTFLAGS, which goes before them"
    ))
}

/// The rows with what each rule costs behind them, or those that are wanted.
fn narrowed(mut table: Table, course: &Course, only: Option<&str>) -> Result<Table, Failed> {
    table.rows.extend(rules(course));
    if let Some(words) = only {
        table.rows.retain(|row| format!("{} {} {}", row.group, row.what, row.against).contains(words));
    }
    if table.rows.is_empty() {
        return Err("no row has these words".into());
    }
    Ok(table)
}

/// What each rule costs of which a build without it was given; all of them together in any case.
fn rules(course: &Course) -> Vec<Row> {
    let given = course.without.iter().map(|(rule, _)| rule.as_str());
    let safety = given.filter(|rule| !promises::NO_SAFETY_RULE.contains(rule));
    let mut rules: Vec<&str> = safety.filter(|rule| *rule != promises::EVERY_RULE).collect();
    rules.push(promises::EVERY_RULE);
    let mut rows = Vec::new();
    for rule in rules {
        for (limit, figure, most) in promises::RULES {
            rows.push(Row {
                group: "what safety costs, shared memory, spin, two cores",
                what: format!("{limit}, with {rule}"),
                against: "without",
                ours: Value(*figure, Series::Limit(limit)),
                theirs: vec![Value(*figure, Series::Without(rule.to_owned(), limit))],
                target: Target::AtMost(*most),
                at: Place::Near,
            });
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Typed, Failed> {
        Typed::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_was_typed() {
        let typed = read("out --seed 7 --rivals r --without all=a/b --without claims=c --quick").unwrap();
        assert_eq!((typed.folder, typed.course.seed, typed.course.rounds), ("out".into(), 7, 3));
        assert_eq!(typed.course.without, [("all".into(), "a/b".into()), ("claims".into(), "c".into())]);
        assert_eq!(read("out --rounds 4").unwrap().course.rounds, 4);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (line, words) in [
            ("", "a folder"),
            ("a b", "one folder"),
            ("a --rounds", "needs a value"),
            ("a --rounds many", "whole number"),
            ("a --rounds 0", "measures nothing"),
            ("a --rounds 5000000000", "out of range"),
            ("a --without all", "RULE=PROGRAM"),
            ("a --fast", "unknown flag"),
        ] {
            let why = read(line).unwrap_err().to_string();
            assert!(why.contains(words), "{line}: {why}");
        }
        let stranger = answers("all", Path::new("/bin/true")).unwrap_err().to_string();
        assert!(stranger.starts_with("--without all=/bin/true: "), "{stranger}");
    }

    /// A program that says what it is told to say. A shell writes it: a file that is open for writing here might be inherited by
    /// what another test starts meanwhile, and could not be run.
    fn told(name: &str, line: &str) -> PathBuf {
        let place = std::env::temp_dir().join(format!("ipcscope-{name}-{}", std::process::id()));
        let write = r##"printf '#!/bin/sh\necho '"'%s'"'\n' "$1" > "$0" && chmod +x "$0""##;
        let wrote = std::process::Command::new("sh").args(["-c", write]).arg(&place).arg(line).status();
        assert!(wrote.unwrap().success());
        place
    }

    #[test]
    fn a_program_is_what_it_was_given_for() {
        for (name, line, complaint) in [
            ("whole", r#"{"messages":1,"crossing_off":[]}"#, Some("it was built with every rule")),
            ("older", r#"{"messages":1}"#, Some("it was built with every rule")),
            ("other", r#"{"messages":1,"crossing_off":["seal"]}"#, Some("it was built without seal: build")),
            (
                "more",
                r#"{"messages":1,"crossing_off":["claims","seal"]}"#,
                Some("without claims and seal: build"),
            ),
            ("right", r#"{"messages":1,"crossing_off":["claims"]}"#, None),
        ] {
            let program = told(name, line);
            let why = answers("claims", &program).err().map(|why| why.to_string());
            std::fs::remove_file(&program).unwrap();
            let right = |why: &str, words| why.starts_with("--without claims=/") && why.contains(words);
            assert!(
                why.as_deref().map_or(complaint.is_none(), |why| right(why, complaint.unwrap())),
                "{why:?}"
            );
            assert!(why.is_none_or(|why| why.contains(r#"RUSTFLAGS='--cfg crossing_off="claims"'"#)));
        }
        assert_eq!(is_off(&[], &[]), Ok(()));
        let ours = is_off(&[], &["all".into()]).unwrap_err();
        assert!(ours.contains("without all") && ours.contains("RUSTFLAGS=''"), "{ours}");
    }

    #[test]
    fn each_rule_that_was_given_has_its_rows_and_all_together_in_any_case() {
        let mut course = read("out").unwrap().course;
        assert_eq!(rules(&course).len(), promises::RULES.len());
        course.without =
            [("claims", ""), ("parts", ""), ("all", "")].map(|(rule, at)| (rule.into(), at.into())).into();
        assert_eq!(rules(&course).len(), 2 * promises::RULES.len());
    }
}
